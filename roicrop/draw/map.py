"""Part of the map in its frame, with numbers in its cells, and the photograph in the same frame.

A cell shows its number if there is room; marks are drawn to find out what they cover.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from roicrop.draw.canvas import FINER, LINE, TICK, Brush, blank, rectangle, stripes, text_width
from roicrop.draw.colour import INK, MUTED, PAPER, RULE, Colour, Scale, readable_on
from roicrop.draw.sheet import NOTHING, Block, Entry, Sheet
from roicrop.draw.view import GUTTER, Shown, Span, View
from roicrop.text import Format, fitting, round_step

Box = tuple[float, float, float, float]
Marks = Callable[[Brush], None]
Spans = Sequence[Span | None]

BRACKETS: Final = 74  # pixels, the most that brackets take beside a map
_GAP: Final = 4
_LANE: Final = 22
_FADE_FROM, _FADE_TO = 4.0, 22.0  # pixels per cell between which cell borders appear
_MOST_NUMBERS: Final = 2000
_MOST_COVERED: Final = 0.12  # of a number's place, by lines and points that may lie under it
_LARGEST: Final = 92.0  # pixels per bin
_WIDEST: Final = 2.2  # times its height: the widest bin
_LEAST_BORDER: Final = 4.0


@dataclass(frozen=True, slots=True)
class Label:
    """A text on a map, on a dark background, with its middle at (x, y) in pixels.

    cell: the cell whose number it shows.
    """

    text: str
    x: float
    y: float
    cell: tuple[int, int] | None = None

    @property
    def box(self) -> Box:
        """Its rectangle, background included."""
        half, line = text_width(self.text, TICK) / 2 + 4, LINE / 2 + 1
        return self.x - half, self.y - line, self.x + half, self.y + line

    def within(self, view: View) -> Label:
        """The label, moved until all of it is visible."""
        half_x, half_y = (self.box[2] - self.x + 1, self.box[3] - self.y + 1)
        x = min(max(self.x, half_x), view.width - half_x)
        return replace(self, x=x, y=min(max(self.y, half_y), view.height - half_y))


def meet(box: Box, others: Sequence[Box]) -> bool:
    """Whether a rectangle overlaps any of the others."""
    x0, y0, x1, y1 = np.reshape(others, (-1, 4)).T
    return bool(((x0 < box[2]) & (x1 > box[0]) & (y0 < box[3]) & (y1 > box[1])).any())


def heat_map(shown: Shown, view: View, scale: Scale) -> Brush:
    """A brush on the view's canvas, which shows only the cells."""
    seen, row, column = shown.seen(view)
    canvas = stripes(view.height, view.width)
    if seen.size:
        _lay(Image.fromarray(scale.colours(seen)), canvas, view, (row, column))
    return _with_cells(canvas, view, shown.map_size)


def photograph(
    photo: Image.Image, view: View, map_size: tuple[int, int], per_pixel: tuple[float, float]
) -> Brush:
    """As `heat_map`, with the photograph cropped like the map. per_pixel: cells per pixel, y, x."""
    canvas = stripes(view.height, view.width)
    _lay(photo, canvas, view, per_pixel=per_pixel)
    return _with_cells(canvas, view, map_size)


