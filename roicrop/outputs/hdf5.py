"""HDF5 with the attributes of NeXus, so that viewers plot it."""

from __future__ import annotations

import io
import json
import numbers
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.files.columns import Texts, in_blocks
from roicrop.outputs.content import Array, Content, OutputSpec, as_json, plain_text
from roicrop.outputs.replacing import written
from roicrop.outputs.rows import BlockWriter, Writer, converted, runs, write_all
from roicrop.undisturbed import undisturbed

if TYPE_CHECKING:
    import h5py
    from h5py._objects import ObjectID
    from h5py.h5d import DatasetID


@contextmanager
def opened(file: Path, content: Content) -> Iterator[Writer]:
    """An HDF5 file to write rows to."""
    if content.compression.method == "none":
        with _tree(file, content) as (_, pooled):
            offset = pooled.get_offset() or 0  # None if it has no bytes at all
        with file.open("r+b", buffering=0) as raw:
            yield BlockWriter(raw, offset, content)
    else:
        with _tree(file, content) as (patient, pooled):
            yield _ChunkWriter(patient, pooled, content)


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
def _tree(file: Path, content: Content) -> Iterator[tuple[PatientFile, DatasetID]]:
    """The open file with everything except the pooled rows, and `/pooled` in it."""
    with PatientFile(file, "r+") as patient:
        with ExitStack() as undo:
            with undisturbed():
                root = _created(patient)
                undo.callback(_close, root)
                with written(content.path):
                    pooled = _fill(root, content)
                    patient.check()
            yield patient, pooled
        with written(content.path):
            patient.check()


def _created(patient: PatientFile) -> h5py.File:
    """An empty HDF5 file, whose attributes all lie together."""
    import h5py
    from h5py import h5f, h5fd, h5p

    access, creation = h5p.create(h5p.FILE_ACCESS), h5p.create(h5p.FILE_CREATE)
    # From 1.8 on attributes may exceed 64 KiB, which long lists of labels need.
    access.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_V18)
    access.set_cache(0, _CHUNK_SLOTS, _CHUNK_CACHE, 0.75)
    access.set_fileobj_driver(h5fd.fileobj_driver, patient)
    creation.set_attr_phase_change(_MOST_ATTRIBUTES, _MOST_ATTRIBUTES - 1)
    creation.set_obj_track_times(False)  # the same input gives the same bytes
    return h5py.File(h5f.create(b"output", h5f.ACC_TRUNC, creation, access))


def _close(root: h5py.File) -> None:
    with undisturbed():
        root.close()


def _fill(root: h5py.File, content: Content) -> DatasetID:
    """Write everything except the pooled rows, for which space is reserved; returns `/pooled`.

    Low-level calls take half the time of h5py's own, which check first what is there.
    """
    import h5py
    from h5py import h5d, h5ds, h5p, h5s

    pooled = _create_pooled(root, content)
    for number, axis in enumerate(content.spec.axes):
        h5ds.set_label(pooled, number, axis.encode())
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)  # the same input gives the same bytes
    for name, column in content.columns.items():
        if isinstance(column, Texts):
            texts = root.create_dataset(name, len(column), h5py.string_dtype())
            for some in in_blocks(len(column)):
                texts[some] = column[some].tolist()
            dataset = texts.id
        else:
            values, kind, in_memory, space = _as_stored(column)
            dataset = h5d.create(root.id, name.encode(), kind, space, creation)
            dataset.write(h5s.ALL, h5s.ALL, values, in_memory)
        if (names := f"{name}_names") in content.attributes:
            _describe(dataset, {names: content.attributes[names]})
    _describe(root.id, {**content.attributes, **_nexus(content.spec)})
    # Where NeXus had these before 2014, and where older readers look for them.
    _describe(pooled, {"signal": 1, "axes": ":".join(content.spec.axes)})
    return pooled


def _describe(thing: ObjectID, attributes: Mapping[str, object]) -> None:
    """Add attributes that do not exist yet."""
    from h5py import h5a

    for name, value in attributes.items():
        values, kind, in_memory, space = _as_stored(plain_attribute(value))
        h5a.create(thing, name.encode(), kind, space).write(values, in_memory)


def _as_stored(plain: object) -> tuple[Array, Any, Any, Any]:
    """Numbers or texts as h5py writes them: with their types in the file and in memory."""
    is_text = isinstance(plain, (str, list))
    dtype, kind, in_memory = _types("|O" if is_text else np.asarray(plain).dtype.str)
    values = np.asarray(plain, dtype, order="C")
    return values, kind, in_memory, _space(values.shape)


@cache
def _types(code: str) -> tuple[np.dtype[Any], Any, Any]:
    """A type, "|O" for texts: for NumPy, in a file and in memory."""
    import h5py
    from h5py import h5t

    dtype = h5py.string_dtype() if code == "|O" else np.dtype(code)
    return dtype, h5t.py_create(dtype, logical=True), h5t.py_create(dtype)


@lru_cache(64)
def _space(shape: tuple[int, ...]) -> Any:
    from h5py import h5s

    return h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)


def _create_pooled(root: h5py.File, content: Content) -> DatasetID:
    """Create `/pooled`, before all else; without compression, its space is reserved, not filled."""
    from h5py import h5d, h5p

    spec = content.spec
    rows, *inner = spec.shape
    if content.compression.method != "none" and rows:
        return root.create_dataset(
            "pooled",
            spec.shape,
            spec.dtype,
            chunks=(max(1, min(rows, _CHUNK // spec.row_bytes)), *inner),
            compression=content.compression.method,
            compression_opts=content.compression.level,
            shuffle=True,
        ).id
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)
    kind = _types(spec.dtype.str)[1]
    return h5d.create(root.id, b"pooled", kind, _space(spec.shape), creation)


_CHUNK: Final = 64 << 10  # bytes; small, so that few chunks are packed twice for rows of two images
_CHUNK_CACHE: Final = 16 << 20
_CHUNK_SLOTS: Final = 521  # HDF5's own default
_MOST_ATTRIBUTES: Final = 64  # beyond which HDF5 makes an index of them


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

    def __init__(self, patient: PatientFile, pooled: DatasetID, content: Content) -> None:
        import h5py

        self._patient, self._dataset, self._content = patient, h5py.Dataset(pooled), content

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
