"""Samples on a heat map, and the pieces of an exact integral."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from roicrop.draw.brush import Brush
from roicrop.draw.colour import INK, LOST, MOVED, POINT, Colour
from roicrop.draw.marks import edges
from roicrop.draw.view import Span, View, span_of
from roicrop.sampling import Plan, Samples

Shape = Literal["dot", "diamond", "square", "cross"]

PIECE: Final = (255, 255, 255, 170)  # the cuts between pieces of an exact integral
_LEAST_GAP: Final = 4.0  # pixels between samples that are drawn
_LEAST_CELL: Final = 6.0  # pixels a cell below which pieces are not drawn


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
