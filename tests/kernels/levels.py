"""Crops that take every path of the kernels. `python levels.py FILE.npz` saves them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

import roicrop

CALLS: tuple[dict[str, Any], ...] = (
    {"convention": "mask-rcnn"},
    {"convention": "detectron2"},
    {"convention": "detectron2", "mode": "max"},
    {"convention": "onnx", "mode": "max"},
    {"convention": "prroi"},
    {"convention": "fast-rcnn"},
    {"convention": "fast-rcnn", "mode": "avg"},
)


def results() -> dict[str, NDArray[Any]]:
    """Pooled arrays, by what was asked for."""
    rng = np.random.default_rng(11)
    features = rng.standard_normal((2, 37, 40, 53))
    features[rng.random(features.shape) < 1e-4] = np.nan
    boxes = random_boxes(rng, 60, (2, 40, 53))
    found = {}
    for call in CALLS:
        operator = roicrop.roi_pool if call["convention"] == "fast-rcnn" else roicrop.roi_align
        for dtype in ("f2", "f4", "f8"):
            for size in ((7, 7), (2, 1)):
                for layout in ("NCHW", "NHWC"):
                    axes = (0, 2, 3, 1) if layout == "NHWC" else (0, 1, 2, 3)
                    given = np.ascontiguousarray(features.transpose(axes), dtype=dtype)
                    pooled = operator(given, boxes, size, 0.9, layout=layout, **call)
                    found[f"{call} {dtype} {size} {layout}"] = pooled
    return found | {"every float16": every_half()}


def every_half() -> NDArray[np.float16]:
    """(1, 1, 256, 256): each bin is one cell, and each cell another float16."""
    features = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(1, 1, 256, 256)
    box = [[0, 0, 0, 256, 256]]
    pooled: NDArray[np.float16] = roicrop.roi_align(
        features, box, 256, sampling_ratio=1, aligned=True
    )
    return pooled


def random_boxes(
    rng: np.random.Generator, count: int, maps: tuple[int, int, int]
) -> NDArray[np.float64]:
    """(count, 5) on that many maps of that size, from half a cell to most of the map."""
    images, height, width = maps
    middle = rng.uniform(0, 1, (count, 2)) * (width, height)
    half = np.exp(rng.uniform(np.log(0.25), np.log(0.4), (count, 2))) * (width, height)
    half *= rng.uniform(0, 1, (count, 1)) ** 3
    return np.column_stack([rng.integers(0, images, count), middle - half, middle + half])


if __name__ == "__main__":
    np.savez(sys.argv[1], **results())  # type: ignore[arg-type]
