"""What is drawn for each kind of plan, with its legend beside it.

Everything here draws what a `Plan` says and computes no sampling of its own: bins are outlines, and
what a bin reads are its terms. One bin is brought out; of the others only as much is seen as shows
that they are alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Kind
from roicrop.draw.canvas import Brush
from roicrop.draw.colour import BOX, FIRST, INK, LOST, MOVED, POINT, Colour
from roicrop.draw.map import Box, Label, Shown, Spans, meet
from roicrop.draw.sheet import TEAL, Entry
from roicrop.draw.view import Corners, Span, TrueAxis, View, span_of, true_axes
from roicrop.job import Subject
from roicrop.sampling import Plan, Samples, Term
from roicrop.text import brief, distance, measure, tidy

Outline = NDArray[np.float64]
Number = float | np.floating[Any]

_SHADOW: Final = (*INK, 140)
_SAME: Final = 5e-3  # cells below which nobody sees a shift
_LEAST_MOVE: Final = 0.05
_LEAST_BIN: Final = 4.0  # pixels a bin below which no lines are drawn between bins
_LEAST_GAP: Final = 3.0  # pixels between samples below which they are specks
_MOST_MARKS: Final = 20_000
_MOST_PLACES: Final = 600  # of samples along an axis
_MOST_TERMS: Final = 3000  # of the one bin that are looked at one by one
_HALF: Final = 0.5


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
        """(4, 2) the corners of the one bin, y and x each."""
        return self.plan.outline(self.k, *self.bin)

    @cached_property
    def whole(self) -> Outline:
        """(4, 2) the corners of all bins together: each is a corner of the bin in that corner."""
        rows, columns = (n - 1 for n in self.plan.output_size)
        at = ((0, 0), (0, columns), (rows, columns), (rows, 0))
        return np.array([self.plan.outline(self.k, *bin_)[n] for n, bin_ in enumerate(at)])

    @cached_property
    def framed(self) -> Outline:
        """(4, 2) the corners of what is framed: the one bin, or for RoIPool its cells."""
        if self.plan.kind != "cell" or not all(self.cells(*self.bin)):
            return self.own
        (top, bottom), (left, right) = (
            (cells.start - _HALF, cells.stop - _HALF) for cells in self.cells(*self.bin)
        )
        return np.array([(top, left), (top, right), (bottom, right), (bottom, left)])

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

    def cells(self, p: int, q: int) -> tuple[range, range]:
        """RoIPool: the rows and columns of the map that a bin takes."""
        return self.plan.cells(self.k, p, q)

    def winner(self, shown: Shown, p: int, q: int) -> tuple[int, int] | None:
        """RoIPool: the cell that a bin has its value from, where one channel is shown."""
        rows, columns = self.cells(p, q)
        seen = shown.values[rows.start : rows.stop, columns.start : columns.stop]
        if shown.several or not seen.size or np.isnan(seen).all():
            return None
        row, column = np.unravel_index(int(np.nanargmax(seen)), seen.shape)
        return rows.start + int(row), columns.start + int(column)


def default_bin(values: NDArray[np.float64]) -> tuple[int, int]:
    """The bin with the largest value."""
    held = np.where(np.isnan(values), -np.inf, values)
    p, q = np.unravel_index(int(held.argmax()), held.shape)
    return int(p), int(q)


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

    @property
    def art(self) -> Art:
        """How its kind is drawn."""
        return ART[self.crop.plan.kind]

    @cached_property
    def true(self) -> tuple[TrueAxis, TrueAxis]:
        """The box where it really is, along y and along x."""
        return true_axes(self.subject, self.crop.plan, self.crop.k)

    @cached_property
    def points(self) -> Points:
        """All samples in sight."""
        return points(self.view, self.crop.plan, self.crop.k)

    @property
    def centred(self) -> bool:
        """Whether the centres of cells are marked: where a bin is smaller than a cell."""
        small = float(np.prod(np.ptp(self.crop.own, axis=0))) < _HALF
        return small and self.crop.plan.kind != "cell" and self.view.cell >= 14.0

    @property
    def bin_name(self) -> str:
        """The one bin."""
        return "bin {},{}".format(*self.crop.bin)

    def box(self, brush: Brush) -> None:
        """The box where it really is."""
        true_box(brush, self.view, self.true[0].span, self.true[1].span)

    def frame(self, brush: Brush, outline: Outline, width: float) -> None:
        """An outline in the colour of the bins."""
        corners = self.view.corners(outline)
        brush.polygon(corners, width + 1.4, _SHADOW)
        brush.polygon(corners, width, self.colour, dashed=self.dashed)

    def pixels(self, y: Number, x: Number) -> tuple[float, float]:
        """Index coordinates → x and y in pixels."""
        return self.view.x(float(x)), self.view.y(float(y))

    def taken(self) -> list[Box]:
        """Where there is no room for a cell's number: on the box, and on what the kind says."""
        (y, x), view = (axis.span for axis in self.true), self.view
        found = sides(view.x(x.low), view.y(y.low), view.x(x.high), view.y(y.high), 3.0)
        for outline in (self.crop.whole, self.crop.framed):
            (top, left), (bottom, right) = outline.min(axis=0), outline.max(axis=0)
            found += sides(*self.pixels(top, left), *self.pixels(bottom, right), 2.0)
        return found + self.art.taken(self)


