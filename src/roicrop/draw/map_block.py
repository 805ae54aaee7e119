"""The map in its frame: heat map, marks, cell numbers, and a bracket for each bin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from PIL import Image

from roicrop.draw import font
from roicrop.draw.brush import Brush, blank
from roicrop.draw.colour import INK, MUTED, PAPER, Scale
from roicrop.draw.heat import Cells, heat_map
from roicrop.draw.number import round_step
from roicrop.draw.sheet import Sheet
from roicrop.draw.view import Span, View

GUTTER: Final = 44  # for the row numbers
BRACKETS: Final = 72  # the most that brackets take
_FOOT: Final = 38  # for the column numbers and their name
_GAP: Final = 4
_LANE: Final = 17
_NARROW_LANE: Final = 5
_NARROW_FROM: Final = 4  # lanes
_MOST_LANES: Final = 14
_BETWEEN_BRACKETS: Final = 2.0


class Brackets:
    """A bracket for each bin along one side of the map, in lanes so that none covers another."""

    def __init__(self, spans: Sequence[Span | None], start: float, cell: float, length: int) -> None:
        """spans: in index coordinates; start: that of the side's first pixel; length: in pixels."""
        self._length = length
        self._lane: list[tuple[int, int, float, float]] = []
        ends: list[float] = []
        for bin_, span in enumerate(spans):
            if span is None:
                continue
            low, high = (span.low - start) * cell, (span.high - start) * cell
            if high - low < 1 or high <= 0 or low >= length:
                continue
            lane = next((n for n, end in enumerate(ends) if end <= low + 0.5), len(ends))
            ends[lane:lane + 1] = [high]
            self._lane.append((bin_, lane, low, high))
        self._lanes = len(ends)
        if self._lanes > _MOST_LANES:
            self._lanes, self._lane = 0, []

    @property
    def _lane_size(self) -> int:
        return _LANE if self._lanes <= _NARROW_FROM else _NARROW_LANE

    @property
    def depth(self) -> int:
        """Pixels that they take away from the map."""
        return self._lanes * self._lane_size

    def numbers(self, room_of: Callable[[str], float]) -> list[tuple[str, float, float]]:
        """Bin numbers that fit: text, pixel along the side, pixel away from the map."""
        if self._lane_size == _NARROW_LANE:
            return []
        found = []
        for bin_, lane, low, high in self._lane:
            low, high, text = max(low, 0.0), min(high, float(self._length)), str(bin_)
            if high - low >= room_of(text):
                found.append((text, (low + high) / 2, (lane + 0.5) * _LANE))
        return found

    def draw(self, brush: Brush, *, vertical: bool) -> None:
        """Onto a strip that is `depth` wide, its side towards the map below or left."""
        named = {text for text, _, _ in self.numbers(_room(vertical))}
        for bin_, lane, low, high in self._lane:
            at = (lane + 0.5) * self._lane_size
            room = _room(vertical)(str(bin_)) / 2 - 1 if str(bin_) in named else 0.0
            seen_low, seen_high = max(low, 0.0), min(high, float(self._length))
            middle = (seen_low + seen_high) / 2
            low, high = low + _BETWEEN_BRACKETS / 2, high - _BETWEEN_BRACKETS / 2
            for a, b in ((low, middle - room), (middle + room, high)):
                _line(brush, vertical, at, a, b)
            for end in (low, high):
                _tick(brush, vertical, at, end, 0.3 * self._lane_size)


def _room(vertical: bool) -> Callable[[str], float]:
    if vertical:
        return lambda text: font.TICK + 8.0
    return lambda text: font.width(text, font.TICK) + 10.0


def _line(brush: Brush, vertical: bool, at: float, low: float, high: float) -> None:
    if vertical:
        brush.column(at, low, high, 1.25, MUTED)
    else:
        brush.row(brush.height - at, low, high, 1.25, MUTED)


