"""Whether boxes lie on their maps and maps cover their images, and which strides would fit."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.files.columns import in_blocks

Float = NDArray[np.floating[Any]]

_STRIDES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# A map's size is rounded up or down: a box at the image's edge may end a cell outside.
_SLACK: Final = 1.0


@dataclass(frozen=True, slots=True)
class Fit:
    """How many of K boxes are `degenerate` (zero size), or extend outside their map.

    partly: outside on one side or more, by any amount.
    beyond: of those, more than a cell outside, which rounding cannot explain.
    wholly: of those, entirely outside.
    """

    degenerate: int
    partly: int
    beyond: int
    wholly: int

    def __add__(self, other: Fit) -> Fit:
        """The counts of both added up."""
        return Fit(*map(operator.add, astuple(self), astuple(other)))


NO_BOX: Final = Fit(0, 0, 0, 0)


def fit(cells: Float, map_size: Float) -> Fit:
    """How boxes (K, 4), xyxy in feature coordinates, lie on maps of (K, 2) cells (H, W).

    Boxes that are not finite are left out.
    """
    counts = np.zeros(4, np.int64)
    for some in in_blocks(len(cells)):  # there may be millions
        low, high, size = _corners(cells[some], map_size[some])
        outside = np.maximum(-low, high - size).max(axis=1, initial=-np.inf)
        gone = ((high <= 0) | (low >= size)) & (outside > 0)[:, np.newaxis]
        flat = (low == high).any(axis=1)
        for n, mask in enumerate((flat, outside > 0, outside > _SLACK, gone.any(axis=1))):
            counts[n] += np.count_nonzero(mask)
    return Fit(*counts.tolist())


def stride_that_fits(parts: Iterable[tuple[Float, Float]]) -> int | None:
    """The smallest power of two for which no box ends outside its map, give or take a cell.

    parts: boxes (n, 4), xyxy in pixels of the image that the network saw, and (n, 2) the cells
        (H, W) of each one's map.

    None if no stride fits, if a box begins more than a cell before its map, which no stride can
    fix, or if there are no boxes.
    """
    needed, least = 0.0, np.inf  # the smallest stride that fits; where the first box begins
    for pixels, map_size in parts:
        low, high, size = _corners(pixels, map_size)
        needed = float((high / (size + _SLACK)).max(initial=needed))
        least = float(low.min(initial=least))
    stride = next((stride for stride in _STRIDES if needed <= stride), None)
    return stride if stride and -_SLACK * stride <= least < np.inf else None


def covers(stride: float, pixels: tuple[float, float], map_size: tuple[int, int]) -> bool:
    """True if a map (H, W) covers an image (H, W), give or take a cell along each axis."""
    cells = (extent / stride for extent in pixels)
    return all(abs(c - size) < _SLACK for c, size in zip(cells, map_size, strict=True))


def stride_that_covers(pixels: tuple[float, float], map_size: tuple[int, int]) -> int | None:
    """The smallest power of two for which a map (H, W) covers an image (H, W), if any."""
    return next((stride for stride in _STRIDES if covers(stride, pixels, map_size)), None)


def _corners(boxes: Float, map_size: Float) -> tuple[Float, Float, Float]:
    """Lower corners, upper corners and map sizes, (K, 2) each as (x, y), of the finite boxes."""
    finite = np.isfinite(boxes).all(axis=1)
    ends = boxes[finite].reshape(-1, 2, 2)
    return ends.min(axis=1), ends.max(axis=1), map_size[finite][:, ::-1]
