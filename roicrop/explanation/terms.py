"""What an explanation is made of: a bin, its terms, and the cells that each of them reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from roicrop.sampling import Samples

Kind = Literal["sample", "piece", "cell"]
State = Literal["inside", "clamped", "outside"]

CORNERS: Final = 4
"""How many cells a sample reads, at most."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a plan does not know of the box that it is for.

    file: where the map came from: "page.h5::/features".
    image: the image's name or number.
    box: the box's number in its file.
    corners: x1, y1, x2, y2 in pixels of the original image; None is the plan's own box.
    input_scale: (sy, sx), from those pixels to those of the image that the network saw.
    """

    file: str
    image: str
    box: int
    corners: tuple[float, float, float, float] | None = None
    input_scale: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Tap:
    """A cell that a sample reads, and what it counts there: weight_y · weight_x, never 0."""

    row: int
    column: int
    weight_y: float
    weight_x: float
    feature: float

    @property
    def weight(self) -> float:
        """What the cell counts."""
        return self.weight_y * self.weight_x

    @property
    def product(self) -> float:
        """Weight × feature."""
        return self.weight * self.feature


@dataclass(frozen=True, slots=True)
class Term:
    """One of the things that a bin is made of: a sample, a piece of an integral, or a cell.

    row, column: its number in the bin along y and along x; for a cell, its place on the map.
    y, x: index coordinates, in the plan's precision.
    read_y, read_x: where the map is read, after clamping.
    share: 1, or a piece's area. An average is Σ value · share over the bin's divisor.
    taps: what it reads; nothing if it is outside.
    value: Σ products, or for a corner maximum the largest of them (0 where a corner has no weight).
    """

    row: int
    column: int
    y: np.floating[Any]
    x: np.floating[Any]
    state: State
    read_y: np.floating[Any]
    read_x: np.floating[Any]
    share: float
    taps: tuple[Tap, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin.

    row, column: its number.
    y, x: its samples along each axis; of a huge box only those in range.
    count: how many terms it has, listed or not, along y and along x.
    outside, clamped: how many of its terms are out of range, and how many were moved to the edge.
    void: it has no terms, or a convention that extrapolates has one outside: `value` is a given.
    zero: a maximum over it considers 0 too.
    sum: Σ value · share over all terms; None for a maximum and for a void bin.
    divisor: what the sum is divided by; None likewise.
    value: what the bin comes to, in float64.
    pooled: what the operator wrote, which `agrees` if it is within `tolerance` of that.
    """

    row: int
    column: int
    y: Samples
    x: Samples
    count: tuple[int, int]
    outside: int
    clamped: int
    void: bool
    zero: bool
    sum: float | None
    divisor: float | None
    value: float
    pooled: float
    tolerance: float

    @property
    def terms(self) -> int:
        """How many terms the bin has, listed or not."""
        return self.count[0] * self.count[1]

    @property
    def difference(self) -> float:
        """Between what was pooled and what the bin comes to; NaN where one is NaN."""
        if self.pooled == self.value or (math.isnan(self.pooled) and math.isnan(self.value)):
            return 0.0
        return abs(self.pooled - self.value)

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference <= self.tolerance
