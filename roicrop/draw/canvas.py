"""Lines and marks at fractions of a pixel, and the one typeface.

Lines are drawn on a canvas four times as fine in each direction, and averaged at the end. A figure
is at most 1320 pixels wide, and is read at 880: letters are at least 15 pixels high.
"""

from __future__ import annotations

import math
import unicodedata
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageDraw, ImageFont

from roicrop.draw.colour import INK, OUTSIDE, Colour

FINER: Final = 4

TITLE: Final = 26
HEADING: Final = 20
NORMAL: Final = 17
SMALL: Final = 16
TICK: Final = 15

_FILE: Final = Path(__file__).with_name("font") / "DejaVuSans.ttf"
_LEAST_HEAD: Final = 7.0  # pixels, the smallest head of an arrow
_NO_GLYPH: Final = "\U0010ffff"  # never a character
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

Corners = list[tuple[float, float]]  # (x, y) in pixels


class Brush:
    """Draws on a canvas of (height, width) pixels. Coordinates and widths are in pixels.

    canvas: RGB, of (height × finer, width × finer) pixels; it is drawn on. hatches: or none.
    """

    def __init__(self, canvas: Image.Image, finer: int = FINER, *, hatches: bool = True) -> None:
        self._image, self._hatches, self._finer = canvas, hatches, finer
        self._pen = ImageDraw.Draw(self._image, "RGBA")
        self.width = self._image.width / finer
        self.height = self._image.height / finer

    def finish(self) -> Image.Image:
        """The drawing, averaged to its proper size."""
        return self._image.reduce(self._finer)

    def fill(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled rectangle, at least one fine pixel large."""
        left, top = self._fine(x0, y0)
        right, bottom = self._fine(x1, y1)
        self._pen.rectangle((left, top, max(right - 1, left), max(bottom - 1, top)), fill=colour)

    def line(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        width: float,
        colour: Colour,
        *,
        dashed: bool = False,
        square: float = 0.0,
    ) -> None:
        """A straight line. square: how far a line along an axis extends beyond its ends."""
        half = width / 2
        if dashed:
            (x0, y0), (x1, y1) = self._near(x0, y0), self._near(x1, y1)
            length = math.hypot(x1 - x0, y1 - y0)
            for start in np.arange(0.0, length, 8.0).tolist():
                a, b = start / length, min(start + 4.5, length) / length
                ends = [(x0 + t * (x1 - x0), y0 + t * (y1 - y0)) for t in (a, b)]
                self.line(*ends[0], *ends[1], width, colour)
        elif x0 == x1:
            top, bottom = sorted((y0, y1))
            self.fill(x0 - half, top - square, x0 + half, bottom + square, colour)
        elif y0 == y1:
            left, right = sorted((x0, x1))
            self.fill(left - square, y0 - half, right + square, y0 + half, colour)
        else:
            path = (*self._fine(x0, y0), *self._fine(x1, y1))
            self._pen.line(path, fill=colour, width=max(round(width * self._finer), 1))

    def outline(
        self, corners: Corners, width: float, colour: Colour, *, dashed: bool = False
    ) -> None:
        """The closed line through some corners."""
        for (x0, y0), (x1, y1) in pairwise([*corners, corners[0]]):
            self.line(x0, y0, x1, y1, width, colour, dashed=dashed, square=width / 2)

    def polygon(self, corners: Corners, colour: Colour) -> None:
        """Draw a filled polygon."""
        self._pen.polygon([self._fine(*corner) for corner in corners], fill=colour)

    def hatch(
        self, x0: float, y0: float, x1: float, y1: float, gap: float, width: float, colour: Colour
    ) -> None:
        """Diagonal lines in a rectangle; those of neighbouring rectangles join."""
        totals = np.arange(math.floor((x0 + y0) / gap) + 1, (x1 + y1) / gap) * gap
        if self._hatches and min(x1 - x0, y1 - y0) < 3:
            self.fill(x0, y0, x1, y1, (*colour[:3], 110))
        elif self._hatches:
            for total in totals:
                xa, xb = max(x0, total - y1), min(x1, total - y0)
                self.line(xa, total - xa, xb, total - xb, width, colour)

    def dot(self, x: float, y: float, radius: float, colour: Colour, rim: float = 0.0) -> None:
        """A disc, with an ink rim of that width around it."""
        for r, paint in ((radius + rim, INK), (radius, colour)) if rim else ((radius, colour),):
            self._pen.ellipse(self._around(x, y, r), fill=paint)

    def ring(self, x: float, y: float, radius: float, width: float, colour: Colour) -> None:
        """Draw a circle."""
        around = self._around(x, y, radius + width / 2)
        self._pen.ellipse(around, outline=colour, width=max(round(width * self._finer), 1))

    def diamond(self, x: float, y: float, radius: float, colour: Colour, rim: float) -> None:
        """A square on its corner, with an ink rim."""
        for r, paint in ((radius + 1.4 * rim, INK), (radius, colour)):
            self.polygon([(x - r, y), (x, y - r), (x + r, y), (x, y + r)], paint)

    def cross(self, x: float, y: float, radius: float, colour: Colour, rim: float) -> None:
        """An ×, with an ink rim."""
        for extra, paint in ((rim, INK), (0.0, colour)):
            r, width = radius + extra / 2, 0.5 * radius + 2 * extra
            for slope in (1, -1):
                self.line(x - r, y - slope * r, x + r, y + slope * r, width, paint)

    def arrow(
        self, x0: float, y0: float, x1: float, y1: float, head: float, colour: Colour
    ) -> None:
        """An arrow to (x1, y1), with an ink rim; a short one is all head."""
        far = math.hypot(x1 - x0, y1 - y0)
        along_x, along_y = (x1 - x0) / far, (y1 - y0) / far
        head = max(min(far, head), _LEAST_HEAD)
        base_x, base_y = x1 - head * along_x, y1 - head * along_y
        for width, side, paint in ((5.0, 0.6 * head + 2.0, INK), (2.6, 0.6 * head, colour)):
            if far > head:
                self.line(x0, y0, base_x, base_y, width, paint)
            aside_x, aside_y = side * along_y, side * along_x
            wings = (base_x - aside_x, base_y + aside_y), (base_x + aside_x, base_y - aside_y)
            self.polygon([(x1, y1), *wings], paint)

    def _fine(self, x: float, y: float) -> tuple[int, int]:
        x, y = self._near(x, y)
        return round(x * self._finer), round(y * self._finer)

    def _near(self, x: float, y: float) -> tuple[float, float]:
        # Pillow visits every pixel, even off the canvas, so coordinates are kept near it.
        reach = 1000.0
        return min(max(x, -reach), self.width + reach), min(max(y, -reach), self.height + reach)

    def _around(self, x: float, y: float, radius: float) -> tuple[int, int, int, int]:
        left, top = self._fine(x - radius, y - radius)
        right, bottom = self._fine(x + radius, y + radius)
        return left, top, max(right - 1, left), max(bottom - 1, top)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Corners:
    """The corners of a rectangle, in order."""
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def blank(height: int, width: int, colour: Colour, finer: int = FINER) -> Image.Image:
    """A canvas of one colour for a `Brush` of (height, width) pixels."""
    return Image.new("RGB", (width * finer, height * finer), colour[:3])


def stripes(height: int, width: int) -> Image.Image:
    """A canvas of pale stripes, which stand for missing values: off the map, or no samples."""
    return _stripes(height, width).copy()


@lru_cache(maxsize=8)
def _stripes(height: int, width: int) -> Image.Image:
    phase = np.arange((height + width) * FINER) // (7 * FINER) % 2
    line = np.array(OUTSIDE, dtype=np.uint8)[phase]
    diagonal = sliding_window_view(line, (width * FINER, 3))[: height * FINER, 0]
    return Image.fromarray(np.ascontiguousarray(diagonal))


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The typeface at a size in pixels."""
    return ImageFont.truetype(str(_FILE), size)


@cache
def line_height(size: int) -> int:
    """The distance in pixels from one line of text to the next."""
    return round(size * 1.36)


LINE: Final = line_height(TICK)


@lru_cache(maxsize=8192)
def text_width(text: str, size: int) -> float:
    """The width of a text in pixels."""
    return font(size).getlength(text)


def clean(text: str) -> str:
    """The text with its accents composed, and escapes for characters the typeface lacks."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(c if _is_drawn(c) else c.encode("unicode_escape").decode() for c in composed)


@cache
def _is_drawn(character: str) -> bool:
    if unicodedata.category(character) in _UNPRINTABLE:
        return False
    drawn, nothing = (font(TICK).getmask(each) for each in (character, _NO_GLYPH))
    return character.isspace() or (drawn.size, bytes(drawn)) != (nothing.size, bytes(nothing))


def shorten(text: str, size: int, room: float) -> str:
    """The text if it fits into `room` pixels, else with an ellipsis in the middle.

    Names differ in how they begin and, more often, in how they end.
    """
    if text_width(text, size) <= room:
        return text
    for keep in range(min(len(text), int(room / 2)), -1, -1):  # a letter takes two pixels at least
        tail = (keep * 3) // 5
        shorter = text[: keep - tail] + "…" + text[len(text) - tail :]
        if text_width(shorter, size) <= room:
            break
    return shorter


def wrap(text: str, size: int, room: float) -> list[str]:
    """The text in lines of at most `room` pixels; a longer word is shortened."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(shorten(word, size, room))
    return lines
