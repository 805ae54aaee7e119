"""Part of the map in its frame, with numbers in its cells, and the photograph in the same frame.

A cell has its number where there is room, and what marks cover is found by drawing them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from roicrop.draw.canvas import FINER, Brush, blank, rectangle, stripes
from roicrop.draw.colour import INK, MUTED, PAPER, Colour, Scale, bounds_of, readable_on, scale_of
from roicrop.draw.lettering import TICK, line_height, text_width
from roicrop.draw.sheet import NOTHING, Block, Sheet
from roicrop.draw.view import GUTTER, Span, View
from roicrop.sampling import Cells, Plan
from roicrop.text import Format, format_for, round_step

Box = tuple[float, float, float, float]
Marks = Callable[[Brush], None]
Spans = Sequence[Span | None]

BRACKETS: Final = 74  # the most that they take beside a map
_GAP: Final = 4
_LANE: Final = 22
_LINE: Final = line_height(TICK)
_FADE_FROM, _FADE_TO = 4.0, 22.0  # pixels a cell between which cell borders appear
_MOST_NUMBERS: Final = 2000
_MOST_COVERED: Final = 0.12  # of a number's place, by lines and points that it may lie on


@dataclass(frozen=True, slots=True)
class Shown:
    """One number a cell of a map: what a figure shows of it.

    values: (H, W) float64, or what was read of it.
    words: which of the map's numbers they are, for example "channel 4".
    several: whether each is the mean of several channels.
    """

    values: NDArray[np.float64] | Cells
    words: str
    several: bool

    @classmethod
    def of(cls, features: NDArray[Any] | Cells, channel: int | None) -> Shown:
        """One channel of (C, H, W), or the mean over all of them."""
        read = over_channels(np.asarray(features), channel)
        values = replace(features, values=read) if isinstance(features, Cells) else read
        several = channel is None and len(features) > 1
        words = f"mean of {len(features)} channels" if several else f"channel {channel or 0}"
        return cls(values, words, several)

    @classmethod
    def of_bin(
        cls, features: NDArray[Any] | Cells, channel: int | None, plan: Plan, bin_: tuple[int, int]
    ) -> Shown:
        """The same of what a bin reads, which may be channels of its own."""
        (p, q), (_, across) = bin_, plan.output_size
        each = plan.convention.own_channels(plan.output_size)
        if each == 1:
            return cls.of(features, channel)
        shown = cls.of(features[p * across + q :: each], channel)
        return replace(shown, words=f"{shown.words}, those of bin {p},{q}")

    @property
    def map_size(self) -> tuple[int, int]:
        """(H, W), in cells."""
        height, width = self.values.shape
        return height, width

    def seen(self, view: View) -> tuple[NDArray[np.float64], int, int]:
        """The values in sight, and the first row and column of them."""
        rows, columns = self._read(view)
        seen = self.values[rows.start : rows.stop, columns.start : columns.stop]
        return seen, rows.start, columns.start

    def lacks(self, view: View) -> bool:
        """Whether cells in sight were not read."""
        return self._read(view) != view.ranges(self.map_size)

    def _read(self, view: View) -> tuple[range, range]:
        ranges = view.ranges(self.map_size)
        return self.values.within(*ranges) if isinstance(self.values, Cells) else ranges

    def scale(self, view: View, *beside: NDArray[np.float64]) -> Scale:
        """The colours of the values in sight, and of others that are drawn with them."""
        return scale_of([self.seen(view)[0], *beside], bounds_of(np.asarray(self.values)))


def over_channels(values: NDArray[Any], channel: int | None) -> NDArray[np.float64]:
    """(C, …) → (…) float64: one channel, or the mean over all of them."""
    if channel is not None:
        return np.array(values[channel], dtype=np.float64)  # a map is overwritten by the next
    with np.errstate(invalid="ignore", over="ignore"):
        mean: NDArray[np.float64] = values.mean(axis=0, dtype=np.float64)
    return mean


@dataclass(frozen=True, slots=True)
class Label:
    """A text on a map, on a dark ground, with its middle at (x, y) in pixels.

    cell: the one whose number it says.
    """

    text: str
    x: float
    y: float
    cell: tuple[int, int] | None = None

    @property
    def box(self) -> Box:
        """Its rectangle, with the ground around it."""
        half, line = text_width(self.text, TICK) / 2 + 4, _LINE / 2 + 1
        return self.x - half, self.y - line, self.x + half, self.y + line

    def within(self, view: View) -> Label:
        """The same, moved until all of it is in sight."""
        half_x, half_y = (self.box[2] - self.x + 1, self.box[3] - self.y + 1)
        x = min(max(self.x, half_x), view.width - half_x)
        return replace(self, x=x, y=min(max(self.y, half_y), view.height - half_y))


def meet(box: Box, others: Sequence[Box]) -> bool:
    """Whether a rectangle has a part in common with one of others."""
    x0, y0, x1, y1 = np.reshape(others, (-1, 4)).T
    return bool(((x0 < box[2]) & (x1 > box[0]) & (y0 < box[3]) & (y1 > box[1])).any())


def heat_map(shown: Shown, view: View, scale: Scale) -> Brush:
    """A brush on the view's canvas, with the cells on it and nothing else."""
    seen, row, column = shown.seen(view)
    canvas = Image.fromarray(stripes(view.height, view.width))
    if seen.size:
        _lay(Image.fromarray(scale.colours(seen)), canvas, view, (row, column))
    return _with_cells(canvas, view, shown.map_size)


