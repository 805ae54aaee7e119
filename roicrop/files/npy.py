"""NumPy's own files as feature maps: `.npy`, and the arrays of an `.npz`; never pickles.

An `Array` stands in for an HDF5 dataset, and an `Archive` for an HDF5 file.
"""

from __future__ import annotations

import math
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Final

import numpy as np

from roicrop.errors import FeatureError
from roicrop.files.foreign import numpy_kind
from roicrop.text import printable

_PIECE: Final = 1 << 20
_HEADERS: Final = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Array:
    """An array in a stream, readable in parts along the first axis."""

    attrs: Mapping[str, Any] = {}
    chunks = None

    def __init__(self, stream: IO[bytes], size: int, where: str) -> None:
        """Read the header of an array that takes `size` bytes, header included."""
        self._stream, self._where = stream, where
        self._whole: np.ndarray[Any, Any] | None = None
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"its format is version {version[0]}.{version[1]}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers that Python 2 wrote
            self.shape, self._fortran, self.dtype = _HEADERS[version](stream)
        if any(side < 0 for side in self.shape):
            raise ValueError(f"its shape is {self.shape}")
        self._start = stream.tell()
        self.ndim, self.size = len(self.shape), math.prod(self.shape)
        bytes_here, due = size - self._start, self.size * self.dtype.itemsize
        if bytes_here < due and not self.dtype.hasobject:
            raise ValueError(f"its values take {due:,} bytes, but {bytes_here:,} are there")

    def __getitem__(self, key: Any) -> np.ndarray[Any, Any]:
        """Integers, then slices in steps of 1: values outside the first slice are not read."""
        key = key if isinstance(key, tuple) else (key,)
        if self._fortran or not self.shape:
            # In Fortran order the first axis varies fastest, so the whole array must be read.
            if self._whole is None:
                self._whole = self._read(0, self.size).reshape(self.shape, order="F")
            fixed_order: np.ndarray[Any, Any] = self._whole[key]
            return fixed_order
        fixed = [each for each in key if not isinstance(each, slice)]
        inner, slices = self.shape[len(fixed) :], key[len(fixed) :]
        start, stop, _ = (slices[0] if slices else slice(None)).indices(inner[0])
        row = math.prod(inner[1:])
        first = sum(i * math.prod(self.shape[k + 1 :]) for k, i in enumerate(fixed)) + start * row
        values = self._read(first, (stop - start) * row).reshape(stop - start, *inner[1:])
        return values[(slice(None), *slices[1:])]

    def _read(self, first: int, count: int) -> np.ndarray[Any, Any]:
        values = np.empty(count, self.dtype)
        with named_errors(self._where):
            self._stream.seek(self._start + first * self.dtype.itemsize)
            room = values.view(np.uint8).data
            while room:
                read = self._stream.readinto(room[:_PIECE])  # type: ignore[attr-defined]
                if not read:
                    raise EOFError("it ends before its values do")
                room = room[read:]
        return values


class Held(Array):
    """An array in memory, for code that reads arrays in files."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self._values = values
        self.shape, self.dtype = values.shape, values.dtype
        self.ndim, self.size = values.ndim, values.size

    def __getitem__(self, key: Any) -> np.ndarray[Any, Any]:
        values: np.ndarray[Any, Any] = self._values[key]
        return values


class Archive:
    """The arrays of a `.npy` (one, called features) or of an `.npz`, by path."""

    attrs: Mapping[str, Any] = {}

    def __init__(self, path: str) -> None:
        self.filename = path
        self.arrays: dict[str, Array] = {}
        self._zip: zipfile.ZipFile | None = None
        self._streams: list[IO[bytes]] = []
        with named_errors(path):
            try:
                self._open(path)
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_zip(self) -> bool:
        """Whether it is an `.npz`, which is unpacked from the beginning whichever part is read."""
        return self._zip is not None

    def walk(self) -> Iterator[tuple[str, Array]]:
        """Every array with its path, in the order of their names."""
        yield from sorted(self.arrays.items())

    def close(self) -> None:
        """Close the file; closing it twice is harmless."""
        for stream in self._streams:
            stream.close()
        if self._zip is not None:
            self._zip.close()

    def _open(self, path: str) -> None:
        if numpy_kind(path) == "npy":
            stream = open(path, "rb")  # noqa: SIM115  # closed with the archive
            self._streams.append(stream)
            self.arrays["/features"] = Array(stream, os.fstat(stream.fileno()).st_size, path)
            return
        self._zip = zipfile.ZipFile(path)
        for info in self._zip.infolist():
            if info.filename.endswith(".npy"):
                name = "/" + info.filename.removesuffix(".npy").strip("/")
                member = self._zip.open(info)
                self._streams.append(member)
                self.arrays[name] = Array(member, info.file_size, f"{path}::{printable(name)}")

    def verify(self, path: str) -> None:
        """Read an array of an `.npz` once: only at the end does ZIP compare its checksum."""
        if self._zip is not None:
            with named_errors(f"{self.filename}::{path}"):
                member = self._zip.open(path.strip("/") + ".npy")
                with member:
                    while member.read(_PIECE):
                        pass


class InMemory(Archive):
    """Arrays in memory, not in a file, with a name for messages."""

    def __init__(self, name: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self.filename = name
        self.arrays = {f"/{inner}": Held(values) for inner, values in arrays.items()}
        self._zip, self._streams = None, []


@contextmanager
def named_errors(where: str) -> Iterator[None]:
    """Turn whatever goes wrong in reading NumPy's files into a FeatureError of one line."""
    try:
        yield
    except FeatureError:
        raise
    except Exception as error:  # zipfile, zlib, ast and tokenize raise a dozen kinds
        reason = printable(" ".join(str(error).split()) or type(error).__name__)
        raise FeatureError(f"{where} cannot be read: {reason}") from error
