"""Rows without a box, rows that cannot be read, arrays, and files in other encodings."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.boxes import BoxTable, delimited, read_boxes
from roicrop.errors import BoxError
from roicrop.files import text
from tests.boxes.reading import Write, csv_table, fault_of

CSV = "image,x1,y1,x2,y2,score\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("boxes.csv", CSV + "a,1,2,3,4,0.5\nb,,,,,\nc,5,6,7,8,\n"),
        ("nan.csv", CSV + "a,1,2,3,4,0.5\nb,nan,NaN,nan,nan,0.1\nc,5,6,7,8,\n"),
        (
            "boxes.json",
            [{"image": "a", "box": [1, 2, 3, 4], "score": 0.5},
             {"image": "b", "box": [], "score": 1},
             {"image": "c", "box": [5, 6, 7, 8], "score": None}],
        ),
        (
            "null.json",
            [{"image": "a", "box": [1, 2, 3, 4], "score": 0.5},
             {"image": "b", "box": None, "score": 1},
             {"image": "c", "box": [5, 6, 7, 8], "score": None}],
        ),
    ],
)  # fmt: skip
def test_a_row_without_a_box_is_left_out_counted_and_its_number_kept(
    write: Write, name: str, content: object
) -> None:
    table = read_boxes(write(name, content))
    assert table.coords.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert table.source_index.tolist() == [0, 2]
    assert table.without_box == 1
    assert table.notes == ("1 row without a box left out",)
    assert table.image is not None
    assert table.image.tolist() == ["a", "c"]
    assert table.score is not None
    np.testing.assert_array_equal(table.score, [0.5, np.nan])
    assert not table.faults


def test_scores_that_are_all_null_or_empty_are_none(write: Write) -> None:
    boxes = [{"box": [1, 2, 3, 4], "score": None}]
    assert read_boxes(write("boxes.json", boxes)).score is None
    assert csv_table("x1,y1,x2,y2,score\n1,2,3,4,\n").score is None


def test_a_row_that_cannot_be_read_is_a_bad_box_that_keeps_its_place(write: Write) -> None:
    rows = [
        "a,1,2,3,4,0.5",
        "b,1,2,3",
        "c,1,x,3,4,0.5",
        "d,1,2,3,4,high",
        ",1,2,3,4,1",
        "e,1,,3,4,1",
    ]
    table = read_boxes(write("boxes.csv", CSV + "\n".join(rows)))
    assert sorted(table.faults) == [1, 2, 3, 4, 5]
    assert np.isnan(table.coords).all(axis=1).tolist() == [False, *[True] * 5]
    bad = table.find_bad()
    assert bad.mask.tolist() == [False, *[True] * 5]
    assert bad.reason(1) == "4 fields, but there are 6 columns"
    assert bad.reason(5) == "column y1: empty"
    cut = table.take(np.array([0, 3]))
    assert cut.find_bad().reason(1) == "score: 'high' is not a number"
    numbers = csv_table("image_index,x1,y1,x2,y2\n0,1,2,3,4\n1,2\n2,1,2,3,4\n")
    assert isinstance(numbers.image, np.ndarray)
    assert numbers.image.dtype == np.int64


# --- the two readers of CSV --------------------------------------------------------------------

cell = st.sampled_from(
    ["1", "2.5", "-3e2", " 4 ", "nan", "inf", "-Infinity", "1_0", "0x1", "1e", "+1", ".5", "5.", "",
     " ", "\xa07", "\u0663", "1\x00", "a", "é", '"1"', "1,5", "\x0c", "1d2", "1f", "\u20091"]
)  # fmt: skip


def read_by(reader: str, content: str, delimiter: str, block: int = 1 << 18) -> object:
    """What one of the two readers makes of a text, block by block: a table, or a fault."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_BLOCK", block)
        if reader == "careful":
            patch.setattr(delimited._Table, "_plain", lambda *_: None)
        try:
            table = csv_table(content.replace(",", delimiter))
        except BoxError as error:
            return str(error)
    columns = (table.coords, table.image, table.score)
    return [
        *(None if column is None else list(map(repr, column.tolist())) for column in columns),
        table.faults, table.source_index.tolist(), [table.where(k) for k in range(len(table))],
    ]  # fmt: skip


@given(
    st.lists(st.lists(cell, min_size=6, max_size=6).map(",".join), max_size=4),
    st.sampled_from([",", ";", "\t", " "]),
)
def test_the_two_readers_of_csv_accept_the_same_files(rows: list[str], delimiter: str) -> None:
    content = CSV + "\n".join(rows)
    whole = read_by("plain", content, delimiter)
    assert read_by("careful", content, delimiter) == whole
    assert read_by("plain", content, delimiter, block=24) == whole  # a line or two


