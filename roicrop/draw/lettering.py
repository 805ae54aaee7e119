"""The one typeface, what can be known of a text before it is drawn, and numbers in few digits.

A figure is 1320 pixels wide at most, and is read at 880: 15 pixels are the least.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from PIL import ImageFont

from roicrop.text import minus, special

TITLE: Final = 26
HEADING: Final = 20
NORMAL: Final = 17
SMALL: Final = 16
TICK: Final = 15

_FILE: Final = Path(__file__).with_name("font") / "DejaVuSans.ttf"
_NO_GLYPH: Final = "\U0010ffff"  # never a character
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The face at that many pixels."""
    return ImageFont.truetype(str(_FILE), size)


@cache
def line_height(size: int) -> int:
    """Pixels from one line of text to the next."""
    return round(size * 1.36)


def text_width(text: str, size: int) -> float:
    """How many pixels the text advances."""
    return font(size).getlength(text)


def clean(text: str) -> str:
    """The text with its accents composed, and an escape for what the typeface cannot show."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(c if _is_drawn(c) else c.encode("unicode_escape").decode() for c in composed)


@cache
def _is_drawn(character: str) -> bool:
    if unicodedata.category(character) in _UNPRINTABLE:
        return False
    return character.isspace() or _shape(character) != _shape(_NO_GLYPH)


def _shape(character: str) -> tuple[tuple[int, int], bytes]:
    mask = font(TICK).getmask(character)
    return mask.size, bytes(mask)


def shorten(text: str, size: int, room: float) -> str:
    """The text if it fits into `room` pixels, else with an ellipsis for its middle.

    Names are told apart by how they begin and, more often, by how they end.
    """
    if text_width(text, size) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        keep = (low + high + 1) // 2
        if text_width(_elided(text, keep), size) <= room:
            low = keep
        else:
            high = keep - 1
    return _elided(text, low)


def _elided(text: str, keep: int) -> str:
    tail = (keep * 3) // 5
    return text[: keep - tail] + "…" + text[len(text) - tail :]


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


_SUPERSCRIPT: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_DECIMALS: Final = 6
_MOST_DIGITS: Final = 7  # before the decimal point


@dataclass(frozen=True, slots=True)
class Format:
    """One way of writing many numbers: each divided by 10^exponent, with so many decimals."""

    exponent: int
    decimals: int

    def __call__(self, value: float) -> str:
        """The number without the power of ten, which `factor` says once for all of them."""
        if not math.isfinite(value):
            return special(value)
        if value == 0:
            return "0"
        if abs(value) >= 10.0 ** (self.exponent + _MOST_DIGITS):
            return minus(f"{value / 10.0**self.exponent:.0e}".replace("e+", "e"))
        text = f"{value / 10.0**self.exponent:.{self.decimals}f}"
        return minus(text.lstrip("-") if float(text) == 0 else text)

    @property
    def factor(self) -> str:
        """The power of ten that all numbers share, "×10³", or nothing."""
        return f"×10{str(self.exponent).translate(_SUPERSCRIPT)}" if self.exponent else ""


def format_for(low: float, high: float, digits: int = 3, *, exponent: int | None = None) -> Format:
    """The format that shows `digits` digits of the larger bound, and two of their difference.

    Bounds that are NaN are of no numbers at all. exponent: the power of ten; None for a fit one.
    """
    largest = max(abs(low), abs(high))
    if largest == 0 or math.isnan(largest):
        return Format(exponent or 0, 0)
    order = math.floor(math.log10(largest))
    if exponent is None:
        exponent = 0 if -2 <= order <= 4 else max(order, -300)
    decimals = digits - 1 - (order - exponent)
    if digits > 2 and high > low:
        decimals = max(decimals, 1 - math.floor(math.log10(high - low)) + exponent)
    return Format(exponent, min(max(decimals, 0), _MOST_DECIMALS))


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` round numbers from low to high; the one number if they are equal."""
    if not low < high:
        return [low]
    step = round_step((high - low) / max(most - 1, 1))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def round_step(at_least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `at_least`."""
    power = 10.0 ** math.floor(math.log10(at_least))
    return next(
        m * power for m in (1.0, 2.0, 5.0, 10.0, 20.0) if m * power >= at_least * (1 - 1e-9)
    )
