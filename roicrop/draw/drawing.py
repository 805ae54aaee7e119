"""One box under one plan, on a view of the map: the part that all kinds of plan share.

Everything here draws from a `Plan` and computes no sampling of its own: a bin is an outline, and
reads its terms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.draw.canvas import Brush, rectangle
from roicrop.draw.colour import BOX, FIRST, INK, POINT, Colour
from roicrop.draw.sheet import Entry, framed
from roicrop.draw.view import Shown, View, spans_of
from roicrop.job import Subject, TrueBox
from roicrop.sampling import Plan, Term
from roicrop.text import distance, measure, tidy

Outline = NDArray[np.float64]  # (4, 2) corners, y and x each, in index coordinates

SHADOW: Final = (*INK, 140)
_SAME: Final = 5e-3  # cells: smaller shifts are invisible
_SAME_PLACE: Final = 0.25  # pixels
_LEAST_GAP: Final = 3.5  # pixels between samples, below which …
_THINNED: Final = 8.0  # … only some are drawn, this many pixels apart
_MOST_TERMS: Final = 3000  # of the framed bin that are examined one by one
_LEAST_CENTRED: Final = 14.0  # pixels per cell from which centres are marked


@dataclass(frozen=True)
class Crop:
    """One box under one plan, and what it pooled.

    values: (PH, PW), pooled from the numbers that the figure shows.
    bin: the highlighted bin, (p, q).
    """

    plan: Plan
    k: int
    values: NDArray[np.float64]
    bin: tuple[int, int]

    @property
    def void(self) -> NDArray[np.bool_]:
        """Mask (PH, PW) of the bins that had nothing to pool."""
        return self.plan.void(self.k)

    @cached_property
    def own(self) -> Outline:
        """The outline of the framed bin."""
        return self.plan.outline(self.k, *self.bin)

    @cached_property
    def whole(self) -> Outline:
        """The outline of all bins together, from the outer corners of the corner bins."""
        rows, columns = (n - 1 for n in self.plan.output_size)
        at = ((0, 0), (0, columns), (rows, columns), (rows, 0))
        return np.array([self.plan.outline(self.k, *bin_)[n] for n, bin_ in enumerate(at)])

    @cached_property
    def framed(self) -> Outline:
        """The outline to frame: the framed bin's, or for RoIPool that of its cells."""
        if self.plan.kind != "cell" or not all(self.cells(*self.bin)):
            return self.own
        rows, columns = self.cells(*self.bin)
        ends = columns.start - 0.5, rows.start - 0.5, columns.stop - 0.5, rows.stop - 0.5
        return np.array(rectangle(*ends))[:, ::-1]

    @cached_property
    def terms(self) -> list[Term]:
        """The terms of the framed bin, or the first of them if there are many."""
        return list(islice(self.plan.terms(self.k, *self.bin), _MOST_TERMS))

    @cached_property
    def shown_term(self) -> Term | None:
        """The sample or piece whose weights are shown: the one that shows them best."""
        if self.plan.kind == "cell":
            return None
        return max(
            (term for term in self.terms if term.taps),
            key=lambda t: (len(t.taps), round(t.share, 6), min(tap.weight for tap in t.taps)),
            default=None,
        )

    @property
    def read(self) -> Outline:
        """(n, 2) corners around the framed bin, and around the cells of the term that is shown."""
        taps = self.shown_term.taps if self.shown_term else ()
        reach = [(tap.row + d, tap.column + d) for tap in taps for d in (-0.3, 0.3)]
        return np.array([*self.framed.tolist(), *reach])

    def focus(self, shown: Shown) -> tuple[float, float]:
        """Where one looks first: the term shown, RoIPool's winner, or the middle of the bin."""
        if (term := self.shown_term) is not None:
            return float(term.read_y), float(term.read_x)
        y, x = self.framed.mean(axis=0).tolist()
        return (self.plan.kind == "cell" and self.winner(shown, *self.bin)) or (y, x)

    def cells(self, p: int, q: int) -> tuple[range, range]:
        """RoIPool: the rows and columns of the map that a bin covers."""
        return self.plan.cells(self.k, p, q)

    def winner(self, shown: Shown, p: int, q: int) -> tuple[int, int] | None:
        """RoIPool: the cell that a bin's value comes from, if one channel is shown."""
        rows, columns = self.cells(p, q)
        seen = shown.values[rows.start : rows.stop, columns.start : columns.stop]
        average = self.plan.convention.mode == "avg"
        if average or shown.several or not seen.size or np.isnan(seen).all():
            return None
        row, column = np.unravel_index(int(np.nanargmax(seen)), seen.shape)
        return rows.start + int(row), columns.start + int(column)


