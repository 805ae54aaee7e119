"""`align` and `pool` do what their options say, and say what they did."""

from __future__ import annotations

import io
import itertools
import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import roicrop
from roicrop import kernels
from roicrop.cli.terminal import progress
from tests.command_line import BOXES, MAPS, STRIDE, Result, pooled, run, write_boxes, write_maps

pytestmark = pytest.mark.usefixtures("work")


def align(*options: object) -> Result:
    return run("align", "maps.h5", "boxes.csv", "-o", "out.h5", "--overwrite", *options)


def pool(*options: object) -> Result:
    return run("pool", "maps.h5", "boxes.csv", "-o", "out.h5", "--overwrite", *options)


def truth(output_size: tuple[int, int] = (7, 7), **options: Any) -> np.ndarray:
    return roicrop.roi_align(MAPS, np.array(BOXES), output_size, 1 / STRIDE, **options)


# What is pooled


def test_align_is_the_papers_operator_unless_told_otherwise() -> None:
    assert align().status == 0
    np.testing.assert_array_equal(pooled("out.h5"), truth(convention="mask-rcnn"))


def test_pool_is_roipool() -> None:
    assert pool().status == 0
    expected = roicrop.roi_pool(MAPS, np.array(BOXES), 7, 1 / STRIDE)
    np.testing.assert_array_equal(pooled("out.h5"), expected)


@pytest.mark.core
@pytest.mark.parametrize(
    ("options", "meaning"),
    [
        (["--output-size", "5"], {"output_size": (5, 5)}),
        (["--output-size", "2x3"], {"output_size": (2, 3)}),
        (["--sampling-ratio", "4"], {"sampling_ratio": 4}),
        (["--sampling-ratio", "adaptive"], {"sampling_ratio": "adaptive"}),
        (["--sampling-ratio", "0"], {"sampling_ratio": "adaptive"}),
        (["--sampling-ratio", "exact"], {"sampling_ratio": "exact"}),
        (["--mode", "max"], {"mode": "max"}),
        (["--aligned"], {"aligned": True}),
        (["--convention", "detectron2", "--no-aligned"],
         {"convention": "detectron2", "aligned": False}),
        (["--convention", "onnx", "--mode", "max"], {"convention": "onnx", "mode": "max"}),
    ],
)  # fmt: skip
def test_options_of_align_mean_what_the_api_means(
    options: list[str], meaning: dict[str, Any]
) -> None:
    assert align(*options).status == 0
    np.testing.assert_array_equal(pooled("out.h5"), truth(**meaning))


def test_pool_takes_averages_and_frameworks_names() -> None:
    assert pool("--mode", "avg", "--convention", "torchvision").status == 0
    expected = roicrop.roi_pool(MAPS, np.array(BOXES), 7, 1 / STRIDE, mode="avg")
    np.testing.assert_array_equal(pooled("out.h5"), expected)


@pytest.mark.parametrize("options", [["--stride", "8"], ["--spatial-scale", "0.125"]])
def test_spatial_scale_is_one_over_stride(options: list[str]) -> None:
    write_maps(stride=5)  # overridden by the option
    align(*options)
    np.testing.assert_array_equal(pooled("out.h5"), truth())


def test_input_scale_is_written_x_first() -> None:
    write_boxes(boxes=[(i, x1 * 2, y1 * 4, x2 * 2, y2 * 4) for i, x1, y1, x2, y2 in BOXES])
    align("--input-scale", "0.5,0.25")
    np.testing.assert_array_equal(pooled("out.h5"), truth())


def test_one_input_scale_applies_to_both_axes() -> None:
    write_boxes(boxes=[(i, *(2 * v for v in box)) for i, *box in BOXES])
    align("--input-scale", "0.5")
    np.testing.assert_array_equal(pooled("out.h5"), truth())


