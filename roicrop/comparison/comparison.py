"""What comes of comparing conventions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from roicrop.comparison.ablation import Reason
from roicrop.comparison.contrast import Contrast
from roicrop.comparison.tally import Spread, Tally, Worst
from roicrop.comparison.variants import Variant

TOLERANCE: Final = 1e-5
"""How far apart two conventions may be that agree, for features of at most 1 in size."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The largest difference of values that agree.

    given: what was asked for. least, most: what was used: without it, TOLERANCE times the largest
    |feature| of a box's map, but at least times 1.
    """

    given: float | None
    least: float
    most: float


@dataclass(slots=True)
class Refusals:
    """The boxes that a convention refuses. messages: why, of the first few."""

    count: int = 0
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WorstBox:
    """A box on which two conventions differ: what the plans say, and which rules make it so."""

    box: Worst
    contrasts: list[Contrast]
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two conventions on all boxes.

    tally: how far they are apart. refused: boxes that one of the two refuses and the other takes.
    studied: how many boxes the reasons were found on.
    reasons: what makes the difference, most first. worst: the boxes that differ most.
    picture: the file that shows the first of them.
    """

    first: Variant
    second: Variant
    tally: Tally
    refused: int
    studied: int
    reasons: list[Reason]
    worst: list[WorstBox]
    picture: str | None

    @property
    def agrees(self) -> bool:
        """Whether both take the same boxes, and no value differs by more than the tolerance."""
        return self.tally.differ == 0 and self.refused == 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of comparing. refusals: of each variant, in their order."""

    variants: list[Variant]
    refusals: list[Refusals]
    spread: Spread
    tolerance: Tolerance
    pairs: list[Pair]

    @property
    def agrees(self) -> bool:
        """Whether every pair does."""
        return all(pair.agrees for pair in self.pairs)