def sides(x0: float, y0: float, x1: float, y1: float, reach: float) -> list[Box]:
    """What the outline of a rectangle covers."""
    lines = ((x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1))
    return [_around(*line, reach) for line in lines]


def _around(x0: float, y0: float, x1: float, y1: float, reach: float) -> Box:
    return min(x0, x1) - reach, min(y0, y1) - reach, max(x0, x1) + reach, max(y0, y1) + reach


def true_box(brush: Brush, view: View, y: Span, x: Span, colour: Colour = BOX) -> None:
    """A box in index coordinates, or an arrow to it from the edge of the view."""
    top, bottom, left, right = view.y(y.low), view.y(y.high), view.x(x.low), view.x(x.high)
    at_x, at_y = (left + right) / 2, (top + bottom) / 2
    if not (y.meets(view.rows) and x.meets(view.columns)):
        near_x = min(max(at_x, 8.0), brush.width - 8.0)
        near_y = min(max(at_y, 8.0), brush.height - 8.0)
        far = math.hypot(at_x - near_x, at_y - near_y) / 19.0
        back = near_x - (at_x - near_x) / far, near_y - (at_y - near_y) / far
        brush.arrow(*back, near_x, near_y, 19.0, colour)
        return
    if max(bottom - top, right - left) < 7.0:  # a ring, to be found by
        brush.ring(at_x, at_y, 9.0, 5.0, _SHADOW)
        brush.ring(at_x, at_y, 9.0, 3.0, colour)
    width = min(max(min(bottom - top, right - left) / 10, 2.6), 5.0)
    brush.frame(left, top, right, bottom, width + 1.0, _SHADOW)
    brush.frame(left, top, right, bottom, width, colour)


def box_entry(drawing: Drawing) -> Entry:
    """The box itself: its size, and whether all of it is in the figure."""
    (y, x), view = drawing.true, drawing.view
    text = f"the box: {tidy(x.cells)} × {tidy(y.cells)} cells"
    if x.cells < 0 or y.cells < 0:
        text += ", corners reversed"
    gone = [
        f"{measure(tidy(far), 'cell')} {way}"
        for far, way in (
            (view.columns.low - x.span.high, "to the left"),
            (x.span.low - view.columns.high, "to the right"),
            (view.rows.low - y.span.high, "up"),
            (y.span.low - view.rows.high, "down"),
        )
        if far > 0
    ]
    if gone:
        text += f", out of sight (arrow): {' and '.join(gone)}"
    elif not (view.rows.covers(y.span) and view.columns.covers(x.span)):
        text += ", which goes on beyond the picture"
    return Entry(lambda b: b.frame(7, 6, b.width - 7, b.height - 6, 4.0, BOX), text)


