"""Rows that are derived from a source compute what that source says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import roicrop
from roicrop.conventions import PLAIN, resolve
from roicrop.job import Request, pipeline
from tests.conventions.literally import IMPLEMENTATIONS, first_pytorch_plain

pytestmark = pytest.mark.core

RANDOM = np.random.default_rng(29)
SCALE = 1 / 8
MAP = RANDOM.standard_normal((2, 13, 17))
BOXES: Any = np.array(
    [
        *np.concatenate(
            [c := RANDOM.uniform(-20, 80, (20, 2)), c + RANDOM.uniform(1, 70, (20, 2))], 1
        ),
        (16, 16, 80, 72),  # on whole cells
        (12, 20, 76, 60),  # half-way between them
        (30, 40, 33, 43),  # under a cell
        (40, 40, 40, 40),  # of no size
        (100, 90, 136, 104),  # up to the edge of the map
        (110, 80, 180, 140),  # and beyond it
        (200, 200, 260, 280),  # off it
        (60, 50, 20, 30),  # reversed
    ],
    dtype=np.float64,
)


def cropped(place: Path, name: str, bins: tuple[int, int], **options: Any) -> np.ndarray:
    """(K, C, PH, PW) from files, where pixels become what the convention takes."""
    row = PLAIN[name]
    with h5py.File(place / "maps.h5", "w") as file:
        file["features"] = MAP
        file["features"].attrs["stride"] = 1 / SCALE
    np.save(place / "boxes.npy", BOXES)
    request = Request(
        features=str(place / "maps.h5"),
        boxes=str(place / "boxes.npy"),
        convention=resolve(row, row.operator, **options),
        output_size=bins,
        box_format="xyxy",
        on_bad_box="keep",
    )
    with pipeline.open_job(request) as job:
        (on_map,) = job.by_map()
        return np.asarray(on_map.pool())


@pytest.mark.parametrize("bins", [(2, 3), (7, 7)], ids=str)
@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_a_derived_row_is_its_source_written_down(
    tmp_path: Path, name: str, bins: tuple[int, int]
) -> None:
    options = {"sampling_ratio": 2} if name == "mmdet-v1" else {}
    expected = [IMPLEMENTATIONS[name](MAP, tuple(box), bins, SCALE) for box in BOXES.tolist()]
    np.testing.assert_allclose(cropped(tmp_path, name, bins, **options), expected, atol=1e-9)


def test_roialignmax_of_the_first_pytorch_is_the_largest_of_the_same_points(
    tmp_path: Path,
) -> None:
    points = np.array([first_pytorch_plain(MAP, tuple(b), (5, 4), SCALE) for b in BOXES.tolist()])
    four = points[..., :-1, :-1], points[..., :-1, 1:], points[..., 1:, :-1], points[..., 1:, 1:]
    pooled = cropped(tmp_path, "first-pytorch", (4, 3), mode="max")
    np.testing.assert_allclose(pooled, np.max(four, axis=0), atol=1e-9)


def test_mmdetection_1_gives_nan_for_a_box_of_no_size_and_an_adaptive_count() -> None:
    box = [[40, 40, 30, 41]]
    pooled = roicrop.roi_align(MAP[None], [box], 2, SCALE, convention="mmdet-v1", sampling_ratio=0)
    assert np.isnan(pooled).all()


def test_a_derived_row_says_so() -> None:
    for name in IMPLEMENTATIONS:
        assert PLAIN[name].verified.startswith("derived from")
