"""Counts and lengths in words."""

from __future__ import annotations

from collections.abc import Callable


def many(count: int, one: str, more: str | None = None) -> str:
    """A count and what is counted: "1 box", "2,000 boxes". `more` is by default `one` and an s."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def measure(number: str, unit: str) -> str:
    """A number that is written already, and its unit: "1 cell", "0.5 cells"."""
    return f"{number} {unit if number == '1' else unit + 's'}"


def distance(cells: float, cells_per_pixel: float, number: Callable[[float], str]) -> str:
    """How far, on the map and in the image: "1 cell (8 pixels)"."""
    pixels = abs(cells) / cells_per_pixel
    return f"{measure(number(abs(cells)), 'cell')} ({measure(number(pixels), 'pixel')})"
