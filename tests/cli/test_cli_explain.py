"""`explain` explains what `align` and `pool` write."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from roicrop.job import OnMap
from tests.command_line import BOXES, MAPS, Result, pooled, run, start, write_boxes, write_maps

pytestmark = pytest.mark.usefixtures("work")

LISTING = Path(__file__).parents[1] / "data" / "notebook_listing.txt"


def explain(*options: object) -> Result:
    return run("explain", "maps.h5", "boxes.csv", *options)


@pytest.mark.core
@pytest.mark.parametrize(
    "options",
    [
        ["align"],
        ["pool"],
        ["pool", "--mode", "avg"],
        ["align", "--convention", "onnx", "--mode", "max", "--sampling-ratio", 3],
        ["align", "--convention", "prroi", "--output-size", "3x2"],
        ["align", "--input-scale", "0.5,0.75"],
        ["align", "--convention", "tensorflow"],
    ],
)
def test_what_is_explained_is_what_is_written(options: list[Any]) -> None:
    operator, *rules = options
    assert run(operator, "maps.h5", "boxes.csv", "-o", "out.h5", "--quiet", *rules).status == 0
    written = pooled("out.h5")
    for box, channel in [(0, 0), (2, 3)]:
        which = ["--box", box, "--channel", channel, "--op", operator, *rules]
        said = explain(*which, "--format", "json").json
        assert said["agrees"]
        for bin_ in said["bins"]:
            row, column = bin_["bin"]
            assert bin_["pooled"] == written[box, channel, row, column]
            assert math.isclose(bin_["value"], bin_["pooled"], abs_tol=1e-4)
        assert explain(*which).status == 0


def test_box_0_channel_0_and_all_bins_in_words_are_the_default() -> None:
    result = explain()
    assert result.status == 0
    assert result.err == ""
    assert result.out == explain("--box", 0, "--channel", 0, "--format", "text").out
    assert result.out.startswith("RoIAlign of box 0, image 1 of maps.h5::/features\n")
    assert "\nChannel 0 of a map of 10 × 12 cells" in result.out
    assert "All 49 values agree with what align gives" in result.out


def test_one_bin_is_explained_in_every_format() -> None:
    text = explain("--bin", "6,2").out
    assert "\nBin 6,2\n" in text
    (said,) = explain("--bin", "6,2", "--format", "json").json["bins"]
    assert said["bin"] == [6, 2]
    table = list(csv.DictReader(io.StringIO(explain("--bin", "6,2", "--format", "csv").out)))
    assert {(row["bin_row"], row["bin_column"]) for row in table} == {("6", "2")}
    total = sum(float(row["value"]) for row in table)
    assert math.isclose(total / len(table), said["value"], rel_tol=1e-9)


def test_the_trace_of_the_notebooks_input_is_its_listing() -> None:
    features = np.arange(100, dtype=np.float32).reshape(2, 5, 5, 2)
    write_maps("notebook.h5", features, layout="NHWC", stride=1)
    write_boxes("notebook.csv", [(1, 1, 4, 4, 4)])
    traced = run("explain", "notebook.h5", "notebook.csv", "--output-size", 4, "--trace")
    assert traced.err == ""
    assert traced.out.startswith(LISTING.read_text())
    assert traced.out.count("\n\n") == 4 * 4 * 2 * 2
    value = run("explain", "notebook.h5", "notebook.csv", "--output-size", 4, "--bin", "0,0").out
    assert "\n  sum / (2 × 2)   92.75\n" in value


def test_a_box_is_named_by_its_number_in_the_file_and_an_image_by_its_name() -> None:
    with h5py.File("group.h5", "w") as file:
        file["left.png"], file["right.png"] = MAPS
    Path("named.csv").write_text(
        "image,x1,y1,x2,y2,score\nleft.png,1,1,9,9,.1\nright.png,2,2,8,8,.9\n"
    )
    result = run("explain", "group.h5", "named.csv", "--box", 1, "--min-score", 0.5, "--stride", 1)
    assert result.out.startswith("RoIAlign of box 1, image right.png of group.h5::/\n")


def test_several_boxes_are_explained_in_the_order_asked_for() -> None:
    text = explain("--box", "2,0-1").out
    assert [line.split()[3] for line in text.splitlines() if line.startswith("RoIAlign of")] == [
        "2,",
        "0,",
        "1,",
    ]
    said = json.loads(explain("--box", "2,0", "--json").out)
    assert said == [explain("--box", box, "--format", "json").json for box in (2, 0)]
    rows = list(csv.DictReader(io.StringIO(explain("--box", "2,0", "--format", "csv").out)))
    assert [row["box"] for row in rows] == ["2"] * 196 + ["0"] * 196
    traced = explain("--box", "2,0", "--trace").out
    assert traced == explain("--box", 2, "--trace").out + explain("--box", 0, "--trace").out


def test_channels_last_maps_are_explained_alike() -> None:
    write_maps("last.h5", MAPS.transpose(0, 2, 3, 1), layout="NHWC", stride=8)
    last = run("explain", "last.h5", "boxes.csv", "--channel", 2).out
    assert last.splitlines()[1:] == explain("--channel", 2).out.splitlines()[1:]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--box", 3], "no box 3: boxes.csv has 3 boxes, numbered 0 to 2"),
        (["--channel", 4], "--channel 4: maps.h5 has channels 0 to 3"),
        (["--bin", "7,0"], "--bin 7,0: there are 7×7 bins, 0,0 to 6,6"),
        (["--bin", "7,0", "--format", "csv"], "--bin 7,0: there are 7×7 bins"),
        (["--bin", "7,0", "--trace"], "--bin 7,0: there are 7×7 bins"),
        (["--bin", "7"], "Invalid value for '--bin': '7' is not a row and a column, as in 0,2."),
        (
            ["--trace", "--format", "csv"],
            "--format, --json and --trace exclude each other: give only one",
        ),
        (["--trace", "--op", "pool"], "a trace lists samples, and RoIPool has none"),
        (["--trace", "--sampling-ratio", "exact"], "and the exact integral has none"),
    ],
)
def test_what_cannot_be_explained_is_one_line(options: list[Any], error: str) -> None:
    assert error in explain(*options).error


def test_a_box_that_is_pooled_to_zeros_has_no_explanation() -> None:
    write_boxes("bad.csv", [*BOXES, (0, 9, 9, 2, 2)])
    result = run("explain", "maps.h5", "bad.csv", "--box", 3, "--on-bad-box", "zero")
    assert result.error.startswith("bad.csv line 5: the box is bad, so its values are zeros")


def test_a_sum_that_differs_is_a_loud_warning_and_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = OnMap.pool
    monkeypatch.setattr(OnMap, "pool", lambda *arguments: pool(*arguments) + 1)
    result = explain()
    assert result.status == 1
    assert "49 of 49 values DIFFER from what align gives" in result.out
    assert "WARNING: box 0: the sums do not agree with what align gives" in result.err


def test_a_missing_scale_is_an_error_if_boxes_are_off_their_maps() -> None:
    write_maps(layout="NCHW")
    assert "has no stride and none was given" in explain().error
    assert "WARNING: at scale 1 (--stride)" in explain("--stride", "1").err


def test_standard_error_says_what_is_left_out() -> None:
    result = explain("--format", "csv", "--limit", 10)
    assert result.out.count("\n") == 11
    assert result.err == "roicrop: warning: 186 samples are left out: raise --limit to list more\n"
    assert explain("--op", "pool", "--format", "csv", "--limit", 1).err.endswith(
        " cells are left out: raise --limit to list more\n"
    )
    assert explain("--format", "json", "--limit", 10).json["bins"][-1]["left_out"] == 4


def test_a_reader_that_leaves_early_is_no_error() -> None:
    with start(
        "explain", "maps.h5", "boxes.csv", "--format", "csv", "--sampling-ratio", 40
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("box,bin_row,bin_column,")
        process.stdout.close()
        assert process.stderr.read() == ""
