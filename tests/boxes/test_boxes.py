"""Files of boxes: every format gives the same table, and every fault is named where it is."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import gc
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roicrop.boxes import (
    BOX_FORMATS,
    BoxFormat,
    BoxTable,
    ImageAssignment,
    assign_images,
    delimited,
    find_bad,
    read_boxes,
    to_xyxy,
)
from roicrop.boxes.delimited import read_delimited
from roicrop.boxes.json_text import read_json
from roicrop.boxes.table import Source
from roicrop.errors import ArgumentError, BoxError

Write = Callable[[str, object], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes text, bytes or a JSON value to a file of that name."""

    def write_file(name: str, content: object) -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_bytes(text.encode())
        return path

    return write_file


def fault_of(read: Callable[[], object]) -> str:
    """The message of the BoxError that a call raises."""
    with pytest.raises(BoxError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- every format gives the same table ---------------------------------------------------------

coordinate = st.integers(-64_000, 256_000).map(lambda n: n / 64)
corners = st.tuples(coordinate, coordinate, coordinate, coordinate)
name = st.text("abcé,;\t\"' ._-", min_size=1, max_size=6).filter(lambda t: t == t.strip())
row = st.tuples(corners, st.floats(0, 1), st.integers(0, 10**12), st.integers(0, 99))


def same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is not None and b is not None and a.dtype == b.dtype and a.tolist() == b.tolist()


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
    """The same boxes in every format there is: name of a file → its text."""
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
    assert [table.image, table.id, table.score, table.label, table.coco_images] == [None] * 5
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
        ({"boxes": [[1, 2, 3, 4]]}, ("json arrays", "xyxy", "default")),
        (
            {"boxes": [[1, 2, 3, 4]], "box_format": "yxyx"},
            ("json arrays", "yxyx", "key box_format"),
        ),
        ({"boxes": [{"bbox": [1, 2, 3, 4]}]}, ("json arrays", "xywh", "key bbox")),
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
def test_json_without_boxes_is_a_table_of_none(write: Write, content: str) -> None:
    table = read_boxes(write("boxes.json", content))
    assert table.xyxy().shape == (0, 4)
    assert len(table.select(min_score=0.5, labels=["cat"], top_k=1)) == 0


@pytest.mark.parametrize("name", ["boxes.csv", "boxes.jsonl"])
def test_a_header_or_a_blank_line_alone_is_a_table_of_none(write: Write, name: str) -> None:
    content = "x1,y1,x2,y2,image,score,label" if name == "boxes.csv" else "\n"
    table = read_boxes(write(name, content))
    assert table.xyxy().shape == (0, 4)
    assert assign_images(table, names=None, count=3, kind="batch", path="f.h5").index.shape == (0,)


def test_one_image_index_stands_for_all_boxes_of_an_object(write: Write) -> None:
    table = read_boxes(
        write("boxes.json", {"boxes": [[1, 2, 3, 4]] * 3, "image_index": 2, "scores": [1, 2, 3]})
    )
    assert same(table.image, np.array([2, 2, 2]))
    assert same(table.score, np.array([1.0, 2.0, 3.0]))


def test_coco_instances_bring_their_images_and_categories(write: Write) -> None:
    table = read_boxes(write("instances.json", INSTANCES))
    assert table.coco_images is not None
    assert {i: (m.position, m.file_name) for i, m in table.coco_images.items()} == {
        "7": (0, "seven.jpg"),
        "3": (1, "photos/three.png"),
    }
    assert (table.coco_images["7"].height, table.coco_images["7"].width) == (480, 640)
    assert same(table.id, np.array([100, 101, 102]))
    assert same(table.label, np.array([1, 2, 1]))


INSTANCES = {
    "images": [
        {"id": 7, "file_name": "seven.jpg", "height": 480, "width": 640},
        {"id": 3, "file_name": "photos/three.png"},
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 100, "image_id": 3, "category_id": 1, "bbox": [10, 20, 30, 40], "iscrowd": 0},
        {"id": 101, "image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4]},
        {"id": 102, "image_id": 3, "category_id": 1, "bbox": [5, 6, 7, 8]},
    ],
}

# --- CSV ---------------------------------------------------------------------------------------


@given(
    st.lists(st.lists(name, min_size=2, max_size=2), min_size=1, max_size=5),
    st.sampled_from([",", ";", "\t"]),
)
@example([['a"', '"']], ",")
@example([["a,", ',"'], ['"b', "c"]], ",")
def test_quotes_around_fields_change_nothing(fields: list[list[str]], delimiter: str) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    text = delimiter.join(("image", "label", "x1", "y1", "x2", "y2")) + "\n"
    for image, label in fields:
        text += delimiter.join((quoted(image), quoted(label), '"1"', "2", "3", '"4.5"')) + "\n"
    table = read_delimited(text, Source("boxes.csv"), None).build()
    assert table.image is not None
    assert table.label is not None
    assert [list(pair) for pair in zip(table.image, table.label, strict=True)] == fields
    assert table.coords.tolist() == [[1, 2, 3, 4.5]] * len(fields)


@given(
    st.lists(
        st.sampled_from(["1,2,3,4,a", '1,2,3,4,"a"', "", "  ", "nan,-inf,1e3, 4 ,b", ",,,,"]),
        max_size=6,
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_lines_are_counted_as_in_the_file(lines: list[str], newline: str) -> None:
    text = newline.join(["", "x1,y1,x2,y2,image", *lines])
    table = read_delimited(text, Source("boxes.csv"), None).build()
    boxes = [n for n, line in enumerate(lines, 3) if line.strip(" ,")]
    assert [table.where(row) for row in range(len(table))] == [f"boxes.csv line {n}" for n in boxes]


def test_a_field_may_hold_a_line_break_and_lines_are_still_right(write: Write) -> None:
    text = 'image,x1,y1,x2,y2\n"a\nb",1,2,3,4\nc,1,2,3,4\n'
    table = read_boxes(write("boxes.csv", text))
    assert table.image is not None
    assert table.image.tolist() == ["a\nb", "c"]
    assert table.where(0).endswith("boxes.csv line 2")
    assert table.where(1).endswith("boxes.csv line 4")


@pytest.mark.parametrize("cell", ['"a"b', 'a"b', '"a" ', ' "a,b"', '"a""b"', '"a"",b"', '",",'])
def test_quotes_that_do_more_than_enclose_are_read_as_csv_has_it(write: Write, cell: str) -> None:
    lines = ["image,x1,y1,x2,y2", f"{cell},1,2,3,4", '"plain",1,2,3,4']
    try:
        expected = [row[0] for row in csv.reader(lines[1:], skipinitialspace=True, strict=True)]
        assert len(next(csv.reader(lines[1:2], skipinitialspace=True, strict=True))) == 5
    except (csv.Error, AssertionError):
        with pytest.raises(BoxError, match="line 2"):
            read_boxes(write("boxes.csv", "\n".join(lines)))
        return
    table = read_boxes(write("boxes.csv", "\n".join(lines)))
    assert table.image is not None
    assert table.image.tolist() == [image.strip() for image in expected]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_field_may_be_quoted(write: Write, delimiter: str) -> None:
    rows = [["x1", "y1", "x2", "y2", "label"], ["1", "2", "3", "4", "a,b;c"]]
    text = "".join(delimiter.join(f'"{field}"' for field in row) + "\r\n" for row in rows)
    table = read_boxes(write("boxes.csv", f"\ufeff{text}"))
    assert table.coords.tolist() == [[1, 2, 3, 4]]
    assert table.label is not None
    assert table.label.tolist() == ["a,b;c"]


@pytest.mark.parametrize("number", ["1_0", "\u0663\u0660", "0x1p3"])
def test_only_what_csv_means_by_a_number_is_one(write: Write, number: str) -> None:
    with pytest.raises(BoxError, match=r"boxes.csv line 2, column x2: .* is not a number"):
        read_boxes(write("boxes.csv", f"x1,y1,x2,y2\n1,2,{number},40\n"))


@pytest.mark.parametrize("note", ["note\nmore", "a;b;c;d;e;f", "a\tb"])
def test_names_of_columns_may_be_quoted(write: Write, note: str) -> None:
    path = write("boxes.csv", f'x1,y1,x2,y2,"{note}"\n1,2,3,4,5\n')
    table = read_boxes(path)
    assert table.coords.tolist() == [[1, 2, 3, 4]]
    assert table.where(0).endswith(f"line {2 + note.count(chr(10))}")


def test_plain_and_simply_quoted_lines_are_read_the_quick_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(delimited, "_read_careful")
    for cell in ("cat", '"cat"', '"x y"', '"x, y"', '""'):
        text = f"x1,y1,label,x2,y2\r\n\r\n1,2,{cell},3,4\r\n  \r\n"
        table = read_delimited(text, Source("boxes.csv"), None).build()
        assert table.where(0) == "boxes.csv line 3"
        assert table.label is not None
        assert table.label.tolist() == [cell.strip('"')]


@pytest.mark.parametrize(
    ("header", "box_format", "expected", "origin"),
    [
        ("x1,y1,x2,y2", None, "xyxy", "header"),
        ("x1,y1,x2,y2", "xyxy", "xyxy", "option"),
        ("x1,y1,x2,y2", "xywh", "xywh", "option"),
        ("y1,x1,y2,x2", "yxyx", "yxyx", "option"),
        ("x,y,w,h", "cxcywh", "cxcywh", "option"),
    ],
)
def test_an_option_that_contradicts_the_header_takes_columns_in_their_order(
    write: Write, header: str, box_format: BoxFormat | None, expected: str, origin: str
) -> None:
    path = write("boxes.csv", f"{header}\n1,2,3,4\n")
    table = read_boxes(path, box_format=box_format)
    assert (table.box_format, table.box_format_origin) == (expected, origin)
    assert table.coords.tolist() == [[1, 2, 3, 4]]


def test_names_in_the_header_count_and_their_order_does_not(write: Write) -> None:
    path = write("boxes.csv", "y1,x1,y2,x2\n2,1,4,3\n")
    assert read_boxes(path).xyxy().tolist() == [[1, 2, 3, 4]]
    assert read_boxes(path, box_format="xyxy").xyxy().tolist() == [[1, 2, 3, 4]]
    assert read_boxes(path, box_format="yxyx").xyxy().tolist() == [[1, 2, 3, 4]]


def test_of_two_spellings_in_one_header_the_option_chooses(write: Write) -> None:
    path = write("boxes.csv", "cx,cy,w,h,x1,y1,x2,y2\n5,5,2,2,4,4,6,6\n")
    assert "choose with --box-format" in fault_of(lambda: read_boxes(path))
    table = read_boxes(path, box_format="cxcywh")
    assert table.coords.tolist() == [[5, 5, 2, 2]]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["3", "12"], [3, 12]),
        (["3.0", "12.0"], [3, 12]),
        (["-3", "0"], [-3, 0]),
        (["007", "008"], ["007", "008"]),
        (["3", "cat"], ["3", "cat"]),
        (["99999999999999999999", "1"], ["99999999999999999999", "1"]),
        (["\u0661", "2"], ["\u0661", "2"]),
    ],
)
def test_a_column_of_whole_numbers_is_numbers_and_any_other_is_names(
    write: Write, cells: list[str], expected: list[object]
) -> None:
    rows = "".join(f"1,2,3,4,{cell}\n" for cell in cells)
    table = read_boxes(write("boxes.csv", "x1,y1,x2,y2,image\n" + rows))
    assert table.image is not None
    assert table.image.tolist() == expected


