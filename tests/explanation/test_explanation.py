"""An explanation adds up, and says what the operators do."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from numpy.typing import NDArray

import roicrop
from roicrop.conventions import CONVENTIONS, Convention, resolve
from roicrop.errors import ArgumentError, BoxError
from roicrop.explanation import (
    TOLERANCE,
    Bin,
    Explanation,
    Source,
    as_csv,
    as_json,
    as_trace,
    in_words,
)
from roicrop.explanation.numerals import brief, exact, in_column
from roicrop.sampling import plan
from tests import reference

Array = NDArray[Any]
Box = tuple[float, float, float, float]
Case = tuple[Array, Box, Convention, tuple[int, int], float]

LISTING = Path(__file__).parents[1] / "data" / "notebook_listing.txt"
NOTEBOOK_MAP = np.arange(100, dtype=np.float32).reshape(2, 5, 5, 2)[1]  # (H, W, C)
NOTEBOOK_BOX = (1.0, 4.0, 4.0, 4.0)
NOISE = np.random.default_rng(4).standard_normal((20, 30), dtype=np.float32)
RULES = [
    resolve(name, row.operator, mode=mode, sampling_ratio=ratio)
    for name, row in CONVENTIONS.items()
    for mode in ("avg", "max")
    for ratio in (None, 1, 3, "adaptive", "exact")
    if ratio is None or (row.operator == "align" and row.positions != "corners")
    if mode == "avg" or "exact" not in (ratio or row.sampling_ratio,)
] + [resolve("tensorflow", interpolation="nearest", extrapolation_value=-1)]


def explain(
    features: Array,
    box: Box,
    row: Convention | str,
    output_size: tuple[int, int] = (1, 1),
    spatial_scale: float = 1.0,
    **source: Any,
) -> Explanation:
    """The explanation of one xyxy box on an (H, W) map."""
    if isinstance(row, str):
        row = CONVENTIONS[row]
    boxes = np.array([box])
    planned = plan(
        boxes,
        (features.shape[0], features.shape[1]),
        output_size,
        convention=row,
        spatial_scale=spatial_scale,
        dtype=np.float64 if features.dtype == np.float64 else np.float32,
    )
    crop: Any = roicrop.roi_pool if row.operator == "pool" else roicrop.roi_align
    if row.order == "yxyx":
        boxes = boxes[:, [1, 0, 3, 2]]
    pooled = crop(features[None, None], [boxes], output_size, spatial_scale, convention=row)
    about = Source(file="maps.h5::/features", image="0", box=3, **source)
    return Explanation(about, planned, 0, 0, features, pooled[0, 0])


def notebook() -> Explanation:
    return explain(NOTEBOOK_MAP[..., 0], NOTEBOOK_BOX, "mask-rcnn", (4, 4))


def one(explanation: Explanation, only: tuple[int, int] = (0, 0)) -> Bin:
    (bin_,) = explanation.bins(only)
    return bin_


def words(explanation: Explanation, *arguments: Any) -> str:
    return "\n".join(in_words(explanation, *arguments))


def squeezed(text: str) -> str:
    """The text with single spaces."""
    return " ".join(text.split())


def parsed(explanation: Explanation, *arguments: Any) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads("\n".join(as_json(explanation, *arguments)), parse_constant=refuse)


def rows(explanation: Explanation, *arguments: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(as_csv(explanation, *arguments)))


corner = st.floats(-12, 40, width=16) | st.integers(-3, 33).map(float)
sizes = st.integers(1, 3)


@st.composite
def anything(draw: st.DrawFn) -> Case:
    """A map, a box on it, rules, an output size and a scale."""
    row = draw(st.sampled_from(RULES))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    features = np.random.default_rng(draw(st.integers(0, 99))).standard_normal((height, width))
    x1, y1, x2, y2 = draw(st.tuples(corner, corner, corner, corner))
    if draw(st.booleans()):
        x1, x2, y1, y2 = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    box = (x1, y1, x2, y2)
    if row.normalized:
        box = (x1 / 32, y1 / 32, x2 / 32, y2 / 32)
    output_size = draw(sizes), draw(sizes)
    return (
        (features * 3).astype(dtype),
        box,
        row,
        output_size,
        draw(st.sampled_from([1, 0.25, 0.3])),
    )


def explained(case: Case) -> Explanation:
    """Its explanation, unless the convention refuses the box."""
    try:
        return explain(*case)
    except BoxError:
        reject()


# It adds up


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
        terms = list(listed)
        assert len(terms) == bin_.terms
        assert sum(term.state == "outside" for term in terms) == bin_.outside
        assert sum(term.state == "clamped" for term in terms) == bin_.clamped
        if bin_.void:
            assert bin_.value == row.void_value or math.isnan(row.void_value)
        elif bin_.sum is not None:
            assert bin_.divisor is not None
            total = sum(term.value * term.share for term in terms)
            assert total == pytest.approx(bin_.sum, rel=1e-9, abs=1e-9)
            assert bin_.value == (bin_.sum / bin_.divisor if bin_.divisor else 0)
        else:
            starts = [max(row.max_start, 0.0) if bin_.zero else row.max_start]
            largest = max(starts + [term.value for term in terms])
            assert bin_.value == pytest.approx(largest, rel=1e-9, abs=1e-9)


@given(anything())
def test_each_term_is_its_taps(
    case: Case,
) -> None:
    explanation, features, row = explained(case), case[0], case[2]
    for _, terms in explanation.listing():
        for term in terms:
            assert all(tap.feature == features[tap.row, tap.column] for tap in term.taps)
            assert sum(tap.weight for tap in term.taps) <= 1 + 1e-6
            assert (term.state == "outside") == (not term.taps)
            if row.reduction != "corner-max":
                assert term.value == sum(tap.weight * tap.feature for tap in term.taps)


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
    assert "1 of 16 values DIFFER from what align gives; the first is that of bin 2,1" in words(bad)
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


# The notebook's example


def test_the_trace_is_the_notebooks_listing() -> None:
    listing = LISTING.read_text()
    assert listing.count("\n\n") == 22
    assert "".join(f"{line}\n" for line in as_trace(notebook())).startswith(listing)


def test_the_trace_is_what_the_notebooks_loops_print() -> None:
    printed = []
    for ph, pw, iy, ix in np.ndindex(4, 4, 2, 2):
        yy = 4.0 + ph * 0.25 + (iy + 0.5) * 0.25 / 2
        xx = 1.0 + pw * 0.75 + (ix + 0.5) * 0.75 / 2
        printed += ["4.0 1.0", f"{ph} {pw}", "0.25 0.75", "2 2", f"{iy} {ix}", f"{yy} {xx}", ""]
    assert list(as_trace(notebook())) == printed
    assert list(as_trace(notebook(), (1, 2))) == printed[6 * 28 : 7 * 28]
    assert list(as_trace(notebook(), None, 5)) == printed[: 5 * 7]


@pytest.mark.parametrize(("name", "what"), [("prroi", "exact integral"), ("fast-rcnn", "RoIPool")])
def test_what_has_no_samples_has_no_trace(name: str, what: str) -> None:
    with pytest.raises(ArgumentError, match=f"a trace lists samples, and (the )?{what} has none"):
        as_trace(explain(NOISE, (1, 1, 9, 9), name))


def test_one_bin_reads_as_a_worked_example() -> None:
    assert words(notebook(), (0, 2)) == WORKED_EXAMPLE.strip("\n")


WORKED_EXAMPLE = """
RoIAlign of box 3, image 0 of maps.h5::/features
Convention mask-rcnn: RoIAlign of the Mask R-CNN paper, four samples a bin
4 × 4 bins, each the average of its samples
Channel 0 of a map of 5 × 5 cells, coordinates in float32

