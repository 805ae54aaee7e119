"""One box under one plan, on a view of the map: what every kind of plan has.

Everything here draws what a `Plan` says and computes no sampling of its own: bins are outlines, and
what a bin reads are its terms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from roicrop.draw.canvas import Brush, rectangle
from roicrop.draw.colour import BOX, FIRST, INK, POINT, Colour
from roicrop.draw.map import Shown
from roicrop.draw.sheet import Entry
from roicrop.draw.view import Span, TrueBox, View, spans_of, true_box
from roicrop.job import Subject
from roicrop.sampling import Plan, Samples, Term
from roicrop.text import distance, measure, tidy

Outline = NDArray[np.float64]  # (4, 2) corners, y and x each, in index coordinates

SHADOW: Final = (*INK, 140)
_SAME: Final = 5e-3  # cells below which nobody sees a shift
_LEAST_GAP: Final = 3.0  # pixels between samples below which they are specks
_MOST_MARKS: Final = 20_000
_MOST_PLACES: Final = 600  # of samples along an axis
_MOST_TERMS: Final = 3000  # of the one bin that are looked at one by one
_LEAST_CENTRED: Final = 14.0  # pixels a cell from which on centres are marked


@dataclass(frozen=True)
class Crop:
    """One box under one plan, and what it pooled.

    values: (PH, PW), of the numbers that the figure shows.
    bin: the one that is brought out, (p, q).
    """

    plan: Plan
    k: int
    values: NDArray[np.float64]
    bin: tuple[int, int]

    @property
    def void(self) -> NDArray[np.bool_]:
        """(PH, PW): the bins that had nothing to pool."""
        return self.plan.void(self.k)

    @cached_property
    def own(self) -> Outline:
        """The one bin."""
        return self.plan.outline(self.k, *self.bin)

    @cached_property
    def whole(self) -> Outline:
        """All bins together: each corner is one of the bin in that corner."""
        rows, columns = (n - 1 for n in self.plan.output_size)
        at = ((0, 0), (0, columns), (rows, columns), (rows, 0))
        return np.array([self.plan.outline(self.k, *bin_)[n] for n, bin_ in enumerate(at)])

    @cached_property
    def framed(self) -> Outline:
        """What is framed: the one bin, or for RoIPool its cells."""
        if self.plan.kind != "cell" or not all(self.cells(*self.bin)):
            return self.own
        rows, columns = self.cells(*self.bin)
        ends = columns.start - 0.5, rows.start - 0.5, columns.stop - 0.5, rows.stop - 0.5
        return np.array(rectangle(*ends))[:, ::-1]

    @cached_property
    def terms(self) -> list[Term]:
        """What the one bin is made of, or the first of it."""
        return list(islice(self.plan.terms(self.k, *self.bin), _MOST_TERMS))

    @cached_property
    def shown_term(self) -> Term | None:
        """The sample or piece whose weights are shown: the one with the plainest."""
        if self.plan.kind == "cell":
            return None
        return max(
            (term for term in self.terms if term.taps),
            key=lambda t: (len(t.taps), round(t.share, 6), min(tap.weight for tap in t.taps)),
            default=None,
        )

    @property
    def read(self) -> Outline:
        """(n, 2): corners around the one bin, and around the cells of the term that is shown."""
        taps = self.shown_term.taps if self.shown_term else ()
        reach = [(tap.row + d, tap.column + d) for tap in taps for d in (-0.3, 0.3)]
        return np.array([*self.framed.tolist(), *reach])

    def focus(self, shown: Shown) -> tuple[float, float]:
        """Where one looks first: at that term, at RoIPool's winner, or at the middle of the bin."""
        if (term := self.shown_term) is not None:
            return float(term.read_y), float(term.read_x)
        y, x = self.framed.mean(axis=0).tolist()
        return (self.plan.kind == "cell" and self.winner(shown, *self.bin)) or (y, x)

    def cells(self, p: int, q: int) -> tuple[range, range]:
        """RoIPool: the rows and columns of the map that a bin takes."""
        return self.plan.cells(self.k, p, q)

    def winner(self, shown: Shown, p: int, q: int) -> tuple[int, int] | None:
        """RoIPool: the cell that a bin has its value from, where one channel is shown."""
        rows, columns = self.cells(p, q)
        seen = shown.values[rows.start : rows.stop, columns.start : columns.stop]
        average = self.plan.convention.mode == "avg"
        if average or shown.several or not seen.size or np.isnan(seen).all():
            return None
        row, column = np.unravel_index(int(np.nanargmax(seen)), seen.shape)
        return rows.start + int(row), columns.start + int(column)