def test_an_index_written_as_a_float_is_an_index(write: Write) -> None:
    path = write("rois.csv", "batch_index x1 y1 x2 y2\n1.00e+00 1 2 3 4\n".replace(" ", ","))
    table = read_boxes(path)
    assert (table.image_key, table.image.tolist()) == ("batch_index", [1])  # type: ignore[union-attr]


def test_a_label_is_taken_before_a_category_id(write: Write) -> None:
    table = read_boxes(write("boxes.csv", "category_id,label,x1,y1,x2,y2\n3,cat,1,2,3,4\n"))
    assert table.label is not None
    assert table.label.tolist() == ["cat"]


# --- faults ------------------------------------------------------------------------------------

HEADER = "x1,y1,x2,y2\n"
COLUMNS = "image,x1,y1,x2,y2,score\n"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "boxes.csv is empty: a header such as x1,y1,x2,y2 comes first"),
        ("\n \n", "boxes.csv is empty: a header such as x1,y1,x2,y2 comes first"),
        ("1,2,3,4\n", "boxes.csv line 1: no coordinates in the header '1,2,3,4': call them x1,"),
        ("\nx1,y1,x2\n1,2,3\n", "boxes.csv line 2: y2 missing, of x1,y1,x2,y2"),
        ("x,y,w,height\n", "boxes.csv line 1: h missing, of x,y,w,h"),
        ("x1,y1,x2,y2,X1\n", "boxes.csv line 1: x1 is there twice: keep one"),
        (HEADER + "1,2,3\n", "boxes.csv line 2: 3 fields, but the header has 4"),
        (HEADER + "\n1,2,3,4,5\n", "boxes.csv line 3: 5 fields, but the header has 4"),
        (HEADER + "1,2,3,4\n1,cat,3,4\n", "boxes.csv line 3, column y1: 'cat' is not a number"),
        (HEADER + "\n1,2,,4\n", "boxes.csv line 3, column x2: empty"),
        (COLUMNS + "a,1,2,3,4,high\n", "boxes.csv line 2, column score: 'high' is not a number"),
        (COLUMNS + "a,1,2,3,4,0\n,1,2,3,4,0\n", "boxes.csv line 3: image is empty"),
        ("image_index,x1,y1,x2,y2\n0.5,1,2,3,4\n", "boxes.csv line 2: image_index is 0.5, not"),
        ("image_index,x1,y1,x2,y2\nnan,1,2,3,4\n", "boxes.csv line 2: image_index is nan, not"),
        ("image,image_id,x1,y1,x2,y2\na,1,1,2,3,4\n", "boxes.csv: image and image_id each name"),
        (HEADER + '1,2,3,4\n"1,2,3,4\n', "boxes.csv line 3: not a line of CSV: unexpected end"),
        ('x1,y1,x2,"y2\n', "boxes.csv line 1: not a line of CSV: unexpected end of data"),
        (HEADER.encode() + b"1,2,3,4\n\xe9,2,3,4\n", "boxes.csv line 3: not UTF-8 text"),
        ("x1,y1,x2,y2\n1,2,3,4".encode("utf-16"), "boxes.csv line 1: not UTF-8 text"),
    ],
)
def test_a_fault_in_csv_names_its_line(write: Write, content: object, fault: str) -> None:
    path = write("boxes.csv", content)
    assert fault_of(lambda: read_boxes(path)).startswith(f"{path.parent}/{fault}")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "boxes.json is empty: [] is an empty list of boxes"),
        ("[[1, 2, 3, 4],\n [1, 2, 3 4]]", "boxes.json line 2 column 11: not JSON: Expecting ','"),
        ("[1, 2]\n[3, 4]\n", "boxes.json line 2 column 1: not JSON: Extra data (where each line"),
        ("[" * 100_000, "boxes.json: nested too deeply"),
        ("[" + "9" * 5000 + "]", "boxes.json: a number is too long"),
        ("3", "boxes.json holds 3: boxes are a list, or an object with boxes or"),
        ({"box": [1, 2, 3, 4]}, 'boxes.json holds {"box": [1, 2, 3, 4]}: boxes are a list'),
        ([1, 2, 3, 4], "boxes.json box 0 is 1: a box is [x1, y1, x2, y2] or an object"),
        ([[1, 2, 3, 4], [1, 2, 3]], "boxes.json box 1: [1, 2, 3] is not four numbers"),
        ([[0, 1, 2, 3, 4]], "boxes.json box 0: [0, 1, 2, 3, 4] is not four numbers"),
        ([[1, 2, 3, None]], "boxes.json box 0: [1, 2, 3, null] is not four numbers"),
        ([[1, 2, 3, "4"]], 'boxes.json box 0: [1, 2, 3, "4"] is not four numbers'),
        ([[1, 2, 3, True]], "boxes.json box 0: [1, 2, 3, true] is not four numbers"),
        ([[1, 2, 3, 10**400]], "boxes.json box 0: [1, 2, 3, 1000"),
        ([{"box": [1, 2, 3, 4]}, {"box": 5}], "boxes.json box 1: 5 is not four numbers"),
        ([[1, 2, 3, 4], {"box": []}], 'boxes.json box 1 is {"box": []}, where the boxes before'),
        ([{"score": 1}], "boxes.json box 0 has no box or bbox"),
        ([{"box": [], "bbox": []}], "boxes.json: boxes have both box and bbox: keep one"),
        (
            [{"box": [1, 2, 3, 4], "score": 1}, {"box": [1, 2, 3, 4]}],
            "boxes.json box 1 has no score, which other boxes have: give it to all or to none",
        ),
        ([{"box": [1, 2, 3, 4], "score": "1"}], 'boxes.json box 0: score is "1", not a number'),
        ([{"box": [1, 2, 3, 4], "score": None}], "boxes.json box 0: score is null, not a number"),
        ([{"box": [1, 2, 3, 4], "image_id": None}], "boxes.json box 0: image_id is empty"),
        ([{"box": [1, 2, 3, 4], "image": [1]}], "boxes.json box 0: image is [1], not a name"),
        ([{"box": [1, 2, 3, 4], "label": True}], "boxes.json box 0: label is true, not a name"),
        ([{"box": [1, 2, 3, 4], "label": "\ud800"}], r"boxes.json box 0: label is '\ud800', which"),
        ([{"box": [1, 2, 3, 4], "image": "a\0"}], r"boxes.json box 0: image is 'a\x00', which no"),
        ({"boxes": 3}, "boxes.json: boxes is 3, not a list"),
        ({"boxes": [[1, 2, 3, 4]], "scores": []}, "boxes.json: scores has 0 values for 1 boxes"),
        ({"boxes": [], "score": [], "scores": []}, "boxes.json: scores is there twice"),
        ({"boxes": [], "box_format": "ltrb"}, 'boxes.json: box_format is "ltrb": choose from xyxy'),
        ({"boxes": [], "box_format": ["xyxy"]}, 'boxes.json: box_format is ["xyxy"]: choose from'),
        ({"annotations": {}}, "boxes.json: annotations is {}, not a list"),
        ({"annotations": [[1, 2, 3, 4]]}, "boxes.json box 0: [1, 2, 3, 4] is not an annotation"),
        ({"annotations": [], "images": 3}, "boxes.json: images is 3, not a list"),
        ({"annotations": [], "images": [3]}, "boxes.json: images[0] is 3, not an object"),
        ({"annotations": [], "images": [{}]}, "boxes.json: images[0] has no id that is"),
        ('{"annotations": [], "images": [{"id": NaN}]}', "boxes.json: images[0] has no id that is"),
        (
            {"annotations": [], "images": [{"id": 1}, {"id": 1}]},
            "boxes.json: images[1] has id 1, as images[0] has",
        ),
    ],
)
def test_a_fault_in_json_names_its_box(write: Write, content: object, fault: str) -> None:
    path = write("boxes.json", content)
    assert fault_of(lambda: read_boxes(path)).startswith(f"{path.parent}/{fault}")


