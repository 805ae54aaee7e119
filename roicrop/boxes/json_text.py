"""JSON in its many shapes: plain lists, objects, arrays side by side, COCO; and JSON Lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from roicrop.boxes.coco import coco_of
from roicrop.boxes.columns import COLUMN_KEYS, NUMBER_KEYS, Draft
from roicrop.boxes.geometry import BOX_FORMATS, BoxFormat
from roicrop.boxes.table import BoxFormatOrigin, Source
from roicrop.boxes.text import parse_json, parse_json_lines, shown
from roicrop.errors import BoxError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Object: TypeAlias = "dict[str, Any]"

_BOX_KEYS: Final[dict[str, tuple[BoxFormat, BoxFormatOrigin]]] = {
    "box": ("xyxy", "key box"),
    "bbox": ("xywh", "key bbox"),
}
_COCO_RESULT_KEYS: Final = frozenset({"image_id", "category_id", "bbox"})
# What torchvision's detectors call these columns in their output.
_PLURALS: Final = {"scores": "score", "labels": "label"}


def read_json(text: str, source: Source, box_format: BoxFormat | None) -> Draft:
    """The boxes of a JSON file; `read_boxes` says what `box_format` does."""
    value = parse_json(text, source.name)
    if isinstance(value, list):
        draft = _from_list(value, source)
    elif isinstance(value, dict) and "annotations" in value:
        draft = _from_coco_instances(value, source)
    elif isinstance(value, dict) and "boxes" in value:
        draft = _from_arrays(value, source)
    else:
        raise BoxError(
            f"{source.name} holds {shown(value)}: boxes are a list, or an object with "
            "boxes or (COCO) annotations"
        )
    return _overridden(draft, box_format)


def read_json_lines(text: str, source: Source, box_format: BoxFormat | None) -> Draft:
    """The boxes of a file with a JSON list or object on each line."""
    values, lines = parse_json_lines(text, source.name)
    source = Source(source.path, np.array(lines, dtype=np.int64))
    draft = dataclasses.replace(_from_list(values, source), format="jsonl")
    return _overridden(draft, box_format)


def _overridden(draft: Draft, box_format: BoxFormat | None) -> Draft:
    if box_format is None:
        return draft
    return dataclasses.replace(draft, box_format=box_format, box_format_origin="option")


def _from_list(records: list[Any], source: Source) -> Draft:
    kinds = set(map(type, records))
    if kinds == {dict}:
        return _from_objects(records, source)
    if kinds <= {list}:
        return Draft(
            source=source,
            format="json list",
            box_format="xyxy",
            box_format_origin="default",
            coords=_coords(records, source),
        )
    first = type(records[0])
    if first not in (list, dict):
        where = source.where(0)
        raise BoxError(f"{where} is {shown(records[0])}: a box is [x1, y1, x2, y2] or an object")
    row = next(row for row, record in enumerate(records) if type(record) is not first)
    raise BoxError(
        f"{source.where(row)} is {shown(records[row])}, where the boxes before it are "
        f"{'lists' if first is list else 'objects'}: write all alike"
    )


def _from_objects(objects: list[_Object], source: Source) -> Draft:
    shapes = set(map(tuple, objects))  # few, however many the objects
    keys: set[str] = set().union(*shapes)
    box_keys = keys & _BOX_KEYS.keys()
    if not box_keys:
        raise BoxError(f"{source.where(0)} has no box or bbox")
    if len(box_keys) > 1:
        raise BoxError(f"{source.name}: boxes have both box and bbox: keep one")
    (box_key,) = box_keys
    box_format, origin = _BOX_KEYS[box_key]
    draft = Draft(
        source=source,
        format="coco results" if keys >= _COCO_RESULT_KEYS else "json objects",
        box_format=box_format,
        box_format_origin=origin,
        coords=_coords(_column(objects, box_key, source), source),
    )
    for key in sorted(keys & COLUMN_KEYS):
        _add_column(draft, key, _column(objects, key, source))
    return draft


def _from_coco_instances(value: _Object, source: Source) -> Draft:
    annotations = value["annotations"]
    if not isinstance(annotations, list):
        raise BoxError(f"{source.name}: annotations is {shown(annotations)}, not a list")
    draft = _from_list(annotations, source)
    if annotations and draft.format == "json list":
        raise BoxError(f"{source.where(0)}: {shown(annotations[0])} is not an annotation")
    coco = coco_of(value, source.name)
    draft = dataclasses.replace(draft, format="coco instances", coco=coco)
    if annotations:
        return draft
    box_format, origin = _BOX_KEYS["bbox"]
    return dataclasses.replace(draft, box_format=box_format, box_format_origin=origin)


def _from_arrays(value: _Object, source: Source) -> Draft:
    boxes = value["boxes"]
    if not isinstance(boxes, list):
        raise BoxError(f"{source.name}: boxes is {shown(boxes)}, not a list")
    draft = dataclasses.replace(_from_list(boxes, source), format="json arrays")
    for key, values in value.items():
        column = _PLURALS.get(key, key)
        if column in COLUMN_KEYS:
            if column in draft.names or column in draft.numbers:
                raise BoxError(f"{source.name}: {key} is there twice: keep one")
            _add_column(draft, column, _broadcast(values, key, len(boxes), source))
    if "box_format" not in value:
        return draft
    box_format = value["box_format"]
    if box_format not in BOX_FORMATS:
        known = ", ".join(BOX_FORMATS)
        raise BoxError(f"{source.name}: box_format is {shown(box_format)}: choose from {known}")
    return dataclasses.replace(draft, box_format=box_format, box_format_origin="key box_format")


def _broadcast(values: object, key: str, count: int, source: Source) -> list[Any]:
    if not isinstance(values, list):
        return [values] * count
    if len(values) != count:
        raise BoxError(f"{source.name}: {key} has {len(values)} values for {count} boxes")
    return values


def _column(objects: list[_Object], key: str, source: Source) -> list[Any]:
    try:
        return [entry[key] for entry in objects]
    except KeyError:
        row = next(row for row, entry in enumerate(objects) if key not in entry)
        raise BoxError(
            f"{source.where(row)} has no {key}, which other boxes have: give it to all or to none"
        ) from None


def _add_column(draft: Draft, key: str, values: list[Any]) -> None:
    if key in NUMBER_KEYS:
        draft.numbers[key] = _numbers(values, key, draft.source)
    else:
        draft.names[key] = values


def _coords(boxes: list[Any], source: Source) -> NDArray[np.float64]:
    if set(map(type, boxes)) <= {list} and set(map(len, boxes)) <= {4}:
        coords = _float64(list(chain.from_iterable(boxes)))
        if coords is not None:
            return coords.reshape(-1, 4)
    row = next(row for row, box in enumerate(boxes) if not _is_box(box))
    raise BoxError(f"{source.where(row)}: {shown(boxes[row])} is not four numbers")


def _is_box(box: object) -> bool:
    return isinstance(box, list) and len(box) == 4 and _float64(box) is not None


def _numbers(values: list[Any], key: str, source: Source) -> NDArray[np.float64]:
    numbers = _float64(values)
    if numbers is not None:
        return numbers
    row = next(row for row, value in enumerate(values) if _float64([value]) is None)
    raise BoxError(f"{source.where(row)}: {key} is {shown(values[row])}, not a number")


def _float64(values: Sequence[Any]) -> NDArray[np.float64] | None:
    """The values as they are; None if one is not a number, or an integer beyond float64."""
    if not set(map(type, values)) <= {int, float}:
        return None
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        return None
