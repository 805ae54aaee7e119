"""Many HDF5 outputs as one: a virtual dataset, whose values stay in their own files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.errors import PooledError
from roicrop.outputs.content import plain_text
from roicrop.outputs.hdf5 import PatientFile, attributes_in, plain_attribute
from roicrop.outputs.replacing import replacing, written
from roicrop.undisturbed import undisturbed


@dataclass(slots=True)
class _Source:
    """One output: its pooled shape and type, its columns, and how it was made."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attributes: dict[str, object]
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)


def write_index(
    path: str | os.PathLike[str], files: Sequence[Path], *, overwrite: bool = False
) -> tuple[int, ...]:
    """Make one file through which any HDF5 reader sees all of these as one; return its shape.

    `/pooled` is (ΣK, …), the files' own in their order. Beside it are the columns that all of them
    have, from `/boxes` on, and where each row came from: `/file_index` (ΣK,), an index into
    `/files` and `/features` (F,), and `/row` (ΣK,), the row in that file. `/files` are relative to
    the index, which can be moved only together with them. Attributes are those that all share.

    Raises PooledError for a file that is missing, is not an output, or whose rows have another
    shape or type; OutputError if the index cannot be written.
    """
    sources = [_read(each, _relative(each, Path(path))) for each in files]
    first = sources[0]
    for each, file in zip(sources, files, strict=True):
        if (each.shape[1:], each.dtype) != (first.shape[1:], first.dtype):
            raise PooledError(
                f"{file} has rows of {_row(each)}, and {files[0]} of {_row(first)}: "
                "an index needs rows of one shape and type"
            )
    shape = (sum(each.shape[0] for each in sources), *first.shape[1:])
    with (
        replacing(path, overwrite=overwrite, inputs=[str(each) for each in files]) as temporary,
        PatientFile(temporary, "r+") as patient,
        undisturbed(),
        written(path),
    ):
        _fill(patient, sources, shape)
        patient.check()
    return shape


def _read(file: Path, name: str) -> _Source:
    from roicrop.files import hdf5

    if not file.exists():
        raise PooledError(f"{file} does not exist: run the same batch again to make it")
    with hdf5.open_file(str(file)) as opened, hdf5.named_errors(str(file)):
        pooled: Any = hdf5.find(opened, "pooled")
        if not getattr(pooled, "shape", ()):
            raise PooledError(f"{file} has no /pooled: `roicrop batch` did not write it")
        source = _Source(name, pooled.shape, pooled.dtype, attributes_in(opened))
        for column in hdf5.links(opened):
            dataset: Any = hdf5.find(opened, column)
            if column != "pooled" and getattr(dataset, "shape", ())[:1] == pooled.shape[:1]:
                source.columns[column] = dataset[()]
    return source


def _fill(patient: PatientFile, sources: Sequence[_Source], shape: tuple[int, ...]) -> None:
    import h5py

    first = sources[0]
    layout = h5py.VirtualLayout(shape, first.dtype)
    start = 0
    for each in sources:
        if each.shape[0]:
            layout[start : start + each.shape[0]] = h5py.VirtualSource(
                each.name, "pooled", each.shape, each.dtype
            )
        start += each.shape[0]
    with h5py.File(patient, "w", libver=("v110", "v110")) as root:
        # Read only if a file is missing: NaN cannot be mistaken for a pooled value.
        root.create_virtual_dataset("pooled", layout, fillvalue=np.nan)
        for name, values in _columns(sources):
            dtype = h5py.string_dtype() if values.dtype == object else values.dtype
            root.create_dataset(name, data=values, dtype=dtype)
        for name, value in first.attributes.items():
            if name not in _OF_ONE and all(each.attributes.get(name) == value for each in sources):
                root.attrs[name] = plain_attribute(value)


_OF_ONE: Final = ("features", "boxes")  # attributes that say what one file was made from


def _columns(sources: Sequence[_Source]) -> Iterator[tuple[str, NDArray[Any]]]:
    counts = [each.shape[0] for each in sources]
    yield "file_index", np.repeat(np.arange(len(sources)), counts)
    yield "row", np.concatenate([np.arange(count) for count in counts])
    yield "files", np.array([plain_text(each.name) for each in sources], object)
    features = [plain_text(str(each.attributes.get("features", ""))) for each in sources]
    yield "features", np.array(features, object)
    for name, values in sources[0].columns.items():
        kind = values.dtype.kind, values.shape[1:]
        columns = [each.columns.get(name) for each in sources]
        if name not in _OWN and all(
            each is not None and (each.dtype.kind, each.shape[1:]) == kind for each in columns
        ):
            yield name, np.concatenate([each for each in columns if each is not None])


_OWN: Final = ("file_index", "row", "files", "features")


def _relative(file: Path, index: Path) -> str:
    try:
        return os.path.relpath(os.path.realpath(file), os.path.realpath(index.parent))
    except ValueError:  # on another drive
        return os.path.realpath(file)


def _row(source: _Source) -> str:
    return f"{'×'.join(map(str, source.shape[1:]))} {source.dtype}"
