"""What is timed: feature maps and boxes, the same on every machine.

The sets *small* and *large* are those of detectron2's own benchmark of RoIAlign.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from roicrop.conventions import Mode, Operator

Array = NDArray[Any]
Corners = NDArray[np.float64]

ADAPTIVE: Final = 0  # the sampling ratio that lets the bin's size decide, as frameworks write it

_SEED: Final = 20170320
_CACHE_LINE: Final = 64  # bytes


@dataclass(frozen=True)
class Sizes:
    """How much work a workload is: channels of the map, and boxes on it."""

    channels: int
    boxes: int


FULL: Final = Sizes(channels=256, boxes=512)
QUICK: Final = Sizes(channels=16, boxes=8)


@dataclass(frozen=True, eq=False)
class Workload:
    """One call of an operator, at scale 1: boxes are in cells, and `aligned` is true.

    map_shape: (1, C, H, W); `features` is that map, float32.
    boxes: (K, 5) float32, image index first.
    """

    name: str
    map_shape: tuple[int, int, int, int]
    boxes: NDArray[np.float32]
    operator: Operator = "align"
    sampling_ratio: int = ADAPTIVE
    mode: Mode = "avg"
    output_size: tuple[int, int] = (7, 7)

    @property
    def features(self) -> NDArray[np.float32]:
        return feature_map(self.map_shape)

    @property
    def pooled_shape(self) -> tuple[int, int, int, int]:
        return len(self.boxes), self.map_shape[1], *self.output_size


def six(sizes: Sizes) -> list[Workload]:
    """RoIAlign on detectron2's two box sets and a mixed one, adaptive and with ratio 2."""
    return _align(("small", "large", "spread"), sizes)


def others(sizes: Sizes) -> list[Workload]:
    """Boxes of about 12 cells anywhere, and twice as many boxes on a map of a wide photograph."""
    scenes = Sizes(sizes.channels, sizes.boxes * 1000 // 512)
    photograph = (1, scenes.channels, 200, 304)
    return [
        *_align(("uniform",), sizes),
        Workload("200×304, 2", photograph, _table("spread", scenes, 200, 304), sampling_ratio=2),
    ]


def pools(sizes: Sizes) -> list[Workload]:
    """RoIPool on the first three box sets."""
    return [
        dataclasses.replace(workload, name=box_set, operator="pool", mode="max")
        for box_set, workload in zip(("small", "large", "spread"), six(sizes)[::2], strict=True)
    ]


def maxima(sizes: Sizes) -> list[Workload]:
    """The six of RoIAlign with the maximum of the samples in place of their average."""
    return [dataclasses.replace(workload, mode="max") for workload in six(sizes)]


@functools.cache
def feature_map(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal numbers; always the same array, not a copy, for the same shape."""
    features = zeros(shape, np.float32)
    np.random.default_rng(_SEED).standard_normal(dtype=np.float32, out=features)
    return features


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Zeros from the beginning of a cache line on, as frameworks allocate their tensors.

    NumPy's own arrays may begin anywhere in a line, which would favour contenders by luck.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(size + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def box_set(name: str, count: int, height: int, width: int) -> Corners:
    """(count, 4) xyxy in cells, clipped to the map."""
    corners = BOX_SETS[name](np.random.default_rng(_SEED), count, height, width)
    return np.clip(corners, 0, [width, height, width, height])


def _around(low: float, high: float, jitter: float) -> Callable[..., Corners]:
    def corners(rng: np.random.Generator, count: int, height: int, width: int) -> Corners:
        return np.array([low, low, high, high]) + jitter * rng.random((count, 4))

    return corners


def _spread(rng: np.random.Generator, count: int, height: int, width: int) -> Corners:
    size = np.array([width, height])
    sides = 4.0 * (0.8 * size / 4.0) ** rng.random((count, 2))  # log-uniform from 4 to 80 %
    return _centred(size * rng.random((count, 2)), sides)


def _uniform(rng: np.random.Generator, count: int, height: int, width: int) -> Corners:
    sides = rng.uniform(10.0, 14.0, (count, 2))
    room = np.array([width, height]) - sides
    return _centred(sides / 2 + room * rng.random((count, 2)), sides)


def _centred(centres: Corners, sides: Corners) -> Corners:
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)


BOX_SETS: Final[Mapping[str, Callable[..., Corners]]] = MappingProxyType(
    {
        "small": _around(100, 110, 4),
        "large": _around(80, 130, 24),
        "spread": _spread,
        "uniform": _uniform,
    }
)


def _align(box_sets: tuple[str, ...], sizes: Sizes) -> list[Workload]:
    map_shape = (1, sizes.channels, 128, 128)
    return [
        Workload(
            f"{name}, {'adaptive' if ratio == ADAPTIVE else ratio}",
            map_shape,
            _table(name, sizes, *map_shape[2:]),
            sampling_ratio=ratio,
        )
        for name in box_sets
        for ratio in (ADAPTIVE, 2)
    ]


def _table(name: str, sizes: Sizes, height: int, width: int) -> NDArray[np.float32]:
    corners = box_set(name, sizes.boxes, height, width)
    return np.insert(corners, 0, 0.0, axis=1).astype(np.float32)
