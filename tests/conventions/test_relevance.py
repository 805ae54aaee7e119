"""Which fields of a convention matter, checked against what the operators compute."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import roicrop
from roicrop.conventions import PLAIN, Convention, effective, idle_in_both, matters

MAPS = np.random.default_rng(8).standard_normal((1, 2, 9, 11))
BOXES = np.array(
    [[3.2, 2.9, 6.4, 7.8], [4, 4, 4, 4], [-9, 3, 2, 30], [40, 50, 60, 70], [1.5, 2, 1.9, 2.2]]
)
OTHER_VALUES: dict[str, Any] = {
    "offset_before": 0.25,
    "offset_after": -0.25,
    "added_pixel": 1.5,
    "added_cell": 0.75,
    "clipped": True,
    "min_size": 3.0,
    "min_samples": 2,
    "sample_at": 0.25,
    "shared": True,
    "rounding": "half-even",
    "inner": True,
    "sampling_ratio": 3,
    "positions": "fraction",
    "border": "zero",
    "max_over": "corners",
    "max_start": 5.0,
    "void": 7.0,
    "void_max": 8.0,
    "interpolation": "nearest",
}
ROWS = [
    dataclasses.replace(row, mode=mode)
    for row in PLAIN.values()
    for mode in ("avg", "max")
    if (row.kind, mode) != ("piece", "max")
]


def crop(row: Convention) -> np.ndarray:
    function = roicrop.roi_align if row.operator == "align" else roicrop.roi_pool
    boxes = BOXES / 11 if row.normalized else BOXES
    return np.asarray(function(MAPS, [boxes], (2, 3), convention=row))


def changed(row: Convention) -> Iterator[tuple[str, Convention]]:
    for field, value in OTHER_VALUES.items():
        if not matters(field, row):
            yield field, dataclasses.replace(row, **{field: value})


@pytest.mark.core
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}-{row.mode}")
def test_a_field_that_plays_no_part_changes_nothing(row: Convention) -> None:
    expected = crop(row)
    for field, other in changed(row):
        np.testing.assert_array_equal(crop(other), expected, err_msg=field)
        assert repr(effective(other)) == repr(effective(row))


@pytest.mark.core
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}-{row.mode}")
def test_the_effective_row_computes_the_same(row: Convention) -> None:
    """Names do not, and how the framework's own argument is laid out is for who reads boxes."""
    same = dataclasses.replace(effective(row), order=row.order)
    np.testing.assert_array_equal(crop(same), crop(row))


def test_a_field_is_idle_only_if_no_row_between_the_two_needs_it() -> None:
    mask_rcnn, onnx = PLAIN["mask-rcnn"], PLAIN["onnx"]
    maximum = dataclasses.replace(mask_rcnn, mode="max")
    assert {"max_over", "max_start", "void_max"} <= idle_in_both(mask_rcnn, onnx)
    assert "void" not in idle_in_both(mask_rcnn, onnx)
    assert "void" in idle_in_both(maximum, maximum)
    assert "max_over" not in idle_in_both(maximum, onnx)
    exact = PLAIN["prroi"]
    assert "positions" in idle_in_both(exact, exact)
    assert "positions" not in idle_in_both(exact, mask_rcnn)
    # Whole cells take no number of samples, and neither do points, but samples come between.
    pool, points = PLAIN["fast-rcnn"], PLAIN["tensorflow"]
    assert "sampling_ratio" not in idle_in_both(pool, points)
