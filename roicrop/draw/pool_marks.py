"""RoIPool on a heat map: the box of whole cells, its parts, and the cells that bins share."""

from __future__ import annotations

import numpy as np

from roicrop.draw.brush import Brush
from roicrop.draw.colour import BOX, FIRST, INK, Colour
from roicrop.draw.marks import LEAST_BIN, outline
from roicrop.draw.points import bins_of_cells, cell_ranges
from roicrop.draw.subject import HALF_CELL
from roicrop.draw.view import Span, View
from roicrop.sampling import AxisPlan, SeparablePlan


def rounded_box(
    brush: Brush, view: View, plan: SeparablePlan, k: int, colour: Colour = FIRST
) -> None:
    """RoIPool's box of whole cells, and where its bins would lie if they were not rounded."""
    ys = [view.y(v) for v in plan.y.lines(k)]
    xs = [view.x(v) for v in plan.x.lines(k)]
    for y in ys[1:-1] if ys[1] - ys[0] >= LEAST_BIN else []:
        brush.dashed_row(y, xs[0], xs[-1], 1.4, colour)
    for x in xs[1:-1] if xs[1] - xs[0] >= LEAST_BIN else []:
        brush.dashed_column(x, ys[0], ys[-1], 1.4, colour)
    outline(brush, ys[0], xs[0], ys[-1], xs[-1], colour, 1.8)


def shared_cells(brush: Brush, view: View, plan: SeparablePlan, k: int) -> None:
    """Hatching over every cell that more than one bin of box k covers."""
    many_y = bins_of_cells(plan.y, k)
    many_x = bins_of_cells(plan.x, k)
    for y, x in np.argwhere(np.multiply.outer(many_y, many_x) > 1):
        top, left = view.y(float(y) - HALF_CELL), view.x(float(x) - HALF_CELL)
        hatched(brush, top, left, top + view.cell, left + view.cell)


def hatched(brush: Brush, y0: float, x0: float, y1: float, x1: float) -> None:
    """A rectangle in pixels, hatched."""
    brush.hatch(x0, y0, x1, y1, 8.0, 2.8, (*INK, 130))
    brush.hatch(x0, y0, x1, y1, 8.0, 1.3, (*BOX, 220))


def cells_of_bins(axis: AxisPlan, k: int) -> list[Span | None]:
    """RoIPool: for each bin the index coordinates that its cells cover, None if it has none."""
    return [
        Span(cells.start - HALF_CELL, cells.stop - HALF_CELL) if cells else None
        for cells in cell_ranges(axis, k)
    ]