def _lay(
    picture: Image.Image,
    canvas: Image.Image,
    view: View,
    first: tuple[int, int] = (0, 0),
    per_pixel: tuple[float, float] | None = None,
) -> None:
    """Lay the visible part of a picture on the view's canvas.

    first: the row and column of the cell in its corner. per_pixel: cells per pixel, along y and
    along x; None if each pixel is a cell, with borders.
    """
    (y, x), fine = per_pixel or (1.0, 1.0), FINER
    # In pixels of the picture: the visible region, and its part that exists.
    left, top = (view.left + 0.5 - first[1]) / x, (view.top + 0.5 - first[0]) / y
    by_x, by_y = 1 / x / view.cell_x / fine, 1 / y / view.cell_y / fine
    x0, x1 = max(left, 0.0), min(left + canvas.width * by_x, float(picture.width))
    y0, y1 = max(top, 0.0), min(top + canvas.height * by_y, float(picture.height))
    size = round((x1 - x0) / by_x), round((y1 - y0) / by_y)
    if min(size) <= 0:
        return
    box = x0, y0, x1, y1
    if per_pixel:  # at the figure's own resolution: four times as fine would be four times as slow
        coarse = max(size[0] // fine, 1), max(size[1] // fine, 1)
        picture, box = picture.resize(coarse, Image.Resampling.BICUBIC, box), (0, 0, *coarse)
    part = picture.resize(size, Image.Resampling.NEAREST, box)
    canvas.paste(part, (round((x0 - left) / by_x), round((y0 - top) / by_y)))


def _with_cells(canvas: Image.Image, view: View, map_size: tuple[int, int]) -> Brush:
    """A brush on a canvas, with the borders of cells if these are not too small."""
    brush = Brush(canvas)
    (height, width), (rows, columns) = map_size, view.ranges(map_size)
    top, bottom = view.y(-0.5), view.y(height - 0.5)
    left, right = view.x(-0.5), view.x(width - 0.5)
    shown = min(max((view.cell - _FADE_FROM) / (_FADE_TO - _FADE_FROM), 0.0), 1.0)
    border = (255, 255, 255, round(70 * shown))
    for at in (view.x(j - 0.5) for j in (columns[1:] if shown else ())):
        brush.line(at, top, at, bottom, 0.75, border)
    for at in (view.y(i - 0.5) for i in (rows[1:] if shown else ())):
        brush.line(left, at, right, at, 0.75, border)
    brush.outline(rectangle(left, top, right, bottom), 1.25, INK)
    return brush


def map_block(
    shown: Shown,
    view: View,
    scale: Scale,
    marks: Marks,
    labels: Sequence[Label] = (),
    brackets: tuple[Block, Block] = (NOTHING, NOTHING),
    *,
    numbered: bool = True,
) -> tuple[Block, str]:
    """A view of the map with its ruler, and the power of ten shared by the numbers in cells.

    marks: draws on the finished heat map.
    labels: texts on the map.
    brackets: beside it and above it.
    numbered: whether cells show their numbers, if there is room.
    """
    (beside, above), (seen, first_row, first_column) = brackets, shown.seen(view)
    written = None
    if numbered and view.cell_y >= LINE and 0 < seen.size <= _MOST_NUMBERS:
        written = _fitting(scale, seen, view.cell_x - 1)
    picture = marked(view, lambda: heat_map(shown, view, scale), marks, labels)

    def place(sheet: Sheet, x: int, y: int) -> None:
        left, top = x + GUTTER, y + above.height
        picture.place(sheet, left, top)
        above.place(sheet, left, y)
        beside.place(sheet, left + view.width, top)
        _place_ruler(sheet, left, top, view, shown.map_size)
        if written is not None:
            free, grounds = _Free(view, marks, labels), scale.colours(seen)
            for i, j in np.ndindex(seen.shape):
                text, halo = written(float(seen[i, j])), grounds[i, j]
                at = free.place(view, first_row + i, first_column + j, text)
                if at is not None:
                    ink, edge = readable_on(halo), tuple(halo.tolist())
                    sheet.text(left + at[0], top + at[1] - LINE / 2, text, TICK, ink, 0.5, edge)

    width = GUTTER + view.width + beside.width
    factor = written.factor if written else ""
    return Block(width, above.height + view.height + LINE + 2, place), factor


def marked(
    view: View, ground: Callable[[], Brush], marks: Marks, labels: Sequence[Label] = ()
) -> Block:
    """A raster with marks on it, and labels over the marks."""

    def draw() -> Image.Image:
        brush = ground()
        marks(brush)
        for label in labels:
            brush.fill(*label.box, (*INK, 215))
        return brush.finish()

    def place(sheet: Sheet, x: int, y: int) -> None:
        sheet.raster(x, y, view.width, view.height, draw)
        for label in labels:
            sheet.text(x + label.x, y + label.y - LINE / 2, label.text, TICK, PAPER, 0.5)

    return Block(view.width, view.height, place)


class _Free:
    """Where on a view there is room beside marks and labels; a number may lie on a hatch."""

    def __init__(self, view: View, marks: Marks, labels: Sequence[Label]) -> None:
        ground = blank(view.height, view.width, MUTED, finer=1)
        brush = Brush(ground, finer=1, hatches=False)
        marks(brush)
        for label in labels:  # nothing may cover these
            brush.fill(*label.box, INK)
        covered = (np.asarray(brush.finish()) != MUTED).any(axis=-1)
        self._sums = np.pad(covered, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
        self._labels = labels
        self._boxes = [label.box for label in labels]

    def place(self, view: View, row: int, column: int, text: str) -> tuple[float, float] | None:
        """Where to put the middle (x, y) of a cell's number; None if the cell has no room."""
        if any(label.cell == (row, column) for label in self._labels):
            return None
        half, up = text_width(text, TICK) / 2 + 1, max(view.cell_y / 2 - LINE / 2 - 1, 0.0)
        aside = max(view.cell_x / 2 - half - 2, 0.0)
        best, least = None, _MOST_COVERED
        for dy, dx in product((0.0, -up / 2, up / 2, -up, up), (0.0, -aside, aside)):
            x, y = view.x(float(column)) + dx, view.y(float(row)) + dy
            inside = half + 1 <= x <= view.width - half - 1
            if inside and LINE / 2 <= y <= view.height - LINE / 2:
                # A line is taller than the digits in it.
                box = x - half, y - 0.36 * LINE, x + half, y + 0.36 * LINE
                if (covered := self._covered(box)) < least and not meet(box, self._boxes):
                    best, least = (x, y), covered
                    if not covered:
                        break
        return best

    def _covered(self, box: Box) -> float:
        """The share of a rectangle that is covered."""
        x0, y0, x1, y1 = (round(v) for v in box)
        sums = self._sums
        covered = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
        return float(covered) / ((x1 - x0) * (y1 - y0))


def _fitting(
    scale: Scale, values: NDArray[np.float64], room: float, *, close: bool = False
) -> Format | None:
    """The format of numbers that may be so wide; None if they would say nothing."""
    bounds, numbers = (scale.low, scale.high), values.ravel().tolist()
    return fitting(numbers, bounds, lambda text: text_width(text, TICK) <= room, close=close)


def grid(
    values: NDArray[np.float64],
    void: NDArray[np.bool_],
    scale: Scale,
    room: int,
    most_height: int,
    framed: tuple[int, int] = (0, 0),
    colours: Sequence[Colour] = (),
    *,
    bare: bool = False,
) -> tuple[Block, str]:
    """Pooled values as a heat map, and the power of ten shared by their numbers.

    values, void: (PH, PW), the values, and which bins had nothing to pool.
    room, most_height: the largest width and height; a grid of few bins is smaller.
    framed: the highlighted bin, in one colour or in dashes of two.
    bare: without numbers of bins beside it.
    """
    rows, columns = values.shape
    side, above = (0, 0) if bare else (round(text_width(str(rows - 1), TICK)) + 9, LINE)
    width = min((room - side - 3) / columns, _LARGEST)
    height = min((most_height - above) / rows, width)
    width = min(width, height * _WIDEST)
    pixels_y, pixels_x = max(round(rows * height), 1), max(round(columns * width), 1)
    written = _fitting(scale, values, width - 2, close=True) if height >= LINE else None

    def draw() -> Image.Image:
        size = pixels_x * FINER, pixels_y * FINER
        canvas = Image.fromarray(scale.colours(values)).resize(size, Image.Resampling.NEAREST)
        nothing = Image.fromarray(void).resize(size, Image.Resampling.NEAREST)
        canvas.paste(stripes(pixels_y, pixels_x), mask=nothing)
        brush = Brush(canvas)
        if min(height, width) >= _LEAST_BORDER:
            for q in range(1, columns):
                brush.line(q * width, 0, q * width, pixels_y, 1.0, (*PAPER, 200))
            for p in range(1, rows):
                brush.line(0, p * height, pixels_x, p * height, 1.0, (*PAPER, 200))
        brush.outline(rectangle(0, 0, pixels_x, pixels_y), 2.0, RULE)
        x, y = framed[1] * width + 2, framed[0] * height + 2
        corners = rectangle(x, y, max(x + width - 4, x), max(y + height - 4, y))
        if colours:
            brush.outline(corners, 5.0, INK)
        for n, colour in enumerate(colours):
            brush.outline(corners, 4.0, colour, dashed=n > 0)
        return brush.finish()

    def place(sheet: Sheet, x: int, y: int) -> None:
        left, top = x + side, y + above
        sheet.raster(left, top, pixels_x, pixels_y, draw)
        if not bare:
            for q in _every(range(columns), width, text_width(str(columns - 1), TICK) + 4):
                sheet.text(left + (q + 0.5) * width, y - 1, str(q), TICK, MUTED, 0.5)
            for p in _every(range(rows), height, LINE):
                at = max(top + (p + 0.5) * height - LINE / 2, top - 2)
                sheet.text(left - 5, at, str(p), TICK, MUTED, 1.0)
        rgb = scale.colours(values)
        for p, q in np.ndindex(values.shape) if written else ():
            text = written(float(values[p, q])) if written else ""
            colour = INK if void[p, q] else readable_on(rgb[p, q])
            at = top + (p + 0.5) * height - LINE / 2
            sheet.text(left + (q + 0.5) * width, at, text, TICK, colour, 0.5)

    return Block(room, above + pixels_y, place), written.factor if written else ""


def _place_ruler(sheet: Sheet, left: int, top: int, view: View, map_size: tuple[int, int]) -> None:
    rows, columns = view.ranges(map_size)
    half = text_width(str(columns.stop), TICK) / 2
    for i in _every(columns, view.cell_x, 2 * half + 12):
        if half <= view.x(i) <= view.width - half:
            sheet.text(left + view.x(i), top + view.height + 2, str(i), TICK, MUTED, align=0.5)
    for i in _every(rows, view.cell_y, LINE + 6):
        if LINE / 2 <= view.y(i) <= view.height - LINE / 2:
            sheet.text(left - 6, top + view.y(i) - LINE / 2, str(i), TICK, MUTED, align=1.0)


def _every(cells: range, cell: float, room: float) -> range:
    step = max(int(round_step(room / cell)), 1)
    return range(-(-cells.start // step) * step, cells.stop, step)


def brackets_of(spans: tuple[Spans, Spans], view: View) -> tuple[Block, Block]:
    """Brackets beside and above a view, for the part that each bin takes along y and along x."""
    beside = _brackets(spans[0], view.top, view.cell_y, view.height, vertical=True)
    return beside, _brackets(spans[1], view.left, view.cell_x, view.width, vertical=False)


def _brackets(spans: Spans, start: float, cell: float, length: int, *, vertical: bool) -> Block:
    """A bracket for each bin along a side of the map, in lanes so that they do not overlap.

    There are none unless each has room for its number. Neighbours with the same span share one.

    spans: the index coordinates of each bin, None for a bin without any.
    start, cell, length: the index coordinate at the side's start, pixels per cell, length.
    """
    found: list[tuple[str, float, float, int]] = []
    ends: list[float] = []
    for span, group in groupby(range(len(spans)), key=lambda b: spans[b]):
        bins = list(group)
        text = str(bins[0]) if len(bins) == 1 else f"{bins[0]}–{bins[-1]}"
        if span is not None:
            low = max((span.low - start) * cell, 0.0)
            high = min((span.high - start) * cell, float(length))
            lane = next((n for n, end in enumerate(ends) if end <= low + 0.5), len(ends))
            ends[lane : lane + 1] = [high]
            found.append((text, low, high, lane))

    def room(text: str) -> float:
        return TICK + 4.0 if vertical else text_width(text, TICK) + 8.0

    wide = max(_LANE, *(int(text_width(b[0], TICK)) + 6 for b in found), 0) if vertical else _LANE
    depth = len(ends) * wide + _GAP
    cramped = any(high - low < room(text) + 6 for text, low, high, _ in found)
    if not found or cramped or depth > BRACKETS:
        return NOTHING
    width, height = (depth, length) if vertical else (length, depth)

    def away(lane: int) -> float:
        from_map = _GAP + (lane + 0.5) * wide
        return from_map if vertical else depth - from_map

    def draw() -> Image.Image:
        brush = Brush(blank(depth, length, PAPER))
        for text, low, high, lane in found:
            at, middle, half = away(lane), (low + high) / 2, room(text) / 2
            for outer, inner in ((low + 1, middle - half), (high - 1, middle + half)):
                brush.line(outer, at, inner, at, 1.5, MUTED)
                brush.line(outer, at - 5, outer, at + 5, 1.5, MUTED)
        image = brush.finish()
        return image.transpose(Image.Transpose.TRANSPOSE) if vertical else image

    def place(sheet: Sheet, x: int, y: int) -> None:
        sheet.raster(x, y, width, height, draw)
        for text, low, high, lane in found:
            at = (away(lane), (low + high) / 2)
            at_x, at_y = at if vertical else at[::-1]
            sheet.text(x + at_x, y + at_y - LINE / 2, text, TICK, MUTED, align=0.5)

    return Block(width, height, place)


def _bracket_example(brush: Brush) -> None:
    left, right, y = 4, brush.width - 4, brush.height / 2
    brush.line(left, y, right, y, 1.5, MUTED)
    for x in (left, right):
        brush.line(x, y - 5, x, y + 5, 1.5, MUTED)


BRACKET: Final = Entry(_bracket_example, "the rows or columns of a bin", PAPER)
