"""A listing of samples as the loops of a first implementation print it: seven lines a sample."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from roicrop.errors import ArgumentError
from roicrop.explanation.account import Explanation


def as_trace(
    explanation: Explanation, only: tuple[int, int] | None = None, most: int | None = None
) -> Iterator[str]:
    """Six lines and an empty one for each sample, in index coordinates, y before x.

    They are the box's start, the bin, its size, the samples in it, the sample, and where it is
    before clamping, in the plan's own precision.

    only: this bin. most: at most so many samples.

    Raises ArgumentError for RoIPool and the exact integral, which have no samples.
    """
    if without := _NO_SAMPLES.get(explanation.plan.kind):
        raise ArgumentError(f"a trace lists samples, and {without} has none")
    return _lines(explanation, only, most)


_NO_SAMPLES: Final = {"cell": "RoIPool", "piece": "the exact integral"}


def _lines(
    explanation: Explanation, only: tuple[int, int] | None, most: int | None
) -> Iterator[str]:
    (y, x), k = explanation.plan.axes, explanation.k
    for bin_, readings in explanation.listing(only, most):
        for term in (reading.term for reading in readings):
            yield f"{y.begin[k]!s} {x.begin[k]!s}"
            yield f"{bin_.row} {bin_.column}"
            yield f"{y.bin_size[k]!s} {x.bin_size[k]!s}"
            yield f"{y.count[k]} {x.count[k]}"
            yield f"{term.row} {term.column}"
            yield f"{term.y!s} {term.x!s}"
            yield ""
