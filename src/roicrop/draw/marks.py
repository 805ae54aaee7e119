"""What is drawn on a heat map: the box, bins and samples, each drawn from a plan.

The legend draws its examples with the same functions, so a mark and its explanation look alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from roicrop.draw.brush import Brush
from roicrop.draw.colour import BOX, FIRST, INK, LOST, MOVED, POINT, Colour
from roicrop.draw.points import bins_of_cells, cell_ranges
from roicrop.draw.subject import HALF_CELL, TrueAxis
from roicrop.draw.view import Span, View, span_of
from roicrop.sampling import AxisPlan, Plan, Samples

Shape = Literal["dot", "diamond", "square", "cross"]

PIECE: Final = (255, 255, 255, 170)  # the cuts between pieces of an exact integral
_SHADOW: Final = (*INK, 140)
_LEAST_GAP: Final = 4.0  # pixels between samples that are drawn
_LEAST_BIN: Final = 3.0  # pixels a bin below which no lines are drawn between bins
_LEAST_CELL: Final = 6.0  # pixels a cell below which pieces are not drawn
_TINY: Final = 7.0
_ARROW: Final = 18.0  # pixels from the edge


def box(brush: Brush, y0: float, x0: float, y1: float, x1: float) -> None:
    """A box in pixels, however small, the way users' boxes are drawn."""
    if max(abs(y1 - y0), abs(x1 - x0)) < _TINY:
        y, x = (y0 + y1) / 2, (x0 + x1) / 2
        brush.ring(x, y, 8.0, 4.5, _SHADOW)
        brush.ring(x, y, 8.0, 2.5, BOX)
    outline(brush, y0, x0, y1, x1, BOX, min(max(min(abs(y1 - y0), abs(x1 - x0)) / 12, 2.6), 4.4))


def outline(
    brush: Brush, y0: float, x0: float, y1: float, x1: float, colour: Colour, width: float
) -> None:
    """A rectangle's outline in pixels, with a shadow that sets it off from any heat map."""
    left, right = sorted((x0, x1))
    top, bottom = sorted((y0, y1))
    brush.frame(left, top, right, bottom, width + 1.0, _SHADOW)
    brush.frame(left, top, right, bottom, width, colour)


def true_box(brush: Brush, view: View, y: TrueAxis, x: TrueAxis) -> None:
    """The box where it really is, or an arrow to it from the edge of the view."""
    if not (y.span.meets(view.rows) and x.span.meets(view.columns)):
        _arrow_to(brush, view.y(sum(y.index) / 2), view.x(sum(x.index) / 2))
        return
    box(brush, view.y(y.span.low), view.x(x.span.low), view.y(y.span.high), view.x(x.span.high))


def _arrow_to(brush: Brush, y: float, x: float) -> None:
    at_y = min(max(y, _ARROW), brush.height - _ARROW)
    at_x = min(max(x, _ARROW), brush.width - _ARROW)
    far = math.hypot(y - at_y, x - at_x)
    brush.arrow(at_x, at_y, (x - at_x) / far, (y - at_y) / far, BOX)


def edges(axis: AxisPlan, k: int) -> NDArray[np.float64]:
    """(P + 1,) the edges of box k's bins, as index coordinates on the picture.

    RoIPool's edges count whole cells from their upper left corner, half a cell from its centre.
    """
    shift = HALF_CELL if axis.rounded is not None else 0.0
    exact: NDArray[np.float64] = np.asarray(axis.edges(k), dtype=np.float64) - shift
    return exact


def bins(brush: Brush, view: View, plan: Plan, k: int, colour: Colour = FIRST) -> None:
    """The grid of bins, its outline heavier."""
    ys = [view.y(v) for v in edges(plan.y, k)]
    xs = [view.x(v) for v in edges(plan.x, k)]
    grid(brush, ys, xs, colour)


