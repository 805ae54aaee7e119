"""Boxes as an array: .npy, an array of an .npz, or a dataset of an HDF5 file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from roicrop.boxes.columns import Draft
from roicrop.boxes.names import Reading
from roicrop.boxes.records import Records, columns_of
from roicrop.boxes.table import Source
from roicrop.errors import BoxError, FeatureError
from roicrop.text import listing, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARRAY_SUFFIXES: Final = (".npy", ".npz", ".h5", ".hdf5", ".hdf", ".he5")


def read_array(path: str, inner: str, name: str, reading: Reading) -> Draft:
    """The boxes (K, 4), (K, 5), or as wide as `--columns` says, of a file of arrays.

    inner: the array's name in an .npz, or the dataset's path in an HDF5 file; "" for the only one,
    or for `boxes`.
    """
    where = f"{name}::{printable(inner)}" if inner else name
    is_numpy = path.lower().endswith((".npy", ".npz"))
    try:
        array = (_numpy if is_numpy else _hdf5)(path, inner.strip("/"), where)
    except FeatureError as error:
        raise BoxError(str(error)) from error
    fits = array.ndim == 2 and (reading.columns is not None or array.shape[1] in (4, 5))
    if array.dtype.kind not in "iuf" or not fits:
        raise BoxError(
            f"{where} is {array.dtype} of shape {array.shape}: boxes are numbers (K, 4), or "
            "(K, 5) with an image's index first or a score last; --columns names other columns"
        )
    columns = columns_of(array.astype(np.float64), where, reading, named=False, score_last=False)
    place, origin = (where, "default") if reading.columns is None else ("--columns",) * 2
    records = Records(list(columns), columns.__getitem__, Source(path).where, place, origin)
    draft = records.draft(reading, "array")
    draft.names = reading.names
    return draft


def _numpy(path: str, inner: str, where: str) -> NDArray[Any]:
    from roicrop.files import npy

    with npy.Archive(path) as archive:
        arrays = dict(archive.walk())
        only = [*arrays] if len(arrays) == 1 else []
        key = f"/{inner}" if inner else (*only, "/boxes")[0]
        if key not in arrays:
            raise BoxError(
                f"{where}: choose one of its arrays, as in {where}::NAME: "
                f"{listing([each.lstrip('/') for each in arrays])}"
            )
        archive.verify(key)
        return arrays[key][()]


def _hdf5(path: str, inner: str, where: str) -> NDArray[Any]:
    from roicrop.files import hdf5, origins

    with hdf5.open_file(path) as file, hdf5.named_errors(where):
        dataset = hdf5.find(file, f"/{inner or 'boxes'}")
        if dataset is None or getattr(dataset, "ndim", None) != 2:
            raise BoxError(
                f"{where} is no dataset (K, 4): name one, as in file.h5::/boxes; "
                f"the file holds {listing(list(file))}"
            )
        home = origins.Home.of(path, external=False)
        if dataset.file.filename != file.filename or origins.origins_of(dataset, home).problem:
            raise BoxError(f"{where} lies in another file, or not all of it is here: copy it here")
        array: NDArray[Any] = dataset[()]
        return array
