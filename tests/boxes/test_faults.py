"""Every fault is reported on one line that says where it is."""

from __future__ import annotations

import contextlib
import gc
import io
from pathlib import Path

import numpy as np
import pytest

from roicrop.boxes import (
    find_bad,
    read_boxes,
)
from roicrop.errors import ArgumentError, BoxError
from tests.boxes.reading import Write, fault_of

HEADER = "x1,y1,x2,y2\n"
COLUMNS = "image,x1,y1,x2,y2,score\n"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "boxes.csv is empty: begin it with a header such as x1,y1,x2,y2"),
        ("\n \n", "boxes.csv is empty: begin it with a header such as x1,y1,x2,y2"),
        ("1,2,3,4\n", "boxes.csv line 1: there is no header: name the columns, with --columns "),
        (
            "\nx1,y1,x2\n1,2,3\n",
            "boxes.csv line 2: no four coordinates among x1, y1, x2: name the columns in",
        ),
        ("x,y,w,height\n", "boxes.csv line 1: no four coordinates among x, y, w, height: name the"),
        ("x1,y1,x2,y2,X1\n", "boxes.csv line 1: x1 occurs twice: keep one"),
        (HEADER + "1,2,3\n", "boxes.csv line 2: 3 fields, but there are 4 columns"),
        (HEADER + "\n1,2,3,4,5\n", "boxes.csv line 3: 5 fields, but there are 4 columns"),
        (HEADER + "1,2,3,4\n1,cat,3,4\n", "boxes.csv line 3: column y1: 'cat' is not a number"),
        (HEADER + "\n1,2,,4\n", "boxes.csv line 3: column x2: empty"),
        (COLUMNS + "a,1,2,3,4,high\n", "boxes.csv line 2: score: 'high' is not a number"),
        (COLUMNS + "a,1,2,3,4,0\n,1,2,3,4,0\n", "boxes.csv line 3: image is empty"),
        ("image_index,x1,y1,x2,y2\n0.5,1,2,3,4\n", "boxes.csv line 2: image_index is 0.5, not"),
        ("image_index,x1,y1,x2,y2\nnan,1,2,3,4\n", "boxes.csv line 2: image_index is nan, not"),
        (HEADER + '1,2,3,4\n"1,2,3,4\n', "boxes.csv line 3: not a line of CSV: unexpected end"),
        ('x1,y1,x2,"y2\n', "boxes.csv line 1: not a line of CSV: unexpected end of data"),
        (
            HEADER.encode() + b"1,2,3,4\n\xe9,2,3,4\n",
            "boxes.csv line 3: not UTF-8 text (in Windows-1252 it would be 'é,2,3,4')",
        ),
        (b"\xff\xfe1\x002", "boxes.csv: begins as UTF-16 but is not"),
        (
            "image;x1;y1;x2;y2\na;1,5;2;3;4",
            "boxes.csv line 2: column x1: '1,5' is not a number (a decimal comma",
        ),
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
        ("[1, 2]\n[3, 4]\n", "boxes.json line 2 column 1: not JSON: Extra data (if each line"),
        ("[" * 100_000, "boxes.json: nested too deeply"),
        ("[" + "9" * 5000 + "]", "boxes.json: a number is too long"),
        ("3", "boxes.json holds 3: boxes are a list, or an object with boxes or"),
        (
            {"box": [1, 2, 3, 4], "score": 1},
            'boxes.json holds {"box": [1, 2, 3, 4], "score": 1}, with box, score: boxes are a list',
        ),
        (
            {"box": [1, 2, 3, 4]},
            "boxes.json box 0 is 1: write every box the same way, as [x1, y1, x2, y2]",
        ),
        (
            [1, 2, 3, 4],
            "boxes.json box 0 is 1: write every box the same way, as [x1, y1, x2, y2] or",
        ),
        ([[1, 2, 3, 4], [1, 2, 3]], "boxes.json box 1: [1, 2, 3] is not four numbers"),
        (
            [[0, 1, 2, 3, 0.5]],
            "boxes.json: the first of five numbers may be an image index, or",
        ),
        ([[1, 2, 3, None]], "boxes.json box 0: [1, 2, 3, null] is not four numbers"),
        ([[1, 2, 3, "4"]], 'boxes.json box 0: [1, 2, 3, "4"] is not four numbers'),
        ([[1, 2, 3, True]], "boxes.json box 0: [1, 2, 3, true] is not four numbers"),
        ([[1, 2, 3, 10**400]], "boxes.json box 0: [1, 2, 3, 1000"),
        ([{"box": [1, 2, 3, 4]}, {"box": 5}], "boxes.json box 1: 5 is not four numbers"),
        (
            [[1, 2, 3, 4], {"box": []}],
            'boxes.json box 1 is {"box": []}: write every box the same way',
        ),
        ([{"score": 1}], "boxes.json box 0: no four coordinates among score: name the columns in"),
        ([{"box": [], "bbox": []}], "boxes.json box 0: bbox and box both hold a box: keep one"),
        (
            [{"box": [1, 2, 3, 4], "score": 1}, {"box": [1, 2, 3, 4]}],
            "boxes.json box 1: has no score, but other boxes do",
        ),
        (
            [{"box": [1, 2, 3, 4], "score": "high"}],
            "boxes.json box 0: score: 'high' is not a number",
        ),
        ([{"box": [1, 2, 3, 4], "image_id": None}], "boxes.json box 0: image_id is empty"),
        ([{"box": [1, 2, 3, 4], "image": [1]}], "boxes.json box 0: image is [1], not a name"),
        ([{"box": [1, 2, 3, 4], "label": True}], "boxes.json box 0: label is true, not a name"),
        ([{"box": [1, 2, 3, 4], "label": "\ud800"}], r'boxes.json box 0: label is "\ud800", not a'),
        ([{"box": [1, 2, 3, 4], "image": "a\0"}], r'boxes.json box 0: image is "a\u0000", not a'),
        ({"boxes": 3}, "boxes.json: boxes is 3, not a list"),
        ({"boxes": [[1, 2, 3, 4]], "scores": []}, "boxes.json: scores has 0 values for 1 boxes"),
        (
            {"boxes": [[1, 2, 3, 4]], "box_format": "ltrb"},
            'boxes.json box 0: box_format is "ltrb": it must be 0 (x1, y1, x2, y2), 1 (',
        ),
        (
            {"boxes": [[1, 2, 3, 4]], "box_format": {"a": "xyxy"}},
            'boxes.json box 0: box_format is {"a": "xyxy"}: it must be',
        ),
        ({"annotations": 3}, "boxes.json: annotations is 3, not a list"),
        (
            {"annotations": [[1, 2, 3, 4]]},
            "boxes.json box 0: [1, 2, 3, 4] is not an object with a box",
        ),
        ({"annotations": [], "images": 3}, "boxes.json: images is 3, not a list"),
        ({"annotations": [], "images": [3]}, "boxes.json: images[0] is 3, not an object"),
        ({"annotations": [], "images": [{}]}, "boxes.json: images[0] has no id that is"),
        ('{"annotations": [], "images": [{"id": NaN}]}', "boxes.json: images[0] has no id that is"),
        (
            {"annotations": [], "images": [{"id": 1}, {"id": 1}]},
            "boxes.json: images[1] has the same id 1 as images[0]",
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
    with pytest.raises(
        ArgumentError, match=r"boxes\.doc: cannot tell the format .*: give --boxes-format"
    ):
        read_boxes(write("boxes.doc", ""))
    with pytest.raises(ArgumentError, match="no file format 'xml'"):
        read_boxes(write("boxes.csv", ""), format="xml")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="no box format 'ltrb'"):
        read_boxes(write("boxes.csv", ""), box_format="ltrb")  # type: ignore[arg-type]


def test_standard_input_needs_a_format_and_is_named_in_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(
        ArgumentError, match=r"standard input: .*: give --boxes-format \(csv, tsv, json, jsonl"
    ):
        read_boxes("-")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"[[1, 2, 3]]")))
    assert fault_of(lambda: read_boxes("-", format="json")) == (
        "standard input box 0: [1, 2, 3] is not four numbers"
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x1,y1,x2,y2\n1,2,3,4")))
    table = read_boxes("-", format="csv")
    assert (table.source.path, table.where(0)) == ("-", "standard input line 2")
