"""A job's boxes on their maps: some of them, read in another way, or moved."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from roicrop.conventions import resolve
from roicrop.errors import BoxError
from roicrop.job import Job, open_job
from tests.job.jobs import BATCH, BOXES, ask, expected, write_boxes, write_maps


def pooled(job: Job) -> np.ndarray:
    """(K, 5, 2, 3) in the order of rows."""
    out = np.zeros(job.pooled_shape, np.float32)
    for on_map in job.by_map():
        out[on_map.rows] = on_map.pool()
    return out


def test_some_boxes_of_a_job_may_be_taken_in_any_order_and_twice(work: Path) -> None:
    rows = np.array([3, 0, 3, 4])
    with open_job(ask()) as job:
        np.testing.assert_array_equal(pooled(job.take(rows)), expected()[rows])


def test_a_job_reread_is_the_job_of_the_other_request(work: Path) -> None:
    other = ask(box_format="xywh", spatial_scale=0.125, inclusive=True, on_bad_box="keep")
    with open_job(ask()) as job, open_job(other) as opened:
        reread = job.reread(other)
        assert [scale.value for scale in reread.scales] == [0.125]
        np.testing.assert_array_equal(reread.corners, opened.corners)
        np.testing.assert_array_equal(pooled(reread), pooled(opened))


def test_boxes_moved_to_other_corners_are_pooled_there(work: Path) -> None:
    corners = np.array([box[1:] for box in BOXES]) + 3.0
    fractions = [(i, x1 / 64, y1 / 48, x2 / 64, y2 / 48) for i, x1, y1, x2, y2 in BOXES]
    write_boxes("boxes.csv", fractions)
    there = [(box[0], *moved) for box, moved in zip(BOXES, corners.tolist(), strict=True)]
    with open_job(ask(normalized=True)) as job:
        np.testing.assert_array_equal(pooled(job.moved_to(corners)), expected(there))


def test_a_map_serves_the_boxes_of_another_job(work: Path) -> None:
    with open_job(ask()) as job:
        other = job.moved_to(job.corners[::-1])
        on_map = next(job.by_map())
        its = on_map.of(other, np.array([2]))
        boxes = [(on_map.image, *BOXES[2][1:])]
        np.testing.assert_array_equal(its.pool(), expected(boxes))
        assert its.subject(2).corners == BOXES[2][1:]


def test_channels_come_first_whatever_the_layout(work: Path) -> None:
    write_maps("maps.h5", {"features": BATCH.transpose(0, 2, 3, 1)}, stride=4.0, layout="NHWC")
    with open_job(ask()) as job:
        for on_map in job.by_map():
            shown = on_map.channels_first(on_map.features)
            np.testing.assert_array_equal(shown, BATCH[on_map.image])
            assert on_map.channels_first(on_map.pool()).shape[1:] == (5, 2, 3)


def test_a_box_is_called_by_its_number_in_the_file_and_its_id(work: Path) -> None:
    Path("boxes.csv").write_text("image,x1,y1,x2,y2,id,score\na,1,2,9,8,70,0.1\na,3,2,9,8,71,0.9\n")
    write_maps("maps.h5", {"a": BATCH[0], "b": BATCH[1]}, stride=4.0)
    with open_job(ask(min_score=0.5, input_scale=(0.5, 1.0))) as job:
        (placed,) = job.placed()
        subject = placed.subject(0)
    assert (subject.file, subject.image, subject.box) == ("maps.h5::/", "a", "1 (id 71)")
    assert subject.corners == (3, 2, 9, 8)
    assert subject.cells_per_pixel == (0.125, 0.25)


def test_reversed_boxes_that_a_convention_refuses_are_known_before_a_map_is_read(
    work: Path,
) -> None:
    write_boxes("boxes.csv", [BOXES[1], (0, 9.0, 1.0, 5.0, 8.0)])
    with open_job(ask(on_bad_box="keep")) as job:
        (placed,) = job.placed()
        placed.check_reversed()
        with pytest.raises(BoxError, match=r"^boxes.csv line 3 is reversed, which mmcv refuses"):
            placed.check_reversed(resolve("mmcv"))


def test_a_job_never_changes(work: Path) -> None:
    with open_job(ask()) as job, pytest.raises(dataclasses.FrozenInstanceError):
        job.request = ask()  # type: ignore[misc]
