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
from roicrop.draw.map import Box, Label, Shown
from roicrop.draw.sheet import TEAL, Entry
from roicrop.draw.view import Span, View, span_of, true_axes
from roicrop.job import Subject
from roicrop.sampling import SeparablePlan, Tap, Term
from roicrop.text import brief, distance, measure, tidy

SAME: Final = 5e-3  # cells below which nobody sees a shift
SHADOW: Final = (*INK, 140)
LEAST_BIN: Final = 4.0  # pixels a bin below which no lines are drawn between bins
_LEAST_GAP: Final = 3.0  # pixels between samples below which they are specks
_MOST_TERMS: Final = 3000  # of the one bin that are looked at one by one
_HALF: Final = 0.5


@dataclass(frozen=True)
class Crop:
    """One box under one plan, and what it pooled.

    values: (PH, PW), of the numbers that the figure shows.
    bin: the one that is brought out, (p, q).
    """

    plan: SeparablePlan
    k: int
    values: NDArray[np.float64]
    bin: tuple[int, int]

    @property
    def void(self) -> NDArray[np.bool_]:
        """(PH, PW): the bins that had nothing to pool."""
        return self.plan.void(self.k)

    def outline(self, p: int, q: int) -> NDArray[np.float64]:
        """(4, 2) the corners of a bin, y and x each."""
        return self.plan.outline(self.k, p, q)

    @cached_property
    def whole(self) -> NDArray[np.float64]:
        """(4, 2) the corners of all bins together: each is a corner of the bin in that corner."""
        rows, columns = (n - 1 for n in self.plan.output_size)
        at = ((0, 0), (0, columns), (rows, columns), (rows, 0))
        return np.array([self.outline(*bin_)[n] for n, bin_ in enumerate(at)])

    @cached_property
    def framed(self) -> NDArray[np.float64]:
        """(4, 2) the corners of what is framed: the one bin, or for RoIPool its cells."""
        if self.plan.kind == "cell" and all(self.cells(*self.bin)):
            return _frame_of(*self.cells(*self.bin))
        return self.outline(*self.bin)

    @cached_property
    def terms(self) -> list[Term]:
        """What the one bin is made of, or the first of it."""
        terms = self.plan.terms(self.k, *self.bin)
        return list(islice(terms, _MOST_TERMS))

    @cached_property
    def shown_term(self) -> Term | None:
        """The sample or piece whose weights are shown: the one with the plainest."""
        if self.plan.kind == "cell":
            return None
        reads = [term for term in self.terms if term.taps]
        return max(
            reads,
            key=lambda t: (len(t.taps), round(t.share, 6), min(tap.weight for tap in t.taps)),
            default=None,
        )

    @property
    def bin_size(self) -> tuple[float, float]:
        """(height, width) of the one bin in cells."""
        ys, xs = self.outline(*self.bin).T
        return float(np.ptp(ys)), float(np.ptp(xs))

    def cells(self, p: int, q: int) -> tuple[range, range]:
        """RoIPool: the rows and columns of the map that a bin takes."""
        plan, k = self.plan, self.k
        return range(*plan.y.cell_range(k, p)), range(*plan.x.cell_range(k, q))

    def winner(self, shown: Shown, p: int, q: int) -> tuple[int, int] | None:
        """RoIPool: the cell that a bin has its value from, on the one channel that is shown."""
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


_MOST_POINTS: Final = 250_000


def points(view: View, plan: SeparablePlan, k: int) -> Points:
    """The samples of box k in sight."""
    (ys, seen_y, gap_y), (xs, seen_x, gap_x) = (
        _places(axis.samples(k), span, cell)
        for axis, span, cell in (
            (plan.y, view.rows, view.cell_y),
            (plan.x, view.columns, view.cell_x),
        )
    )
    step = math.ceil(math.sqrt(max(len(seen_y) * len(seen_x) / _MOST_POINTS, 1.0)))
    seen_y, seen_x = seen_y[::step], seen_x[::step]
    y, x = (a.ravel() for a in np.meshgrid(ys.position[seen_y], xs.position[seen_x], indexing="ij"))
    read_y, read_x = (
        a.ravel() for a in np.meshgrid(ys.read_at[seen_y], xs.read_at[seen_x], indexing="ij")
    )
    inside = np.logical_and.outer(ys.inside[seen_y], xs.inside[seen_x]).ravel()
    clamped = np.logical_or.outer(ys.clamped[seen_y], xs.clamped[seen_x]).ravel()
    state = np.where(inside, clamped.astype(np.int64), 2)
    y, x, read_y, read_x = (a.astype(np.float64) for a in (y, x, read_y, read_x))
    return Points(y, x, read_y, read_x, state, step * min(gap_y, gap_x))


