"""An explanation as a worked example: the box, its division into bins, and their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from roicrop.conventions import CONVENTIONS, overrides
from roicrop.conventions import in_words as rules
from roicrop.explanation.account import Bin, Explanation, LevelReason
from roicrop.explanation.one_bin import one_bin, operand, tolerance
from roicrop.sampling import Axis, Plan, Step
from roicrop.text import brief, exact, in_column, printable, table, tidy, under_one_another

MOST_TERMS: Final = 64
MOST_BINS: Final = 1024


def in_words(
    explanation: Explanation, only: tuple[int, int] | None = None, most: int | None = None
) -> Iterator[str]:
    """Explain a box in lines of text.

    only: a bin to explain in full; None gives one line per bin.
    most: at most this many samples (or bins); None means MOST_TERMS (or MOST_BINS).
    """
    yield from preamble(explanation)
    yield ""
    if only is not None:
        yield from one_bin(explanation, only, MOST_TERMS if most is None else most)
    else:
        yield from _all_bins(explanation, MOST_BINS if most is None else most)


def _all_bins(explanation: Explanation, most: int) -> Iterator[str]:
    """A table of bins, one line each, and whether they agree with the operator."""
    bins = list(explanation.bins())
    shown = bins[:most]
    columns = [
        ("bin", [f"{b.row},{b.column}" for b in shown]),
        *_places(explanation, shown),
        (explanation.terms, [f"{b.terms.count[0]} × {b.terms.count[1]}" for b in shown]),
    ]
    if explanation.plan.kind in ("sample", "point"):
        columns.append(("outside", [str(b.terms.outside) for b in shown]))
        columns.append(("clamped", [str(b.terms.clamped) for b in shown]))
    if any(b.sum is not None for b in shown):
        columns.append(("sum", in_column([b.sum for b in shown])))
    columns.append(("value", in_column([b.value for b in shown])))
    gives = f"{explanation.plan.convention.operator} gives"
    columns.append((gives, in_column([b.pooled for b in shown])))
    rows = zip(*([name, *texts] for name, texts in columns), strict=True)
    yield from table(list(rows), "r" * len(columns))
    if len(shown) < len(bins):
        yield f"… and {len(bins) - len(shown):,} more bins: --limit {len(bins)}"
    yield ""
    yield _agreement(explanation, bins)
    yield "Add --bin ROW,COLUMN for every number behind a bin."


def _places(explanation: Explanation, bins: Sequence[Bin]) -> list[tuple[str, list[str]]]:
    """Where bins lie along y and x: their edges, their single sample, or their cells."""
    plan, k = explanation.plan, explanation.k
    if plan.kind == "cell":
        cells = [plan.cells(k, b.row, b.column) for b in bins]
        return [
            ("rows", [_cells(rows) for rows, _ in cells]),
            ("columns", [_cells(columns) for _, columns in cells]),
        ]
    if plan.kind == "point":
        points = [next(iter(b.terms)) for b in bins]
        return [("y", [exact(point.y) for point in points]), ("x", [exact(p.x) for p in points])]
    of_rows, of_columns = (_spans(axis, k) for axis in plan.axes)
    names = ("down the box", "across it") if plan.turn(k) else ("y", "x")
    spans = [of_rows[b.row] for b in bins], [of_columns[b.column] for b in bins]
    return list(zip(names, spans, strict=True))


def _spans(axis: Axis, k: int) -> list[str]:
    """The edges of each bin of box k."""
    edges = [brief(edge) for edge in axis.edges(k).tolist()]
    return [f"{low} … {high}" for low, high in pairwise(edges)]


def _cells(cells: range) -> str:
    if not cells:
        return "none"
    return f"{cells[0]}" if len(cells) == 1 else f"{cells[0]} … {cells[-1]}"


def _agreement(explanation: Explanation, bins: Sequence[Bin]) -> str:
    operator = explanation.plan.convention.operator
    differ = [bin_ for bin_ in bins if not bin_.agrees]
    if differ:
        first = differ[0]
        return (
            f"{len(differ)} of {len(bins)} values DIFFER from what {operator} gives, first in bin "
            f"{first.row},{first.column}: by {brief(first.difference)}, tolerance "
            f"{tolerance(explanation, first)}"
        )
    worst = max(bins, key=lambda bin_: bin_.difference)
    return (
        f"All {len(bins)} values agree with what {operator} gives: largest difference "
        f"{brief(worst.difference)}, tolerance {tolerance(explanation, worst)}"
    )


def preamble(explanation: Explanation) -> Iterator[str]:
    """The lines before the bins: heading, box, level, and how the box is divided."""
    yield from _heading(explanation)
    yield ""
    yield from _box(explanation)
    yield ""
    if explanation.source.level is not None:
        yield from level_lines(explanation.source.level)
        yield ""
    yield from _axes(explanation)


_Line = tuple[str, str, str]  # a step, its computation, a note


def _heading(explanation: Explanation) -> Iterator[str]:
    source, plan, row = explanation.source, explanation.plan, explanation.plan.convention
    (height, width), (bins_y, bins_x) = plan.map_size, plan.output_size
    image = printable(source.image)
    yield f"{rules.OPERATORS[row.operator]} of box {source.box}, image {image} of {source.file}"
    yield f"Convention {row.name}: {row.program}"
    changed = overrides(row) if (row.operator, row.name) in CONVENTIONS else {}
    if changed:
        yield "  but " + ", ".join(f"{name} {own} → {now}" for name, (own, now) in changed.items())
    yield f"{bins_y} × {bins_x} bins, each {rules.bin_of(row)}"
    yield (
        f"Channel {explanation.channel} of a map of {height} × {width} cells, "
        f"coordinates in {plan.boxes.dtype}"
    )


def _box(explanation: Explanation) -> Iterator[str]:
    """The corners, step by step from image pixels to index coordinates."""
    source, plan, row = explanation.source, explanation.plan, explanation.plan.convention
    corners = plan.corners(explanation.k, source.corners)
    rows: list[tuple[str, Any, str]] = []
    if corners.image is not None:
        rows.append(("image", corners.image, "pixels"))
    if corners.network is not None and source.input_scale != (1.0, 1.0):
        scale_y, scale_x = map(exact, source.input_scale)
        rows.append(
            ("input", corners.network, f"x × {scale_x}, y × {scale_y}: the network's image")
        )
    if corners.fractions is not None:
        of = "of the image"
        if row.inner:
            of = "of the image's size minus one pixel, the end corner moved in by one pixel"
        rows.append(("fraction", corners.fractions, of))
        rows.append(("index", corners.index, f"fraction × (map size − 1){_CENTRES}"))
    if corners.feature is not None:
        pixels = _shifted("pixels", row.offset_before)
        if row.added_pixel:
            pixels = f"{pixels}, x2 and y2 {_shifted('', row.added_pixel).strip()},"
        pixels = f"({pixels})" if row.offset_before else pixels
        clipped = ", sorted and clipped to the map" if row.clipped else ""
        rows.append(
            ("feature", corners.feature, f"{pixels} × {exact(plan.spatial_scale)}{clipped}")
        )
        rows.append(("index", corners.index, f"{_shifted('feature', row.offset_after)}{_CENTRES}"))
    columns = [under_one_another([exact(v[c]) for _, v, _ in rows]) for c in range(4)]
    lines = [
        [f"  {name}", *(column[r] for column in columns), note]
        for r, (name, _, note) in enumerate(rows)
    ]
    yield from table([["Box", *plan.corner_names, ""], *lines], "lrrrrl")
    if turn := plan.turn(explanation.k):
        way = "clockwise" if row.clockwise else "counter-clockwise"
        cos, sin = exact(turn.cos), exact(turn.sin)
        yield f"  turned {exact(turn.angle)} {row.angle} {way}: cosine {cos}, sine {sin}"


_CENTRES: Final = "; the centre of cell i is at i"


def _shifted(what: str, offset: float) -> str:
    if not offset:
        return what
    return f"{what} {'+' if offset > 0 else '−'} {exact(abs(offset))}"


def _axes(explanation: Explanation) -> Iterator[str]:
    """Sizes and counts, y beside x, with each rounding."""
    plan, k = explanation.plan, explanation.k
    lines = [
        [f"  {name}", of_y, of_x, note]
        for (name, of_y, note), (_, of_x, _) in zip(
            *(_axis(axis, k) for axis in plan.axes), strict=True
        )
    ]
    yield from table([["Bins", "y", "x", ""], *lines], "llll")


def _axis(axis: Axis, k: int) -> Iterator[_Line]:
    steps = {step.what: step for step in axis.steps(k)}
    for name in ("first cell", "last cell"):
        if name in steps:
            step = steps[name]
            yield name, f"{exact(step.before)} → {exact(step.after)}", f"rounded {step.rule}"
    yield _size(axis, k, steps.get("size"))
    yield _bin_size(axis, k)
    if axis.convention.kind in ("sample", "point"):
        yield _samples_a_bin(axis, k, steps.get("samples per bin"))
    if axis.convention.interpolation == "nearest":
        yield "rounding", "each sample", "to the nearest cell, half away from zero"
    elif axis.convention.kind != "cell":
        yield "rounding", "none", "neither corners nor bin edges are rounded to cells"


def _size(axis: Axis, k: int, bound: Step | None) -> _Line:
    note, size = "cells", f"{exact(axis.end[k])} − {operand(axis.begin[k])} = "
    row = axis.convention
    if row.kind == "cell" and row.rounding != "none":
        first, last = axis.ends(k)
        note, size = "the last cell is included", f"{exact(last)} − {operand(first)} + 1 = "
    elif row.normalized:
        size = ""
    elif row.added_cell and row.kind != "cell":
        size = f"{size.removesuffix('= ')}+ {exact(row.added_cell)} = "
    size += exact(axis.size_before(k))
    if bound is None:
        return "size", size, note
    if bound.before != bound.after:
        size += f" → {exact(bound.after)}"
    return "size", size, f"{note}, {bound.rule}"


def _bin_size(axis: Axis, k: int) -> _Line:
    row = axis.convention
    if row.positions != "corners" or row.kind == "cell":
        quotient = f"{exact(axis.length[k])} / {axis.bins} = {exact(axis.bin_size[k])}"
        return "bin size", quotient, ""
    steps = row.points_apart * (axis.bins - 1) + int(row.sampling_ratio) - 1
    if steps == 0:
        return "step", "0", "from sample to sample; a single one lies at the centre"
    step = axis.bin_size[k] / row.points_apart
    said = f"{exact(axis.length[k])} / {steps} = {exact(step)}"
    return "step", said, "from sample to sample, the corners of the box included"


def _samples_a_bin(axis: Axis, k: int, adaptive: Step | None) -> _Line:
    if adaptive is None:
        return "samples per bin", exact(axis.count[k]), ""
    count = f"⌈{exact(adaptive.before)}⌉ → {exact(adaptive.after)}"
    if adaptive.after != axis.count[k]:
        count += f" → {exact(axis.count[k])}"
    return (
        "samples per bin",
        count,
        f"the bin size, rounded up{_NO_SAMPLES[np.sign(axis.count[k])]}",
    )


_NO_SAMPLES: Final = {
    1: "",
    0: "; no samples: the count is 0 along y or x",
    -1: "; no samples: the box is reversed",
}


_PLUS_ONE: Final = ", each plus one pixel"


def level_lines(reason: LevelReason) -> Iterator[str]:
    """Area, root, logarithm, rounding, clamping, and how far away the next levels are."""
    levels, rule = reason.levels, reason.levels.rule
    area, root = levels.area[0], levels.root[0]
    level, rounded = levels.level[0], levels.rounded[0]
    unit = "pixels" if rule.unit == "pixels" else "of the image"
    epsilon = f" + {rule.epsilon:g}" if rule.epsilon else ""
    inside = epsilon if rule.epsilon_to == "ratio" else ""
    after = epsilon if rule.epsilon_to == "level" else ""
    how = "rounded down" if rule.rounding == "floor" else "rounded to the nearest, half to even"
    rows = [
        ["  rule", rule.name, rule.program],
        ["  area", exact(area), f"width × height, {unit}{_PLUS_ONE if rule.added_pixel else ''}"],
        ["  root", exact(root), "its square root"],
        ["  logarithm", exact(levels.logarithm[0]), f"log2(root / {exact(levels.size)}{inside})"],
        ["  level", exact(level), f"logarithm + {exact(rule.canonical_level)}{after}"],
        ["  rounded", exact(rounded), how],
        ["  map", reason.name, _clamped(reason)],
    ]
    yield from table([["Level", "", ""], *rows, *_next(reason)], "lll")


def _clamped(reason: LevelReason) -> str:
    levels = reason.levels
    last = levels.finest + levels.maps - 1
    rounded = levels.rounded[0]
    said = f"levels {levels.finest} to {last} are {reason.names[0]} to {reason.names[-1]}"
    if not levels.finest <= rounded <= last:
        return f"clamped: {said}"
    return said


def _next(reason: LevelReason) -> Iterator[list[str]]:
    """The factor by which the box's sides would have to change to be on another level."""
    levels, index = reason.levels, int(reason.levels.index[0])
    if not levels.root[0] > 0:
        return
    for step, word in ((-1, "shorter"), (1, "longer")):
        other = index + step
        if 0 <= other < levels.maps:
            factor = levels.factor_to(0, other)
            change = f"sides {factor:.3g} times as long"
            yield [f"  {reason.names[other]}", change, f"the box would be on it with {word} sides"]


def settings_of(plan: Plan, k: int) -> list[str]:
    """Every parameter in use, the convention's own or not, in a few words each."""
    rule = plan.convention
    (bins_y, bins_x), (height, width) = plan.output_size, plan.map_size
    said = [
        f"convention {rules.named(rule)}",
        f"{bins_y}×{bins_x} bins",
        rules.reduction(rule, plan.count(k)),
    ]
    if rule.turned:
        said.append(f"{rule.angle}, {'' if rule.clockwise else 'counter-'}clockwise")
    if plan.kind in ("sample", "piece"):
        said.append("aligned" if rule.aligned else "not aligned")
        if rule.offset_before:
            said.append(f"corners moved {tidy(rule.offset_before)} pixels before scaling")
        if rule.min_size:
            said.append(f"boxes at least {tidy(rule.min_size)} cell")
    if plan.kind == "point":
        said.append(f"{rule.interpolation} interpolation")
    return [*said, f"spatial scale {tidy(plan.spatial_scale, 6)}", f"map of {height}×{width} cells"]