def test_a_fault_in_json_lines_names_its_line(write: Write) -> None:
    path = write("boxes.jsonl", '{"box": [1, 2, 3, 4]}\n\n{"box": [1, 2, 3}\n')
    assert fault_of(lambda: read_boxes(path)).startswith(f"{path} line 3 column 17: not JSON: ")
    path = write("boxes.jsonl", '{"box": [1, 2, 3, 4]}\n\n{"box": [1, 2, 3]}\n')
    assert fault_of(lambda: read_boxes(path)) == f"{path} line 3: [1, 2, 3] is not four numbers"


@pytest.mark.parametrize("content", ["[[1, 2, 3, 4]]", "[[1, 2, 3]]"])
def test_the_garbage_collector_runs_after_reading_as_before(write: Write, content: str) -> None:
    assert gc.isenabled()
    with contextlib.suppress(BoxError):
        read_boxes(write("boxes.json", content))
    assert gc.isenabled()


def test_numbers_that_are_not_finite_are_read_and_judged_later(write: Write) -> None:
    table = read_boxes(write("boxes.json", "[[NaN, 0, Infinity, 1], [0, 0, 1, -1e999]]"))
    np.testing.assert_array_equal(table.coords, [[np.nan, 0, np.inf, 1], [0, 0, 1, -np.inf]])
    table = read_boxes(write("boxes.csv", "x,y,w,h\n0,1e308,1,1e308\n"))
    assert find_bad(table.xyxy()).not_finite.tolist() == [True]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, write: Write) -> None:
    missing = tmp_path / "none.csv"
    assert fault_of(lambda: read_boxes(missing)) == (
        f"{missing} cannot be read: No such file or directory"
    )
    with pytest.raises(ArgumentError, match=r"suffix '\.xml': give --boxes-format"):
        read_boxes(write("boxes.xml", ""))
    with pytest.raises(ArgumentError, match="format of boxes 'xml' is not known"):
        read_boxes(write("boxes.csv", ""), format="xml")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="box format 'ltrb' is not known"):
        read_boxes(write("boxes.csv", ""), box_format="ltrb")  # type: ignore[arg-type]


