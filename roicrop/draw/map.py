"""The map in its frame, with a number in each cell where there is room; and the photograph."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from roicrop.draw import lettering
from roicrop.draw.canvas import FINER, Brush, blank, centres, enlarged, stripes
from roicrop.draw.colour import INK, MUTED, PAPER, Colour, Scale, bounds_of, readable_on, scale_of
from roicrop.draw.lettering import Format, format_for, round_step
from roicrop.draw.sheet import Sheet
from roicrop.draw.view import Span, View

Box = tuple[float, float, float, float]

GUTTER: Final = 36  # for the row numbers
_GAP: Final = 4
_FADE_FROM, _FADE_TO = 4.0, 22.0  # pixels a cell between which cell borders appear


@dataclass(frozen=True, slots=True)
class Shown:
    """One number a cell of a map: what a figure shows of it.

    values: (H, W) float64.
    words: which of the map's numbers they are, for example "channel 4".
    channel: that, or None for the mean over all.
    """

    values: NDArray[np.float64]
    words: str
    channel: int | None

    @classmethod
    def of(cls, features: NDArray[Any], channel: int | None) -> Shown:
        """One channel of (C, H, W), or the mean over all of them."""
        if channel is not None:
            words = f"channel {channel}"
        else:
            words = f"mean of {len(features)} channels" if len(features) > 1 else "the one channel"
        return cls(over_channels(features, channel), words, channel)

    @property
    def several(self) -> bool:
        """Whether a number is of several channels."""
        return self.words.startswith("mean")

    @property
    def map_size(self) -> tuple[int, int]:
        """(H, W), in cells."""
        height, width = self.values.shape
        return height, width

    def seen(self, view: View) -> tuple[NDArray[np.float64], int, int]:
        """The values in sight, and the first row and column of them."""
        rows, columns = (
            view.row_range(self.map_size[0]),
            view.column_range(self.map_size[1]),
        )
        seen = self.values[rows.start : rows.stop, columns.start : columns.stop]
        return seen, rows.start, columns.start

    def scale(self, view: View, *beside: NDArray[np.float64]) -> Scale:
        """The colours of the values in sight, and of others that are drawn with them."""
        seen = self.seen(view)[0]
        return scale_of([seen, *beside], bounds_of(self.values))


def over_channels(values: NDArray[Any], channel: int | None) -> NDArray[np.float64]:
    """(C, …) → (…) float64: one channel, or the mean over all of them."""
    if channel is not None:
        return np.asarray(values[channel], dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        mean: NDArray[np.float64] = values.mean(axis=0, dtype=np.float64)
    return mean


def heat_map(shown: Shown, view: View, scale: Scale) -> Brush:
    """A brush on the view's canvas, with the cells on it and nothing else."""
    row = np.floor(view.top + centres(view.height) / view.cell_y + 0.5).astype(np.int64)
    column = np.floor(view.left + centres(view.width) / view.cell_x + 0.5).astype(np.int64)
    height, width = shown.map_size
    on_y = np.flatnonzero((row >= 0) & (row < height))
    on_x = np.flatnonzero((column >= 0) & (column < width))
    whole = len(on_y) == len(row) and len(on_x) == len(column)
    canvas = blank(view.height, view.width, PAPER) if whole else stripes(view.height, view.width)
    if on_y.size and on_x.size:
        seen, first_row, first_column = shown.seen(view)
        canvas[on_y[0] : on_y[-1] + 1, on_x[0] : on_x[-1] + 1] = enlarged(
            scale.colours(seen), row[on_y] - first_row, column[on_x] - first_column
        )
    brush = Brush(canvas)
    cell_borders(brush, view, shown.map_size)
    return brush


def cell_borders(brush: Brush, view: View, map_size: tuple[int, int]) -> None:
    """The borders of cells, where these are not too small, and of the map."""
    height, width = map_size
    top, bottom = view.y(-0.5), view.y(height - 0.5)
    left, right = view.x(-0.5), view.x(width - 0.5)
    shown = min(max((view.cell - _FADE_FROM) / (_FADE_TO - _FADE_FROM), 0.0), 1.0)
    if shown > 0:
        border = (255, 255, 255, round(70 * shown))
        for i in view.column_range(width)[1:]:
            brush.column(view.x(i - 0.5), top, bottom, 0.75, border)
        for i in view.row_range(height)[1:]:
            brush.row(view.y(i - 0.5), left, right, 0.75, border)
    brush.frame(left, top, right, bottom, 1.25, INK)