def shift(drawing: Drawing) -> str:
    """How far from where the box begins the bins do; nothing where they do not, or are rounded."""
    crop, row = drawing.crop, drawing.crop.plan.convention
    if row.kind in ("cell", "point"):
        return ""
    moves = []
    for begin, true, ways in zip(
        reversed(crop.whole.min(axis=0).tolist()),
        reversed(drawing.true),
        (("left of", "right of"), ("above", "below")),
        strict=True,
    ):
        cells = begin - true.span.low
        if abs(cells) > max(_SAME, 1e-6 * abs(begin)):
            moves.append((distance(cells, true.cells_per_pixel, tidy), ways[cells > 0]))
    if not moves:
        return ""
    said = " and ".join(f"{far} {way}" for far, way in moves)
    if len(moves) == 2 and moves[0][0] == moves[1][0]:
        said = f"{moves[0][0]} {moves[0][1]} and {moves[1][1]}"
    height, width = np.ptp(crop.whole, axis=0).tolist()
    grown = (
        height > abs(drawing.true[0].cells) + _SAME or width > abs(drawing.true[1].cells) + _SAME
    )
    sized = f" They are enlarged to {tidy(width)} × {tidy(height)} cells." if grown else ""
    return f"The bins of {row.name} begin {said} the box.{sized}"


# Samples of RoIAlign, pieces of an exact integral, points of crop-and-resize.


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
    ys, gap_y = _places(along_y, view.rows, view.cell_y)
    xs, gap_x = _places(along_x, view.columns, view.cell_x)
    i, j = (a.ravel() for a in np.indices((len(ys), len(xs))))
    inside = ys.inside[i] & xs.inside[j]
    state = np.where(inside, (ys.clamped[i] | xs.clamped[j]).astype(np.int64), 2)
    at = [a.astype(np.float64) for a in (ys.position[i], xs.position[j])]
    read = [a.astype(np.float64) for a in (ys.read_at[i], xs.read_at[j])]
    return Points(at[0], at[1], read[0], read[1], state, min(gap_y, gap_x))


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


def _marks_of_samples(drawing: Drawing, brush: Brush) -> None:
    crop, view = drawing.crop, drawing.view
    size = np.ptp(crop.own, axis=0) * (view.cell_y, view.cell_x)
    for bin_ in np.ndindex(crop.plan.output_size) if size.min() >= _LEAST_BIN else ():
        corners = view.corners(crop.plan.outline(crop.k, *bin_))
        brush.polygon(corners, 0.75, drawing.colour, dashed=drawing.dashed)
    brush.polygon(view.corners(crop.whole), 2.0, drawing.colour, dashed=drawing.dashed)
    for x, y in _centres(drawing):
        centre_mark(brush, x, y, min(0.05 * view.cell + 1.5, 6.0))
    small(drawing, brush)
    drawing.frame(brush, crop.own, 3.6)
    if crop.plan.kind == "piece" and view.cell >= 6.0:
        _cuts(drawing, brush)
    _own_samples(drawing, brush)


def _centres(drawing: Drawing) -> Corners:
    if not drawing.centred:
        return []
    rows, columns = drawing.view.ranges(drawing.shown.map_size)
    return [drawing.pixels(i, j) for i in rows for j in columns]


def centre_mark(brush: Brush, x: float, y: float, size: float) -> None:
    """The centre of a cell."""
    for reach, width, colour in ((size, 0.6 * size, INK), (0.85 * size, 0.3 * size, POINT)):
        brush.row(y, x - reach, x + reach, width, colour)
        brush.column(x, y - reach, y + reach, width, colour)


def small(drawing: Drawing, brush: Brush) -> None:
    """Every sample: small where the map is read, full where it is not; at last, specks."""
    found, view = drawing.points, drawing.view
    at_y, at_x = view.y(found.y), view.x(found.x)
    if found.crowded:
        colours = np.array([drawing.ink, MOVED, LOST], dtype=np.uint8)[found.state]
        brush.specks(at_y, at_x, colours, min(0.35 * found.gap, 1.5), 0.6)
        return
    radius = min(max(0.22 * found.gap, 1.4), 4.0)
    for n in np.flatnonzero(found.state == 1):  # all lines first, so that none covers a mark
        _tie(brush, at_x[n], at_y[n], *drawing.pixels(found.read_y[n], found.read_x[n]), radius)
    for x, y, state in zip(at_x, at_y, found.state.tolist(), strict=True):
        if state == 0:
            brush.dot(x, y, min(max(0.07 * found.gap, 0.9), 1.7), (*drawing.ink[:3], 190))
        else:
            sample_mark(brush, x, y, radius, state)