def test_layout_replaces_a_missing_attribute() -> None:
    write_maps(maps=MAPS.transpose(0, 2, 3, 1), stride=STRIDE)
    assert align("--layout", "NHWC").status == 0
    np.testing.assert_allclose(
        pooled("out.h5"), truth().transpose(0, 2, 3, 1), rtol=1e-5, atol=1e-5
    )


def test_box_format_overrides_the_file() -> None:
    write_boxes(boxes=[(i, y1, x1, y2, x2) for i, x1, y1, x2, y2 in BOXES])
    said = align("--box-format", "yxyx", "--json").json
    np.testing.assert_array_equal(pooled("out.h5"), truth())
    assert (said["boxes"]["box_format"], said["boxes"]["box_format_origin"]) == ("yxyx", "option")


def test_fractions_refer_to_the_given_image_size() -> None:
    write_boxes(boxes=[(i, x1 / 64, y1 / 128, x2 / 64, y2 / 128) for i, x1, y1, x2, y2 in BOXES])
    result = align("--normalized", "--image-size", "128x64")
    np.testing.assert_array_equal(pooled("out.h5"), truth())
    assert "fractions of the image, 128×64 pixels" in result.err


def test_inclusive_boxes_end_a_pixel_later() -> None:
    write_boxes(boxes=[(i, x1, y1, x2 - 1, y2 - 1) for i, x1, y1, x2, y2 in BOXES])
    align("--inclusive")
    np.testing.assert_array_equal(pooled("out.h5"), truth())


def test_tensorflow_boxes_are_pixels_unless_normalized() -> None:
    result = align("--convention", "tensorflow")
    assert "pixels, converted to fractions of the image" in result.err
    fractions = [(i, y1 / 80, x1 / 96, y2 / 80, x2 / 96) for i, x1, y1, x2, y2 in BOXES]
    expected = roicrop.roi_align(MAPS, np.array(fractions), 7, convention="tensorflow")
    np.testing.assert_allclose(pooled("out.h5"), expected, rtol=1e-4, atol=1e-4)

    # A plain list names no order: TensorFlow's is y before x.
    Path("own.json").write_text(
        json.dumps({"boxes": [f[1:] for f in fractions], "image_index": [b[0] for b in BOXES]})
    )
    own = run(
        "align", "maps.h5", "own.json", "-o", "own.h5", "--convention", "tensorflow", "--normalized"
    )
    np.testing.assert_array_equal(pooled("own.h5"), expected)
    assert "yxyx (default of tensorflow)" in own.err


def test_several_labels_and_a_score_choose_boxes() -> None:
    rows = [(*box, score, label) for box, score, label in zip(
        BOXES, [0.9, 0.2, 0.8], ["cat", "cat", "dog"], strict=True)]  # fmt: skip
    write_boxes(boxes=rows, more=",score,label")
    said = align("--label", "cat", "--label", "dog", "--min-score", "0.5", "--top-k", "1", "--json")
    np.testing.assert_array_equal(pooled("out.h5"), truth()[[0]])
    assert (said.json["boxes"]["in_file"], said.json["boxes"]["count"]) == (3, 1)


def test_images_say_which_image_a_coco_result_is_on() -> None:
    results = [{"image_id": 70 + i, "bbox": [x1, y1, x2 - x1, y2 - y1], "category_id": 1,
                "score": 1.0} for i, x1, y1, x2, y2 in BOXES]  # fmt: skip
    Path("results.json").write_text(json.dumps(results))
    Path("instances.json").write_text(json.dumps({"images": [{"id": 70}, {"id": 71}]}))
    crop = ["align", "maps.h5", "results.json", "-o", "out.h5"]
    assert "results.json: image_id is 70, 71, and none is 0" in run(*crop).error
    result = run(*crop, "--images", "instances.json")
    np.testing.assert_array_equal(pooled("out.h5"), truth())
    assert "image_id goes through the position in images of instances.json" in result.err


