"""How boxes lie on their maps, and the warnings about it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from roicrop import job as jobs
from roicrop.conventions import resolve
from roicrop.job import Caution, fit, open_job, stride_that_fits
from tests.job.jobs import BATCH, ask, write_boxes, write_maps


def test_boxes_outside_their_map_are_counted_by_how_far() -> None:
    cells = np.array(
        [
            [0, 0, 4, 3],  # on the map
            [0, 0, 4.5, 3],  # half a cell outside
            [-3, 0, 2, 3],  # three
            [4, 0, 9, 3],  # touches the edge from outside
            [1, 1, 1, 2],  # no width
            [2, 2, 1, 1],  # reversed, on the map
            [np.nan, 0, 1, 1],
        ]
    )
    found = fit(cells, np.tile([3.0, 4.0], (7, 1)))
    assert (found.degenerate, found.partly, found.beyond, found.wholly) == (1, 3, 2, 1)


@given(
    st.integers(0, 7),
    st.lists(st.tuples(st.integers(2, 200), st.integers(2, 200)), min_size=1, max_size=5),
)
def test_the_stride_that_fits_is_the_one_that_made_the_map(
    power: int, sizes: list[tuple[int, int]]
) -> None:
    stride = 2**power
    maps = np.array(sizes, dtype=np.float64)
    whole = np.array([[0, 0, w * stride, h * stride] for h, w in sizes], dtype=np.float64)
    found = stride_that_fits([(whole, maps)])
    assert found is not None
    assert found <= stride
    if maps.max() > 2:
        assert found == stride


def test_no_stride_fits_boxes_left_of_the_image() -> None:
    assert stride_that_fits([(np.array([[-1e6, 0, 5, 5]]), np.array([[8.0, 8.0]]))]) is None


def cautions(**changes: Any) -> list[Caution]:
    with open_job(ask(**changes)) as job:
        return jobs.cautions(job, job.fit())


def test_a_scale_that_nobody_gave_is_loud_when_boxes_fall_outside(work: Path) -> None:
    write_maps("maps.h5", {"features": BATCH})
    (caution,) = cautions()
    assert caution.loud
    assert "--stride 4 would fit" in caution.text
    assert "5 of 5 boxes" in caution.text


def test_a_scale_that_nobody_gave_is_mentioned_when_boxes_fit(work: Path) -> None:
    write_maps("maps.h5", {"features": BATCH})
    write_boxes("boxes.csv", [(0, 1, 1, 9, 9)])
    (caution,) = cautions()
    assert not caution.loud
    assert "--stride 1" in caution.text
    assert not cautions(spatial_scale=1.0)


def test_a_given_scale_is_doubted_when_most_boxes_fall_outside(work: Path) -> None:
    (caution,) = cautions(spatial_scale=2.0, scale_origin="--spatial-scale")
    assert caution.loud
    assert "--spatial-scale" in caution.text
    assert not cautions()


def test_pixels_called_fractions_are_doubted(work: Path) -> None:
    (caution,) = cautions(normalized=True)
    assert "--normalized" in caution.text


def test_fractions_called_pixels_are_doubted(work: Path) -> None:
    write_boxes("boxes.csv", [(0, 0.1, 0.1, 0.5, 1.0)])
    (caution,) = cautions()
    assert caution.loud
    assert "give --normalized" in caution.text
    assert not cautions(normalized=True)


def test_where_no_scale_plays_a_part_none_is_missed(work: Path) -> None:
    write_maps("maps.h5", {"features": BATCH})
    pairs = itertools.product(["tensorflow", "mask-rcnn"], [True])
    write_boxes("boxes.csv", [(0, 0.1, 0.1, 0.5, 0.5)])
    for name, normalized in pairs:
        assert not cautions(convention=resolve(name), normalized=normalized), name
