"""An explanation in words: a worked example, every rounding, and oddities."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from roicrop.conventions import Convention, resolve
from roicrop.text import exact
from tests.explanation.cases import (
    NOISE,
    Box,
    explain,
    notebook,
    one,
    parsed,
    roundings,
    squeezed,
    words,
)


def test_one_bin_reads_as_a_worked_example() -> None:
    assert words(notebook(), (0, 2)) == WORKED_EXAMPLE.strip("\n")


WORKED_EXAMPLE = """
RoIAlign of box 3, image 0 of maps.h5::/features
Convention mask-rcnn: RoIAlign of the Mask R-CNN paper, four samples per bin
4 × 4 bins, each the average of its samples
Channel 0 of a map of 5 × 5 cells, coordinates in float32

Box        x1  y1  x2  y2
  image     1   4   4   4  pixels
  feature   1   4   4   4  pixels × 1
  index     1   4   4   4  feature; the centre of cell i is at i

Bins               y              x
  size             4 − 4 = 0 → 1  4 − 1 = 3     cells, at least 1
  bin size         1 / 4 = 0.25   3 / 4 = 0.75
  samples per bin  2              2
  rounding         none           none          neither corners nor bin edges are rounded to cells

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
    assert "All 16 values agree with what align gives: largest difference 0" in lines[-2]
    assert lines[-1] == "Add --bin ROW,COLUMN for every number behind a bin."


# Every rounding, before and after


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
        "end cell (exclusive) −4 + ⌈1 × 6⌉ = −4 + ⌈6⌉ = 2 "
        "3 + ⌈2 × 12.666667⌉ = 3 + ⌈25.333334⌉ = 29",
        "on the map 0 … 1 (cut off) 15 … 28",
        "← the largest",
    ):
        assert line in text


def test_a_reversed_roipool_box_has_at_least_a_cell() -> None:
    said = parsed(explain(NOISE, (9, 9, 2, 2), "fast-rcnn"))
    assert roundings(said["y"])[-1] == ("size", -6, 1)


def test_the_minimal_size_and_the_adaptive_count_are_reported() -> None:
    explanation = explain(NOISE, (1, 4, 6.5, 4.25), "torchvision", (2, 2))
    said = parsed(explanation)
    assert roundings(said["y"]) == [("size", 0.25, 1), ("samples per bin", 0.5, 1)]
    assert roundings(said["x"]) == [("size", 5.5, 5.5), ("samples per bin", 2.75, 3)]
    text = words(explanation)
    assert "4.25 − 4 = 0.25 → 1" in text
    assert "⌈0.5⌉ → 1" in text
    assert "⌈2.75⌉ → 3" in text


def test_a_count_is_shown_to_the_last_digit_that_decides_it() -> None:
    just_over = float(np.nextafter(np.float32(2), np.float32(3)))
    assert "⌈2.0000002⌉ → 3" in words(explain(NOISE, (0, 0, just_over, 2), "torchvision"))


def test_conventions_without_rounding_say_so() -> None:
    explanation = explain(NOISE, (1, 4, 6.5, 4.25), "detectron2")
    assert "rounding         none" in words(explanation)
    assert roundings(parsed(explanation)["y"]) == [("samples per bin", 0.25, 1)]


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


def test_samples_out_of_range_and_clamped_are_reported() -> None:
    explanation = explain(NOISE, (-3, 0, 1, 4), resolve("mask-rcnn", sampling_ratio=4))
    bin_ = one(explanation)
    assert (bin_.terms.total, bin_.terms.outside, bin_.terms.clamped) == (16, 8, 4)
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
    assert bin_.terms.clamped == 0
    (term,) = bin_.terms
    assert term.state == "inside"
    text = words(explanation, (0, 0))
    assert f"→ {term.taps[0].column} rounded" in text
    assert "each sample" in text
    assert "to the nearest cell, half away from zero" in text
    assert "clamped" not in text


def test_a_fading_border_is_reported() -> None:
    row = dataclasses.replace(resolve("mask-rcnn"), border="zero", sampling_ratio=1)
    assert "−0.5  fading  0        0.5" in words(explain(NOISE, (-1, 3, 0, 4), row), (0, 0))


@pytest.mark.parametrize(
    ("row", "box", "why"),
    [
        (resolve("mmcv", mode="max"), (2, 2, 2, 5), "no samples"),
        (resolve("prroi"), (2, 2, 2, 5), "a bin with zero size"),
        (resolve("fast-rcnn", "pool"), (40, 2, 45, 5), "no cells"),
        (resolve("tensorflow"), (0, 0, 3, 1), "a sample is outside"),
    ],
)
def test_a_void_bin_says_why_it_has_its_value(row: Convention, box: Box, why: str) -> None:
    explanation = explain(NOISE, box, row)
    text = words(explanation, (0, 0))
    assert f"value {exact(row.void_value)} {why}; {row.name} then gives this value" in squeezed(
        text
    )
    assert "the largest\n" not in text
    (said,) = parsed(explanation)["bins"]
    assert said["void"] is True
    assert said["sum"] is said["divisor"] is None


def test_a_count_of_none_says_that_the_other_axis_decides() -> None:
    text = words(explain(NOISE, (2, 2, 2, 5), "detectron2"))
    assert "⌈3⌉ → 3 → 0" in text
    assert "no samples: the count is 0 along y or x" in text
    said = parsed(explain(NOISE, (2, 2, 2, 5), "detectron2"))
    steps = [(step["before"], step["after"]) for step in said["y"]["roundings"]]
    assert steps == [(3, 3), (3, 0)]


@pytest.mark.parametrize("name", ["detectron2", "paddle"])
def test_a_box_reversed_both_ways_has_no_samples_and_the_value_0(name: str) -> None:
    explanation = explain(NOISE, (9, 9, 2, 5), name, (1, 2))
    assert explanation.agrees
    assert explanation.left_out(None, 10) == 0
    assert (one(explanation).terms.total, one(explanation).void) == (0, False)
    text = words(explanation, (0, 1))
    assert "⌈−3.5⌉ → −3" in text
    assert "no samples: the box is reversed" in text
    assert "sum / (−4 × −3)  0" in text
    largest = explain(NOISE, (9, 9, 2, 5), resolve(name, mode="max"))
    assert largest.agrees
    assert "0 is considered too, because there are no samples" in words(largest, (0, 0))


def test_what_a_maximum_considers_besides_is_reported() -> None:
    text = words(explain(-abs(NOISE) - 1, (-4, 0, 4, 4), resolve("openvino", mode="max")), (0, 0))
    assert "0 is considered too, because a corner has no weight or is out of range" in text
    assert "the maximum starts from 0" in text


def test_an_overridden_rule_is_reported() -> None:
    row = resolve("onnx", mode="max", sampling_ratio=2)
    text = words(explain(NOISE, (1, 1, 9, 9), row))
    assert "  but sampling_ratio adaptive → 2, mode avg → max\n" in text
    assert "each the largest of its samples' weighted corners" in text
    own = dataclasses.replace(row, name="mine")
    assert "  but " not in words(explain(NOISE, (1, 1, 9, 9), own))