@pytest.mark.parametrize(
    ("policy", "shape", "fate"), [("zero", 4, "bad and pooled to zeros"), ("drop", 3, "left out")]
)
def test_bad_boxes_are_zeros_or_left_out_when_asked(policy: str, shape: int, fate: str) -> None:
    write_boxes(boxes=[*BOXES, (0, 9, 1, 5, 8)])
    result = align("--on-bad-box", policy)
    assert len(pooled("out.h5")) == shape
    assert fate in result.err


@pytest.mark.parametrize("suffix", ["h5", "npz", "npy"])
def test_the_suffix_chooses_the_format(suffix: str) -> None:
    assert run("align", "maps.h5", "boxes.csv", "-o", f"crops.{suffix}").status == 0
    if suffix == "h5":
        values = pooled("crops.h5")
    else:
        loaded = np.load(f"crops.{suffix}")
        values = loaded if suffix == "npy" else loaded["pooled"]
    np.testing.assert_array_equal(values, truth())


def test_dtype_and_compression_are_the_outputs() -> None:
    align("--dtype", "float16", "--compression", "gzip:9")
    np.testing.assert_array_equal(pooled("out.h5"), truth().astype(np.float16))


# What is said


def test_the_summary_says_what_ran_on_standard_error() -> None:
    result = align("--convention", "detectron2", "--sampling-ratio", "2", "--no-aligned")
    assert result.out == ""
    lines = {line[:11].strip(): line[12:] for line in result.err.splitlines()}
    assert (
        lines["align"] == "detectron2, but --sampling-ratio 2 (instead of adaptive), --no-aligned"
    )
    assert "maps.h5::/features: 2 images of 4 channels, 10×12 cells, float32" in lines["features"]
    assert "boxes.csv: 3 boxes, csv, xyxy (header); image_index" in lines["boxes"]
    assert lines["scale"] == "0.125, stride 8 (attribute stride)"
    assert lines["output"].startswith("out.h5: 3×4×7×7 float32, in ")


def test_the_json_has_everything_in_the_summary_and_more() -> None:
    said = align("--convention", "detectron2", "--mode", "max", "--quiet", "--json").json
    assert said["command"] == "align"
    assert said["version"] == roicrop.__version__
    assert said["core"] == kernels.NAME
    assert said["convention"]["name"] == "detectron2"
    assert said["convention"]["options"] == {"--mode": "max (instead of avg)"}
    assert said["convention"]["overrides"] == {"mode": {"convention": "avg", "used": "max"}}
    assert said["parameters"]["rules"]["offset_after"] == -0.5
    assert said["parameters"]["rules"]["max_start"] == "-inf"
    assert said["features"]["images_read"] == 2
    assert said["features"]["map_sizes"] == [[10, 12]]
    assert said["scale"] == [{"spatial_scale": 0.125, "stride": 8.0, "origin": "attribute stride"}]
    assert said["boxes"]["matched"]
    assert said["output"] == {
        "path": "out.h5", "shape": [3, 4, 7, 7], "dtype": "float32", "non_finite": 0
    }  # fmt: skip
    assert said["warnings"] == []


def test_quiet_prints_only_warnings() -> None:
    result = align("--quiet")
    assert (result.out, result.err) == ("", "")
    write_maps(unrelated=1)
    warned = align("--quiet", "--stride", "1", "--overwrite").err
    assert warned.startswith("roicrop: WARNING: at scale 1 (--stride): 3 of 3 boxes extend outside")
    assert warned.count("\n") == 1
    assert "--stride 8 would fit" in warned


