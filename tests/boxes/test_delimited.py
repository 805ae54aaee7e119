"""CSV and its relatives."""

from __future__ import annotations

import csv

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roicrop.boxes import (
    BoxFormat,
    delimited,
    read_boxes,
)
from tests.boxes.reading import Write, csv_table, fault_of

name = st.text("abcé,;\t\"' ._-", min_size=1, max_size=6).filter(lambda t: t == t.strip())


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
    table = csv_table(text)
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
    table = csv_table(text)
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
def test_other_quotes_are_read_by_the_rules_of_csv(write: Write, cell: str) -> None:
    lines = ["image,x1,y1,x2,y2", f"{cell},1,2,3,4", '"plain",1,2,3,4']
    try:
        expected = [row[0] for row in csv.reader(lines[1:], skipinitialspace=True, strict=True)]
        assert len(next(csv.reader(lines[1:2], skipinitialspace=True, strict=True))) == 5
    except (csv.Error, AssertionError):
        assert "line 2" in fault_of(lambda: read_boxes(write("boxes.csv", "\n".join(lines))))
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
def test_only_what_csv_calls_a_number_is_accepted(write: Write, number: str) -> None:
    path = write("boxes.csv", f"x1,y1,x2,y2\n1,2,{number},40\n")
    fault = fault_of(lambda: read_boxes(path))
    assert fault.startswith(f"{path} line 2: column x2: ")
    assert fault.endswith(" is not a number")


@pytest.mark.parametrize("note", ["note\nmore", "a;b;c;d;e;f", "a\tb"])
def test_names_of_columns_may_be_quoted(write: Write, note: str) -> None:
    path = write("boxes.csv", f'x1,y1,x2,y2,"{note}"\n1,2,3,4,5\n')
    table = read_boxes(path)
    assert table.coords.tolist() == [[1, 2, 3, 4]]
    assert table.where(0).endswith(f"line {2 + note.count(chr(10))}")


def test_plain_and_simply_quoted_lines_are_read_the_quick_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(delimited._Table, "_careful")
    for cell in ("cat", '"cat"', '"x y"', '"x, y"', '""'):
        text = f"x1,y1,label,x2,y2\r\n\r\n1,2,{cell},3,4\r\n  \r\n"
        table = csv_table(text)
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


def test_an_option_chooses_between_two_spellings_in_one_header(write: Write) -> None:
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
