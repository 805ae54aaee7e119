"""Reading parts of a dataset: its chunks are unpacked in the caller's threads, or by HDF5.

HDF5 does one thing at a time, unpacking included. For a chunk whose filters are known here, it only
has to hand over the stored bytes, which takes hardly any time. Everything else (virtual, compact or
external datasets, filters that are not in `filters.py`, missing chunks) is left to HDF5.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, product
from operator import getitem
from typing import Any, Final

import h5py
import numpy as np
from h5py._objects import phil
from numpy.typing import NDArray

from roicrop.chunks import filters
from roicrop.errors import FeatureError

Array = NDArray[Any]
Place = tuple[int, ...]
Region = tuple[slice, ...]

_PIECE_BYTES: Final = 4096  # in a dataset without chunks: what the disk would read anyway
# The last two come from a dataset that was never written: h5py asks for a size, and gets none.
_NOT_READ: Final = (RuntimeError, OSError, ValueError, MemoryError, SystemError)
_SLAB_BYTES: Final = 1 << 20  # converted at a time


class Pieces:
    """A dataset as a grid of pieces that any number of threads can read at once.

    piece: (d,) how many cells along each axis are read together: a chunk, or part of a row.
    piece_bytes: the memory that unpacking a piece takes, besides its place in the result.
    way: how they are read, in words.
    is_hdf5: whether the dataset is h5py's. is_chunked: whether it is stored in chunks.
    raw: whether chunks are unpacked here.
    """

    def __init__(
        self, dataset: Any, where: str, convert: Callable[[Array], Array] | None = None
    ) -> None:
        """Find out how a dataset is stored.

        dataset: an h5py dataset, or an array of a NumPy file. where: `file.h5::/path`, for
        messages. convert: turns stored values into numbers, if NumPy's conversion does not apply.
        """
        self._dataset, self._where, self._convert = dataset, where, convert
        self.shape: Place = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype
        self.is_hdf5 = isinstance(dataset, h5py.Dataset)
        self.is_chunked = dataset.chunks is not None
        self.piece: Place = dataset.chunks or (
            _some_of_a_row(dataset.shape, dataset.dtype.itemsize)
            if self.is_hdf5
            else (*(1 for _ in dataset.shape[:-2]), *dataset.shape[-2:])
        )
        self._chunk_bytes = math.prod(self.piece) * self.dtype.itemsize
        pipeline, why_not = _pipeline_of(dataset) if self.is_hdf5 else (None, "row by row")
        self._pipeline = pipeline
        self.raw = pipeline is not None
        self.way = f"chunk by chunk, {pipeline.way}" if pipeline else why_not
        self.piece_bytes: int = self._chunk_bytes * (1 + pipeline.rooms if pipeline else 1)
        self._undoing: dict[int, Callable[[Any], Any]] = {}  # by the mask of skipped filters
        self._local, self._lock = threading.local(), threading.Lock()

    def grid(self, start: Place, shape: Place) -> Place:
        """How many pieces along each axis hold cells of a part of the dataset."""
        return tuple(
            -(-(s + n) // p) - s // p for s, n, p in zip(start, shape, self.piece, strict=True)
        )

    def read(
        self,
        out: Array,
        start: Place,
        wanted: NDArray[np.bool_],
        each: Callable[[Callable[[Any], None], Iterable[Any]], Iterable[None]] = map,
    ) -> None:
        """Fill a part of the dataset as far as it is wanted; the rest of `out` stays as it is.

        out: the part, with any real dtype and strides. start: its first cell. wanted: which of its
        pieces, as in `grid`. each: `map`, or a thread pool's.

        Raises FeatureError for a damaged chunk, and whatever h5py raises.
        """
        first = tuple(s // p for s, p in zip(start, self.piece, strict=True))
        if self._pipeline is None:
            for region in runs(wanted):
                for part in self._slabs(self._cells(region, first, start, out.shape)):
                    self._read_region(out, start, part)
            return

        along = [
            [_part_of(range(i * p, (i + 1) * p), range(s, s + n)) for i in range(f, f + count)]
            for f, p, s, n, count in zip(
                first, self.piece, start, out.shape, wanted.shape, strict=True
            )
        ]

        def read_chunk(place: list[int]) -> None:
            at, inside, cells = zip(*map(getitem, along, place), strict=True)
            stored = self._stored(at)
            if stored is None:
                self._read_region(out, start, cells)
            else:
                self._put(out, cells, self._unpacked(at, *stored)[inside])

        for _ in each(read_chunk, np.argwhere(wanted).tolist()):
            pass

    def gather(
        self,
        out: Array,
        lines: Sequence[NDArray[np.int64]],
        each: Callable[[Callable[[Any], None], Iterable[Any]], Iterable[None]] = map,
    ) -> None:
        """Fill `out` with the cells where lines of the dataset cross, piece by piece.

        lines: along each axis, the indices that are wanted, ascending. each: as in `read`.
        """
        parts = [list(_by_piece(of, p)) for of, p in zip(lines, self.piece, strict=True)]

        def gather_piece(each_axis: tuple[tuple[int, slice], ...]) -> None:
            at = tuple(i * p for (i, _), p in zip(each_axis, self.piece, strict=True))
            place = tuple(run for _, run in each_axis)
            its = [of[run] for of, run in zip(lines, place, strict=True)]
            stored = self._stored(at) if self._pipeline else None
            if stored is not None:
                cells = self._unpacked(at, *stored)
            else:
                at = tuple(int(of[0]) for of in its)
                ends = (int(of[-1]) + 1 for of in its)
                cells = self._values(tuple(slice(a, end) for a, end in zip(at, ends, strict=True)))
            for axis, (of, first) in enumerate(zip(its, at, strict=True)):
                if len(of) < cells.shape[axis]:
                    cells = cells.take(of - first, axis)
            self._put(out, place, cells)

        for _ in each(gather_piece, product(*parts)):
            pass

    def _cells(self, region: Region, first: Place, start: Place, shape: Place) -> Region:
        """The cells of a region of pieces, counted from the part's first cell, and no others."""
        return tuple(
            slice(max((run.start + f) * p - s, 0), min((run.stop + f) * p - s, n))
            for run, f, p, s, n in zip(region, first, self.piece, start, shape, strict=True)
        )

    def _slabs(self, cells: Region) -> Iterator[Region]:
        """The same cells in parts that take little memory to convert."""
        if self._is_direct:
            yield cells
            return
        row = math.prod(run.stop - run.start for run in cells[1:]) * self.dtype.itemsize
        step = self.piece[0] * max(1, _SLAB_BYTES // (row * self.piece[0]))
        for first in range(cells[0].start, cells[0].stop, step):
            yield slice(first, min(first + step, cells[0].stop)), *cells[1:]

    @property
    def _is_direct(self) -> bool:
        return (
            self.is_hdf5
            and self._convert is None
            and self.dtype.kind == "f"
            and self.dtype.isnative
        )

    def _read_region(self, out: Array, start: Place, cells: Region) -> None:
        source = _moved(cells, start)
        if self._is_direct and out.flags.c_contiguous:
            self._dataset.read_direct(out, source_sel=source, dest_sel=cells)
        else:
            self._put(out, cells, self._values(source))

    def _values(self, source: Region) -> Array:
        if self.is_hdf5:
            values: Array = self._dataset[source]
            return values
        # An array of a NumPy file reads everything within its first slice, from one stream.
        place: tuple[int | slice, ...] = source
        for axis, run in enumerate(source[:-2]):
            if run.stop - run.start > 1:
                break
            place = (*place[:axis], run.start, *place[axis + 1 :])
        with self._lock:
            values = self._dataset[place]
        return values.reshape([run.stop - run.start for run in source])

    def _unpacked(self, at: Place, mask: int, raw: bytes) -> Array:
        """A chunk from its stored bytes."""
        assert self._pipeline is not None
        undo = self._undoing.get(mask)
        if undo is None:
            undo = self._pipeline.undoing(mask, self._chunk_bytes, self._room)
            self._undoing[mask] = undo
        try:
            whole = undo(raw)
        except filters.Damaged as damage:
            raise FeatureError(
                f"{self._where} cannot be read: the chunk at {at} is damaged: {damage}; restore "
                "the file from where it was written"
            ) from None
        return np.ndarray(self.piece, self.dtype, whole)

    def _put(self, out: Array, cells: Region, values: Array) -> None:
        out[cells] = self._convert(values) if self._convert else values

    def _stored(self, at: Place) -> tuple[int, bytes] | None:
        """A chunk's filter mask and its bytes; None for a chunk that must be left to HDF5.

        Such a chunk was never written, and holds the fill value, or cannot be found or read, which
        HDF5 then reports in its own words.
        """
        try:
            with phil:  # h5py before 3.16 does not take its own lock here
                mask, raw = self._dataset.id.read_direct_chunk(at)
        except _NOT_READ:
            return None
        return mask, raw

    def _room(self, number: int, size: int) -> NDArray[np.uint8]:
        """This thread's buffer for a filter's result, reused for the next chunk."""
        rooms = self._local.__dict__.setdefault("rooms", {})
        if number not in rooms or len(rooms[number]) != size:
            rooms[number] = np.empty(size, np.uint8)
        room: NDArray[np.uint8] = rooms[number]
        return room


def runs(wanted: NDArray[np.bool_]) -> Iterator[Region]:
    """The true elements of a grid, as blocks: neighbours that are alike are taken together."""
    if wanted.ndim == 1:
        edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False)).tolist()
        yield from ((slice(a, b),) for a, b in zip(edges[::2], edges[1::2], strict=True))
        return
    differ = (wanted[1:] != wanted[:-1]).any(axis=tuple(range(1, wanted.ndim)))
    edges = [0, *(np.flatnonzero(differ) + 1).tolist(), len(wanted)]
    for a, b in pairwise(edges):
        yield from ((slice(a, b), *inner) for inner in runs(wanted[a]))