Box        x1  y1  x2  y2
  image     1   4   4   4  pixels
  feature   1   4   4   4  pixels × 1
  index     1   4   4   4  feature; the centre of cell i is at i

Bins             y              x
  size           4 − 4 = 0 → 1  4 − 1 = 3     cells, at least 1
  bin size       1 / 4 = 0.25   3 / 4 = 0.75
  samples a bin  2              2
  rounding       none           none          no corner is moved to a cell, and no edge of a bin

Bin 0,2
  y = 4 + 0 × 0.25 + (i + ½) × 0.25 / 2
    i       y               rows  weights
    0  4.0625  → 4 clamped  4     1
    1  4.1875  → 4 clamped  4     1
  x = 1 + 2 × 0.75 + (j + ½) × 0.75 / 2
    j       x    columns  weights
    0  2.6875    2, 3     0.3125, 0.6875
    1  3.0625    3, 4     0.9375, 0.0625

  weight = the row's × the column's, product = weight × feature
  i,j       y       x  [row, column]  weight  feature  product   value
  0,0  4.0625  2.6875  [4, 2]         0.3125       94   29.375
                       [4, 3]         0.6875       96   66      95.375
  0,1  4.0625  3.0625  [4, 3]         0.9375       96   90
                       [4, 4]         0.0625       98    6.125  96.125
  1,0  4.1875  2.6875  [4, 2]         0.3125       94   29.375
                       [4, 3]         0.6875       96   66      95.375
  1,1  4.1875  3.0625  [4, 3]         0.9375       96   90
                       [4, 4]         0.0625       98    6.125  96.125

  sum            383
  sum / (2 × 2)   95.75
  align gives     95.75  agrees: difference 0, tolerance 1e-5 × 98 = 0.00098
