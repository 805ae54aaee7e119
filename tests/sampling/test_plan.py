"""The plan: the compiled core's own against `sampling`'s, and what it says of a box."""

from __future__ import annotations

import importlib
import itertools
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import roicrop
from roicrop import kernels, sampling
from roicrop.conventions import PLAIN, Convention
from roicrop.errors import BoxError
from tests import reference
from tests.crops import crops, variants

Array = NDArray[Any]

FIELDS = ("bin_ptr", "row_ptr", "cells", "weights", "void", "zero")
BOXES = 1_000_000 // len(PLAIN) + 1


def random_boxes(rng: np.random.Generator, count: int, size: tuple[int, int]) -> Array:
    """(count, 4) xyxy in cells: small, large, far, of no size, on cells' edges, reversed."""
    boxes = rng.normal(0, 10 ** rng.uniform(-2, rng.choice([2, 3, 9]), (count, 1)), (count, 4))
    whole = rng.random(count) < 0.5
    on_edges = rng.integers(-20, 20 + 10 * max(size), (count, 4)) / rng.choice([1, 2, 4, 10])
    boxes[whole] = on_edges[whole]
    empty = rng.random(count) < 0.1
    boxes[empty, 2:] = boxes[empty, :2]
    tiny = rng.random(count) < 0.1
    boxes[tiny, 2:] = boxes[tiny, :2] + rng.random((np.count_nonzero(tiny), 2)) * 1e-3
    return boxes


def unrefused(boxes: Array, row: Convention) -> Array:
    """The boxes with their corners in an order that the convention takes."""
    if row.sampling_ratio != "adaptive" and row.reversed_boxes != "raise":
        return boxes
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    boxes = np.concatenate([low, high], axis=1)
    if row.reversed_boxes != "raise":
        boxes[::10] = boxes[::10, [2, 3, 0, 1]]
    return boxes


