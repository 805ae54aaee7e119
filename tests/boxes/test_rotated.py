"""Boxes with an angle: where it is found, and where it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roicrop.boxes import read_boxes
from roicrop.errors import BoxError

ROWS = [[100, 80, 90, 40, 30.0], [60, 90, 40, 80, -450.5]]


def written(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def lines(header: str, rows: list[list[float]] = ROWS) -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def assert_read(path: str, **options: Any) -> None:
    table = read_boxes(path, **options)
    assert table.box_format == "cxcywha"
    assert table.angle is not None
    assert np.array_equal(np.column_stack([table.coords, table.angle]), ROWS)
    assert table.xyxy()[0].tolist() == [55, 60, 145, 100]


@pytest.mark.parametrize("name", ["angle", "theta", "rotation", "Angle", "bbox_angle"])
def test_a_column_of_angles_goes_with_a_centre_and_a_size(name: str, work: Path) -> None:
    assert_read(written("boxes.csv", lines(f"cx,cy,w,h,{name}")))


def test_the_format_says_that_five_numbers_are_centre_size_and_angle(work: Path) -> None:
    assert_read(written("a.json", json.dumps(ROWS)), box_format="cxcywha")
    assert_read(
        written("b.json", json.dumps([{"bbox": row} for row in ROWS])), box_format="cxcywha"
    )
    np.save("c.npy", ROWS)
    assert_read("c.npy", box_format="cxcywha")
    np.save("d.npy", np.insert(ROWS, 0, 1, axis=1))
    assert_read("d.npy", box_format="cxcywha")
    assert read_boxes("d.npy", box_format="cxcywha").image.tolist() == [1, 1]  # type: ignore[union-attr]
    assert_read(written("e.csv", lines("x,y,w,h,angle")), box_format="cxcywha")
    assert_read(written("f.txt", lines("")), columns=["cx", "cy", "w", "h", "angle"])


@pytest.mark.parametrize("mode", [4, "XYWHA_ABS", "cxcywha"])
def test_detectron2s_mode_of_rotated_boxes_is_known(mode: Any, work: Path) -> None:
    assert_read(written("a.json", json.dumps([{"bbox": b, "bbox_mode": mode} for b in ROWS])))


def test_corners_with_an_angle_are_refused(work: Path) -> None:
    path = written("boxes.csv", lines("x1,y1,x2,y2,angle"))
    with pytest.raises(BoxError, match=r"^boxes.csv line 2: angle is 30, but x1,y1,x2,y2 are not "):
        read_boxes(path)


def test_angles_of_0_turn_nothing_and_an_option_says_that_others_do_not_either(work: Path) -> None:
    table = read_boxes(written("a.csv", lines("x1,y1,x2,y2,angle", [[0, 0, 9, 9, 0]])))
    assert table.angle is None
    assert not table.warnings
    table = read_boxes(written("b.csv", lines("x1,y1,x2,y2,angle")), box_format="xyxy")
    assert table.angle is None
    assert "boxes are read as not rotated" in table.warnings[0]


def test_a_format_with_an_angle_needs_one(work: Path) -> None:
    path = written("boxes.csv", lines("cx,cy,w,h", [[1, 2, 3, 4]]))
    with pytest.raises(BoxError, match="need an angle"):
        read_boxes(path, box_format="cxcywha")


def test_an_angle_that_is_missing_makes_its_box_a_bad_one(work: Path) -> None:
    table = read_boxes(written("a.csv", "cx,cy,w,h,angle\n5,5,4,4,10\n5,5,4,4,\n5,5,-4,4,10\n"))
    bad = table.find_bad()
    assert bad.not_finite.tolist() == [False, True, False]
    assert bad.reversed.tolist() == [False, False, True]
    assert bad.reason(1) == "width 4, height 4, angle nan: not finite"
    assert bad.reason(2) == "width -4, height 4, angle 10: a size below 0"


def test_some_of_the_boxes_keep_their_angles(work: Path) -> None:
    table = read_boxes(written("boxes.csv", lines("cx,cy,w,h,angle"))).take(np.array([1]))
    assert table.angle is not None
    assert table.angle.tolist() == [-450.5]
