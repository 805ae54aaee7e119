"""An explanation adds up, and agrees with the operators."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.conventions import resolve
from roicrop.explanation import (
    TOLERANCE,
    Explanation,
)
from tests import reference
from tests.explanation.cases import (
    NOISE,
    Case,
    anything,
    explain,
    explained,
    notebook,
    one,
    parsed,
    rows,
    words,
)


@pytest.mark.core
@given(anything())
def test_every_value_is_what_the_operator_gives_and_what_the_definition_says(
    case: Case,
) -> None:
    explanation = explained(case)
    features, box, row, output_size, scale = case
    define = reference.roi_pool if row.operator == "pool" else reference.roi_align
    defined = define(features[None], np.array([box]), output_size, scale, row)[0, 0]
    values = np.array([bin_.value for bin_ in explanation.bins()]).reshape(output_size)
    np.testing.assert_allclose(values, defined, rtol=0, atol=TOLERANCE * explanation.largest)
    assert explanation.agrees, words(explanation)


@given(anything())
def test_the_listed_terms_add_up_to_the_value(
    case: Case,
) -> None:
    explanation, row = explained(case), case[2]
    for bin_, listed in explanation.listing():
        readings = list(listed)
        states = [reading.term.state for reading in readings]
        assert len(readings) == bin_.terms.total
        assert states.count("outside") == bin_.terms.outside
        assert states.count("clamped") == bin_.terms.clamped
        if bin_.void:
            assert bin_.value == row.void_value or math.isnan(row.void_value)
        elif bin_.sum is not None:
            assert bin_.divisor is not None
            total = sum(reading.value * reading.term.share for reading in readings)
            assert total == pytest.approx(bin_.sum, rel=1e-9, abs=1e-9)
            assert bin_.value == (bin_.sum / bin_.divisor if bin_.divisor else 0)
        else:
            starts = [max(row.max_start, 0.0) if bin_.zero else row.max_start]
            largest = max(starts + [reading.value for reading in readings])
            assert bin_.value == pytest.approx(largest, rel=1e-9, abs=1e-9)


@given(anything())
def test_each_term_is_its_taps(
    case: Case,
) -> None:
    explanation, features, row = explained(case), case[0], case[2]
    for _, readings in explanation.listing():
        for reading in readings:
            taps = list(reading.taps)
            assert all(feature == features[tap.row, tap.column] for tap, feature in taps)
            assert sum(tap.weight for tap, _ in taps) <= 1 + 1e-6
            assert (reading.term.state == "outside") == (not taps)
            if row.reduction != "corner-max":
                assert reading.value == sum(tap.weight * feature for tap, feature in taps)


@given(anything(), st.booleans())
def test_words_json_and_csv_say_every_case(case: Case, all_bins: bool) -> None:
    explanation = explained(case)
    only = None if all_bins else (0, 0)
    assert "agree" in words(explanation, only)
    said = parsed(explanation, only)
    assert said["agrees"] is True
    assert len(said["bins"]) == (explanation.pooled.size if all_bins else 1)
    assert len(rows(explanation, only)) == sum(len(each["listed"]) for each in said["bins"])


def test_a_value_that_does_not_add_up_is_said_to_differ() -> None:
    good = notebook()
    pooled = good.pooled.copy()
    pooled[2, 1] += 0.5
    bad = Explanation(good.source, good.plan, 0, 0, good.features, pooled)
    assert not bad.agrees
    assert "1 of 16 values DIFFER from what align gives, first in bin 2,1" in words(bad)
    assert "DIFFERS: difference 0.5, tolerance 1e-5 × 98 = 0.00098" in words(bad, (2, 1))
    assert parsed(bad, (2, 1))["bins"][0]["agrees"] is False
    assert parsed(bad)["agrees"] is False


def test_nan_and_infinities_are_explained_as_they_are_pooled() -> None:
    features = np.array([[1, np.inf, 2], [np.nan, 4, -np.inf]], dtype=np.float32)
    row = resolve("mask-rcnn", sampling_ratio=1)  # whose samples are the centres of all cells
    for only, sampled in {(0, 1): "inf", (1, 0): "nan", (1, 2): "-inf"}.items():
        explanation = explain(features, (-0.5, -0.5, 2.5, 1.5), row, (2, 3))
        bin_ = one(explanation, only)
        assert bin_.agrees
        assert str(bin_.value) == sampled
        assert parsed(explanation, only)["bins"][0]["pooled"] == sampled
    assert "NaN" in words(explanation)
    assert "−∞" in words(explanation)


def test_nan_wins_no_maximum() -> None:
    features = np.array([[np.nan, 5, np.nan]], dtype=np.float32)
    assert one(explain(features, (0, 0, 2, 0), "fast-rcnn")).value == 5
    nothing = one(explain(features, (0, 0, 0, 0), "fast-rcnn"))
    assert nothing.agrees
    assert nothing.value < -3e38


def test_float16_may_differ_by_its_own_rounding() -> None:
    bin_ = one(explain((NOISE * 100).astype(np.float16), (1, 1, 9, 9), "mask-rcnn"))
    assert bin_.agrees
    assert bin_.tolerance > abs(bin_.value) * 2**-11
    assert bin_.difference > 0


# Bounds


def test_a_limit_says_what_it_leaves_out_and_changes_no_sum() -> None:
    explanation = explain(NOISE, (2, 2, 25, 17), resolve("mask-rcnn", sampling_ratio=10), (2, 1))
    assert explanation.left_out(None, 150) == 50
    assert explanation.left_out((1, 0), 150) == 0
    said = parsed(explanation, None, 150)
    assert [len(bin_["listed"]) for bin_ in said["bins"]] == [100, 50]
    assert [bin_["left_out"] for bin_ in said["bins"]] == [0, 50]
    assert [bin_["sum"] for bin_ in said["bins"]] == [b["sum"] for b in parsed(explanation)["bins"]]
    assert len(rows(explanation, None, 150)) == 150
    text = words(explanation, (1, 0))
    assert "36 more samples are counted but not listed (--limit 100 lists more)" in text
    assert "not listed" not in words(explanation, (1, 0), 100)


def test_many_bins_are_not_all_listed() -> None:
    explanation = explain(NOISE, (2, 2, 25, 17), "mask-rcnn", (3, 3))
    text = words(explanation, None, 4)
    assert "1,0 " in text
    assert "1,1 " not in text
    assert "… and 5 more bins: --limit 9" in text
    assert "All 9 values agree" in text


def test_a_box_of_millions_of_samples_is_explained_in_little_space() -> None:
    explanation = explain(NOISE, (-5e6, -5e6, 5e6, 5e6), "torchvision", (1, 1))
    assert explanation.agrees
    bin_ = one(explanation)
    assert bin_.terms.total == 10**14
    assert bin_.terms.outside == bin_.terms.total - 21 * 31
    assert len(words(explanation, (0, 0))) < 50_000
    assert "more samples are counted but not listed" in words(explanation, (0, 0))
    assert len(rows(explanation, None, 1000)) == len(bin_.terms) < 1000
    assert explanation.left_out(None, 1000) == bin_.terms.total - len(bin_.terms)
