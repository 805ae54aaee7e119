"""HDF5 with the attributes of NeXus, so that viewers plot it."""

from __future__ import annotations

import io
import json
import numbers
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.files.columns import Texts, in_blocks
from roicrop.outputs.content import Array, Content, OutputSpec, as_json, plain_text
from roicrop.outputs.replacing import written
from roicrop.outputs.rows import BlockWriter, Writer, converted, runs, write_all
from roicrop.outputs.undisturbed import undisturbed

if TYPE_CHECKING:
    import h5py


@contextmanager
def opened(file: Path, content: Content) -> Iterator[Writer]:
    """An HDF5 file to write rows to."""
    if content.compression.method == "none":
        with _tree(file, content) as (_, root):
            offset = root["pooled"].id.get_offset() or 0  # None if it has no bytes at all
        with file.open("r+b", buffering=0) as raw:
            yield BlockWriter(raw, offset, content)
    else:
        with _tree(file, content) as (patient, root):
            yield _ChunkWriter(patient, root["pooled"], content)


def attributes_in(root: h5py.File) -> dict[str, object]:
    """The attributes of a file as plain values, whoever wrote it."""
    return {name: _as_given(value) for name, value in root.attrs.items() if name not in _OF_VIEWERS}


def _as_given(value: object) -> object:
    """The inverse of `plain_attribute`."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


@contextmanager
def _tree(file: Path, content: Content) -> Iterator[tuple[PatientFile, h5py.File]]:
    """The open file, with everything except the pooled rows."""
    import h5py

    with PatientFile(file, "r+") as patient:
        with ExitStack() as undo:
            with undisturbed():
                # From 1.8 on attributes may exceed 64 KiB, which long lists of labels need.
                root = h5py.File(patient, "w", libver=("v108", "v108"), rdcc_nbytes=_CHUNK_CACHE)
                undo.callback(_close, root)
                with written(content.path):
                    _fill(root, content)
                    patient.check()
            yield patient, root
        with written(content.path):
            patient.check()


def _close(root: h5py.File) -> None:
    with undisturbed():
        root.close()


def _fill(root: h5py.File, content: Content) -> None:
    """Write everything except the pooled rows, for which space is reserved."""
    import h5py

    _create_pooled(root, content)
    for name, column in content.columns.items():
        if isinstance(column, Texts):
            dataset = root.create_dataset(name, len(column), h5py.string_dtype())
            for some in in_blocks(len(column)):
                dataset[some] = column[some].tolist()
        else:
            dataset = root.create_dataset(name, data=column)
        if (names := f"{name}_names") in content.attributes:
            _describe(dataset, {names: content.attributes[names]})
    _describe(root, {**content.attributes, **_nexus(content.spec)})
    # Where NeXus had these before 2014, and where older readers look for them.
    _describe(root["pooled"], {"signal": 1, "axes": ":".join(content.spec.axes)})


def _describe(thing: h5py.HLObject, attributes: Mapping[str, object]) -> None:
    """Add attributes known not to exist, in half the time of h5py, which checks first."""
    from h5py import h5a, h5s, h5t

    texts, text, in_memory, scalar = _of_texts()
    for name, value in attributes.items():
        plain = plain_attribute(value)
        is_text = isinstance(plain, (str, list))
        data = np.array(plain, texts) if is_text else np.asarray(plain)
        kind = text if is_text else h5t.py_create(data.dtype, logical=True)
        space = h5s.create_simple(data.shape) if data.shape else scalar
        h5a.create(thing.id, name.encode(), kind, space).write(data, in_memory if is_text else kind)


@cache
def _of_texts() -> tuple[np.dtype[Any], Any, Any, Any]:
    """The type of texts for NumPy, in a file and in memory; and the dataspace of one text."""
    import h5py
    from h5py import h5s, h5t

    texts = h5py.string_dtype()
    return (
        texts,
        h5t.py_create(texts, logical=True),
        h5t.py_create(texts),
        h5s.create(h5s.SCALAR),
    )


def _create_pooled(root: h5py.File, content: Content) -> None:
    """Create `/pooled`, before all else; without compression, its space is reserved, not filled."""
    from h5py import h5d, h5p, h5s, h5t

    spec = content.spec
    rows, *inner = spec.shape
    if content.compression.method == "none" or rows == 0:
        creation = h5p.create(h5p.DATASET_CREATE)
        creation.set_alloc_time(h5d.ALLOC_TIME_EARLY)
        creation.set_fill_time(h5d.FILL_TIME_NEVER)
        creation.set_obj_track_times(False)  # the same input gives the same bytes
        space = h5s.create_simple(spec.shape)
        h5d.create(root.id, b"pooled", h5t.py_create(spec.dtype), space, creation)
    else:
        root.create_dataset(
            "pooled",
            spec.shape,
            spec.dtype,
            chunks=(max(1, min(rows, _CHUNK // spec.row_bytes)), *inner),
            compression=content.compression.method,
            compression_opts=content.compression.level,
            shuffle=True,
        )
    for dimension, axis in zip(root["pooled"].dims, spec.axes, strict=True):
        dimension.label = axis


_CHUNK: Final = 64 << 10  # bytes; small, so that few chunks are packed twice for rows of two images
_CHUNK_CACHE: Final = 16 << 20


_OF_VIEWERS: Final = ("NX_class", "signal", "axes", "default_slice")


def _nexus(spec: OutputSpec) -> dict[str, object]:
    """Attributes with which h5web, silx and similar viewers plot the first box's first channel.

    They are those of the NeXus base class NXdata: its axes have no coordinates (".").
    """
    shown = ["." if axis in ("y", "x") else "0" for axis in spec.axes]
    axes = ["." for _ in spec.axes]
    named: dict[str, object] = {"NX_class": "NXdata", "signal": "pooled", "axes": axes}
    return {**named, "default_slice": shown} if spec.shape[0] else named


def plain_attribute(value: object) -> object:
    """A value that an HDF5 attribute can hold: a number, a text, a list of either, or else JSON."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, str) for item in value):
        return [plain_text(item) for item in value]
    if isinstance(value, (list, tuple, np.ndarray, np.generic, numbers.Real)):
        array = np.asarray(value)
        if array.ndim <= 1 and array.dtype.kind in "biuf":
            return array
    return as_json(value)


class _ChunkWriter:
    """A writer of rows to a compressed dataset."""

    def __init__(self, patient: PatientFile, dataset: h5py.Dataset, content: Content) -> None:
        self._patient, self._dataset, self._content = patient, dataset, content

    def write(self, rows: NDArray[np.int64], pooled: Array) -> None:
        values = converted(pooled, self._content.spec.dtype)
        with undisturbed(), written(self._content.path):
            for run in runs(rows):
                first = int(rows[run.start])
                self._dataset[first : first + run.stop - run.start] = values[run]
                self._patient.check()


class PatientFile(io.FileIO):
    """A file that accepts writes even after one has failed, and raises the error when asked.

    HDF5 cannot close a file whose writing fails, and crashes when the program ends.
    """

    _failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of the data, or remember the error."""
        view = memoryview(data).cast("B")
        if self._failure is None:
            try:
                write_all(super().write, view)
            except OSError as error:
                self._failure = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the file's size, or remember the error."""
        if self._failure is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self._failure = error
        return size or 0

    def check(self) -> None:
        """Raise what went wrong, if anything did."""
        if self._failure is not None:
            raise self._failure
