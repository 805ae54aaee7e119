"""What an explanation is made of: a bin, its terms, and what each of them reads of a map."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from roicrop.conventions import Kind
from roicrop.sampling import Levels, Tap, Term, Terms

NAMES: Final[dict[Kind, str]] = {
    "sample": "samples",
    "point": "samples",
    "piece": "pieces",
    "cell": "cells",
}
"""What a text calls the terms of a bin."""


@dataclass(frozen=True, slots=True)
class LevelReason:
    """Why a box is on its level: `levels` of that one box, and the names of all levels."""

    levels: Levels
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The level's name."""
        return self.names[int(self.levels.index[0])]


@dataclass(frozen=True, slots=True)
class Source:
    """What a plan does not know of the box that it is for.

    file: where the map came from: "page.h5::/features".
    image: the image's name or number.
    box: the box's number in its file.
    corners: x1, y1, x2, y2 in pixels of the original image; None is the plan's own box.
    level: why the box is on its level of a pyramid; None where there is none.
    input_scale: (sy, sx), from those pixels to those of the image that the network saw.
    """

    file: str
    image: str
    box: int
    corners: tuple[float, float, float, float] | None = None
    input_scale: tuple[float, float] = (1.0, 1.0)
    level: LevelReason | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A term, and what it reads of one channel.

    features: those of the cells of its taps.
    value: Σ weight · feature, or for a corner maximum the largest product (0 where a corner has no
        weight).
    """

    term: Term
    features: tuple[float, ...]
    value: float

    @property
    def taps(self) -> Iterator[tuple[Tap, float]]:
        """Each cell that it reads, and the feature there."""
        return zip(self.term.taps, self.features, strict=True)


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin.

    row, column: its number.
    terms: what it is made of.
    void: it has no terms, or a convention that extrapolates has one outside: `value` is a given.
    zero: a maximum over it considers 0 too.
    sum: Σ value · share over all terms; None for a maximum and for a void bin.
    divisor: what the sum is divided by; None likewise.
    value: what the bin comes to, in float64.
    pooled: what the operator wrote, which `agrees` if it is within `tolerance` of that.
    """

    row: int
    column: int
    terms: Terms
    void: bool
    zero: bool
    sum: float | None
    divisor: float | None
    value: float
    pooled: float
    tolerance: float

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
