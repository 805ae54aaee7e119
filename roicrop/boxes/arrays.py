"""Boxes as an array: .npy, an array of an .npz, or a dataset of an HDF5 file."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from roicrop.boxes.columns import Draft
from roicrop.boxes.names import Reading
from roicrop.boxes.records import part_of_matrix
from roicrop.errors import BoxError
from roicrop.text import listing, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FAULTS: Final = (
    OSError, ValueError, EOFError, RuntimeError, NotImplementedError, KeyError, SyntaxError,
    MemoryError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_array(path: str, inner: str, name: str, reading: Reading) -> Draft:
    """The boxes (K, 4), (K, 5), or as wide as `--columns` says, of a file of arrays.

    inner: the array's name in an .npz, or the dataset's path in an HDF5 file; "" for the only one.
    """
    kind = "hdf5" if path.lower().endswith(HDF5_SUFFIXES) else "npz" if _is_zip(path) else "npy"
    where = f"{name}::{printable(inner)}" if inner else name
    try:
        array = _READERS[kind](path, inner, where)
    except _FAULTS as error:
        why = printable(getattr(error, "strerror", None) or error)
        raise BoxError(f"{where} cannot be read: {why}") from error
    if (
        array.dtype.kind not in "iuf"
        or array.ndim != 2
        or not (reading.columns is not None or array.shape[1] in (4, 5))
    ):
        raise BoxError(
            f"{where} is {array.dtype} of shape {array.shape}: boxes are numbers (K, 4), or "
            "(K, 5) with an image's index first or a score last; --columns names other columns"
        )
    roles, part = part_of_matrix(array.astype(np.float64), reading, where)
    return Draft(path=path, format=kind, roles=roles, names=reading.names, parts=[part])


HDF5_SUFFIXES: Final = (".h5", ".hdf5", ".hdf", ".he5")


def _is_zip(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _npy(path: str, inner: str, where: str) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _npz(path: str, inner: str, where: str) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as arrays:
        names = list(arrays.files)
        if inner and inner not in names:
            raise BoxError(f"{where} is not there: the file holds {listing(names)}")
        if not inner and len(names) != 1:
            inner = "boxes" if "boxes" in names else ""
        if not inner and len(names) != 1:
            raise BoxError(
                f"{where} holds {listing(names)}: choose one, as in {where}::{printable(names[0])}"
                if names
                else f"{where} holds no array"
            )
        array: NDArray[Any] = arrays[inner or names[0]]
    return array


def _hdf5(path: str, inner: str, where: str) -> NDArray[Any]:
    import h5py

    with h5py.File(path) as file:
        if not inner:
            raise BoxError(f"{where} holds {listing(list(file))}: name one, as in {where}::/boxes")
        dataset = file.get(inner)
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 2:
            raise BoxError(f"{where} is no dataset (K, 4): the file holds {listing(list(file))}")
        if dataset.external or dataset.is_virtual or dataset.file.filename != file.filename:
            raise BoxError(f"{where} lies in another file: name that one")
        array: NDArray[Any] = dataset[()]
    return array


_READERS: Final = {"npy": _npy, "npz": _npz, "hdf5": _hdf5}
