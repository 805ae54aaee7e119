"""Rotated boxes, whose plan is one matrix, and bins that have channels of their own."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import roicrop
from roicrop import kernels, sampling
from roicrop.conventions import CONVENTIONS, Operator, resolve
from roicrop.errors import ArgumentError, BoxError
from roicrop.operators import WindowCrop
from tests.golden.operators import BOXES, NOISE

RANDOM = np.random.default_rng(11)
TURNED = np.column_stack(
    [
        RANDOM.uniform(-20, 200, (60, 2)),
        RANDOM.uniform(0, 160, (60, 2)),
        RANDOM.uniform(-400, 400, 60),
    ]
)
MAP = RANDOM.standard_normal((2, 40, 31, 37)).astype(np.float32)
OWN = [key for key, row in CONVENTIONS.items() if row.turned or row.position_sensitive]
NAMES = ("detectron2", "mmcv", "openvino", "mxnet")


@pytest.mark.skipif(kernels.NAME == "numpy", reason="there is no compiled core")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ratio", [0, 1, 2, 3])
def test_the_compiled_plan_of_rotated_boxes_is_samplings_to_the_bit(
    name: str, dtype: type[np.float32], ratio: int
) -> None:
    compiled: Any = importlib.import_module("roicrop.kernels._compiled")
    row = resolve(name, "align-rotated", sampling_ratio=ratio)
    boxes = np.concatenate([TURNED, BOXES["turned"] * [4, 4, 4, 4, 1]]).astype(dtype)
    planned = sampling.plan(
        boxes, (31, 37), (3, 5), convention=row, spatial_scale=0.25, dtype=dtype
    )
    (rows,) = planned.matrices
    y, x = compiled.plan_arrays(boxes, (31, 37), (3, 5), convention=row, spatial_scale=0.25)
    _, row_ptr, columns, weights, void, _ = x
    assert np.array_equal(row_ptr, rows.row_ptr)
    assert np.array_equal(np.array(y[2]) * 37 + columns, rows.cells)
    assert np.array_equal(weights, rows.weights)
    assert np.array_equal(void, rows.void)


@pytest.mark.skipif(kernels.NAME == "numpy", reason="there is no compiled core")
@pytest.mark.parametrize("key", OWN, ids=" ".join)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_cores_give_the_same(key: tuple[Operator, str], dtype: type[np.float32]) -> None:
    row = CONVENTIONS[key]
    boxes = TURNED if row.turned else np.concatenate([BOXES["along"], BOXES["no size"]]) * 4
    channels = 40 if row.turned else 10
    cores = [importlib.import_module(f"roicrop.kernels.{n}") for n in ("_compiled", "numpy_core")]
    pooled = np.full((2, len(boxes), channels, 2, 2), 7, dtype)
    for core, out in zip(cores, pooled, strict=True):
        core.crop(
            MAP.astype(dtype), np.arange(len(boxes)) % 2, boxes.astype(dtype), out,
            convention=row, spatial_scale=0.25, threads=2,
        )  # fmt: skip
    np.testing.assert_allclose(
        pooled[0], pooled[1], rtol=0, atol=4e-6 if dtype is np.float32 else 1e-13
    )


@pytest.mark.core
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int16", ">f4"])
@pytest.mark.parametrize("last", [False, True])
def test_a_rotated_crop_is_its_plan_applied(dtype: str, last: bool) -> None:
    features = (MAP * 8).astype(dtype)
    table = np.column_stack([np.arange(60) % 2, TURNED])
    given_ = features.transpose(0, 2, 3, 1) if last else features
    layout = "NHWC" if last else "NCHW"
    pooled = roicrop.roi_align_rotated(given_, table, (3, 5), 0.25, 2, layout=layout)
    pooled = pooled.transpose(0, 3, 1, 2) if last else pooled
    exact = features.astype(np.float64)
    planned = roicrop.plan(TURNED, (31, 37), (3, 5), 0.25, 2, operator="align-rotated", dtype=dtype)
    for k in range(60):
        for p, q in np.ndindex(3, 5):
            terms = planned.terms(k, p, q)
            expected = [terms.sum(channel) / terms.divisor for channel in exact[k % 2, :3]]
            tolerance = 0.02 if dtype == "float16" else 1e-4
            np.testing.assert_allclose(pooled[k, :3, p, q], expected, atol=tolerance, rtol=0)


@pytest.mark.core
def test_threads_and_company_do_not_change_a_rotated_crop() -> None:
    table = np.column_stack([np.arange(60) % 2, TURNED])
    alone = [
        roicrop.roi_align_rotated(MAP, table[k : k + 1], 4, 0.25, threads=1) for k in range(60)
    ]
    assert np.array_equal(np.concatenate(alone), roicrop.roi_align_rotated(MAP, table, 4, 0.25))


@pytest.mark.core
def test_a_rotated_box_without_a_turn_is_roi_aligns() -> None:
    corners = np.concatenate(
        [TURNED[:, :2] - TURNED[:, 2:4] / 2, TURNED[:, :2] + TURNED[:, 2:4] / 2], axis=1
    )
    flat = TURNED * [1, 1, 1, 1, 0]
    pooled = roicrop.roi_align_rotated(MAP[:1], flat, 3, 0.25, 2)
    other = roicrop.roi_align(MAP[:1], corners, 3, 0.25, 2, True)
    np.testing.assert_allclose(pooled, other, rtol=0, atol=1e-4)


@pytest.mark.core
@pytest.mark.parametrize("operator", ["align-rotated", "ps-align", "ps-pool"])
def test_a_window_of_the_map_gives_the_same_to_the_bit(operator: Any) -> None:
    row = resolve({"align-rotated": "mmcv"}.get(operator, "torchvision"), operator)
    along = RANDOM.uniform(40, 60, (8, 2))
    boxes = np.concatenate([along, along + 30], axis=1)
    if row.turned:
        boxes = np.column_stack([along + 15, np.full((8, 2), 20.0), RANDOM.uniform(-4, 4, 8)])
    channels = 40 if row.turned else 10
    whole, part = (np.empty((8, channels, 2, 2), np.float32) for _ in range(2))
    crop = WindowCrop(
        boxes, (2, 2), convention=row, spatial_scale=0.25, map_size=(31, 37), dtype=MAP.dtype
    )
    crop.pool(MAP[0], whole, threads=1)
    crop.pool(MAP[0, :, 5:29, 4:35], part, threads=1, origin=(5, 4))
    assert np.array_equal(whole, part)
    with pytest.raises(ValueError, match="outside the window"):
        crop.pool(MAP[0, :, 15:29, 4:35], part, threads=1, origin=(15, 4))


@pytest.mark.core
def test_a_box_too_large_to_be_packed_gives_the_same() -> None:
    features = RANDOM.standard_normal((1, 3, 700, 900)).astype(np.float32)
    box = np.array([[450, 350, 880, 640, 12.0]])
    pooled = roicrop.roi_align_rotated(features, box, 2, 1.0, 3)
    planned = roicrop.plan(box, (700, 900), 2, 1.0, 3, operator="align-rotated")
    for p, q in np.ndindex(2, 2):
        terms = planned.terms(0, p, q)
        expected = [terms.sum(channel) / terms.divisor for channel in features[0]]
        np.testing.assert_allclose(pooled[0, :, p, q], expected, rtol=0, atol=1e-5)


@pytest.mark.core
@settings(deadline=None, max_examples=25)
@given(
    bins=st.sampled_from([(1, 1), (2, 3), (3, 3)]),
    ratio=st.sampled_from([0, 1, 2, 3]),
    last=st.booleans(),
    seed=st.integers(0, 999),
)
def test_position_sensitive_align_is_roi_align_of_each_bins_channels(
    bins: tuple[int, int], ratio: int, last: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    features = random.standard_normal((1, 2 * bins[0] * bins[1], 9, 11))
    corner = random.uniform(-4, 8, (5, 2))
    boxes = np.concatenate([corner, corner + random.uniform(0.1, 9, (5, 2))], axis=1)
    own = features.transpose(0, 2, 3, 1) if last else features
    pooled = roicrop.ps_roi_align(own, boxes, bins, 1.0, ratio, layout="NHWC" if last else "NCHW")
    pooled = pooled.transpose(0, 3, 1, 2) if last else pooled
    every = roicrop.roi_align(features, boxes, bins, 1.0, ratio, True)
    for p, q in np.ndindex(*bins):
        own_channels = every[:, p * bins[1] + q :: bins[0] * bins[1], p, q]
        np.testing.assert_allclose(pooled[:, :, p, q], own_channels, rtol=0, atol=1e-9)


@pytest.mark.core
def test_a_box_of_no_size_is_nan_where_torchvision_divides_by_no_samples() -> None:
    boxes = BOXES["no size"]
    assert np.isnan(roicrop.ps_roi_align(NOISE[None], boxes, (3, 5))).all()
    assert not np.isnan(roicrop.ps_roi_align(NOISE[None], boxes, (3, 5), 1.0, 2)).any()


@pytest.mark.core
def test_no_boxes_are_a_result_with_no_rows() -> None:
    assert roicrop.roi_align_rotated(MAP, np.empty((0, 6)), 2).shape == (0, 40, 2, 2)
    assert roicrop.ps_roi_pool(MAP, np.empty((0, 5)), 2).shape == (0, 10, 2, 2)


def test_what_cannot_be_pooled_is_refused_in_a_line() -> None:
    with pytest.raises(ArgumentError, match=r"has 40 channels.* takes a multiple of 49"):
        roicrop.ps_roi_pool(MAP, [[0, 0, 0, 9, 9]], 7)
    with pytest.raises(ArgumentError, match=r"give \(K, 6\), image index first"):
        roicrop.roi_align_rotated(MAP, [[0, 0, 0, 9, 9]], 7)
    with pytest.raises(ArgumentError, match=r"torchvision is for .*, not `align-rotated`"):
        roicrop.roi_align_rotated(MAP, [[0, 0, 0, 9, 9, 0]], 7, convention="torchvision")
    with pytest.raises(BoxError, match=r"box 0 has centre, size and angle .* not finite"):
        roicrop.roi_align_rotated(MAP, [[0, 0, 0, 9, 9, np.nan]], 7)
    with pytest.raises(BoxError, match=r"box 0 .*samples, more than"):
        roicrop.roi_align_rotated(MAP, [[0, 0, 0, 1e6, 1e6, 3]], 7)
    with pytest.raises(ArgumentError, match="mode does not apply"):
        resolve("detectron2", "align-rotated", mode="max")
