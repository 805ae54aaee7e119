"""The HDF5 filters that roicrop undoes itself, and how it recognises damaged chunks.

Files are not trusted: a chunk never takes more memory than its checked size.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.files.hdf5 import filter_name

Buffer = Any  # an object with the buffer protocol, in bytes
Room = Callable[[int], NDArray[np.uint8]]
Undo = Callable[[Buffer, int, Room], Buffer]


class Damaged(Exception):
    """What is wrong with a chunk, in words."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a dataset.

    undo: takes the filter's output, the number of bytes in its input, and a buffer for as many.
    adds: how many bytes it adds; None if that depends on the chunk.
    """

    name: str
    undo: Undo
    adds: int | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The filters of a dataset, in the order in which they were applied."""

    stages: tuple[Filter, ...]

    @property
    def way(self) -> str:
        """How its chunks are read, in words."""
        return "unpacked on all processors" if self.stages else "on all processors"

    @property
    def rooms(self) -> int:
        """How many buffers as large as a chunk it takes, besides the bytes read."""
        return len(self.stages)

    def undoing(
        self, mask: int, size: int, room: Callable[[int, int], NDArray[np.uint8]]
    ) -> Callable[[Buffer], Buffer]:
        """A function from the stored bytes of a chunk to its `size` bytes.

        It raises Damaged if they are not such a chunk. mask: bit i is set if filter i was skipped.
        room: returns a reusable buffer by number and size.
        """
        steps, given = [], size
        for i, stage in enumerate(self.stages):
            if not mask >> i & 1:
                steps.append((stage.undo, given, partial(room, i)))
                given += stage.adds or 0
        steps.reverse()

        def undo(raw: Buffer) -> Buffer:
            for undo_one, before, its_room in steps:
                raw = undo_one(raw, before, its_room)
            if len(raw) != size:
                raise Damaged(f"it has {len(raw):,} bytes, not {size:,}")
            return raw

        return undo


def pipeline(stages: Sequence[tuple[int, tuple[int, ...]]]) -> tuple[Pipeline | None, str]:
    """A pipeline for filters, given by number and parameters; or None, and which HDF5 must undo."""
    known: list[Filter] = []
    for code, values in stages:
        made = _FILTERS[code](values) if code in _FILTERS else None
        if made is None:
            return None, filter_name(code)
        if made.adds is None and any(each.adds is None for each in known):
            return None, f"{known[-1].name} inside {made.name}"
        known.append(made)
    return Pipeline(tuple(known)), ""


def _gzip(values: tuple[int, ...]) -> Filter:
    deflate = _module("deflate")
    return Filter("gzip", _undo_gzip if deflate is None else _undo_gzip_with(deflate))


def _undo_gzip(raw: Buffer, size: int, room: Room) -> Buffer:
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(raw, size + 1)
    except zlib.error as error:
        raise Damaged(f"gzip says {error}") from None
    return _of_size(unpacked, size, whole=unpacking.eof)


def _undo_gzip_with(deflate: Any) -> Undo:
    def undo(raw: Buffer, size: int, room: Room) -> Buffer:
        try:
            return _of_size(deflate.zlib_decompress(raw, size), size)
        except (deflate.DeflateError, ValueError) as error:
            raise Damaged(f"gzip says {error}") from None

    return undo


def _lzf(values: tuple[int, ...]) -> Filter | None:
    core = _module("roicrop.chunks._unpacking")

    def undo(raw: Buffer, size: int, room: Room) -> Buffer:
        out = room(size)
        if not core.undo_lzf(raw, out):
            raise Damaged(f"lzf does not give {size:,} bytes")
        return out

    return core and Filter("lzf", undo)


def _shuffle(values: tuple[int, ...]) -> Filter | None:
    core = _module("roicrop.chunks._unpacking")
    item = values[0] if values else 1

    def undo(raw: Buffer, size: int, room: Room) -> Buffer:
        out = room(size)
        core.undo_shuffle(_of_size(raw, size), item, out)
        return out

    return Filter("shuffle", undo, adds=0) if core and item else None


