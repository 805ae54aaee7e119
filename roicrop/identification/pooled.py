"""The tensor in question: from .npy, .npz or HDF5, read a few rows at a time."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.errors import PooledError
from roicrop.identification.hypotheses import Layout
from roicrop.job import Job, Rows
from roicrop.precision import pooled_dtype

if TYPE_CHECKING:
    import h5py

Array = NDArray[Any]

_HDF5: Final = (".h5", ".hdf5", ".hdf", ".he5")
_NAME: Final = "pooled"  # roicrop's own


@dataclass(frozen=True, slots=True)
class Pooled:
    """The pooled tensor of a file that is open.

    path: the file and, where it has several, the array in it.
    shape: of its four axes. dtype: of what is read: float16, float32 or float64, native.
    layouts: the orders that its axes may have, the features' own first.
    """

    path: str
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    layouts: tuple[Layout, ...]
    _values: Any

    def rows(self, rows: Rows) -> Array:
        """(n, …) the values of these boxes, in the order of axes of the file; rows ascend."""
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        breaks = np.flatnonzero(np.diff(rows, prepend=-2, append=-2) != 1)
        for start, stop in zip(breaks[:-1].tolist(), breaks[1:].tolist(), strict=True):
            first = int(rows[start])
            out[start:stop] = self._values[first : first + stop - start]
        return out

    def output_size(self, layout: Layout) -> tuple[int, int]:
        """(PH, PW), were the axes in that order."""
        _, _, y, x = layout.axes
        return self.shape[y], self.shape[x]


@contextmanager
def open_pooled(spec: str, job: Job) -> Iterator[Pooled]:
    """The tensor that `spec` names, which holds a row for each of the job's boxes.

    spec: a .npy or .npz file, or HDF5 as `file.h5` or `file.h5::/path`. Of several arrays it is
        the one that is called `pooled`, else the only one whose shape fits.

    Raises PooledError if there is none, or if its shape does not fit the boxes and maps.
    """
    path, inner = _split(spec)
    suffix = Path(path).suffix.lower()
    if suffix in _HDF5:
        with _opened_hdf5(path, inner, job) as pooled:
            yield pooled
    elif inner or suffix not in (".npy", ".npz"):
        known = ", ".join((".npy", ".npz", *_HDF5))
        raise PooledError(f"{spec} ends in none of {known}: give the pooled tensor in one of them")
    else:
        yield _from_numpy(path, job)


def _split(spec: str) -> tuple[str, str]:
    if os.path.exists(spec):
        return spec, ""
    path, _, inner = spec.partition("::")
    return path, inner


def _from_numpy(path: str, job: Job) -> Pooled:
    try:
        if Path(path).suffix.lower() == ".npy":
            return _checked(path, np.load(path, mmap_mode="r", allow_pickle=False), job)
        with np.load(path, allow_pickle=False) as archive:
            found = {}
            for name in [_NAME] if _NAME in archive.files else archive.files:
                array = _numbers(archive, name)
                if array is not None:
                    found[name] = array
    except FileNotFoundError:
        raise PooledError(f"{path} does not exist") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise PooledError(f"{path} is not an array of numbers that NumPy reads: {error}") from None
    name = _choose({name: array.shape for name, array in found.items()}, path, job)
    return _checked(f"{path}::{name}", found[name], job)


def _numbers(archive: Any, name: str) -> Array | None:
    try:
        array: Array = archive[name]
    except ValueError:  # it holds objects
        return None
    return array if array.dtype.kind in "fiu" else None


@contextmanager
def _opened_hdf5(path: str, inner: str, job: Job) -> Iterator[Pooled]:
    from roicrop.features import Home, origins_of
    from roicrop.files import hdf5

    with hdf5.open_file(path) as file:
        with hdf5.named_errors(path):
            dataset = _find(file, path, inner, job)
            missing = origins_of(dataset, Home.of(path, external=False)).problem
            if missing:
                raise PooledError(f"{path}::{dataset.name} {missing}")
            pooled = _checked(f"{path}::{dataset.name}", _Stored(dataset), job)
        yield pooled


def _find(file: h5py.File, path: str, inner: str, job: Job) -> h5py.Dataset:
    from roicrop.features import Home
    from roicrop.files import hdf5

    found = hdf5.find(file, inner or _NAME)
    if hasattr(found, "shape"):
        return found
    if inner:
        raise PooledError(f"{path} has no dataset {inner}: name one that it has")
    datasets = {
        name: dataset
        for name, dataset in hdf5.walk(file, "/", Home.of(path, external=False).why_not)
        if not isinstance(dataset, str) and _is_numbers(hdf5.dtype_of(dataset))
    }
    return datasets[_choose({name: each.shape for name, each in datasets.items()}, path, job)]


class _Stored:
    """An HDF5 dataset whose errors say where it is."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self.shape, self.dtype = dataset.shape or (), dataset.dtype

    def __getitem__(self, rows: slice) -> Array:
        from roicrop.files import hdf5

        with hdf5.named_errors(f"{self._dataset.file.filename}::{self._dataset.name}"):
            values: Array = self._dataset[rows]
        return values


def _is_numbers(dtype: np.dtype[Any] | None) -> bool:
    return dtype is not None and dtype.kind in "fiu"


def _choose(shapes: dict[str, tuple[int, ...]], path: str, job: Job) -> str:
    fitting = [name for name, shape in shapes.items() if _layouts(shape, job)]
    if len(shapes) == 1 or len(fitting) == 1:
        return (fitting or list(shapes))[0]
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "no numbers"
    which = "several arrays fit" if fitting else "no array fits"
    raise PooledError(f"{path}: {which} {_expected(job)}; it holds {listed}")


def _checked(path: str, values: Any, job: Job) -> Pooled:
    shape, dtype = tuple(values.shape), values.dtype
    if not _is_numbers(dtype):
        raise PooledError(f"{path} holds {dtype}: give the pooled numbers")
    layouts = _layouts(shape, job)
    if not layouts:
        raise PooledError(f"{path} is {shape}; {_expected(job)}")
    return Pooled(path, shape, pooled_dtype(dtype), layouts, values)


def _layouts(shape: tuple[int, ...], job: Job) -> tuple[Layout, ...]:
    if len(shape) != 4 or shape[0] != len(job) or 0 in shape:
        return ()
    own = job.source.channels_last
    orders = [Layout(last, turned) for turned in (False, True) for last in (own, not own)]
    return tuple(
        layout
        for layout in orders
        if shape[layout.axes[1]] == job.source.channels
        and not (layout.transposed and {shape[axis] for axis in layout.axes[2:]} == {1})
    )


def _expected(job: Job) -> str:
    count, channels, source = len(job), job.source.channels, job.source
    return (
        f"expected ({count}, {channels}, PH, PW) or ({count}, PH, PW, {channels}) for the "
        f"{count} boxes of {job.table.source.name} and the {channels} channels of "
        f"{source.path}::{source.dataset}"
    )