def _by_piece(lines: NDArray[np.int64], size: int) -> Iterator[tuple[int, slice]]:
    """The pieces along an axis that hold some of these lines, and which lines each holds."""
    pieces, starts = np.unique(lines // size, return_index=True)
    ends = [*starts[1:].tolist(), len(lines)]
    for piece, start, end in zip(pieces.tolist(), starts.tolist(), ends, strict=True):
        yield piece, slice(start, end)


def _part_of(chunk: range, whole: range) -> tuple[int, slice, slice]:
    """Where a chunk begins; the cells that it shares with a part, in the indices of each."""
    begin, end = max(chunk.start, whole.start), min(chunk.stop, whole.stop)
    inside, outside = (slice(begin - of.start, end - of.start) for of in (chunk, whole))
    return chunk.start, inside, outside


def _moved(cells: Region, by: Place) -> Region:
    return tuple(slice(run.start + b, run.stop + b) for run, b in zip(cells, by, strict=True))


def _pipeline_of(dataset: h5py.Dataset) -> tuple[filters.Pipeline | None, str]:
    """How to undo a dataset's filters; or None, and why HDF5 has to."""
    plist = dataset.id.get_create_plist()
    if dataset.chunks is None:
        kinds = {h5py.h5d.COMPACT: "compact", h5py.h5d.VIRTUAL: "virtual"}
        kind = kinds.get(plist.get_layout(), "external" if plist.get_external_count() else "")
        return None, f"by HDF5, since it is {kind}" if kind else "row by row"
    if dataset.file.swmr_mode:
        return None, "by HDF5, since it is being written"
    if not _is_plain(dataset):
        return None, "by HDF5, since NumPy has no such numbers"
    stages = [plist.get_filter(i) for i in range(plist.get_nfilters())]
    pipeline, unknown = filters.pipeline([(code, values) for code, _, values, _ in stages])
    return pipeline, f"by HDF5, which undoes {unknown}"


def _is_plain(dataset: h5py.Dataset) -> bool:
    """Whether the bytes in the file are exactly those of the NumPy type."""
    if dataset.dtype.kind == "V":
        return bool(dataset.id.get_type().get_size() == dataset.dtype.itemsize)
    return bool(dataset.id.get_type() == h5py.h5t.py_create(dataset.dtype, logical=True))


def _some_of_a_row(shape: Place, itemsize: int) -> Place:
    room = max(1, _PIECE_BYTES // itemsize)
    piece: list[int] = []
    for length in reversed(shape):
        piece.insert(0, max(1, min(length, room)))
        room = room // piece[0] if piece[0] == length else 1
    return tuple(piece)