def _tick(brush: Brush, vertical: bool, at: float, end: float, half: float) -> None:
    if vertical:
        brush.row(end, at - half, at + half, 1.25, MUTED)
    else:
        brush.column(end, brush.height - at - half, brush.height - at + half, 1.25, MUTED)


@dataclass(frozen=True)
class MapBlock:
    """A view of the map.

    marks: draws on the finished heat map.
    row_spans, column_spans: the bins, in index coordinates; None for one that covers no cell.
    """

    view: View
    cells: Cells
    scale: Scale
    marks: Callable[[Brush], None]
    row_spans: Sequence[Span | None]
    column_spans: Sequence[Span | None]

    @cached_property
    def _above(self) -> Brackets:
        return Brackets(self.column_spans, self.view.left, self.view.cell, self.view.width)

    @cached_property
    def _beside(self) -> Brackets:
        return Brackets(self.row_spans, self.view.top, self.view.cell, self.view.height)

    @property
    def _head(self) -> int:
        return max(self._above.depth + _GAP, font.line_height(font.TICK))

    @property
    def width(self) -> int:
        """Row numbers, map, brackets."""
        return GUTTER + self.view.width + _GAP + self._beside.depth

    @property
    def height(self) -> int:
        """Brackets, map, column numbers."""
        return self._head + self.view.height + _FOOT

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """Frame, numbers, brackets."""
        view, left, top = self.view, x + GUTTER, y + self._head
        sheet.raster(left, top, view.width, view.height, self._draw)
        self._place_brackets(sheet, left, top)
        self._place_numbers(sheet, left, top)

    def _draw(self) -> Image.Image:
        brush = heat_map(self.cells, self.view, self.scale)
        self.marks(brush)
        return brush.finish()

    def _place_brackets(self, sheet: Sheet, left: int, top: int) -> None:
        half_line = font.line_height(font.TICK) / 2
        if depth := self._above.depth:
            def draw_above() -> Image.Image:
                brush = Brush(blank(depth, self.view.width, PAPER))
                self._above.draw(brush, vertical=False)
                return brush.finish()

            sheet.raster(left, top - _GAP - depth, self.view.width, depth, draw_above)
            for text, along, away in self._above.numbers(_room(False)):
                y = top - _GAP - away - half_line
                sheet.text(left + along, y, text, font.TICK, MUTED, align=0.5)
        if depth_beside := self._beside.depth:
            def draw_beside() -> Image.Image:
                brush = Brush(blank(self.view.height, depth_beside, PAPER))
                self._beside.draw(brush, vertical=True)
                return brush.finish()

            right = left + self.view.width + _GAP
            sheet.raster(right, top, depth_beside, self.view.height, draw_beside)
            for text, along, away in self._beside.numbers(_room(True)):
                sheet.text(right + away, top + along - half_line, text, font.TICK, MUTED, align=0.5)

    def _place_numbers(self, sheet: Sheet, left: int, top: int) -> None:
        view, (height, width) = self.view, self.cells.map_size
        line = font.line_height(font.TICK)
        rows, columns = view.row_range(height), view.column_range(width)
        widest = font.width(str(columns.stop), font.TICK)
        for i in _labelled(columns, view.cell, widest + 12):
            if widest / 2 <= view.x(i) <= view.width - widest / 2:
                at = left + view.x(i)
                sheet.text(at, top + view.height + 2, str(i), font.TICK, INK, align=0.5)
        for i in _labelled(rows, view.cell, line + 6):
            if line / 2 <= view.y(i) <= view.height - line / 2:
                at = top + view.y(i) - line / 2
                sheet.text(left - 6, at, str(i), font.TICK, INK, align=1.0)
        sheet.text(left - 6, top - line, "row", font.TICK, MUTED, align=1.0)
        sheet.text(left, top + view.height + 2 + line, "column of cells", font.TICK, MUTED)


def _labelled(cells: range, cell: float, room: float) -> range:
    step = max(int(round_step(room / cell)), 1)
    return range(-(-cells.start // step) * step, cells.stop, step)
