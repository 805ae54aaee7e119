"""Reading files of pooled boxes: roicrop's own, and arrays that others wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from roicrop.errors import FeatureError
from roicrop.files import Unchanged, numpy_kind, split_spec
from roicrop.outputs.npy import ATTRIBUTES

if TYPE_CHECKING:
    import h5py

    from roicrop.files.npy import Archive
    from roicrop.files.origins import Home

POOLED: Final = "/pooled"
_NUMPY: Final = (".npy", ".npz")


@dataclass(frozen=True, slots=True)
class Outline:
    """An array's shape and type, known before it is opened."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class StoredArray(Outline):
    """An array in an open file.

    where: the file, and its path in it if there could be others.
    values: the object to read it from, by slices: an h5py dataset, or an array in a NumPy file.
    """

    where: str
    values: Any


class Stored(Protocol):
    """An open file of arrays.

    path: the file. inner: the path in it that was named, "" for none.
    attributes: those given to `open_output`, if the file holds them; else empty.
    """

    path: str
    inner: str
    attributes: Mapping[str, object]

    def array(self, path: str) -> StoredArray | None:
        """The array at a path such as `/pooled`, if any; FeatureError if it cannot be read."""

    def arrays(self) -> dict[str, Outline]:
        """Path → every array in the file; `array` checks whether its values can be read."""

    def rows(self, array: StoredArray, rows: slice) -> NDArray[Any]:
        """Some rows of an array; FeatureError if they cannot be read."""


@contextmanager
def open_stored(spec: str, *, allow_external: bool = False) -> Iterator[Stored]:
    """Open what `open_output` wrote, or any .npy, .npz or HDF5 file.

    spec: the file, or the file, `::` and a path in it. What it holds decides how it is read.
    allow_external: True to follow HDF5's links out of its folder, and to read raw storage.

    Raises FeatureError if it cannot be read, and RoicropError if it changed meanwhile.
    """
    path, inner = split_spec(spec)
    watched = Unchanged([path])
    if numpy_kind(path) is not None:
        from roicrop.files import npy

        with npy.Archive(path) as archive:
            yield _NumpyFile(archive, inner)
    elif PurePath(path).suffix.lower() in _NUMPY and os.path.isfile(path):
        raise FeatureError(f"{path} is not a NumPy file, despite its extension")
    else:
        from roicrop.files import hdf5
        from roicrop.files.origins import Home

        with hdf5.open_file(path) as file:
            with hdf5.named_errors(path):
                stored = _Hdf5File(
                    file, path, inner, Home.of(path, external=allow_external), watched
                )
            yield stored
    watched.check()


class _NumpyFile:
    """A .npy or .npz file. An .npz is unpacked from its beginning, so an array is read whole."""

    def __init__(self, archive: Archive, inner: str) -> None:
        from roicrop.outputs.npy import attributes_in

        self._archive = archive
        self.path, self.inner = archive.filename, inner
        self.attributes: Mapping[str, object] = attributes_in(archive)
        self._whole: dict[str, NDArray[Any]] = {}

    def array(self, path: str) -> StoredArray | None:
        path = f"/{path.lstrip('/')}"
        if path not in self.arrays():
            return None
        array, where = self._archive.arrays[path], self.path
        where = f"{where}::{path}" if self._archive.is_zip else where
        return StoredArray(array.shape, array.dtype, where, array)

    def arrays(self) -> dict[str, Outline]:
        return {
            path: Outline(array.shape, array.dtype)
            for path, array in self._archive.walk()
            if not (self.attributes and path == f"/{ATTRIBUTES}")
        }

    def rows(self, array: StoredArray, rows: slice) -> NDArray[Any]:
        if not self._archive.is_zip:
            some: NDArray[Any] = array.values[rows]
            return some
        if array.where not in self._whole:
            self._whole[array.where] = array.values[:]
        return self._whole[array.where][rows]


class _Hdf5File:
    """An HDF5 file; nothing outside its home is read."""

    def __init__(
        self, file: h5py.File, path: str, inner: str, home: Home, watched: Unchanged
    ) -> None:
        from roicrop.outputs.hdf5 import attributes_in

        self._file, self._home, self._watched = file, home, watched
        self.path, self.inner = path, inner
        self.attributes: Mapping[str, object] = attributes_in(file)

    def array(self, path: str) -> StoredArray | None:
        from roicrop.files import hdf5
        from roicrop.files.origins import origins_of

        with hdf5.named_errors(f"{self.path}::{path}"):
            dataset = hdf5.find(self._file, path)
            if dataset is None or not hasattr(dataset, "shape"):
                return None
            origins = origins_of(dataset, self._home)
            if origins.problem:
                raise FeatureError(f"{self.path}::{path} {origins.problem}")
            self._watched.add(origins.files)
            where = f"{self.path}::{path}"
            return StoredArray(dataset.shape or (), dataset.dtype, where, dataset)

    def arrays(self) -> dict[str, Outline]:
        from roicrop.files import hdf5

        with hdf5.named_errors(self.path):
            return {
                path: Outline(dataset.shape or (), dtype)
                for path, dataset in hdf5.walk(self._file, "/", self._home.why_not)
                if not isinstance(dataset, str) and (dtype := hdf5.dtype_of(dataset)) is not None
            }

    def rows(self, array: StoredArray, rows: slice) -> NDArray[Any]:
        from roicrop.files import hdf5

        with hdf5.named_errors(array.where):
            values: NDArray[Any] = array.values[rows]
        return values
