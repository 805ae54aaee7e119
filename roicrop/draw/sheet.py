"""A sheet of paper that knows what lies where before anything is drawn.

A picture is put together from blocks. A block knows its size; placing it on a sheet records every
text and every raster with its rectangle, and `Sheet.finish` draws them. So the layout can be
checked without looking at a pixel, and the sheet is as tall as what was placed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from PIL import Image, ImageDraw

from roicrop.draw import font
from roicrop.draw.colour import INK, PAPER, Colour

MARGIN: Final = 26


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
        width = font.width(text, size)
        left = round(x - align * width)
        self.placed.append(Placed(text, left, y, left + width, y + font.line_height(size)))
        self._texts.append((left, y, text, size, colour))

    def raster(
        self, x: int, y: int, width: int, height: int, draw: Callable[[], Image.Image]
    ) -> None:
        """An image of that size with its upper left corner at (x, y), made when it is needed."""
        self.placed.append(Placed("", x, y, x + width, y + height))
        self._rasters.append((x, y, draw))

    def finish(self) -> Image.Image:
        """The picture: all that was placed, and a margin. Its title is the first text."""
        width = math.ceil(max(p.right for p in self.placed)) + MARGIN
        height = math.ceil(max(p.bottom for p in self.placed)) + MARGIN
        image = Image.new("RGB", (width, height), PAPER)
        for x, y, draw in self._rasters:
            image.paste(draw(), (x, y))
        image.info["Title"] = next(p.text for p in self.placed if p.text)
        pen = ImageDraw.Draw(image)
        for left, top, text, size, colour in self._texts:
            baseline = top + round(size * 1.06)
            pen.text((left, baseline), text, fill=colour, font=font.font(size), anchor="ls")
        return image


class Block(Protocol):
    """A part of a picture."""

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
class Inset:
    """A block that begins `left` pixels to the right, and takes `width` whatever its own."""

    block: Block
    left: int
    width: int
    least_height: int = 0

    @property
    def height(self) -> int:
        """The block's, or more."""
        return max(self.block.height, self.least_height)

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """Shifted."""
        self.block.place(sheet, x + self.left, y)


def sheet_of(blocks: Sequence[Block]) -> Sheet:
    """A sheet with those blocks on it, below one another."""
    sheet = Sheet()
    Column(blocks, 18).place(sheet, MARGIN, MARGIN - 6)
    return sheet


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text in lines of at most `width` pixels."""

    text: str
    width: int
    size: int = font.NORMAL
    colour: Colour = INK
    lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", font.wrap(font.clean(self.text), self.size, self.width))

    @property
    def height(self) -> int:
        """All its lines."""
        return len(self.lines) * font.line_height(self.size)

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """Line by line."""
        for line in self.lines:
            sheet.text(x, y, line, self.size, self.colour)
            y += font.line_height(self.size)
