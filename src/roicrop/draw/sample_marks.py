"""Samples on a heat map, and the pieces of an exact integral."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from roicrop.draw.brush import FINER, Brush
from roicrop.draw.colour import INK, LOST, MOVED, POINT, Colour
from roicrop.draw.marks import edges
from roicrop.draw.view import Span, View, span_of
from roicrop.sampling import Plan, Samples

Shape = Literal["dot", "diamond", "square", "cross"]

PIECE: Final = (255, 255, 255, 170)  # the cuts between pieces of an exact integral
_LEAST_GAP: Final = 3.999  # pixels between samples below which they are specks; rounding spares 4
_LEAST_CELL: Final = 6.0  # pixels a cell below which pieces are not drawn
_SPECK: Final = 0.35, 1.6  # a speck's share of the gap to the next, and its most pixels


@dataclass(frozen=True, slots=True)
class Places:
    """Where the samples of one axis are drawn: each in sight, those at one place once.

    position, read_at, inside, clamped: as in `Samples`.
    gap: pixels to the nearest other place.
    """

    position: NDArray[np.float64]
    read_at: NDArray[np.float64]
    inside: NDArray[np.bool_]
    clamped: NDArray[np.bool_]
    gap: NDArray[np.float64]

    def where(self, chosen: NDArray[np.bool_]) -> Places:
        """Some of them."""
        return Places(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @property
    def roomy(self) -> NDArray[np.bool_]:
        """Which have room for a mark."""
        return self.gap >= _LEAST_GAP


@dataclass(frozen=True, slots=True)
class Drawn:
    """The samples of a box, and where in a view they are drawn.

    y, x: all samples of either axis.
    rows, columns: their places.
    coincide: whether some samples have one place.
    """

    y: Samples
    x: Samples
    rows: Places
    columns: Places
    coincide: bool

    @property
    def specks(self) -> bool:
        """Whether some lie too close together for marks."""
        return not (self.rows.roomy.all() and self.columns.roomy.all())

    @property
    def marks(self) -> bool:
        """Whether some do not."""
        return bool(self.rows.roomy.any() and self.columns.roomy.any())


def drawn_samples(view: View, plan: Plan, k: int) -> Drawn:
    """The samples of box k in sight."""
    y, x = plan.y.samples(k), plan.x.samples(k)
    seen_y, seen_x = _in_sight(y, view.rows, view.cell), _in_sight(x, view.columns, view.cell)
    rows, columns = _places(y, seen_y, view.cell), _places(x, seen_x, view.cell)
    coincide = len(rows.gap) < len(seen_y) or len(columns.gap) < len(seen_x)
    return Drawn(y, x, rows, columns, coincide)


@dataclass(frozen=True, slots=True)
class Look:
    """How samples are drawn: those on the map, those read elsewhere, those that count as 0.

    size: by the usual one.
    """

    colour: Colour = POINT
    shape: Shape = "dot"
    moved: Colour = MOVED
    moved_shape: Shape = "diamond"
    lost: Colour = LOST
    size: float = 1.0


PLAIN: Final = Look()
INTEGRAL: Final = Look(shape="square")


def samples(brush: Brush, view: View, drawn: Drawn, look: Look) -> None:
    """Every sample: a mark, or, where there is no room for one, a speck."""
    rows, columns = drawn.rows, drawn.columns
    _specks(brush, view, rows.where(~rows.roomy), columns, look)
    rows = rows.where(rows.roomy)
    _specks(brush, view, rows, columns.where(~columns.roomy), look)
    _marks(brush, view, rows, columns.where(columns.roomy), look)


def _marks(brush: Brush, view: View, rows: Places, columns: Places, look: Look) -> None:
    """A mark for each sample; one that is read elsewhere is tied to there by a line."""
    for i in range(len(rows.gap)):
        for j in range(len(columns.gap)):
            gap = float(min(rows.gap[i], columns.gap[j]))
            radius = max(look.size * min(max(0.22 * gap, 1.2), 4.0), 1.0)
            at_y, at_x = view.y(float(rows.position[i])), view.x(float(columns.position[j]))
            if not (rows.inside[i] and columns.inside[j]):
                sample_mark(brush, at_y, at_x, radius, look.lost, "cross")
            elif rows.clamped[i] or columns.clamped[j]:
                read_y, read_x = view.y(float(rows.read_at[i])), view.x(float(columns.read_at[j]))
                moved_sample(brush, at_y, at_x, read_y, read_x, radius, look)
            else:
                sample_mark(brush, at_y, at_x, radius, look.colour, look.shape)


def _specks(brush: Brush, view: View, rows: Places, columns: Places, look: Look) -> None:
    """A speck for each sample, in the colour of what becomes of it."""
    # What is painted last stays.
    on_map_y, on_map_x = rows.where(rows.inside), columns.where(columns.inside)
    for colour, y, x in (
        (look.lost, rows, columns),
        (look.moved, on_map_y, on_map_x),
        (look.colour, on_map_y.where(~on_map_y.clamped), on_map_x.where(~on_map_x.clamped)),
    ):
        if len(y.gap) and len(x.gap):
            brush.specks(
                view.y(y.position), view.x(x.position), _speck(y, look), _speck(x, look), colour
            )


def _speck(places: Places, look: Look) -> NDArray[np.float64]:
    share, most = _SPECK
    return look.size * np.minimum(share * places.gap, most)


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


def _places(of_axis: Samples, seen: NDArray[np.int64], cell: float) -> Places:
    position = np.asarray(of_axis.position, dtype=np.float64)
    _, first = np.unique(np.rint(position[seen] * (cell * FINER)), return_index=True)
    chosen = seen[first]
    apart = np.abs(np.diff(position[chosen], prepend=-np.inf, append=np.inf)) * cell
    return Places(
        position[chosen],
        np.asarray(of_axis.read_at[chosen], dtype=np.float64),
        of_axis.inside[chosen],
        of_axis.clamped[chosen],
        np.minimum(apart[:-1], apart[1:]),
    )


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
