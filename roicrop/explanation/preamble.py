"""What an explanation says before any bin: whose rules, the box, and how it becomes bins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from roicrop.conventions import CONVENTIONS, in_words, overrides
from roicrop.explanation.account import Explanation
from roicrop.explanation.levels import level_lines
from roicrop.sampling import Axis, Step
from roicrop.text import exact, printable, table, under_one_another


def preamble(explanation: Explanation) -> Iterator[str]:
    """Lines of text."""
    yield from _heading(explanation)
    yield ""
    yield from _box(explanation)
    yield ""
    if explanation.source.level is not None:
        yield from level_lines(explanation.source.level)
        yield ""
    yield from _axes(explanation)


_Line = tuple[str, str, str]  # a step, how it comes about, a note


def _heading(explanation: Explanation) -> Iterator[str]:
    source, plan, row = explanation.source, explanation.plan, explanation.plan.convention
    (height, width), (bins_y, bins_x) = plan.map_size, plan.output_size
    image = printable(source.image)
    yield f"{in_words.OPERATORS[row.operator]} of box {source.box}, image {image} of {source.file}"
    yield f"Convention {row.name}: {row.program}"
    changed = overrides(row) if (row.operator, row.name) in CONVENTIONS else {}
    if changed:
        yield "  but " + ", ".join(f"{name} {own} → {now}" for name, (own, now) in changed.items())
    yield f"{bins_y} × {bins_x} bins, each {in_words.bin_of(row)}"
    yield (
        f"Channel {explanation.channel} of a map of {height} × {width} cells, "
        f"coordinates in {plan.boxes.dtype}"
    )


def _box(explanation: Explanation) -> Iterator[str]:
    """The corners, from the image to the cells."""
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
        of = "of the image less a pixel; the end a pixel less" if row.inner else "of the image"
        rows.append(("fraction", corners.fractions, of))
        rows.append(("index", corners.index, f"fraction × (map size − 1){_CENTRES}"))
    if corners.feature is not None:
        pixels = _shifted("pixels", row.offset_before)
        if row.added_pixel:
            pixels = f"{pixels}, to x2 and y2 {_shifted('', row.added_pixel).strip()},"
        pixels = f"({pixels})" if row.offset_before else pixels
        clipped = ", put in order and clipped to the map" if row.clipped else ""
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
    """Sizes and counts, y beside x, with every rounding."""
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
        yield _samples_a_bin(axis, k, steps.get("samples a bin"))
    if axis.convention.interpolation == "nearest":
        yield "rounding", "each sample", "to the nearest cell, half away from zero"
    elif axis.convention.kind != "cell":
        yield "rounding", "none", "no corner is moved to a cell, and no edge of a bin"


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
        return "step", "0", "from sample to sample; a single one lies in the middle"
    step = axis.bin_size[k] / row.points_apart
    said = f"{exact(axis.length[k])} / {steps} = {exact(step)}"
    return "step", said, "from sample to sample, the corners of the box included"


def _samples_a_bin(axis: Axis, k: int, adaptive: Step | None) -> _Line:
    if adaptive is None:
        return "samples a bin", exact(axis.count[k]), ""
    count = f"⌈{exact(adaptive.before)}⌉ → {exact(adaptive.after)}"
    if adaptive.after != axis.count[k]:
        count += f" → {exact(axis.count[k])}"
    return "samples a bin", count, f"the bin size, rounded up{_NO_SAMPLES[np.sign(axis.count[k])]}"


_NO_SAMPLES: Final = {
    1: "",
    0: "; none, if that is none along y or x",
    -1: "; none, since the box is reversed",
}


def operand(value: Any) -> str:
    """A number behind a minus or times sign."""
    return exact(value) if value >= 0 else f"({exact(value)})"
