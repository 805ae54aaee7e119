"""Arrays of rows that differ in length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


def ragged(lengths: Int) -> tuple[Int, Int]:
    """Rows of the given lengths, flattened: the row and the place in it of every entry."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    return row, np.arange(len(row)) - pointers(lengths)[row]


def pointers(lengths: NDArray[Any]) -> Int:
    """Where each of some rows begins, and where the last one ends."""
    ptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=ptr[1:])
    return ptr
