"""What a picture shows, in sentences: the legend's entries, made from the plan's own numbers."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from roicrop.draw import marks
from roicrop.draw.brush import Brush
from roicrop.draw.colour import (
    FIRST,
    INFINITE,
    INK,
    LOST,
    MINUS_INFINITE,
    NOT_A_NUMBER,
    POINT,
    Colour,
)
from roicrop.draw.legend import Entry
from roicrop.draw.marks import Drawn
from roicrop.draw.number import tidy
from roicrop.draw.points import bins_of_cells, cell_ranges
from roicrop.draw.subject import Subject, TrueAxis, true_axes
from roicrop.draw.view import View
from roicrop.sampling import AxisPlan, Plan

_SAME: Final = 5e-3  # cells below which nobody sees a shift


def align_entries(plan: Plan, k: int, subject: Subject, view: View, drawn: Drawn) -> list[Entry]:
    """The legend of RoIAlign and of crop-and-resize."""
    return [
        box_entry(plan, k, subject, view),
        Entry(_bins_example, _about_bins(plan, k, subject)),
        *_sample_entries(plan, k, drawn),
    ]


def pool_entries(plan: Plan, k: int, subject: Subject, view: View) -> list[Entry]:
    """The legend of RoIPool."""
    entries = [
        box_entry(plan, k, subject, view),
        Entry(_rounded_example, "The box after rounding, in whole cells. The cell in which it ends is "
              "included."),
    ]
    if max(plan.output_size) > 1:
        entries.append(
            Entry(
                _dashed_example,
                "Its equal parts, one for each bin. A bin takes every cell that its part touches: "
                "the brackets show which.",
            )
        )
    many_y = bins_of_cells(cell_ranges(plan.y, k), plan.y.size)
    many_x = bins_of_cells(cell_ranges(plan.x, k), plan.x.size)
    many = np.multiply.outer(many_y, many_x)
    if shared := int((many > 1).sum()):
        entries.append(
            Entry(
                lambda b: marks.hatched(b, 0, 0, b.height, b.width),
                f"Taken by more than one bin: {shared} of {int((many > 0).sum())} cells.",
            )
        )
    return entries


def rounding(plan: Plan, k: int, subject: Subject) -> list[tuple[str, str, str]]:
    """RoIPool: for each edge its name, where it was and is in cells, and how far it moved."""
    true_y, true_x = true_axes(subject, plan, k)
    return [
        *_moves(("left", "right"), plan.x, true_x, k),
        *_moves(("top", "bottom"), plan.y, true_y, k),
    ]


def _moves(
    names: tuple[str, str], axis: AxisPlan, true: TrueAxis, k: int
) -> list[tuple[str, str, str]]:
    assert axis.rounded is not None
    first = int(axis.rounded[k, 0])
    now = first, first + round(float(axis.length[k]))
    lines = []
    for name, was, is_, outwards in zip(names, true.cells, now, (-1, 1), strict=True):
        cells = is_ - was
        if abs(cells) < _SAME:
            moved = "not moved"
        else:
            way = "outwards" if cells * outwards > 0 else "inwards"
            pixels = tidy(abs(true.pixels(cells)))
            moved = f"{tidy(abs(cells))} cells {way} ({pixels} pixels)"
        lines.append((name, f"{tidy(was)} → {tidy(is_)}", moved))
    return lines


def box_entry(plan: Plan, k: int, subject: Subject, view: View) -> Entry:
    """The box itself: its size, and whether all of it is in the picture."""
    y, x = true_axes(subject, plan, k)
    width, height = x.high - x.low, y.high - y.low
    text = (
        f"The box, where it really is: {tidy(width)} × {tidy(height)} pixels, which is "
        f"{tidy(width * x.cells_per_pixel)} × {tidy(height * y.cells_per_pixel)} cells (width × "
        "height)."
    )
    if width < 0 or height < 0:
        text += " A negative size means that its corners are reversed."
    return Entry(_box_example, text + _out_of_sight(y, x, view))


def _out_of_sight(y: TrueAxis, x: TrueAxis, view: View) -> str:
    gone = [
        f"{tidy(abs(far), 1)} cells {way}"
        for far, way in (
            (max(view.columns.low - x.span.high, 0.0), "to the left"),
            (max(x.span.low - view.columns.high, 0.0), "to the right"),
            (max(view.rows.low - y.span.high, 0.0), "above"),
            (max(y.span.low - view.rows.high, 0.0), "below"),
        )
        if far > 0
    ]
    if gone:
        return f" It is not in the picture: it lies {' and '.join(gone)}."
    whole = all(
        seen.holds(v)
        for seen, axis in ((view.rows, y), (view.columns, x))
        for v in (axis.span.low, axis.span.high)
    )
    return "" if whole else " It goes on beyond the picture."


def _about_bins(plan: Plan, k: int, subject: Subject) -> str:
    width, height = tidy(float(plan.x.bin_size[k])), tidy(float(plan.y.bin_size[k]))
    (rows, columns), row = plan.output_size, plan.convention
    if row.positions == "corners":
        return (
            f"What the {rows}×{columns} samples stand for: they are {width} × {height} cells apart, "
            "the first and the last of them on the box’s corners. " + _shift(plan, k, subject)
        )
    one = rows == columns == 1
    said = ["The one bin" if one else f"The {rows}×{columns} bins, numbered by the brackets: each"]
    said.append(f"{'is ' if one else ''}{width} × {height} cells.")
    return " ".join([*said, _shift(plan, k, subject), _widened(plan, k)]).rstrip().replace("  ", " ")


def _shift(plan: Plan, k: int, subject: Subject) -> str:
    """How far the bins begin from where the box does, and why."""
    true_y, true_x = true_axes(subject, plan, k)
    row = plan.convention
    moves = []
    for axis, true, ways in (
        (plan.x, true_x, ("left of", "right of")),
        (plan.y, true_y, ("above", "below")),
    ):
        begin = float(axis.begin[k])
        cells = begin - true.index[0]
        if row.positions == "corners" and axis.bins == 1:
            continue
        if abs(cells) > max(_SAME, 1e-6 * abs(begin)):
            moves.append((abs(cells), true.pixels(abs(cells)), ways[cells > 0]))
    if not moves:
        return "They lie on the box." if row.positions != "corners" else ""
    ways = " and ".join(way for *_, way in moves)
    if len({(round(cells, 2), round(pixels, 2)) for cells, pixels, _ in moves}) == 1:
        cells, pixels, _ = moves[0]
        far = f"{_cells(cells)} ({tidy(pixels)} pixels)"
        said = f"They lie {far} {ways} the box"
    else:
        each = (f"{_cells(cells)} ({tidy(pixels)} pixels) {way}" for cells, pixels, way in moves)
        said = f"They lie {' and '.join(each)} the box"
    if row.offset_before == row.offset_after == 0 and not row.normalized:
        said += ", as if a cell’s value lay at its upper left corner and not at its centre"
    return said + "."


def _cells(cells: float) -> str:
    return "half a cell" if abs(cells - 0.5) < _SAME else f"{tidy(cells)} cells"


def _widened(plan: Plan, k: int) -> str:
    """Whether the convention made the box larger than it is."""
    grown = [
        f"{tidy(float(axis.end[k] - axis.begin[k]))} to {tidy(float(axis.length[k]))} cells {name}"
        for axis, name in ((plan.x, "wide"), (plan.y, "high"))
        if float(axis.length[k]) > float(axis.end[k] - axis.begin[k])
    ]
    return f"The convention enlarges them from {' and from '.join(grown)}." if grown else ""


def _sample_entries(plan: Plan, k: int, drawn: Drawn) -> list[Entry]:
    row = plan.convention
    y, x = drawn.y, drawn.x
    total = len(y) * len(x)
    inside = int(y.inside.sum()) * int(x.inside.sum())
    still = int((y.inside & ~y.clamped).sum()) * int((x.inside & ~x.clamped).sum())
    lost, moved = total - inside, inside - still
    entries = []
    if row.sampling_ratio == "exact":
        if total:
            entries += [Entry(_piece_example, _about_pieces(drawn))]
    elif still or moved or lost:
        entries.append(
            Entry(
                lambda b: marks.sample_mark(b, b.height / 2, b.width / 2, 4.0, POINT, "dot"),
                _about_samples(plan, k, drawn),
            )
        )
    if moved:
        entries.append(
            Entry(
                _moved_example,
                f"Off the map by a cell at most: {moved} of {total} samples. Each reads the map’s "
                "edge instead, at the end of its line.",
                None,
            )
        )
    if lost:
        consequence = (
            f"A bin with such a sample gives {tidy(row.void)}."
            if row.border == "extrapolate"
            else "They count as 0, and the bin is divided by all its samples even so."
            if row.mode == "avg"
            else "They count as 0."
        )
        reach = "Off the map" if row.border == "extrapolate" else "Off the map by more than a cell"
        entries.append(
            Entry(
                lambda b: marks.sample_mark(b, b.height / 2, b.width / 2, 4.5, LOST, "cross"),
                f"{reach}: {lost} of {total} samples. {consequence}",
                None,
            )
        )
    return entries


def _about_samples(plan: Plan, k: int, drawn: Drawn) -> str:
    row = plan.convention
    count_y, count_x = int(plan.y.count[k]), int(plan.x.count[k])
    if row.interpolation == "nearest":
        said = "A sample. It reads the nearest cell."
    else:
        said = "A sample. It reads the map between the centres of the four cells around it."
    if count_y * count_x > 1:
        gives = {
            "avg": "average of its",
            "max": "largest of its",
            "corner-max": "largest weighted neighbour of its",
        }[row.reduction]
        said += f" A bin is the {gives} {count_y}×{count_x} samples."
    if drawn.one_in > 1:
        said += f" Only 1 in {drawn.one_in} is drawn."
    return said


def _about_pieces(drawn: Drawn) -> str:
    said = (
        "Each bin is integrated exactly. Lines through the cells’ centres (dashed) cut it into pieces; "
        "a piece’s mean is the map at its middle (square), and counts by its area."
    )
    return said + (f" Only 1 in {drawn.one_in} middles is drawn." if drawn.one_in > 1 else "")


def common_entries(
    view: View, plan: Plan, void: NDArray[np.bool_], void_value: float, values: NDArray[np.float64]
) -> list[Entry]:
    """What any picture may hold: bins of nothing, the world off the map, numbers without a colour."""
    entries = []
    height, width = plan.map_size
    off = any(
        span.low < -0.5 or span.high > size - 0.5
        for span, size in ((view.rows, height), (view.columns, width))
    )
    if void.any():
        gives = f"a bin that has nothing to pool, which gives {tidy(void_value)}"
        text = f"Striped: off the map, or {gives}." if off else f"Striped: {gives}."
        entries.append(Entry(_nothing, text, None))
    elif off:
        entries.append(Entry(_nothing, "Striped: off the map.", None))
    for holds, colour, name in (
        (np.isnan(values), NOT_A_NUMBER, "NaN (not a number)"),
        (values == np.inf, INFINITE, "∞ (infinity)"),
        (values == -np.inf, MINUS_INFINITE, "−∞ (minus infinity)"),
    ):
        if holds.any():
            entries.append(Entry(_nothing, name, colour))
    return entries


def _nothing(brush: Brush) -> None:
    """The background says it all."""


def _box_example(brush: Brush) -> None:
    marks.outline(brush, 6, 7, brush.height - 6, brush.width - 7, (255, 255, 255), 2.5)


def _bins_example(brush: Brush, colour: Colour = FIRST) -> None:
    height, width = brush.height, brush.width
    marks.grid(brush, [5, height / 2, height - 5], [5, width / 3, 2 * width / 3, width - 5], colour)


def _rounded_example(brush: Brush) -> None:
    marks.outline(brush, 6, 7, brush.height - 6, brush.width - 7, FIRST, 2.4)


def _dashed_example(brush: Brush) -> None:
    brush.dashed_row(brush.height / 2, 3, brush.width - 3, 1.4, FIRST)
    brush.dashed_column(brush.width / 2, 3, brush.height - 3, 1.4, FIRST)


def _piece_example(brush: Brush) -> None:
    y, x = brush.height / 2, brush.width / 2
    brush.dashed_column(x, 2, brush.height - 2, 1.0, (255, 255, 255, 170))
    for side in (-9, 9):
        marks.sample_mark(brush, y, x + side, 3.5, POINT, "square")


def _moved_example(brush: Brush) -> None:
    y, x = brush.height / 2, brush.width / 2
    brush.fill(x + 4, 0, brush.width, brush.height, (42, 120, 142))
    brush.column(x + 4, 0, brush.height, 1.25, INK)
    marks.moved_sample(brush, y, x - 7, y, x + 9, 4.0)


