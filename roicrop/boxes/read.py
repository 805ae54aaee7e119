"""Reading a file of boxes in any format."""

from __future__ import annotations

import dataclasses
import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, BinaryIO, Final, Literal, get_args

import numpy as np

from roicrop.arguments import boxes_of
from roicrop.boxes.delimited import read_delimited
from roicrop.boxes.draft import Draft, draft_of_matrix
from roicrop.boxes.json_text import read_coco, read_json, read_json_lines
from roicrop.boxes.names import Reading, Role, plain
from roicrop.boxes.table import ROTATED, BoxFormat, BoxTable, Source
from roicrop.errors import ArgumentError, BoxError, FeatureError, TextError
from roicrop.files import HDF5_SUFFIXES, split_spec
from roicrop.files.text import opened

FileFormat = Literal["csv", "tsv", "json", "jsonl"]
FILE_FORMATS: Final[tuple[FileFormat, ...]] = get_args(FileFormat)

# The csv reader detects the delimiter, so that it reads tsv too.
_READERS: Final[Mapping[FileFormat, Callable[[BinaryIO, Source, Reading], Draft]]] = {
    "csv": read_delimited,
    "tsv": read_delimited,
    "json": read_json,
    "jsonl": read_json_lines,
}
_SUFFIXES: Final[Mapping[str, FileFormat]] = {
    **{f".{name}": name for name in FILE_FORMATS},
    ".ndjson": "jsonl",
    ".txt": "csv",
    ".xml": "csv",  # Pascal VOC, which is refused with an explanation
}
_ARRAY_SUFFIXES: Final = HDF5_SUFFIXES | {".npy", ".npz"}
BOX_SUFFIXES: Final = frozenset(_SUFFIXES)


def read_boxes(
    path: str | os.PathLike[str],
    *,
    format: FileFormat | None = None,
    box_format: BoxFormat | None = None,
    images: str | os.PathLike[str] | None = None,
    columns: Sequence[str] | None = None,
    image_column: str | None = None,
    score_column: str | None = None,
    label_column: str | None = None,
    level_column: str | None = None,
    count: int | None = None,
    allow_external: bool = False,
) -> BoxTable:
    """Read the boxes of a file, or of standard input ("-").

    path: CSV, TSV or columns of text, JSON or JSON Lines, optionally gzipped; .npy, .npz,
        `file.npz::name` or `file.h5::/path`.
    format: the kind of file; None means that of its extension. Standard input has none.
    box_format: the meaning of the four numbers, in their order in the file; None means what the
        file says: names of columns, the key (`box` is xyxy, `bbox` is xywh as in COCO),
        `box_format` or `bbox_mode`; a plain list is xyxy. "cxcywha" adds an angle.
    images: a COCO instances file whose `images` explain the boxes' image ids.
    columns: the names of all columns, in order, of a file without a header; `_` skips one.
    image_column, …: the columns for these roles.
    count: the number of images, which distinguishes indices from coordinates.
    allow_external: True to follow HDF5's links out of its folder and to read raw storage.

    Raises BoxError that names the file and the line, or the box, counted from 0. An invalid row is
    one of the table's `faults` instead.
    """
    _check_known("box", box_format, get_args(BoxFormat))
    _check_known("file", format, FILE_FORMATS)
    chosen: Mapping[Role, str | None] = {
        "image": image_column, "score": score_column, "label": label_column, "level": level_column,
    }  # fmt: skip
    reading = Reading(
        box_format=box_format,
        columns=columns,
        by_hand={role: name for role, name in chosen.items() if name is not None},
        images=count,
    )
    file, inner = split_spec(os.fspath(path))
    with _reading():
        if format is None and PurePath(file).suffix.lower() in _ARRAY_SUFFIXES:
            table = _read_array(file, inner, reading, allow_external)
        else:
            source = Source(os.fspath(path))
            reader = _READERS[format or _format_by_name(source)]
            with opened(source.path, source.name) as stream:
                table = reader(stream, source, reading).build(source.path)
        if image_column is not None and table.coco is not None:
            table = dataclasses.replace(table, by_id=plain(image_column) in ("id", "imageid"))
        return table if images is None else _with_images(table, os.fspath(images))


def boxes_in_memory(
    boxes: Any, images: int | None = None, box_format: BoxFormat | None = None
) -> BoxTable:
    """A table of boxes in memory, in any of the forms that `roicrop.roi_align` takes.

    images: the number of images. box_format: the meaning of the four numbers, None for xyxy.
    Raises ArgumentError, and BoxError that names the row.
    """
    _check_known("box", box_format, get_args(BoxFormat))
    given = boxes_of(boxes, images, 5 if box_format == ROTATED else 4)
    index, corners = given.some(0, given.count)
    return BoxTable(
        source=Source("boxes"),
        format="array",
        box_format=box_format or "xyxy",
        box_format_origin="option" if box_format else "default",
        coords=corners[:, :4].astype(np.float64),
        angle=corners[:, 4].astype(np.float64) if box_format == ROTATED else None,
        image_key="image number",
        image_kind="index",
        image=index,
    )


def _check_known(what: str, format: str | None, known: Sequence[str]) -> None:
    if format is not None and format not in known:
        raise ArgumentError(f"no {what} format {format!r}: choose from {', '.join(known)}")


def _format_by_name(source: Source) -> FileFormat:
    suffix = PurePath(source.path.lower().removesuffix(".gz")).suffix
    if suffix not in _SUFFIXES:
        raise ArgumentError(
            f"{source.name}: cannot tell the format of boxes from its name: give --boxes-format "
            f"({', '.join(FILE_FORMATS)})"
        )
    return _SUFFIXES[suffix]


def _read_array(path: str, inner: str, reading: Reading, external: bool) -> BoxTable:
    from roicrop.files import arrays  # imports h5py, only if needed

    array, files = arrays.read_table(path, inner, usual="boxes", external=external)
    source = Source(f"{path}::{inner}" if inner else path)
    widths = (5, 6) if reading.box_format == ROTATED else (4, 5)
    if array.dtype.kind not in "iuf" or not (reading.columns or array.shape[1] in widths):
        raise BoxError(
            f"{source.name} is {array.dtype} of shape {array.shape}: boxes are numbers (K, 4), or "
            f"(K, 5) with an image index first or a score last, and one more for {ROTATED}; "
            "--columns names other columns"
        )
    table = draft_of_matrix(array.astype(np.float64), source, reading, "array", {}, {}).build(path)
    return dataclasses.replace(table, source=Source(path, files=tuple(files)))


def _with_images(table: BoxTable, path: str) -> BoxTable:
    if len(table) and (table.image is None or table.image_kind != "name"):
        raise BoxError(
            f"{table.source.name} has no image_id to look up in {path}{table.holds}: "
            "leave --images out"
        )
    coco = read_coco(path)
    if table.coco is not None and not coco.categories:
        coco = dataclasses.replace(coco, categories=table.coco.categories)
    return dataclasses.replace(table, coco=coco, image_sizes=coco.sizes)


@contextmanager
def _reading() -> Iterator[None]:
    """Turn errors of files into errors of boxes; pause garbage collection, which finds nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        with np.errstate(invalid="ignore"):  # signalling NaN
            yield
    except (TextError, FeatureError) as error:
        raise BoxError(str(error)) from error
    finally:
        if enabled:
            gc.enable()
