"""What the operators compute, with either core."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import roicrop
from roicrop.conventions import LOWEST_FLOAT32, PLAIN
from roicrop.errors import BoxError
from tests.crops import STRIDES, Crop, crops
from tests.operators.maps import BOXES, MAP

pytestmark = pytest.mark.core

Array = NDArray[Any]


@pytest.mark.parametrize("name", PLAIN)
@given(data=st.data())
@settings(max_examples=settings().max_examples // 4)
def test_a_crop_is_what_the_definitions_give(name: str, data: st.DataObject) -> None:
    crop = data.draw(crops(name))
    before = crop.features.copy()
    channels = sorted({0, crop.features.shape[1] - 1})
    try:
        expected = crop.defined(channels)
    except BoxError:
        with pytest.raises(BoxError, match=r"^box \d+ is reversed"):
            crop.pooled()
        return
    pooled = crop.pooled()
    assert pooled.shape == (len(crop.boxes), crop.features.shape[1], *crop.output_size)
    crop.assert_agree(pooled[:, channels], expected)
    np.testing.assert_array_equal(crop.features, before)


def test_the_notebooks_example_has_its_samples_and_its_average_divided_by_their_number() -> None:
    features = np.arange(100, dtype=np.float32).reshape(2, 5, 5, 2)
    box = (1.0, 4.0, 4.0, 4.0)
    pooled = roicrop.roi_align(features, [[1, *box]], 4, sampling_ratio=2, layout="NHWC")
    assert pooled[0, 0, 0].tolist() == [92.75, 93.75]
    plan = roicrop.plan([box], (5, 5), 4, sampling_ratio=2)
    y, x = plan.samples(0)[0].position.tolist(), plan.samples(0)[1].position.tolist()
    assert y == [4.0625, 4.1875, 4.3125, 4.4375, 4.5625, 4.6875, 4.8125, 4.9375]
    assert x == [1.1875, 1.5625, 1.9375, 2.3125, 2.6875, 3.0625, 3.4375, 3.8125]


@pytest.mark.parametrize("name", PLAIN)
@given(data=st.data())
@settings(max_examples=settings().max_examples // 4)
def test_a_cell_that_a_bin_does_not_weigh_never_contributes(name: str, data: st.DataObject) -> None:
    crop = data.draw(crops(name))
    crop = dataclasses.replace(crop, features=np.nan_to_num(crop.features.astype(np.float32)))
    k = data.draw(st.integers(0, len(crop.boxes) - 1))
    p, q = (data.draw(st.integers(0, bins - 1)) for bins in crop.output_size)
    poisoned = np.full_like(crop.features, np.nan)
    try:
        plan = crop.plan(np.float32)
    except BoxError:
        return
    cells_y, cells_x = (
        [cell for row in axis.bin_rows(k, b) for cell in axis.row_taps(row)[0]]
        for axis, b in ((plan.y, p), (plan.x, q))
    )
    for y, x in itertools.product(cells_y, cells_x):
        poisoned[crop.image[k], :, y, x] = crop.features[crop.image[k], :, y, x]
    poisoned_crop = dataclasses.replace(crop, features=poisoned)
    np.testing.assert_array_equal(
        poisoned_crop.pooled()[k, :, p, q], crop.pooled()[k, :, p, q], strict=True
    )


@pytest.mark.parametrize("name", ["mask-rcnn", "detectron2", "onnx", "prroi", "fast-rcnn"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_strides_do_not_change_a_bit(name: str, dtype: str) -> None:
    row = PLAIN[name]
    crop = Crop(row, MAP.astype(dtype), "NCHW", BOXES[:, 0].astype(int), BOXES[:, 1:], (3, 5), 0.9)
    plain = crop.pooled()
    for layout in STRIDES:
        if (same := layout(crop.features)).shape == MAP.shape and (same == crop.features).all():
            other = dataclasses.replace(crop, features=same)
            assert other.pooled().tobytes() == plain.tobytes()


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_half_precision_is_single_precision_rounded_once(mode: Any) -> None:
    half = MAP.astype(np.float16)
    single = roicrop.roi_align(half.astype(np.float32), BOXES, 7, 0.5, mode=mode)
    pooled = roicrop.roi_align(half, BOXES, 7, 0.5, mode=mode)
    assert pooled.dtype == np.float16
    assert pooled.tobytes() == single.astype(np.float16).tobytes()


@pytest.mark.parametrize("dtype", ["i1", "u2", "i8", "?", ">i4", "g", ">f4", ">f8", ">f2"])
def test_other_numbers_are_pooled_as_the_floats_that_they_are(dtype: str) -> None:
    numbers = np.arange(MAP.size).reshape(MAP.shape) % 100
    features = numbers.astype(dtype)
    native = {">f8": np.float64, ">f2": np.float16}.get(dtype, np.float32)
    pooled = roicrop.roi_align(features, BOXES, 3)
    assert pooled.dtype == native
    assert pooled.tobytes() == roicrop.roi_align(features.astype(native), BOXES, 3).tobytes()


# RoIPool.


def test_in_roipool_nan_never_wins_and_a_bin_of_nothing_else_is_float32s_lowest() -> None:
    nan, inf = np.nan, np.inf
    features = np.array([[[[nan, 3, nan, nan, nan, -inf, inf, nan]]]], dtype=np.float32)
    pooled = roicrop.roi_pool(features, [[0, 0, 0, 7, 0]], (1, 4))
    assert pooled.ravel().tolist() == [3, LOWEST_FLOAT32, LOWEST_FLOAT32, inf]
    assert roicrop.roi_pool(features.astype("f8"), [[0, 2, 0, 3, 0]], 1) == LOWEST_FLOAT32
    assert roicrop.roi_pool(features.astype("f2"), [[0, 2, 0, 3, 0]], 1) == -inf


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_roipools_bins_without_cells_are_0(mode: Any) -> None:
    boxes = [[0, 100, 0, 120, 9], [0, -50, -50, -40, -40], [0, -9, 0, 3, 0]]
    pooled = roicrop.roi_pool(MAP, boxes, (2, 4), mode=mode)
    assert (pooled[:2] == 0).all()
    assert (pooled[2, ..., :2] == 0).all()
    assert (pooled[2, ..., 3] != 0).all()
