"""Boxes in parts, each read and pooled together, so that little is read twice.

A part is a window of the map of an image, or of several images that share chunks. It is processed
in blocks of channels, so that little of it is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.chunks import Lines, Windows, count_of
from roicrop.errors import BoxError
from roicrop.files.columns import in_blocks
from roicrop.job.on_map import Features, OnMap, Placed, Rows, hull, with_margin

if TYPE_CHECKING:
    from roicrop.job.job import Job

Span = tuple[slice, Lines, Lines]  # images, rows and columns of the maps of a dataset


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits on parts.

    memory: bytes in total for windows and for reading them.
    threads: how many blocks may be in progress at a time.
    rows: how many boxes may be pooled before the first of them is written.
    """

    memory: int
    threads: int
    rows: int

    def allow(self, windows: Windows, span: Span, count: int) -> bool:
        """Whether `count` boxes can be pooled from one window, reading each of its chunks once."""
        one = _bytes(windows, span, windows.piece[1])
        if count <= self.rows:
            return one * self.threads <= self.memory
        # Until the last of them is pooled the next part may be read, which can be as large.
        return _bytes(windows, span, windows.shape[1]) + one * self.threads <= 0.4 * self.memory


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some boxes, and the window of the maps that holds every cell they read.

    The window of a large box that reads few cells has only the rows and columns that it reads.

    rows: (n,) in the job; those of an image are together, and ascend.
    windows: the dataset that the maps are in; numbers: a map's number in the job's source → its
        number in the dataset.
    span: the window, for the images from the first to the last.
    wanted: the pieces of the window with a cell that is read; None means all.
    channels: how many a block has; pooled: how many of them a channel of the output takes.
    """

    rows: Rows
    windows: Windows
    numbers: dict[int, int]
    span: Span
    wanted: NDArray[np.bool_] | None
    channels: int
    pooled: int = 1

    @property
    def blocks(self) -> list[slice]:
        """The blocks of channels to read, as slices."""
        every = self.windows.shape[1]
        each = -(-self.channels // self.pooled) * self.pooled
        return [slice(c, min(c + each, every)) for c in range(0, every, each)]

    def pooled_from(self, block: slice) -> slice:
        """The channels of the output that are pooled from a block."""
        return slice(block.start // self.pooled, block.stop // self.pooled)

    def read(self, block: slice, buffer: NDArray[np.uint8], each: Callable[..., Any]) -> Features:
        """(N, C, h, w) a block of the window, in a buffer. each: `map`, or a thread pool's."""
        images, height, width = self.span
        return self.windows.read(images, block, height, width, buffer, self.wanted, each)

    @property
    def place(self) -> dict[str, Any]:
        """Where the window is on the map, as `kernels.crop` takes it."""
        _, height, width = self.span
        if isinstance(height, slice) and isinstance(width, slice):
            return {"origin": (height.start, width.start)}
        size = self.windows.shape[2:]
        return {"places": tuple(map(_places, (height, width), size))}

    def bytes(self, block: slice) -> int:
        """The bytes of a block; reading it takes `windows.spare` more."""
        return self.windows.bytes(*_shape(self.span, block.stop - block.start))


def parts_of(job: Job, limits: Limits) -> Iterator[Part]:
    """The parts of a job: every box that is pooled is in one of them.

    BoxError for a box that reads more cells than there is memory for.
    """
    for boxes in _sharing_chunks(job):
        for some in _split(boxes, limits):
            yield _part(some, limits)