def test_boxes_off_a_map_of_unknown_scale_are_an_error_and_nothing_is_written() -> None:
    write_maps(unrelated=1)
    error = run("align", "maps.h5", "boxes.csv", "-o", "none.h5", "--viz", "none").error
    assert "1 of 3 boxes lies wholly outside their map: --stride 8 would fit them" in error
    assert "give --stride 1 if it is meant" in error
    assert not Path("none.h5").exists()
    assert not Path("none").exists()
    write_boxes(boxes=[(0, 1, 1, 14, 5), (1, 2, 2, 15, 8), (1, 2, 2, 5, 8)])
    assert (
        "2 of 3 boxes extend outside" in run("pool", "maps.h5", "boxes.csv", "-o", "none.h5").error
    )
    write_boxes(boxes=[(0, 1, 1, 12, 5), (1, 2, 2, 15, 8), (1, 2, 2, 5, 8)])
    assert run("pool", "maps.h5", "boxes.csv", "-o", "none.h5").status == 0


def test_odd_boxes_and_values_are_counted() -> None:
    maps = MAPS.copy()
    maps[0, 0, 0, 0] = np.nan
    write_maps(maps=maps, stride=STRIDE)
    write_boxes(boxes=[*BOXES, (0, -40, 0, 50, 50), (0, 200, 0, 300, 10), (0, 3, 3, 3, 9)])
    result = align("--json")
    said = result.json
    assert said["boxes"]["partly_outside"] == said["boxes"]["wholly_outside"] == 1
    assert said["boxes"]["degenerate"] == 1
    assert "1 partly outside the map, 1 wholly outside the map, 1 with zero size" in result.err
    assert said["output"]["non_finite"] == np.count_nonzero(np.isnan(pooled("out.h5")))
    assert f"{said['output']['non_finite']} values not finite" in result.err


def test_the_summary_says_that_integers_are_read_as_float32() -> None:
    write_maps(maps=np.arange(960, dtype=">u2").reshape(2, 4, 10, 12), stride=STRIDE)
    result = align()
    assert pooled("out.h5").dtype == np.float32
    assert "read as float32" in result.err


def test_a_long_run_on_the_numpy_core_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roicrop.cli.report._LONG_RUN", 0.0)
    monkeypatch.setattr(kernels, "NAME", "numpy")
    assert align("--quiet").err.count("NumPy core") == 1
    monkeypatch.setattr(kernels, "NAME", "compiled (any)")
    assert align("--quiet").err == ""


# What is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--stride", "8", "--spatial-scale", "0.125"], "--stride and --spatial-scale"),
        (["--stride", "0"], "'0' is not a number above 0"),
        (["--stride", "inf"], "'inf' is not a number above 0"),
        (["--output-size", "7x"], "'7x' is not a number of bins, as in 7 or 7x7"),
        (["--output-size", "0"], "'0' is not a number of bins"),
        (["--input-scale", "1,2,3"], "as in 0.5 or 0.5,0.25"),
        (["--image-size", "600"], "as in 600x800"),
        (["--sampling-ratio", "many"], "'many' is not a whole number, adaptive or exact"),
        (["--threads", "0"], "'0' is not a whole number above 0"),
        (
            ["--sampling-ratio", "9999999999"],
            "9,999,999,999: give at most 256, or exact",
        ),
        (["--top-k", "-1"], "'-1' is not a whole number above 0"),
        (["--min-score", "nan"], "'nan' is not a number"),
        (["--viz-boxes", "3-1"], "as in 0,5,7-9"),
        (["--convention", "caffe3"], "choose from"),
        (["--convention", "tensorflow", "--aligned"], "aligned does not apply"),
        (["--sampling-ratio", "exact", "--mode", "max"], "an exact integral has no maximum"),
        (["--compression", "zip"], "compression 'zip'"),
        (["--normalized", "--inclusive"], "--inclusive"),
        (["--nothing"], "No such option"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(options: list[str], words: str) -> None:
    result = align(*options)
    assert result.status == 2
    assert words in result.error
    assert not Path("out.h5").exists()


def test_a_wrong_suffix_is_refused_before_any_work() -> None:
    result = run("align", "maps.h5", "boxes.csv", "-o", "out.tiff")
    assert result.status == 2
    assert ".npz" in result.error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["align", "none.h5", "boxes.csv", "-o", "out.h5"], "none.h5 does not exist"),
        (["align", "boxes.csv", "boxes.csv", "-o", "out.h5"], "boxes.csv is not an HDF5 file"),
        (["align", "maps.h5::/none", "boxes.csv", "-o", "out.h5"], "/none"),
        (["align", "maps.h5", "none.csv", "-o", "out.h5"], "none.csv"),
        (["align", "maps.h5", "boxes.csv", "-o", "no/where/out.h5"], "no/where"),
        (["align", "maps.h5", "boxes.csv", "-o", "maps.h5", "--overwrite"], "is an input"),
        (["pool", "maps.h5", "bad.csv", "-o", "out.h5"], "bad.csv line 2: x2 5 is less than x1 9"),
    ],
)
def test_work_that_fails_is_one_line_and_status_1(arguments: list[str], words: str) -> None:
    write_boxes("bad.csv", [(0, 9, 1, 5, 8)])
    result = run(*arguments)
    assert result.status == 1
    assert words in result.error
    assert not Path("out.h5").exists()