def test_blocks_of_lines_join_as_if_they_were_one(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f'"a{n}\nb",{n},2,3,4,0.5' if n % 3 else f"c,{n},2,3,4,0.5" for n in range(40)]
    whole = csv_table(CSV + "\r\n".join(rows))
    for size in (60, 77, 128):
        monkeypatch.setattr(text, "_BLOCK", size)
        table = csv_table(CSV + "\r\n".join(rows))
        assert table.coords.tolist() == whole.coords.tolist()
        assert list(map(table.where, range(40))) == list(map(whole.where, range(40)))
    five = write("five.jsonl", "\n".join(f"[{n % 7}, 1, 2, 30, {40 + n}]" for n in range(40)))
    monkeypatch.setattr(text, "_BLOCK", 100)
    table = read_boxes(five, count=7)
    assert table.image is not None
    assert table.image.tolist() == [n % 7 for n in range(40)]
    points = write("points.jsonl", '{"points": [[3, 4], [1, 2]], "id": 7}\n' * 40)
    table = read_boxes(points)
    assert table.coords.tolist() == [[1, 2, 3, 4]] * 40
    lines = "\n".join(json.dumps({"box": [n, 2, 3, 4], "image": "a"}) for n in range(40))
    monkeypatch.setattr(text, "_BLOCK", 100)
    table = read_boxes(write("boxes.jsonl", lines))
    named = [{"image_id": n % 30, "file_name": f"{n % 30}.jpg", "boxes": [[n, 2, 3, 4]]}
             for n in range(40)]  # fmt: skip
    coco = read_boxes(write("named.jsonl", "\n".join(map(json.dumps, named)))).coco
    assert coco is not None
    assert [image.position for image in coco.images.values()] == list(range(30))
    assert table.coords[:, 0].tolist() == list(range(40))
    assert table.where(39).endswith("boxes.jsonl line 40")


def test_an_endless_line_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("boxes.csv", "x1,y1,x2,y2\n1,2,3," + "4" * 140_000 + "\n")
    assert "line 2 is longer than 131,072 characters" in fault_of(lambda: read_boxes(path))
    monkeypatch.setattr(text, "_BLOCK", 1000)  # what is longer than four times that is not read
    assert "line 2 is longer than 131,072 characters" in fault_of(lambda: read_boxes(path))


# --- encodings and packing ---------------------------------------------------------------------


def test_utf16_is_read_by_its_byte_order_mark(write: Write) -> None:
    content = "image\tx1\ty1\tx2\ty2\r\nstraße\t1\t2\t3\t4\r\n"
    for encoding in ("utf-16", "utf-8-sig"):
        table = read_boxes(write("boxes.csv", content.encode(encoding)))
        assert table.image is not None
        assert table.image.tolist() == ["straße"]
    assert len(read_boxes(write("boxes.json", "[[1, 2, 3, 4]]".encode("utf-16")))) == 1


@pytest.mark.parametrize("name", ["boxes.csv.gz", "boxes.csv", "boxes.JSON.GZ", "boxes.jsonl.gz"])
def test_gzip_is_unpacked_whatever_the_file_is_called(write: Write, name: str) -> None:
    content = b"[1, 2, 3, 4]" if "json" in name.lower() else b"x1,y1,x2,y2\n1,2,3,4"
    content = b"[[1, 2, 3, 4]]" if "JSON" in name else content
    table = read_boxes(write(name, gzip.compress(content[:5]) + gzip.compress(content[5:])))
    assert table.coords.tolist() == [[1, 2, 3, 4]]


def test_what_gzip_unpacks_to_is_bounded(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(b"x1,y1,x2,y2\n" + b"1,2,3,4\n" * 1000)
    for n, damaged in enumerate((packed[:-20], packed[:30] + b"xx" + packed[32:])):
        path = write(f"{n}.csv.gz", damaged)
        assert "cannot be read: " in fault_of(lambda path=path: read_boxes(path))  # type: ignore[misc]
    path = write("boxes.csv.gz", packed)
    monkeypatch.setattr(text, "MOST_UNPACKED", 1000)
    assert "it unpacks to more than 1,000 bytes" in fault_of(lambda: read_boxes(path))


# --- arrays ------------------------------------------------------------------------------------


def boxes_in(path: Path | str, **said: object) -> BoxTable:
    return read_boxes(path, **said)  # type: ignore[arg-type]


def test_arrays_of_boxes_are_read(tmp_path: Path) -> None:
    boxes = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], ">f4")
    np.save(tmp_path / "b.npy", boxes)
    np.savez(tmp_path / "b.npz", other=boxes + 1, boxes=boxes)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x/boxes"] = boxes
        file["deep"] = boxes[None]
    for spec in ("b.npy", "b.npz", "b.npz::boxes", "b.h5::x/boxes", "b.h5::/x/boxes"):
        table = boxes_in(f"{tmp_path}/{spec}")
        assert table.coords.tolist() == boxes.tolist()
        assert table.box_format_origin == "default"
    assert boxes_in(f"{tmp_path}/b.npz::other").coords[0, 0] == 2
    for spec, words in {
        "b.npz::none": "choose one of its arrays, as in",
        "b.h5": "name one, as in",
        "b.h5::/none": "is not a dataset: name one, as in",
        "b.h5::/deep": "has shape (1, 2, 4): name an array of rank 2",
        "none.npy": "No such file",
    }.items():
        assert words in fault_of(lambda spec=spec: boxes_in(f"{tmp_path}/{spec}"))  # type: ignore[misc]


def test_arrays_of_five_go_by_the_rule_and_columns_by_name(tmp_path: Path) -> None:
    path = tmp_path / "rois.npy"
    np.save(path, [[0, 1, 2, 3, 4], [1, 5, 6, 7, 8]])
    assert boxes_in(path, count=2).image_key == "image_index"
    np.save(path, np.zeros((3, 6)))
    assert "int64 of shape" not in fault_of(lambda: boxes_in(path))
    names = ["_", "x", "y", "w", "h", "score"]
    assert boxes_in(path, columns=names).box_format == "xywh"
    np.save(path, np.array([["a"] * 4]))
    assert "is <U1 of shape (1, 4): boxes are numbers (K, 4)" in fault_of(lambda: boxes_in(path))
    np.save(path, np.array([[{}] * 4]), allow_pickle=True)
    assert "cannot be read" in fault_of(lambda: boxes_in(path))
    path.write_bytes(path.read_bytes()[:20])
    assert "cannot be read" in fault_of(lambda: boxes_in(path))
