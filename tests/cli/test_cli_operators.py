"""Rotated and position-sensitive pooling from the command line, on real files."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import roicrop
from tests.command_line import Result, run

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("work")]

MAP = np.random.default_rng(8).standard_normal((1, 18, 23, 31)).astype(np.float32)
TURNED = np.array([[100, 80, 90, 40, 30.0], [160, 60, 60, 30, -45], [60, 90, 40, 80, 110]])
ALONG = np.array([[10, 8, 90, 40.0], [50, 50, 200, 150], [-20, 30, 44, 190]])


@pytest.fixture(autouse=True)
def files(work: Path) -> None:
    with h5py.File("big.h5", "w") as file:
        data = file.create_dataset("features", data=MAP, chunks=(1, 5, 8, 8), compression="gzip")
        data.attrs["stride"] = 8
    rows = "\n".join(",".join(map(str, row)) for row in TURNED.tolist())
    Path("turned.csv").write_text(f"cx,cy,w,h,angle\n{rows}\n")
    rows = "\n".join(",".join(map(str, row)) for row in ALONG.tolist())
    Path("along.csv").write_text(f"x1,y1,x2,y2\n{rows}\n")


def pooled(*words: str) -> np.ndarray:
    result = run("align" if "pool" not in words else "pool", *[w for w in words if w != "pool"],
                 "-o", "out.h5", "--overwrite")  # fmt: skip
    assert result.status == 0, result.error
    with h5py.File("out.h5") as file:
        return np.asarray(file["pooled"])


def failed(*words: str) -> str:
    result: Result = run(*words)
    assert result.status in (1, 2)
    return result.error


def test_boxes_with_an_angle_are_pooled_rotated_and_keep_their_angles() -> None:
    expected = roicrop.roi_align_rotated(MAP, TURNED, (2, 3), 1 / 8)
    assert np.array_equal(pooled("big.h5", "turned.csv", "--output-size", "2x3"), expected)
    with h5py.File("out.h5") as file:
        assert np.array_equal(file["angle"], TURNED[:, 4])
        assert file["boxes"][0].tolist() == [55, 60, 145, 100]
        assert file.attrs["convention"] == "detectron2"
        assert file.attrs["operator"] == "align-rotated"


def test_options_and_conventions_are_those_of_rotated_boxes() -> None:
    words = "big.h5", "turned.csv", "--output-size", "3", "--sampling-ratio", "2"
    every = MAP, TURNED, 3, 1 / 8, 2
    crop = pooled(*words, "--convention", "mxnet", "--clockwise")
    assert np.array_equal(
        crop, roicrop.roi_align_rotated(*every, clockwise=True, convention="mxnet")
    )
    crop = pooled(*words, "--convention", "mmcv", "--angle", "degrees", "--no-aligned")
    radians = TURNED * [1, 1, 1, 1, np.pi / 180]
    expected = roicrop.roi_align_rotated(MAP, radians, *every[2:], False, convention="mmcv")
    np.testing.assert_allclose(crop, expected, rtol=0, atol=1e-4)


def test_angles_that_look_like_the_other_unit_give_a_warning_until_it_is_given() -> None:
    words = "align", "big.h5", "turned.csv", "-o", "out.h5", "--overwrite", "--convention", "mmcv"
    assert "takes radians: if these are degrees, give --angle degrees" in run(*words).err
    assert "WARNING" not in run(*words, "--angle", "radians").err
    rows = "\n".join(f"100,80,90,40,{angle}" for angle in (0.1, 0.7, -1.2, 3.0, 2.2))
    Path("turned.csv").write_text(f"cx,cy,w,h,angle\n{rows}\n")
    assert "takes degrees: if these are radians, give --angle radians" in run(*words[:-2]).err
    assert "WARNING" not in run(*words).err


def test_position_sensitive_pooling_reads_a_part_of_the_channels_for_each_bin() -> None:
    flag = "--position-sensitive"
    words = "big.h5", "along.csv", "--output-size", "3", flag, "--memory", "100MB"
    assert np.array_equal(pooled(*words), roicrop.ps_roi_align(MAP, ALONG, 3, 1 / 8))
    expected = roicrop.ps_roi_pool(MAP, ALONG, 3, 1 / 8, convention="r-fcn")
    assert np.array_equal(pooled("pool", *words, "--convention", "r-fcn"), expected)
    assert "takes a multiple of 49" in failed("pool", "big.h5", "along.csv", "-o", "a.h5", flag)


def test_options_that_rotated_boxes_do_not_support_are_refused_in_one_line() -> None:
    out = "-o", "bad.h5"
    assert "roi_pool takes boxes along the axes" in failed("pool", "big.h5", "turned.csv", *out)
    assert "the convention tensorflow is for `align`, not `align-rotated`" in failed(
        "align", "big.h5", "turned.csv", *out, "--convention", "tensorflow"
    )
    assert "along.csv has no angle" in failed(
        "align", "big.h5", "along.csv", *out, "--convention", "detectron2", "--clockwise"
    )
    assert "give --input-scale one number" in failed(
        "align", "big.h5", "turned.csv", *out, "--input-scale", "0.5,0.7"
    )
    assert "leave out --normalized" in failed("align", "big.h5", "turned.csv", *out, "--normalized")
    assert "ps_roi_align takes boxes along the axes" in failed(
        "align", "big.h5", "turned.csv", *out, "--position-sensitive", "--output-size", "3"
    )
    np.save("crops.npy", np.zeros((3, 18, 2, 2), np.float32))
    assert "has boxes with an angle" in failed("identify", "big.h5", "turned.csv", "crops.npy")
    assert not Path("bad.h5").exists()


def test_explain_lists_samples_as_pairs_of_y_and_x() -> None:
    words = "explain", "big.h5", "turned.csv", "--output-size", "2x3", "--bin", "0,1"
    text = run(*words).out
    assert "turned 30 degrees counter-clockwise: cosine 0.8660254, sine 0.5" in text
    assert "y = v × 0.8660254 − u × 0.5 + 9.5" in text
    assert "agrees" in text
    rows = run(*words, "--format", "csv").out.splitlines()
    plan = roicrop.plan(TURNED, (23, 31), (2, 3), 1 / 8, operator="align-rotated")
    terms = list(plan.terms(0, 0, 1))
    y, x = (rows[0].split(",").index(name) for name in "yx")
    places = [[row.split(",")[n] for n in (y, x)] for row in rows[1:]]
    assert places == [[repr(float(term.y)), repr(float(term.x))] for term in terms]
    record = json.loads(run(*words, "--format", "json").out)
    assert record["turn"]["angle"] == 30
    assert record["agrees"] is True


def test_explain_adds_up_what_each_position_sensitive_bin_reads() -> None:
    for op, words in (("align", ["--channel", "1"]), ("pool", ["--convention", "openvino"])):
        flags = ["--op", op, "--position-sensitive", "--output-size", "3", "--box", "1", *words]
        result = run("explain", "big.h5", "along.csv", *flags)
        assert result.status == 0
        assert "All 9 values agree" in result.out
    assert "has channels 0 to 1" in failed(
        "explain", "big.h5", "along.csv", *flags, "--channel", "2"
    )


def test_compare_says_which_way_boxes_are_turned() -> None:
    words = "compare", "big.h5", "turned.csv", "--output-size", "3"
    result = run(*words, "--with", "detectron2", "--with", "detectron2:clockwise=true")
    assert result.status == 3
    assert "turn  clockwise False → True" in result.out
    assert "30° counter-clockwise, detectron2:clockwise=true by 30° clockwise" in result.out
    # Angles are converted to the unit that a convention takes, and these are degrees.
    result = run(*words, "--with", "openvino", "--with", "mmcv", "--convention", "detectron2")
    assert result.status == 0
    answer = roicrop.compare(
        "big.h5", TURNED, ["detectron2", "mxnet"], 3, box_format="cxcywha", stride=8
    )
    assert not answer.ok


def test_a_models_node_is_a_convention() -> None:
    folder = Path(__file__).parents[1] / "models"
    crop = pooled("big.h5", "turned.csv", "--convention", str(folder / "rotated.xml"))
    expected = roicrop.roi_align_rotated(
        MAP, TURNED, 3, 1 / 8, 2, clockwise=True, convention="openvino"
    )
    assert np.array_equal(crop, expected)
    model = str(folder / "position-sensitive.xml")
    crop = pooled("pool", "big.h5", "along.csv", "--convention", model)
    assert np.array_equal(crop, roicrop.ps_roi_pool(MAP, ALONG, 3, 1 / 8, convention="openvino"))
    assert "use `roicrop pool --position-sensitive`" in failed(
        "align", "big.h5", "along.csv", "-o", "bad.h5", "--convention", model
    )


def test_rotated_boxes_are_pooled_from_their_level_of_a_pyramid() -> None:
    with h5py.File("pyramid.h5", "w") as file:
        for name, stride in (("p2", 4), ("p3", 8)):
            file[name] = MAP[..., : 128 // stride, : 160 // stride]
            file[name].attrs["stride"] = stride
    boxes = "--levels", "p2,p3", "--canonical-size", "60", "--canonical-level", "3"
    crop = pooled("pyramid.h5", "turned.csv", *boxes, "--output-size", "2")
    with h5py.File("out.h5") as out, h5py.File("pyramid.h5") as maps:
        for k, level in enumerate(out["level"]):
            features, scale = maps[f"p{2 + level}"][:], 1 / (4 << int(level))
            expected = roicrop.roi_align_rotated(features, TURNED[k : k + 1], 2, scale)
            assert np.array_equal(crop[k], expected[0])
        assert set(out["level"]) == {0, 1}


def test_compare_takes_position_sensitive_conventions() -> None:
    flags = "--position-sensitive", "--output-size", "3"
    pairs = run("compare", "big.h5", "along.csv", "--with", "r-fcn", "--with", "openvino", *flags)
    assert (pairs.status, "agree" in pairs.out) == (0, True)
    assert run("compare", "big.h5", "along.csv", "--with", "mxnet", *flags).status == 3
