"""Every program's files are read as that program means them, or refused with advice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from docs.box_files import BOX_FILES, BoxFile
from roicrop.boxes import BoxTable, read_boxes
from roicrop.boxes.names import PRODUCERS
from tests.boxes.reading import Write, fault_of

BOX = [64, 32, 384, 256]


def option(file: BoxFile, name: str) -> str | None:
    found = re.search(rf"{name} (\S+)", file.options)
    return found[1] if found else None


def read(file: BoxFile, write: Write) -> BoxTable:
    columns = option(file, "--columns")
    path = write(file.file, file.example)
    images = option(file, "--images")
    if images:
        images = str(path.parent / images)
        Path(images).write_text(next(f for f in BOX_FILES if f.file == "instances.json").example)
    return read_boxes(path, columns=columns.split(",") if columns else None, images=images)


@pytest.mark.parametrize("file", BOX_FILES, ids=lambda file: file.file)
def test_the_example_of_each_program_is_the_same_box(file: BoxFile, write: Write) -> None:
    table = read(file, write)
    xyxy = table.xyxy()
    if "--normalized" in file.options:
        xyxy *= [768, 512, 768, 512]
    np.testing.assert_allclose(xyxy, [BOX])
    assert not table.faults
    if "a.jpg" in file.example and table.coco is None and table.image is not None:
        assert "a.jpg" in str(table.image[0])
    if table.coco is not None:
        assert str(table.coco.images["7"].file_name).endswith("a.jpg")
    if re.search(r"car|Car|label|categor", file.example):
        assert table.label is not None
        assert str(table.label[0]) in {"car", "Car", "/m/01", *"012345"}
    if re.search(r"0\.9\b", file.example):
        assert table.score is not None
        assert table.score.tolist() == [0.9]


@pytest.mark.parametrize("file", [f for f in BOX_FILES if "--columns" in f.options])
def test_a_file_without_a_header_is_refused_with_the_option_ready_to_copy(
    file: BoxFile, write: Write
) -> None:
    fault = fault_of(lambda: read_boxes(write(file.file, file.example)))
    assert "there is no header: name the columns, with " in fault
    assert f"{file.options} if " in fault


def test_every_producer_is_documented() -> None:
    documented = " ".join(file.program.lower() for file in BOX_FILES)
    assert [p.name for p in PRODUCERS if p.name.lower() not in documented] == []


REGION = {"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}}
CIRCLE = {"shape_attributes": {"name": "circle", "cx": 1, "cy": 2, "r": 3}}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"a1": {"filename": "a", "regions": [REGION, CIRCLE]}}, 'name is "circle", not rect'),
        (
            {"imagePath": "a", "shapes": [{"points": [[1, 2]] * 3, "shape_type": "polygon"}]},
            'shape_type is "polygon", not rectangle',
        ),
        (
            {"imagePath": "a", "shapes": [{"points": [[1, 2]], "shape_type": "rectangle"}]},
            "[1, 2] is not four numbers",
        ),
        ([{"bbox": [1, 2, 3, 4, 0.5]}], "bbox has five numbers: give --box-format"),
        *[([{"bbox": [1, 2, 3, 4], "bbox_mode": mode}], f"bbox_mode is {mode}: it must be 0")
          for mode in (2, 3, 5)],
        ({"boxes": [[1, 2, 3, 4]], "bbox_mode": 2}, "bbox_mode is 2: it must be 0"),
        ({"a": {"objects": {"bbox": [[1, 2, 3, 4]], "category": []}}}, "is not an object with a"),
        ({"objects": [{"geometryType": "polygon", "points": {"exterior": [[1, 2]] * 3}}]},
         'geometryType is "polygon", not rectangle'),
        ([{"bbox": [1, 2, 3, 4], "bbox_mode": m} for m in (0, 1)], "bbox_mode is 1: it must be 0"),
        ([{"bbox": [1, 2, 3, 4], "bbox_mode": [0]}], "bbox_mode is [0]: it must be 0"),
        ([{"boxes": [[1, 2, 3, 4]], "scores": [0.5, 0.6]}], "scores has 2 values for 1 box"),
        ([{"image": "a", "boxes": []}, {"boxes": []}], "image 1 of the list has no name"),
        ([[[[1, 2, 3, 4, 0.5]], 7]], "class 1 is 7, not a list of boxes"),
        ({"a": {"filename": "a", "regions": 3}}, "a: regions is 3, not a list"),
        ({"name": "x", "points": 3}, "with name, points: boxes are a list, or an object with"),
    ],
)  # fmt: skip
def test_what_a_program_means_otherwise_is_refused(
    write: Write, content: object, fault: str
) -> None:
    assert fault in fault_of(lambda: read_boxes(write("boxes.json", content)))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(0, [1, 2, 3, 4]), (1, [1, 2, 4, 6]), ("XYWH_ABS", [1, 2, 4, 6]),
     ("BoxMode.XYXY_ABS", [1, 2, 3, 4])],
)  # fmt: skip
def test_bbox_mode_is_applied(write: Write, mode: object, expected: list[int]) -> None:
    table = read_boxes(write("boxes.json", [{"bbox": [1, 2, 3, 4], "bbox_mode": mode}]))
    assert table.xyxy().tolist() == [expected]
    assert table.box_format_origin == "key bbox_mode"


def images_of(table: BoxTable) -> list[Any] | None:
    return None if table.image is None else table.image.tolist()


TWO = [{"boxes": [[1, 2, 3, 4], [5, 6, 7, 8]], "scores": [0.5, 0.6]}, {"boxes": [], "scores": []}]
THREE = [*TWO, {"boxes": [[1, 2, 3, 4]], "scores": [0.7]}]


@pytest.mark.parametrize(
    ("name", "content", "images", "scores"),
    [
        ("list.json", THREE, [0, 0, 2], [0.5, 0.6, 0.7]),
        ("one.json", THREE[:1], None, [0.5, 0.6]),
        ("names.json", dict(zip("abc", THREE, strict=True)), ["a", "a", "c"], [0.5, 0.6, 0.7]),
        ("lists.json", {"a": [[1, 2, 3, 4]], "b": [], "c": [[5, 6, 7, 8]]}, ["a", "c"], None),
        ("boxes.json", [[[1, 2, 3, 4]], [], [[5, 6, 7, 8]]], [0, 2], None),
        ("mmdet.json", [[[], [[1, 2, 3, 4, 0.5]]], [[[5, 6, 7, 8, 1]], []]], [0, 1], [0.5, 1]),
        ("mmdet1.json", [[[1, 2, 3, 4, 1]], [], [[5, 6, 7, 8, 0]]], None, [1, 0]),
    ],
)
def test_lists_and_mappings_by_image(
    write: Write, name: str, content: object, images: list[Any] | None, scores: list[float] | None
) -> None:
    table = read_boxes(write(name, content))
    assert images_of(table) == images
    assert (None if table.score is None else table.score.tolist()) == scores
    assert table.image_kind == (
        None if images is None else "position" if isinstance(images[0], int) else "name"
    )


@pytest.mark.parametrize("file", ["tf.csv", "makesense.csv", "labelme.json", "wheat.csv"])
def test_the_size_of_an_image_is_kept_where_the_file_says_it(file: str, write: Write) -> None:
    table = read(next(each for each in BOX_FILES if each.file == file), write)
    assert table.image is not None
    assert table.image_sizes == {str(table.image[0]): (512, 768)}


def test_results_by_class_have_the_class_as_label(write: Write) -> None:
    table = read_boxes(write("mmdet.json", [[[], [[1, 2, 3, 4, 0.5]], [[5, 6, 7, 8, 1]]]]))
    assert table.label is not None
    assert table.label.tolist() == [1, 2]


def test_records_that_name_ids_and_files_bring_what_coco_would(write: Write) -> None:
    records = [
        {"file_name": f"{n}.jpg", "image_id": n, "height": 10 * n, "width": n,
         "annotations": [{"bbox": [1, 2, 3, 4]}] * n}
        for n in (2, 1)
    ]  # fmt: skip
    table = read_boxes(write("dicts.json", records))
    assert images_of(table) == [2, 2, 1]
    assert table.coco is not None
    assert (table.coco.images["1"].position, table.coco.images["1"].file_name) == (1, "1.jpg")
    assert table.image_sizes == {"2": (20, 2), "1": (10, 1)}
    by_hand = read_boxes(write("dicts.json", records), image_column="file_name")
    assert images_of(by_hand) == ["2.jpg", "2.jpg", "1.jpg"]


def test_json_lines_hold_images_or_boxes_and_lines_are_named(write: Write) -> None:
    lines = [
        '{"image": "a", "boxes": [[1, 2, 3, 4], [5, 6, "x", 8]]}',
        "",
        '{"image": "b", "boxes": []}',
    ]
    table = read_boxes(write("boxes.jsonl", "\n".join(lines)))
    assert images_of(table) == ["a", "a"]
    assert table.where(1).endswith("line 1")
    assert list(table.faults) == [1]
    table = read_boxes(write("boxes.jsonl", "[1, 2, 3, 4]\n[5, 6, 7, 8]\n"))
    assert (images_of(table), table.where(1)[-6:]) == (None, "line 2")


def test_pascal_voc_and_other_kinds_are_named_with_what_to_do(write: Write) -> None:
    others = {
        "a.xml": b"<annotation/>", "b.csv": b"<annotation/>", "c.csv": b"PK\x03\x04",
        "d.json": b"version https://git-lfs.github.com/spec/v1\n", "e.json": b"\x80\x04K",
        "f.csv": b"<!DOCTYPE html>",
    }  # fmt: skip
    words = ["Pascal VOC", "Pascal VOC", "save the sheet as CSV", "git lfs pull", "pickle", "web"]
    for (name, content), word in zip(others.items(), words, strict=True):
        path = write(name, content)
        assert word in fault_of(lambda path=path: read_boxes(path))  # type: ignore[misc]


@pytest.mark.parametrize("size", ["nan", "inf", "0", "", "x"])
def test_a_size_that_is_not_one_is_ignored(size: str, write: Write) -> None:
    text = f"image,width,height,x1,y1,x2,y2\na,{size},512,1,2,3,4\nb,768,512,1,2,3,4\n"
    table = read_boxes(write("boxes.csv", text))
    assert table.image_sizes == {"b": (512, 768)}
    assert not table.faults
