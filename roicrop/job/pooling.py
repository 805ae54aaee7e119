"""Pool every box of a job, on all processors, within the memory that may be used.

    parts ──▶ blocks of channels, one per thread: read, unpack, pool ──▶ rows ──▶ the writer

No queue lies between reading and pooling: a thread pools the channels that it has just unpacked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roicrop.arguments import default_threads
from roicrop.crews import AtOnce
from roicrop.job.memory import Memory, shares
from roicrop.job.on_map import Features, Rows
from roicrop.job.parts import Limits, Part, parts_of
from roicrop.job.writing import Reduce, Writing
from roicrop.operators import WindowCrop
from roicrop.outputs import Writer

if TYPE_CHECKING:
    from roicrop.job.job import Job


def pool_all(
    job: Job,
    output: Writer,
    dtype: np.dtype[Any],
    progress: Callable[[int], object],
    reduce: Reduce | None = None,
) -> int:
    """Pool every box of a job and write it in its row; returns the number of non-finite values.

    dtype: of the output. progress: called with the number of boxes written since the last call.
    reduce: how the bins of each box become a vector of its channels; None keeps the bins.

    Raises what reading, pooling and writing raise, and BoxError or ArgumentError if there is too
    little memory.
    """
    threads = job.request.threads or default_threads()
    limits = _limits(job, threads)
    memory = Memory(limits.memory, threads)
    images = min(job.images_read, 2)  # in progress at a time
    with (
        Writing(
            job.pooled_shape[1:],
            limits.rows,
            job.source.dtype,
            output,
            dtype,
            progress,
            reduce,
            (1, 2) if job.source.channels_last else (2, 3),
            beside=threads > 1,
        ) as to,
        _threads(threads, memory) as pool,
    ):
        for part in parts_of(job, limits):
            each = max(1, threads // (len(part.blocks) * images))
            uses = -(-len(part.rows) // limits.rows)
            blocks = [_Block(job, part, block, memory, uses, each) for block in part.blocks]
            for rows, room in to.rooms(part.rows):
                crops = _crops(job, part, rows)  # the same for all blocks
                to.fill(rows, [pool.submit(block.pool, crops, room) for block in blocks])
    return to.non_finite


_Crop = tuple[int, slice, WindowCrop]  # map's number in the window; rows of the output; its boxes


def _crops(job: Job, part: Part, rows: Rows) -> list[_Crop]:
    """Some boxes of a part, map by map, on the images of its window."""
    crops, first = [], 0
    for placed in job.placed(rows):
        number = part.numbers[placed.map] - part.span[0].start
        crops.append((number, slice(first, first + len(placed)), placed.window_crop()))
        first += len(placed)
    return crops


def _limits(job: Job, threads: int) -> Limits:
    row = math.prod(job.pooled_shape[1:]) * job.source.dtype.itemsize
    windows, rows = shares(job.memory, threads, row)
    return Limits(windows, threads, min(rows, len(job)))


class _Block:
    """Some channels of the window of a part, read when they are first needed."""

    def __init__(
        self, job: Job, part: Part, channels: slice, memory: Memory, uses: int, threads: int
    ) -> None:
        """uses: how often `pool` will be called; after that the block is freed."""
        self._job, self._part, self._channels = job, part, channels
        self._memory, self._uses, self._threads = memory, uses, threads
        self._reading = memory.threads(part.bytes(channels), part.windows.spare, threads)
        self._lock = Lock()
        self._buffer: NDArray[np.uint8] | None = None
        self._window: Features | None = None

    def pool(self, crops: Sequence[_Crop], out: Features) -> None:
        """Pool some boxes of the part. out: (n, C, PH, PW), or (n, PH, PW, C), all channels."""
        try:
            window = self._read()
            if self._job.source.channels_last:
                out = out.transpose(0, 3, 1, 2)
            out, place = out[:, self._part.pooled_from(self._channels)], self._part.place
            for number, rows, crop in crops:
                crop.pool(window[number], out[rows], threads=self._threads, **place)
        finally:
            self._used()

    def _read(self) -> Features:
        part, spare = self._part, self._part.windows.spare * self._reading
        with self._lock:
            if self._window is None:
                self._buffer = buffer = self._memory.take(part.bytes(self._channels), spare)
                try:
                    with _mapping(self._reading) as each:
                        self._window = part.read(self._channels, buffer, each)
                except BaseException:
                    self._memory.lift()  # no thread may wait for memory that is never returned
                    raise
                self._memory.give_leave(spare)
            return self._window

    def _used(self) -> None:
        with self._lock:
            self._uses -= 1
            if not self._uses and self._buffer is not None:
                self._memory.give(self._buffer)
                self._window = self._buffer = None


@contextmanager
def _threads(count: int, memory: Memory) -> Iterator[Executor]:
    """Threads whose work is all done when the `with` block ends, or cancelled if it fails.

    Stopping the program does not wait for work that cannot be cancelled. A lone thread is the
    caller's own.
    """
    if count == 1:
        yield AtOnce()
        return
    pool = ThreadPoolExecutor(count, "roicrop")
    try:
        yield pool
    except BaseException as error:
        memory.lift()  # cancelled work returns no memory
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown(wait=True)


@contextmanager
def _mapping(threads: int) -> Iterator[Callable[..., Any]]:
    """`map`, on several threads if there are more than one."""
    if threads == 1:
        yield map
    else:
        with ThreadPoolExecutor(threads, "roicrop-read") as pool:
            yield pool.map
