"""Pooled boxes to files and back: HDF5, or NumPy's .npz and .npy.

All three hold the pooled rows as one block of bytes whose place is known from the start. So rows
are written straight to their place, in any order of images, at the speed of the disk and without a
second copy in memory. Only compressed rows must go through HDF5.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from roicrop.errors import ArgumentError
from roicrop.outputs import hdf5, npy
from roicrop.outputs.content import Column, Compression, Content, OutputSpec, plain_column
from roicrop.outputs.places import is_page, is_picture, room_for_pictures
from roicrop.outputs.reading import POOLED, Stored, StoredArray, open_stored
from roicrop.outputs.replacing import lock, refuse_unfit, remove_leftovers, replacing, written
from roicrop.outputs.rows import Writer
from roicrop.outputs.virtual import write_index

__all__ = [
    "POOLED",
    "Column",
    "OutputSpec",
    "Stored",
    "StoredArray",
    "Writer",
    "is_page",
    "is_picture",
    "lock",
    "open_output",
    "open_stored",
    "refuse_unfit",
    "remove_leftovers",
    "replacing",
    "room_for_pictures",
    "write_index",
    "written",
]


@contextmanager
def open_output(
    path: str | os.PathLike[str],
    spec: OutputSpec,
    *,
    columns: Mapping[str, Column],
    attributes: Mapping[str, object],
    overwrite: bool = False,
    inputs: Sequence[str] = (),
    retried: bool = False,
) -> Iterator[Writer]:
    """An output file to write pooled rows to; it appears only if the block succeeds.

    path: its suffix gives the format: .h5 or .hdf5, .npz, .npy (which holds only the pooled array).
    columns: name → the column to store beside `pooled`. One of objects becomes integers, floats or
        texts, whichever can hold all of them.
    attributes: how the file was made: numbers, texts, flat lists of these, and anything else as
        JSON. An attribute that is None is left out.
    inputs: files that must never be overwritten.
    retried: whether an existing file with the same bytes comes from an earlier attempt.

    A row that is never written holds zeros.

    Raises ArgumentError for an unknown suffix or compression, OutputError for other failures.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise ArgumentError(f"{path} has an unknown extension: use {', '.join(_FORMATS)}")
    opened, compressions = _FORMATS[suffix]
    compression = Compression.parse(spec.compression)
    if compression.method not in compressions:
        raise ArgumentError(
            f"{path} cannot be compressed with {compression.method}: "
            f"a {suffix} takes {' or '.join(compressions)}"
        )
    content = Content(
        path=str(path),
        spec=spec,
        compression=compression,
        columns={name: plain_column(column) for name, column in columns.items()},
        attributes={name: value for name, value in attributes.items() if value is not None},
    )
    with (
        replacing(path, overwrite=overwrite, inputs=inputs, retried=retried) as file,
        opened(file, content) as writer,
    ):
        yield writer


_HDF5: Final = (hdf5.opened, ("none", "lzf", "gzip"))
_FORMATS: Final = {
    ".h5": _HDF5,
    ".hdf5": _HDF5,
    ".npz": (npy.opened_archive, ("none", "gzip")),
    ".npy": (npy.opened, ("none",)),
}
