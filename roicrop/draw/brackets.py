"""Brackets along a side of the map: which cells each bin takes, or how far it reaches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Final

from PIL import Image

from roicrop.draw import font
from roicrop.draw.brush import Brush, blank
from roicrop.draw.colour import MUTED, PAPER
from roicrop.draw.sheet import Sheet
from roicrop.draw.view import Span

MOST_DEPTH: Final = 72
_LANE: Final = 17
_NARROW: Final = 5
_BETWEEN: Final = 2.0
_SHORTEST: Final = 6.0
_LINE: Final = 1.25


@dataclass(frozen=True, slots=True)
class _Bracket:
    """A bracket in pixels along the side. Bins that take the same cells have one for all."""

    label: str
    low: float
    high: float
    lane: int


def _together(spans: Sequence[Span | None]) -> Iterator[tuple[list[int], Span]]:
    """The bins of each span, neighbours of the same span together."""
    for span, group in groupby(enumerate(spans), key=lambda entry: entry[1]):
        if span is not None:
            yield [bin_ for bin_, _ in group], span


@dataclass(frozen=True)
class Brackets:
    """A bracket for each bin, in lanes so that none covers another.

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
    def _brackets(self) -> list[_Bracket]:
        found: list[_Bracket] = []
        ends: list[float] = []
        for bins, span in sorted(_together(self.spans), key=lambda entry: entry[1].low):
            low, high = (span.low - self.start) * self.cell, (span.high - self.start) * self.cell
            if high - low < _SHORTEST or high <= 0 or low >= self.length:
                continue
            lane = next((n for n, end in enumerate(ends) if end <= low + 0.5), len(ends))
            ends[lane : lane + 1] = [high]
            label = str(bins[0]) if len(bins) == 1 else f"{bins[0]}–{bins[-1]}"
            # Far ends are of no use to anybody, and too far for a canvas.
            low, high = max(low, -10.0), min(high, self.length + 10.0)
            found.append(_Bracket(label, low, high, lane))
        return found if len(ends) * _NARROW <= MOST_DEPTH else []

    @cached_property
    def _lane(self) -> int:
        """A lane's size; narrow where the numbers would take too much."""
        labels = [font.width(b.label, font.TICK) for b in self._brackets]
        wanted = max(_LANE, int(max(labels, default=0.0)) + 5) if self.vertical else _LANE
        return wanted if wanted * self._lanes <= MOST_DEPTH else _NARROW

    @cached_property
    def _lanes(self) -> int:
        return max((b.lane for b in self._brackets), default=-1) + 1

    @property
    def depth(self) -> int:
        """Pixels that they take at a right angle to the side."""
        return self._lanes * self._lane

    @property
    def numbered(self) -> bool:
        """Whether there are some, and all have room for their numbers."""
        return bool(self._brackets) and all(self._room(bracket) for bracket in self._brackets)

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """With (x, y) at the upper left of what they take."""
        if not self.depth:
            return
        width, height = (self.depth, self.length) if self.vertical else (self.length, self.depth)
        sheet.raster(x, y, width, height, lambda: self._draw(height, width))
        half_line = font.line_height(font.TICK) / 2
        for bracket in self._brackets:
            if not self._room(bracket):
                continue
            along, away = self._middle(bracket), self._away(bracket)
            at_x, at_y = (away, along) if self.vertical else (along, away)
            sheet.text(x + at_x, y + at_y - half_line, bracket.label, font.TICK, MUTED, align=0.5)

    def _middle(self, bracket: _Bracket) -> float:
        return (max(bracket.low, 0.0) + min(bracket.high, float(self.length))) / 2

    def _away(self, bracket: _Bracket) -> float:
        from_map = (bracket.lane + 0.5) * self._lane
        return from_map if self.vertical else self.depth - from_map

    def _room(self, bracket: _Bracket) -> float:
        """Half the gap in the bracket's line for its number; 0 where it has no room."""
        if self._lane == _NARROW:
            return 0.0
        text = font.TICK + 6.0 if self.vertical else font.width(bracket.label, font.TICK) + 8.0
        seen = min(bracket.high, float(self.length)) - max(bracket.low, 0.0)
        return text / 2 if seen >= text + 2 else 0.0

    def _draw(self, height: int, width: int) -> Image.Image:
        brush = Brush(blank(height, width, PAPER))
        line, tick = (brush.column, brush.row) if self.vertical else (brush.row, brush.column)
        reach = 0.3 * min(self._lane, _LANE)
        for bracket in self._brackets:
            away, middle, room = self._away(bracket), self._middle(bracket), self._room(bracket)
            low, high = bracket.low + _BETWEEN / 2, bracket.high - _BETWEEN / 2
            line(away, low, middle - room, _LINE, MUTED)
            line(away, middle + room, high, _LINE, MUTED)
            for end in (low, high):
                tick(end, away - reach, away + reach, _LINE, MUTED)
        return brush.finish()
