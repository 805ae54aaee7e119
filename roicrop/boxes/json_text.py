"""JSON in its many shapes, and JSON Lines.

A document becomes entries, one for each image, with the records of its boxes: by the row of
`producers` that it fits, or as lists lie in it. Records are objects or lists of numbers.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from roicrop.boxes.coco import Coco, coco_of
from roicrop.boxes.columns import Draft, joined
from roicrop.boxes.geometry import BOX_FORMATS
from roicrop.boxes.names import (
    COLUMN_NAMES,
    CORNERS,
    SPELLINGS,
    Reading,
    Roles,
    find_roles,
    is_known,
    plain,
)
from roicrop.boxes.numbers import boxes_of
from roicrop.boxes.producers import PRODUCERS, Producer
from roicrop.boxes.records import NESTED, Records, draft_of_matrix
from roicrop.boxes.table import Source
from roicrop.errors import BoxError
from roicrop.files.text import blocks, parse_json, parse_json_lines, read_text, shown
from roicrop.text import listing, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What an object of arrays calls columns that hold every box's value.
_PLURALS: Final[Mapping[str, str]] = {"scores": "score", "labels": "label"}
_SIZES: Final = frozenset(map(plain, (*SPELLINGS["width"], *SPELLINGS["height"])))
_COCO_RESULT_KEYS: Final = frozenset({"image_id", "category_id", "bbox"})
_IMAGE_NAMES: Final = tuple(n for n in map(plain, SPELLINGS["image"]) if n != "imageid")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One image of a document: its name there, what is said of it, and the records of its boxes."""

    name: str | None
    said: dict[str, Any]
    records: list[Any]


@dataclass(frozen=True, slots=True)
class _Document:
    """The entries of a document; first: the number of the first, where there were others before."""

    format: str
    entries: Sequence[_Entry]
    producer: Producer | None = None
    score_last: bool = False
    first: int = 0


def read_json(stream: BinaryIO, path: str, name: str, reading: Reading) -> Draft:
    """The boxes of a JSON file; see `read_boxes`."""
    value = parse_json(read_text(stream, name), name)
    return _draft(_document(value, name), path, name, reading)


def read_json_lines(stream: BinaryIO, path: str, name: str, reading: Reading) -> Draft:
    """The boxes of a file with a JSON list or object on each line."""
    drafts: list[Draft] = []
    line, first = 1, 0
    for block in itertools.chain(blocks(stream, name), [[]]):
        written = [n for n, text in enumerate(block) if not text.isspace()]
        if not written and (block or drafts):
            continue
        lines = np.array(written, np.int64) + line
        values = parse_json_lines([block[n] for n in written], name, lines.tolist())
        document = _document(values, name, first, by_lines=True)
        drafts.append(_draft(document, path, name, reading, lines))
        if drafts[-1].roles != drafts[0].roles:
            raise BoxError(f"{name} line {lines[0]}: other keys than in the lines before it")
        line, first = line + len(block), first + len(values)
    whole = joined(drafts)
    whole.format = "jsonl" if whole.format.startswith("json") else f"{whole.format}, jsonl"
    return whole


def _document(value: object, name: str, first: int = 0, by_lines: bool = False) -> _Document:
    for producer in PRODUCERS if value else ():
        found = producer.entries(value) if producer.records else None
        if found is not None:
            entries = []
            for key, said in found:
                its_key, records = producer.records_of(said)
                if not isinstance(records, list):
                    where = name if key is None else f"{name}: {printable(key)}"
                    raise BoxError(f"{where}: {its_key} is {shown(records)}, not a list")
                said = {k: v for k, v in said.items() if k != its_key}
                entries.append(_Entry(key, said, records))
            return _Document(producer.name, entries, producer, first=first)
    if isinstance(value, dict) and value and all(map(_holds_boxes, value.values())):
        return _Document("json lists by name", [_Entry(k, {}, v) for k, v in value.items()])
    if not isinstance(value, list):
        keys = f", with {listing(list(value))}" if isinstance(value, dict) else ""
        raise BoxError(
            f"{name} holds {shown(value)}{keys}: boxes are a list, or an object with boxes or "
            "(COCO) annotations"
        )
    kinds = set(map(type, value))
    depth = _depth(value) if kinds == {list} else 0
    by_class = depth == 3 and 5 in {len(b) for boxes in value for b in boxes if _is(b)}
    if depth == 4 or (by_class and not by_lines):
        images = value if depth == 4 else [value]
        entries = [_of_classes(classes, name) for classes in images]
        return _Document("mmdetection", entries, score_last=True, first=first)
    if depth == 3:
        entries = [_Entry(None, {}, boxes) for boxes in value]
        return _Document("json lists by image", entries, first=first)
    format = "json list"
    if kinds == {dict}:
        keys_of_all = set().union(*set(map(frozenset, value)))
        format = "coco results" if keys_of_all >= _COCO_RESULT_KEYS else "json objects"
    return _Document(format, [_Entry(None, {}, value)])


