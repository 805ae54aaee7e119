"""Comparing conventions: causes of differences, sums over boxes, and words from plans."""

from __future__ import annotations

from functools import partial
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from roicrop import roi_align, roi_pool
from roicrop.comparison import read_variants
from roicrop.comparison.contrast import Contrast, contrasts
from roicrop.comparison.differences import Ablation, Apart, Spread, Tally, causes
from roicrop.conventions import PLAIN, Convention, differing, resolve
from roicrop.errors import ArgumentError
from roicrop.operators import plan

MAP = np.random.default_rng(5).standard_normal((3, 9, 11)).astype(np.float32)
# In pixels at stride 4: inside, under a cell, over the edge, with zero size, wholly outside.
BOXES = np.array(
    [[4, 6, 33, 21], [9, 9, 10, 11], [-9, 20, 60, 70], [8, 8, 8, 8], [400, 1, 420, 9]],
    dtype=np.float64,
)
SCALE = 0.25


def row(name: str, **settings: Any) -> Convention:
    return resolve(name, PLAIN[name].operator, **settings)


def rows() -> list[Convention]:
    """Every convention, each also with the other reduction where it has one, and some ratios."""
    found = [*PLAIN.values()]
    found += [
        row(each.name, mode="max" if each.mode == "avg" else "avg")
        for each in PLAIN.values()
        if each.sampling_ratio != "exact"
    ]
    found += [row("tensorflow", interpolation="nearest"), row("detectron2", sampling_ratio="exact")]
    return found


def in_its_coordinates(boxes: np.ndarray, convention: Convention) -> np.ndarray:
    if convention.normalized:
        boxes = boxes * SCALE / np.array([11, 9, 11, 9])
    return boxes[:, [1, 0, 3, 2]] if convention.order == "yxyx" else boxes


def pool(convention: Convention, boxes: np.ndarray = BOXES) -> np.ndarray:
    boxes = in_its_coordinates(boxes, convention)
    operator: Any = roi_align if convention.operator == "align" else roi_pool
    pooled: np.ndarray = operator(
        MAP, [boxes], (2, 3), SCALE, convention=convention, layout="CHW", threads=1
    )
    return pooled


# Causes


def test_each_cause_can_be_exchanged_by_itself_and_all_of_them_make_one_the_other() -> None:
    pooled = {n: pool(each) for n, each in enumerate(rows())}
    for (a, first), (b, second) in permutations(enumerate(rows()), 2):
        changed = first
        for cause in causes(first, second):
            alone = pool(cause.exchanged(first, second))
            assert alone.shape == pooled[a].shape, (first, second, cause)
            changed = cause.exchanged(changed, second)
        np.testing.assert_array_equal(pool(changed), pooled[b], err_msg=f"{first}, {second}")


def test_no_rule_is_in_two_causes_and_none_is_left_out_that_plays_a_part() -> None:
    for first, second in combinations(rows(), 2):
        fields = [name for cause in causes(first, second) for name in cause.fields]
        assert len(fields) == len(set(fields))
        idle = set(differing(first, second)) - set(fields)
        assert idle <= {
            *("name", "program", "surprise", "verified", "options", "reversed_boxes"),
            *("level_rule", "aligned_min_size"),
            *("max_over", "max_start", "void", "void_max", "positions"),
        }


def test_rules_of_a_maximum_are_no_cause_where_both_take_the_average() -> None:
    assert [cause.name for cause in causes(row("detectron2"), row("mmcv"))] == []
    named = {cause.name for cause in causes(row("detectron2", mode="max"), row("mmcv", mode="max"))}
    assert named == {"start of the maximum", "empty bins"}


def test_rounding_to_cells_is_one_cause_and_the_reduction_another() -> None:
    found = {cause.name: cause for cause in causes(row("mask-rcnn"), row("fast-rcnn"))}
    assert found.keys() == {"rounding to cells", "reduction", "start of the maximum"}
    assert found["rounding to cells"].telling == ("operator",)
    assert found["reduction"].fields == ("mode",)


def test_an_integral_and_a_maximum_can_only_be_exchanged_together() -> None:
    found = causes(row("prroi"), row("mask-rcnn", mode="max"))
    (count,) = [cause for cause in found if cause.name == "sample count"]
    assert count.fields == ("sampling_ratio", "mode")


# Ablation


def ablate(first: Convention, second: Convention, box: int) -> dict[str, float | None]:
    ablation = Ablation(first, second)
    reasons = ablation.add(partial(pool, boxes=BOXES[box : box + 1]))
    assert reasons == ablation.reasons
    return {reason.cause: reason.remains for reason in reasons}


