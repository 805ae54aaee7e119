"""The colour scale and the legend: what every colour and mark on the sheet means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from roicrop.draw import font
from roicrop.draw.brush import Brush, blank
from roicrop.draw.colour import INK, MUTED, RULE, Colour, Scale
from roicrop.draw.heat import centres, stripes
from roicrop.draw.number import format_for, ticks
from roicrop.draw.sheet import Paragraph, Sheet

_BAR: Final = 14
_TICK: Final = 5
_SWATCH: Final = 34, 24  # width, height
_BESIDE_SWATCH: Final = 10
_BETWEEN_ENTRIES: Final = 7
TEAL: Final = (42, 120, 142)  # a middling heat map, on which marks are shown


@dataclass(frozen=True)
class ColourBar:
    """The scale's colours from low to high, with numbers below, and above what they are of."""

    scale: Scale
    title: str
    width: int

    @property
    def height(self) -> int:
        """Title, bar, ticks, numbers."""
        return font.line_height(font.SMALL) + 4 + _BAR + _TICK + font.line_height(font.TICK)

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """The bar as wide as the block but for half a number at either end."""
        low, high = self.scale.low, self.scale.high
        written = format_for(low, high)
        title = f"{self.title} ({written.factor})" if written.factor else self.title
        sheet.text(x, y, font.shorten(title, font.SMALL, self.width), font.SMALL)
        top = y + font.line_height(font.SMALL) + 4
        if self.scale.is_empty:
            sheet.text(x, top, "There is no number to colour.", font.TICK, MUTED)
            return
        side = int(max(font.width(written(v), font.TICK) for v in (low, high)) / 2) + 1
        left, length = x + side, self.width - 2 * side
        sheet.raster(left, top, length, _BAR + _TICK, lambda: self._draw(length))
        labels = self._labels(length)
        below = top + _BAR + _TICK
        for value in labels:
            at = left + self._share(value) * length
            sheet.text(at, below, written(value), font.TICK, INK, align=0.5)

    def _labels(self, length: int) -> list[float]:
        """The two ends, and the round numbers between them that have room."""
        low, high = self.scale.low, self.scale.high
        if not low < high:
            return [low]
        written = format_for(low, high)
        labels = [low, high]
        room = max(font.width(written(v), font.TICK) for v in (low, high, (low + high) / 2)) + 14
        for value in ticks(low, high, max(int(length / room), 2)):
            clear = (abs(self._share(value) - self._share(v)) * length >= room for v in labels)
            if all(clear):
                labels.append(value)
        return labels

    def _share(self, value: float) -> float:
        low, high = self.scale.low, self.scale.high
        return (value - low) / (high - low) if high > low else 0.5

    def _draw(self, length: int) -> Image.Image:
        low, high = self.scale.low, self.scale.high
        share = centres(length) / length
        canvas = blank(_BAR + _TICK, length, (255, 255, 255))
        brush_height = _BAR * (canvas.shape[0] // (_BAR + _TICK))
        canvas[:brush_height] = self.scale.colours(low * (1 - share) + high * share)
        brush = Brush(canvas)
        for value in self._labels(length):
            at = min(max(self._share(value) * length, 0.5), length - 0.5)
            brush.column(at, _BAR, _BAR + _TICK, 1.0, INK)
        return brush.finish()


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the legend: an example of the mark, and what it says.

    draw: draws the example on a brush of its own, over `background`, or over stripes if None.
    """

    draw: Callable[[Brush], None]
    text: str
    background: Colour | None = TEAL


@dataclass(frozen=True)
class Legend:
    """Marks and their meaning, below one another."""

    entries: Sequence[Entry]
    width: int

    @cached_property
    def _paragraphs(self) -> list[Paragraph]:
        room = self.width - _SWATCH[0] - _BESIDE_SWATCH
        return [Paragraph(entry.text, room, font.SMALL) for entry in self.entries]

    @property
    def height(self) -> int:
        """All entries."""
        heights = [max(p.height, _SWATCH[1]) for p in self._paragraphs]
        return sum(heights) + _BETWEEN_ENTRIES * max(len(heights) - 1, 0)

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """Example left, meaning right."""
        width, height = _SWATCH
        for entry, paragraph in zip(self.entries, self._paragraphs, strict=True):
            sheet.raster(x, y, width, height, lambda entry=entry: _swatch(entry))  # type: ignore[misc]
            down = max((height - paragraph.height) // 2, 0)
            paragraph.place(sheet, x + width + _BESIDE_SWATCH, y + down)
            y += max(paragraph.height, height) + _BETWEEN_ENTRIES


def _swatch(entry: Entry) -> Image.Image:
    width, height = _SWATCH
    canvas: NDArray[np.uint8]
    if entry.background is None:
        canvas = stripes(height, width)
    else:
        canvas = blank(height, width, entry.background)
    brush = Brush(canvas)
    brush.frame(0, 0, width, height, 1.0, RULE)
    entry.draw(brush)
    return brush.finish()