def _is(value: object) -> bool:
    return isinstance(value, list)


def _holds_boxes(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, (list, dict)) for each in value[:1])


def _depth(value: list[Any]) -> int:
    """How deep lists are nested, as far as the first number."""
    depth = 1
    while inner := next((each for each in value if _is(each) and each), None):
        value, depth = inner, depth + 1
    return depth


def _of_classes(classes: list[Any], name: str) -> _Entry:
    """Mmdetection's results of one image: a list of boxes for each class."""
    for label, boxes in enumerate(classes):
        if not isinstance(boxes, list):
            raise BoxError(f"{name}: class {label} is {shown(boxes)}, not a list of boxes")
    labels = [label for label, boxes in enumerate(classes) for _ in boxes]
    return _Entry(None, {"labels": labels}, [box for boxes in classes for box in boxes])


def _draft(
    document: _Document,
    path: str,
    name: str,
    reading: Reading,
    lines: NDArray[np.int64] | None = None,
) -> Draft:
    """The draft of a document; lines: that of each entry, or of each record of the only one."""
    entries, producer = document.entries, document.producer
    records = entries[0].records
    if len(entries) > 1:
        records = list(chain.from_iterable(entry.records for entry in entries))
    counts = [len(entry.records) for entry in entries]
    if lines is not None and len(lines) == len(entries):
        lines = np.repeat(lines, counts)
    where = Source(path, lines).where
    _check_alike(records, producer, where)
    images = _images(document, reading, name)
    if images.coco is not None:
        by_hand = dict(reading.by_hand)
        by_hand.pop("image", None)
        reading = dataclasses.replace(reading, by_hand=by_hand)
    beside = dict(_beside(document, name))
    if images.key is not None:
        of_entries = zip(images.of_entries, counts, strict=True)
        beside[images.key] = [image for image, n in of_entries for _ in range(n)]
    if records and isinstance(records[0], dict):
        shapes = [*dict.fromkeys(map(tuple, filter(None, records)))]  # few, however many records
        names = [*beside, *dict.fromkeys(chain.from_iterable(shapes))]
        column_of = functools.partial(_column, records, beside)
        rows = Records(list(dict.fromkeys(names)), column_of, where, producer)
        rows.faults |= _incomplete(records, shapes)
        roles = rows.roles(reading, "keys")
        if images.key is not None and "image" not in reading.by_hand:
            roles.of["image"] = images.key
        draft = rows.draft(roles, reading, document.format)
    else:
        matrix, faults = boxes_of(records, len(reading.names) or None)
        named, last = images.key is not None, document.score_last
        draft = draft_of_matrix(
            matrix, name, reading, document.format, named=named, score_last=last
        )
        its = find_roles([*CORNERS, *beside], Reading(), name, "").of
        its |= {"image": images.key} if images.key is not None else {}
        draft.roles.of |= its
        draft.columns |= {role: beside[column] for role, column in its.items()}
        draft.faults, draft.names = faults, list(beside)
    if producer is not None and producer.arrays and reading.box_format is None:
        _heed_box_format(entries, draft.roles, name)
    draft.lines, draft.coco = lines, images.coco
    draft.entries = len(entries) if images.key == "position" else None
    return draft


def _check_alike(
    records: list[Any], producer: Producer | None, where: Callable[[int], str]
) -> None:
    kinds = set(map(type, records)) - {type(None)}
    if len(kinds) > 1 or not kinds <= {list, dict}:
        first = type(records[0])
        row = next((n for n, r in enumerate(records) if type(r) is not first), 0)
        raise BoxError(
            f"{where(row)} is {shown(records[row])}: write each box alike, as [x1, y1, x2, y2] or "
            "as an object"
        )
    if kinds == {list} and producer is not None and not producer.arrays:
        raise BoxError(f"{where(0)}: {shown(records[0])} is not an object with a box")


def _column(records: list[Any], beside: Mapping[str, list[Any]], name: str) -> list[Any]:
    if name in beside:
        return beside[name]
    try:
        return [record[name] for record in records]
    except (KeyError, TypeError):
        return [None if record is None else record.get(name) for record in records]


