"""A convention in words: the name of its operator, its rules, and how it reduces a bin."""

from __future__ import annotations

from typing import Final

from roicrop.conventions.levels import LevelRule
from roicrop.conventions.relevance import matters
from roicrop.conventions.table import Convention, Kind, Operator, Reduction
from roicrop.text import measure, minus


def named(row: Convention) -> str:
    """A row's name, with the operator if it is ambiguous: "torchvision (ps-align)"."""
    return row.name if row.operator in ("align", "pool") else f"{row.name} ({row.operator})"


TABLE_HEADER: Final = (
    "convention", "for", "shift", "at least", "samples", "reduction", "outside", "corners",
)  # fmt: skip


def table_row(row: Convention) -> tuple[str, ...]:
    """The rules as a table shows them, under TABLE_HEADER.

    The shift is in pixels before and in cells after scaling.
    """
    before = minus(f"{row.offset_before:+g} px, ") if row.offset_before else ""
    after = minus(f"{row.offset_after:+g}") if row.offset_after else "0"
    end = f", end +{row.added_pixel:g} px" if row.added_pixel else ""
    end += f", size +{row.added_cell:g}" if row.added_cell else ""
    end += ", clipped" if row.clipped else ""
    least = "" if row.min_size is None else measure(f"{row.min_size:g}", "cell")
    cells = row.kind == "cell"
    rounded = "rounded in pixels" if row.pixels != "as-given" else _ROUNDED[row.rounding]
    end += "" if row.end_cell else ", end cell left out"
    end += f", last {measure(str(row.unread), 'cell')} of the map left out" if row.unread else ""
    if row.turned:
        end += f", {row.angle}"
    return (
        row.name,
        row.operator,
        rounded + end if cells else before + after + end,
        "1 cell" if cells and row.rounding != "none" else least,
        "cells" if cells else _samples(row),
        row.mode,
        row.border if matters("border", row) else "left out",
        row.order + " fractions" * row.normalized + " less 1 px" * row.inner,
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


def _samples(row: Convention) -> str:
    at_beginnings = row.kind == "sample" and not row.sample_at
    return str(row.sampling_ratio) + ", shared" * row.shared + ", beginnings" * at_beginnings


def operator_name(row: Convention) -> str:
    """The name of the operator: "RoIAlign", "Exact RoIAlign", "Crop-and-resize", "RoIPool"."""
    if row.turned or row.position_sensitive:
        return OPERATORS[row.operator]
    return _OPERATOR_NAMES[row.kind]


def rules(row: Convention) -> str:
    """The rules in a line: "2×2 samples per bin, avg, corners moved −0.5 cells: torchvision …"."""
    if row.kind == "cell":
        return f"{operator_name(row)}, {row.mode}{_moved(row)}: {row.program}"
    ratio = str(row.sampling_ratio)
    taken = {"adaptive": "as many samples as a bin has cells", "exact": "the exact integral"}
    samples = taken.get(ratio, f"{ratio}×{ratio} samples per bin")
    if row.shared:
        samples += ", at its corners"
    elif row.positions == "corners":
        samples += ", from corner to corner of the box"
    elif row.kind == "sample" and not row.sample_at:
        samples += ", at the beginnings of its parts"
    return f"{samples}, {row.mode}{_moved(row)}: {row.program}"


def _moved(row: Convention) -> str:
    """How corners move, as a phrase to append: ", corners moved −0.5 cells"."""
    moves = []
    if row.offset_before:
        moves.append(f"{minus(f'{row.offset_before:+g}')} pixels before scaling")
    if row.offset_after:
        moves.append(f"{minus(f'{row.offset_after:+g}')} cells{' after it' if moves else ''}")
    said = [f"corners moved {' and '.join(moves)}"] if moves else []
    if row.added_pixel:
        said.append(f"the end corner {measure(f'{row.added_pixel:g}', 'pixel')} further")
    if row.added_cell:
        said.append(f"the box {measure(f'{row.added_cell:g}', 'cell')} larger")
    if row.clipped:
        said.append("boxes clipped to the map")
    if row.inner:
        said.append("fractions of the image less a pixel")
    return "".join(f", {each}" for each in said)


def takes(row: Convention) -> str:
    """The reduction of a bin: "the average"."""
    return _TAKES[row.reduction]


def bin_of(row: Convention) -> str:
    """How a bin is computed: "the average of its samples"."""
    what = _MADE_OF[row.kind]
    if row.reduction == "corner-max" and row.kind == "sample":
        what = "its samples' weighted corners"
    return f"the {'average' if row.mode == 'avg' else 'largest'} of {what}"


def reduction(row: Convention, count: tuple[int, int]) -> str:
    """What a bin with these samples along y and x gives: "average of 2×2 samples per bin"."""
    what = "average" if row.mode == "avg" else "maximum"
    if row.kind in _WHOLE_BIN:
        return _WHOLE_BIN[row.kind].format(what)
    counts = f"{count[0]}×{count[1]} samples per bin"
    if min(count) < 1:
        counts = "no samples"
    if count == (1, 1):
        counts = "one sample per bin"
    if row.reduction == "corner-max":
        counts = f"the weighted corners of {counts}"
    return f"{what} of {counts}" + (" (adaptive)" if row.sampling_ratio == "adaptive" else "")


_OPERATOR_NAMES: Final[dict[Kind, str]] = {
    "sample": "RoIAlign",
    "point": "Crop-and-resize",
    "piece": "Exact RoIAlign",
    "cell": "RoIPool",
}
OPERATORS: Final[dict[Operator, str]] = {
    "align": "RoIAlign",
    "pool": "RoIPool",
    "align-rotated": "Rotated RoIAlign",
    "ps-align": "Position-sensitive RoIAlign",
    "ps-pool": "Position-sensitive RoIPool",
}
"""The name of an operator, whatever its convention."""
_ROUNDED: Final = {
    "half-away": "rounded",
    "half-even": "rounded half to even",
    "none": "not rounded",
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
    "point": "one sample per bin",
    "piece": "integral over each bin",
    "cell": "{} of a bin’s cells",
}
