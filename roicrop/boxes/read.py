"""Reading a file of boxes, whatever its format."""

from __future__ import annotations

import dataclasses
import gc
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Final, Literal, get_args

from roicrop.boxes.coco import read_coco
from roicrop.boxes.columns import INDEX_KEYS, Draft
from roicrop.boxes.delimited import read_delimited
from roicrop.boxes.geometry import BOX_FORMATS, BoxFormat
from roicrop.boxes.json_text import read_json, read_json_lines
from roicrop.boxes.table import BoxTable, Source
from roicrop.boxes.text import read_text
from roicrop.errors import ArgumentError, BoxError

FileFormat = Literal["csv", "tsv", "json", "jsonl"]
FILE_FORMATS: Final[tuple[FileFormat, ...]] = get_args(FileFormat)

_Reader = Callable[[str, Source, "BoxFormat | None"], Draft]
# A delimiter is found by looking, so tsv is a name for what csv reads as well.
_READERS: Final[Mapping[FileFormat, _Reader]] = {
    "csv": read_delimited,
    "tsv": read_delimited,
    "json": read_json,
    "jsonl": read_json_lines,
}
_SUFFIXES: Final[Mapping[str, FileFormat]] = {
    **{f".{name}": name for name in FILE_FORMATS},
    ".ndjson": "jsonl",
}


def read_boxes(
    path: str | os.PathLike[str],
    *,
    format: FileFormat | None = None,
    box_format: BoxFormat | None = None,
    images: str | os.PathLike[str] | None = None,
) -> BoxTable:
    """The boxes of a CSV, TSV, JSON or JSON Lines file, or of standard input ("-").

    format: the kind of file; None takes the name's suffix. Standard input has none.
    box_format: what the four numbers are, in the order in which they stand in the file; None
        takes what the file says: the header's names, the key (`box` is xyxy, `bbox` is xywh as
        COCO defines it) or `box_format`; a plain list is xyxy.
    images: a COCO instances file whose `images` say what the boxes' image ids are.

    Raises BoxError that names the file and the line, or the box, counted from 0.
    """
    source = Source(os.fspath(path))
    if box_format is not None and box_format not in BOX_FORMATS:
        known = ", ".join(BOX_FORMATS)
        raise ArgumentError(f"box format {box_format!r} is not known: choose from {known}")
    reader = _READERS[_file_format(source, format)]
    with _collector_paused():
        table = reader(read_text(source.path, source.name), source, box_format).build()
    return table if images is None else _with_images(table, os.fspath(images))


def _file_format(source: Source, format: FileFormat | None) -> FileFormat:
    known = ", ".join(FILE_FORMATS)
    if format is not None:
        if format not in FILE_FORMATS:
            raise ArgumentError(f"format of boxes {format!r} is not known: choose from {known}")
        return format
    if source.path == "-":
        raise ArgumentError(f"boxes from standard input need --boxes-format: {known}")
    suffix = PurePath(source.path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise ArgumentError(
            f"{source.name}: no format of boxes has the suffix {suffix!r}: "
            f"give --boxes-format ({known})"
        )
    return _SUFFIXES[suffix]


def _with_images(table: BoxTable, path: str) -> BoxTable:
    if len(table) and (table.image_key is None or table.image_key in INDEX_KEYS):
        raise BoxError(
            f"{table.source.name} has no image_id to look up in {path}: leave --images out"
        )
    coco = read_coco(path)
    if table.coco is not None and not coco.categories:
        coco = dataclasses.replace(coco, categories=table.coco.categories)
    return dataclasses.replace(table, coco=coco)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection: it would walk a million boxes over and over, and find nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