def _incomplete(records: list[Any], shapes: Sequence[tuple[str, ...]]) -> dict[int, str]:
    """Records without a key that others have, of those that mean something."""
    keys = dict.fromkeys(chain.from_iterable(shapes))
    needed = [key for key in keys if is_known(key) or plain(key) in NESTED]
    lacks = {shape: next((key for key in needed if key not in shape), None) for shape in shapes}
    if not any(lacks.values()):
        return {}
    return {
        row: f"has no {printable(lacks[shape])}, which other boxes have"
        for row, shape in enumerate(tuple(record or ()) for record in records)
        if lacks.get(shape) is not None
    }


def _beside(document: _Document, name: str) -> Iterator[tuple[str, list[Any]]]:
    """The columns beside the boxes of entries: lists, or a single value for every box.

    Entries that hold records have no others than the size of their image.
    """
    entries, producer = document.entries, document.producer
    arrays = producer is None or producer.arrays
    for key in dict.fromkeys(chain.from_iterable(entry.said for entry in entries)):
        column = _PLURALS.get(key, key)
        if plain(column) not in (COLUMN_NAMES if arrays else _SIZES):
            continue
        if column != key and any(column in entry.said for entry in entries):
            raise BoxError(f"{name}: {printable(key)} is there twice: keep one")
        all_values: list[Any] = []
        for entry in entries:
            values, count = entry.said.get(key), len(entry.records)
            if isinstance(values, list) and len(values) != count:
                raise BoxError(
                    f"{name}: {printable(key)} has {len(values)} values for {count} boxes"
                )
            all_values += values if isinstance(values, list) else [values] * count
        yield column, all_values


def _heed_box_format(entries: Sequence[_Entry], roles: Roles, name: str) -> None:
    for value in (entry.said["box_format"] for entry in entries if "box_format" in entry.said):
        known = next((each for each in BOX_FORMATS if value == each), None)
        if known is None:
            raise BoxError(
                f"{name}: box_format is {shown(value)}: choose from {', '.join(BOX_FORMATS)}"
            )
        roles.box_format, roles.origin = known, "key box_format"


@dataclass(slots=True)
class _Images:
    """How a document names the image of each entry: under which key, and what it is.

    key: None where records name their own images, or none do. coco: what else is said of them.
    """

    key: str | None = None
    of_entries: Sequence[Any] = ()
    coco: Coco | None = None


def _images(document: _Document, reading: Reading, name: str) -> _Images:
    """By an id, a file name, the key in the document, or the position among several."""
    entries = document.entries
    if len(entries) == 1 and "images" in entries[0].said:
        return _Images(coco=coco_of(entries[0].said, name))
    keys = [{plain(key): key for key in entry.said} for entry in entries]

    def values(wanted: Sequence[str]) -> tuple[str, list[Any]] | None:
        for each in wanted:
            if not all(each in its for its in keys):
                continue
            found = [e.said[its[each]] for its, e in zip(keys, entries, strict=True)]
            if all(type(value) in (str, int, float) for value in found):
                return keys[0][each], found
        return None

    by_hand = values([plain(reading.by_hand["image"])]) if "image" in reading.by_hand else None
    ids, names = values(["imageid"]), values(_IMAGE_NAMES)
    by_key = [entry.name for entry in entries]
    chosen = by_hand or ids or names or (None if None in by_key else ("name", by_key))
    if chosen is None:
        named = {n for n, its in enumerate(keys) if _names_image(its, entries[n])}
        if named and len(named) < len(entries):
            row = min(set(range(len(entries))) - named)
            raise BoxError(f"{name}: image {row} of the list has no name, which others have")
        if len(entries) == 1 or named:
            return _Images()
        chosen = "position", [document.first + n for n in range(len(entries))]
    key, of_entries = chosen
    if plain(key) == "cocourl":
        of_entries = [str(each).rpartition("/")[2] for each in of_entries]
    if ids is None or names is None or by_hand is not None:
        return _Images(key, of_entries)
    listed = [{**entry.said, "id": image} for image, entry in zip(of_entries, entries, strict=True)]
    unique = list({str(each["id"]): each for each in reversed(listed)}.values())[::-1]
    return _Images(key, of_entries, coco_of({"images": unique}, name))


def _names_image(its: Mapping[str, str], entry: _Entry) -> bool:
    """Whether an entry names its image."""
    return any(
        isinstance(entry.said[key], (str, int, float, list))
        for name, key in its.items()
        if name in _IMAGE_NAMES or name == "imageid"
    )