def test_standard_input_needs_a_format_and_is_named_in_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ArgumentError, match="need --boxes-format: csv, tsv, json, jsonl"):
        read_boxes("-")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"[[1, 2, 3]]")))
    assert fault_of(lambda: read_boxes("-", format="json")) == (
        "standard input box 0: [1, 2, 3] is not four numbers"
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x1,y1,x2,y2\n1,2,3,4")))
    table = read_boxes("-", format="csv")
    assert (table.path, table.where(0)) == ("-", "standard input line 2")


# --- choosing and judging boxes ----------------------------------------------------------------


def table_of(**columns: Sequence[object]) -> BoxTable:
    """The table of boxes (k, 0, k + 1, 1), k = 0, 1, …, with these columns."""
    count = len(next(iter(columns.values())))
    lines = [
        json.dumps({"box": [k, 0, k + 1, 1], **{key: columns[key][k] for key in columns}})
        for k in range(count)
    ]
    return read_json(f"[{','.join(lines)}]", Source("boxes.json"), None).build()


def test_a_score_that_is_equal_is_enough_and_nan_never_is() -> None:
    table = table_of(score=[0.5, 0.4, float("nan"), 0.9]).select(min_score=0.5)
    assert table.source_index.tolist() == [0, 3]
    assert table.coords[:, 0].tolist() == [0, 3]


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from([0.1, 0.5, 0.5, float("nan")])),
        min_size=1,
        max_size=20,
    ),
    st.integers(0, 4),
)
def test_top_k_keeps_each_image_its_highest_scores_and_the_earlier_of_equals(
    rows: list[tuple[str, float]], top_k: int
) -> None:
    images, scores = zip(*rows, strict=True)
    table = table_of(image=images, score=scores).select(top_k=top_k)
    chosen: list[int] = []
    for image in set(images):
        mine = [k for k, other in enumerate(images) if other == image]
        chosen += sorted(mine, key=lambda k: -np.nan_to_num(scores[k], nan=-1))[:top_k]
    assert table.source_index.tolist() == sorted(chosen)


