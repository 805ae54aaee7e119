"""A whole array, by its name, from a file that holds arrays: .npy, .npz or HDF5."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from numpy.typing import NDArray

from roicrop.errors import FeatureError
from roicrop.files import hdf5, npy, origins
from roicrop.files.specs import HDF5_SUFFIXES
from roicrop.files.unchanged import Unchanged
from roicrop.text import listing, printable


def read_table(
    path: str, inner: str, usual: str, *, external: bool = False
) -> tuple[NDArray[Any], list[str]]:
    """The array of rank 2 called `inner`, and the files that hold it.

    If `inner` is "", it is the only array, or else the one called `usual`.

    external: whether files outside the file's folder, and raw storage, are read.

    Raises FeatureError if there is no such array, or if part of it is missing.
    """
    where = f"{printable(path)}::{printable(inner)}" if inner else printable(path)
    if PurePath(path).suffix.lower() in HDF5_SUFFIXES:
        return _from_hdf5(path, inner.strip("/") or usual, where, external)
    return _from_numpy(path, inner.strip("/"), usual, where), [path]


def _from_numpy(path: str, inner: str, usual: str, where: str) -> NDArray[Any]:
    with npy.Archive(path) as archive:
        arrays = dict(archive.walk())
        key = f"/{inner or usual}" if inner or len(arrays) != 1 else next(iter(arrays))
        if key not in arrays:
            names = listing([each.lstrip("/") for each in arrays])
            raise FeatureError(f"{where}: choose one of its arrays, as in {path}::NAME: {names}")
        _check_rank(arrays[key], where)
        archive.verify(key)
        return arrays[key][()]


def _from_hdf5(path: str, inner: str, where: str, external: bool) -> tuple[NDArray[Any], list[str]]:
    with hdf5.open_file(path) as file, hdf5.named_errors(where):
        dataset = hdf5.find(file, f"/{inner}")
        if dataset is None or not hasattr(dataset, "shape"):
            raise FeatureError(
                f"{where} is not a dataset: name one, as in file.h5::/boxes; "
                f"the file holds {listing(list(file))}"
            )
        _check_rank(dataset, where)
        found = origins.origins_of(dataset, origins.Home.of(path, external=external))
        if found.problem:
            raise FeatureError(f"{where} {found.problem}")
        before = Unchanged(found.files)
        array: NDArray[Any] = dataset[()]
        before.check()
        return array, [path, *found.files]


def _check_rank(array: Any, where: str) -> None:
    if array.ndim != 2:
        raise FeatureError(f"{where} has shape {array.shape}: name an array of rank 2")
