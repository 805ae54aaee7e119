"""Numbers in text: exact where a rounding depends on them, and to a few digits elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

    Number = float | np.floating[Any] | np.integer[Any]

_DIGITS: Final = 7
_PLAIN_FROM, _PLAIN_BELOW = 1e-4, 1e16
_LARGE: Final = 1e7  # from which a sentence has a power of ten


def exact(value: Number) -> str:
    """The fewest digits that reproduce the number in its own precision."""
    import numpy as np

    if isinstance(value, Integral):
        return minus(str(value))
    if not math.isfinite(value):
        return special(float(value))
    if value == 0:
        return "0"
    if _PLAIN_FROM <= abs(float(value)) < _PLAIN_BELOW:
        return minus(np.format_float_positional(value, trim="-"))
    text = np.format_float_scientific(value, trim="-", exp_digits=1)
    return minus(text[0]) + text[1:]


def brief(value: float, digits: int = _DIGITS, *, powers: bool = False) -> str:
    """The number to a few digits, written as by `exact`.

    powers: write a power of ten as soon as the number has more digits than that before its point.
    """
    if powers:
        return minus(f"{value:.{digits}g}") if math.isfinite(value) else special(value)
    return exact(float(f"{value:.{digits}g}"))


def tidy(value: float, decimals: int = 2) -> str:
    """A number in a sentence: at most so many decimals, no zeros behind them."""
    if not math.isfinite(value):
        return special(value)
    if abs(value) >= _LARGE:
        return minus(f"{value:.3g}")
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return minus("0" if text == "-0" else text)


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


def special(value: float) -> str:
    """NaN and the infinities."""
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"


def minus(text: str) -> str:
    """The text with a minus sign for each hyphen."""
    return text.replace("-", "−")