def test_top_k_of_boxes_that_name_no_image_is_of_all() -> None:
    assert table_of(score=[1, 3, 2]).select(top_k=2).source_index.tolist() == [1, 2]


def test_a_label_is_chosen_by_id_or_by_category_name(write: Write) -> None:
    table = read_boxes(write("instances.json", INSTANCES))
    assert table.select(labels=["cat"]).source_index.tolist() == [0, 2]
    assert table.select(labels=["2"]).source_index.tolist() == [1]
    assert table.select(labels=[2, "cat"]).source_index.tolist() == [0, 1, 2]
    assert len(table.select(labels=["bird"])) == 0
    assert table_of(label=["cat", "dog"]).select(labels=["dog"]).source_index.tolist() == [1]


def test_choices_are_made_one_after_another_and_every_column_follows() -> None:
    table = table_of(
        image=["a", "a", "b", "b"], score=[0.9, 0.8, 0.7, 0.1], label=[1, 2, 2, 2], id=[5, 6, 7, 8]
    )
    chosen = table.select(labels=[2], top_k=1).select(min_score=0.75)
    assert chosen.source_index.tolist() == [1]
    columns = (chosen.image, chosen.score, chosen.label, chosen.id)
    assert [c.tolist() for c in columns if c is not None] == [["a"], [0.8], [2], [6]]
    assert chosen.where(int(chosen.source_index[0])) == "boxes.json box 1"


