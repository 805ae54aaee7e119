"""A sheet of paper that knows what lies where before anything is drawn.

A figure is put together from blocks. A block knows its size; placing it on a sheet records every
text and every raster with its rectangle, and `Sheet.finish` draws them. So the layout can be
checked without looking at a pixel, and the sheet is as tall as what was placed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from roicrop.draw import lettering
from roicrop.draw.canvas import Brush, blank, centres, stripes
from roicrop.draw.colour import INK, MUTED, PAPER, RULE, Colour, Scale
from roicrop.draw.lettering import format_for, ticks
from roicrop.outputs import replacing, written

WIDEST: Final = 1320
MARGIN: Final = 20
INNER: Final = WIDEST - 2 * MARGIN


@dataclass(frozen=True, slots=True)
class Placed:
    """Something on the sheet: its text ("" for a raster) and its rectangle in pixels."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


class Sheet:
    """What has been placed so far."""

    def __init__(self) -> None:
        self.placed: list[Placed] = []
        self._rasters: list[tuple[int, int, Callable[[], Image.Image]]] = []
        self._texts: list[tuple[float, float, str, int, Colour]] = []

    def text(
        self, x: float, y: float, text: str, size: int, colour: Colour = INK, align: float = 0.0
    ) -> None:
        """A line of text with its top at y; `align` 0, ½, 1 puts x at its left, middle or right."""
        width = lettering.width(text, size)
        left = round(x - align * width)
        self.placed.append(Placed(text, left, y, left + width, y + lettering.line_height(size)))
        self._texts.append((left, y, text, size, colour))

    def raster(
        self, x: int, y: int, width: int, height: int, draw: Callable[[], Image.Image]
    ) -> None:
        """An image of that size with its upper left corner at (x, y), made when it is needed."""
        self.placed.append(Placed("", x, y, x + width, y + height))
        self._rasters.append((x, y, draw))

    def finish(self) -> Image.Image:
        """The figure: all that was placed, and a margin. Its title is the first text."""
        width = math.ceil(max(p.right for p in self.placed)) + MARGIN
        height = math.ceil(max(p.bottom for p in self.placed)) + MARGIN
        image = Image.new("RGB", (width, height), PAPER)
        for x, y, draw in self._rasters:
            image.paste(draw(), (x, y))
        image.info["Title"] = next(p.text for p in self.placed if p.text)
        pen = ImageDraw.Draw(image)
        for left, top, text, size, colour in self._texts:
            baseline = top + round(size * 1.06)
            pen.text((left, baseline), text, fill=colour, font=lettering.font(size), anchor="ls")
        return image