"""


def test_all_bins_have_a_line_each() -> None:
    text = words(notebook())
    assert text.startswith(WORKED_EXAMPLE.strip("\n").partition("\n\nBin 0,2")[0])
    lines = text.splitlines()
    assert (
        lines[-19]
        == "0,0    4 … 4.25    1 … 1.75    2 × 2        0        4  371  92.75        92.75"
    )
    assert squeezed(lines[-4]) == "3,3 4.75 … 5 3.25 … 4 2 × 2 0 4 389 97.25 97.25"
    assert "All 16 values agree with what align gives: the largest difference is 0" in lines[-2]
    assert lines[-1] == "Add --bin ROW,COLUMN for every number behind a bin."


# Every rounding, before and after


def roundings(axis: dict[str, Any]) -> list[tuple[str, float, float]]:
    return [(step["what"], step["before"], step["after"]) for step in axis["roundings"]]


def test_roipool_says_how_its_corners_and_edges_are_rounded() -> None:
    explanation = explain(NOISE, (2.5, -3.5, 40, 7.4), "fast-rcnn", (2, 3))
    said = parsed(explanation, (0, 1))
    assert roundings(said["y"]) == [
        ("first cell", -3.5, -4),
        ("last cell", pytest.approx(7.4), 7),
        ("size", 12, 12),
    ]
    assert roundings(said["x"]) == [("first cell", 2.5, 3), ("last cell", 40, 40), ("size", 38, 38)]
    third = pytest.approx(38 / 3)
    assert said["x"]["bin_size"] == third
    (bin_,) = said["bins"]
    assert roundings(bin_["y"]) == [
        ("first cell of the bin", 0, 0),
        ("cell after the bin", 6, 6),
        ("first cell of the bin", -4, 0),
        ("cell after the bin", 2, 2),
    ]
    assert roundings(bin_["x"]) == [
        ("first cell of the bin", third, 12),
        ("cell after the bin", pytest.approx(2 * 38 / 3), 26),
        ("first cell of the bin", 15, 15),
        ("cell after the bin", 29, 29),
    ]
    assert [each["cell"] for each in bin_["listed"]] == [
        [y, x] for y in (0, 1) for x in range(15, 29)
    ]

    text = squeezed(words(explanation, (0, 1)))
    for line in (
        "first cell −3.5 → −4 2.5 → 3 rounded to the nearest, half away from zero",
        "size 7 − (−4) + 1 = 12 40 − 3 + 1 = 38 the last cell is included, at least 1",
        "first cell −4 + ⌊0 × 6⌋ = −4 + ⌊0⌋ = −4 3 + ⌊1 × 12.666667⌋ = 3 + ⌊12.666667⌋ = 15",
        "cell after −4 + ⌈1 × 6⌉ = −4 + ⌈6⌉ = 2 3 + ⌈2 × 12.666667⌉ = 3 + ⌈25.333334⌉ = 29",
        "on the map 0 … 1 (cut off) 15 … 28",
        "← the largest",
    ):
        assert line in text


def test_a_reversed_roipool_box_has_at_least_a_cell() -> None:
    said = parsed(explain(NOISE, (9, 9, 2, 2), "fast-rcnn"))
    assert roundings(said["y"])[-1] == ("size", -6, 1)


def test_the_minimal_size_and_the_adaptive_count_are_said() -> None:
    explanation = explain(NOISE, (1, 4, 6.5, 4.25), "torchvision", (2, 2))
    said = parsed(explanation)
    assert roundings(said["y"]) == [("size", 0.25, 1), ("samples a bin", 0.5, 1)]
    assert roundings(said["x"]) == [("size", 5.5, 5.5), ("samples a bin", 2.75, 3)]
    text = words(explanation)
    assert "4.25 − 4 = 0.25 → 1" in text
    assert "⌈0.5⌉ → 1" in text
    assert "⌈2.75⌉ → 3" in text


def test_a_count_is_shown_to_the_last_digit_that_decides_it() -> None:
    just_over = float(np.nextafter(np.float32(2), np.float32(3)))
    assert "⌈2.0000002⌉ → 3" in words(explain(NOISE, (0, 0, just_over, 2), "torchvision"))


def test_conventions_without_rounding_say_so() -> None:
    explanation = explain(NOISE, (1, 4, 6.5, 4.25), "detectron2")
    assert "rounding       none" in words(explanation)
    assert roundings(parsed(explanation)["y"]) == [("samples a bin", 0.25, 1)]


# The box's coordinates


def test_corners_go_from_the_image_to_the_index_of_cells() -> None:
    explanation = explain(
        NOISE,
        (8, 16, 24, 40),
        "openvino-half-pixel",
        spatial_scale=0.25,
        corners=(16.0, 16.0, 48.0, 40.0),
        input_scale=(1.0, 0.5),
    )
    corners = parsed(explanation)["corners"]
    assert corners["image"] == [16, 16, 48, 40]
    assert corners["network"] == [8, 16, 24, 40]
    assert corners["feature"] == [2.125, 4.125, 6.125, 10.125]
    assert corners["index"] == [1.625, 3.625, 5.625, 9.625]
    text = words(explanation)
    assert "x × 0.5, y × 1: the network's image" in text
    assert "(pixels + 0.5) × 0.25" in text
    assert "feature − 0.5" in text


def test_fractions_go_straight_to_the_index_of_cells() -> None:
    explanation = explain(NOISE, (0.25, 0.5, 0.75, 1.0), "tensorflow", (2, 1))
    corners = parsed(explanation)["corners"]
    assert corners["fractions"] == [0.25, 0.5, 0.75, 1]
    assert corners["index"] == [7.25, 9.5, 21.75, 19]
    assert corners["image"] is corners["network"] is corners["feature"] is None
    text = words(explanation, (1, 0))
    assert "fraction × (map size − 1)" in text
    assert "y = 9.5 + 1 × 9.5" in text
    assert "x = ½ × (x1 + x2) × (30 − 1)" in text


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("torchvision-aligned", "x = 0.5 + 1 × 2.5 + (j + ½) × 2.5 / 3"),
        ("openvino-half-pixel-for-nn", "x = 0.5 + 1 × 2.5 + (2.5 / 3) × (j + ½)"),
        ("paddle", "x = 0.5 + 2.5 × (1 + (j + ½) / 3)"),
    ],
)
def test_the_formula_is_the_frameworks(name: str, formula: str) -> None:
    assert formula in words(explain(NOISE, (1, 1, 6, 6), name, (1, 2)), (0, 1))


# What is odd about a bin


def test_samples_out_of_range_and_clamped_are_said() -> None:
    explanation = explain(NOISE, (-3, 0, 1, 4), resolve("mask-rcnn", sampling_ratio=4))
    bin_ = one(explanation)
    assert (bin_.terms, bin_.outside, bin_.clamped) == (16, 8, 4)
    states = [each["state"] for each in parsed(explanation)["bins"][0]["listed"]]
    assert states == ["outside", "outside", "clamped", "inside"] * 4
    text = words(explanation, (0, 0))
    assert "−2.5  out of range" in text
    assert "−0.5  → 0 clamped" in text


def test_a_sample_that_reads_the_nearest_cell_is_rounded_and_not_clamped() -> None:
    explanation = explain(
        NOISE, (0.1, 0.2, 0.7, 0.9), resolve("tensorflow", interpolation="nearest"), (2, 2)
    )
    assert explanation.agrees
    bin_ = one(explanation)
    assert bin_.clamped == 0
    assert [t.state for _, terms in explanation.listing((0, 0)) for t in terms] == ["inside"]
    text = words(explanation, (0, 0))
    assert f"→ {exact(bin_.x.low[0])} rounded" in text
    assert "each sample" in text
    assert "to the nearest cell, half away from zero" in text
    assert "clamped" not in text


def test_a_fading_border_is_said() -> None:
    row = resolve("prroi", sampling_ratio=1)
    assert "−0.5  fading  0        0.5" in words(explain(NOISE, (-1, 3, 0, 4), row), (0, 0))


@pytest.mark.parametrize(
    ("row", "box", "why"),
    [
        (resolve("mmcv", mode="max"), (2, 2, 2, 5), "no samples: mmcv gives this then"),
        (resolve("prroi"), (2, 2, 2, 5), "a bin of no size: prroi gives this then"),
        (resolve("fast-rcnn", "pool"), (40, 2, 45, 5), "no cells: fast-rcnn gives this then"),
        (resolve("tensorflow"), (0, 0, 3, 1), "a sample is outside: tensorflow gives this then"),
    ],
)
def test_a_void_bin_says_why_it_has_its_value(row: Convention, box: Box, why: str) -> None:
    explanation = explain(NOISE, box, row)
    text = words(explanation, (0, 0))
    assert f"value {exact(row.void_value)} {why}" in squeezed(text)
    assert "the largest\n" not in text
    (said,) = parsed(explanation)["bins"]
    assert said["void"] is True
    assert said["sum"] is said["divisor"] is None


def test_a_count_of_none_says_that_the_other_axis_decides() -> None:
    text = words(explain(NOISE, (2, 2, 2, 5), "detectron2"))
    assert "⌈3⌉ → 3 → 0" in text
    assert "none, if that is none along y or x" in text
    said = parsed(explain(NOISE, (2, 2, 2, 5), "detectron2"))
    steps = [(step["before"], step["after"]) for step in said["y"]["roundings"]]
    assert steps == [(3, 3), (3, 0)]


@pytest.mark.parametrize("name", ["detectron2", "paddle"])
def test_a_box_reversed_both_ways_has_no_samples_and_the_value_0(name: str) -> None:
    explanation = explain(NOISE, (9, 9, 2, 5), name, (1, 2))
    assert explanation.agrees
    assert explanation.left_out(None, 10) == 0
    assert (one(explanation).terms, one(explanation).void) == (0, False)
    text = words(explanation, (0, 1))
    assert "⌈−3.5⌉ → −3" in text
    assert "none, since the box is reversed" in text
    assert "sum / (−4 × −3)  0" in text
    largest = explain(NOISE, (9, 9, 2, 5), resolve(name, mode="max"))
    assert largest.agrees
    assert "0 takes part, for there are no samples" in words(largest, (0, 0))


def test_what_a_maximum_considers_besides_is_said() -> None:
    text = words(explain(-abs(NOISE) - 1, (-4, 0, 4, 4), resolve("openvino", mode="max")), (0, 0))
    assert "0 takes part, for what has no weight or is out of range" in text
    assert "the maximum starts from 0" in text


def test_an_overridden_rule_is_said() -> None:
    row = resolve("onnx", mode="max", sampling_ratio=2)
    text = words(explain(NOISE, (1, 1, 9, 9), row))
    assert "  but sampling_ratio adaptive → 2, mode avg → max\n" in text
    assert "each the largest of its samples' weighted corners" in text
    own = dataclasses.replace(row, name="mine")
    assert "  but " not in words(explain(NOISE, (1, 1, 9, 9), own))


# Records


def test_json_has_the_numbers_of_a_worked_example() -> None:
    said = parsed(notebook(), (0, 2))
    assert said["roicrop"] == roicrop.__version__
    assert said["operator"] == "align"
    assert said["convention"]["name"] == "mask-rcnn"
    assert said["convention"]["max_start"] == "-inf"
    assert (said["file"], said["image"], said["box"]) == ("maps.h5::/features", "0", 3)
    assert (said["map_size"], said["output_size"], said["channel"]) == ([5, 5], [4, 4], 0)
    assert said["y"]["begin"] == said["y"]["end"] == 4
    assert (said["y"]["size_before"], said["y"]["size"], said["y"]["bin_size"]) == (0, 1, 0.25)
    assert said["x"]["samples_a_bin"] == 2
    (bin_,) = said["bins"]
    assert bin_["bin"] == [0, 2]
    assert (bin_["y"]["edges"], bin_["x"]["edges"]) == ([4, 4.25], [2.5, 3.25])
    assert (bin_["samples"], bin_["clamped"], bin_["outside"], bin_["left_out"]) == (4, 4, 0, 0)
    assert (bin_["sum"], bin_["divisor"], bin_["value"], bin_["pooled"]) == (383, 4, 95.75, 95.75)
    assert bin_["listed"][1] == {
        "sample": [0, 1],
        "y": 4.0625,
        "x": 3.0625,
        "state": "clamped",
        "read_y": 4,
        "read_x": 3.0625,
        "cells": [
            {
                "cell": [4, 3],
                "weight_y": 1,
                "weight_x": 0.9375,
                "weight": 0.9375,
                "feature": 96,
                "product": 90,
            },
            {
                "cell": [4, 4],
                "weight_y": 1,
                "weight_x": 0.0625,
                "weight": 0.0625,
                "feature": 98,
                "product": 6.125,
            },
        ],
        "value": 96.125,
        "share": 1,
    }


def test_csv_of_samples_can_be_pooled_by_hand() -> None:
    explanation = explain(NOISE, (-4, 2, 25, 17), resolve("mask-rcnn", sampling_ratio=3), (2, 2))
    table = rows(explanation)
    assert len(table) == 4 * 9
    for bin_ in explanation.bins():
        mine = [
            r for r in table if (int(r["bin_row"]), int(r["bin_column"])) == (bin_.row, bin_.column)
        ]
        values = []
        for row in mine:
            taps = [n for n in "1234" if row[f"weight_{n}"]]
            assert bool(taps) == (row["state"] != "outside") == bool(row["read_y"])
            values.append(sum(float(row[f"weight_{n}"]) * float(row[f"feature_{n}"]) for n in taps))
            assert values[-1] == float(row["value"])
        assert np.mean(values) == pytest.approx(bin_.value)


def test_csv_of_an_integral_has_the_pieces_areas() -> None:
    explanation = explain(NOISE, (1.5, 2, 9, 6.25), "prroi")
    table = rows(explanation)
    area = sum(float(row["share"]) for row in table)
    total = sum(float(row["share"]) * float(row["value"]) for row in table)
    assert area == 7.5 * 4.25
    assert total / area == pytest.approx(one(explanation).pooled, abs=1e-5)


def test_csv_of_roipool_has_a_row_for_each_cell() -> None:
    explanation = explain(NOISE, (3, 2, 6, 4), "fast-rcnn", (1, 2))
    table = rows(explanation, (0, 1))
    assert [(r["cell_row"], r["cell_column"]) for r in table] == [
        (str(y), str(x)) for y in (2, 3, 4) for x in (5, 6)
    ]
    assert max(float(r["feature"]) for r in table) == one(explanation, (0, 1)).pooled


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
    assert "36 more samples are not listed, but counted (--limit 100 lists more)" in text
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
    assert bin_.terms == 10**14
    assert bin_.outside == bin_.terms - 21 * 31
    assert len(words(explanation, (0, 0))) < 50_000
    assert "more samples are not listed" in words(explanation, (0, 0))
    assert len(rows(explanation, None, 1000)) == len(bin_.y) * len(bin_.x) < 1000
    assert explanation.left_out(None, 1000) == bin_.terms - len(bin_.y) * len(bin_.x)


def test_a_bin_that_is_not_there_is_an_error() -> None:
    for only in ((4, 0), (0, 4), (-1, 0)):
        with pytest.raises(ArgumentError, match="is none of 4×4: they are counted from 0,0"):
            notebook().bins(only)


# Numbers


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_exact_numbers_give_the_number_back(value: float) -> None:
    text = exact(np.float32(value)).replace("−", "-")
    assert np.float32(text) == np.float32(value)
    assert len(text) <= 22


def test_numbers_are_as_short_as_they_may_be() -> None:
    assert exact(np.float32(0.1)) == "0.1"
    assert exact(0.1 + 0.2) == "0.30000000000000004"
    assert brief(0.1 + 0.2) == "0.3"
    assert exact(-2.5) == "−2.5"
    assert exact(-0.0) == "0"
    assert exact(1e-7) == "1e-7"
    assert exact(-(10**3)) == "−1000"
    assert brief(2 / 3) == "0.6666667"
    assert brief(math.inf) == "∞"


def test_a_column_has_its_points_under_one_another() -> None:
    assert in_column([1.5, 10.25, 3, None]) == ["1.5 ", "10.25", "3   ", "   "]
    assert in_column([]) == []
    assert in_column([math.nan, 2.0]) == ["NaN", "2"]
    assert in_column([1e20, 1.0]) == ["1e+20", "1"]
