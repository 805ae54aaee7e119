"""Many numbers in one way of writing them, and round numbers along a scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from roicrop.text.numbers import minus, special

_SUPERSCRIPT: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_DECIMALS: Final = 6
_MOST_DIGITS: Final = 7  # before the decimal point
_MOST_LOST: Final = 0.05


@dataclass(frozen=True, slots=True)
class Format:
    """One way of writing many numbers: each divided by 10^exponent, with so many decimals.

    zero: what is before the decimal point of numbers below 1.
    """

    exponent: int
    decimals: int
    zero: str = "0"

    def __call__(self, value: float) -> str:
        """The number without the power of ten, which `factor` gives once for all numbers."""
        if not math.isfinite(value):
            return special(value)
        if value == 0:
            return "0"
        if abs(value) >= 10.0 ** (self.exponent + _MOST_DIGITS):
            return minus(f"{value / 10.0**self.exponent:.0e}".replace("e+", "e"))
        text = f"{value / 10.0**self.exponent:.{self.decimals}f}"
        text = text.lstrip("-") if float(text) == 0 else text
        return minus(text.replace("0.", f"{self.zero}.", 1) if abs(float(text)) < 1 else text)

    @property
    def factor(self) -> str:
        """The power of ten that all numbers share, "×10³", or nothing."""
        return f"×10{str(self.exponent).translate(_SUPERSCRIPT)}" if self.exponent else ""


def format_for(low: float, high: float, digits: int = 3, *, exponent: int | None = None) -> Format:
    """The format that shows `digits` digits of the larger bound, and two of their difference.

    Bounds are NaN if there are no numbers. exponent: the power of ten; None for a fitting one.
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


def fitting(
    values: Collection[float],
    bounds: tuple[float, float],
    fits: Callable[[str], bool],
    *,
    close: bool = False,
) -> Format | None:
    """The format with the most digits in which every value fits; None if there is none.

    Nor is there one if, so short, numbers would hardly tell the values apart. bounds: of a scale
    beside the numbers, whose power of ten they share; what lies outside does not count.
    close: values may be close to each other: there are more digits if those tell them apart, and
    there is a format even if none does.
    """
    numbers = sorted({v for v in values if bounds[0] <= v <= bounds[1]})
    low, high = (numbers[0], numbers[-1]) if numbers else bounds
    exponent = format_for(*bounds).exponent
    counts = (3, 4, 5, 2) if close else (3, 2)
    formats = [format_for(low, high, digits, exponent=exponent) for digits in counts]
    formats.append(replace(formats[-1], zero=""))
    fit = [written for written in formats if all(fits(written(value)) for value in values)]
    apart = (written for written in fit if _tells_apart(written, numbers))
    return next(apart, fit[0] if close and fit else None)


def _tells_apart(written: Format, numbers: Sequence[float]) -> bool:
    """Whether rounding loses little of the middle half of some numbers in order."""
    if len(numbers) < 2:
        return True
    scaled = [number / 10.0**written.exponent for number in numbers]
    lost = sum(abs(round(n, written.decimals) - n) for n in scaled) / len(scaled)
    quarter = len(scaled) // 4
    return lost <= _MOST_LOST * (scaled[-1 - quarter] - scaled[quarter])


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