def _places(samples: Any, span: Span, cell: float) -> tuple[Any, NDArray[np.int64], float]:
    """Samples of an axis, which of them are drawn, and the pixels between neighbours."""
    at = np.asarray(samples.position, dtype=np.float64)
    reach = 8.0 / cell
    seen = np.flatnonzero((at >= span.low - reach) & (at <= span.high + reach))
    places, first = np.unique(np.rint(at[seen] * (cell * 4)), return_index=True)
    gaps = np.diff(places) / 4
    return samples, seen[first], float(gaps.min()) if gaps.size else 40.0


@dataclass(frozen=True)
class Drawing:
    """A crop on a view of the map.

    colour, dashed: how its bins are drawn.
    ink: the colour of its samples.
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
    def points(self) -> Points:
        """All samples in sight."""
        return points(self.view, self.crop.plan, self.crop.k)

    def box(self, brush: Brush) -> None:
        """The box where it really is, or an arrow to it from the edge of the view."""
        true_box(brush, self.view, *(a.span for a in self._true))

    @property
    def _true(self) -> Any:
        return true_axes(self.subject, self.crop.plan, self.crop.k)

    def on_view(self, outline: NDArray[np.float64]) -> list[tuple[float, float]]:
        """The same in pixels."""
        return self.view.corners(outline)

    def marks(self, brush: Brush) -> None:
        """Everything but the box."""
        self.art.marks(self, brush)

    def taken(self) -> list[Box]:
        """Where there is no room for a cell's number: on the box, and on what the kind says."""
        spans = [axis.span for axis in self._true]
        (top, bottom), (left, right) = (
            (to(s.low), to(s.high)) for to, s in zip((self.view.y, self.view.x), spans, strict=True)
        )
        outer = self.on_view(self.crop.whole)
        own = self.on_view(self.crop.framed)
        found = sides(left, top, right, bottom, 3.0)
        for corners in (outer, own):
            (x0, x1), (y0, y1) = ((min(c), max(c)) for c in zip(*corners, strict=True))
            found += sides(x0, y0, x1, y1, 2.0)
        return [*found, *self.art.taken(self)]

    def labels(self) -> list[Label]:
        """Texts on the map."""
        return self.art.labels(self)

    def spans(self) -> tuple[list[Span | None], list[Span | None]]:
        """What each bin takes along y and along x, where brackets are to show it."""
        return self.art.spans(self)

    def bin_name(self) -> str:
        """The one bin."""
        return "bin {},{}".format(*self.crop.bin)


def sides(x0: float, y0: float, x1: float, y1: float, reach: float) -> list[Box]:
    """What the outline of a rectangle covers."""
    return [
        (x0 - reach, y0 - reach, x1 + reach, y0 + reach),
        (x0 - reach, y1 - reach, x1 + reach, y1 + reach),
        (x0 - reach, y0 - reach, x0 + reach, y1 + reach),
        (x1 - reach, y0 - reach, x1 + reach, y1 + reach),
    ]


def true_box(brush: Brush, view: View, y: Span, x: Span, colour: Colour = BOX) -> None:
    """A box in index coordinates, or an arrow to it from the edge of the view."""
    top, bottom, left, right = view.y(y.low), view.y(y.high), view.x(x.low), view.x(x.high)
    if not (y.meets(view.rows) and x.meets(view.columns)):
        _arrow_to(brush, (top + bottom) / 2, (left + right) / 2)
        return
    if max(bottom - top, right - left) < 7.0:  # a ring, to be found by
        at_x, at_y = (left + right) / 2, (top + bottom) / 2
        brush.ring(at_x, at_y, 9.0, 5.0, SHADOW)
        brush.ring(at_x, at_y, 9.0, 3.0, colour)
    width = min(max(min(bottom - top, right - left) / 10, 2.6), 5.0)
    brush.frame(left, top, right, bottom, width + 1.0, SHADOW)
    brush.frame(left, top, right, bottom, width, colour)


