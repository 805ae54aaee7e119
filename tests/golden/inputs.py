"""The maps and boxes that every framework is given.

Boxes are xyxy in feature coordinates, on a map of 13×17 cells, so that awkward boxes
stay awkward at every scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

HEIGHT, WIDTH = 13, 17
ROWS, ROW_PERIOD = 96, 12

_random = np.random.default_rng(20180124)
_NOISE = _random.standard_normal((1, HEIGHT, WIDTH))

FEATURES: dict[str, Array] = {
    "noise": _NOISE,
    "low": _NOISE - 1.0,  # bins of nothing but negative numbers, for maxima
    # One cell wide; channel c is 1 on every twelfth row from c on, and 0 elsewhere.
    "rows": np.tile(np.eye(ROW_PERIOD), ROWS // ROW_PERIOD)[:, :, None],
}

_ABOVE_9 = float(np.nextafter(np.float32(9), np.float32(10)))
_BELOW_9 = float(np.nextafter(np.float32(9), np.float32(8)))

_AWKWARD = {
    "ordinary": (2.3, 1.7, 9.6, 8.2),
    "large": (0.4, 0.9, 15.7, 11.3),
    "small": (5.01, 3.99, 7.52, 6.5),
    "the whole map": (0, 0, 17, 13),
    "whole cells, one a bin": (3, 2, 10, 9),
    "whole cells, two a bin, partly outside": (1, 1, 15, 15),
    "half cells": (2.5, 1.5, 9.5, 8.5),
    "half cells, two a bin": (0.5, 0.5, 14.5, 12.5),
    "a point": (6, 5, 6, 5),
    "no width": (6.25, 5, 6.25, 9),
    "no height": (3, 5.5, 8, 5.5),
    "under a cell": (4.2, 4.3, 4.7, 4.6),
    "far beyond the end": (100, 80, 140, 120),
    "far before the start": (-60, -50, -20, -30),
    "larger than the map": (-20, -15, 40, 30),
    "a little larger than the map": (-3, -2, 20, 16),
    "over the start": (-4.3, -2.8, 5.1, 6.2),
    "over the end": (12.2, 9.1, 22.4, 17.9),
    # Samples exactly at −1, for seven bins and for one, without and with the half cell.
    "at -1, not aligned": (-1.5, -1.5, 5.5, 5.5),
    "at -1, aligned": (-1, -1, 6, 6),
    "one at -1, not aligned": (-2, -2, 0, 0),
    "one at -1, aligned": (-1.5, -1.5, 0.5, 0.5),
    # Samples exactly at the map's size.
    "at the end, not aligned": (10.5, 6.5, 17.5, 13.5),
    "at the end, aligned": (11, 7, 18, 14),
    "one at the end, not aligned": (16, 12, 18, 14),
    "one at the end, aligned": (16.5, 12.5, 18.5, 14.5),
    # The adaptive count is about to change.
    "a rounding above and below one a bin": (2, 2, _ABOVE_9, _BELOW_9),
    "tenths": (1.1, 1.2, 8.1, 8.2),
    "tenths, five by three": (0.1, 0.2, 5.1, 3.2),
    # What RoIPool rounds: ties away from zero.
    "halves around zero": (-2.5, -0.5, 3.5, 4.5),
}

_REVERSED = {
    "reversed": (9.6, 8.2, 2.3, 1.7),
    "reversed, large": (20, 16, -4, -3),
    "reversed by less than a bin": (4.7, 4.6, 4.5, 4.4),
    "reversed in x": (9.6, 1.7, 2.3, 8.2),
    "reversed in y": (2.3, 8.2, 9.6, 1.7),
    "reversed in x, no height": (9.6, 4, 2.3, 4),
    "reversed in y, no width": (4, 9.6, 4, 2.3),
}


def _count_boxes() -> Array:
    """Boxes of 7·n by 5·n cells at tenths of a cell: rounding puts the size on either side.

    n is 2 or 3: in bins of one cell, one sample and two often give the same.
    """
    corner = np.round(_random.uniform(0.1, 3.0, (12, 2)), 1)
    cells = np.array([(10, 14), (15, 14), (10, 21)] * 4, dtype=float)
    return np.concatenate([corner, corner + cells], axis=1)


def _position_boxes(ratio: int) -> Array:
    """Boxes on the map "rows": a bin's samples 2.1 to 3.3 rows apart, one column of them inside."""
    y = _random.uniform(2.0, 20.0, 10)
    height = 7 * ratio * _random.uniform(2.1, 3.3, 10)
    x = np.full(10, -4.0)
    return np.stack([x, y, x + 8 * ratio, y + height], axis=1)


REVERSED = tuple(_REVERSED)

BOXES: dict[str, Array] = {
    "awkward": np.array([*_AWKWARD.values()]),
    "awkward and reversed": np.array([*_AWKWARD.values(), *_REVERSED.values()]),
    "counts": _count_boxes(),
    **{f"positions {ratio}": _position_boxes(ratio) for ratio in (1, 2, 3)},
    **{name: np.array([box]) for name, box in _REVERSED.items()},
}
# Crop-and-resize maps 0 … 1 to the first and last cell's centre: end points, halves and beyond.
BOXES["crops"] = np.concatenate(
    [
        BOXES["awkward and reversed"],
        [(0, 0, 16, 12), (-0.5, 0, 16, 12.5), (1.5, 2.5, 13.5, 8.5), (16, 12, 16, 12)],
    ]
)
