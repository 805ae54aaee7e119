"""`roicrop compare` says how far apart conventions are on the same boxes, and why."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.command_line import MAPS, STRIDE, Result, pooled, run, write_boxes, write_maps

pytestmark = pytest.mark.usefixtures("work")

SAMPLE = Path(__file__).parents[2] / "sample_data"
FILES = (SAMPLE / "features.h5", SAMPLE / "boxes.csv")


def compare(*arguments: object) -> Result:
    """On the sample data."""
    return run("compare", *FILES, *arguments)


def only_pair(result: Result) -> dict[str, Any]:
    (pair,) = result.json["pairs"]
    assert isinstance(pair, dict)
    return pair


# Whether they agree


def test_conventions_that_compute_the_same_agree_to_the_last_bit() -> None:
    result = compare("--with", "detectron2", "--with", "torchvision-aligned")
    assert result.status == 0
    assert result.out.splitlines()[0] == (
        "detectron2 and torchvision-aligned agree on all 5 boxes, to the last bit"
    )


def test_another_order_of_arithmetic_agrees_within_the_tolerance_and_not_without() -> None:
    paddle = ["--with", "detectron2", "--with", "paddle"]
    result = compare(*paddle)
    assert result.status == 0
    assert "agree on all 5 boxes, within 0.001042" in result.out
    assert "order of arithmetic  positions scaled-step → fraction  nothing" in result.out
    assert "at the same positions up to rounding, at most " in result.out
    assert compare(*paddle, "--tolerance", "0").status == 3


def test_each_distinct_pair_is_described_once() -> None:
    names = ["detectron2", "onnx", "torchvision", "torchvision-aligned", "mask-rcnn", "mmcv"]
    names += names[:2]
    result = compare(*(word for name in names for word in ("--with", name)), "--worst", "1")
    text = result.out
    assert text.count("DIFFER on") == 3
    same = "detectron2, onnx, torchvision-aligned and mmcv"
    assert f"{same} agree on all 5 boxes, to the last bit" in text
    for pair in (
        "detectron2 and torchvision",
        "detectron2 and mask-rcnn",
        "torchvision and mask-rcnn",
    ):
        assert text.count(f"\n{pair} ") == 1
    assert [line.split()[:2] for line in text.splitlines()[1:4]] == [
        ["detectron2", "torchvision"],
        ["detectron2", "mask-rcnn"],
        ["torchvision", "mask-rcnn"],
    ]
    record = compare(*(word for name in names for word in ("--with", name)), "--json").json
    assert len(record["pairs"]) == 15


@pytest.mark.parametrize("tolerance", ["-1", "nan", "inf", "little"])
def test_a_tolerance_that_is_not_a_number_is_refused(tolerance: str) -> None:
    result = compare("--with", "detectron2", "--tolerance", tolerance)
    assert result.status == 2
    assert "--tolerance" in result.error


def test_a_shift_is_found_by_exchanging_it_and_told_in_cells_and_pixels() -> None:
    result = compare("--with", "detectron2:sampling_ratio=2", "--with", "mask-rcnn", "--json")
    assert result.status == 3
    pair = only_pair(result)
    assert (pair["first"], pair["second"]) == ("detectron2:sampling_ratio=2", "mask-rcnn")
    assert (pair["agree"], pair["boxes"], pair["boxes_beyond_tolerance"]) == (False, 5, 5)
    shift, size = pair["why"]
    assert shift == {
        "cause": "shift",
        "fields": {"offset_after": [-0.5, 0.0]},
        "remains": 0.0,
        "incomparable_remains": None,
    }
    assert (size["cause"], size["remains"]) == ("minimum size", 1.0)
    for worst in pair["worst"]:
        (contrast,) = worst["contrasts"]
        assert contrast["what"] == "shift"
        assert contrast["text"] == (
            "mask-rcnn begins 0.5 cells (4 pixels) further down and right "
            "than detectron2:sampling_ratio=2"
        )
        np.testing.assert_array_equal(np.subtract(contrast["second"], contrast["first"]), 0.5)


@pytest.mark.core
def test_the_numbers_are_those_of_what_align_writes() -> None:
    for name in ("detectron2", "onnx-legacy"):
        align = ["align", "maps.h5", "boxes.csv", "-o", f"{name}.h5", "--convention", name]
        assert run(*align).status == 0
    first, second = (pooled(f"{name}.h5").astype(float) for name in ("detectron2", "onnx-legacy"))
    apart = np.abs(second - first)
    result = run(
        *("compare", "maps.h5", "boxes.csv", "--with", "detectron2", "--with", "onnx-legacy"),
        "--json",
    )
    pair, said = only_pair(result), result.json
    assert pair["largest"] == apart.max()
    assert pair["mean"] == pytest.approx(apart.mean())
    assert said["feature_values"]["standard_deviation"] == pytest.approx(MAPS.std(dtype=float))
    assert said["tolerance"]["given"] is None
    largest = [1e-5 * max(1.0, float(np.abs(image).max())) for image in MAPS]
    assert [said["tolerance"][end] for end in ("least", "most")] == sorted(largest)
    assert pair["largest_relative"] == pytest.approx(apart.max() / MAPS.std(dtype=float))
    order = np.argsort(-apart.max(axis=(1, 2, 3)))
    assert [worst["box"] for worst in pair["worst"]] == order.tolist()
    for worst in pair["worst"]:
        at = worst["box"], worst["channel"], *worst["bin"]
        assert worst["largest"] == apart[at] == apart[worst["box"]].max()
        assert worst["values"] == [first[at], second[at]]
        assert worst["mean"] == pytest.approx(apart[worst["box"]].mean())
        assert worst["where"] == f"boxes.csv line {worst['box'] + 2}"


def test_channels_last_maps_and_groups_of_maps_give_the_same() -> None:
    said = run("compare", "maps.h5", "boxes.csv", "--with", "prroi", "--json").json["pairs"]
    write_maps("last.h5", MAPS.transpose(0, 2, 3, 1), stride=STRIDE, layout="NHWC")
    last = run("compare", "last.h5", "boxes.csv", "--with", "prroi", "--json").json["pairs"]
    assert said[0]["worst"][0]["values"] == pytest.approx(last[0]["worst"][0]["values"], abs=1e-6)
    for key in ("box", "bin", "channel"):
        assert said[0]["worst"][0][key] == last[0]["worst"][0][key]
    assert said[0]["mean"] == pytest.approx(last[0]["mean"], abs=1e-6)

    with h5py.File("group.h5", "w") as file:
        file["0"], file["1"] = MAPS
        file.attrs["stride"] = STRIDE
    group = run("compare", "group.h5", "boxes.csv", "--with", "prroi", "--json").json["pairs"]
    assert group[0]["worst"] == [
        {**worst, "where": found["where"]}
        for worst, found in zip(said[0]["worst"], group[0]["worst"], strict=True)
    ]


def test_float16_maps_are_compared_without_their_own_rounding() -> None:
    write_maps("half.h5", MAPS.astype(np.float16), stride=STRIDE)
    write_maps("single.h5", MAPS.astype(np.float16).astype(np.float32), stride=STRIDE)
    half, single = (
        run("compare", f"{name}.h5", "boxes.csv", "--with", "onnx", "--json").json
        for name in ("half", "single")
    )
    assert half["pairs"] == single["pairs"]
    assert half["features"]["dtype"] == "float16"


# What is compared


def test_every_two_are_compared_in_the_order_in_which_they_are_named() -> None:
    names = ["detectron2", "onnx:sampling_ratio=1", "fast-rcnn:mode=avg"]
    options = [part for name in names for part in ("--with", name)]
    result = compare(*options, "--json")
    pairs = [(pair["first"], pair["second"]) for pair in result.json["pairs"]]
    assert pairs == list(combinations(names, 2))
    used = {each["as"]: each["rules"] for each in result.json["conventions"]}
    assert used["onnx:sampling_ratio=1"]["sampling_ratio"] == 1
    assert (used["fast-rcnn:mode=avg"]["operator"], used["fast-rcnn:mode=avg"]["mode"]) == (
        *("pool", "avg"),
    )
    lines = compare(*options).out.splitlines()
    assert lines[0].split() == ["first", "second", "boxes", "that", "differ", "largest", "mean"]
    assert all(line.endswith("DIFFER") for line in lines[1:4])


def test_one_with_is_compared_with_the_convention_and_a_named_convention_with_all() -> None:
    assert only_pair(compare("--with", "prroi", "--json"))["first"] == "mask-rcnn"
    both = compare("--with", "prroi", "--with", "onnx", "--convention", "mmcv", "--json")
    assert [each["as"] for each in both.json["conventions"]] == ["mmcv", "prroi", "onnx"]


def test_settings_outside_a_with_apply_to_all() -> None:
    shared = ["--with", "onnx", "--with", "onnx-legacy:mode=avg", "--mode", "max"]
    result = compare(*shared, "--sampling-ratio", "3", "--json")
    used = [each["rules"] for each in result.json["conventions"]]
    assert [rules["sampling_ratio"] for rules in used] == [3, 3]
    assert [rules["mode"] for rules in used] == ["max", "avg"]
    refused = compare("--with", "fast-rcnn", "--no-aligned")
    assert refused.status == 2
    assert "write NAME:aligned=false for some" in refused.error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--with"),
        (["--with", "mask-rcnn"], "mask-rcnn is compared with itself"),
        (["--with", "detectron3"], "no convention 'detectron3': did you mean detectron2?"),
        (["--with", "detectron2:mode=min"], "mode cannot be 'min'"),
        (["--with", "detectron2", "--channel", "96", "--viz", "viz"], "channels 0 to 95"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(options: list[str], words: str) -> None:
    result = compare(*options)
    assert result.status == 2
    assert words in result.error


def test_boxes_are_converted_to_what_each_convention_takes() -> None:
    result = compare("--with", "tensorflow", "--json")
    said, pair = result.json, only_pair(result)
    assert said["boxes"]["box_format"] == "xyxy"
    assert pair["why"][0]["cause"] == "placement of samples"
    assert pair["why"][0]["remains"] == 0
    in_words = compare("--with", "tensorflow").out
    assert "tensorflow received the same boxes as yxyx fractions of the image" in in_words

    # The order of the conventions says nothing about the file.
    Path("list.json").write_text("[[8, 16, 40, 48]]")
    write_maps("one.h5", MAPS[0], stride=STRIDE)
    files = ["compare", "one.h5", "list.json"]
    other = run(*files, "--convention", "tensorflow", "--with", "mask-rcnn", "--json")
    assert other.json["boxes"]["box_format"] == "xyxy"
    same = run(*files, "--with", "tensorflow", "--json")
    assert only_pair(same)["largest"] == only_pair(other)["largest"]


def test_rounding_to_cells_and_the_reduction_are_told_apart() -> None:
    pair = only_pair(compare("--with", "fast-rcnn", "--json"))
    parts = {reason["cause"]: reason for reason in pair["why"]}
    assert parts["rounding to cells"]["fields"] == {"operator": ["align", "pool"]}
    assert parts["reduction"]["fields"] == {"mode": ["avg", "max"]}
    assert all(0 < parts[cause]["remains"] < 1 for cause in ("rounding to cells", "reduction"))
    texts = [contrast["text"] for contrast in pair["worst"][0]["contrasts"]]
    assert "fast-rcnn rounds the box to cells, y " in texts[0]
    assert texts[1] == "mask-rcnn takes the average, fast-rcnn the largest value"


# Unusual boxes


def test_reversed_boxes_that_one_refuses_are_counted_and_listed() -> None:
    write_boxes(boxes=[(0, 8, 8, 40, 40), (0, 40, 40, 8, 8), (1, 40, 8, 8, 40)])
    both = ["--with", "detectron2:sampling_ratio=2", "--with", "mmcv:sampling_ratio=2"]
    result = run("compare", "maps.h5", "boxes.csv", *both, "--on-bad-box", "keep")
    assert result.status == 3
    assert "mmcv:sampling_ratio=2 DIFFER, but agree on the one box that both accept" in result.out
    assert "refused      2 boxes by only one of the two" in result.out
    assert "mmcv:sampling_ratio=2 refuses 2 boxes:\n  boxes.csv line 3 is reversed" in result.out
    said = run("compare", "maps.h5", "boxes.csv", *both, "--on-bad-box", "keep", "--json")
    assert [each["boxes"] for each in said.json["refusals"]] == [0, 2]
    assert (only_pair(said)["boxes"], only_pair(said)["boxes_refused_by_one"]) == (1, 2)

    stopped = run("compare", "maps.h5", "boxes.csv", *both)
    assert stopped.status == 1
    assert "boxes.csv line 3" in stopped.error


def test_boxes_that_both_refuse_do_not_differ() -> None:
    write_boxes(boxes=[(0, 8, 8, 40, 40), (0, 40, 40, 8, 8)])
    both = ["--with", "mmcv", "--with", "mmcv:mode=avg"]
    result = run("compare", "maps.h5", "boxes.csv", *both, "--on-bad-box", "keep")
    assert result.status == 0
    assert result.out.count("refuses 1 box:") == 2


def test_an_empty_box_that_one_makes_nan_is_worse_than_any_difference() -> None:
    write_boxes(boxes=[(0, 8, 8, 40, 40), (0, 24, 24, 24, 24)])
    result = run("compare", "maps.h5", "boxes.csv", "--with", "paddle", "--json")
    assert result.status == 3
    worst = only_pair(result)["worst"][0]
    assert (worst["box"], worst["incomparable_values"]) == (1, 4 * 7 * 7)
    assert worst["values"][1] == "nan"
    assert any(c["what"] == "empty bins" for c in worst["contrasts"])
    words = run("compare", "maps.h5", "boxes.csv", "--with", "paddle").out
    assert "not finite   196 values in only one of the two" in words
    assert "mask-rcnn has 0 empty bins; paddle has 49 empty bins, value NaN" in words


def test_features_that_are_not_finite_are_left_out_of_their_spread() -> None:
    maps = MAPS.copy()
    maps[0, 0, 2, 2], maps[1, 1, 5, 5] = np.nan, np.inf
    write_maps("nan.h5", maps, stride=STRIDE)
    said = run("compare", "nan.h5", "boxes.csv", "--with", "fast-rcnn", "--json").json
    finite = maps[np.isfinite(maps)]
    assert said["feature_values"]["finite"] == finite.size
    assert said["feature_values"]["standard_deviation"] == pytest.approx(finite.std(dtype=float))


def test_no_boxes_agree_with_a_warning() -> None:
    write_boxes(boxes=[])
    result = run("compare", "maps.h5", "boxes.csv", "--with", "detectron2")
    assert result.status == 0
    assert "have no box to compare" in result.out
    assert "warning: there are no boxes, so nothing was compared" in result.err


def test_worst_lists_that_many_of_the_chosen_boxes() -> None:
    write_boxes(boxes=[(0, 8, 8, 40, 40, 0.1), *((0, 9, 9, n, n, 0.9) for n in range(20, 25))],
                more=",score")  # fmt: skip
    options = ["--with", "detectron2", "--min-score", "0.5", "--worst", "4", "--json"]
    worst = only_pair(run("compare", "maps.h5", "boxes.csv", *options))["worst"]
    assert len(worst) == 4
    assert {found["box"] for found in worst} < {1, 2, 3, 4, 5}


# What goes where


def test_quiet_leaves_the_result_and_nothing_else() -> None:
    loud = compare("--with", "detectron2")
    quiet = compare("--with", "detectron2", "--quiet")
    assert quiet.out == loud.out
    assert quiet.err == ""
    assert "5 boxes, csv, xyxy (header)" in loud.err


def test_a_picture_of_the_worst_box_of_each_pair_shows_both_grids() -> None:
    named = ["--with", "detectron2", "--with", "onnx:sampling_ratio=1", "--viz", "new/viz"]
    result = compare(*named, "--json")
    picture = "new/viz/detectron2-vs-onnx_sampling_ratio=1.png"
    assert only_pair(result)["picture"] == picture
    with Image.open(picture) as image:
        assert image.width <= 1600
        title = str(image.info)
    assert "detectron2 and onnx:sampling_ratio=1" in title
    again = compare(*named)
    assert again.status == 1
    assert "exists: choose another name, or replace it with --overwrite" in again.error
    assert f"picture      {picture}" in compare(*named, "--overwrite", "--channel", "3").out


def test_nothing_is_drawn_if_nothing_differs() -> None:
    same = compare("--with", "detectron2", "--with", "torchvision-aligned", "--viz", "viz")
    assert same.status == 0
    assert list(Path("viz").iterdir()) == []