def default_bin(values: NDArray[Any]) -> tuple[int, int]:
    """The bin with the largest value."""
    held = np.where(np.isnan(values), -np.inf, values)
    p, q = np.unravel_index(int(held.argmax()), held.shape)
    return int(p), int(q)


def side_lengths(outline: Outline) -> tuple[float, float]:
    """The height and width of a box or a bin, turned or not."""
    return math.dist(outline[0], outline[3]), math.dist(outline[0], outline[1])


@dataclass(frozen=True)
class Points:
    """Where the visible samples of all bins lie, as far as there is room for marks.

    y, x, read_y, read_x: (n,) index coordinates; state: 0 inside, 1 clamped, 2 outside.
    gap: pixels between neighbours. thinned: True if there is no room for all.
    """

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    read_y: NDArray[np.float64]
    read_x: NDArray[np.float64]
    state: NDArray[np.int64]
    gap: float
    thinned: bool


def _points(view: View, plan: Plan, k: int) -> Points:
    both, cells, turned = plan.samples(k), (view.cell_y, view.cell_x), plan.turn(k) is not None
    pixels, seen, gap = [], [], 40.0
    for samples, axis, cell, span in zip(
        both, plan.axes, cells, (view.rows, view.columns), strict=True
    ):
        at = samples.position.astype(np.float64)
        seen.append((at >= span.low - 8.0 / cell) & (at <= span.high + 8.0 / cell))
        pixels.append(np.where(seen[-1], at, 0.0) * cell)
        gaps = np.diff(np.sort(pixels[-1][seen[-1]]))
        if turned:
            gaps = np.array([float(axis.bin_size[k]) / max(int(axis.count[k]), 1) * view.cell])
        gap = float(gaps[gaps > _SAME_PLACE].min(initial=gap))
    room = _THINNED if gap < _LEAST_GAP else _SAME_PLACE
    places = [np.rint(each / room) for each in pixels]
    if turned:
        i = j = _first(places[0] * (1 << 20) + places[1], seen[0] & seen[1])
    else:  # all pairs
        i, j = (_first(*each) for each in zip(places, seen, strict=True))
        i, j = (each.ravel() for each in np.meshgrid(i, j, indexing="ij"))
    (ys, xs), pairs = both, list(zip(both, (i, j), strict=True))
    inside, moved = ys.inside[i] & xs.inside[j], ys.clamped[i] | xs.clamped[j]
    at_y, at_x = (samples.position[n].astype(np.float64) for samples, n in pairs)
    read_y, read_x = (samples.read_at[n].astype(np.float64) for samples, n in pairs)
    state = np.where(inside, moved.astype(np.int64), 2)
    return Points(at_y, at_x, read_y, read_x, state, max(gap, room), room == _THINNED)