def around(placed: Placed, memory: int, beside: float) -> Iterator[OnMap]:
    """Boxes on a map too large to be read whole, some at a time, with a window around them.

    memory: bytes for all channels of a window. beside: how much is read around a box, as a part of
    its longer side. BoxError for a box whose window takes more memory.
    """
    source, size = placed.job.source, placed.job.source.map_size(placed.map)
    windows, number = source.windows(placed.map)
    bounds = with_margin(placed.plan().bounds(), size, beside)
    boxes = _Boxes(placed.job, windows, placed.rows, np.full(len(placed), number), bounds)
    for some in _split(boxes, Limits(memory, threads=1, rows=0)):
        needed = _bytes(windows, some.span, windows.shape[1])
        if needed > memory:
            raise BoxError(
                f"{placed.job.where(int(some.rows[0]))} reads from a part of its map that takes "
                f"{needed:,} bytes, and {memory:,} are left: give more --memory, or choose "
                "other boxes"
            )
        _, height, width = some.span
        assert isinstance(height, slice)
        assert isinstance(width, slice)
        features = source.read(placed.map, height, width)
        yield OnMap(placed.job, placed.map, some.rows, features, (height.start, width.start))


_BLOCK_BYTES: Final = 8 << 20  # of a window, if no piece is larger; each block costs about 0.5 ms
_TOGETHER: Final = 1 << 16  # boxes that are planned at a time
_BEYOND: Final = 4  # cells by which `Plan.bounds` may exceed what a box reads
_PLANNED: Final = 1024  # boxes planned at a time, with every sample
_SPARSE: Final = 4  # a window with over this many times the pieces its boxes read is sparse


@dataclass(frozen=True, slots=True, eq=False)
class _Boxes:
    """Boxes on maps that have chunks in common, as in `Part`.

    numbers: (n,) each box's map in the dataset. bounds: (n, 4) as in `Plan.bounds`.
    """

    job: Job
    windows: Windows
    rows: Rows
    numbers: NDArray[np.intp]
    bounds: NDArray[np.int64]

    @property
    def span(self) -> Span:
        """The smallest window that is sure to hold every cell they read."""
        top, bottom, left, right = hull(self.bounds)
        images = slice(int(self.numbers[0]), int(self.numbers[-1]) + 1)
        return images, slice(top, bottom), slice(left, right)

    @property
    def pieces(self) -> NDArray[np.int64]:
        """(n, 4) the bounds in pieces."""
        _, _, height, width = self.windows.piece
        top, bottom, left, right = self.bounds.T
        pieces = top // height, -(-bottom // height), left // width, -(-right // width)
        return np.stack(pieces, axis=1)

    def take(self, some: NDArray[np.intp]) -> _Boxes:
        """Some of the boxes, given in ascending order."""
        rows, numbers, bounds = self.rows[some], self.numbers[some], self.bounds[some]
        return _Boxes(self.job, self.windows, rows, numbers, bounds)


def _sharing_chunks(job: Job) -> Iterator[_Boxes]:
    found: list[tuple[Placed, int]] = []
    latest: tuple[Windows, int] | None = None
    count = 0
    for placed in _in_order(job):
        windows, number = job.source.windows(placed.map)
        chunk = windows, number // windows.piece[0]
        if latest is not None and (latest != chunk or count + len(placed) > _TOGETHER):
            yield _together(job, latest[0], found)
            found, count = [], 0
        latest = chunk
        count += len(placed)
        found.append((placed, number))
    if latest:
        yield _together(job, latest[0], found)


def _together(job: Job, windows: Windows, found: list[tuple[Placed, int]]) -> _Boxes:
    numbers = [np.full(len(placed), number) for placed, number in found]
    for placed, _ in found:
        placed.check_range()
    rows, bounds = [p.rows for p, _ in found], [p.plan().bounds() for p, _ in found]
    return _Boxes(job, windows, *map(np.concatenate, (rows, numbers, bounds)))