@dataclass(frozen=True, slots=True)
class Label:
    """A text on a map, on a dark ground, with its middle at (x, y) in pixels."""

    text: str
    x: float
    y: float

    @property
    def box(self) -> Box:
        """Its rectangle, with the ground around it."""
        half = lettering.width(self.text, lettering.TICK) / 2 + 4
        line = lettering.line_height(lettering.TICK) / 2 + 1
        return self.x - half, self.y - line, self.x + half, self.y + line

    def place(self, sheet: Sheet, left: int, top: int) -> None:
        """The text, on a map that begins there."""
        at = top + self.y - lettering.line_height(lettering.TICK) / 2
        sheet.text(left + self.x, at, self.text, lettering.TICK, PAPER, align=0.5)

    def draw(self, brush: Brush) -> None:
        """The ground."""
        brush.fill(*self.box, (*INK, 215))


@dataclass(frozen=True)
class MapBlock:
    """A view of the map.

    marks: draws on the finished heat map.
    taken: rectangles in pixels that have no room for a number.
    labels: texts on the map.
    row_spans, column_spans: what of the map each bin takes, in index coordinates, where brackets
        are to show it; None for a bin that takes nothing.
    numbered: whether cells have their numbers, where there is room.
    """

    shown: Shown
    view: View
    scale: Scale
    marks: Callable[[Brush], None]
    taken: Sequence[Box] = ()
    labels: Sequence[Label] = ()
    row_spans: Sequence[Span | None] = ()
    column_spans: Sequence[Span | None] = ()
    numbered: bool = True

    @cached_property
    def _above(self) -> Brackets:
        view = self.view
        return Brackets(self.column_spans, view.left, view.cell_x, view.width, vertical=False)

    @cached_property
    def _beside(self) -> Brackets:
        view = self.view
        return Brackets(self.row_spans, view.top, view.cell_y, view.height, vertical=True)

    @cached_property
    def _written(self) -> Format | None:
        """How the numbers in cells are written; None where there is no room."""
        seen = self.shown.seen(self.view)[0]
        small = self.view.cell_y < lettering.line_height(lettering.TICK)
        if not self.numbered or small or not 0 < seen.size <= 2000:
            return None
        return fitting(self.scale, seen, self.view.cell_x - 2)

    @property
    def factor(self) -> str:
        """The power of ten that the numbers in cells share, or nothing."""
        return self._written.factor if self._written else ""

    @property
    def width(self) -> int:
        """Row numbers, map, brackets."""
        return GUTTER + self.view.width + self._beside.depth

    @property
    def height(self) -> int:
        """Map, column numbers; brackets above it."""
        return self._above.depth + self.view.height + lettering.line_height(lettering.TICK) + 2

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """Frame, numbers, brackets."""
        view, left, top = self.view, x + GUTTER, y + self._above.depth
        sheet.raster(left, top, view.width, view.height, self._draw)
        self._above.place(sheet, left, y)
        self._beside.place(sheet, left + view.width, top)
        self._place_ruler(sheet, left, top)
        line = lettering.line_height(lettering.TICK) / 2
        for label in self.labels:
            label.place(sheet, left, top)
        for text, at_x, at_y, colour in self._numbers():
            sheet.text(left + at_x, top + at_y - line, text, lettering.TICK, colour, align=0.5)

    def _draw(self) -> Image.Image:
        brush = heat_map(self.shown, self.view, self.scale)
        self.marks(brush)
        for label in self.labels:
            label.draw(brush)
        return brush.finish()

    def _numbers(self) -> Iterator[tuple[str, float, float, Colour]]:
        """The number of each cell in sight where nothing else is: text, x, y, colour."""
        view, written = self.view, self._written
        if written is None:
            return
        seen, first_row, first_column = self.shown.seen(view)
        line = lettering.line_height(lettering.TICK)
        rgb = self.scale.colours(seen)
        taken = np.array([*self.taken, *(label.box for label in self.labels)]).reshape(-1, 4)
        for (i, j), value in np.ndenumerate(seen):
            text = written(float(value))
            half = lettering.width(text, lettering.TICK) / 2 + 1
            x, y = view.x(float(first_column + j)), view.y(float(first_row + i))
            up = max(view.cell_y / 2 - line / 2 - 1, 0.0)
            aside = max(view.cell_x / 2 - half - 2, 0.0) if view.cell_x > 4 * half else 0.0
            for dx, dy in ((0, 0), (0, -up), (0, up), (-aside, 0), (aside, 0)):
                # A line is taller than the digits in it.
                at_x, at_y = x + dx, y + dy
                box = at_x - half, at_y - 0.36 * line, at_x + half, at_y + 0.36 * line
                inside = box[0] >= 1 and box[2] <= view.width - 1
                inside &= at_y - line / 2 >= 0 and at_y + line / 2 <= view.height
                if inside and not meets(box, taken):
                    yield text, at_x, at_y, readable_on(rgb[i, j])
                    break

    def _place_ruler(self, sheet: Sheet, left: int, top: int) -> None:
        view, (height, width) = self.view, self.shown.map_size
        line = lettering.line_height(lettering.TICK)
        rows, columns = view.row_range(height), view.column_range(width)
        widest = lettering.width(str(columns.stop), lettering.TICK)
        for i in _labelled(columns, view.cell_x, widest + 12):
            if widest / 2 <= view.x(i) <= view.width - widest / 2:
                at = left + view.x(i)
                sheet.text(at, top + view.height + 2, str(i), lettering.TICK, MUTED, align=0.5)
        for i in _labelled(rows, view.cell_y, line + 6):
            if line / 2 <= view.y(i) <= view.height - line / 2:
                at = top + view.y(i) - line / 2
                sheet.text(left - 6, at, str(i), lettering.TICK, MUTED, align=1.0)