def _arrow_to(brush: Brush, y: float, x: float) -> None:
    at_y = min(max(y, 20.0), brush.height - 20.0)
    at_x = min(max(x, 20.0), brush.width - 20.0)
    far = math.hypot(y - at_y, x - at_x)
    brush.arrow(at_x, at_y, (x - at_x) / far, (y - at_y) / far, BOX)


# Samples and points of RoIAlign, exact RoIAlign and crop-and-resize.


def _marks_of_samples(drawing: Drawing, brush: Brush) -> None:
    crop, view = drawing.crop, drawing.view
    bins(drawing, brush)
    _centres(drawing, brush)
    small(drawing.points, view, brush, drawing)
    own = drawing.on_view(crop.outline(*crop.bin))
    brush.polygon(own, 5.0, SHADOW)
    brush.polygon(own, 3.6, drawing.colour, dashed=drawing.dashed)
    if crop.plan.kind == "piece":
        _cuts(drawing, brush)
    _own_samples(drawing, brush)


def bins(drawing: Drawing, brush: Brush) -> None:
    """Thin lines around every bin, where bins are not too small, and around all."""
    crop, (rows, columns) = drawing.crop, drawing.crop.plan.output_size
    height, width = crop.bin_size
    if height * drawing.view.cell_y >= LEAST_BIN and width * drawing.view.cell_x >= LEAST_BIN:
        for p, q in np.ndindex(rows, columns):
            corners = drawing.on_view(crop.outline(p, q))
            brush.polygon(corners, 0.75, drawing.colour, dashed=drawing.dashed)
    brush.polygon(drawing.on_view(crop.whole), 2.0, drawing.colour, dashed=drawing.dashed)


def centres_marked(drawing: Drawing) -> bool:
    """Whether the centres of cells are marked: where a bin is smaller than a cell."""
    small = math.prod(drawing.crop.bin_size) < 0.5 and drawing.crop.plan.kind != "cell"
    return small and drawing.view.cell >= 14.0


def _centres(drawing: Drawing, brush: Brush) -> None:
    if not centres_marked(drawing):
        return
    height, width = drawing.shown.map_size
    for i in drawing.view.row_range(height):
        for j in drawing.view.column_range(width):
            size = min(0.05 * drawing.view.cell + 1.5, 6.0)
            centre_mark(brush, drawing.view.x(float(j)), drawing.view.y(float(i)), size)


def centre_mark(brush: Brush, x: float, y: float, size: float) -> None:
    """The centre of a cell."""
    for reach, width, colour in ((size, 0.6 * size, INK), (0.85 * size, 0.3 * size, POINT)):
        brush.row(y, x - reach, x + reach, width, colour)
        brush.column(x, y - reach, y + reach, width, colour)


_STATE_COLOURS: Final = np.array([POINT, MOVED, LOST], dtype=np.uint8)


def small(found: Points, view: View, brush: Brush, drawing: Drawing) -> None:
    """Every sample: small where the map is read, full where it is not; at last, specks."""
    at_y, at_x = view.y(found.y), view.x(found.x)
    if found.gap < _LEAST_GAP or len(at_y) > 20_000:
        colours = _STATE_COLOURS[found.state]
        brush.specks(at_y, at_x, colours, min(0.35 * found.gap, 1.5), 0.6)
        return
    radius = min(max(0.22 * found.gap, 1.4), 4.0)
    read_y, read_x = view.y(found.read_y), view.x(found.read_x)
    for m in np.flatnonzero(found.state == 1):  # all lines first, so that none covers a mark
        _tie(brush, at_y[m], at_x[m], read_y[m], read_x[m], radius)
    for n, state in enumerate(found.state):
        if state == 0:
            brush.dot(at_x[n], at_y[n], min(max(0.07 * found.gap, 0.9), 1.7), (*drawing.ink, 190))
        else:
            sample_mark(brush, at_y[n], at_x[n], radius, int(state))