def test_a_choice_by_a_column_that_is_not_there_is_an_error() -> None:
    table = table_of(id=[1, 2])
    assert "no score, which --min-score needs" in fault_of(lambda: table.select(min_score=0))
    assert "no score, which --top-k needs" in fault_of(lambda: table.select(top_k=1))
    assert "which --label needs" in fault_of(lambda: table.select(labels=["cat"]))
    with pytest.raises(ArgumentError, match="--top-k -1 is less than 0"):
        table_of(score=[1]).select(top_k=-1)


def test_inclusive_adds_a_pixel_to_end_corners_and_none_to_sizes() -> None:
    coords = np.array([[1.0, 2.0, 5.0, 7.0]])
    assert to_xyxy(coords, "xyxy", inclusive=True).tolist() == [[1, 2, 6, 8]]
    assert to_xyxy(coords, "yxyx", inclusive=True).tolist() == [[2, 1, 8, 6]]
    assert to_xyxy(coords, "xywh", inclusive=True).tolist() == [[1, 2, 6, 9]]
    assert to_xyxy(coords, "cxcywh", inclusive=True).tolist() == [[-1.5, -1.5, 3.5, 5.5]]
    assert coords.tolist() == [[1, 2, 5, 7]]


def test_bad_boxes_are_not_finite_or_reversed_and_boxes_of_no_size_are_good() -> None:
    inf, nan = float("inf"), float("nan")
    boxes = [[1, 1, 1, 1], [5, 0, 4, 1], [0, 5, 1, 4.5], [nan, 0, -1, 0], [0, 0, inf, 1]]
    bad = find_bad(np.array([*boxes, [-9, -9, -5, -5]]))
    assert bad.reversed.tolist() == [False, True, True, False, False, False]
    assert bad.not_finite.tolist() == [False, False, False, True, True, False]
    assert bad.mask.tolist() == [False, True, True, True, True, False]
    assert bad.reason(1) == "x2 4 is less than x1 5"
    assert bad.reason(2) == "y2 4.5 is less than y1 5"
    assert bad.reason(4) == "(0, 0, inf, 1) is not finite"


