"""A convention in words: what the operator is called, its rules, and what becomes of a bin."""

from __future__ import annotations

from typing import Final

from roicrop.conventions.levels import LevelRule
from roicrop.conventions.relevance import matters
from roicrop.conventions.table import Convention, Kind, Reduction
from roicrop.text import measure, minus

TABLE_HEADER: Final = (
    "convention", "for", "shift", "at least", "samples", "reduction", "outside", "corners",
)  # fmt: skip


def table_row(row: Convention) -> tuple[str, ...]:
    """The rules as a table shows them, under TABLE_HEADER.

    The shift is in pixels before and in cells after scaling.
    """
    before = minus(f"{row.offset_before:+g} px, ") if row.offset_before else ""
    after = minus(f"{row.offset_after:+g}") if row.offset_after else "0"
    least = "" if row.min_size is None else measure(f"{row.min_size:g}", "cell")
    cells = row.kind == "cell"
    return (
        row.name,
        row.operator,
        "rounded" if cells else before + after,
        "1 cell" if cells else least,
        "cells" if cells else str(row.sampling_ratio),
        row.mode,
        row.border if matters("border", row) else "left out",
        row.order + (" fractions" if row.normalized else ""),
    )


LEVEL_HEADER: Final = ("canonical", "counted from", "rounded", "zero area", "negative area")


def level_row(rule: LevelRule) -> tuple[str, ...]:
    """A level rule as a table shows it, under LEVEL_HEADER."""
    finest = {"finest": "the finest", "none": "none", "raise": "refused"}
    return (
        f"{rule.canonical_size:g} px, level {rule.canonical_level:g}",
        "the finest map" if rule.counted_from == "finest" else "stride 1",
        "down" if rule.rounding == "floor" else "half to even",
        finest[rule.zero_area],
        finest[rule.negative_area],
    )


def operator_name(row: Convention) -> str:
    """What the operator is called: "RoIAlign", "Exact RoIAlign", "Crop-and-resize", "RoIPool"."""
    return _OPERATOR_NAMES[row.kind]


def rules(row: Convention) -> str:
    """The rules in a line: "2×2 samples a bin, avg, corners moved −0.5 cells: torchvision …"."""
    if row.kind == "cell":
        return f"RoIPool, {row.mode}: {row.program}"
    ratio = str(row.sampling_ratio)
    taken = {"adaptive": "as many samples as a bin has cells", "exact": "the exact integral"}
    samples = taken.get(ratio, f"{ratio}×{ratio} samples a bin")
    moves = []
    if row.offset_before:
        moves.append(f"{minus(f'{row.offset_before:+g}')} pixels before scaling")
    if row.offset_after:
        moves.append(f"{minus(f'{row.offset_after:+g}')} cells{' after it' if moves else ''}")
    moved = f", corners moved {' and '.join(moves)}" if moves else ""
    return f"{samples}, {row.mode}{moved}: {row.program}"


def takes(row: Convention) -> str:
    """What a bin takes of what it is made of: "the average"."""
    return _TAKES[row.reduction]


def bin_of(row: Convention) -> str:
    """What a bin is: "the average of its samples"."""
    what = _MADE_OF[row.kind]
    if row.reduction == "corner-max" and row.kind == "sample":
        what = "its samples' weighted corners"
    return f"the {'average' if row.mode == 'avg' else 'largest'} of {what}"


def reduction(row: Convention, count: tuple[int, int]) -> str:
    """What becomes of a bin with so many samples along y and x: "average of 2×2 samples a bin"."""
    what = "average" if row.mode == "avg" else "maximum"
    if row.kind in _WHOLE_BIN:
        return _WHOLE_BIN[row.kind].format(what)
    counts = f"{count[0]}×{count[1]} samples a bin"
    if min(count) < 1:
        counts = "no samples"
    if count == (1, 1):
        counts = "one sample a bin"
    if row.reduction == "corner-max":
        counts = f"the weighted corners of {counts}"
    return f"{what} of {counts}" + (" (adaptive)" if row.sampling_ratio == "adaptive" else "")


_OPERATOR_NAMES: Final[dict[Kind, str]] = {
    "sample": "RoIAlign",
    "point": "Crop-and-resize",
    "piece": "Exact RoIAlign",
    "cell": "RoIPool",
}
_TAKES: Final[dict[Reduction, str]] = {
    "avg": "the average",
    "max": "the largest value",
    "corner-max": "the largest weighted neighbour of a sample",
}
_MADE_OF: Final[dict[Kind, str]] = {
    "sample": "its samples",
    "point": "a single sample",
    "piece": "the interpolated map over it",
    "cell": "the cells it covers",
}
_WHOLE_BIN: Final[dict[Kind, str]] = {
    "point": "one sample a bin",
    "piece": "integral over each bin",
    "cell": "{} of a bin’s cells",
}