def fitting(scale: Scale, values: NDArray[np.float64], room: float) -> Format | None:
    """The format with the most digits with which every value fits; None if there is none.

    The last resort has two digits and no decimals, and a power of ten for all.
    """
    on_scale = (values >= scale.low) & (values <= scale.high)
    low = float(values[on_scale].min(initial=scale.high))
    high = float(values[on_scale].max(initial=scale.low))
    exponent = format_for(scale.low, scale.high).exponent
    largest = max(abs(low), abs(high))
    order = math.floor(math.log10(largest)) if 0 < largest < math.inf else 0
    tried = [(3, exponent), (2, exponent), *([(2, order - 1)] if order < 1 else [])]
    for digits, power in tried:
        written = format_for(low, high, digits, exponent=power)
        widest = max(lettering.width(written(float(v)), lettering.TICK) for v in values.flat)
        if widest <= room:
            return written
    return None


def meets(box: Box, others: NDArray[np.float64]) -> bool:
    """Whether a rectangle has a part in common with one of (n, 4) others."""
    if not len(others):
        return False
    x0, y0, x1, y1 = others.T
    return bool(((x0 < box[2]) & (x1 > box[0]) & (y0 < box[3]) & (y1 > box[1])).any())


def _labelled(cells: range, cell: float, room: float) -> range:
    step = max(int(round_step(room / cell)), 1)
    return range(-(-cells.start // step) * step, cells.stop, step)


BRACKETS: Final = 74  # the most that they take beside a map
_LANE: Final = 22
_LINE: Final = 1.5


@dataclass(frozen=True)
class Brackets:
    """A bracket for each bin along a side of the map, in lanes so that none covers another.

    There are none unless each has room for its number. Neighbours of one span have one bracket.

    spans: for each bin its index coordinates, None where there are none.
    start: the index coordinate of the side's first pixel.
    cell: pixels a cell.
    length: of the side, in pixels.
    vertical: whether the side is the map's right one, and not its upper one.
    """

    spans: Sequence[Span | None]
    start: float
    cell: float
    length: int
    vertical: bool

    @cached_property
    def _brackets(self) -> list[tuple[str, float, float, int]]:
        """Text, first and last pixel, and lane of each."""
        found: list[tuple[str, float, float, int]] = []
        ends: list[float] = []
        for span, group in groupby(range(len(self.spans)), key=lambda b: self.spans[b]):
            bins = list(group)
            if span is None:
                continue
            low = max((span.low - self.start) * self.cell, 0.0)
            high = min((span.high - self.start) * self.cell, float(self.length))
            lane = next((n for n, end in enumerate(ends) if end <= low + 0.5), len(ends))
            ends[lane : lane + 1] = [high]
            text = str(bins[0]) if len(bins) == 1 else f"{bins[0]}–{bins[-1]}"
            if high - low < self._room(text) + 6 or len(ends) * _LANE > BRACKETS:
                return []
            found.append((text, low, high, lane))
        return found

    def _room(self, text: str) -> float:
        return lettering.TICK + 4.0 if self.vertical else lettering.width(text, lettering.TICK) + 8

    @cached_property
    def _lane(self) -> int:
        widest = max((lettering.width(b[0], lettering.TICK) for b in self._brackets), default=0.0)
        return max(_LANE, int(widest) + 6) if self.vertical else _LANE

    @property
    def depth(self) -> int:
        """Pixels that they take at a right angle to the side."""
        lanes = max((b[3] for b in self._brackets), default=-1) + 1
        wanted = lanes * self._lane + _GAP if lanes else 0
        return wanted if wanted <= BRACKETS else 0

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """With (x, y) at the upper left of what they take."""
        if not self.depth:
            return
        width, height = (self.depth, self.length) if self.vertical else (self.length, self.depth)
        sheet.raster(x, y, width, height, lambda: self._draw(height, width))
        half_line = lettering.line_height(lettering.TICK) / 2
        for text, low, high, lane in self._brackets:
            along, away = (low + high) / 2, self._away(lane)
            at_x, at_y = (away, along) if self.vertical else (along, away)
            sheet.text(x + at_x, y + at_y - half_line, text, lettering.TICK, MUTED, align=0.5)

    def _away(self, lane: int) -> float:
        from_map = _GAP + (lane + 0.5) * self._lane
        return from_map if self.vertical else self.depth - from_map

    def _draw(self, height: int, width: int) -> Image.Image:
        brush = Brush(blank(height, width, PAPER))
        line, tick = (brush.column, brush.row) if self.vertical else (brush.row, brush.column)
        for text, low, high, lane in self._brackets:
            away, middle, room = self._away(lane), (low + high) / 2, self._room(text) / 2
            line(away, low + 1, middle - room, _LINE, MUTED)
            line(away, middle + room, high - 1, _LINE, MUTED)
            for end in (low + 1, high - 1):
                tick(end, away - 5, away + 5, _LINE, MUTED)
        return brush.finish()


@dataclass(frozen=True)
class PhotoBlock:
    """The photograph, cropped as the map is, with the borders of the cells.

    pixels_per_cell: along y and along x.
    marks: draws on it.
    """

    photo: Image.Image
    view: View
    map_size: tuple[int, int]
    pixels_per_cell: tuple[float, float]
    marks: Callable[[Brush], None]
    labels: Sequence[Label] = ()

    @property
    def width(self) -> int:
        """The view's."""
        return self.view.width

    @property
    def height(self) -> int:
        """The view's."""
        return self.view.height

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """The one raster."""
        sheet.raster(x, y, self.view.width, self.view.height, self._draw)
        for label in self.labels:
            label.place(sheet, x, y)

    def _draw(self) -> Image.Image:
        view, (per_y, per_x) = self.view, self.pixels_per_cell
        frame = stripes(view.height, view.width)
        (height, width), canvas = frame.shape[:2], Image.fromarray(frame)
        # In pixels of the photograph: what is in sight, and what of that there is.
        left, top = (view.left + 0.5) * per_x, (view.top + 0.5) * per_y
        by_x, by_y = per_x / view.cell_x / FINER, per_y / view.cell_y / FINER
        x0, x1 = max(left, 0.0), min(left + width * by_x, float(self.photo.width))
        y0, y1 = max(top, 0.0), min(top + height * by_y, float(self.photo.height))
        size = round((x1 - x0) / by_x), round((y1 - y0) / by_y)
        if min(size) > 0:
            # Photographs are drawn at their own fineness: four times as fine would be as slow.
            coarse = max(size[0] // FINER, 1), max(size[1] // FINER, 1)
            part = self.photo.resize(coarse, Image.Resampling.BICUBIC, box=(x0, y0, x1, y1))
            at = round((x0 - left) / by_x), round((y0 - top) / by_y)
            canvas.paste(part.resize(size, Image.Resampling.NEAREST), at)
        brush = Brush(np.asarray(canvas))
        cell_borders(brush, view, self.map_size)
        self.marks(brush)
        for label in self.labels:
            label.draw(brush)
        return brush.finish()
