"""Every format gives the same table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.boxes import (
    BOX_FORMATS,
    BoxFormat,
    read_boxes,
)
from roicrop.boxes.table import to_xyxy
from tests.boxes.reading import INSTANCES, Write, same

coordinate = st.integers(-64_000, 256_000).map(lambda n: n / 64)
corners = st.tuples(coordinate, coordinate, coordinate, coordinate)
name = st.text("abcé,;\t\"' ._-", min_size=1, max_size=6).filter(lambda t: t == t.strip())
row = st.tuples(corners, st.floats(0, 1), st.integers(0, 10**12), st.integers(0, 99))


def csv_text(header: Sequence[str], rows: Sequence[Sequence[object]], delimiter: str) -> str:
    def field(value: object) -> str:
        text = value if isinstance(value, str) else repr(value)
        return f'"{text.replace(chr(34), chr(34) * 2)}"' if set(text) & {*'",;\t'} else text

    return "".join(delimiter.join(map(field, line)) + "\r\n" for line in (header, *rows))


def xywh(box: Sequence[float]) -> list[float]:
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1]


def cxcywh(box: Sequence[float]) -> list[float]:
    x1, y1, x2, y2 = box
    return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]


def spellings(
    boxes: list[Any], scores: list[float], ids: list[int], images: list[Any], labels: list[Any]
) -> dict[str, str]:
    """The same boxes in every format: name of a file → its text."""
    rest = list(zip(images, scores, labels, ids, strict=True))
    columns = {"image": images, "score": scores, "label": labels, "id": ids}
    objects = [
        {"image": i, "score": s, "label": c, "id": n, "box": list(b)}
        for b, (i, s, c, n) in zip(boxes, rest, strict=True)
    ]
    results = [
        {"image_id": i, "category_id": c, "bbox": xywh(b), "score": s, "id": n}
        for b, (i, s, c, n) in zip(boxes, rest, strict=True)
    ]
    last = ("image", "score", "label", "id")
    return {
        "corners.csv": csv_text(
            ("x1", "y1", "x2", "y2", *last),
            [(*b, *r) for b, r in zip(boxes, rest, strict=True)],
            ",",
        ),
        "reordered.tsv": csv_text(
            ("ID", "YMax", "other", "Category_ID", "XMin", "Score", "YMin", "Image_ID", "XMax"),
            [
                (n, y2, "a", c, x1, s, y1, i, x2)
                for (x1, y1, x2, y2), (i, s, c, n) in zip(boxes, rest, strict=True)
            ],
            "\t",
        ),
        "size.csv": csv_text(
            ("x", "y", "w", "h", *last),
            [(*xywh(b), *r) for b, r in zip(boxes, rest, strict=True)],
            ";",
        ),
        "centre.csv": "\ufeff"
        + csv_text(
            (*last, "cx", "cy", "width", "height"),
            [(*r, *cxcywh(b)) for b, r in zip(boxes, rest, strict=True)],
            ",",
        ),
        "objects.json": json.dumps(objects),
        "lines.jsonl": "".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects),
        "arrays.json": json.dumps({"boxes": boxes, **columns}),
        "plural.json": json.dumps(
            {
                "box_format": "yxyx",
                "boxes": [[y1, x1, y2, x2] for x1, y1, x2, y2 in boxes],
                "scores": scores,
                "labels": labels,
                "image": images,
                "id": ids,
            }
        ),
        "results.json": json.dumps(results, indent=1),
        "results.jsonl": "\r\n".join(map(json.dumps, results)),
        "instances.json": json.dumps({"images": [], "annotations": results}),
    }


@given(st.lists(row, min_size=1, max_size=6), st.data())
def test_every_format_gives_the_same_table(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("formats")
    boxes, scores, ids, labels = map(list, zip(*rows, strict=True))
    named = st.lists(name, min_size=len(rows), max_size=len(rows))
    images = data.draw(named | st.just(labels))
    labels = data.draw(named | st.just(labels))
    for file_name, text in spellings(boxes, scores, ids, images, labels).items():
        (folder / file_name).write_text(text, encoding="utf-8", newline="")
        table = read_boxes(folder / file_name)
        assert table.xyxy().tolist() == [list(box) for box in boxes], file_name
        assert same(table.score, np.array(scores)), file_name
        assert same(table.id, np.array(ids)), file_name
        assert same(table.image, column_of(images)), file_name
        assert same(table.label, column_of(labels)), file_name


def column_of(values: list[Any]) -> np.ndarray:
    return np.array(values, dtype=object if isinstance(values[0], str) else np.int64)


def test_decimal_coordinates_are_the_same_float32_in_every_box_format() -> None:
    generator = np.random.default_rng(7)
    first = np.round(generator.uniform(0, 4000, (20_000, 2)), 2)
    last = np.round(first + generator.uniform(0, 2000, (20_000, 2)), 2)
    xyxy = np.hstack([first, last])
    written: dict[BoxFormat, np.ndarray] = {
        "xyxy": xyxy,
        "yxyx": xyxy[:, [1, 0, 3, 2]],
        "xywh": np.hstack([first, last - first]),
        "cxcywh": np.hstack([(first + last) / 2, last - first]),
    }
    assert set(written) == set(BOX_FORMATS)
    for box_format, coords in written.items():
        np.testing.assert_array_equal(
            to_xyxy(coords, box_format).astype(np.float32), xyxy.astype(np.float32), box_format
        )


def test_a_plain_list_is_xyxy(write: Write) -> None:
    table = read_boxes(write("boxes.json", [[1, 2, 3.5, 4], [5, 6, 7, 8]]))
    assert (table.format, table.box_format, table.box_format_origin) == (
        "json list",
        "xyxy",
        "default",
    )
    assert table.coords.dtype == np.float64
    assert table.coords.tolist() == [[1, 2, 3.5, 4], [5, 6, 7, 8]]
    assert [table.image, table.id, table.score, table.label, table.coco] == [None] * 5
    assert table.source_index.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"box": [1, 2, 3, 4]}], ("json objects", "xyxy", "key box")),
        ([{"bbox": [1, 2, 3, 4]}], ("json objects", "xywh", "key bbox")),
        ([{"bbox": [1, 2, 3, 4], "image_id": 1}], ("json objects", "xywh", "key bbox")),
        (
            [{"bbox": [1, 2, 3, 4], "image_id": 1, "category_id": 2}],
            ("coco results", "xywh", "key bbox"),
        ),
        ({"boxes": [[1, 2, 3, 4]]}, ("torchvision", "xyxy", "default")),
        (
            {"boxes": [[1, 2, 3, 4]], "box_format": "yxyx"},
            ("torchvision", "yxyx", "key box_format"),
        ),
        ({"boxes": [{"bbox": [1, 2, 3, 4]}]}, ("torchvision", "xywh", "key bbox")),
        (
            {"images": [], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]},
            ("coco instances", "xywh", "key bbox"),
        ),
    ],
)
def test_json_says_its_box_format_and_the_option_overrides_it(
    write: Write, content: object, expected: tuple[str, str, str]
) -> None:
    path = write("boxes.json", content)
    table = read_boxes(path)
    assert (table.format, table.box_format, table.box_format_origin) == expected
    table = read_boxes(path, box_format="cxcywh")
    assert (table.box_format, table.box_format_origin) == ("cxcywh", "option")
    assert table.xyxy().tolist() == [[-0.5, 0, 2.5, 4]]


@pytest.mark.parametrize("content", ["[]", '{"boxes": []}', '{"images": [], "annotations": []}'])
def test_json_without_boxes_is_an_empty_table(write: Write, content: str) -> None:
    table = read_boxes(write("boxes.json", content))
    assert table.xyxy().shape == (0, 4)
    assert len(table.select(min_score=0.5, labels=["cat"], top_k=1)) == 0


@pytest.mark.parametrize("name", ["boxes.csv", "boxes.jsonl"])
def test_a_header_or_a_blank_line_alone_is_an_empty_table(write: Write, name: str) -> None:
    content = "x1,y1,x2,y2,image,score,label" if name == "boxes.csv" else "\n"
    table = read_boxes(write(name, content))
    assert table.xyxy().shape == (0, 4)


def test_one_image_index_stands_for_all_boxes_of_an_object(write: Write) -> None:
    table = read_boxes(
        write("boxes.json", {"boxes": [[1, 2, 3, 4]] * 3, "image_index": 2, "scores": [1, 2, 3]})
    )
    assert same(table.image, np.array([2, 2, 2]))
    assert same(table.score, np.array([1.0, 2.0, 3.0]))


def test_coco_instances_bring_their_images_and_categories(write: Write) -> None:
    table = read_boxes(write("instances.json", INSTANCES))
    assert table.coco is not None
    assert {i: (m.position, m.file_name) for i, m in table.coco.images.items()} == {
        "7": (0, "seven.jpg"),
        "3": (1, "photos/three.png"),
    }
    assert table.coco.images["7"].size == (480, 640)
    assert same(table.id, np.array([100, 101, 102]))
    assert same(table.label, np.array([1, 2, 1]))
