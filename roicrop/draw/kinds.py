"""The marks for each kind of plan, with their legend.

One bin is highlighted; the others show only enough to see that they are alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Final

import numpy as np

from roicrop.conventions import Kind
from roicrop.draw.canvas import Brush, Corners, rectangle
from roicrop.draw.colour import BOX, FIRST, INK, LOST, MOVED, POINT, Colour
from roicrop.draw.drawing import SHADOW, Crop, Drawing, shift
from roicrop.draw.map import Box, Label, Spans, meet
from roicrop.draw.sheet import SWATCH, TEAL, Entry, framed
from roicrop.draw.view import Span, spans_of
from roicrop.text import brief, measure, tidy

_LEAST_MOVE: Final = 0.05  # cells; an edge that is moved by less has no arrow
_LEAST_BIN: Final = 4.0  # pixels per bin below which no lines are drawn between bins
_LEAST_WINNER: Final = 6.0  # pixels per cell below which the cells of other bins have no marks
_MOST_WINNERS: Final = 1000
_LEAST_RING: Final = 12.0  # pixels between samples below which small ones are dots
_LEAST_LABELLED: Final = 84.0  # pixels per cell from which a weight is also written
_WIDE, _HIGH = SWATCH
_STATES: Final = {"inside": 0, "clamped": 1, "outside": 2}


# Samples of RoIAlign, pieces of an exact integral, points of crop-and-resize.


def _marks_of_samples(drawing: Drawing, brush: Brush) -> None:
    crop, view = drawing.crop, drawing.view
    size = np.ptp(view.corners(crop.own), axis=0).min()
    for bin_ in np.ndindex(crop.plan.output_size) if size >= _LEAST_BIN else ():
        corners = view.corners(crop.plan.outline(crop.k, *bin_))
        brush.outline(corners, 0.75, drawing.colour, dashed=drawing.dashed)
    brush.outline(view.corners(crop.whole), 2.0, drawing.colour, dashed=drawing.dashed)
    for x, y in _centres(drawing):
        centre_mark(brush, x, y, min(0.05 * view.cell + 1.5, 6.0))
    small(drawing, brush)
    drawing.frame(brush, crop.own, 3.6)
    if crop.plan.kind == "piece" and view.cell >= _LEAST_WINNER:
        _cuts(drawing, brush)
    _own_samples(drawing, brush)


def _centres(drawing: Drawing) -> Corners:
    if not drawing.centred:
        return []
    around, size = np.concatenate([drawing.crop.whole, drawing.crop.read]), drawing.shown.map_size
    near = [
        [n for n in seen if span.low - 1 < n < span.high + 1]
        for seen, span in zip(drawing.view.ranges(size), spans_of(around), strict=True)
    ]
    return [drawing.pixels(i, j) for i, j in product(*near)]


def centre_mark(brush: Brush, x: float, y: float, size: float) -> None:
    """The centre of a cell."""
    for reach, width, colour in ((size, 0.6 * size, INK), (0.85 * size, 0.3 * size, POINT)):
        brush.line(x - reach, y, x + reach, y, width, colour)
        brush.line(x, y - reach, x, y + reach, width, colour)


def small(drawing: Drawing, brush: Brush) -> None:
    """Every sample: a small mark if it reads the map, a full one if it does not."""
    found, view = drawing.points, drawing.view
    at_y, at_x = view.y(found.y), view.x(found.x)
    radius = min(max(0.22 * found.gap, 1.4), 4.0)
    for n in np.flatnonzero(found.state == 1):  # lines first, so that they do not cover marks
        _tie(brush, at_x[n], at_y[n], *drawing.pixels(found.read_y[n], found.read_x[n]), radius)
    for x, y, state in zip(at_x, at_y, found.state.tolist(), strict=True):
        if state == 0:
            _small_sample(brush, x, y, found.gap, drawing.ink)
        else:
            sample_mark(brush, x, y, radius, state)


def _small_sample(brush: Brush, x: float, y: float, gap: float, ink: Colour) -> None:
    """A ring, as a dot could pass for a decimal point; a dot if there is no room for a ring."""
    if gap >= _LEAST_RING:
        brush.ring(x, y, 2.1, 0.9, (*ink[:3], 210))
    else:
        brush.dot(x, y, max(0.07 * gap, 0.9), (*ink[:3], 190))


def _tie(brush: Brush, x: float, y: float, read_x: float, read_y: float, radius: float) -> None:
    """A line from a sample to the place where the map is read instead."""
    brush.line(x, y, read_x, read_y, 1.0 if radius > 2.5 else 0.5, (*INK, 180))
    brush.dot(read_x, read_y, max(0.4 * radius, 1.0), INK)


def sample_mark(
    brush: Brush, x: float, y: float, radius: float, state: int = 0, ink: Colour = POINT
) -> None:
    """One sample: read where it is, read at the edge, or not read at all."""
    rim = min(0.3 * radius, 1.2)
    if state == 0:
        brush.dot(x, y, radius, ink, rim)
    elif state == 1:
        brush.diamond(x, y, 1.15 * radius, MOVED, rim)
    else:
        brush.cross(x, y, 0.85 * radius, LOST, rim)


def _own_samples(drawing: Drawing, brush: Brush) -> None:
    """The samples of the framed bin, and the cells that one of them reads."""
    radius, chosen = min(max(0.2 * drawing.points.gap, 1.6), 4.5), drawing.crop.shown_term
    largest = max(1.3 * radius, 4.0)  # which no line is wider than
    at = drawing.pixels(chosen.read_y, chosen.read_x) if chosen else (0.0, 0.0)
    for tap in chosen.taps if chosen else ():
        to = drawing.pixels(tap.row, tap.column)
        width = 1.2 + (2 * largest - 1.2) * abs(tap.weight)
        brush.line(*at, *to, width + 1.6, (*INK, 200))
        brush.line(*at, *to, width, drawing.ink)
        _end_mark(brush, *to, drawing.ink)
    some = drawing.crop.terms if not drawing.points.thinned else [chosen] if chosen else []
    for term in sorted(some, key=lambda term: term is chosen):  # that one last
        x, y = drawing.pixels(term.y, term.x)
        size = largest if term is chosen else radius
        if math.isfinite(x + y):
            if term.state == "clamped":
                _tie(brush, x, y, *drawing.pixels(term.read_y, term.read_x), radius)
            sample_mark(brush, x, y, size, _STATES[term.state], drawing.ink)


def _end_mark(brush: Brush, x: float, y: float, ink: Colour) -> None:
    """Where a line ends, in the centre of a cell: smaller than a sample, whatever its weight."""
    for half, paint in ((2.6, INK), (1.7, ink)):
        brush.fill(x - half, y - half, x + half, y + half, paint)


def _cuts(drawing: Drawing, brush: Brush) -> None:
    """The lines that cut the framed bin into pieces: through the centres of cells."""
    (ys, xs), view = spans_of(drawing.crop.own), drawing.view
    for i in range(math.ceil(ys.low), math.floor(ys.high) + 1):
        brush.line(view.x(xs.low), view.y(i), view.x(xs.high), view.y(i), 1.5, POINT, dashed=True)
    for j in range(math.ceil(xs.low), math.floor(xs.high) + 1):
        brush.line(view.x(j), view.y(ys.low), view.x(j), view.y(ys.high), 1.5, POINT, dashed=True)


def _labels_of_weights(drawing: Drawing) -> list[Label]:
    """The value of each cell of the chosen sample, times its weight, if cells are large."""
    chosen = drawing.crop.shown_term
    if chosen is None or drawing.view.cell < _LEAST_LABELLED:
        return []
    found: list[Label] = []
    for tap in chosen.taps:
        value = float(drawing.shown.values[tap.row, tap.column])
        x, y = drawing.pixels(tap.row, tap.column)
        y += 22.0 if tap.row >= chosen.read_y else -22.0
        text = f"{brief(value, 3, powers=True)} × {brief(tap.weight, 2)}"
        label = Label(text, x, y, (tap.row, tap.column)).within(drawing.view)
        if not meet(label.box, [other.box for other in found]):
            found.append(label)
    return found


def _legend_of_samples(drawing: Drawing) -> list[Entry]:
    crop, kind, them = drawing.crop, drawing.crop.plan.kind, drawing.points
    what = {"piece": "means of the pieces, read at their middles,", "point": "sample"}
    rows, columns = crop.plan.output_size
    several, found = rows * columns > 1, list[Entry]()
    if drawing.alone:
        bins = f"its {rows}×{columns} bins, {drawing.bin_name} framed" if several else "the one bin"
        found.append(Entry(_bins_example, bins))
        if any(term.state == "inside" for term in crop.terms):
            own = "a sample" if them.thinned else what.get(kind, "samples")
            own = f"{own} of {drawing.bin_name}"
            found.append(Entry(lambda b: sample_mark(b, _WIDE / 2, _HIGH / 2, 4.5), own))
        if them.thinned:
            found.append(Entry(_small_example, "some of the samples: not all have room"))
        elif several and (them.state == 0).any():
            found.append(Entry(_small_example, "those of other bins"))
    if kind == "piece":
        example = framed(1.5, POINT, dashed=True)
        found.append(Entry(example, "the bin is cut into pieces at the centres of cells"))
    if (chosen := crop.shown_term) is not None:
        cells = measure(str(len(chosen.taps)), "cell") if drawing.alone else "cells"
        one = "a piece" if kind == "piece" and drawing.alone else "a sample"
        text = f"the {cells} that {one} reads; thicker line, larger weight"
        found.append(Entry(_weights_example, text))
    if drawing.centred:
        x, y = _WIDE / 2, _HIGH / 2
        found.append(Entry(lambda b: centre_mark(b, x, y, 5.0), "centres of cells"))
    moved, lost = (int((them.state == n).sum()) for n in (1, 2))
    counts = [f" ({n})" if drawing.alone and not them.thinned else "" for n in (moved, lost)]
    if moved:
        text = f"beyond the outermost cell centres{counts[0]}: moved to the end of its line"
        found.append(Entry(_moved_example, text, None))
    if lost:
        row = crop.plan.convention
        so = f"its bin is {tidy(row.void_value)}" if row.border == "extrapolate" else "counts as 0"
        text = f"too far outside{counts[1]}: {so}"
        found.append(Entry(lambda b: sample_mark(b, _WIDE / 2, _HIGH / 2, 4.5, 2), text, None))
    return found


def _bins_example(brush: Brush) -> None:
    brush.outline(rectangle(5, 4, _WIDE - 5, _HIGH - 4), 1.5, FIRST)
    brush.line(5, _HIGH / 2, _WIDE - 5, _HIGH / 2, 1.0, FIRST)
    brush.line(_WIDE / 2, 4, _WIDE / 2, _HIGH - 4, 1.0, FIRST)
    brush.outline(rectangle(5, 4, _WIDE / 2, _HIGH / 2), 3.2, FIRST)


def _small_example(brush: Brush) -> None:
    for x in (-8, 0, 8):
        _small_sample(brush, _WIDE / 2 + x, _HIGH / 2, _LEAST_RING, POINT)


def _weights_example(brush: Brush) -> None:
    x, y = _WIDE / 2 - 3, _HIGH / 2 - 2
    for to_x, to_y, weight in ((6, 4, 0.3), (28, 4, 0.15), (6, 20, 0.2), (28, 20, 0.05)):
        brush.line(x, y, to_x, to_y, 1.0 + 9 * weight, POINT)
        _end_mark(brush, to_x, to_y, POINT)
    sample_mark(brush, x, y, 4.0)


def _moved_example(brush: Brush) -> None:
    x, y = _WIDE / 2, _HIGH / 2
    brush.fill(x + 1, 0, _WIDE, _HIGH, TEAL)
    brush.line(x + 1, 0, x + 1, _HIGH, 1.25, INK)
    _tie(brush, x - 8, y, x + 10, y, 4.0)
    sample_mark(brush, x - 8, y, 4.0, 1)


# The cells of RoIPool.


def _marks_of_cells(drawing: Drawing, brush: Brush) -> None:
    crop = drawing.crop
    for i, first, end in _shared(drawing):
        _hatched(brush, *drawing.pixels(i - 0.5, first - 0.5), *drawing.pixels(i + 0.5, end - 0.5))
    drawing.frame(brush, crop.whole, 2.4)
    own = crop.winner(drawing.shown, *crop.bin)
    for cell in _other_winners(drawing):
        brush.outline(_inside(drawing, cell, 3.0), 1.3, (*POINT, 235), dashed=True)
    if all(crop.cells(*crop.bin)):
        drawing.frame(brush, crop.framed, 4.0)
    if own is not None:
        brush.outline(_inside(drawing, own, 4.5), 5.0, SHADOW)
        brush.outline(_inside(drawing, own, 4.5), 3.4, POINT)
    for ends, _ in _moves(drawing) if drawing.alone else ():
        brush.arrow(*ends, 13.0, drawing.colour)


def _other_winners(drawing: Drawing) -> set[tuple[int, int]]:
    crop, size = drawing.crop, drawing.crop.plan.output_size
    if not drawing.alone or drawing.view.cell < _LEAST_WINNER or math.prod(size) > _MOST_WINNERS:
        return set()
    every = {crop.winner(drawing.shown, *bin_) for bin_ in np.ndindex(size)}
    return {cell for cell in every if cell and cell != crop.winner(drawing.shown, *crop.bin)}


def _inside(drawing: Drawing, cell: tuple[int, int], inset: float) -> Corners:
    (left, top), view = drawing.pixels(cell[0] - 0.5, cell[1] - 0.5), drawing.view
    inset = min(inset, 0.2 * view.cell)
    right, bottom = left + view.cell_x - inset, top + view.cell_y - inset
    return rectangle(left + inset, top + inset, right, bottom)


def _shared(drawing: Drawing) -> Iterator[tuple[int, int, int]]:
    """The cells in sight that several bins take, if under half of all: row, first column, end."""
    many = drawing.crop.plan.bins_of_cells(drawing.crop.k)
    rows, columns = drawing.view.ranges(drawing.shown.map_size)
    if drawing.alone and not _note_of_cells(drawing):
        for i in rows:
            shared = np.pad(many[i, columns.start : columns.stop] > 1, 1)
            for first, end in np.flatnonzero(shared[1:] != shared[:-1]).reshape(-1, 2).tolist():
                yield i, columns.start + first, columns.start + end


def _note_of_cells(drawing: Drawing) -> str:
    """Why values repeat, where nearly every cell would be hatched."""
    many = drawing.crop.plan.bins_of_cells(drawing.crop.k)
    taken, shared = int((many > 0).sum()), int((many > 1).sum())
    if not shared or 2 * shared < taken:
        return ""
    one = f"All {many.max()} bins are this one cell."
    return one if taken == 1 else "Bins share most of these cells, so that values repeat."


def _hatched(brush: Brush, x0: float, y0: float, x1: float, y1: float) -> None:
    brush.hatch(x0, y0, x1, y1, 9.0, 2.0, (*INK, 65))
    brush.hatch(x0, y0, x1, y1, 9.0, 0.9, (*BOX, 125))


def _moves(drawing: Drawing) -> list[tuple[Box, Label]]:
    """The edges that rounding moved: an arrow from the old place to the new, and how far.

    An arrow begins on the box, and its text does not cover the framed bin, if there is room.
    """
    view, was, now = drawing.view, spans_of(drawing.true.outline), spans_of(drawing.crop.whole)
    found: list[tuple[Box, Label]] = []
    labels, arrows = list[Box](), list[Box]()
    corners = np.array(view.corners(drawing.crop.framed))
    frame = *corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()
    for n, outwards in ((1, -1), (1, 1), (0, -1), (0, 1)):
        before, after = (s[n].low if outwards < 0 else s[n].high for s in (was, now))
        cells, seen = (after - before) * outwards, (view.rows, view.columns)[n]
        if abs(cells) < _LEAST_MOVE or not seen.holds(before):
            continue
        text = ("+" if cells > 0 else "−") + measure(tidy(abs(cells)), "cell")
        *_, half_x, half_y = Label(text, 0, 0).box
        shares = (0.5, 0.25, 0.75, 0.12, 0.88)
        tries = product((arrows, []), (was, now), ([frame], []), (0.5, 1.0), shares, (-1, 1))
        for others, span, free, part, share, way in tries:  # arrows cross if they must
            at = span[1 - n].low + share * span[1 - n].size
            ends = [(at, before), (at, after)] if n else [(before, at), (after, at)]
            (x0, y0), (x1, y1) = (drawing.pixels(*end) for end in ends)
            x, y = x0 + part * (x1 - x0), y0 + part * (y1 - y0)
            if not (20 <= x <= view.width - 20 and 20 <= y <= view.height - 20):
                continue
            aside = (0.0, way * (half_y + 13)) if n else (-way * (half_x + 13), 0.0)
            label = Label(text, x + aside[0], y + aside[1]).within(view)
            arrow = min(x0, x1) - 6, min(y0, y1) - 6, max(x0, x1) + 6, max(y0, y1) + 6
            if not (meet(label.box, [*labels, *arrows, *free]) or meet(arrow, [*labels, *others])):
                found.append(((x0, y0, x1, y1), label))
                labels.append(label.box)
                arrows.append(arrow)
                break
    return found


def _spans_of_cells(drawing: Drawing) -> tuple[Spans, Spans]:
    """The cells of each bin, if bins overlap."""
    crop, (bins_y, bins_x) = drawing.crop, drawing.crop.plan.output_size
    if crop.void.all():
        return (), ()

    def overlapping(cells: list[range]) -> Spans:
        spans = [Span(each.start - 0.5, each.stop - 0.5) if each else None for each in cells]
        return spans if any(a.stop > b.start for a, b in pairwise(cells)) else ()

    rows = overlapping([crop.cells(p, 0)[0] for p in range(bins_y)])
    return rows, overlapping([crop.cells(0, q)[1] for q in range(bins_x)])


def _legend_of_cells(drawing: Drawing) -> list[Entry]:
    crop = drawing.crop
    rounded = crop.plan.convention.rounding != "none"
    what = "the box in whole cells" if rounded else "the box, its end a pixel further"
    found = [Entry(framed(2.4, drawing.colour), what)]
    if all(crop.cells(*crop.bin)):
        own = f"the cells of {drawing.bin_name}"
        if np.allclose(crop.framed, crop.whole):
            own, found = f"{what}; {own}", []
        found.append(Entry(framed(4.0, drawing.colour), own))
    if crop.winner(drawing.shown, *crop.bin) is not None:
        found.append(Entry(framed(3.4, POINT, inset=11), "its cell with the highest value"))
    if _other_winners(drawing):
        example = framed(1.3, POINT, dashed=True, inset=10)
        found.append(Entry(example, "the highest values of other bins"))
    if drawing.alone and _moves(drawing):
        text = "how far an edge moved; + is outwards"
        found.append(Entry(lambda b: b.arrow(5, 12, b.width - 6, 12, 13.0, FIRST), text))
    if any(_shared(drawing)):
        found.append(Entry(lambda b: _hatched(b, 0, 0, _WIDE, _HIGH), "taken by several bins"))
    return found


@dataclass(frozen=True, kw_only=True)
class Art:
    """How a kind of plan is drawn and described.

    reads, gives: the headings of the map and of the pooled values. note: below that of the map.
    """

    reads: str
    gives: str
    note: Callable[[Drawing], str] = shift
    marks: Callable[[Drawing, Brush], None] = _marks_of_samples
    labels: Callable[[Drawing], list[Label]] = _labels_of_weights
    spans: Callable[[Drawing], tuple[Spans, Spans]] = lambda _: ((), ())
    legend: Callable[[Drawing], list[Entry]] = _legend_of_samples


def reads(crop: Crop) -> str:
    """The heading of the map."""
    ys, xs = (samples.inside for samples in crop.plan.samples(crop.k))
    if not ((ys & xs).any() if crop.plan.turn(crop.k) else ys.any() and xs.any()):
        return "finds nothing to read"
    if crop.plan.kind == "cell" and crop.plan.convention.rounding == "none":
        return "takes whole cells"
    return ART[crop.plan.kind].reads


ART: Final[dict[Kind, Art]] = {
    "sample": Art(reads="reads between the cells", gives="their {}"),
    "point": Art(
        reads="reads one point per bin",
        gives="what was read there",
        note=lambda _: "Points go from edge to edge of the box as this convention places it.",
    ),
    "piece": Art(reads="integrates over each bin", gives="the mean over each bin"),
    "cell": Art(
        reads="moves the box to whole cells",
        gives="each bin’s {}",
        note=_note_of_cells,
        marks=_marks_of_cells,
        labels=lambda drawing: [label for _, label in _moves(drawing)],
        spans=_spans_of_cells,
        legend=_legend_of_cells,
    ),
}
