"""The reference against numbers worked out by hand, or by independent means."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from roicrop.conventions import LOWEST_FLOAT32, PLAIN, Convention, resolve
from roicrop.errors import ArgumentError, BoxError
from tests import reference

Array = NDArray[Any]
NAN = float("nan")


def pool_one(
    features: Any, box: tuple[float, ...], output_size: tuple[int, int], row: Convention
) -> Array:
    """(C, PH, PW) of one box on a (C, H, W) or (H, W) map, at scale 1."""
    maps = np.array(features, dtype=np.float32)
    maps = maps if maps.ndim == 3 else maps[None]
    crop = reference.roi_pool if row.operator == "pool" else reference.roi_align
    pooled: Array = crop(maps, np.array([box]), output_size, 1.0, row)[0]
    return pooled


def test_the_notebooks_example_has_its_positions_and_its_values_divided_in_the_right_place() -> (
    None
):
    features = np.arange(100, dtype=np.float32).reshape(2, 5, 5, 2)[1].transpose(2, 0, 1)
    row, box = resolve("mask-rcnn"), (1.0, 4.0, 4.0, 4.0)
    ys, xs = reference.samples(np.array(box), (5, 5), (4, 4), 1.0, row, np.float32)
    assert ys[0].tolist() == [4.0625, 4.1875]
    assert xs[:2].tolist() == [[1.1875, 1.5625], [1.9375, 2.3125]]
    assert pool_one(features, box, (4, 4), row)[:, 0, 0].tolist() == [92.75, 93.75]


def test_one_sample_is_the_weighted_sum_of_its_four_neighbours() -> None:
    row = resolve("mask-rcnn", sampling_ratio=1)
    assert pool_one([[1, 2], [3, 5]], (0.0, -0.25, 1.0, 0.75), (1, 1), row) == 1.5 * 0.75 + 4 * 0.25


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("name", ["mask-rcnn", "onnx", "openvino", "tensorflow"])
def test_a_cell_without_weight_may_hold_nan(name: str, mode: Any) -> None:
    row = resolve(name, mode=mode)
    row = dataclasses.replace(row, normalized=False, positions="scaled-step", sampling_ratio=1)
    # The only sample lies on the centre of the first cell, whose neighbours all have weight 0.
    offset = -row.offset_after
    box = (offset - 0.5, offset - 0.5, offset + 0.5, offset + 0.5)
    assert pool_one([[7, NAN], [NAN, NAN]], box, (1, 1), row) == 7


def test_nan_never_wins_a_maximum_over_samples() -> None:
    row = resolve("torchvision", mode="max", sampling_ratio=2)
    assert pool_one([[NAN, NAN, 1, 1, 1]], (0.5, 0, 4.5, 1), (1, 1), row) == 1


def test_a_maximum_over_samples_considers_zero_for_those_out_of_range() -> None:
    row = resolve("torchvision", mode="max", sampling_ratio=2)
    assert pool_one([[-3.0]], (-4, -1, 1, 1), (1, 1), row) == 0
    assert pool_one([[-3.0]], (0, 0, 1, 1), (1, 1), row) == -3


def test_onnx_takes_the_maximum_over_weighted_corners() -> None:
    row = resolve("onnx-legacy", mode="max", sampling_ratio=1)
    box = (0.25, 0.5, 1.25, 1.5)  # sampled at y 1.0, x 0.75
    assert pool_one([[0, 0, 0], [8, 4, 0], [0, 0, 0]], box, (1, 1), row) == 0.75 * 4
    assert pool_one([[0, 0, 0], [-8, -4, 0], [0, 0, 0]], box, (1, 1), row) == 0  # corners below
    between = (0.25, 0.0, 1.25, 1.0)
    assert pool_one([[-8, -4, 0], [-8, -4, 0]], between, (1, 1), row) == 0.5 * 0.25 * -8


@pytest.mark.parametrize(
    ("name", "mode", "value"),
    [
        ("detectron2", "avg", 0.0),
        ("detectron2", "max", 0.0),
        ("mmcv", "avg", 0.0),
        ("mmcv", "max", -10000.0),
        ("onnx", "max", 0.0),
        ("openvino-half-pixel", "avg", NAN),
        ("openvino-half-pixel", "max", 0.0),
        ("paddle", "avg", NAN),
    ],
)
def test_a_box_without_height_has_no_samples_and_gives_the_conventions_value(
    name: str, mode: Any, value: float
) -> None:
    pooled = pool_one(np.ones((4, 4)), (1, 2, 3, 2), (2, 2), resolve(name, mode=mode))
    assert np.array_equal(pooled, np.full((1, 2, 2), value), equal_nan=True)


@pytest.mark.parametrize("name", ["torchvision-aligned", "onnx", "openvino-half-pixel-for-nn"])
def test_a_box_reversed_along_both_axes_gives_0_with_an_adaptive_ratio(name: str) -> None:
    assert (pool_one(np.ones((4, 4)), (3, 3, 1, 1), (1, 1), resolve(name)) == 0).all()


def test_a_box_reversed_along_one_axis_is_refused_by_name_with_an_adaptive_ratio() -> None:
    boxes = np.array([(0, 0, 2, 2), (3, 0, 0, 3)], dtype=float)
    with pytest.raises(BoxError, match="box 1"):
        reference.roi_align(np.ones((1, 4, 4)), boxes, (1, 1), 1.0, resolve("detectron2"))


def test_mmcv_refuses_a_reversed_box_whatever_the_ratio() -> None:
    with pytest.raises(BoxError, match="mmcv"):
        pool_one(np.ones((4, 4)), (3, 0, 0, 3), (1, 1), resolve("mmcv", sampling_ratio=2))


@pytest.mark.parametrize("ratio", [1, 3, "exact"])
def test_a_reversed_box_is_the_mirrored_crop(ratio: Any) -> None:
    noise = np.random.default_rng(3).standard_normal((6, 7))
    row = resolve("detectron2", sampling_ratio=ratio)
    forward = pool_one(noise, (1.3, 0.8, 5.9, 4.1), (3, 4), row)
    backward = pool_one(noise, (5.9, 4.1, 1.3, 0.8), (3, 4), row)
    np.testing.assert_allclose(backward, forward[:, ::-1, ::-1], atol=1e-5)


def test_roipool_of_nothing_but_nan_or_minus_infinity_is_float32s_lowest() -> None:
    features = [[NAN, NAN, -np.inf, 2]]
    pooled = pool_one(features, (0, 0, 3, 0), (1, 2), resolve("fast-rcnn", "pool"))
    assert pooled[0, 0].tolist() == [LOWEST_FLOAT32, 2]


def test_roipool_includes_the_end_cell_and_bins_may_share_cells() -> None:
    features = [[1, 2, 4]]
    assert pool_one(features, (0, 0, 2, 0), (1, 2), resolve("fast-rcnn", "pool"))[
        0, 0
    ].tolist() == [
        2,
        4,
    ]
    average = resolve("fast-rcnn", "pool", mode="avg")
    assert pool_one(features, (0, 0, 2, 0), (1, 2), average)[0, 0].tolist() == [1.5, 3]


def test_roipool_gives_0_off_the_map() -> None:
    for mode in ("avg", "max"):
        row = resolve("fast-rcnn", "pool", mode=mode)
        assert pool_one([[5.0]], (3, 0, 4, 0), (1, 1), row) == 0


def mean_weights(low: float, high: float, size: int, border: str) -> Array:
    """(2, size): what each cell counts in either half of [low, high], averaged over many points."""
    points = low + (np.arange(40_000) + 0.5) / 40_000 * (high - low)
    inside = (points >= -1) & (points <= size)
    centres, hats = np.arange(size), np.eye(size)
    if border == "zero":
        centres, hats = np.arange(-1, size + 1), np.pad(hats, [(0, 0), (1, 1)])
    weights = np.array([np.interp(points, centres, hat) * inside for hat in hats])
    halves: Array = weights.reshape(size, 2, -1).mean(axis=2).T
    return halves


@pytest.mark.parametrize(("name", "border"), [("prroi", "zero"), ("torchvision", "clamp")])
@pytest.mark.parametrize(
    "box", [(1.2, 0.7, 5.1, 3.9), (-2.5, -0.4, 3.3, 8.2), (2.0, 1.0, 4.0, 3.0), (5, 4, 9, 9)]
)
def test_exact_pooling_is_the_mean_of_the_surface_over_each_bin(
    name: str, border: str, box: tuple[float, ...]
) -> None:
    features = np.random.default_rng(7).standard_normal((5, 7)).astype(np.float32)
    x1, y1, x2, y2 = np.array(box, dtype=np.float32).astype(float)
    along_y, along_x = mean_weights(y1, y2, 5, border), mean_weights(x1, x2, 7, border)
    pooled = pool_one(features, box, (2, 2), resolve(name, sampling_ratio="exact"))
    np.testing.assert_allclose(pooled[0], along_y @ features @ along_x.T, atol=2e-4)


def test_prroi_over_the_whole_surface_is_the_sum_of_the_map() -> None:
    features = np.random.default_rng(8).standard_normal((3, 4)).astype(np.float32)
    pooled = pool_one(features, (-1, -1, 4, 3), (1, 1), resolve("prroi"))
    np.testing.assert_allclose(pooled[0, 0, 0], features.sum(dtype=np.float64) / (5 * 4))


def test_prroi_of_a_box_of_no_size_is_0_and_of_a_tiny_one_is_the_surface() -> None:
    features = [[1.0, 3.0], [5.0, 7.0]]
    assert pool_one(features, (0.5, 0.5, 0.5, 0.5), (1, 1), resolve("prroi")) == 0
    assert pool_one(features, (0.5, 0.5, 0.2, 0.7), (1, 1), resolve("prroi")) == 0
    tiny = pool_one(features, (0.5, 0.5, 0.5 + 1e-6, 0.5 + 1e-6), (1, 1), resolve("prroi"))
    np.testing.assert_allclose(tiny, 4.0, atol=1e-5)


def test_an_exact_integral_has_no_samples_to_list() -> None:
    with pytest.raises(ArgumentError, match="ratio"):
        reference.samples(np.ones(4), (2, 2), (1, 1), 1.0, PLAIN["prroi"], np.float32)


def test_positions_are_float64_only_on_a_float64_map() -> None:
    for dtype, expected in (("f2", "f4"), ("f4", "f4"), ("i4", "f4"), ("f8", "f8")):
        assert reference.coordinate_dtype(np.zeros(1, dtype)) == np.dtype(expected)
