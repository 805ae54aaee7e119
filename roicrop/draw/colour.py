"""The palette, and the colour scale of the heat maps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int] | tuple[int, int, int, int]

PAPER: Final = (255, 255, 255)
INK: Final = (24, 28, 34)
MUTED: Final = (92, 102, 114)
RULE: Final = (208, 213, 219)
OUTSIDE: Final = (214, 218, 223), (203, 208, 214)
BOX: Final = (255, 255, 255)
FIRST: Final = (255, 96, 32)
SECOND: Final = (104, 205, 255)
POINT: Final = (255, 255, 255)
MOVED: Final = (255, 190, 60)
LOST: Final = (232, 30, 44)

NOT_A_NUMBER: Final = (150, 150, 150)
INFINITE: Final = (255, 255, 255)
MINUS_INFINITE: Final = (0, 0, 0)
BEYOND: Final = (96, 78, 66)

# Eleven equidistant colours of viridis (van der Walt and Smith, 2015; CC0).
VIRIDIS: Final = (
    (68, 1, 84), (72, 36, 117), (65, 68, 135), (53, 95, 141), (42, 120, 142), (33, 145, 140),
    (34, 168, 132), (68, 191, 112), (122, 209, 81), (189, 223, 38), (253, 231, 37),
)  # fmt: skip
# Blue, white, red: the sign of a difference.
_SIGNED: Final = ((33, 102, 172), (146, 197, 222), (247, 247, 247), (244, 165, 130), (178, 24, 43))
_FLARE: Final = 0.05  # of a screen, in contrast ratios


@dataclass(frozen=True, slots=True)
class Scale:
    """The colour of each value, on a scale from low to high, which may be equal.

    low, high: NaN where there is nothing to colour. grey_zero: 0 has no colour, being nothing.
    """

    low: float
    high: float
    signed: bool = False
    grey_zero: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to colour."""
        return math.isnan(self.low)

    def colours(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """(…, 3) the colours of values (…)."""
        exact = np.asarray(values, dtype=np.float64)
        numbers = np.isfinite(exact)
        finite = numbers & (not self.is_empty)
        with np.errstate(over="ignore"):
            # Divided before subtracting, as high − low may exceed the largest float.
            unit = max(abs(self.low), abs(self.high), np.finfo(np.float64).tiny)
            low, span = self.low / unit, self.high / unit - self.low / unit
            share = np.where(finite, exact, self.low) / unit - low
            share = np.clip(share / span, 0.0, 1.0) if span > 0 else np.full_like(share, 0.5)
        table = np.array(_SIGNED if self.signed else VIRIDIS, dtype=np.float64)
        at = np.linspace(0.0, 1.0, len(table))
        rgb = np.stack([np.interp(share, at, table[:, i]) for i in range(3)], axis=-1)
        slack = 1e-9 * max(abs(self.low), abs(self.high))
        rgb[numbers & ~((exact >= self.low - slack) & (exact <= self.high + slack))] = BEYOND
        rgb[np.isnan(exact)] = NOT_A_NUMBER
        rgb[(exact == 0) & self.grey_zero] = RULE
        rgb[exact == np.inf] = INFINITE
        rgb[exact == -np.inf] = MINUS_INFINITE
        return np.rint(rgb).astype(np.uint8)


def scale_of(values: Iterable[NDArray[Any]], bounds: tuple[float, float]) -> Scale:
    """The scale from the smallest to the largest value within bounds, if there is any.

    Bounds exclude values that no map holds, such as the start value of a maximum over nothing.
    """
    found = np.concatenate([np.ravel(v) for v in values])
    found = found[(found >= bounds[0]) & (found <= bounds[1])]
    return Scale(float(found.min()), float(found.max())) if found.size else Scale(np.nan, np.nan)


def bounds_of(values: NDArray[Any]) -> tuple[float, float]:
    """The smallest and the largest finite value, counting 0 too, which operators may give."""
    finite = values[np.isfinite(values)]
    return float(finite.min(initial=0.0)), float(finite.max(initial=0.0))


def scale_of_difference(difference: NDArray[Any]) -> Scale:
    """Blue to red, with white at 0."""
    finite = difference[np.isfinite(difference)]
    most = float(np.abs(finite).max(initial=0.0))
    return Scale(-most, most, signed=True)


def readable_on(background: NDArray[np.uint8]) -> Colour:
    """Ink or white, whichever has the higher contrast ratio (WCAG 2) with an (R, G, B)."""
    here = _luminance(background) + _FLARE
    return INK if here**2 > (_luminance(INK) + _FLARE) * (1 + _FLARE) else PAPER


def _luminance(colour: Iterable[float]) -> float:
    red, green, blue = (
        (v / 255 / 12.92) if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4
        for v in map(float, colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
