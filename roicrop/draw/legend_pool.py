"""The legend of RoIPool, and its table: what rounding to cells does to a box."""

from __future__ import annotations

from typing import Final

import numpy as np

from roicrop.draw import marks, pool_marks
from roicrop.draw.brush import Brush
from roicrop.draw.colour import FIRST, Colour
from roicrop.draw.legend import Entry
from roicrop.draw.legend_common import SAME, box_entry, in_cells, in_pixels
from roicrop.draw.points import bins_of_cells
from roicrop.draw.subject import Subject, TrueAxis, true_axes
from roicrop.draw.view import View
from roicrop.sampling import AxisPlan, SeparablePlan
from roicrop.text import tidy

_BRACKETS: Final = {
    (True, True): ": the brackets show which",
    (True, False): ": the brackets, in the order of the bins, show which",
    (False, False): "",
}


def entries(
    plan: SeparablePlan, k: int, subject: Subject, view: View, *, bracketed: bool, numbered: bool
) -> list[Entry]:
    """The legend of RoIPool.

    bracketed, numbered: whether the map has brackets beside it, and they have the bins' numbers.
    """
    found = [
        box_entry(plan, k, subject, view),
        Entry(
            rounded_example,
            "The box after rounding, in whole cells. The cell in which it ends is included."
            f"{_at_least(plan, k)}",
        ),
    ]
    if max(plan.output_size) > 1:
        found.append(
            Entry(
                _dashed_example,
                "Its equal parts, one for each bin. A bin takes every cell that its part touches"
                f"{_BRACKETS[bracketed, numbered]}.",
            )
        )
    many_y = bins_of_cells(plan.y, k)
    many_x = bins_of_cells(plan.x, k)
    many = np.multiply.outer(many_y, many_x)
    if shared := int((many > 1).sum()):
        found.append(
            Entry(
                lambda b: pool_marks.hatched(b, 0, 0, b.height, b.width),
                f"Taken by more than one bin: {shared} of {int((many > 0).sum())} cells.",
            )
        )
    return found


def _at_least(plan: SeparablePlan, k: int) -> str:
    """Whether the box would be of no cell, but for the rule that it has one."""
    for axis in (plan.y, plan.x):
        first, last = axis.ends(k)
        if last < first:
            return " It would end before it begins, so it is taken for one cell."
    return ""


def rounding(plan: SeparablePlan, k: int, subject: Subject) -> list[tuple[str, str, str]]:
    """RoIPool: for each edge its name, where it was and is in cells, and how far it moved."""
    true_y, true_x = true_axes(subject, plan, k)
    return [
        *_moves(("left", "right"), plan.x, true_x, k),
        *_moves(("top", "bottom"), plan.y, true_y, k),
    ]


def _moves(
    names: tuple[str, str], axis: AxisPlan, true: TrueAxis, k: int
) -> list[tuple[str, str, str]]:
    first = int(axis.ends(k)[0])
    now = first, first + round(float(axis.length[k]))
    lines = []
    for name, was, is_, outwards in zip(names, true.cells, now, (-1, 1), strict=True):
        cells = is_ - was
        if abs(cells) < SAME:
            moved = "not moved"
        else:
            way = "outwards" if cells * outwards > 0 else "inwards"
            moved = f"{in_cells(abs(cells))} {way} ({in_pixels(abs(true.pixels(cells)))})"
        lines.append((name, f"{tidy(was)} → {tidy(is_)}", moved))
    return lines


def rounded_example(brush: Brush, colour: Colour = FIRST) -> None:
    """A box of whole cells."""
    marks.outline(brush, 6, 7, brush.height - 6, brush.width - 7, colour, 1.8)


def _dashed_example(brush: Brush) -> None:
    brush.dashed_row(brush.height / 2, 3, brush.width - 3, 1.4, FIRST)
    brush.dashed_column(brush.width / 2, 3, brush.height - 3, 1.4, FIRST)
