"""Boxes in parts that are read and pooled together, so that little is read twice.

A part is a window of the map of an image, or of the images that share chunks. It is worked through
by blocks of channels, so that little of it is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.errors import BoxError
from roicrop.features import Windows
from roicrop.job.on_map import Features, Placed, Rows

if TYPE_CHECKING:
    from roicrop.job.job import Job
    from roicrop.sampling import Plan

Span = tuple[slice, slice, slice]  # images, rows and columns of the maps of a dataset


@dataclass(frozen=True, slots=True)
class Limits:
    """What parts may take.

    memory: bytes of windows, and of what it takes to read them, in all.
    threads: how many blocks may be in work at a time.
    rows: how many boxes may be pooled before the first of them is written.
    """

    memory: int
    threads: int
    rows: int

    def allow(self, windows: Windows, span: Span, count: int) -> bool:
        """Whether so many boxes can be pooled from one window, each of its chunks read once."""
        one = _bytes(windows, span, windows.piece[1])
        if count <= self.rows:
            return one * self.threads <= self.memory
        return _bytes(windows, span, windows.shape[1]) + one * self.threads <= self.memory // 2


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some boxes, and the window of the maps that holds every cell they read.

    rows: (n,) in the job; those of an image stand together, and ascend.
    windows: the maps of the dataset that these are in; numbers: in it, by their numbers in the
        job's source.
    span: the window, of the images from the first to the last.
    wanted: the pieces of the window that have a cell which is read.
    channels: how many a block has.
    """

    rows: Rows
    windows: Windows
    numbers: dict[int, int]
    span: Span
    wanted: NDArray[np.bool_]
    channels: int

    @property
    def blocks(self) -> list[slice]:
        """The blocks of channels."""
        every = self.windows.shape[1]
        return [slice(c, min(c + self.channels, every)) for c in range(0, every, self.channels)]

    def read(self, block: slice, buffer: NDArray[np.uint8], each: Callable[..., Any]) -> Features:
        """(N, C, h, w) a block of the window, in a buffer. each: `map`, or that of threads."""
        images, height, width = self.span
        return self.windows.read(images, block, height, width, buffer, self.wanted, each)

    def bytes(self, block: slice) -> int:
        """What a block takes; reading it takes `windows.spare` more."""
        return self.windows.bytes(*_shape(self.span, block.stop - block.start))


def parts_of(job: Job, limits: Limits) -> Iterator[Part]:
    """Every box of a job that is pooled, once.

    BoxError for one that reads more cells than there is memory for.
    """
    for boxes in _sharing_chunks(job):
        if limits.allow(boxes.windows, boxes.everything, len(boxes.rows)):
            yield _part(boxes, limits, is_whole=True)
        else:
            extents = np.concatenate([plan.extent() for plan in boxes.plans()])
            for some in _split(boxes, extents, np.arange(len(extents)), limits):
                yield _part(boxes.take(some), limits, is_whole=False)


_BLOCK_BYTES: Final = 4 << 20  # of a window, if no piece is larger: more would leave the cache
_PLANNED: Final = 1024  # boxes at a time


@dataclass(frozen=True, slots=True, eq=False)
class _Boxes:
    """Boxes on maps that have chunks in common, as in `Part`; numbers: (n,) each box's image."""

    job: Job
    windows: Windows
    rows: Rows
    numbers: NDArray[np.intp]

    @property
    def everything(self) -> Span:
        """The whole maps."""
        _, _, height, width = self.windows.shape
        return self.images, slice(0, height), slice(0, width)

    @property
    def images(self) -> slice:
        """Those from the first to the last."""
        return slice(int(self.numbers[0]), int(self.numbers[-1]) + 1)

    def take(self, some: NDArray[np.intp]) -> _Boxes:
        """Some of them, which ascend."""
        return _Boxes(self.job, self.windows, self.rows[some], self.numbers[some])

    def plans(self) -> Iterator[Plan]:
        """Their plans, some boxes at a time."""
        for placed in self.job.placed(self.rows):
            for start in range(0, len(placed), _PLANNED):
                yield placed.take(placed.rows[start : start + _PLANNED]).plan()