def _in_order(job: Job) -> Iterator[Placed]:
    """The maps by number, but level by level where a level's images share chunks.

    A map with very many boxes is yielded with some of them at a time.
    """
    levels, maps = job.source.levels, job.frames.maps.tolist()
    if len(maps) == 1:  # usual for millions of boxes, whose rows would take memory
        for some in in_blocks(len(job)):
            rows = np.flatnonzero(job.is_pooled[some]) + some.start
            if len(rows):
                yield Placed(job, maps[0], rows)
        return

    def level(n: int) -> int:
        shared = levels > 1 and job.source.windows(maps[n])[0].piece[0] > 1
        return maps[n] % levels if shared else 0

    rows, ends = _sorted_by_map(job)
    for n in sorted(range(len(maps)), key=level):
        its = rows[ends[n - 1] if n else 0 : ends[n]]
        for first in range(0, len(its), _TOGETHER):
            yield Placed(job, maps[n], its[first : first + _TOGETHER].astype(np.intp))


def _sorted_by_map(job: Job) -> tuple[NDArray[np.integer[Any]], list[int]]:
    """The rows that are pooled, by their maps, ascending in each; and where each map's end.

    Rows are counted, then put in their place, some at a time: sorting would take more memory.
    """
    of_box, count = job.frames.of_box, len(job.frames)

    def blocks() -> Iterator[tuple[NDArray[np.intp], NDArray[np.integer[Any]]]]:
        for some in in_blocks(len(job)):
            rows = np.flatnonzero(job.is_pooled[some]) + some.start
            yield rows, of_box[rows]

    ends = sum((np.bincount(maps, minlength=count) for _, maps in blocks()), np.zeros(count, int))
    ends = np.cumsum(ends)
    place = np.append(0, ends)
    found = np.empty(place[-1], np.int32 if len(job) < 2**31 else np.int64)
    for rows, maps in blocks():
        order = np.argsort(maps, kind="stable")
        rows, maps = rows[order], maps[order]
        rank = np.arange(len(maps)) - np.searchsorted(maps, maps)
        found[place[maps] + rank] = rows
        place[:-1] += np.bincount(maps, minlength=count)
    return found, ends.tolist()