@pytest.mark.core
def test_a_single_cause_accounts_for_everything() -> None:
    first = row("mask-rcnn")
    assert ablate(first, row("mask-rcnn", sampling_ratio=4), 0) == {"sample count": 0}
    assert ablate(first, row("mask-rcnn", mode="max"), 0) == {"reduction": 0}


@pytest.mark.core
def test_a_rule_that_the_box_does_not_meet_accounts_for_nothing() -> None:
    shift_and_size = row("mask-rcnn"), row("mask-rcnn", aligned=True)
    assert ablate(*shift_and_size, box=0) == {"shift": 0, "minimum size": 1}
    small = ablate(*shift_and_size, box=1)
    assert 0 < (small["minimum size"] or 0) < 1
    assert (small["shift"] or 0) > 0


@pytest.mark.core
def test_values_without_a_difference_are_accounted_for_by_themselves() -> None:
    ablation = Ablation(row("detectron2"), row("paddle"))
    first, second = ablation.add(partial(pool, boxes=BOXES[3:4]))
    assert (first.cause, first.remains, first.incomparable_remains) == ("empty bins", None, 0)
    assert (second.cause, second.remains, second.incomparable_remains) == (
        *("order of arithmetic", None),
        1,
    )


@pytest.mark.core
def test_the_sums_of_several_boxes_are_weighted_by_their_differences() -> None:
    first, second = row("mask-rcnn"), row("mask-rcnn", aligned=True)
    ablation, wholes, left = Ablation(first, second), 0.0, 0.0
    for box in (0, 1, 2):
        one = BOXES[box : box + 1]
        remains = ablate(first, second, box)["minimum size"]
        assert remains is not None
        whole = np.abs(pool(second, one).astype(np.float64) - pool(first, one)).sum()
        wholes, left = wholes + whole, left + remains * whole
        ablation.add(partial(pool, boxes=one))
    (reason,) = [r for r in ablation.reasons if r.cause == "minimum size"]
    assert reason.remains == pytest.approx(left / wholes)
    assert ablation.boxes == 3


# Sums


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
        elements=st.floats(-100, 100, width=32),
    ),
    st.integers(1, 4),
)
def test_the_spread_of_maps_is_that_of_all_their_values(features: np.ndarray, times: int) -> None:
    spread = Spread()
    for n in range(times):
        assert spread.add(features + n) == np.abs(features + n).max()
    together = np.concatenate([features + n for n in range(times)]).astype(np.float64)
    assert spread.count == together.size
    assert spread.deviation == pytest.approx(together.std(), abs=1e-9)
    assert spread.largest == np.abs(together).max()


def test_the_spread_leaves_out_what_is_not_finite() -> None:
    spread = Spread()
    assert spread.add(np.array([[[1.0, np.nan, -3.0, np.inf]]], dtype=np.float32)) == 3
    assert (spread.count, spread.mean, spread.deviation) == (2, -1, 2)
    assert Spread().relative(1.0) is None


@given(
    arrays.arrays(
        np.float64,
        (2, 2, 3),
        elements=st.sampled_from([0.0, 1.0, -2.5, np.nan, np.inf, -np.inf]),
    )
)
def test_a_difference_is_reported_where_both_are_finite_and_is_0_where_both_are_the_same(
    both: np.ndarray,
) -> None:
    first, second = both
    apart = Apart.of(first, second)
    for k, n in np.ndindex(2, 3):
        a, b, found = first[k, n], second[k, n], apart.values[k, n]
        if np.isfinite(a) and np.isfinite(b):
            assert found == abs(b - a)
        elif a == b or (np.isnan(a) and np.isnan(b)):
            assert found == 0
        else:
            assert np.isnan(found)
    assert apart.incomparable.tolist() == np.isnan(apart.values).sum(axis=1).tolist()
    assert apart.total.tolist() == np.nansum(apart.values, axis=1).tolist()


def tally(first: np.ndarray, second: np.ndarray, chunk: int, **options: Any) -> Tally:
    found = Tally(listed=2)
    for start in range(0, len(first), chunk):
        some = np.arange(start, min(start + chunk, len(first)))
        found.add(some, first[some], second[some], 0.5, channels_last=False, **options)
    return found


@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_a_tally_is_the_same_however_boxes_come(chunk: int) -> None:
    first = np.random.default_rng(0).standard_normal((7, 2, 3, 4)).astype(np.float32)
    second = first.copy()
    second[2, 1, 2, 3] += 1.0
    second[5, 0, 0, 1] -= 4.0
    second[6, 1, 1, 1] += 0.25
    found = tally(first, second, chunk)
    assert (found.boxes, found.differ, found.unequal) == (7, 2, 3)
    assert found.largest == pytest.approx(4, abs=1e-6)
    assert found.mean == pytest.approx((1 + 4 + 0.25) / first.size, abs=1e-6)
    worst, other = found.worst
    assert (worst.row, worst.channel, worst.bin) == (5, 0, (0, 1))
    assert worst.values == (float(first[5, 0, 0, 1]), float(second[5, 0, 0, 1]))
    assert (other.row, other.channel, other.bin) == (2, 1, (2, 3))


