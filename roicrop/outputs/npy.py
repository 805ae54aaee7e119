"""NumPy's own files: .npy holds the pooled array, .npz the columns and attributes too."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import numpy as np

from roicrop.files.columns import Texts, in_blocks
from roicrop.outputs.content import Column, Content, as_json
from roicrop.outputs.replacing import written
from roicrop.outputs.rows import BlockWriter, Writer

if TYPE_CHECKING:
    from roicrop.files.npy import Archive

ATTRIBUTES: Final = "attributes"


@contextmanager
def opened(file: Path, content: Content) -> Iterator[Writer]:
    """A .npy file to write rows to."""
    with file.open("r+b", buffering=0) as raw:
        yield _laid_out(raw, content)


@contextmanager
def opened_archive(file: Path, content: Content) -> Iterator[Writer]:
    """A .npz file to write rows to.

    An archive is written from front to back, so the rows wait in a file that has no name.
    """
    with ExitStack() as stack:
        with written(content.path):
            raw = stack.enter_context(tempfile.TemporaryFile(buffering=0, dir=file.parent))
        yield _laid_out(raw, content)
        with written(content.path), _archive(file, content) as archive:
            raw.seek(0)
            with _member(archive, "pooled") as member:
                shutil.copyfileobj(raw, member, 1 << 20)
            for name, column in content.columns.items():
                _add(archive, name, column)
            _add(archive, ATTRIBUTES, np.array(as_json(content.attributes)))


def attributes_in(archive: Archive) -> dict[str, object]:
    """The attributes that an archive was written with; empty if it was written by others."""
    array = archive.arrays.get(f"/{ATTRIBUTES}")
    if array is None or array.shape or array.dtype.kind != "U":
        return {}
    try:
        said = json.loads(str(array[()]))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _laid_out(raw: io.FileIO, content: Content) -> BlockWriter:
    spec = content.spec
    header = {
        "descr": np.lib.format.dtype_to_descr(spec.dtype),
        "fortran_order": False,
        "shape": spec.shape,
    }
    with written(content.path):
        np.lib.format.write_array_header_1_0(raw, header)
        offset = raw.tell()
        raw.truncate(offset + spec.shape[0] * spec.row_bytes)
    return BlockWriter(raw, offset, content)


def _archive(file: Path, content: Content) -> zipfile.ZipFile:
    method = zipfile.ZIP_STORED if content.compression.method == "none" else zipfile.ZIP_DEFLATED
    return zipfile.ZipFile(file, "w", method, compresslevel=content.compression.level)


def _add(archive: zipfile.ZipFile, name: str, column: Column) -> None:
    with _member(archive, name) as member:
        if not isinstance(column, Texts):
            np.lib.format.write_array(member, column, allow_pickle=False)
            return
        kind = f"<U{max(map(len, column), default=0) or 1}"
        header = {"descr": kind, "fortran_order": False, "shape": (len(column),)}
        np.lib.format.write_array_header_1_0(member, header)
        for some in in_blocks(len(column)):
            member.write(np.array(column[some].tolist(), kind).tobytes())


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """A member to write, without the time of day: the same input gives the same bytes."""
    info = zipfile.ZipInfo(f"{name}.npy")
    info.compress_type = archive.compression
    info._compresslevel = archive.compresslevel  # type: ignore[attr-defined]  # as `writestr` does
    return archive.open(info, "w", force_zip64=True)
