"""JSON in its many shapes, including COCO files, and JSON Lines.

A document becomes entries, one per image, with the records of its boxes: by the row of `PRODUCERS`
that it fits, or by how its lists are nested. Records are objects or lists of numbers.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, Final

import numpy as np

from roicrop.boxes.draft import Draft, Records, draft_of_matrix
from roicrop.boxes.names import (
    ANY,
    COLUMN_NAMES,
    FORMAT_NAMES,
    MMDETECTION,
    NESTED,
    PRODUCERS,
    SPELLINGS,
    Entry,
    Producer,
    Reading,
    is_known,
    plain,
)
from roicrop.boxes.table import ROTATED, Coco, CocoImage, Lines, Source
from roicrop.errors import BoxError
from roicrop.files import text as texts
from roicrop.files.numbers import boxes_of, depth_of
from roicrop.files.text import opened, parse_json, shown
from roicrop.text import listing, printable


def read_coco(path: str) -> Coco:
    """Read images and categories of a COCO instances file, or of any JSON with `images`."""
    name = printable(path)
    with opened(path, name) as stream:
        value = parse_json(texts.read_text(stream, name), name)
    if not isinstance(value, dict) or "images" not in value:
        raise BoxError(f"{path} has no list of images: give a COCO instances file")
    return coco_of(value, path)


def coco_of(value: dict[str, Any], path: str) -> Coco:
    """The images and categories of a COCO object."""
    images: dict[str, CocoImage] = {}
    for position, (identity, entry) in enumerate(_entries(value, "images", path)):
        if identity in images:
            raise BoxError(
                f"{path}: images[{position}] has the same id {identity} as "
                f"images[{images[identity].position}]: ids must be unique"
            )
        height, width = entry.get("height"), entry.get("width")
        has_size = isinstance(height, int) and isinstance(width, int) and height * width
        size: Any = (height, width) if has_size else None
        images[identity] = CocoImage(position, _file_name(entry), size)
    categories = {i: str(entry.get("name", "")) for i, entry in _entries(value, "categories", path)}
    return Coco(path, images, categories)


def _file_name(entry: dict[str, Any]) -> str | None:
    """The file name of an image; in LVIS, the last part of its URL."""
    for key in ("file_name", "coco_url", "filename", "image_name", "image", "path", "file", "name"):
        name = entry.get(key)
        if isinstance(name, str) and name:
            return name.rpartition("/")[2] if key == "coco_url" else name
    return None


def _entries(value: dict[str, Any], key: str, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries under a key, with their ids."""
    entries = value.get(key, [])
    if not isinstance(entries, list):
        raise BoxError(f"{path}: {key} is {shown(entries)}, not a list")
    for position, entry in enumerate(entries):
        where = f"{path}: {key}[{position}]"
        if not isinstance(entry, dict):
            raise BoxError(f"{where} is {shown(entry)}, not an object")
        identity = entry.get("id")
        if isinstance(identity, float) and identity.is_integer():
            identity = int(identity)
        if not isinstance(identity, (int, str)):
            raise BoxError(f"{where} has no id that is a whole number or text")
        yield str(identity), entry


_LONGEST_LINE: Final = 1 << 20  # characters; a longer document is read in parts
_BESIDE_ARRAYS: Final = COLUMN_NAMES | FORMAT_NAMES
_BESIDE_RECORDS: Final = FORMAT_NAMES | set(map(plain, (*SPELLINGS["width"], *SPELLINGS["height"])))
# The id comes first: with a file name beside it, an entry is like one of COCO's `images`.
_IMAGE_NAMES: Final = tuple(dict.fromkeys(["imageid", *map(plain, SPELLINGS["image"]), "name"]))


@dataclass(frozen=True, slots=True)
class _Document:
    """The entries of a document; first: the index of the first, after earlier documents."""

    format: str
    entries: Sequence[Entry]
    producer: Producer = ANY
    first: int = 0


def read_json(stream: BinaryIO, source: Source, reading: Reading) -> Draft:
    """Read a JSON file; see `read_boxes`."""
    text = texts.read_text(stream, source.name)
    if len(text) > _LONGEST_LINE:
        with contextlib.suppress(ValueError, RecursionError, BoxError):  # the whole says what it is
            return _in_parts(text, source, reading)
    value = parse_json(text, source.name)
    del text
    return _draft(_document(value, source.name), source, reading)