def test_a_value_without_a_difference_makes_a_box_worse_than_any_difference() -> None:
    first = np.zeros((3, 1, 1, 2), dtype=np.float32)
    second = first.copy()
    second[0, 0, 0, 0] = 1e9
    second[2, 0, 0, 1] = np.nan
    found = tally(first, second, 3)
    assert [worst.row for worst in found.worst] == [2, 0]
    assert found.worst[0].bin == (0, 1)
    assert (found.differ, found.incomparable, found.values) == (2, 1, 5)
    assert found.largest == 1e9


def test_of_boxes_that_differ_as_much_the_first_ones_are_named() -> None:
    first = np.zeros((5, 1, 1, 1), dtype=np.float32)
    for chunk in (1, 5):
        assert [worst.row for worst in tally(first, first + 1, chunk).worst] == [0, 1]


def test_the_place_of_the_largest_difference_is_found_in_channels_last_values_too() -> None:
    first = np.zeros((1, 3, 4, 2), dtype=np.float32)
    second = first.copy()
    second[0, 2, 3, 1] = 1
    found = Tally(listed=1)
    found.add(np.array([0]), first, second, 0.5, channels_last=True)
    assert (found.worst[0].channel, found.worst[0].bin) == (1, (2, 3))


# Words from plans


def contrast(first: Convention, second: Convention, box: int = 0) -> dict[str, Contrast]:
    plans = []
    for each in (first, second):
        boxes = in_its_coordinates(BOXES[box : box + 1], each)
        plans.append(plan(boxes, (9, 11), (2, 3), SCALE, convention=each, operator=each.operator))
    found = contrasts((plans[0], plans[1]), 0, ("A", "B"), (SCALE, SCALE))
    return {each.what: each for each in found}


def test_the_same_plan_has_no_contrasts() -> None:
    for each in PLAIN.values():
        assert contrast(each, each) == {}


def test_a_shift_is_reported_in_cells_and_in_pixels() -> None:
    found = contrast(row("detectron2", sampling_ratio=2), row("mask-rcnn"))
    assert found["shift"].text == "B begins 0.5 cells (2 pixels) further down and right than A"
    assert (found["shift"].first, found["shift"].second) == ([1, 0.5], [1.5, 1])
    half_pixel = contrast(row("openvino-half-pixel"), row("openvino-half-pixel-for-nn"))
    assert half_pixel.keys() == {"shift"}
    assert "0.125 cells (0.5 pixels) further up and left" in half_pixel["shift"].text


def test_sizes_and_counts_are_reported_y_before_x() -> None:
    small = contrast(row("torchvision"), row("detectron2"), box=1)
    assert small["size"].text == "B makes the box 0.5×0.25 cells, A 1×1 (height × width)"
    counts = contrast(row("mask-rcnn"), row("torchvision"), box=2)["samples per bin"]
    assert counts.text == "A samples each bin 2×2 times and B samples each bin 7×6 times"
    assert (counts.first, counts.second) == ([2, 2], [7, 6])
    integral = contrast(row("mask-rcnn"), row("prroi"))["samples per bin"]
    assert integral.text == "A samples each bin 2×2 times and B integrates over each bin"


def test_another_order_of_arithmetic_is_reported_as_rounding() -> None:
    tenths = row("openvino", sampling_ratio=3), row("torchvision", sampling_ratio=3)
    found = contrast(*tenths)
    assert found.keys() <= {"rounding"}
    assert contrast(row("paddle"), row("detectron2"), box=0).keys() <= {"rounding"}
    apart = contrast(*tenths, box=2)["rounding"]
    assert isinstance(apart.second, float)
    assert 0 < apart.second < 1e-5


