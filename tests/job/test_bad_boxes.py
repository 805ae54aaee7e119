"""Bad boxes are named, or treated as the request says."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from roicrop.conventions import resolve
from tests.job.jobs import (
    BATCH,
    BOXES,
    ask,
    crop_to,
    expected,
    refusal,
    write_boxes,
    write_json,
    write_maps,
)

REVERSED = (0, 9.0, 1.0, 5.0, 8.0)
NOT_FINITE = (0, "nan", 1.0, 5.0, 8.0)
NOWHERE = (7, 1.0, 1.0, 5.0, 8.0)


def test_bad_boxes_are_named_with_their_lines_and_counted(work: Path) -> None:
    write_boxes("boxes.csv", [BOXES[0], REVERSED, NOT_FINITE, NOWHERE, *[REVERSED] * 4])
    text = refusal(ask())
    assert "boxes.csv line 3: x2 5 is less than x1 9" in text
    assert "boxes.csv line 4: (nan, 1, 5, 8) is not finite" in text
    assert "boxes.csv line 5: no image 7: maps.h5::/features holds images 0 to 2" in text
    assert "boxes.csv line 7" in text
    assert "boxes.csv line 8" not in text
    assert "and 2 more" in text
    assert "--on-bad-box zero or drop" in text
    assert not Path("refused.h5").exists()


def test_bad_boxes_of_json_are_named_by_their_index(work: Path) -> None:
    write_json("boxes.json", [[1, 2, 3, 4], [5, 2, 3, 4]])
    write_maps("maps.h5", {"features": BATCH[0]})
    assert "boxes.json box 1: x2 3 is less than x1 5" in refusal(ask(boxes="boxes.json"))


def test_to_keep_bad_boxes_is_offered_where_all_can_be_kept(work: Path) -> None:
    write_boxes("boxes.csv", [BOXES[1], REVERSED])
    assert "--on-bad-box keep, zero or drop" in refusal(ask())


def test_bad_boxes_are_counted_after_choosing(work: Path) -> None:
    Path("boxes.csv").write_text("x1,y1,x2,y2,image,score\n9,1,5,8,0,0.1\n1,1,5,8,0,0.9\n")
    assert len(crop_to("out.h5", ask(min_score=0.5))) == 1


def test_kept_reversed_boxes_do_what_the_convention_does(work: Path) -> None:
    write_boxes("boxes.csv", [BOXES[1], REVERSED])
    pooled = crop_to("out.h5", ask(on_bad_box="keep"))
    np.testing.assert_array_equal(pooled, expected([BOXES[1], REVERSED]))


@pytest.mark.parametrize("bad", [NOT_FINITE, NOWHERE])
def test_only_reversed_boxes_can_be_kept(work: Path, bad: tuple[object, ...]) -> None:
    write_boxes("boxes.csv", [BOXES[1], REVERSED, bad])
    text = refusal(ask(on_bad_box="keep"))
    assert "line 4" in text
    assert "line 3" not in text
    assert "--on-bad-box zero or drop" in text


@pytest.mark.core
def test_a_kept_box_that_the_convention_refuses_is_named_by_its_line(work: Path) -> None:
    write_boxes("boxes.csv", [BOXES[1], BOXES[0], REVERSED])
    text = refusal(ask(on_bad_box="keep", convention=resolve("mmcv")))
    assert text.startswith("boxes.csv line 4 is reversed, which mmcv refuses")
    assert not list(work.glob("*refused*"))


@pytest.mark.core
def test_a_box_too_large_for_float32_is_named_by_its_line(work: Path) -> None:
    write_boxes("boxes.csv", [BOXES[1], (0, 0.0, 0.0, 1e39, 5.0)])
    assert refusal(ask()).startswith("boxes.csv line 3 has corners 0, 0, 1e+39, 5")


def test_bad_boxes_may_be_zeros(work: Path) -> None:
    write_boxes("boxes.csv", [NOWHERE, BOXES[0], NOT_FINITE, REVERSED])
    pooled = crop_to("out.h5", ask(on_bad_box="zero"))
    np.testing.assert_array_equal(pooled[1:2], expected([BOXES[0]]))
    assert not pooled[[0, 2, 3]].any()
    with h5py.File("out.h5") as file:
        assert file["image_index"][:].tolist() == [-1, 2, 0, 0]


def test_bad_boxes_may_be_left_out(work: Path) -> None:
    write_boxes("boxes.csv", [NOWHERE, BOXES[0], NOT_FINITE, REVERSED, BOXES[1]])
    pooled = crop_to("out.h5", ask(on_bad_box="drop"))
    np.testing.assert_array_equal(pooled, expected([BOXES[0], BOXES[1]]))
    with h5py.File("out.h5") as file:
        assert file["source_index"][:].tolist() == [1, 4]