def _tie(brush: Brush, y: float, x: float, read_y: float, read_x: float, radius: float) -> None:
    """A line from a sample to where the map is read in its place; in pixels."""
    brush.stroke(x, y, read_x, read_y, 1.0 if radius > 2.5 else 0.5, (*INK, 180))
    brush.dot(read_x, read_y, max(0.4 * radius, 1.0), INK)


def sample_mark(
    brush: Brush, y: float, x: float, radius: float, state: int = 0, ink: Colour = POINT
) -> None:
    """One sample at a pixel: read where it is, read at the edge, or not at all."""
    rim = min(0.3 * radius, 1.2)
    if state == 0:
        brush.dot(x, y, radius, ink, rim)
    elif state == 1:
        brush.diamond(x, y, 1.15 * radius, MOVED, rim)
    else:
        brush.cross(x, y, 0.85 * radius, LOST, rim)


_STATES: Final = {"inside": 0, "clamped": 1, "outside": 2}


def _own_radius(drawing: Drawing) -> float:
    gap = drawing.points.gap
    return min(max(0.26 * gap, 1.6), 5.5)


def _own_samples(drawing: Drawing, brush: Brush) -> None:
    """The samples of the one bin, and the cells that one of them reads."""
    crop, view = drawing.crop, drawing.view
    radius = _own_radius(drawing)
    chosen = crop.shown_term
    if chosen is not None:
        x, y = view.x(float(chosen.read_x)), view.y(float(chosen.read_y))
        for tap in chosen.taps:
            lines_to(
                brush, x, y, view.x(float(tap.column)), view.y(float(tap.row)), tap, drawing.ink
            )
    if drawing.points.gap < _LEAST_GAP:
        return
    for term in crop.terms:
        y, x = view.y(float(term.y)), view.x(float(term.x))
        if not math.isfinite(x + y):
            continue
        if term.state == "clamped":
            _tie(brush, y, x, view.y(float(term.read_y)), view.x(float(term.read_x)), radius)
        sample_mark(brush, y, x, radius, _STATES[term.state], drawing.ink)


def lines_to(
    brush: Brush, x: float, y: float, to_x: float, to_y: float, tap: Tap, ink: Colour
) -> None:
    """A line as thick as a weight, from a sample to the centre of a cell."""
    width = 1.2 + 9.0 * abs(tap.weight)
    brush.stroke(x, y, to_x, to_y, width + 1.6, (*INK, 200))
    brush.stroke(x, y, to_x, to_y, width, ink)
    brush.dot(to_x, to_y, max(width / 2, 2.5), ink, 0.8)


def _cuts(drawing: Drawing, brush: Brush) -> None:
    """The lines that cut the one bin into pieces: through the centres of cells."""
    (left, top), *_, (right, bottom) = sorted(
        drawing.on_view(drawing.crop.outline(*drawing.crop.bin))
    )
    ys, xs = (span_of(side) for side in drawing.crop.outline(*drawing.crop.bin).T)
    view = drawing.view
    if view.cell < 6.0:
        return
    for i in _whole_within(ys, view.rows):
        brush.dash(left, view.y(i), right, view.y(i), 1.5, POINT)
    for j in _whole_within(xs, view.columns):
        brush.dash(view.x(j), top, view.x(j), bottom, 1.5, POINT)


def _whole_within(span: Span, shown: Span) -> range:
    low, high = max(span.low, shown.low), min(span.high, shown.high)
    return range(math.ceil(low), math.floor(high) + 1) if low <= high else range(0)


def _taken_by_samples(drawing: Drawing) -> list[Box]:
    crop, view = drawing.crop, drawing.view
    radius = _own_radius(drawing) + 1
    found = []
    for term in crop.terms[:200]:
        y, x = view.y(float(term.y)), view.x(float(term.x))
        found.append((x - radius, y - radius, x + radius, y + radius))
    if (chosen := crop.shown_term) is not None:
        y, x = view.y(float(chosen.read_y)), view.x(float(chosen.read_x))
        for tap in chosen.taps:
            to_y, to_x = view.y(float(tap.row)), view.x(float(tap.column))
            for part in np.linspace(0, 1, 9):
                at_y, at_x = y + part * (to_y - y), x + part * (to_x - x)
                found.append((at_x - 4, at_y - 4, at_x + 4, at_y + 4))
    if centres_marked(drawing):
        height, width = drawing.shown.map_size
        for i in view.row_range(height):
            for j in view.column_range(width):
                y, x = view.y(float(i)), view.x(float(j))
                found.append((x - 7, y - 7, x + 7, y + 7))
    them = drawing.points
    if them.gap >= _LEAST_GAP:
        for n in np.flatnonzero(them.state)[:2000]:  # those that have a full mark
            y, x = view.y(float(them.y[n])), view.x(float(them.x[n]))
            found.append((x - 5, y - 5, x + 5, y + 5))
    return found


