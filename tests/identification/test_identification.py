"""Which convention made a tensor: the golden frameworks', and roicrop's own."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import roicrop
from roicrop.conventions import Convention, coarse, lookup, resolve
from roicrop.job import convention_options
from tests.command_line import run
from tests.golden.records import PEERS, Record, arrays, convention, golden
from tests.identification.tensors import (
    BASE,
    BOXES,
    MAPS,
    RANDOM,
    STRIDE,
    crop,
    identified,
    same,
    write,
)


def one_for_each_setting() -> list[Any]:
    """A golden case of each with ordinary boxes, where frameworks pick the sample count."""
    cases = {
        (case["convention"], repr(case["overrides"])): (peer, case)
        for peer in PEERS
        for case in golden(peer)[0]["cases"]
        if case["output_size"] == [3, 5] and case["outcome"] == "pooled"
        if case["spatial_scale"] != 1.0 or case["convention"] == "tensorflow"
        if case["overrides"].get("sampling_ratio", 0) == 0 or case["convention"] == "mask-rcnn"
    }
    return [pytest.param(*each, id=f"{each[0]}: {each[1]['name']}") for each in cases.values()]


@pytest.mark.parametrize(("peer", "case"), one_for_each_setting())
def test_a_frameworks_tensor_is_identified_as_its_own(
    tmp_path: Path, peer: str, case: Record
) -> None:
    features, boxes, pooled = arrays(peer, case)
    write(tmp_path, features, spatial_scale=case["spatial_scale"])
    (tmp_path / "boxes.json").write_text(json.dumps(boxes.tolist()))
    verdict = identified(tmp_path, pooled, boxes=str(tmp_path / "boxes.json"))
    row = convention(case)
    found = [trial for trial in verdict.fits if same(trial.row, row)]
    assert found[0].agreeing == len(boxes)
    # Before it there is at most what differs from it in last bits, and in bins that are not there.
    best = verdict.fits[0]
    assert repr(coarse(best.row)) == repr(coarse(row))
    assert best.hypothesis.reading.normalized == row.normalized
    assert best.hypothesis.reading.box_format == row.order


def test_the_command_names_the_convention_and_leaves_with_0(place: Path) -> None:
    np.save(place / "crops.npy", crop(lookup("openvino-half-pixel", "align")))
    result = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy")
    assert (result.status, result.err) == (0, "")
    assert "crops.npy is openvino-half-pixel\n" in result.out
    assert "24 of 24 boxes on all 5 channels" in result.out


@pytest.mark.parametrize(
    "row",
    [
        resolve("mmcv", mode="max", sampling_ratio=3),
        resolve("detectron2", sampling_ratio="exact"),
        resolve("openvino-half-pixel", aligned=False),
        resolve("openvino-half-pixel", aligned=False, min_size="none"),
        resolve("mask-rcnn", min_size="none", sampling_ratio="adaptive"),
        resolve("openvino", aligned=True, mode="max"),
        resolve("tensorflow", interpolation="nearest", extrapolation_value=-3.1),
    ],
    ids=str,
)
def test_the_command_that_it_gives_makes_the_tensor_again(place: Path, row: Convention) -> None:
    height, width = MAPS.shape[2:]
    fractions = BOXES[:, [1, 0, 3, 2]] / (np.array([height, width] * 2) * STRIDE)
    pooled = crop(row, fractions if row.normalized else BOXES)
    np.save(place / "crops.npy", pooled)
    said = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy", "--json")
    words = shlex.split(said.json["answers"][0]["command"])
    words[words.index("OUT.h5")] = str(place / "again.h5")
    assert run(*words[1:]).status == 0
    with h5py.File(place / "again.h5") as file:
        assert np.allclose(file["pooled"], pooled, rtol=0, atol=1e-5)


def test_every_name_that_it_gives_is_right_with_the_options_beside_it(place: Path) -> None:
    pooled = crop(resolve("torchvision-aligned", sampling_ratio=2))
    best = identified(place, pooled).fits[0]
    said = convention_options(best.row)
    assert said == {"--sampling-ratio": "2"}
    assert "detectron2" in best.hypothesis.rules.names
    for name in best.hypothesis.rules.names:
        assert same(resolve(name, sampling_ratio=2), best.row)


def test_a_shift_before_scaling_is_reported_beside_that_after_it(place: Path) -> None:
    np.save(place / "crops.npy", crop(lookup("openvino-half-pixel", "align")))
    said = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy").out
    assert "corners moved +0.5 pixels before scaling and −0.5 cells after it" in said


def test_json_is_all_of_the_answer(place: Path) -> None:
    np.save(place / "crops.npy", crop(lookup("detectron2", "align")))
    said = run(
        "identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy", "--json"
    ).json
    best = said["answers"][0]
    assert said["fits"] is True
    assert said["residual"] is said["nearest"] is None
    assert "detectron2" in [best["convention"], *best["also_called"]]
    assert (best["sampling_ratio"], best["mode"], best["aligned"]) == ("adaptive", "avg", True)
    assert (best["layout"], best["output_size"]) == ("(K, C, PH, PW)", [3, 3])
    assert (best["spatial_scale"], best["scale_is_given"]) == (1 / STRIDE, True)
    assert best["agreeing"] == said["boxes"]["compared"] == len(BOXES)
    assert "only the last bits differ" in said["answers"][1]["differs"].values()


def test_quiet_keeps_the_answer(place: Path) -> None:
    np.save(place / "crops.npy", RANDOM.standard_normal((24, 5, 3, 3)))
    result = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy", "--quiet")
    assert (result.status, result.err) == (3, "")
    assert "matches no convention" in result.out


@pytest.mark.parametrize(
    ("axes", "last"),
    [((0, 2, 3, 1), False), ((0, 1, 3, 2), False), ((0, 1, 2, 3), True), ((0, 3, 2, 1), True)],
    ids=str,
)
def test_every_order_of_axes_is_found(tmp_path: Path, axes: Any, last: bool) -> None:
    maps = MAPS.transpose(0, 2, 3, 1) if last else MAPS
    write(tmp_path, maps, stride=STRIDE, layout="NHWC" if last else "NCHW")
    pooled = crop(lookup("torchvision", "align"), size=(3, 4)).transpose(axes)
    best = identified(tmp_path, pooled).fits[0]
    names = np.array(["K", "C", "PH", "PW"])[list(axes)]
    assert str(best.hypothesis.layout) == f"({', '.join(names)})"
    assert "torchvision" in best.hypothesis.rules.names


def test_a_group_of_images_of_several_sizes_and_strides(tmp_path: Path) -> None:
    write(tmp_path)
    maps = {"a.jpg": MAPS[0], "b": MAPS[1][:, :15, :19]}
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        for stride, (name, features) in zip((8, 4), maps.items(), strict=True):
            file[name] = features
            file[name].attrs["stride"] = stride
    boxes = [{"image": name, "box": box.tolist()} for box in BOXES for name in maps]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    row = lookup("paddle", "align")
    pooled = np.empty((len(boxes), 5, 2, 2), np.float32)
    for n, (stride, features) in enumerate(zip((8, 4), maps.values(), strict=True)):
        pooled[n::2] = roicrop.roi_align(
            features, [BOXES], 2, 1 / stride, convention=row, layout="CHW"
        )
    verdict = identified(tmp_path, pooled, boxes=str(tmp_path / "boxes.json"))
    assert any(same(trial.row, row) for trial in verdict.fits)
    assert verdict.fits[0].hypothesis.scale is None


def test_fractions_of_a_given_image_size(place: Path) -> None:
    write(place, boxes=BOXES / [208, 160, 208, 160])
    verdict = identified(place, crop(BASE), image_size=(160, 208))
    best = verdict.fits[0].hypothesis
    assert (best.rules.convention.name, str(best.reading)) == (
        "mask-rcnn",
        "xyxy as fractions of the image",
    )


def test_a_float16_tensor_is_allowed_its_rounding_and_no_more(place: Path) -> None:
    pooled = crop(BASE)
    assert identified(place, pooled.astype(np.float16)).fits[0].row == BASE
    assert not identified(place, (pooled * 1.003).astype(np.float16)).fits
    assert not identified(place, pooled.astype(np.float16).astype(np.float32)).fits


def test_a_value_outside_the_map_is_read_off_the_tensor(place: Path) -> None:
    row = dataclasses.replace(lookup("tensorflow", "align"), void=-7.0)
    boxes = (BOXES / [208, 160, 208, 160])[:, [1, 0, 3, 2]]
    best = identified(place, crop(row, boxes, stride=1)).fits[0]
    assert same(best.row, row)


def test_boxes_that_are_zeros_are_left_out(place: Path) -> None:
    boxes = BOXES.copy()
    boxes[5, 2] = np.nan
    write(place, boxes=boxes)
    pooled = crop(BASE)
    pooled[5] = 0
    best = identified(place, pooled, on_bad_box="zero").fits[0]
    assert (best.row, best.agreeing, best.compared) == (BASE, 23, 23)


# What the data cannot tell apart.


@pytest.mark.parametrize(
    ("sizes", "samples"), [((9, 23), "1 sample"), ((25, 47), "2 samples")], ids=str
)
def test_small_boxes_do_not_tell_a_ratio_from_the_adaptive_one(
    place: Path, sizes: tuple[int, int], samples: str
) -> None:
    corner = RANDOM.uniform(0, 100, (24, 2))
    boxes = np.concatenate([corner, corner + RANDOM.uniform(*sizes, (24, 2))], axis=1)
    write(place, boxes=boxes)
    verdict = identified(place, crop(lookup("detectron2", "align"), boxes))
    reasons = {
        other.trials[0].hypothesis.rules.names[0]: other.differs
        for other in verdict.others
        if set(other.differs) == {"sampling ratio"}
    }
    reason = f"the boxes are too small: adaptive takes {samples} per bin on each of them"
    assert [*reasons.values()] == [{"sampling ratio": reason}]


def test_large_boxes_on_the_map_do_not_tell_the_smallest_size(place: Path) -> None:
    corner = RANDOM.uniform(20, 40, (24, 2))
    boxes = np.concatenate([corner, corner + RANDOM.uniform(40, 80, (24, 2))], axis=1)
    write(place, boxes=boxes)
    verdict = identified(place, crop(resolve("prroi"), boxes))
    said = {aspect: why for other in verdict.others for aspect, why in other.differs.items()}
    assert said["smallest box"] == "no box is smaller than a cell"
    assert said["border"] == "no sample is off the map"


def test_a_constant_map_tells_nothing_and_the_answer_says_so(place: Path) -> None:
    write(place, np.ones_like(MAPS))
    boxes = np.clip(BOXES, 10, 150)
    write(place, np.ones_like(MAPS), boxes)
    verdict = identified(place, crop(BASE, boxes, maps=np.ones_like(MAPS)))
    assert not verdict.tells
    assert verdict.fits[0].row == BASE
    assert verdict.left_out > 0
