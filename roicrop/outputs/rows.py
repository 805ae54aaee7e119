"""Writing pooled rows to their place in a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from roicrop.outputs.content import Array, Content
from roicrop.outputs.replacing import written


class Writer(Protocol):
    """Writes pooled rows to an open output file."""

    def write(self, rows: NDArray[np.int64], pooled: Array) -> None:
        """Store pooled boxes; any number of calls in any order.

        rows: (n,) ascending row numbers.
        pooled: (n, …) those rows, shaped as the spec says.

        Raises OutputError if the system refuses.
        """


class BlockWriter:
    """A writer of rows that lie one after another in a file, from `offset` on."""

    def __init__(self, file: io.FileIO, offset: int, content: Content) -> None:
        self._file, self._offset, self._content = file, offset, content

    def write(self, rows: NDArray[np.int64], pooled: Array) -> None:
        """Store pooled boxes: see `Writer`."""
        spec = self._content.spec
        values = converted(pooled, spec.dtype)
        with written(self._content.path):
            for run in runs(rows):
                self._file.seek(self._offset + int(rows[run.start]) * spec.row_bytes)
                write_all(self._file.write, values[run].data.cast("B"))


def converted(pooled: Array, dtype: np.dtype[Any]) -> Array:
    """The array, contiguous and in the dtype in which it is stored."""
    with np.errstate(over="ignore"):  # a number too large for the type becomes infinity
        return np.ascontiguousarray(pooled, dtype=dtype)


def runs(rows: NDArray[np.int64]) -> Iterator[slice]:
    """The longest slices of `rows` that count up by one."""
    if len(rows):
        breaks = (np.flatnonzero(np.diff(rows) != 1) + 1).tolist()
        for start, stop in zip([0, *breaks], [*breaks, len(rows)], strict=True):
            yield slice(start, stop)


def write_all(write: Callable[[memoryview], int], data: memoryview) -> None:
    """Write all of the data, however little the system accepts at a time."""
    while data:
        data = data[write(data) :]