def _labels_of_weights(drawing: Drawing) -> list[Label]:
    """What each cell counts in the one sample, where cells are large."""
    view, chosen = drawing.view, drawing.crop.shown_term
    if chosen is None or view.cell < 84.0:
        return []
    found = []
    for tap in chosen.taps:
        y, x = view.y(float(tap.row)), view.x(float(tap.column))
        away = 22.0 if y >= view.y(float(chosen.read_y)) else -22.0
        label = Label(f"× {brief(tap.weight, 2)}", x, y + away)
        if _is_on(label.box, view):
            found.append(label)
    return found


def _is_on(box: Box, view: View) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= view.width and box[3] <= view.height


def _legend_of_samples(drawing: Drawing) -> list[Entry]:
    crop, plan = drawing.crop, drawing.crop.plan
    what = "middles of the pieces" if plan.kind == "piece" else "samples"
    if plan.kind == "point":
        what = "sample"
    found = []
    if drawing.points.gap < _LEAST_GAP:
        found.append(Entry(_crowd_example, "samples, too many to tell apart"))
    elif drawing.ink == POINT:
        if any(term.state == "inside" for term in crop.terms):
            found.append(Entry(_own_example, f"{what} of {drawing.bin_name()}"))
        if plan.output_size != (1, 1) and (drawing.points.state == 0).any():
            found.append(Entry(_small_example, "those of other bins"))
    if (chosen := crop.shown_term) is not None:
        cells = measure(str(len(chosen.taps)), "cell")
        one = "a piece" if plan.kind == "piece" else "a sample"
        found.append(
            Entry(_weights_example, f"the {cells} that {one} reads: the thicker, the more")
        )
    if centres_marked(drawing):
        found.append(
            Entry(lambda b: centre_mark(b, b.width / 2, b.height / 2, 5.0), "centers of cells")
        )
    state = drawing.points.state
    if moved := int((state == 1).sum()):
        found.append(
            Entry(
                moved_example,
                f"outside the outermost centers ({moved}): read where its line ends",
                None,
            )
        )
    if lost := int((state == 2).sum()):
        found.append(Entry(lost_example, f"too far outside ({lost}): {_what_lost_do(plan)}", None))
    return found


def _what_lost_do(plan: SeparablePlan) -> str:
    if plan.convention.border == "extrapolate":
        return f"its bin is {tidy(plan.convention.void_value)}"
    return "counts as 0"


def _own_example(brush: Brush) -> None:
    sample_mark(brush, brush.height / 2, brush.width / 2, 5.0)


def _small_example(brush: Brush) -> None:
    for x in (-8, 0, 8):
        brush.dot(brush.width / 2 + x, brush.height / 2, 1.6, (*POINT, 230), 0.5)


def _crowd_example(brush: Brush) -> None:
    at = np.arange(4.0, 31.0, 2.0)
    y, x = (a.ravel() for a in np.meshgrid(at[at < 21], at, indexing="ij"))
    brush.specks(y, x, np.full((len(y), 3), 255, np.uint8), 0.7, 0.6)


def _weights_example(brush: Brush) -> None:
    x, y = brush.width / 2 - 3, brush.height / 2 - 2
    for to_x, to_y, weight in ((6, 4, 0.3), (28, 4, 0.15), (6, 20, 0.2), (28, 20, 0.05)):
        brush.stroke(x, y, to_x, to_y, 1.0 + 9 * weight, POINT)
    sample_mark(brush, y, x, 3.5)


def moved_example(brush: Brush) -> None:
    """A sample beyond the edge of a map."""
    y, x = brush.height / 2, brush.width / 2
    brush.fill(x + 1, 0, brush.width, brush.height, TEAL)
    brush.column(x + 1, 0, brush.height, 1.25, INK)
    _tie(brush, y, x - 8, y, x + 10, 4.0)
    sample_mark(brush, y, x - 8, 4.0, 1)


