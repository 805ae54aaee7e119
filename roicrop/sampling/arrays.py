"""Arrays of rows that differ in length, and rounding to integers as C does it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


def ragged(lengths: Int) -> tuple[Int, Int]:
    """For rows of the given lengths, flattened: each entry's row, and its place in the row."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    return row, np.arange(len(row)) - pointers(lengths)[row]


def pointers(lengths: NDArray[Any]) -> Int:
    """Where each of some rows begins, and where the last one ends."""
    ptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=ptr[1:])
    return ptr


def round_half_away(v: Float) -> Int:
    """Integers rounded as by C's round()."""
    return whole(rounded_half_away(v))


def rounded_half_away(v: Float) -> Float:
    """Floats rounded as by C's round()."""
    towards_zero = np.trunc(v)
    rounded: Float = towards_zero + np.copysign(np.abs(v - towards_zero) >= 0.5, v)
    return rounded.astype(v.dtype, copy=False)


def round_half_even(v: Float) -> Int:
    """Integers rounded as by NumPy and PyTorch."""
    return whole(np.rint(v))


def whole(v: Float) -> Int:
    """Integers, clamped to the range of a C int."""
    return np.clip(v, -_MOST, _MOST).astype(np.int64)


_MOST: Final = 2**31 - 1  # the frameworks count in a C int
