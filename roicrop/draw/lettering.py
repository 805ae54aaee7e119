"""The one typeface, and what can be known of a text before it is drawn.

A figure is 1320 pixels wide at most, and is read at 880: 15 pixels are the least.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from typing import Final

from PIL import ImageFont

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