def _tie(brush: Brush, x: float, y: float, read_x: float, read_y: float, radius: float) -> None:
    """A line from a sample to where the map is read in its place."""
    brush.stroke(x, y, read_x, read_y, 1.0 if radius > 2.5 else 0.5, (*INK, 180))
    brush.dot(read_x, read_y, max(0.4 * radius, 1.0), INK)


def sample_mark(
    brush: Brush, x: float, y: float, radius: float, state: int = 0, ink: Colour = POINT
) -> None:
    """One sample: read where it is, read at the edge, or not at all."""
    rim = min(0.3 * radius, 1.2)
    if state == 0:
        brush.dot(x, y, radius, ink, rim)
    elif state == 1:
        brush.diamond(x, y, 1.15 * radius, MOVED, rim)
    else:
        brush.cross(x, y, 0.85 * radius, LOST, rim)


_STATES: Final = {"inside": 0, "clamped": 1, "outside": 2}


def _own_radius(drawing: Drawing) -> float:
    return min(max(0.26 * drawing.points.gap, 1.6), 5.5)


def _own_samples(drawing: Drawing, brush: Brush) -> None:
    """The samples of the one bin, and the cells that one of them reads."""
    radius, chosen = _own_radius(drawing), drawing.crop.shown_term
    if chosen is not None:
        at = drawing.pixels(chosen.read_y, chosen.read_x)
        for tap in chosen.taps:
            to = drawing.pixels(tap.row, tap.column)
            width = 1.2 + 9.0 * abs(tap.weight)
            brush.stroke(*at, *to, width + 1.6, (*INK, 200))
            brush.stroke(*at, *to, width, drawing.ink)
            brush.dot(*to, max(width / 2, 2.5), drawing.ink, 0.8)
    for term in [] if drawing.points.crowded else drawing.crop.terms:
        x, y = drawing.pixels(term.y, term.x)
        if math.isfinite(x + y):
            if term.state == "clamped":
                _tie(brush, x, y, *drawing.pixels(term.read_y, term.read_x), radius)
            sample_mark(brush, x, y, radius, _STATES[term.state], drawing.ink)


def _cuts(drawing: Drawing, brush: Brush) -> None:
    """The lines that cut the one bin into pieces: through the centres of cells."""
    (ys, xs), view = (span_of(side) for side in drawing.crop.own.T), drawing.view
    for i in range(math.ceil(ys.low), math.floor(ys.high) + 1):
        brush.dash(view.x(xs.low), view.y(i), view.x(xs.high), view.y(i), 1.5, POINT)
    for j in range(math.ceil(xs.low), math.floor(xs.high) + 1):
        brush.dash(view.x(j), view.y(ys.low), view.x(j), view.y(ys.high), 1.5, POINT)


def _taken_by_samples(drawing: Drawing) -> list[Box]:
    radius, them = _own_radius(drawing) + 1, drawing.points
    found = [
        _around(*drawing.pixels(term.y, term.x) * 2, radius) for term in drawing.crop.terms[:200]
    ]
    if (chosen := drawing.crop.shown_term) is not None:
        at = np.array(drawing.pixels(chosen.read_y, chosen.read_x), np.float64)
        for tap in chosen.taps:
            to = np.array(drawing.pixels(tap.row, tap.column), np.float64)
            for share in np.linspace(0, 1, 9):
                x, y = (at + share * (to - at)).tolist()
                found.append(_around(x, y, x, y, 4))
    found += [_around(*at * 2, 7) for at in _centres(drawing)]
    for n in [] if them.crowded else np.flatnonzero(them.state):  # those that have a full mark
        found.append(_around(*drawing.pixels(them.y[n], them.x[n]) * 2, 5))
    return found