def test_samples_outside_and_at_the_edge_are_counted() -> None:
    found = contrast(row("detectron2", sampling_ratio=4), row("mask-rcnn", sampling_ratio=4), 2)
    # x from −2.25 over 17.25 cells of 11, y from 5 over 12.5 of 9; half a cell less for A.
    x, y = -2.25 + (np.arange(12) + 0.5) * 17.25 / 12, 5 + (np.arange(8) + 0.5) * 12.5 / 8

    def within(beyond: int, shift: float) -> int:
        on_y = (y + shift >= -beyond) & (y + shift <= 8 + beyond)
        on_x = (x + shift >= -beyond) & (x + shift <= 10 + beyond)
        return int(on_y.sum() * on_x.sum())

    outside = [96 - within(1, shift) for shift in (-0.5, 0)]
    clamped = [within(1, shift) - within(0, shift) for shift in (-0.5, 0)]
    assert [found["outside"].first, found["outside"].second] == outside
    assert [found["clamped"].first, found["clamped"].second] == clamped
    assert found["outside"].text == (
        f"A has {outside[0]} of 96 samples too far outside to be read, B {outside[1]} of 96"
    )


def test_what_lies_beyond_the_border_is_reported_where_the_box_gets_there() -> None:
    rows = row("prroi"), row("mask-rcnn", sampling_ratio="exact")
    assert "border" not in contrast(*rows, box=0)
    assert contrast(*rows, box=2)["border"].text == (
        "beyond the outermost cell centres A lets the map fade to 0, B reads the edge of the map"
    )


def test_empty_bins_are_reported_with_what_they_give() -> None:
    found = contrast(row("detectron2"), row("paddle"), box=3)
    assert found["empty bins"].text == (
        "A has 6 empty bins, value 0; B has 6 empty bins, value NaN"
    )


def test_reductions_and_what_maxima_start_from_are_reported() -> None:
    assert contrast(row("onnx"), row("onnx", mode="max"))["reduction"].text == (
        "A takes the average, B the largest weighted neighbour of a sample"
    )
    starts = contrast(row("mmcv", mode="max"), row("detectron2", mode="max"))
    assert starts["start of the maximum"].text == (
        "the maximum of A starts from −10000, that of B from −∞"
    )


def test_roipools_rounding_is_reported_in_cells_and_pixels() -> None:
    found = contrast(row("mask-rcnn"), row("fast-rcnn"))
    assert found.keys() == {"rounding to cells", "reduction"}
    assert found["rounding to cells"].text == (
        "B rounds the box to cells, y 1.5 … 5.25 to 2 … 6 and x 1 … 8.25 to 1 … 9: "
        "an edge moves by up to 3 pixels"
    )


def test_crop_and_resize_is_reported_by_where_its_samples_lie() -> None:
    found = contrast(row("mask-rcnn"), row("tensorflow"))
    assert found["placement of samples"].text.startswith("A samples y 1.96875 … 4.78125, x ")
    assert "size" not in found
    assert "shift" not in found


# What is compared


def test_a_name_carries_settings_of_its_own_and_those_of_all_are_for_the_rest() -> None:
    first, second = read_variants(
        ["onnx:sampling_ratio=4,mode=max", "detectron2:aligned=false"],
        {"sampling_ratio": "adaptive", "mode": None},
    )
    assert first.name == "onnx:sampling_ratio=4,mode=max"
    assert first.convention == row("onnx", sampling_ratio=4, mode="max")
    assert second.convention == row("detectron2", sampling_ratio="adaptive", aligned=False)
    pair = read_variants(["tensorflow:interpolation=nearest,extrapolation_value=-1", "prroi"], {})
    assert pair[0].convention == row("tensorflow", interpolation="nearest", extrapolation_value=-1)


def test_the_name_decides_the_operator() -> None:
    operators = [v.convention.operator for v in read_variants(["fast-rcnn:mode=avg", "onnx"], {})]
    assert operators == ["pool", "align"]


@pytest.mark.parametrize(
    ("texts", "shared", "words"),
    [
        (["onnx"], {}, "at least two"),
        (["onnx", "onnx "], {}, "onnx is compared with itself"),
        (["onnx", "caffe"], {}, "no convention 'caffe'"),
        (["onnx", "prroi:ratio=2"], {}, "'ratio=2' is not a setting: choose from sampling_ratio=…"),
        (["onnx", "prroi:mode"], {}, "'mode' is not a setting"),
        (["onnx", "mmcv:sampling_ratio=two"], {}, "sampling_ratio cannot be 'two': give a whole"),
        (["onnx", "mmcv:mode=min"], {}, "'mmcv:mode=min': mode cannot be 'min': give avg or max"),
        (["onnx", "mmcv:aligned=maybe"], {}, "give true or false"),
        (["onnx", "prroi:mode=max"], {}, "'prroi:mode=max': an exact integral has no maximum"),
        (["onnx", "fast-rcnn"], {"sampling_ratio": 2}, "write NAME:sampling_ratio=2 for some"),
    ],
)
def test_what_cannot_be_compared_is_refused(texts: list[str], shared: Any, words: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        read_variants(texts, shared)
    assert words in str(refused.value)