def default_bin(values: NDArray[np.float64]) -> tuple[int, int]:
    """The bin with the largest value."""
    held = np.where(np.isnan(values), -np.inf, values)
    p, q = np.unravel_index(int(held.argmax()), held.shape)
    return int(p), int(q)


def side_lengths(outline: Outline) -> tuple[float, float]:
    """How high and how wide a box or a bin is, turned or not."""
    return math.dist(outline[0], outline[3]), math.dist(outline[0], outline[1])


@dataclass(frozen=True)
class Points:
    """Where the samples of all bins lie: those in sight, those at one place once.

    y, x, read_y, read_x: (n,) index coordinates; state: 0 inside, 1 clamped, 2 outside.
    gap: pixels between neighbours.
    """

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    read_y: NDArray[np.float64]
    read_x: NDArray[np.float64]
    state: NDArray[np.int64]
    gap: float

    @property
    def crowded(self) -> bool:
        """Whether there is no room for marks."""
        return self.gap < _LEAST_GAP or len(self.y) > _MOST_MARKS


def points(view: View, plan: Plan, k: int) -> Points:
    """The samples of box k in sight."""
    along_y, along_x = plan.samples(k)
    if plan.turn(k) is not None:
        return _turned_points(view, plan, k)
    ys, gap_y = _places(along_y, view.rows, view.cell_y)
    xs, gap_x = _places(along_x, view.columns, view.cell_x)
    i, j = (a.ravel() for a in np.indices((len(ys), len(xs))))
    inside = ys.inside[i] & xs.inside[j]
    state = np.where(inside, (ys.clamped[i] | xs.clamped[j]).astype(np.int64), 2)
    at = [a.astype(np.float64) for a in (ys.position[i], xs.position[j])]
    read = [a.astype(np.float64) for a in (ys.read_at[i], xs.read_at[j])]
    return Points(at[0], at[1], read[0], read[1], state, min(gap_y, gap_x))