def _labels_of_weights(drawing: Drawing) -> list[Label]:
    """What each cell counts in the one sample, where cells are large."""
    chosen = drawing.crop.shown_term
    if chosen is None or drawing.view.cell < 84.0:
        return []
    found = []
    for tap in chosen.taps:
        x, y = drawing.pixels(tap.row, tap.column)
        away = 22.0 if tap.row >= chosen.read_y else -22.0
        label = Label(f"× {brief(tap.weight, 2)}", x, y + away)
        if label.within(drawing.view) == label:
            found.append(label)
    return found


def _legend_of_samples(drawing: Drawing) -> list[Entry]:
    crop, kind, them = drawing.crop, drawing.crop.plan.kind, drawing.points
    what = {"piece": "middles of the pieces", "point": "sample"}.get(kind, "samples")
    rows, columns = crop.plan.output_size
    alone = rows == columns == 1
    bins = "the one bin" if alone else f"its {rows}×{columns} bins, {drawing.bin_name} framed"
    found = [Entry(_bins_example, bins)] if drawing.ink == POINT else []
    if them.crowded:
        found.append(Entry(_crowd_example, "samples, too many to tell apart"))
    elif drawing.ink == POINT:
        if any(term.state == "inside" for term in crop.terms):
            own = f"{what} of {drawing.bin_name}"
            found.append(Entry(lambda b: sample_mark(b, b.width / 2, b.height / 2, 5.0), own))
        if not alone and (them.state == 0).any():
            found.append(Entry(_small_example, "those of other bins"))
    if (chosen := crop.shown_term) is not None:
        cells = measure(str(len(chosen.taps)), "cell")
        one = "a piece" if kind == "piece" else "a sample"
        found.append(
            Entry(_weights_example, f"the {cells} that {one} reads: the thicker, the more")
        )
    if drawing.centred:
        mark = Entry(lambda b: centre_mark(b, b.width / 2, b.height / 2, 5.0), "centers of cells")
        found.append(mark)
    if moved := int((them.state == 1).sum()):
        text = f"outside the outermost centers ({moved}): read where its line ends"
        found.append(Entry(_moved_example, text, None))
    if lost := int((them.state == 2).sum()):
        row = crop.plan.convention
        so = f"its bin is {tidy(row.void_value)}" if row.border == "extrapolate" else "counts as 0"
        text = f"too far outside ({lost}): {so}"
        found.append(Entry(lambda b: sample_mark(b, b.width / 2, b.height / 2, 4.5, 2), text, None))
    return found


def _bins_example(brush: Brush) -> None:
    right, bottom, middle = brush.width - 5, brush.height - 4, brush.width / 2
    brush.frame(5, 4, right, bottom, 1.5, FIRST)
    brush.row(brush.height / 2, 5, right, 1.0, FIRST)
    brush.column(middle, 4, bottom, 1.0, FIRST)
    brush.frame(5, 4, middle, brush.height / 2, 3.2, FIRST)


def _small_example(brush: Brush) -> None:
    for x in (-8, 0, 8):
        brush.dot(brush.width / 2 + x, brush.height / 2, 1.7, (*POINT, 190))


def _crowd_example(brush: Brush) -> None:
    y, x = (a.ravel() for a in np.mgrid[4.0:21.0:2.0, 4.0:31.0:2.0])
    brush.specks(y, x, np.full((len(y), 3), 255, np.uint8), 0.7, 0.6)


def _weights_example(brush: Brush) -> None:
    x, y = brush.width / 2 - 3, brush.height / 2 - 2
    for to_x, to_y, weight in ((6, 4, 0.3), (28, 4, 0.15), (6, 20, 0.2), (28, 20, 0.05)):
        brush.stroke(x, y, to_x, to_y, 1.0 + 9 * weight, POINT)
    sample_mark(brush, x, y, 3.5)


