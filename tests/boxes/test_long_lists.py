"""A long list or object in JSON is read in parts, with the result of reading it whole."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roicrop.boxes import json_text
from roicrop.boxes.json_text import read_json
from roicrop.boxes.names import Reading
from roicrop.boxes.table import Source
from roicrop.errors import RoicropError

RECORDS: list[Any] = [
    [0, 0, 9, 9],
    [1, 2, 3, 4, 0.5],
    [1, 2, 3],
    [[0, 0, 9, 9], [1, 1, 2, 2]],
    [[[0, 0, 9, 9, 0.5], [1, 1, 2, 2, 0.5]], []],
    [[0, 0, 9, 9, 0.5], [1, 1, 2, 2, 0.5]],
    [],
    {"bbox": [0, 0, 9, 9]},
    {"bbox": [0, 0, 9, 9], "score": 0.5},
    {"bbox": [0, 0, "x", 9], "score": None},
    {"bbox": []},
    {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]},
    {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "segmentation": [[1, 2], [3, 4]]},
    {"image": "a},{b", "box": [1, 2, 3, 4], "label": "],["},
    {"image": 3, "box": [1, 2, 3, 4], "label": 5},
    {"boxes": [[0, 0, 9, 9]], "scores": [0.5]},
    {"boxes": [[0, 0, 9, 9]], "labels": ["a"]},
    {"image_id": 3, "file_name": "3.jpg", "boxes": [[0, 0, 9, 9]]},
    [{"bbox": [0, 0, 9, 9]}, {"bbox": [0, 0, 1, 1]}],
    {"file_name": "a.jpg", "annotations": [{"bbox": [0, 0, 9, 9]}, {"bbox": [0, 0, 1, 1]}]},
    7,
    None,
]


def outcome(text: str) -> object:
    """What reading gives: the message of an error, or all that a table holds."""
    try:
        stream = io.BytesIO(text.encode())
        table = read_json(stream, Source("boxes.json"), Reading(images=2)).build("boxes.json")
    except RoicropError as error:
        return str(error)
    columns = (table.image, table.label, table.score, table.id, table.rows)
    return (
        table.coco, table.image_sizes, table.image_key, table.image_kind,
        table.format, table.box_format, table.box_format_origin,
        table.coords.astype(str).tolist(), table.faults, table.where(0) if len(table) else "",
        *(None if each is None else [*map(str, each.tolist())] for each in columns),
    )  # fmt: skip


alike = st.one_of(*(st.lists(st.just(record), max_size=12) for record in RECORDS))


@given(
    st.one_of(alike, st.lists(st.sampled_from(RECORDS), max_size=6)),
    st.sampled_from([None, 1]),
    st.sampled_from(["", "]", "}", ",", "x", "\n"]),
    st.booleans(),
)
@example([RECORDS[7]] * 4 + [RECORDS[8]] * 4, None, "", False)
@example([RECORDS[0]] * 4 + [RECORDS[1]] * 4, None, "", False)
@example([RECORDS[11]] * 4 + [RECORDS[10]] * 4, 1, "", False)
def test_what_is_read_in_parts_is_the_same_read_whole(
    records: list[Any], indent: int | None, after: str, by_name: bool
) -> None:
    values = {f"{n}.jpg": record for n, record in enumerate(records)} if by_name else records
    text = json.dumps(values, indent=indent) + after
    whole = outcome(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_LONGEST_LINE", 16)
        assert outcome(text) == whole


IMAGES: list[Any] = [
    {"id": 7, "file_name": "7.jpg", "height": 9, "width": 9},
    {"id": 8},
    {"id": "8", "file_name": "a},{b.jpg"},
    {"file_name": "no id"},
    7,
]


@given(
    st.lists(st.sampled_from(IMAGES), max_size=5) | st.just([]),
    alike,
    st.permutations(["images", "annotations", "categories", "info"]),
    st.integers(1, 4),
)
@example(IMAGES[:2], [RECORDS[11], RECORDS[12]] * 3, ["images", "annotations", "categories"], 3)
@example(IMAGES[:2], [RECORDS[11]] * 6, ["annotations", "info", "images"], 3)
@example(IMAGES[1:3], [RECORDS[11]] * 6, ["info", "annotations", "images"], 3)
def test_a_coco_file_read_in_parts_is_the_same_read_whole(
    images: list[Any], records: list[Any], keys: list[str], count: int
) -> None:
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    lists = {"images": images, "annotations": records, "categories": categories}
    text = json.dumps({key: lists.get(key, {"year": 2017}) for key in keys[:count]})
    whole = outcome(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_LONGEST_LINE", 16)
        assert outcome(text) == whole


@given(alike, st.sampled_from(["", "scores", "labels", "image", "height"]), st.booleans())
def test_an_object_of_boxes_read_in_parts_is_the_same_read_whole(
    boxes: list[Any], beside: str, first: bool
) -> None:
    values = {"image": "a.jpg", "height": 9, "": {}}.get(beside, [0.5] * len(boxes))
    members = [("boxes", boxes), (beside, values)]
    text = json.dumps(dict(reversed(members) if first else members))
    whole = outcome(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_LONGEST_LINE", 16)
        assert outcome(text) == whole