def _sharing_chunks(job: Job) -> Iterator[_Boxes]:
    rows: list[Rows] = []
    numbers: list[NDArray[Any]] = []
    latest: tuple[Windows, int] | None = None
    for placed in _in_order(job):
        windows, number = job.source.windows(placed.map)
        chunk = windows, number // windows.piece[0]
        if latest not in (None, chunk):
            yield _Boxes(job, latest[0], np.concatenate(rows), np.concatenate(numbers))
            rows, numbers = [], []
        latest = chunk
        rows.append(placed.rows)
        numbers.append(np.full(len(placed), number))
    if latest:
        yield _Boxes(job, latest[0], np.concatenate(rows), np.concatenate(numbers))


def _in_order(job: Job) -> list[Placed]:
    """The maps as they are numbered, but level by level where the images of one share chunks."""
    levels = job.source.levels

    def level(placed: Placed) -> int:
        shared = levels > 1 and job.source.windows(placed.map)[0].piece[0] > 1
        return placed.map % levels if shared else 0

    return sorted(job.placed(), key=level)


def _part(boxes: _Boxes, limits: Limits, *, is_whole: bool) -> Part:
    """The smallest window that has all cells; whole maps where they are wanted, and `is_whole`."""
    windows, piece = boxes.windows, boxes.windows.piece[2:4]
    span = boxes.everything
    wanted = np.zeros(windows.grid(*span[1:]), dtype=bool)
    if is_whole and wanted.size == 1:
        wanted[:] = True
    else:
        extents = []
        for plan in boxes.plans():
            wanted |= plan.tiles(piece)
            extents.append(plan.extent())
            if is_whole and wanted.all():
                break
        else:
            span = _span(boxes.numbers, np.concatenate(extents))
            rows, columns = (
                slice(run.start // p, -(-run.stop // p))
                for run, p in zip(span[1:], piece, strict=True)
            )
            wanted = wanted[rows, columns]
    one = _bytes(windows, span, windows.piece[1])
    pieces = max(1, _BLOCK_BYTES // one)
    channels = min(windows.piece[1] * pieces, windows.shape[1])
    if one > limits.memory:
        channels = _channels_of_one(boxes, span, limits)
    maps = boxes.job.map_index[boxes.rows].tolist()
    numbers = dict(zip(maps, boxes.numbers.tolist(), strict=True))
    return Part(boxes.rows, windows, numbers, span, wanted, channels)


def _channels_of_one(boxes: _Boxes, span: Span, limits: Limits) -> int:
    """How many channels of the window of one box there is memory for."""
    least, two = (_bytes(boxes.windows, span, count) for count in (1, 2))
    if least > limits.memory:
        _, _, height, width = _shape(span, 1)
        raise BoxError(
            f"{boxes.job.where(int(boxes.rows[0]))} reads from {height:,}×{width:,} cells of its "
            f"map, which takes {least:,} bytes for one channel: {limits.memory:,} are left of "
            "--memory, so give more"
        )
    return 1 + (limits.memory - least) // (two - least)


def _split(
    boxes: _Boxes, extents: NDArray[Any], some: NDArray[np.intp], limits: Limits
) -> Iterator[NDArray[np.intp]]:
    """Boxes that there is memory for at a time: neighbours, as far as may be."""
    numbers = boxes.numbers[some]
    span = _span(numbers, extents[some])
    if len(some) == 1 or limits.allow(boxes.windows, span, len(some)):
        yield some
        return
    if numbers[0] < numbers[-1]:
        where = numbers
    else:
        _, _, height, width = _shape(span, 1)
        along = slice(0, 2) if height > width else slice(2, 4)
        where = extents[some, along].sum(axis=1)
    order = np.argsort(where, kind="stable")
    for half in np.split(order, [len(order) // 2]):
        yield from _split(boxes, extents, some[np.sort(half)], limits)


def _span(numbers: NDArray[np.intp], extents: NDArray[Any]) -> Span:
    """The smallest window that holds what boxes read, and one cell if that is nothing."""
    reads = extents[extents[:, 1] > 0]
    if not len(reads):
        reads = np.array([[0, 1, 0, 1]])
    top, left = reads[:, [0, 2]].min(axis=0).tolist()
    bottom, right = reads[:, [1, 3]].max(axis=0).tolist()
    images = slice(int(numbers[0]), int(numbers[-1]) + 1)
    return images, slice(top, bottom), slice(left, right)


def _bytes(windows: Windows, span: Span, channels: int) -> int:
    """What some channels take, and reading them."""
    return windows.bytes(*_shape(span, channels)) + windows.spare


def _shape(span: Span, channels: int) -> tuple[int, int, int, int]:
    images, height, width = (int(run.stop) - int(run.start) for run in span)
    return images, channels, height, width