def _moved_example(brush: Brush) -> None:
    x, y = brush.width / 2, brush.height / 2
    brush.fill(x + 1, 0, brush.width, brush.height, TEAL)
    brush.column(x + 1, 0, brush.height, 1.25, INK)
    _tie(brush, x - 8, y, x + 10, y, 4.0)
    sample_mark(brush, x - 8, y, 4.0, 1)


# The cells of RoIPool.


def _marks_of_cells(drawing: Drawing, brush: Brush) -> None:
    crop, view = drawing.crop, drawing.view
    for i, j in _shared(crop):
        left, top = drawing.pixels(i - _HALF, j - _HALF)
        _hatched(brush, left, top, left + view.cell_x, top + view.cell_y)
    drawing.frame(brush, crop.whole, 2.4)
    own = crop.winner(drawing.shown, *crop.bin)
    if view.cell >= 6.0:
        every = {crop.winner(drawing.shown, *bin_) for bin_ in np.ndindex(crop.plan.output_size)}
        for cell in every - {own, None}:
            brush.polygon(_inside(drawing, cell, 3.0), 1.3, (*POINT, 235), dashed=True)
    if all(crop.cells(*crop.bin)):
        drawing.frame(brush, crop.framed, 4.0)
    if own is not None:
        brush.polygon(_inside(drawing, own, 4.5), 5.0, _SHADOW)
        brush.polygon(_inside(drawing, own, 4.5), 3.4, POINT)
    for ends, _ in _moves(drawing):
        brush.arrow(*ends, 13.0, drawing.colour)


def _inside(drawing: Drawing, cell: tuple[int, int] | None, inset: float) -> Corners:
    row, column = cell or (0, 0)
    inset = min(inset, 0.2 * drawing.view.cell)
    left, top = (v + inset for v in drawing.pixels(row - _HALF, column - _HALF))
    right, bottom = (v - inset for v in drawing.pixels(row + _HALF, column + _HALF))
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _shared(crop: Crop) -> NDArray[np.int64]:
    """The cells that more than one bin takes, where these are under half of all."""
    many = crop.plan.bins_of_cells(crop.k)
    shared = np.argwhere(many > 1)
    return shared if 2 * len(shared) < int((many > 0).sum()) else shared[:0]


def _hatched(brush: Brush, x0: float, y0: float, x1: float, y1: float) -> None:
    brush.hatch(x0, y0, x1, y1, 9.0, 2.0, (*INK, 80))
    brush.hatch(x0, y0, x1, y1, 9.0, 0.9, (*BOX, 150))


def _moves(drawing: Drawing) -> list[tuple[Box, Label]]:
    """The edges that rounding moved: an arrow from where each was to where it is, and how far."""
    view, (true_y, true_x) = drawing.view, (axis.span for axis in drawing.true)
    ys, xs = (span_of(side) for side in drawing.crop.whole.T)
    found: list[tuple[Box, Label]] = []
    for was, now, outwards, vertical in (
        (true_x.low, xs.low, -1, False),
        (true_x.high, xs.high, 1, False),
        (true_y.low, ys.low, -1, True),
        (true_y.high, ys.high, 1, True),
    ):
        cells = (now - was) * outwards
        along, seen = (xs, view.rows) if vertical else (ys, view.columns)
        if abs(cells) < _LEAST_MOVE or not seen.holds(was):
            continue
        text = ("+" if cells > 0 else "−") + measure(tidy(abs(cells)), "cell")
        for share in (0.5, 0.25, 0.75, 0.12, 0.88):
            at = along.low + share * along.size
            (y0, x0), (y1, x1) = ((was, at), (now, at)) if vertical else ((at, was), (at, now))
            ends = (*drawing.pixels(y0, x0), *drawing.pixels(y1, x1))
            placed = [box for e, label in found for box in (label.box, _around(*e, 6))]
            label = _beside(ends, text, view, placed)
            if label is not None and not meet(_around(*ends, 6), placed):
                found.append((ends, label))
                break
    return found


