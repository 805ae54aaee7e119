"""What values are like, in a few numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST_VALUES: Final = 1 << 20  # in a sample
_PIECE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Values:
    """What the values that were looked at are like.

    looked_at: how many, of how many there are.
    minimum, mean, maximum: of the finite ones; None where there is none.
    nan, infinite: how many are not.
    """

    looked_at: int
    of: int
    minimum: float | None
    mean: float | None
    maximum: float | None
    nan: int
    infinite: int

    @property
    def is_sample(self) -> bool:
        """Whether there are values that were not looked at."""
        return self.looked_at < self.of

    def odd(self) -> Iterator[str]:
        """What features seldom are: not finite, or all the same."""
        sampled = " sampled" * self.is_sample
        for count, what in ((self.nan, "NaN"), (self.infinite, "infinite")):
            if count:
                verb = "is" if count == 1 else "are"
                yield f"{count:,} of {self.looked_at:,} values{sampled} {verb} {what}"
        if self.looked_at > 1 and self.minimum is not None and self.minimum == self.maximum:
            yield f"every finite value{sampled} is {self.minimum:g}"


def summarise(blocks: Iterable[NDArray[Any]], *, of: int) -> Values:
    """What the values of these blocks are like; there are `of` in all."""
    looked_at = nan = infinite = finite = 0
    total, low, high = 0.0, math.inf, -math.inf
    for values in _in_pieces(blocks):
        good = values[np.isfinite(values)]
        looked_at += values.size
        finite += good.size
        nan += int(np.isnan(values).sum())
        infinite += int(np.isinf(values).sum())
        with np.errstate(over="ignore"):
            total += float(good.sum())
        low = float(good.min(initial=low))
        high = float(good.max(initial=high))
    if not finite:
        return Values(looked_at, of, None, None, None, nan, infinite)
    return Values(looked_at, of, low, total / finite, high, nan, infinite)


def _in_pieces(blocks: Iterable[NDArray[Any]]) -> Iterator[NDArray[np.float64]]:
    """The values as float64, so few at a time that it matters little how wide that is."""
    for block in blocks:
        flat = block.reshape(-1)
        for start in range(0, flat.size, _PIECE):
            with np.errstate(invalid="ignore"):  # of NaN that signal
                values = flat[start : start + _PIECE].astype(np.float64)
            yield values