def test_an_existing_output_is_kept_without_overwrite() -> None:
    Path("out.h5").write_text("mine")
    result = run("align", "maps.h5", "boxes.csv", "-o", "out.h5")
    assert result.status == 1
    assert "--overwrite" in result.error
    assert Path("out.h5").read_text() == "mine"


@pytest.mark.parametrize("error", [MemoryError(), MemoryError("4 GiB"), OSError(28, "No space")])
def test_an_error_of_the_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("roicrop.job.batch.crop", refuse)
    assert align().status == 1
    assert align().error


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_for_terminals_and_for_more_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.openpty()  # whose width is unknown
    clock = itertools.count()
    monkeypatch.setattr("tqdm.std.time", lambda: float(next(clock)))
    with open(reader, "rb", 0) as shown, open(writer, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        with progress(4, quiet=False) as done:
            for _ in range(4):
                done(1)
        terminal.flush()
        assert b"boxes" in shown.read(10_000)


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_there_is_no_bar_otherwise(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, quiet: bool
) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    with progress(4, quiet=quiet) as done:
        done(4)
    assert stream.getvalue() == ""


def test_an_image_size_applies_only_to_fractions() -> None:
    crop = ["align", "maps.h5", "boxes.csv", "-o", "out.h5"]
    result = run(*crop, "--image-size", "64x96")
    assert result.status == 2
    assert "--normalized" in result.error


def test_choosing_no_box_is_a_loud_warning() -> None:
    write_boxes(boxes=[(0, 0, 0, 8, 8, 1)], more=",label")
    result = run("align", "maps.h5", "boxes.csv", "-o", "out.h5", "--label", "nobody")
    assert result.status == 0
    assert "WARNING: none of the 1 boxes was chosen" in result.err


def test_reversed_boxes_that_are_kept_are_counted() -> None:
    write_boxes(boxes=[(0, 0, 0, 8, 8), (0, 8, 8, 0, 0)])
    result = run("align", "maps.h5", "boxes.csv", "-o", "out.h5", "--on-bad-box", "keep", "--json")
    assert result.json["boxes"]["reversed"] == 1
    assert "1 reversed" in result.err


def test_images_without_a_stride_beside_some_with_one_are_named() -> None:
    with h5py.File("group.h5", "w") as file:
        for name in ("a", "b", "c"):
            file[name] = MAPS[0]
        file["a"].attrs["stride"] = STRIDE
    Path("named.csv").write_text("image,x1,y1,x2,y2\na,0,0,8,8\nb,0,0,8,8\nc,0,0,8,8\n")
    result = run("align", "group.h5", "named.csv", "-o", "out.h5")
    assert "WARNING: group.h5::/b and 1 more have no stride" in result.err