def _beside(ends: Box, text: str, view: View, placed: Sequence[Box]) -> Label | None:
    """A label beside an arrow, if there is room that is not taken."""
    x, y = (ends[0] + ends[2]) / 2, (ends[1] + ends[3]) / 2
    *_, half_x, half_y = Label(text, 0, 0).box
    if not (20 <= x <= view.width - 20 and 20 <= y <= view.height - 20):
        return None
    flat = ends[1] == ends[3]
    for way in (-1, 1):
        aside = (0.0, way * (half_y + 13)) if flat else (-way * (half_x + 13), 0.0)
        label = Label(text, x + aside[0], y + aside[1]).within(view)
        if not meet(label.box, placed):
            return label
    return None


def _spans_of_cells(drawing: Drawing) -> tuple[Spans, Spans]:
    """The cells of each bin, where bins overlap."""
    crop, (bins_y, bins_x) = drawing.crop, drawing.crop.plan.output_size
    rows = [crop.cells(p, 0)[0] for p in range(bins_y)]
    columns = [crop.cells(0, q)[1] for q in range(bins_x)]
    return _if_overlapping(rows), _if_overlapping(columns)


def _if_overlapping(cells: Sequence[range]) -> Spans:
    if not any(a.stop > b.start for a, b in pairwise(cells)):
        return ()
    return [Span(each.start - _HALF, each.stop - _HALF) if each else None for each in cells]


def _legend_of_cells(drawing: Drawing) -> list[Entry]:
    crop = drawing.crop

    def frame(inset: float, width: float, colour: Colour) -> Callable[[Brush], None]:
        return lambda b: b.frame(inset, 6, b.width - inset, b.height - 6, width, colour)

    rounded = crop.plan.convention.rounding != "none"
    what = "the box in whole cells" if rounded else "the box, its end a pixel further"
    found = [Entry(frame(7, 2.4, drawing.colour), what)]
    if all(crop.cells(*crop.bin)):
        found.append(Entry(frame(7, 4.0, drawing.colour), f"the cells of {drawing.bin_name}"))
    if crop.winner(drawing.shown, *crop.bin) is not None:
        found.append(Entry(frame(11, 3.4, POINT), "its largest"))
        if crop.plan.output_size != (1, 1) and drawing.view.cell >= 6.0:
            found.append(Entry(_faint_example, "the largest of other bins"))
    if _moves(drawing):
        text = "how far an edge was moved; + is outwards"
        found.append(Entry(lambda b: b.arrow(5, 12, b.width - 6, 12, 13.0, FIRST), text))
    if len(_shared(crop)):
        text = "taken by several bins"
        found.append(Entry(lambda b: _hatched(b, 0, 0, b.width, b.height), text))
    return found


def _faint_example(brush: Brush) -> None:
    right, bottom = brush.width - 10, brush.height - 5
    brush.polygon([(10, 5), (right, 5), (right, bottom), (10, bottom)], 1.3, POINT, dashed=True)


@dataclass(frozen=True, kw_only=True)
class Art:
    """How a kind of plan is drawn, and what is said about it.

    reads, gives: the headings of the map and of the pooled values.
    """

    reads: str
    gives: str
    marks: Callable[[Drawing, Brush], None] = _marks_of_samples
    taken: Callable[[Drawing], list[Box]] = _taken_by_samples
    labels: Callable[[Drawing], list[Label]] = _labels_of_weights
    spans: Callable[[Drawing], tuple[Spans, Spans]] = lambda _: ((), ())
    legend: Callable[[Drawing], list[Entry]] = _legend_of_samples


ART: Final[dict[Kind, Art]] = {
    "sample": Art(reads="reads between the cells", gives="their {}"),
    "point": Art(reads="reads one point a bin", gives="what was read there"),
    "piece": Art(reads="integrates over each bin", gives="the mean over each bin"),
    "cell": Art(
        reads="moves the box to whole cells",
        gives="the {} cell of each bin",
        marks=_marks_of_cells,
        taken=lambda drawing: [_around(*ends, 6) for ends, _ in _moves(drawing)],
        labels=lambda drawing: [label for _, label in _moves(drawing)],
        spans=_spans_of_cells,
        legend=_legend_of_cells,
    ),
}