@pytest.mark.core
@pytest.mark.skipif(kernels.NAME == "numpy", reason="the NumPy core has no plan of its own")
@pytest.mark.parametrize("name", PLAIN)
def test_the_compiled_cores_plan_is_samplings_to_the_bit(name: str) -> None:
    compiled = importlib.import_module("roicrop.kernels._compiled")
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    rows = variants(name)
    kinds = [(row, dtype) for row in rows for dtype in (np.float32, np.float64)]
    for row, dtype in kinds:
        size = int(rng.choice([1, 2, 7, 50])), int(rng.choice([1, 3, 16, 90]))
        bins = int(rng.choice([1, 2, 3])), int(rng.choice([1, 2, 5]))
        scale = float(rng.choice([1, 0.5, 0.0625, 0.1, 1 / 3, 7.3]))
        cells = unrefused(random_boxes(rng, BOXES // len(kinds) + 1, size), row)
        boxes: NDArray[np.floating] = (cells / (max(size) if row.normalized else scale)).astype(
            dtype
        )
        plan = sampling.plan(boxes, size, bins, convention=row, spatial_scale=scale, dtype=dtype)
        both = compiled.plan_arrays(boxes, size, bins, convention=row, spatial_scale=scale)
        for matrix, own in zip(plan.matrices, both, strict=True):
            for field, values in zip(FIELDS, own, strict=True):
                expected = getattr(matrix, field)
                same = np.array(values, expected.dtype).tobytes() == expected.tobytes()
                assert same, (row, size, bins, scale, field)


@pytest.mark.parametrize("name", [n for n, r in PLAIN.items() if r.operator == "align"])
@given(data=st.data())
@settings(max_examples=settings().max_examples // 8)
def test_samples_lie_where_the_definitions_put_them(name: str, data: st.DataObject) -> None:
    crop = data.draw(crops(name))
    if crop.row.sampling_ratio == "exact":
        return
    dtype = reference.coordinate_dtype(crop.features)
    try:
        plan = crop.plan(dtype)
    except BoxError:
        return
    for k, box in enumerate(crop.boxes):
        ys, xs = reference.samples(
            box, plan.map_size, plan.output_size, crop.spatial_scale, crop.row, dtype
        )
        for axis, expected in ((plan.y, ys), (plan.x, xs)):
            samples = axis.samples(k)
            np.testing.assert_array_equal(samples.position, expected.ravel(), strict=True)
            assert len(samples) == max(int(axis.count[k]), 0) * axis.bins


@pytest.mark.parametrize("name", [n for n, r in PLAIN.items() if r.operator == "align"])
@given(data=st.data())
@settings(max_examples=settings().max_examples // 8)
def test_an_averages_weights_are_its_samples_weights_over_their_number(
    name: str, data: st.DataObject
) -> None:
    crop = data.draw(crops(name).filter(lambda crop: crop.row.mode == "avg"))
    try:
        plan = crop.plan(np.float64)
    except BoxError:
        return
    for axis in (plan.y, plan.x):
        for k, p in itertools.product(range(len(plan)), range(axis.bins)):
            samples = axis.samples(k).of_bin(p)
            given_to = np.zeros(axis.size)
            np.add.at(given_to, samples.low, samples.weight_low * samples.share)
            np.add.at(given_to, samples.high, samples.weight_high * samples.share)
            exact = crop.row.sampling_ratio == "exact"
            total = abs(axis.edges(k)[p + 1] - axis.edges(k)[p]) if exact else len(samples)
            (row,) = axis.bin_rows(k, p)
            cells, weights = axis.row_taps(row)
            assert ((weights > 0) | (crop.row.border == "continue")).all()
            assert (np.diff(cells) > 0).all()
            np.testing.assert_array_equal(np.flatnonzero(given_to), cells)
            np.testing.assert_allclose(weights * total, given_to[cells], rtol=1e-12)


def test_samples_tell_what_became_of_them() -> None:
    plan = roicrop.plan([[-2.0, 0.0, 2.0, 4.0]], (3, 3), 1, sampling_ratio=4)
    x, y = plan.samples(0)[1], plan.samples(0)[0]
    assert x.position.tolist() == [-1.5, -0.5, 0.5, 1.5]
    assert x.inside.tolist() == [False, True, True, True]
    assert x.clamped.tolist() == [False, True, False, False]
    assert x.read_at[1:].tolist() == [0.0, 0.5, 1.5]
    assert x.low[1:].tolist() == [0, 0, 1]
    assert x.high[1:].tolist() == [1, 1, 2]
    assert x.weight_low[1:].tolist() == [1.0, 0.5, 0.5]
    assert (x.weight_low[0], x.weight_high[0]) == (0, 0)
    assert y.position.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert y.inside.tolist() == [True, True, True, False]
    assert y.read_at[:3].tolist() == [0.5, 1.5, 2.0]


def test_the_range_of_samples_includes_minus_1_and_the_maps_size() -> None:
    beyond = float(np.nextafter(np.float32(3), np.float32(4)))
    for position, inside in ((-1.0, True), (-1.0000001, False), (3.0, True), (beyond, False)):
        box = [position - 0.5, position - 0.5, position + 0.5, position + 0.5]
        plan = roicrop.plan([box], (3, 3), 1, sampling_ratio=1, dtype=np.float64)
        assert plan.samples(0)[0].inside.tolist() == [inside]
        assert plan.void(0).tolist() == [[False]]


def test_a_plan_knows_its_box_in_every_coordinate() -> None:
    plan = roicrop.plan([[16, 32, 48, 80]], (9, 8), (2, 4), 1 / 16, convention="detectron2")
    corners = plan.corners(0)
    feature, index = corners.feature, corners.index
    assert feature is not None
    assert feature.tolist() == [1, 2, 3, 5]
    assert index.tolist() == [0.5, 1.5, 2.5, 4.5]
    assert (plan.map_size, plan.output_size, len(plan)) == ((9, 8), (2, 4), 1)
    assert plan.y.edges(0).tolist() == [1.5, 3.0, 4.5]
    assert plan.x.edges(0).tolist() == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert (plan.y.count[0], plan.x.count[0]) == (2, 1)


def test_crop_and_resize_has_its_points_on_the_corners_and_its_edges_between() -> None:
    plan = roicrop.plan([[0.25, 0.0, 0.75, 1.0]], (9, 5), 3, convention="tensorflow")
    corners = plan.corners(0)
    feature, index = corners.feature, corners.index
    assert feature is None
    assert index.tolist() == [0, 2, 4, 6]
    assert plan.samples(0)[0].position.tolist() == [2, 4, 6]
    assert plan.y.edges(0).tolist() == [1, 3, 5, 7]


def test_roipools_plan_tells_each_rounding() -> None:
    plan = roicrop.plan([[1.5, 0.4, 7.6, 3.0]], (10, 7), (1, 3), operator="pool")
    x = plan.x
    assert x.rounded is not None
    assert (x.begin[0], x.end[0]) == (1.5, np.float32(7.6))
    assert x.rounded[0].tolist() == [2, 8]
    before, after = x.quantized_edges(0)
    third = np.float32(7) / np.float32(3)
    assert before.tolist() == [[0, third], [third, 2 * third], [2 * third, 3 * third]]
    assert after.tolist() == [[2, 5], [4, 7], [6, 9]]
    across = [plan.cells(0, 0, q)[1] for q in range(3)]
    assert across == [range(2, 5), range(4, 7), range(6, 7)]
    assert plan.cells(0, 0, 0)[0] == range(4)


@pytest.mark.parametrize("half", [0.5, -0.5, 2.5, -2.5])
def test_roipool_rounds_halves_away_from_zero(half: float) -> None:
    plan = roicrop.plan([[half, half, half, half]], (9, 9), 1, operator="pool")
    assert plan.x.rounded is not None
    assert plan.x.rounded[0, 0] == half + np.copysign(0.5, half)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("size", [1e9, 9e17])
def test_a_box_however_large_costs_only_what_falls_on_the_map(name: str, size: float) -> None:
    for row in variants(name):
        box = [-size, -size, size / 2, size / 2]
        plan = roicrop.plan([box], (20, 30), 3, convention=row, operator=row.operator)
        for rows, samples in zip(plan.matrices, plan.samples(0), strict=True):
            assert len(rows.cells) <= 1000
            if row.operator == "align":
                assert len(samples) <= 1000


def test_a_plan_says_what_its_bins_are_made_of() -> None:
    kinds = {"detectron2": "sample", "tensorflow": "point", "prroi": "piece", "fast-rcnn": "cell"}
    for name, kind in kinds.items():
        row = PLAIN[name]
        plan = roicrop.plan([[0, 0, 1, 1]], (9, 9), 1, convention=name, operator=row.operator)
        assert plan.kind == kind


def test_bins_are_outlined_on_a_map_whose_cells_have_their_centres_at_whole_numbers() -> None:
    box = [[2, 1, 6, 4]]
    aligned = roicrop.plan(box, (9, 9), (1, 2), convention="detectron2").outline(0, 0, 1)
    assert aligned.tolist() == [[0.5, 3.5], [0.5, 5.5], [3.5, 5.5], [3.5, 3.5]]
    # Cells 2 to 6 and 1 to 4, whose upper left corners are half a cell from their centres.
    pool = roicrop.plan(box, (9, 9), (1, 2), operator="pool").outline(0, 0, 1)
    assert pool.tolist() == [[0.5, 4], [0.5, 6.5], [4.5, 6.5], [4.5, 4]]


@pytest.mark.parametrize("name", PLAIN)
@given(data=st.data())
@settings(max_examples=settings().max_examples // 8)
def test_a_boxs_extent_holds_the_cells_of_its_terms_and_no_more(
    name: str, data: st.DataObject
) -> None:
    crop = data.draw(crops(name))
    try:
        plan = crop.plan(np.float32)
    except BoxError:
        return
    for k, (top, bottom, left, right) in enumerate(plan.extent().tolist()):
        cells = set()
        for p, q in np.ndindex(*plan.output_size):
            terms = plan.terms(k, p, q)
            beyond: dict[tuple[int, int], float] = {}
            for term in itertools.islice(terms, 3000):
                for tap in term.taps:
                    cell = tap.row, tap.column
                    if top <= tap.row < bottom and left <= tap.column < right:
                        cells.add(cell)
                    else:
                        beyond[cell] = beyond.get(cell, 0.0) + tap.weight * term.share
            # So little that it is nothing in the plan's precision, or weights that cancel: samples
            # between cells, and beyond the last where it is extrapolated.
            assert all(abs(weight) < 1e-30 * abs(terms.divisor) for weight in beyond.values())
            if len(terms) > 3000:
                return
        rows, columns = {row for row, _ in cells}, {column for _, column in cells}
        if cells:
            assert (min(rows), max(rows) + 1) == (top, bottom)
            assert (min(columns), max(columns) + 1) == (left, right)
        else:
            assert (top, bottom, left, right) == (0, 0, 0, 0)