def _split(boxes: _Boxes, limits: Limits) -> Iterator[_Boxes]:
    """The boxes, as many at a time as there is memory for: neighbours together if possible."""
    span = boxes.span
    fits = limits.allow(boxes.windows, span, len(boxes.rows))
    if len(boxes.rows) == 1 or (fits and not _is_sparse(boxes, span)):
        yield boxes
        return
    if boxes.numbers[0] < boxes.numbers[-1]:
        where = boxes.numbers
    else:
        _, _, height, width = _shape(span, 1)
        corners = boxes.bounds[:, :2] if height > width else boxes.bounds[:, 2:]
        where = corners.sum(axis=1)
    order = np.argsort(where, kind="stable")
    for half in np.split(order, [len(order) // 2]):
        yield from _split(boxes.take(np.sort(half)), limits)


def _is_sparse(boxes: _Boxes, span: Span) -> bool:
    """Whether no box reads most of a large window."""
    if _bytes(boxes.windows, span, boxes.windows.piece[1]) <= _BLOCK_BYTES:
        return False
    top, bottom, left, right = boxes.pieces.T
    whole = (bottom.max() - top.min()) * (right.max() - left.min())
    return bool(whole > _SPARSE * ((bottom - top) * (right - left)).sum())


def _part(boxes: _Boxes, limits: Limits) -> Part:
    windows, span = boxes.windows, boxes.span
    whole_rows = (span[0], span[1], slice(0, windows.shape[3]))
    if windows.in_rows and limits.allow(windows, whole_rows, len(boxes.rows)):
        span = whole_rows  # quicker to read than parts of rows
    one = _bytes(windows, span, windows.piece[1])
    if one > _BLOCK_BYTES and len(boxes.rows) == 1 and windows.gathers:
        (placed,) = boxes.job.placed(boxes.rows)
        lines: Span = (span[0], *placed.plan().lines())
        crossings = _bytes(windows, lines, windows.piece[1])
        if crossings < one // _SPARSE:
            span, one = lines, crossings
    if one > limits.memory:
        channels = _channels_of_one(boxes, span, limits)
    else:
        pieces = max(1, min(_BLOCK_BYTES, limits.memory // limits.threads) // one)
        blocks = -(-windows.shape[1] // (windows.piece[1] * pieces))
        # All of one size, so that buffers can be reused.
        each = -(-windows.shape[1] // (windows.piece[1] * blocks))
        channels = min(windows.piece[1] * each, windows.shape[1])
    maps = boxes.job.map_index[boxes.rows].tolist()
    numbers = dict(zip(maps, boxes.numbers.tolist(), strict=True))
    job = boxes.job
    pooled = job.convention.own_channels(job.request.output_size)
    wanted = _wanted(boxes) if isinstance(span[1], slice) else None
    return Part(boxes.rows, windows, numbers, span, wanted, channels, pooled)


def _wanted(boxes: _Boxes) -> NDArray[np.bool_]:
    """The pieces of the window with a cell that is read."""
    pieces = boxes.pieces
    top, left = pieces[:, [0, 2]].min(axis=0)
    bottom, right = pieces[:, [1, 3]].max(axis=0)
    wanted = np.zeros((bottom - top, right - left), dtype=bool)
    if wanted.size == 1 or _plainly_all(boxes, wanted.shape, (top, left)):
        return ~wanted
    pieces = pieces - [top, top, left, left]
    _, _, height, width = boxes.windows.piece
    remaining = np.arange(len(pieces))
    while len(remaining) and not wanted.all():
        some, remaining = remaining[:_PLANNED], remaining[_PLANNED:]
        for placed in boxes.job.placed(boxes.rows[some]):
            tiles = placed.plan().tiles((height, width))
            wanted |= tiles[top:bottom, left:right]
        # Skip boxes whose pieces are all wanted already.
        sums = np.pad(wanted, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
        y0, y1, x0, x1 = pieces[remaining].T
        count = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
        remaining = remaining[count < (y1 - y0) * (x1 - x0)]
    return wanted


def _plainly_all(boxes: _Boxes, shape: tuple[int, ...], first: tuple[int, int]) -> bool:
    """Whether every piece of a window is read, as far as that can be told without a plan."""
    inside = boxes.bounds + [_BEYOND, -_BEYOND] * 2
    read = []
    for axis, bins in enumerate(boxes.job.request.output_size):
        begin, end = inside[:, 2 * axis : 2 * axis + 2].T[..., np.newaxis]
        piece = boxes.windows.piece[2 + axis]
        number = first[axis] + np.arange(shape[axis])
        # Samples are no further apart than bins.
        is_dense = end - begin <= bins * piece
        read.append((begin < (number + 1) * piece) & (end > number * piece) & is_dense)
    return bool((read[0].T.astype(np.float32) @ read[1].astype(np.float32)).all())


def _channels_of_one(boxes: _Boxes, span: Span, limits: Limits) -> int:
    """How many channels of the window of one box there is memory for."""
    least, two = (_bytes(boxes.windows, span, count) for count in (1, 2))
    if least > limits.memory:
        _, _, height, width = _shape(span, 1)
        raise BoxError(
            f"{boxes.job.where(int(boxes.rows[0]))} reads from {height:,}×{width:,} cells of its "
            f"map, which takes {least:,} bytes for one channel, unpacked chunk included, and "
            f"{limits.memory:,} are left: give more --memory"
        )
    return 1 + (limits.memory - least) // (two - least)


def _bytes(windows: Windows, span: Span, channels: int) -> int:
    """The bytes that some channels take, and reading them."""
    return windows.bytes(*_shape(span, channels)) + windows.spare


def _places(lines: Lines, size: int) -> NDArray[np.int32]:
    """(size,) the position of each row or column of a map among these; −1 for the others."""
    places = np.full(size, -1, np.int32)
    places[lines] = np.arange(count_of(lines))
    return places


def _shape(span: Span, channels: int) -> tuple[int, int, int, int]:
    images, height, width = map(count_of, span)
    return images, channels, height, width