# --- the image of a box ------------------------------------------------------------------------


def in_group(table: BoxTable, *names: str) -> ImageAssignment:
    return assign_images(table, names=names, count=len(names), kind="group", path="f.h5::/")


def in_batch(table: BoxTable, count: int) -> ImageAssignment:
    return assign_images(table, names=None, count=count, kind="batch", path="f.h5::/f")


def test_boxes_that_name_no_image_are_of_the_only_one_and_of_several_an_error() -> None:
    table = table_of(score=[1, 2])
    for found in (
        in_batch(table, 1),
        in_group(table, "a"),
        assign_images(table, names=None, count=1, kind="image", path="f.h5::/f"),
    ):
        assert found.index.tolist() == [0, 0]
        assert found.how == "boxes name no image, and there is one"
    assert fault_of(lambda: in_batch(table, 2)) == (
        "boxes.json names no images, and f.h5::/f holds 2: "
        "give each box an image_index, or the image's name as image"
    )
    assert "names no images" in fault_of(lambda: in_group(table, "a", "b"))


@pytest.mark.parametrize("key", ["image_index", "batch_index", "image", "image_id"])
def test_a_number_is_an_index_in_a_batch(key: str) -> None:
    found = in_batch(table_of(**{key: [1, 0, 2, -1]}), 2)
    assert found.index.dtype == np.int64
    assert found.index.tolist() == [1, 0, -1, -1]
    assert found.how == f"{key} is the image's index"
    assert set(found.missing) == {"2", "-1"}
    assert found.missing["2"].startswith("f.h5::/f holds images 0 to 1")
    assert ("--images" in found.missing["2"]) == (key == "image_id")


def test_an_index_is_checked_even_where_there_is_one_image() -> None:
    found = in_batch(table_of(image_index=[0, 1]), 1)
    assert found.index.tolist() == [0, -1]
    assert found.missing == {"1": "f.h5::/f holds one image, 0"}


def test_an_index_in_a_group_counts_its_datasets() -> None:
    found = in_group(table_of(image_index=[1, 0, 5]), "5", "a")
    assert found.index.tolist() == [1, 0, -1]


def test_a_name_finds_the_dataset_of_a_group_with_or_without_its_extension() -> None:
    table = table_of(image=["b.jpg", "a", "photos/c.png", "d_1.5", "B"])
    found = in_group(table, "a", "b.jpg", "b", "c", "d_1")
    assert found.index.tolist() == [1, 0, 3, -1, -1]
    assert found.how == "image is the name of the image's dataset"
    assert found.missing == {n: f"f.h5::/ has no dataset named {n!r}" for n in ("d_1.5", "B")}


def test_a_number_finds_the_dataset_of_that_name() -> None:
    assert in_group(table_of(image_id=[12, 7]), "7", "12").index.tolist() == [1, 0]
    assert in_group(table_of(image=["007", "12"]), "007", "12").index.tolist() == [0, 1]


def test_an_id_that_is_no_dataset_of_a_group_may_want_its_file_of_images() -> None:
    missing = in_group(table_of(image_id=[77]), "a").missing["77"]
    assert missing.endswith(
        "no dataset named '77': if these are ids, --images says what they stand for"
    )
    assert "--images" not in in_group(table_of(image=[77]), "a").missing["77"]