def save(image: Image.Image, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a figure as PNG, whole or not at all, its title in the file's metadata.

    Raises OutputError if the file exists and `overwrite` is not set, or cannot be written.
    """
    metadata = PngInfo()
    metadata.add_itxt("Title", str(image.info.get("Title", "")))
    with replacing(path, overwrite=overwrite) as temporary, written(path):
        image.save(temporary, format="PNG", pnginfo=metadata)


class Block(Protocol):
    """A part of a figure."""

    @property
    def width(self) -> int:
        """In pixels."""

    @property
    def height(self) -> int:
        """In pixels."""

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """Put it on the sheet with its upper left corner at (x, y)."""


@dataclass(frozen=True, slots=True)
class Column:
    """Blocks below one another."""

    blocks: Sequence[Block]
    gap: int

    @property
    def width(self) -> int:
        """That of its widest block."""
        return max((b.width for b in self.blocks), default=0)

    @property
    def height(self) -> int:
        """All blocks and the gaps between them."""
        return sum(b.height for b in self.blocks) + self.gap * max(len(self.blocks) - 1, 0)

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """From the top."""
        for block in self.blocks:
            block.place(sheet, x, y)
            y += block.height + self.gap


@dataclass(frozen=True, slots=True)
class Row:
    """Blocks beside one another, their tops at one height."""

    blocks: Sequence[Block]
    gap: int

    @property
    def width(self) -> int:
        """All blocks and the gaps between them."""
        return sum(b.width for b in self.blocks) + self.gap * max(len(self.blocks) - 1, 0)

    @property
    def height(self) -> int:
        """That of its tallest block."""
        return max((b.height for b in self.blocks), default=0)

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """From the left."""
        for block in self.blocks:
            block.place(sheet, x, y)
            x += block.width + self.gap


@dataclass(frozen=True, slots=True)
class Sized:
    """A block that takes a width and at least a height, whatever its own."""

    block: Block
    width: int
    least_height: int = 0

    @property
    def height(self) -> int:
        """The block's, or more."""
        return max(self.block.height, self.least_height)

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """At the upper left."""
        self.block.place(sheet, x, y)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text in lines of at most `width` pixels."""

    text: str
    width: int
    size: int = lettering.NORMAL
    colour: Colour = INK
    lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        lines = lettering.wrap(lettering.clean(self.text), self.size, self.width)
        object.__setattr__(self, "lines", lines)

    @property
    def height(self) -> int:
        """All its lines."""
        return len(self.lines) * lettering.line_height(self.size)

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """Line by line."""
        for line in self.lines:
            sheet.text(x, y, line, self.size, self.colour)
            y += lettering.line_height(self.size)


def sheet_of(blocks: Sequence[Block]) -> Sheet:
    """A sheet with those blocks on it, below one another."""
    sheet = Sheet()
    Column([b for b in blocks if b.height], 16).place(sheet, MARGIN, MARGIN - 8)
    return sheet


def side_by_side(steps: Sequence[tuple[Block, Block]], gap: int) -> Row:
    """Columns of a head and a body each, their bodies at one height."""
    tallest = max(head.height for head, _ in steps)
    return Row(
        [Column([Sized(head, body.width, tallest), body], 8) for head, body in steps],
        gap,
    )


_BAR: Final = 14
_TICK: Final = 5


@dataclass(frozen=True)
class ColourBar:
    """The scale's colours from low to high, with numbers below, and above what they are of."""

    scale: Scale
    title: str
    width: int

    @property
    def height(self) -> int:
        """Title, bar, ticks, numbers."""
        lines = sum(lettering.line_height(size) for size in (lettering.SMALL, lettering.TICK))
        return lines + 4 + _BAR + _TICK

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """The bar as wide as the block but for half a number at either end."""
        low, high = self.scale.low, self.scale.high
        written = format_for(low, high)
        title = f"{self.title} ({written.factor})" if written.factor else self.title
        sheet.text(x, y, lettering.shorten(title, lettering.SMALL, self.width), lettering.SMALL)
        top = y + lettering.line_height(lettering.SMALL) + 4
        if self.scale.is_empty:
            sheet.text(x, top, "no number to color", lettering.TICK, MUTED)
            return
        side = int(max(lettering.width(written(v), lettering.TICK) for v in (low, high)) / 2) + 1
        left, length = x + side, self.width - 2 * side
        sheet.raster(left, top, length, _BAR + _TICK, lambda: self._draw(length))
        for value in self._labels(length):
            at = left + self._share(value) * length
            sheet.text(at, top + _BAR + _TICK, written(value), lettering.TICK, INK, align=0.5)

    def _labels(self, length: int) -> list[float]:
        """The two ends, and the round numbers between them that have room."""
        low, high = self.scale.low, self.scale.high
        if not low < high:
            return [low]
        written = format_for(low, high)
        labels = [low, high]
        some = (low, high, (low + high) / 2)
        room = max(lettering.width(written(v), lettering.TICK) for v in some) + 14
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
        canvas = blank(_BAR + _TICK, length, PAPER)
        bar = _BAR * (canvas.shape[0] // (_BAR + _TICK))
        canvas[:bar] = self.scale.colours(low * (1 - share) + high * share)
        brush = Brush(canvas)
        for value in self._labels(length):
            at = min(max(self._share(value) * length, 0.5), length - 0.5)
            brush.column(at, _BAR, _BAR + _TICK, 1.0, INK)
        return brush.finish()


SWATCH: Final = 34, 24  # width, height
TEAL: Final = (42, 120, 142)  # a middling heat map, on which marks are shown


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of the legend: an example of the mark, and what it says in few words.

    draw: draws the example on a brush of its own, over `background`, or over stripes if None.
    """

    draw: Callable[[Brush], None]
    text: str
    background: Colour | None = TEAL


@dataclass(frozen=True)
class Legend:
    """Marks and their meaning: as many in a line as have room."""

    entries: Sequence[Entry]
    width: int

    @cached_property
    def _lines(self) -> list[list[tuple[Entry, Paragraph, int]]]:
        """Each entry, what it says, and its distance from the left."""
        lines: list[list[tuple[Entry, Paragraph, int]]] = []
        at = 0
        for entry in self.entries:
            text = lettering.clean(entry.text)
            room = min(math.ceil(lettering.width(text, lettering.SMALL)) + 1, self._room)
            if not lines or at + room > self._room:
                lines.append([])
                at = 0
            lines[-1].append((entry, Paragraph(entry.text, room, lettering.SMALL), at))
            at += room + SWATCH[0] + 10 + 24
        return lines

    @property
    def _room(self) -> int:
        return self.width - SWATCH[0] - 10

    @property
    def height(self) -> int:
        """All lines."""
        return sum(map(_height_of, self._lines)) + 8 * max(len(self._lines) - 1, 0)

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """Example left, meaning right."""
        width, height = SWATCH
        for line in self._lines:
            for entry, text, at in line:
                sheet.raster(x + at, y, width, height, lambda entry=entry: _swatch(entry))  # type: ignore[misc]
                down = max((height - text.height) // 2, 0)
                text.place(sheet, x + at + width + 10, y + down)
            y += _height_of(line) + 8


def _height_of(line: Sequence[tuple[Entry, Paragraph, int]]) -> int:
    return max(SWATCH[1], *(text.height for _, text, _ in line))


def _swatch(entry: Entry) -> Image.Image:
    width, height = SWATCH
    background = entry.background
    brush = Brush(
        stripes(height, width) if background is None else blank(height, width, background)
    )
    brush.frame(0, 0, width, height, 1.0, RULE)
    entry.draw(brush)
    return brush.finish()