def _turned_points(view: View, plan: Plan, k: int) -> Points:
    """The same of a box that is turned, whose samples are pairs; of very many, some."""
    ys, xs = plan.samples(k)
    at, read = (
        [getattr(samples, name).astype(np.float64) for samples in (ys, xs)]
        for name in ("position", "read_at")
    )
    state = np.where(ys.inside, (ys.clamped | xs.clamped).astype(np.int64), 2)
    seen = np.ones(len(ys), dtype=bool)
    for of, span, cell in zip(
        at, (view.rows, view.columns), (view.cell_y, view.cell_x), strict=True
    ):
        seen &= (of >= span.low - 8.0 / cell) & (of <= span.high + 8.0 / cell)
    some = np.flatnonzero(seen)
    some = some[:: len(some) // _MOST_PLACES**2 + 1]
    steps = (float(axis.bin_size[k]) / max(axis.count[k], 1) * view.cell for axis in plan.axes)
    return Points(at[0][some], at[1][some], read[0][some], read[1][some], state[some], min(steps))


def _places(samples: Samples, span: Span, cell: float) -> tuple[Samples, float]:
    """The samples of an axis that are drawn, and the pixels between neighbours."""
    at = samples.position.astype(np.float64)
    reach = 8.0 / cell
    seen = np.flatnonzero((at >= span.low - reach) & (at <= span.high + reach))
    places, first = np.unique(np.rint(at[seen] * (cell * 4)), return_index=True)
    gaps = np.diff(places) / 4
    drawn = np.zeros(len(at), dtype=bool)
    drawn[seen[first[:: len(first) // _MOST_PLACES + 1]]] = True
    return samples.where(drawn), float(gaps.min()) if gaps.size else 40.0


@dataclass(frozen=True)
class Drawing:
    """A crop on a view of the map.

    colour, dashed: how its bins are drawn. ink: the colour of its samples.
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
        return true_box(self.subject, self.crop.plan, self.crop.k)

    @cached_property
    def points(self) -> Points:
        """All samples in sight."""
        return points(self.view, self.crop.plan, self.crop.k)

    @property
    def centred(self) -> bool:
        """Whether the centres of cells are marked: where a bin is smaller than a cell."""
        small = math.prod(side_lengths(self.crop.own)) < 1.0
        reads = self.crop.shown_term is not None
        return small and reads and self.view.cell >= _LEAST_CENTRED

    @property
    def bin_name(self) -> str:
        """The one bin."""
        return "bin {},{}".format(*self.crop.bin)

    def box(self, brush: Brush) -> None:
        """The box where it really is."""
        draw_box(brush, self.view, self.true.outline)

    def frame(self, brush: Brush, outline: Outline, width: float) -> None:
        """An outline in the colour of the bins."""
        corners = self.view.corners(outline)
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
    if max(height, width) < 7.0:  # a ring, to be found by
        brush.ring(at_x, at_y, 9.0, 5.0, SHADOW)
        brush.ring(at_x, at_y, 9.0, 3.0, colour)
    thickness = min(max(min(height, width) / 10, 2.6), 5.0)
    brush.outline(corners, thickness + 1.0, SHADOW)
    brush.outline(corners, thickness, colour)


def box_entry(drawing: Drawing) -> Entry:
    """The box itself: its size, and whether all of it is in the figure."""
    (height, width), view = drawing.true.cells, drawing.view
    rows, columns = drawing.true.spans
    text = f"the box: {tidy(width)} × {tidy(height)} cells"
    if min(height, width) < 0:
        text += ", corners reversed"
    gone = [
        f"{measure(tidy(far), 'cell')} {way}"
        for far, way in (
            (view.columns.low - columns.high, "to the left"),
            (columns.low - view.columns.high, "to the right"),
            (view.rows.low - rows.high, "up"),
            (rows.low - view.rows.high, "down"),
        )
        if far > 0
    ]
    if gone:
        text += f", out of sight (arrow): {' and '.join(gone)}"
    elif not (view.rows.covers(rows) and view.columns.covers(columns)):
        text += ", which goes on beyond the picture"
    example = rectangle(7, 6, 27, 18)
    return Entry(lambda brush: brush.outline(example, 4.0, BOX), text)


def shift(drawing: Drawing) -> str:
    """How far from where the box begins the bins do; nothing where they do not, or are rounded."""
    crop, true, row = drawing.crop, drawing.true, drawing.crop.plan.convention
    if row.kind in ("cell", "point"):
        return ""
    moves = []
    for n, ways in ((1, ("left of", "right of")), (0, ("above", "below"))):
        begin = float(crop.whole[:, n].min())
        cells = begin - true.spans[n].low
        if abs(cells) > max(_SAME, 1e-6 * abs(begin)):
            moves.append((distance(cells, true.per_pixel[n], tidy), ways[cells > 0]))
    if not moves:
        return ""
    said = " and ".join(f"{far} {way}" for far, way in moves)
    if len(moves) == 2 and moves[0][0] == moves[1][0]:
        said = f"{moves[0][0]} {moves[0][1]} and {moves[1][1]}"
    height, width = side_lengths(crop.whole)
    grown = height > abs(true.cells[0]) + _SAME or width > abs(true.cells[1]) + _SAME
    sized = f" They are enlarged to {tidy(width)} × {tidy(height)} cells." if grown else ""
    return f"The bins of {row.name} begin {said} the box.{sized}"