def _fletcher32(values: tuple[int, ...]) -> Filter | None:
    core = _module("roicrop.chunks._unpacking")

    def undo(raw: Buffer, size: int, room: Room) -> Buffer:
        view = memoryview(raw)
        if len(view) < 4:
            raise Damaged("it has no checksum")
        data, (stored,) = view[:-4], struct.unpack("<I", view[-4:])
        found = core.fletcher32(data)
        swapped = (found & 0x00FF00FF) << 8 | (found >> 8 & 0x00FF00FF)  # HDF5 1.6.2 wrote these
        if stored not in (found, swapped):
            raise Damaged("its checksum (fletcher32) does not match")
        return data

    return core and Filter("fletcher32", undo, adds=4)


def _blosc(values: tuple[int, ...]) -> Filter | None:
    blosc = _module("numcodecs.blosc")

    def undo(raw: Buffer, size: int, room: Room) -> Buffer:
        header = bytes(raw[:16])
        sizes = struct.unpack("<4xI4xI", header) if len(header) == 16 else ()
        if sizes != (size, len(raw)):
            raise Damaged(f"blosc does not give {size:,} bytes")
        return _with("blosc", blosc.decompress, raw, room(size))

    return blosc and Filter("blosc", undo)


def _zstd(values: tuple[int, ...]) -> Filter | None:
    zstd = _module("numcodecs.zstd")

    def undo(raw: Buffer, size: int, room: Room) -> Buffer:
        if _zstd_content(bytes(raw[:18])) != size:
            raise Damaged(f"zstd does not give {size:,} bytes")
        return _with("zstd", zstd.decompress, raw, room(size))

    return zstd and Filter("zstd", undo)


def _zstd_content(header: bytes) -> int:
    """How many bytes a Zstandard frame says it holds (RFC 8878, 3.1.1.1); −1 if it does not say."""
    if len(header) < 6:
        return -1
    single, descriptor = header[4] >> 5 & 1, header[4]
    at = 6 - single + (0, 1, 2, 4)[descriptor & 3]
    count = (single, 2, 4, 8)[descriptor >> 6]
    content = int.from_bytes(header[at : at + count], "little") if count else -1
    return content + 256 if count == 2 else content


def _lz4(values: tuple[int, ...]) -> Filter | None:
    lz4 = _module("numcodecs.lz4")

    def undo(raw: Buffer, size: int, room: Room) -> Buffer:
        """Total size and block size, then each block after its own size, all big-endian."""
        wrong = Damaged(f"lz4 does not give {size:,} bytes")
        view, out = memoryview(raw), room(size)
        if len(view) < 12 or struct.unpack_from(">Q", view)[0] != size:
            raise wrong
        block, at = struct.unpack_from(">I", view, 8)[0], 12
        for start in range(0, size, max(1, block)):
            place = out[start : start + block]
            if len(view) < at + 4:
                raise wrong
            (stored,) = struct.unpack_from(">I", view, at)
            packed = view[at + 4 : at + 4 + stored]
            at += 4 + stored
            if len(packed) != stored or not len(place):
                raise wrong
            if stored == len(place):
                place[:] = np.frombuffer(packed, np.uint8)
            else:
                _with("lz4", lz4.decompress, struct.pack("<I", len(place)) + bytes(packed), place)
        return out

    return lz4 and Filter("lz4", undo)


def _with(name: str, decompress: Callable[..., Any], raw: Buffer, out: NDArray[np.uint8]) -> Buffer:
    try:
        decompress(raw, out)
    except (RuntimeError, ValueError) as error:
        raise Damaged(f"{name} says {error}") from None
    return out


def _of_size(unpacked: Buffer, size: int, *, whole: bool = True) -> Buffer:
    if len(unpacked) != size or not whole:
        more = "more" if len(unpacked) > size else f"{len(unpacked):,}"
        raise Damaged(f"it unpacks to {more} bytes, not {size:,}")
    return unpacked


def _module(name: str) -> Any:
    """An optional module, or None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_FILTERS: Final[dict[int, Callable[[tuple[int, ...]], Filter | None]]] = {
    1: _gzip,
    2: _shuffle,
    3: _fletcher32,
    32000: _lzf,
    32001: _blosc,
    32004: _lz4,
    32015: _zstd,
}