def _first(places: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The indices of the first sample at each place."""
    numbers = np.flatnonzero(seen)
    return numbers[np.sort(np.unique(places[numbers], return_index=True)[1])]


@dataclass(frozen=True)
class Drawing:
    """A crop on a view of the map.

    colour, dashed: how its bins are drawn. ink: its samples' colour; white if it is alone.
    """

    crop: Crop
    view: View
    subject: Subject
    shown: Shown
    colour: Colour = FIRST
    dashed: bool = False
    ink: Colour = POINT

    @cached_property
    def true(self) -> TrueBox:
        """The box where it really is."""
        return self.subject.true_box(self.crop.plan, self.crop.k)

    @cached_property
    def points(self) -> Points:
        """The box's samples that are visible."""
        return _points(self.view, self.crop.plan, self.crop.k)

    @property
    def alone(self) -> bool:
        """Whether no other crop is drawn on the same map."""
        return self.ink == POINT

    @property
    def centred(self) -> bool:
        """Whether the centres of cells are marked: where a bin is smaller than a cell."""
        small = math.prod(side_lengths(self.crop.own)) < 1.0 and self.view.cell >= _LEAST_CENTRED
        return small and self.crop.shown_term is not None

    @property
    def bin_name(self) -> str:
        """The framed bin, for a legend."""
        return "bin {},{}".format(*self.crop.bin)

    def box(self, brush: Brush) -> None:
        """The box where it really is."""
        draw_box(brush, self.view, self.true.outline)

    def frame(self, brush: Brush, outline: Outline, width: float) -> None:
        """An outline in the colour of the bins."""
        corners = self.view.corners(outline)
        if not self.dashed:  # a dashed line's shadow would hide a frame below it
            brush.outline(corners, width + 1.4, SHADOW)
        brush.outline(corners, width, self.colour, dashed=self.dashed)

    def pixels(self, y: float | np.floating, x: float | np.floating) -> tuple[float, float]:
        """Index coordinates → x and y in pixels."""
        return self.view.x(float(x)), self.view.y(float(y))


def draw_box(brush: Brush, view: View, outline: Outline, colour: Colour = BOX) -> None:
    """A box in index coordinates, or an arrow to it from the edge of the view."""
    corners, (rows, columns) = view.corners(outline), spans_of(outline)
    at_x, at_y = np.mean(corners, axis=0).tolist()
    if not (rows.meets(view.rows) and columns.meets(view.columns)):
        near_x = min(max(at_x, 8.0), brush.width - 8.0)
        near_y = min(max(at_y, 8.0), brush.height - 8.0)
        far = math.hypot(at_x - near_x, at_y - near_y) / 19.0
        back = near_x - (at_x - near_x) / far, near_y - (at_y - near_y) / far
        brush.arrow(*back, near_x, near_y, 19.0, colour)
        return
    height, width = side_lengths(np.array(corners))
    if max(height, width) < 7.0:  # a ring makes a tiny box easy to find
        brush.ring(at_x, at_y, 9.0, 5.0, SHADOW)
        brush.ring(at_x, at_y, 9.0, 3.0, colour)
    thickness = min(max(min(height, width) / 10, 2.6), 5.0)
    brush.outline(corners, thickness + 2.4, (*INK, 200))  # on white ground, too
    brush.outline(corners, thickness, colour)


def box_entry(drawing: Drawing) -> Entry:
    """The box itself: its size, and whether all of it is in the figure."""
    (height, width), view = drawing.true.cells, drawing.view
    rows, columns = spans_of(drawing.true.outline)
    text = f"the box: {tidy(width)} × {tidy(height)} cells"
    text += ", corners reversed" if min(height, width) < 0 else ""
    far = {
        "to the left": view.columns.low - columns.high,
        "to the right": columns.low - view.columns.high,
        "up": view.rows.low - rows.high,
        "down": rows.low - view.rows.high,
    }
    if gone := [f"{measure(tidy(n), 'cell')} {way}" for way, n in far.items() if n > 0]:
        text += f", out of sight (arrow): {' and '.join(gone)}"
    elif not (view.rows.covers(rows) and view.columns.covers(columns)):
        text += ", which goes on beyond the picture"
    return Entry(framed(4.0, BOX), text)


def shift(drawing: Drawing) -> str:
    """How far from where the box begins the bins do, and why; nothing where they do not."""
    crop, true, row = drawing.crop, drawing.true, drawing.crop.plan.convention
    moves: dict[str, list[str]] = {}
    for n, ways in ((1, ("left of", "right of")), (0, ("above", "below"))):
        begin = float(crop.whole[:, n].min())
        cells = begin - spans_of(true.outline)[n].low
        if abs(cells) > max(_SAME, 1e-6 * abs(begin)):
            far = distance(cells, true.per_pixel[n], tidy)
            moves.setdefault(far, []).append(ways[cells > 0])
    if not moves:
        return ""
    said = " and ".join(f"{far} {' and '.join(ways)}" for far, ways in moves.items())
    height, width = side_lengths(crop.whole)
    grown = height > abs(true.cells[0]) + _SAME or width > abs(true.cells[1]) + _SAME
    least = row.min_size if row.min_size and min(height, width) < row.min_size + _SAME else None
    sized = f" They are enlarged to {tidy(width)}×{tidy(height)} cells" if grown else ""
    sized += (f", as a box has at least {tidy(least)}." if least else ".") if grown else ""
    why = "" if row.aligned else " (not aligned: half a cell is not subtracted)"
    return f"The bins of {row.name} begin {said} the box{why}.{sized}"