def _in_parts(text: str, source: Source, reading: Reading) -> Draft:
    """The draft of a list or an object of images, or of boxes, which take many times their text.

    Raises ValueError for other documents, and where only the whole tells what is meant.
    """
    whole: Draft | None = None
    first, listed, any_coco, coco = 0, 0, False, Coco(source.name, {}, {})
    for values in texts.json_parts(text, _LONGEST_LINE, _SPLIT):
        is_coco = isinstance(values, dict) and values.keys() <= {*_COCO}
        any_coco |= is_coco
        if isinstance(values, dict) and is_coco:
            its = coco_of(values, source.name)
            coco.add(its)
            coco.categories.update(its.categories)
            listed += len(its.images)
            if "annotations" not in values:
                continue
            values = {"images": [], "annotations": values["annotations"]}
        document = _document(values, source.name, first)
        part = _draft(document, source, reading)
        first += len(document.entries) if isinstance(values, list) else 0
        is_one = isinstance(values, dict) and not is_coco and len(document.entries) < len(values)
        are_classes = document.producer is MMDETECTION and depth_of([*values]) < 4
        if is_one or are_classes or (whole and whole.format != part.format):
            raise ValueError("not a list")
        whole = part if whole is None else whole.extend(part, source.name)
    if whole is None or len(coco.images) < listed or (any_coco and not listed):
        raise ValueError("not a COCO file")
    whole.coco = coco if any_coco else whole.coco
    return whole


_SPLIT: Final = ("images", "annotations", "boxes")
_COCO: Final = ("images", "annotations", "categories", "info", "licenses", "type")


def read_json_lines(stream: BinaryIO, source: Source, reading: Reading) -> Draft:
    """Read a file with a JSON list or object on each line."""
    whole: Draft | None = None
    first = 0
    for line, block in texts.blocks(stream, source.name, _LONGEST_LINE):
        written = [n for n, text in enumerate(block) if not text.isspace()]
        lines: Lines = range(line, line + len(block))
        if len(written) < len(block):
            lines = np.array(written, np.int64) + line
        values = texts.parse_json_lines([block[n] for n in written], source.name, lines)
        document = _document(values, source.name, first, by_lines=True)
        if values:
            part = _draft(document, Source(source.path, lines), reading)
            whole = whole.extend(part, f"{source.name} line {lines[0]}") if whole else part
        first += len(values)
    whole = whole or _draft(_document([], source.name), source, reading)
    whole.format = "jsonl" if whole.format.startswith("json") else f"{whole.format}, jsonl"
    return whole


def _document(value: object, name: str, first: int = 0, by_lines: bool = False) -> _Document:
    for producer in PRODUCERS:
        if entries := producer.entries(value, name):
            return _Document(producer.name, entries, producer, first)
    if isinstance(value, dict) and {*map(type, value.values())} == {list}:
        return _Document("json lists by name", [Entry(k, {}, v) for k, v in value.items()])
    if not isinstance(value, list):
        keys = f", with {listing(list(value))}" if isinstance(value, dict) else ""
        raise BoxError(
            f"{name} holds {shown(value)}{keys}: boxes are a list, or an object with boxes or "
            "(COCO) annotations"
        )
    kinds = set(map(type, value))
    depth = depth_of(value) if kinds == {list} else 0
    by_class = depth == 3 and 5 in {len(b) for boxes in value for b in boxes if isinstance(b, list)}
    if depth == 4 or (by_class and not by_lines):
        images = value if depth == 4 else [value]
        entries = [_of_classes(classes, name) for classes in images]
        return _Document(MMDETECTION.name, entries, MMDETECTION, first)
    if depth == 3:
        entries = [Entry(None, {}, boxes) for boxes in value]
        return _Document("json lists by image", entries, first=first)
    every = frozenset().union(*set(map(frozenset, value))) if kinds == {dict} else frozenset()
    format = "json objects" if every else "json list"
    format = "coco results" if every >= {"image_id", "category_id", "bbox"} else format
    return _Document(format, [Entry(None, {}, value)])


def _of_classes(classes: list[Any], name: str) -> Entry:
    """An entry from mmdetection's results for one image: a list of boxes per class."""
    for label, boxes in enumerate(classes):
        if not isinstance(boxes, list):
            raise BoxError(f"{name}: class {label} is {shown(boxes)}, not a list of boxes")
    labels = [label for label, boxes in enumerate(classes) for _ in boxes]
    return Entry(None, {"labels": labels}, [box for boxes in classes for box in boxes])


def _draft(document: _Document, source: Source, reading: Reading) -> Draft:
    """The draft of a document; source: with the lines of entries, or of a single entry's boxes."""
    entries, producer, name = document.entries, document.producer, source.name
    records = entries[0].records
    if len(entries) > 1:
        records = list(chain.from_iterable(entry.records for entry in entries))
    counts = [len(entry.records) for entry in entries]
    if source.lines is not None and len(source.lines) == len(entries) and {*counts} != {1}:
        source = Source(source.path, np.repeat(source.lines, counts))
    _check_alike(records, producer, source)
    key, images, coco = _images(document, reading, name)
    beside = dict(_beside(document, name))
    by_hand = {role: c for role, c in reading.by_hand.items() if role != "image" or coco is None}
    if key is not None:
        by_hand.setdefault("image", key)
        beside[key] = [image for image, n in zip(images, counts, strict=True) for _ in range(n)]
    reading = dataclasses.replace(reading, by_hand=by_hand)
    if records and isinstance(records[0], dict):
        objects: list[dict[str, Any]] = [record or {} for record in records]
        shapes = list(filter(None, dict.fromkeys(map(tuple, objects))))  # few, of many records
        names = list(dict.fromkeys(chain(beside, *shapes)))

        def column(name: str) -> list[Any]:
            return beside.get(name) or [record.get(name) for record in objects]

        faults = _incomplete(objects, shapes)
        rows = Records(names, column, source, source.where(0), "keys", producer, faults)
        draft = rows.draft(reading, document.format)
    else:
        width = len(reading.columns or ()) or None
        if reading.box_format == ROTATED and width is None:
            width = max((len(each) for each in records if isinstance(each, list)), default=5)
        matrix, faults = boxes_of(records, width)
        format = document.format
        draft = draft_of_matrix(matrix, source, reading, format, beside, faults, producer)
    draft.coco = coco
    draft.entries = len(entries) if key == "position" else None
    return draft


