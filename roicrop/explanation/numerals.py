"""Numbers in text: exact where a rounding hangs on them, seven digits elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from roicrop.text import special

Number = float | np.floating[Any] | np.integer[Any]

_DIGITS: Final = 7
_PLAIN_FROM, _PLAIN_BELOW = 1e-4, 1e16


def exact(value: Number) -> str:
    """The fewest digits that give the number back in its own precision."""
    if isinstance(value, (int, np.integer)):
        return _signed(str(value))
    if not math.isfinite(value):
        return special(float(value))
    if value == 0:
        return "0"
    if _PLAIN_FROM <= abs(float(value)) < _PLAIN_BELOW:
        return _signed(np.format_float_positional(value, trim="-"))
    return _signed(np.format_float_scientific(value, trim="-", exp_digits=1))


def brief(value: float) -> str:
    """The number to seven digits."""
    return exact(float(f"{value:.{_DIGITS}g}"))


def in_column(values: Sequence[float | None]) -> list[str]:
    """Numbers to seven digits of the largest, points under one another; nothing for None."""
    largest = max((abs(v) for v in values if v is not None and math.isfinite(v)), default=0.0)
    if largest and not _PLAIN_FROM <= largest < _PLAIN_BELOW:
        return ["" if v is None else brief(v) for v in values]
    order = math.floor(math.log10(largest)) if largest else 0
    decimals = max(_DIGITS - 1 - order, 0)
    return under_one_another(["" if v is None else exact(round(v, decimals)) for v in values])


def under_one_another(texts: Sequence[str]) -> list[str]:
    """The texts, spaces behind them, so that they end in one column where points are."""
    tails = [len(text) - text.find(".") if "." in text else 0 for text in texts]
    longest = max(tails, default=0)
    return [text + " " * (longest - tail) for text, tail in zip(texts, tails, strict=True)]


def _signed(text: str) -> str:
    return "−" + text[1:] if text.startswith("-") else text
