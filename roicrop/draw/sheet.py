"""A sheet of paper whose layout is known before anything is drawn.

A figure is put together from blocks. A block knows its size; placing it on a sheet records every
text and every raster with its rectangle, and `Sheet.finish` draws them. So the layout can be
checked without looking at a pixel, and the sheet is as tall as its contents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from roicrop import __version__
from roicrop.draw import canvas
from roicrop.draw.canvas import SMALL, TICK, Brush, blank, clean, line_height, rectangle, text_width
from roicrop.draw.colour import INK, MUTED, PAPER, RULE, Colour, Scale
from roicrop.outputs import replacing, written
from roicrop.text import format_for, ticks

WIDEST: Final = 1320
MARGIN: Final = 20
INNER: Final = WIDEST - 2 * MARGIN
GAP: Final = 28  # between steps
TEAL: Final = (42, 120, 142)  # a mid-scale heat map colour, the legend's background for marks
SWATCH: Final = 34, 24  # width, height
_BAR, _TICK = 14, 5  # heights of a colour bar, and of the ticks below it


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
        self._texts: list[tuple[float, float, str, int, Colour, Colour | None]] = []

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: int,
        colour: Colour = INK,
        align: float = 0.0,
        halo: Colour | None = None,
    ) -> None:
        """A line of text with its top at y; `align` 0, ½, 1 puts x at its left, middle or right.

        halo: the colour of its edge, which keeps it readable across a line.
        """
        width = text_width(text, size)
        left = round(x - align * width)
        self.placed.append(Placed(text, left, y, left + width, y + line_height(size)))
        self._texts.append((left, y, text, size, colour, halo))

    def raster(
        self, x: int, y: int, width: int, height: int, draw: Callable[[], Image.Image]
    ) -> None:
        """An image of this size with its upper left corner at (x, y), made when it is needed."""
        self.placed.append(Placed("", x, y, x + width, y + height))
        self._rasters.append((x, y, draw))

    @property
    def title(self) -> str:
        """The first text on the sheet."""
        return next(placed.text for placed in self.placed if placed.text)

    def finish(self) -> Image.Image:
        """The figure: everything placed, and a margin; at most 1320 pixels wide."""
        width = math.ceil(max(p.right for p in self.placed)) + MARGIN
        height = math.ceil(max(p.bottom for p in self.placed)) + MARGIN
        image = Image.new("RGB", (width, height), PAPER)
        for x, y, draw in self._rasters:
            image.paste(draw(), (x, y))
        pen = ImageDraw.Draw(image)
        for left, top, text, size, colour, halo in self._texts:
            at, edge = (left, top + round(size * 1.06)), 2 if halo else 0
            pen.text(at, text, colour, canvas.font(size), "ls", stroke_width=edge, stroke_fill=halo)
        return image


def save(sheet: Sheet, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a figure as PNG, whole or not at all; PNG text has its title and the program's name.

    Raises OutputError if the file exists and `overwrite` is not set, or cannot be written.
    """
    image, metadata = sheet.finish(), PngInfo()
    metadata.add_itxt("Title", sheet.title)
    metadata.add_text("Software", f"roicrop {__version__}")
    with replacing(path, overwrite=overwrite) as temporary, written(path):
        image.save(temporary, format="PNG", pnginfo=metadata, compress_level=4)


