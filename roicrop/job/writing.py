"""Pooled rows on their way to a file."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Literal

import numpy as np

from roicrop.crews import AtOnce
from roicrop.job.on_map import Features, Rows
from roicrop.outputs import Writer

Reduce = Literal["mean", "max"]


class Writing:
    """Writes pooled rows on a thread of its own, from two buffers that take turns.

    most: how many rows a buffer holds. progress: called with how many have been written.
    reduce: how the bins of each box become a vector of its channels; None keeps the bins.
    non_finite: the number of values that are NaN or infinite; known when the block ends.
    """

    def __init__(
        self,
        row: tuple[int, ...],
        most: int,
        computed: np.dtype[Any],
        output: Writer,
        dtype: np.dtype[Any],
        progress: Callable[[int], object],
        reduce: Reduce | None = None,
        bins: tuple[int, int] = (2, 3),
        beside: bool = True,
    ) -> None:
        """row, computed: shape and dtype of a pooled box. dtype: of the output.

        bins: the axes that are reduced. beside: False writes on the caller's thread.
        """
        self.most = most
        self.non_finite = 0
        self._output, self._dtype, self._progress = output, dtype, progress
        self._reduce, self._bins = reduce, bins
        self._free = deque(np.empty((most, *row), computed) for _ in range(1 + beside))
        self._filled: list[tuple[Rows, Sequence[Future[None]]]] = []
        self._used = 0
        self._writes: deque[tuple[Future[int], int, Features]] = deque()
        self._thread: Executor = ThreadPoolExecutor(1, "roicrop-write") if beside else AtOnce()

    def __enter__(self) -> Writing:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            self._write()
        while error is None and self._writes:
            self._await_write()
        stopped = error is not None and not isinstance(error, Exception)
        self._thread.shutdown(wait=not stopped, cancel_futures=error is not None)

    def rooms(self, rows: Rows) -> Iterator[tuple[Rows, Features]]:
        """Parts of some rows, each with the buffer to put it in, until all are placed.

        Rows of one call stay together as far as a buffer holds them. Call `fill` after each part.
        """
        while len(rows):
            if self._used and self._used + len(rows) > self.most:
                self._write()
            if not self._free:
                self._await_write()
            part, rows = rows[: self.most], rows[self.most :]
            yield part, self._free[0][self._used : self._used + len(part)]

    def fill(self, rows: Rows, by: Sequence[Future[None]]) -> None:
        """Note that the buffer for these rows, the latest given, is full when `by` are done."""
        self._filled.append((rows, by))
        self._used += len(rows)

    def _write(self) -> None:
        """Start to write the current buffer as soon as it is full."""
        if self._filled:
            rows = np.concatenate([some for some, _ in self._filled])
            futures = [future for _, by in self._filled for future in by]
            buffer = self._free.popleft()
            self._filled, self._used = [], 0
            write = self._thread.submit(self._put, rows, buffer, futures)
            self._writes.append((write, len(rows), buffer))

    def _put(self, rows: Rows, buffer: Features, futures: Sequence[Future[None]]) -> int:
        for future in futures:
            future.result()
        with np.errstate(over="ignore"):  # a value too large for `dtype` is infinite, and counted
            values = self._reduced(buffer[: len(rows)]).astype(self._dtype, copy=False)
        falls = (np.flatnonzero(np.diff(rows) < 0) + 1).tolist()
        for start, end in zip([0, *falls], [*falls, len(rows)], strict=True):
            self._output.write(rows[start:end], values[start:end])
        return int(values.size - np.count_nonzero(np.isfinite(values)))

    def _reduced(self, pooled: Features) -> Features:
        if self._reduce is None:
            return pooled
        with np.errstate(invalid="ignore"):
            values: Features = (
                pooled.max(axis=self._bins)
                if self._reduce == "max"
                else pooled.mean(axis=self._bins, dtype=np.result_type(pooled, np.float32))
            )
        return values

    def _await_write(self) -> None:
        write, count, buffer = self._writes.popleft()
        self.non_finite += write.result()
        self._progress(count)
        self._free.append(buffer)