def test_two_names_for_one_dataset_are_an_error() -> None:
    table = table_of(image=["cat.jpg", "cat.png"])
    assert fault_of(lambda: in_group(table, "cat")) == (
        "boxes.json: images 'cat.jpg' and 'cat.png' could both be the dataset 'cat' of f.h5::/: "
        "rename one of them"
    )
    assert in_group(table, "cat", "cat.png").index.tolist() == [0, 1]


def test_a_name_in_a_batch_stands_for_the_only_image_or_is_an_error() -> None:
    found = in_batch(table_of(image=["cat", "cat"]), 1)
    assert (found.index.tolist(), found.how) == (
        [0, 0],
        "every box is of 'cat', and there is one image",
    )
    two = table_of(image=["007", "cat"])
    assert fault_of(lambda: in_batch(two, 3)) == (
        "boxes.json box 1: image is 'cat', but f.h5::/f holds images 0 to 2, without names: "
        "give each box an image_index"
    )
    assert in_batch(table_of(image=["000", "002"]), 3).index.tolist() == [0, 2]


def test_a_coco_id_goes_through_the_file_name_to_a_dataset(write: Write) -> None:
    path = write("instances.json", INSTANCES)
    found = in_group(read_boxes(path), "seven", "three")
    assert found.index.tolist() == [1, 0, 1]
    assert found.how == (
        f"image_id goes through the file_name in images of {path} to the dataset of that name"
    )
    found = in_group(read_boxes(path), "seven.jpg")
    assert found.index.tolist() == [-1, 0, -1]
    assert found.missing == {"3": "f.h5::/ has no dataset named 'photos/three.png'"}


def test_a_coco_id_goes_through_the_position_to_an_index(write: Write) -> None:
    path = write("instances.json", INSTANCES)
    found = in_batch(read_boxes(path), 2)
    assert found.index.tolist() == [1, 0, 1]
    assert found.how == f"image_id goes through the position in images of {path}"
    found = in_batch(read_boxes(path), 1)
    assert found.index.tolist() == [-1, 0, -1]
    assert found.how.endswith("which lists 2 for 1")
    assert found.missing == {"3": f"{path} lists it at position 1, but f.h5::/f holds one image, 0"}


def test_a_coco_image_without_a_file_name_has_no_dataset(write: Write) -> None:
    images = [{"id": 7}, {"id": 3, "file_name": "three.png"}]
    path = write("instances.json", INSTANCES | {"images": images})
    found = in_group(read_boxes(path), "three")
    assert found.index.tolist() == [0, -1, 0]
    assert found.missing == {"7": f"{path} gives it no file_name"}


def test_images_of_another_file_say_what_the_ids_of_coco_results_are(write: Write) -> None:
    results = [
        {"image_id": i, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5} for i in (3, 7, 9)
    ]
    path, images = write("results.json", results), write("instances.json", INSTANCES)
    table = read_boxes(path, images=images)
    assert in_batch(table, 2).index.tolist() == [1, 0, -1]
    assert in_batch(table, 2).missing == {"9": f"{images} lists no image of that id"}
    assert in_group(table, "seven", "three").index.tolist() == [1, 0, -1]
    assert len(table.select(labels=["cat"])) == 3
    without = read_boxes(path)
    assert in_group(without, "3", "7", "9").index.tolist() == [0, 1, 2]
    assert in_batch(without, 8).index.tolist() == [3, 7, -1]


def test_images_of_another_file_that_do_not_fit_are_an_error(write: Write) -> None:
    images = write("instances.json", INSTANCES)
    plain, results = write("plain.json", [[1, 2, 3, 4]]), write("objects.json", [OBJECT])
    assert "has no image_id to look up in" in fault_of(lambda: read_boxes(plain, images=images))
    assert fault_of(lambda: read_boxes(results, images=plain)) == (
        f"{plain} has no list of images: give a COCO instances file"
    )


OBJECT = {"bbox": [1, 2, 3, 4], "image_id": 3}


def test_an_assignment_follows_the_rows_of_a_table_that_was_cut_down() -> None:
    table = table_of(image=["a", "b", "a", "c"], score=[1, 2, 3, 4]).select(min_score=2)
    assert in_group(table, "a", "b", "c").index.tolist() == [1, 0, 2]
    table = dataclasses.replace(table, image_key="image_id")
    assert fault_of(lambda: in_batch(table, 3)).startswith("boxes.json box 1: image_id is 'b'")