def photograph(
    photo: Image.Image, view: View, map_size: tuple[int, int], per_pixel: tuple[float, float]
) -> Brush:
    """The same with the photograph, cropped as the map is. per_pixel: cells a pixel, y and x."""
    canvas = Image.fromarray(stripes(view.height, view.width))
    _lay(photo, canvas, view, per_pixel=per_pixel)
    return _with_cells(canvas, view, map_size)


def _lay(
    picture: Image.Image,
    canvas: Image.Image,
    view: View,
    first: tuple[int, int] = (0, 0),
    per_pixel: tuple[float, float] | None = None,
) -> None:
    """Lay on the view's canvas what it shows of a picture.

    first: the row and the column of the cell in its corner. per_pixel: cells a pixel of it, along y
    and along x; None if each is a cell, and has borders.
    """
    (y, x), fine = per_pixel or (1.0, 1.0), FINER
    # In pixels of the picture: what is in sight, and what of that there is.
    left, top = (view.left + 0.5 - first[1]) / x, (view.top + 0.5 - first[0]) / y
    by_x, by_y = 1 / x / view.cell_x / fine, 1 / y / view.cell_y / fine
    x0, x1 = max(left, 0.0), min(left + canvas.width * by_x, float(picture.width))
    y0, y1 = max(top, 0.0), min(top + canvas.height * by_y, float(picture.height))
    size = round((x1 - x0) / by_x), round((y1 - y0) / by_y)
    if min(size) <= 0:
        return
    box = x0, y0, x1, y1
    if per_pixel:  # as fine as the figure: four times as fine would be as slow
        coarse = max(size[0] // fine, 1), max(size[1] // fine, 1)
        picture, box = picture.resize(coarse, Image.Resampling.BICUBIC, box), (0, 0, *coarse)
    part = picture.resize(size, Image.Resampling.NEAREST, box)
    canvas.paste(part, (round((x0 - left) / by_x), round((y0 - top) / by_y)))


def _with_cells(canvas: Image.Image, view: View, map_size: tuple[int, int]) -> Brush:
    """A brush on a canvas, with the borders of cells, where these are not too small."""
    brush = Brush(np.asarray(canvas))
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
    spans: tuple[Spans, Spans] = ((), ()),
    *,
    numbered: bool = True,
) -> tuple[Block, str]:
    """A view of the map with its ruler, and the power of ten that the numbers in cells share.

    marks: draws on the finished heat map.
    labels: texts on the map.
    spans: what of the map each bin takes along y and along x, where brackets are to show it.
    numbered: whether cells have their numbers, where there is room.
    """
    above = _brackets(spans[1], view.left, view.cell_x, view.width, vertical=False)
    beside = _brackets(spans[0], view.top, view.cell_y, view.height, vertical=True)
    seen = shown.seen(view)[0]
    written = None
    if numbered and view.cell_y >= _LINE and 0 < seen.size <= _MOST_NUMBERS:
        written = fitting(scale, seen, view.cell_x - 2)
    picture = marked(view, lambda: heat_map(shown, view, scale), marks, labels)

    def place(sheet: Sheet, x: int, y: int) -> None:
        left, top = x + GUTTER, y + above.height
        picture.place(sheet, left, top)
        above.place(sheet, left, y)
        beside.place(sheet, left + view.width, top)
        _place_ruler(sheet, left, top, view, shown.map_size)
        if written is not None:
            free = _Free(view, marks, labels)
            for i, j, text, colour in _texts(shown, view, scale, written):
                at = free.place(view, i, j, text)
                if at is not None:
                    sheet.text(left + at[0], top + at[1] - _LINE / 2, text, TICK, colour, 0.5)

    width = GUTTER + view.width + beside.width
    factor = written.factor if written else ""
    return Block(width, above.height + view.height + _LINE + 2, place), factor


def marked(
    view: View, ground: Callable[[], Brush], marks: Marks, labels: Sequence[Label] = ()
) -> Block:
    """A raster with marks on it, and over them labels."""

    def draw() -> Image.Image:
        brush = ground()
        marks(brush)
        for label in labels:
            brush.fill(*label.box, (*INK, 215))
        return brush.finish()

    def place(sheet: Sheet, x: int, y: int) -> None:
        sheet.raster(x, y, view.width, view.height, draw)
        for label in labels:
            sheet.text(x + label.x, y + label.y - _LINE / 2, label.text, TICK, PAPER, 0.5)

    return Block(view.width, view.height, place)


def _texts(
    shown: Shown, view: View, scale: Scale, written: Format
) -> Iterator[tuple[int, int, str, Colour]]:
    """The row, the column and the number of each cell in sight, and a colour that is read on it."""
    seen, first_row, first_column = shown.seen(view)
    rgb = scale.colours(seen)
    for (i, j), value in np.ndenumerate(seen):
        yield first_row + i, first_column + j, written(float(value)), readable_on(rgb[i, j])


