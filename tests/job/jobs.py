"""A batch of maps, boxes on it, and requests to crop them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import roicrop
from roicrop.conventions import resolve
from roicrop.errors import BoxError
from roicrop.job import Request, crop, open_job

RANDOM = np.random.default_rng(20)
BATCH = RANDOM.standard_normal((3, 5, 12, 16), dtype=np.float32)
# Image by image interleaved; on a map of 12×16 cells at stride 4, 48×64 pixels.
BOXES = [
    (2, 3.0, 4.0, 20.5, 30.0),
    (0, 0.0, 0.0, 64.0, 48.0),
    (2, 40.0, 2.0, 63.0, 9.0),
    (0, 11.0, 12.0, 13.0, 13.5),
    (2, 5.0, 5.0, 45.0, 44.0),
]
MASK_RCNN = resolve("mask-rcnn")


def write_maps(path: str, maps: dict[str, np.ndarray], **attributes: Any) -> None:
    with h5py.File(path, "w") as file:
        for name, values in maps.items():
            file[name] = values
            file[name].attrs.update(attributes)


def write_boxes(path: str, rows: Sequence[Sequence[object]], image: str = "image_index") -> None:
    lines = [f"{image},x1,y1,x2,y2", *(",".join(map(str, row)) for row in rows)]
    Path(path).write_text("\n".join(lines) + "\n")


def ask(**changes: Any) -> Request:
    request = Request(
        features="maps.h5", boxes="boxes.csv", convention=MASK_RCNN, output_size=(2, 3)
    )
    return dataclasses.replace(request, **changes)


def crop_to(path: str, request: Request | None = None, **options: Any) -> np.ndarray:
    with open_job(request or ask()) as job:
        crop(job, path, **options)
    with h5py.File(path) as file:
        return np.asarray(file["pooled"])


def expected(boxes: Sequence[Sequence[float]] = BOXES, **options: Any) -> np.ndarray:
    return roicrop.roi_align(BATCH, np.array(boxes), (2, 3), 1 / 4, **options)


def refusal(request: Request) -> str:
    """The one line that refuses the request's boxes."""
    with pytest.raises(BoxError) as caught:
        crop_to("refused.h5", request)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_json(path: str, value: object) -> None:
    Path(path).write_text(json.dumps(value))


def write_scored(path: str) -> None:
    lines = ["image_index,x1,y1,x2,y2,score,label"]
    for k, row in enumerate(BOXES):
        lines.append(",".join(map(str, (*row, k / 10, "cat" if k % 2 else "dog"))))
    Path(path).write_text("\n".join(lines))