def lost_example(brush: Brush) -> None:
    """A sample that reads nothing."""
    sample_mark(brush, brush.height / 2, brush.width / 2, 4.5, 2)


# The cells of RoIPool.


def _marks_of_cells(drawing: Drawing, brush: Brush) -> None:
    crop, view = drawing.crop, drawing.view
    rows, columns = crop.plan.output_size
    for i, j in _hatched(drawing):
        top, left = view.y(i - _HALF), view.x(j - _HALF)
        hatched(brush, top, left, top + view.cell_y, left + view.cell_x)
    outer = drawing.on_view(crop.whole)
    brush.polygon(outer, 3.4, SHADOW)
    brush.polygon(outer, 2.4, drawing.colour, dashed=drawing.dashed)
    if view.cell >= 6.0:
        won = {crop.winner(drawing.shown, p, q) for p, q in np.ndindex(rows, columns)}
        for cell in won - {crop.winner(drawing.shown, *crop.bin)}:
            if cell is not None:
                brush.polygon(_inset(view, *cell, 3.0), 1.3, (*POINT, 235), dashed=True)
    if all(crop.cells(*crop.bin)):
        own = drawing.on_view(crop.framed)
        brush.polygon(own, 5.4, SHADOW)
        brush.polygon(own, 4.0, drawing.colour, dashed=drawing.dashed)
    if (winner := crop.winner(drawing.shown, *crop.bin)) is not None:
        corners = _inset(view, *winner, 4.5)
        brush.polygon(corners, 5.0, SHADOW)
        brush.polygon(corners, 3.4, POINT)
    for move in _moves(drawing):
        move.draw(brush, drawing.colour)


def _inset(view: View, row: int, column: int, inset: float) -> list[tuple[float, float]]:
    inset = min(inset, 0.2 * view.cell)
    left, top = view.x(column - _HALF) + inset, view.y(row - _HALF) + inset
    right, bottom = view.x(column + _HALF) - inset, view.y(row + _HALF) - inset
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _frame_of(rows: range, columns: range) -> NDArray[np.float64]:
    top, bottom, left, right = (
        v - _HALF for v in (rows.start, rows.stop, columns.start, columns.stop)
    )
    return np.array([(top, left), (top, right), (bottom, right), (bottom, left)])


def _hatched(drawing: Drawing) -> NDArray[np.int64]:
    """The cells that more than one bin takes, where these are under half of all."""
    crop, plan = drawing.crop, drawing.crop.plan
    many = np.multiply.outer(
        *(np.bincount(axis.samples(crop.k).low, minlength=axis.size) for axis in (plan.y, plan.x))
    )
    shared = np.argwhere(many > 1)
    return shared if 2 * len(shared) < int((many > 0).sum()) else shared[:0]


def hatched(brush: Brush, y0: float, x0: float, y1: float, x1: float) -> None:
    """A rectangle in pixels, hatched."""
    brush.hatch(x0, y0, x1, y1, 9.0, 2.0, (*INK, 80))
    brush.hatch(x0, y0, x1, y1, 9.0, 0.9, (*BOX, 150))


@dataclass(frozen=True, slots=True)
class Move:
    """An edge that was moved: an arrow from where it was to where it is, x and y in pixels."""

    ends: tuple[float, float, float, float]
    label: Label

    def draw(self, brush: Brush, colour: Colour) -> None:
        """With a head that is never longer than the arrow."""
        x0, y0, *tip = self.ends
        far = math.hypot(tip[0] - x0, tip[1] - y0)
        along = (tip[0] - x0) / far, (tip[1] - y0) / far
        head = min(far, 13.0)
        base = tip[0] - head * along[0], tip[1] - head * along[1]
        for width, more, paint in ((5.0, 2.0, INK), (2.6, 0.0, colour)):
            brush.stroke(x0, y0, *base, width, paint)
            side = 0.6 * head + more
            wings = [
                (tip[0], tip[1]),
                (base[0] - side * along[1], base[1] + side * along[0]),
                (base[0] + side * along[1], base[1] - side * along[0]),
            ]
            brush.triangle(wings, paint)