class _Free:
    """Where on a view there is room beside marks and labels."""

    def __init__(self, view: View, marks: Marks, labels: Sequence[Label]) -> None:
        ground = blank(view.height, view.width, MUTED, finer=1)
        brush = Brush(ground, finer=1)
        marks(brush)
        for label in labels:  # which nothing may lie on
            brush.fill(*label.box, INK)
        covered = (np.asarray(brush.finish()) != ground).any(axis=-1)
        self._sums = np.pad(covered, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
        self._labels = labels
        self._boxes = [label.box for label in labels]

    def place(self, view: View, row: int, column: int, text: str) -> tuple[float, float] | None:
        """The x and y of the middle of a cell's number, in the cell; None if there is no room."""
        if any(label.cell == (row, column) for label in self._labels):
            return None
        half, up = text_width(text, TICK) / 2 + 1, max(view.cell_y / 2 - _LINE / 2 - 1, 0.0)
        aside = max(view.cell_x / 2 - half - 2, 0.0)
        best, least = None, _MOST_COVERED
        for dy, dx in product((0.0, -up, up), (0.0, -aside, aside)):
            x, y = view.x(float(column)) + dx, view.y(float(row)) + dy
            inside = half + 1 <= x <= view.width - half - 1
            if inside and _LINE / 2 <= y <= view.height - _LINE / 2:
                # A line is taller than the digits in it.
                box = x - half, y - 0.36 * _LINE, x + half, y + 0.36 * _LINE
                if (covered := self._covered(box)) < least and not meet(box, self._boxes):
                    best, least = (x, y), covered
        return best

    def _covered(self, box: Box) -> float:
        """The share of a rectangle that is covered."""
        x0, y0, x1, y1 = (round(v) for v in box)
        sums = self._sums
        covered = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
        return float(covered) / ((x1 - x0) * (y1 - y0))


def fitting(scale: Scale, values: NDArray[np.float64], room: float) -> Format | None:
    """The format with the most digits with which every value fits; None if there is none.

    The last resort has no decimals, and two digits with a power of ten for all or, near 1, one.
    """
    on_scale = (values >= scale.low) & (values <= scale.high)
    low = float(values[on_scale].min(initial=scale.high))
    high = float(values[on_scale].max(initial=scale.low))
    exponent = format_for(scale.low, scale.high).exponent
    largest = max(abs(low), abs(high))
    order = math.floor(math.log10(largest)) if 0 < largest < math.inf else 0
    last = (1, 0) if order == 0 == exponent else (2, min(order - 1, exponent))
    for digits, power in ((3, exponent), (2, exponent), last):
        written = format_for(low, high, digits, exponent=power)
        if max(text_width(written(float(v)), TICK) for v in values.flat) <= room:
            return written
    return None


def _place_ruler(sheet: Sheet, left: int, top: int, view: View, map_size: tuple[int, int]) -> None:
    rows, columns = view.ranges(map_size)
    half = text_width(str(columns.stop), TICK) / 2
    for i in _every(columns, view.cell_x, 2 * half + 12):
        if half <= view.x(i) <= view.width - half:
            sheet.text(left + view.x(i), top + view.height + 2, str(i), TICK, MUTED, align=0.5)
    for i in _every(rows, view.cell_y, _LINE + 6):
        if _LINE / 2 <= view.y(i) <= view.height - _LINE / 2:
            sheet.text(left - 6, top + view.y(i) - _LINE / 2, str(i), TICK, MUTED, align=1.0)


def _every(cells: range, cell: float, room: float) -> range:
    step = max(int(round_step(room / cell)), 1)
    return range(-(-cells.start // step) * step, cells.stop, step)


def _brackets(spans: Spans, start: float, cell: float, length: int, *, vertical: bool) -> Block:
    """A bracket for each bin along a side of the map, in lanes so that none covers another.

    There are none unless each has room for its number. Neighbours of one span have one bracket.

    spans: for each bin its index coordinates, None where there are none.
    start, cell, length: the index coordinate of the side's first pixel, pixels a cell, and pixels.
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
        brush = Brush(blank(height, width, PAPER))
        for text, low, high, lane in found:
            at, middle, half = away(lane), (low + high) / 2, room(text) / 2
            along = [(at, low + 1, at, middle - half), (at, middle + half, at, high - 1)]
            for a, b, c, d in [*along, *((at - 5, e, at + 5, e) for e in (low + 1, high - 1))]:
                brush.line(*((a, b, c, d) if vertical else (b, a, d, c)), 1.5, MUTED)
        return brush.finish()

    def place(sheet: Sheet, x: int, y: int) -> None:
        sheet.raster(x, y, width, height, draw)
        for text, low, high, lane in found:
            at = (away(lane), (low + high) / 2)
            at_x, at_y = at if vertical else at[::-1]
            sheet.text(x + at_x, y + at_y - _LINE / 2, text, TICK, MUTED, align=0.5)

    return Block(width, height, place)
