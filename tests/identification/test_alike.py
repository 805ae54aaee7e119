"""Everything that the data cannot distinguish is named, and never as another operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import roicrop
from roicrop.conventions import PLAIN, lookup, resolve
from roicrop.errors import ArgumentError
from roicrop.identification.hypotheses import all_rules
from tests.command_line import run
from tests.identification.tensors import BOXES, IMAGES, MAPS, STRIDE, crop, identified

TABLE = np.concatenate([IMAGES[:, None], BOXES], axis=1)


def test_conventions_that_differ_in_last_bits_are_all_named_the_best_known_first(
    place: Path,
) -> None:
    pooled = roicrop.roi_align(
        MAPS.astype(np.float64), TABLE, 3, 1 / STRIDE, convention="detectron2"
    )
    np.save(place / "crops.npy", pooled)
    said = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy")
    assert said.status == 0
    assert (
        "crops.npy is torchvision-aligned, detectron2, mmcv, onnx, openvino-half-pixel-for-nn or "
        "paddle, which these values cannot distinguish\n"
    ) in said.out
    assert "they differ in order of arithmetic (only the last bits differ)" in said.out


def test_what_gives_the_tensor_to_the_bit_is_named_alone_and_the_others_beside_it(
    place: Path,
) -> None:
    verdict = identified(place, crop(lookup("paddle", "align")))
    assert verdict.best is not None
    assert [trial.row.name for trial in verdict.best.trials] == ["paddle"]
    others = {name for o in verdict.others for t in o.trials for name in t.hypothesis.rules.names}
    assert {"detectron2", "onnx", "openvino-half-pixel-for-nn"} <= others


def test_no_option_makes_a_convention_another_operator() -> None:
    named = [(row, rules) for rules in all_rules() for row in rules.conventions]
    for name in ("prroi", "tensorflow"):
        own = PLAIN[name]
        assert {row.kind for row, _ in named if row.name == name} == {own.kind}
        for option in ({"sampling_ratio": 2}, {"aligned": True}, {"min_size": "none"}):
            with pytest.raises(ArgumentError, match="does not apply to the convention"):
                resolve(name, **option)


def test_boxes_that_stay_small_have_an_option_of_their_own(place: Path) -> None:
    row = resolve("mask-rcnn", min_size="none")
    assert row.min_size is None
    best = identified(place, crop(row)).fits[0]
    assert (best.row.name, best.row.min_size) == ("mask-rcnn", None)


@pytest.mark.parametrize("least", [-1, float("nan"), float("inf")])
def test_a_minimal_size_is_a_number_of_cells(least: float) -> None:
    with pytest.raises(ArgumentError, match="min_size"):
        resolve("mask-rcnn", min_size=least)