def _moves(drawing: Drawing) -> list[Move]:
    """The edges of the box that rounding moved."""
    crop, view = drawing.crop, drawing.view
    true_y, true_x = (axis.span for axis in drawing._true)
    ys, xs = (span_of(side) for side in crop.whole.T)
    found: list[Move] = []
    placed: list[Box] = []
    for was, is_, outwards, vertical in (
        (true_x.low, xs.low, -1, False),
        (true_x.high, xs.high, 1, False),
        (true_y.low, ys.low, -1, True),
        (true_y.high, ys.high, 1, True),
    ):
        cells = (is_ - was) * outwards
        to = view.y if vertical else view.x
        if abs(cells) < 10 * SAME or not 0 <= to(was) <= (view.height if vertical else view.width):
            continue
        along = xs if vertical else ys
        frame = view.width if vertical else view.height
        text = ("+" if cells > 0 else "−") + measure(tidy(abs(cells)), "cell")
        for share in (0.5, 0.25, 0.75, 0.12, 0.88):
            at = (view.x if vertical else view.y)(along.low + share * along.size)
            if not 20 <= at <= frame - 20:
                continue
            ends = (at, to(was), at, to(is_)) if vertical else (to(was), at, to(is_), at)
            label = _beside(ends, text, view, placed)
            arrow = _around(*ends)
            if label is not None and not any(_meet(arrow, box) for box in placed):
                found.append(Move(ends, label))
                placed += [label.box, arrow]
                break
    return found


def _beside(
    ends: tuple[float, float, float, float], text: str, view: View, placed: Sequence[Box]
) -> Label | None:
    x0, y0, x1, y1 = ends
    half_x, half_y = (b / 2 for b in _size_of(text))
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    places = (
        [(middle_x, middle_y - half_y - 13), (middle_x, middle_y + half_y + 13)]
        if x0 != x1
        else [(middle_x + half_x + 13, middle_y), (middle_x - half_x - 13, middle_y)]
    )
    for x, y in places:
        x = min(max(x, half_x + 2), view.width - half_x - 2)
        y = min(max(y, half_y + 2), view.height - half_y - 2)
        label = Label(text, x, y)
        if not any(_meet(label.box, box) for box in placed):
            return label
    return None


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _around(x0: float, y0: float, x1: float, y1: float) -> Box:
    """An arrow, with room for its head."""
    return min(x0, x1) - 6, min(y0, y1) - 6, max(x0, x1) + 6, max(y0, y1) + 6


def _size_of(text: str) -> tuple[float, float]:
    x0, y0, x1, y1 = Label(text, 0, 0).box
    return x1 - x0, y1 - y0


def _taken_by_cells(drawing: Drawing) -> list[Box]:
    """The arrows."""
    return [_around(*m.ends) for m in _moves(drawing)]


def _spans_of_cells(drawing: Drawing) -> tuple[list[Span | None], list[Span | None]]:
    """The cells of each bin, where bins overlap."""
    found = []
    for axis in (drawing.crop.plan.y, drawing.crop.plan.x):
        ranges = [axis.cell_range(drawing.crop.k, p) for p in range(axis.bins)]
        overlap = any(a[1] > b[0] for a, b in pairwise(ranges))
        spans = [Span(a - _HALF, b - _HALF) if a < b else None for a, b in ranges]
        found.append(spans if overlap else [])
    return found[0], found[1]


def _legend_of_cells(drawing: Drawing) -> list[Entry]:
    crop = drawing.crop
    found = [Entry(_rounded_example, "the box in whole cells")]
    if all(crop.cells(*crop.bin)):
        found.append(Entry(_framed_example, f"the cells of {drawing.bin_name()}"))
    if crop.winner(drawing.shown, *crop.bin) is not None:
        found.append(Entry(_winner_example, "its largest"))
        if crop.plan.output_size != (1, 1) and drawing.view.cell >= 6.0:
            found.append(Entry(_faint_example, "the largest of other bins"))
    if _moves(drawing):
        found.append(Entry(_arrow_example, "how far an edge was moved; + is outwards"))
    if len(_hatched(drawing)):
        found.append(Entry(lambda b: hatched(b, 0, 0, b.height, b.width), "taken by several bins"))
    return found


def _rounded_example(brush: Brush) -> None:
    brush.frame(7, 6, brush.width - 7, brush.height - 6, 2.4, FIRST)