def is_own(path: Path) -> bool:
    """Whether a file is a picture that `save` wrote."""
    try:
        with Image.open(path) as image:
            return str(image.info.get("Software", "")).startswith("roicrop ")
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a figure: its size, and a function that puts it on a sheet at (x, y)."""

    width: int
    height: int
    place: Callable[[Sheet, int, int], None]


NOTHING: Final = Block(0, 0, lambda sheet, x, y: None)


def column(*blocks: Block, gap: int) -> Block:
    """Blocks one below another; those with zero height are left out."""
    shown = [b for b in blocks if b.height]

    def place(sheet: Sheet, x: int, y: int) -> None:
        for block in shown:
            block.place(sheet, x, y)
            y += block.height + gap

    height = sum(b.height for b in shown) + gap * max(len(shown) - 1, 0)
    return Block(max((b.width for b in shown), default=0), height, place)


def row(*blocks: Block, gap: int = GAP) -> Block:
    """Blocks side by side, their tops at the same height."""

    def place(sheet: Sheet, x: int, y: int) -> None:
        for block in blocks:
            block.place(sheet, x, y)
            x += block.width + gap

    width = sum(b.width for b in blocks) + gap * max(len(blocks) - 1, 0)
    return Block(width, max((b.height for b in blocks), default=0), place)


def paragraph(text: str, width: int, size: int = canvas.NORMAL, colour: Colour = INK) -> Block:
    """A text in lines of at most `width` pixels."""
    lines = canvas.wrap(clean(text), size, width) if text else []

    def place(sheet: Sheet, x: int, y: int) -> None:
        for n, line in enumerate(lines):
            sheet.text(x, y + n * line_height(size), line, size, colour)

    return Block(width, len(lines) * line_height(size), place)


def head(text: str, more: str, width: int, note: str = "") -> Block:
    """What a part of the figure shows, in one line and a smaller one, and what to know about it."""
    first, then = paragraph(text, width, canvas.HEADING), paragraph(more, width, SMALL, MUTED)
    return column(first, then, paragraph(note, width, SMALL), gap=2)


def side_by_side(*steps: tuple[Block, Block]) -> Block:
    """Columns of a head and a body each, with the bodies at the same height."""
    tallest = max(above.height for above, _ in steps)
    heads = [Block(body.width, tallest, above.place) for above, body in steps]
    return row(*(column(h, body, gap=8) for h, (_, body) in zip(heads, steps, strict=True)))


def page(title: str, blocks: Sequence[Block], small: Sequence[str]) -> Sheet:
    """A sheet with a title above and small print below."""
    top = paragraph(canvas.shorten(clean(title), canvas.TITLE, INNER), INNER, canvas.TITLE)
    foot = column(*(paragraph(line, INNER, SMALL, MUTED) for line in small), gap=3)
    sheet = Sheet()
    column(top, *blocks, foot, gap=16).place(sheet, MARGIN, MARGIN - 8)
    return sheet


def colour_bar(scale: Scale, title: str, width: int) -> Block:
    """The scale's colours from low to high, with a title above and numbers below."""
    low, high = scale.low, scale.high
    written_as = format_for(low, high)
    titled = f"{title} ({written_as.factor})" if written_as.factor else title
    above = paragraph(titled, width, SMALL)
    top = above.height + 4
    widths = [text_width(written_as(v), TICK) for v in (low, high, (low + high) / 2)]
    side = int(max(widths[:2]) / 2) + 1
    length = width - 2 * side
    labels = [low, high] if low < high else [low]
    room = max(widths) + 14

    def at(value: float) -> float:
        return length * ((value - low) / (high - low) if high > low else 0.5)

    for value in ticks(low, high, max(int(length / room), 2)) if low < high else ():
        if all(abs(at(value) - at(other)) >= room for other in labels):
            labels.append(value)

    def draw() -> Image.Image:
        ground = blank(_BAR + _TICK, length, PAPER)
        share = np.linspace(0.0, 1.0, ground.width)
        line = Image.fromarray(scale.colours(low * (1 - share) + high * share)[np.newaxis])
        ground.paste(line.resize((ground.width, _BAR * canvas.FINER)))
        brush = Brush(ground)
        for value in labels:
            x = min(max(at(value), 0.5), length - 0.5)
            brush.line(x, _BAR, x, _BAR + _TICK, 1.0, INK)
        return brush.finish()

    def place(sheet: Sheet, x: int, y: int) -> None:
        above.place(sheet, x, y)
        if scale.is_empty:
            sheet.text(x, y + top, "no number to colour", TICK, MUTED)
            return
        sheet.raster(x + side, y + top, length, _BAR + _TICK, draw)
        for value in labels:
            sheet.text(
                x + side + at(value), y + top + _BAR + _TICK, written_as(value), TICK, INK, 0.5
            )

    return Block(width, top + _BAR + _TICK + line_height(TICK), place)


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of the legend: an example of the mark, and its meaning in a few words.

    draw: draws the example on a brush of its own, over `background`, or over stripes if None.
    """

    draw: Callable[[Brush], None]
    text: str
    background: Colour | None = TEAL


def legend(entries: Sequence[Entry], width: int) -> Block:
    """Marks and their meanings, as many per line as fit; duplicates are merged."""
    lines: list[list[Block]] = []
    used = 0
    for entry in {entry.text: entry for entry in entries}.values():
        most = width - SWATCH[0] - 10
        wanted = min(math.ceil(text_width(clean(entry.text), SMALL)) + 1, most)
        if not lines or used + wanted > most:
            lines.append([])
            used = 0
        text = paragraph(entry.text, wanted, SMALL)
        lines[-1].append(row(_swatch(entry), text, gap=10))
        used += wanted + SWATCH[0] + 34
    return column(*(row(*line, gap=24) for line in lines), gap=8)


def framed(
    width: float, colour: Colour, *, dashed: bool = False, inset: float = 7.0
) -> Callable[[Brush], None]:
    """An outline, as the example of an entry."""
    corners = rectangle(inset, 6, SWATCH[0] - inset, SWATCH[1] - 6)
    return lambda brush: brush.outline(corners, width, colour, dashed=dashed)


def _swatch(entry: Entry) -> Block:
    width, height = SWATCH

    def draw() -> Image.Image:
        ground = entry.background
        brush = Brush(
            canvas.stripes(height, width) if ground is None else blank(height, width, ground)
        )
        brush.outline(rectangle(0, 0, width, height), 1.0, RULE)
        entry.draw(brush)
        return brush.finish()

    return Block(width, height, lambda sheet, x, y: sheet.raster(x, y, width, height, draw))