def _check_alike(records: list[Any], producer: Producer, source: Source) -> None:
    kinds = set(map(type, records)) - {type(None)}
    if len(kinds) > 1 or not kinds <= {list, dict}:
        row = next((n for n, each in enumerate(records) if type(each) is not type(records[0])), 0)
        raise BoxError(
            f"{source.where(row)} is {shown(records[row])}: write every box the same way, as "
            "[x1, y1, x2, y2] or as an object"
        )
    if kinds == {list} and not producer.arrays:
        raise BoxError(f"{source.where(0)}: {shown(records[0])} is not an object with a box")


def _incomplete(records: list[dict[str, Any]], shapes: list[tuple[str, ...]]) -> dict[int, str]:
    """Faults of records that lack a meaningful key that others have."""
    keys = dict.fromkeys(chain.from_iterable(shapes))
    needed = [key for key in keys if is_known(key) or plain(key) in NESTED]
    lacks = {shape: next((key for key in needed if key not in shape), None) for shape in shapes}
    rows = enumerate(map(tuple, records)) if any(lacks.values()) else ()
    return {
        row: f"has no {printable(lacks[shape])}, but other boxes do"
        for row, shape in rows
        if shape and lacks[shape] is not None
    }


def _beside(document: _Document, name: str) -> Iterator[tuple[str, list[Any]]]:
    """Columns beside the boxes of entries: lists, or a single value for every box.

    If boxes are records, only the size of their image and the box format.
    """
    entries = document.entries
    known = _BESIDE_ARRAYS if document.producer.arrays else _BESIDE_RECORDS
    for key in dict.fromkeys(chain.from_iterable(entry.facts for entry in entries)):
        if plain(key) not in known:
            continue
        column: list[Any] = []
        for entry in entries:
            values, count = entry.facts.get(key), len(entry.records)
            if isinstance(values, list) and len(values) != count:
                raise BoxError(
                    f"{name}: {printable(key)} has {len(values)} values for {count} boxes"
                )
            column += values if isinstance(values, list) else [values] * count
        yield key, column


def _images(
    document: _Document, reading: Reading, name: str
) -> tuple[str | None, Sequence[Any], Coco | None]:
    """The key that names each entry's image, the names, and the images as in a COCO file.

    An id, a file name, the key in the document, or the position; None if only records may tell.
    """
    entries = document.entries
    if len(entries) == 1 and "images" in entries[0].facts:
        return None, (), coco_of(entries[0].facts, name)
    facts = [{plain(k): v for k, v in e.facts.items() if not isinstance(v, dict)} for e in entries]
    by_hand = [plain(reading.by_hand["image"])] if "image" in reading.by_hand else []
    known = (*by_hand, *_IMAGE_NAMES)
    keys = [k for k in known if all(isinstance(its.get(k), (str, int, float)) for its in facts)]
    if keys:
        key = next(each for each in entries[0].facts if plain(each) == keys[0])
        images = [its[keys[0]] for its in facts]
        if keys[0] == "cocourl":
            images = [str(each).rpartition("/")[2] for each in images]
        if keys[0] != "imageid" or not keys[1:] or by_hand:
            return "image" if keys[0] == "name" else key, images, None  # a record's is its label
        listed = {str(i): {**e.facts, "id": i} for i, e in zip(images, entries, strict=True)}
        return key, images, coco_of({"images": list(listed.values())}, name)
    names = [entry.name for entry in entries]
    if None not in names:
        record = next(chain.from_iterable(entry.records for entry in entries), None)
        names_it = isinstance(record, dict) and {*map(plain, record)} & {*_IMAGE_NAMES[:-1]}
        return (None, (), None) if names_it else ("image", names, None)
    named = [any(key in its for key in _IMAGE_NAMES) for its in facts]
    if document.first + len(entries) > 1 and not any(named):
        return "position", range(document.first, document.first + len(entries)), None
    if any(named) and not all(named):
        row = named.index(False)
        raise BoxError(f"{name}: image {row} of the list has no name, but others do")
    return None, (), None