def grid(brush: Brush, ys: list[float], xs: list[float], colour: Colour) -> None:
    """Lines between bins at those pixels, and their outline."""
    (top, bottom), (left, right) = sorted((ys[0], ys[-1])), sorted((xs[0], xs[-1]))
    inner_y = ys[1:-1] if bottom - top >= _LEAST_BIN * (len(ys) - 1) else []
    inner_x = xs[1:-1] if right - left >= _LEAST_BIN * (len(xs) - 1) else []
    for width, paint in ((2.4, (*INK, 70)), (1.2, colour)):
        for y in inner_y:
            brush.row(y, left, right, width, paint)
        for x in inner_x:
            brush.column(x, top, bottom, width, paint)
    outline(brush, top, left, bottom, right, colour, 1.8)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The samples of a box that have room in a view.

    y, x: all samples of either axis; rows, columns: which of them are drawn.
    one_in: how many samples stand behind each that is drawn; 1 when none had to be left out.
    radius: of a mark, in pixels.
    """

    y: Samples
    x: Samples
    rows: list[int]
    columns: list[int]
    one_in: int
    radius: float


def drawn_samples(view: View, plan: Plan, k: int) -> Drawn:
    """The samples of box k in sight, thinned out where their marks would touch."""
    y, x = plan.y.samples(k), plan.x.samples(k)
    seen_y, seen_x = _in_sight(y, view.rows, view.cell), _in_sight(x, view.columns, view.cell)
    rows, columns = _apart(y, seen_y, view.cell), _apart(x, seen_x, view.cell)
    gap = min(_gap(y, rows, view.cell), _gap(x, columns, view.cell))
    marks = len(rows) * len(columns)
    one_in = round(len(seen_y) * len(seen_x) / marks) if marks else 1
    return Drawn(y, x, rows, columns, one_in, min(max(0.22 * gap, 1.2), 4.0))


@dataclass(frozen=True, slots=True)
class Look:
    """How samples are drawn: those on the map, those read elsewhere, those that count as 0."""

    colour: Colour = POINT
    shape: Shape = "dot"
    moved: Colour = MOVED
    moved_shape: Shape = "diamond"
    lost: Colour = LOST


PLAIN: Final = Look()
INTEGRAL: Final = Look(shape="square")


def samples(brush: Brush, view: View, drawn: Drawn, look: Look) -> None:
    """A mark for each sample; one that is read elsewhere is tied to there by a line."""
    y, x, radius = drawn.y, drawn.x, drawn.radius
    for i in drawn.rows:
        for j in drawn.columns:
            at_y, at_x = view.y(float(y.position[i])), view.x(float(x.position[j]))
            if not (y.inside[i] and x.inside[j]):
                sample_mark(brush, at_y, at_x, radius, look.lost, "cross")
            elif y.clamped[i] or x.clamped[j]:
                read_y, read_x = view.y(float(y.read_at[i])), view.x(float(x.read_at[j]))
                moved_sample(brush, at_y, at_x, read_y, read_x, radius, look)
            else:
                sample_mark(brush, at_y, at_x, radius, look.colour, look.shape)


def moved_sample(
    brush: Brush, y: float, x: float, read_y: float, read_x: float, radius: float, look: Look
) -> None:
    """A sample off the map, and a line to where the map is read in its place; in pixels."""
    brush.stroke(x, y, read_x, read_y, 1.0, (*INK, 200))
    brush.dot(read_x, read_y, max(0.4 * radius, 1.0), INK)
    sample_mark(brush, y, x, radius, look.moved, look.moved_shape)


def sample_mark(
    brush: Brush, y: float, x: float, radius: float, colour: Colour, shape: Shape
) -> None:
    """One mark at a pixel."""
    rim = min(0.3 * radius, 1.0)
    if shape == "dot":
        brush.dot(x, y, radius, colour, rim)
    elif shape == "diamond":
        brush.diamond(x, y, 1.15 * radius, colour, rim)
    elif shape == "square":
        brush.square(x, y, 0.85 * radius, colour, rim)
    else:
        brush.cross(x, y, 0.85 * radius, colour, rim)


def _in_sight(of_axis: Samples, span: Span, cell: float) -> NDArray[np.int64]:
    reach = 8.0 / cell
    position = of_axis.position
    return np.flatnonzero((position >= span.low - reach) & (position <= span.high + reach))


def _apart(of_axis: Samples, candidates: NDArray[np.int64], cell: float) -> list[int]:
    """Those candidates, from the first on, that are the least gap of pixels apart."""
    order = candidates[np.argsort(of_axis.position[candidates], kind="stable")]
    at = np.asarray(of_axis.position[order], dtype=np.float64) * cell
    chosen: list[int] = []
    n = 0
    while n < len(order):
        chosen.append(int(order[n]))
        # The slack keeps rounding from thinning out samples exactly that far apart.
        n = int(np.searchsorted(at, at[n] + _LEAST_GAP - 1e-3))
    return chosen


def _gap(of_axis: Samples, drawn: list[int], cell: float) -> float:
    at = np.sort(np.asarray(of_axis.position, dtype=np.float64)[drawn]) * cell
    return float(np.diff(at).min()) if len(at) > 1 else np.inf


def pieces(brush: Brush, view: View, plan: Plan, k: int) -> None:
    """Where the exact integral cuts the bins: through the cell centres."""
    if view.cell < _LEAST_CELL:
        return
    ys, xs = (span_of([float(v) for v in edges(axis, k)[[0, -1]]]) for axis in (plan.y, plan.x))
    for y in _cuts(ys, view.rows, plan.y.size):
        brush.dashed_row(view.y(y), view.x(xs.low), view.x(xs.high), 1.0, PIECE)
    for x in _cuts(xs, view.columns, plan.x.size):
        brush.dashed_column(view.x(x), view.y(ys.low), view.y(ys.high), 1.0, PIECE)


def _cuts(region: Span, shown: Span, size: int) -> range:
    low, high = max(region.low, shown.low, -1.0), min(region.high, shown.high, float(size))
    return range(int(np.ceil(low)), int(np.floor(high)) + 1) if low <= high else range(0)


def rounded_box(brush: Brush, view: View, plan: Plan, k: int, colour: Colour = FIRST) -> None:
    """RoIPool's box of whole cells, and where its bins would lie if they were not rounded."""
    ys = [view.y(v) for v in edges(plan.y, k)]
    xs = [view.x(v) for v in edges(plan.x, k)]
    for y in ys[1:-1] if ys[1] - ys[0] >= _LEAST_BIN else []:
        brush.dashed_row(y, xs[0], xs[-1], 1.4, colour)
    for x in xs[1:-1] if xs[1] - xs[0] >= _LEAST_BIN else []:
        brush.dashed_column(x, ys[0], ys[-1], 1.4, colour)
    outline(brush, ys[0], xs[0], ys[-1], xs[-1], colour, 1.8)


def shared_cells(brush: Brush, view: View, plan: Plan, k: int) -> None:
    """Hatching over every cell that more than one bin of box k covers."""
    many_y = bins_of_cells(cell_ranges(plan.y, k), plan.y.size)
    many_x = bins_of_cells(cell_ranges(plan.x, k), plan.x.size)
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


def extent_of_bins(axis: AxisPlan, k: int) -> list[Span | None]:
    """For each bin the index coordinates from its one edge to the other."""
    return [span_of([float(a), float(b)]) for a, b in pairwise(edges(axis, k))]
