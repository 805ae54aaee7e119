"""Samples on a heat map, and the pieces of an exact integral."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from roicrop.draw.brush import FINER, Brush, Specks
from roicrop.draw.colour import INK, LOST, MOVED, POINT, Colour
from roicrop.draw.view import Span, View, span_of
from roicrop.sampling import Samples, SeparablePlan

Shape = Literal["dot", "diamond", "square", "cross"]

PIECE: Final = (255, 255, 255, 170)  # the cuts between pieces of an exact integral
_LEAST_GAP: Final = 3.999  # pixels between samples below which they are specks; rounding spares 4
_THIN: Final = 2.5  # the radius of marks that have thin lines
_LEAST_CELL: Final = 6.0  # pixels a cell below which pieces are not drawn
_LEAST_SPECKS: Final = 2.0  # pixels between samples below which specks run into a veil
SHARE: Final = 0.35  # of the gap to the next, that a speck takes; a veil's strength along an axis
_LARGEST_SPECK: Final = 1.6  # pixels


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

    @property
    def crowded(self) -> NDArray[np.bool_]:
        """Which have no room for a speck."""
        return self.gap < _LEAST_SPECKS


@dataclass(frozen=True, slots=True)
class Drawn:
    """The samples of a box, and where in a view they are drawn.

    y, x: all samples of either axis.
    rows, columns: their places.
    of_pieces: whether they are the middles of the pieces of an exact integral.
    hidden: how many samples are not in sight.
    coincide: whether some that are have one place.
    """

    y: Samples
    x: Samples
    rows: Places
    columns: Places
    of_pieces: bool
    hidden: int
    coincide: bool

    @property
    def specks(self) -> bool:
        """Whether some lie too close together for marks."""
        return not (self.rows.roomy.all() and self.columns.roomy.all())

    @property
    def marks(self) -> bool:
        """Whether some do not."""
        return bool(self.rows.roomy.any() and self.columns.roomy.any())

    @property
    def veil(self) -> bool:
        """Whether some lie too close together for specks."""
        return bool(self.rows.crowded.any() or self.columns.crowded.any())

    @property
    def radius(self) -> float:
        """Of the largest mark, in pixels."""
        most = min(axis.gap.max(initial=0.0) for axis in (self.rows, self.columns))
        return float(_radius(np.asarray(most)))


def drawn_samples(view: View, plan: SeparablePlan, k: int) -> Drawn:
    """The samples of box k in sight."""
    y, x = plan.y.samples(k), plan.x.samples(k)
    seen_y, seen_x = _in_sight(y, view.rows, view.cell), _in_sight(x, view.columns, view.cell)
    rows, columns = _places(y, seen_y, view.cell), _places(x, seen_x, view.cell)
    coincide = len(rows.gap) < len(seen_y) or len(columns.gap) < len(seen_x)
    hidden = len(y) * len(x) - len(seen_y) * len(seen_x)
    of_pieces = plan.kind == "piece"
    return Drawn(y, x, rows, columns, of_pieces, hidden, coincide)


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
    """Every sample: a mark; where there is no room for one, a speck; at last, a veil over all."""
    rows, columns = drawn.rows, drawn.columns
    _specks(brush, view, rows.where(~rows.roomy), columns, look)
    rows = rows.where(rows.roomy)
    _specks(brush, view, rows, columns.where(~columns.roomy), look)
    _marks(brush, view, rows, columns.where(columns.roomy), look)


def _radius(gap: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(0.22 * gap, 1.2, 4.0)


def _marks(brush: Brush, view: View, rows: Places, columns: Places, look: Look) -> None:
    """A mark for each sample; one that is read elsewhere is tied to there by a line."""
    at_y, at_x = view.y(rows.position), view.x(columns.position)
    read_y, read_x = view.y(rows.read_at), view.x(columns.read_at)
    radius = np.maximum(look.size * _radius(np.minimum.outer(rows.gap, columns.gap)), 1.0)
    inside = np.logical_and.outer(rows.inside, columns.inside)
    moved = inside & np.logical_or.outer(rows.clamped, columns.clamped)
    for i, j in np.argwhere(moved):  # all lines first, so that none covers a mark
        tie(brush, at_y[i], at_x[j], read_y[i], read_x[j], radius[i, j])
    for i, j in np.ndindex(inside.shape):
        colour, shape = look.colour, look.shape
        if not inside[i, j]:
            colour, shape = look.lost, "cross"
        elif moved[i, j]:
            colour, shape = look.moved, look.moved_shape
        sample_mark(brush, at_y[i], at_x[j], radius[i, j], colour, shape)


def _specks(brush: Brush, view: View, rows: Places, columns: Places, look: Look) -> None:
    """A speck for each sample, in the colour of what becomes of it."""
    if not (len(rows.gap) and len(columns.gap)):
        return
    on_map_y, on_map_x = rows.where(rows.inside), columns.where(columns.inside)
    layers = (
        (look.lost, rows, columns),
        (look.moved, on_map_y, on_map_x),
        (look.colour, on_map_y.where(~on_map_y.clamped), on_map_x.where(~on_map_x.clamped)),
    )
    brush.specks(
        [
            (
                colour,
                _specks_of(y, view.y(y.position), look),
                _specks_of(x, view.x(x.position), look),
            )
            for colour, y, x in layers
        ]
    )


def _specks_of(places: Places, at: NDArray[np.float64], look: Look) -> Specks:
    speck = look.size * np.minimum(SHARE * places.gap, _LARGEST_SPECK)
    crowded = places.crowded
    return Specks(at, np.where(crowded, places.gap, speck), np.where(crowded, SHARE, 1.0))


def tie(brush: Brush, y: float, x: float, read_y: float, read_x: float, radius: float) -> None:
    """A line from a sample to where the map is read in its place; in pixels."""
    width, strength = (1.0, 200) if radius > _THIN else (0.5, 110)
    brush.stroke(x, y, read_x, read_y, width, (*INK, strength))
    brush.dot(read_x, read_y, max(0.4 * radius, 1.0), INK)


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


def has_pieces(view: View) -> bool:
    """Whether there is room for the cuts between the pieces of an exact integral."""
    return view.cell >= _LEAST_CELL


def pieces(brush: Brush, view: View, plan: SeparablePlan, k: int) -> None:
    """Where the exact integral cuts the bins: through the cell centres."""
    if not has_pieces(view):
        return
    ys, xs = (span_of([float(v) for v in axis.lines(k)[[0, -1]]]) for axis in (plan.y, plan.x))
    for y in _cuts(ys, view.rows, plan.y.size):
        brush.dashed_row(view.y(y), view.x(xs.low), view.x(xs.high), 1.0, PIECE)
    for x in _cuts(xs, view.columns, plan.x.size):
        brush.dashed_column(view.x(x), view.y(ys.low), view.y(ys.high), 1.0, PIECE)


def _cuts(region: Span, shown: Span, size: int) -> range:
    low, high = max(region.low, shown.low, -1.0), min(region.high, shown.high, float(size))
    return range(int(np.ceil(low)), int(np.floor(high)) + 1) if low <= high else range(0)