def _framed_example(brush: Brush) -> None:
    brush.frame(7, 6, brush.width - 7, brush.height - 6, 4.0, FIRST)


def _winner_example(brush: Brush) -> None:
    brush.frame(10, 5, brush.width - 10, brush.height - 5, 3.4, POINT)


def _faint_example(brush: Brush) -> None:
    left, right, top, bottom = 10, brush.width - 10, 5, brush.height - 5
    brush.polygon(
        [(left, top), (right, top), (right, bottom), (left, bottom)], 1.3, POINT, dashed=True
    )


def _arrow_example(brush: Brush) -> None:
    Move((5, brush.height / 2, brush.width - 6, brush.height / 2), Label("", 0, 0)).draw(
        brush, FIRST
    )


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
    spans: Callable[[Drawing], tuple[list[Span | None], list[Span | None]]] = lambda _: ([], [])
    legend: Callable[[Drawing], list[Entry]] = _legend_of_samples


ART: Final[dict[Kind, Art]] = {
    "sample": Art(reads="reads between the cells", gives="their {}"),
    "point": Art(reads="reads one point a bin", gives="what was read there"),
    "piece": Art(reads="integrates over each bin", gives="the mean over each bin"),
    "cell": Art(
        reads="moves the box to whole cells",
        gives="the {} cell of each bin",
        marks=_marks_of_cells,
        taken=_taken_by_cells,
        labels=lambda drawing: [move.label for move in _moves(drawing)],
        spans=_spans_of_cells,
        legend=_legend_of_cells,
    ),
}


def box_entry(drawing: Drawing) -> Entry:
    """The box itself: its size, and whether all of it is in the figure."""
    y, x = drawing._true
    text = f"the box: {tidy(x.cells)} × {tidy(y.cells)} cells"
    if x.cells < 0 or y.cells < 0:
        text += ", corners reversed"
    return Entry(_box_example, text + _out_of_sight(y.span, x.span, drawing.view))


def _out_of_sight(y: Span, x: Span, view: View) -> str:
    gone = [
        f"{measure(tidy(far), 'cell')} {way}"
        for far, way in (
            (max(view.columns.low - x.high, 0.0), "to the left"),
            (max(x.low - view.columns.high, 0.0), "to the right"),
            (max(view.rows.low - y.high, 0.0), "up"),
            (max(y.low - view.rows.high, 0.0), "down"),
        )
        if far > 0
    ]
    if gone:
        return f", out of sight (arrow): {' and '.join(gone)}"
    whole = all(
        seen.holds(v)
        for seen, span in ((view.rows, y), (view.columns, x))
        for v in (span.low, span.high)
    )
    return "" if whole else ", which goes on beyond the picture"


def _box_example(brush: Brush) -> None:
    brush.frame(7, 6, brush.width - 7, brush.height - 6, 4.0, BOX)


def shift(drawing: Drawing) -> str:
    """How far from where the box begins the bins do; nothing where they do not, or are rounded."""
    crop = drawing.crop
    plan = crop.plan
    if plan.kind in ("cell", "point"):
        return ""
    moves = []
    top_left = crop.whole.min(axis=0)
    for begin, true, ways in zip(
        reversed(top_left.tolist()),
        reversed(drawing._true),
        (("left of", "right of"), ("above", "below")),
        strict=True,
    ):
        cells = begin - true.span.low
        if abs(cells) > max(SAME, 1e-6 * abs(begin)):
            moves.append((distance(cells, true.cells_per_pixel, tidy), ways[cells > 0]))
    if not moves:
        return ""
    if len(moves) == 2 and moves[0][0] == moves[1][0]:
        said = f"{moves[0][0]} {moves[0][1]} and {moves[1][1]}"
    else:
        said = " and ".join(f"{far} {way}" for far, way in moves)
    sized = ""
    if plan.convention.min_size is not None:
        height, width = (abs(axis.cells) for axis in drawing._true)
        now = tuple(np.ptp(crop.whole, axis=0))
        if now[0] > height + SAME or now[1] > width + SAME:
            sized = f" They are enlarged to {tidy(now[1])} × {tidy(now[0])} cells."
    return f"The bins of {plan.convention.name} begin {said} the box.{sized}"
