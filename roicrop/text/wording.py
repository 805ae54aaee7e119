"""Counts and signs as every text of the program writes them."""

from __future__ import annotations

import math


def many(count: int, one: str, more: str | None = None) -> str:
    """A count and what is counted: "1 box", "2,000 boxes". `more` is by default `one` and an s."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def special(value: float) -> str:
    """NaN and the infinities."""
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"


def minus(text: str) -> str:
    """The text with a minus sign for each hyphen."""
    return text.replace("-", "−")
