"""roicrop against what the frameworks themselves gave: `tests/golden/`, made by its `make.py`.

Values are held to the design's tolerance, RoIPool to the last bit.

Sample positions are held to the last bit too, through the map "rows": one cell wide, with ones on
every twelfth row, and boxes whose samples lie so far apart that no two of a bin touch one cell. A
pooled value there is the weight of one neighbour of one sample, divided by the number of samples;
that weight is the fraction of the position, to the last bit.

Sample counts are held by boxes of a whole number of cells a bin, where the last bit of the size
decides them, and by checking that one sample more or less would have failed.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import roicrop
from roicrop.conventions import PLAIN, Convention, lookup
from roicrop.errors import BoxError
from tests import reference
from tests.conventions.literally import IMPLEMENTATIONS
from tests.golden.inputs import ROW_PERIOD, ROWS
from tests.golden.records import PEERS, Record, arrays, convention, golden

Array = NDArray[Any]


def cases(*, outcome: str, prefix: str = "", operator: str = "") -> Any:
    """Parametrisation by every case of that outcome, of boxes whose name has the prefix."""
    return pytest.mark.parametrize(
        ("peer", "case"),
        [
            pytest.param(peer, case, id=f"{peer}: {case['name']}")
            for peer in PEERS
            for case in golden(peer)[0]["cases"]
            if (case["outcome"] == "pooled") == (outcome == "pooled")
            and case["boxes"].startswith(f"boxes/{prefix}")
            and operator in ("", case["operator"])
        ],
    )


@cases(outcome="pooled")
def test_the_reference_gives_what_the_framework_gave(peer: str, case: Record) -> None:
    features, boxes, expected = arrays(peer, case)
    row = convention(case)
    assert_agrees(by_reference(features, boxes, case, row), expected, features, row)


@pytest.mark.core
@cases(outcome="pooled")
def test_roicrop_gives_what_the_framework_gave(peer: str, case: Record) -> None:
    features, boxes, expected = arrays(peer, case)
    row = convention(case)
    pooled = by_roicrop(features, boxes, case, row)
    assert pooled.dtype == features.dtype
    assert_agrees(pooled, expected, features, row)


@pytest.mark.core
@cases(outcome="nothing")
def test_a_box_that_a_framework_cannot_take_is_refused_or_gives_nothing(
    peer: str, case: Record
) -> None:
    features, boxes, _ = arrays(peer, case)
    row = convention(case)
    x1, y1, x2, y2 = boxes[0]
    for crop in (by_reference, by_roicrop):
        if (x2 - x1) * (y2 - y1) < 0:
            with pytest.raises(BoxError, match="box 0"):
                crop(features, boxes, case, row)
        else:
            pooled = crop(features, boxes, case, row)
            assert np.isin(pooled, [0.0]).all() or np.isnan(pooled).all()


@cases(outcome="pooled", operator="align")
def test_the_plan_samples_where_the_reference_does(peer: str, case: Record) -> None:
    features, boxes, _ = arrays(peer, case)
    row = convention(case)
    size, output_size = features.shape[1:], tuple(case["output_size"])
    scale, dtype = case["spatial_scale"], reference.coordinate_dtype(features)
    plan = roicrop.plan(boxes, size, output_size, scale, convention=row, dtype=dtype)
    for k, box in enumerate(in_xyxy(boxes, row)):
        ys, xs = reference.samples(box, size, output_size, scale, row, dtype)
        assert np.array_equal(plan.samples(k)[0].position, ys.ravel())
        assert np.array_equal(plan.samples(k)[1].position, xs.ravel())


@cases(outcome="pooled", prefix="positions")
def test_every_sample_lies_where_the_framework_put_it_to_the_last_bit(
    peer: str, case: Record
) -> None:
    features, boxes, pooled = arrays(peer, case)
    row = convention(case)
    size, output_size = features.shape[1:], tuple(case["output_size"])
    weights = np.zeros_like(pooled)
    for k, box in enumerate(in_xyxy(boxes, row)):
        ys, xs = reference.samples(box, size, output_size, case["spatial_scale"], row, np.float32)
        assert np.count_nonzero((xs >= -1) & (xs <= 1)) == 1 or row.normalized
        samples = xs.size**2
        for p, positions in enumerate(ys):
            for y in positions[positions <= ROWS]:
                low = math.floor(y)
                part = y - np.float32(low)
                weights[k, low % ROW_PERIOD, p, 0] = np.float32(1) - part
                weights[k, (low + 1) % ROW_PERIOD, p, 0] = part
    divided, multiplied = weights / np.float32(samples), weights * np.float32(1 / samples)
    assert np.count_nonzero(pooled) > pooled.size / ROW_PERIOD
    assert np.array_equal(pooled, divided) or np.array_equal(pooled, multiplied)


@cases(outcome="pooled", prefix="counts")
def test_every_sample_count_is_the_frameworks(peer: str, case: Record) -> None:
    features, boxes, pooled = arrays(peer, case)
    row = convention(case)
    size, output_size = features.shape[1:], tuple(case["output_size"])
    scale = case["spatial_scale"]
    rounded_up = 0
    for k, box in enumerate(boxes):
        ys, xs = reference.samples(box, size, output_size, scale, row, np.float32)
        counts = ys.shape[1], xs.shape[1]
        cells = round((box[3] - box[1]) * scale / 7), round((box[2] - box[0]) * scale / 5)
        assert all(count - n in (0, 1) for count, n in zip(counts, cells, strict=True))
        rounded_up += counts != cells
        for other in {n + d for n in counts for d in (-1, 1)} - set(counts):
            fixed = dataclasses.replace(row, sampling_ratio=other)
            guess = reference.roi_align(features, box[None], output_size, scale, fixed)
            assert np.abs(guess - pooled[k]).max() > 1e-3
    assert 0 < rounded_up < len(boxes)


def test_every_convention_is_held_to_golden_values_or_says_what_it_is_derived_from() -> None:
    held = {case["convention"] for peer in PEERS for case in golden(peer)[0]["cases"]}
    held |= {"openvino-extractor", "openvino-extractor-aligned"}  # in operators/test_pyramids.py
    derived = {"detectron2", "mmcv", "prroi", *IMPLEMENTATIONS}  # these in test_derived.py
    assert held | derived == set(PLAIN)
    assert not held & derived


@pytest.mark.parametrize("peer", PEERS)
def test_a_verified_row_names_the_version_that_gave_its_golden_values(peer: str) -> None:
    about = golden(peer)[0]
    version = next(iter(about["versions"].values()))
    for name in {case["convention"] for case in about["cases"]}:
        assert version in PLAIN[name].verified


def test_detectron2_is_torchvision_with_its_aligned_boxes() -> None:
    one, other = lookup("detectron2", "align"), lookup("torchvision-aligned", "align")
    words = ("name", "program", "surprise", "verified", "level_rule")
    same = {word: getattr(one, word) for word in words}
    assert dataclasses.replace(other, **same) == one


def in_xyxy(boxes: Array, row: Convention) -> Array:
    return boxes[:, [1, 0, 3, 2]] if row.order == "yxyx" else boxes


def by_reference(features: Array, boxes: Array, case: Record, row: Convention) -> Array:
    crop = reference.roi_align if case["operator"] == "align" else reference.roi_pool
    size: tuple[int, int] = tuple(case["output_size"])
    return crop(features, in_xyxy(boxes, row), size, case["spatial_scale"], row)


def by_roicrop(features: Array, boxes: Array, case: Record, row: Convention) -> Array:
    crop = roicrop.roi_align if case["operator"] == "align" else roicrop.roi_pool
    table = np.concatenate([np.zeros((len(boxes), 1), boxes.dtype), boxes], axis=1)
    size: tuple[int, int] = tuple(case["output_size"])
    return crop(features[None], table, size, case["spatial_scale"], convention=row)


def assert_agrees(pooled: Array, expected: Array, features: Array, row: Convention) -> None:
    if row.operator == "pool":
        assert np.array_equal(pooled, expected)
    else:
        tolerance = 1e-5 * max(1.0, float(np.abs(features).max()))
        np.testing.assert_allclose(pooled, expected, rtol=0, atol=tolerance)
