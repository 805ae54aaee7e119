"""Rotated and position-sensitive operators against what programs gave; see tests/golden/make.py."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roicrop import operators
from roicrop.conventions import CONVENTIONS, resolve
from roicrop.errors import BoxError
from tests.conventions.rotated import detectron2, mmcv
from tests.golden import operators as golden

pytestmark = pytest.mark.core


@functools.cache
def recorded(peer: str) -> tuple[Any, dict[str, np.ndarray]]:
    with np.load(Path(golden.__file__).with_name(f"{peer}_operators.npz")) as file:
        return json.loads(str(file["about"])), {name: file[name] for name in file.files}


def cases() -> Any:
    every = [(peer, case.name) for peer, (make, _) in golden.PEERS.items() for case in make()]
    return pytest.mark.parametrize(("peer", "name"), every)


@cases()
def test_roicrop_gives_what_the_program_gave(peer: str, name: str) -> None:
    about, arrays = recorded(peer)
    case: Any = golden.Case(**about["cases"][name])
    features, boxes = case.inputs()
    row = resolve(case.convention, case.operator, **case.options)
    pooled = operators.crop(features[None], boxes, case.output_size, case.spatial_scale, row)
    tolerance = 1e-5 * max(1.0, float(np.abs(features).max()))
    np.testing.assert_allclose(pooled, arrays[name], rtol=0, atol=tolerance)


@pytest.mark.parametrize("peer", golden.PEERS)
def test_a_verified_row_names_the_version_that_gave_its_golden_values(peer: str) -> None:
    about, _ = recorded(peer)
    (version,) = {v for name, v in about["versions"].items() if name != "torch"}
    case: Any
    for case in about["cases"].values():
        assert version in CONVENTIONS[case["operator"], case["convention"]].verified


def test_every_row_is_held_to_golden_values_or_to_its_source() -> None:
    held = {
        (case["operator"], case["convention"])
        for peer in golden.PEERS
        for case in recorded(peer)[0]["cases"].values()
    }
    derived: Any = {("align-rotated", "detectron2"), ("align-rotated", "mmcv")}
    rows = {key for key, row in CONVENTIONS.items() if row.operator not in ("align", "pool")}
    assert held | derived == rows
    assert all(CONVENTIONS[key].verified.startswith("derived from") for key in derived)


@pytest.mark.parametrize("ratio", [0, 1, 2, 3])
@pytest.mark.parametrize(("height", "width", "scale"), golden.SCALES)
def test_detectron2_is_what_its_source_computes(
    ratio: int, height: int, width: int, scale: float
) -> None:
    boxes = golden.BOXES["turned"] / np.array([scale] * 4 + [1])
    expected = detectron2(golden.NOISE[:2], boxes, (height, width), scale, ratio)
    pooled = operators.roi_align_rotated(
        golden.NOISE[None, :2], boxes.astype(np.float32), (height, width), scale, ratio
    )
    np.testing.assert_allclose(pooled, expected, rtol=0, atol=4e-5)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("clockwise", [True, False])
def test_mmcv_is_what_its_source_computes(aligned: bool, clockwise: bool) -> None:
    boxes = golden.BOXES["turned"] * np.array([4, 4, 4, 4, np.pi / 180])
    expected = mmcv(golden.NOISE[:2], boxes, (3, 5), 0.25, 2, aligned, clockwise)
    pooled = operators.roi_align_rotated(
        golden.NOISE[None, :2], boxes.astype(np.float32), (3, 5), 0.25, 2, aligned, clockwise,
        convention="mmcv",
    )  # fmt: skip
    np.testing.assert_allclose(pooled, expected, rtol=0, atol=4e-5)


@pytest.mark.parametrize("convention", ["detectron2", "mmcv"])
def test_a_box_of_negative_size_is_refused_as_by_the_programs(convention: str) -> None:
    with pytest.raises(BoxError, match=r"box 1 .*is reversed"):
        operators.roi_align_rotated(
            golden.NOISE[None], [[5, 5, 4, 4, 0], [5, 5, -4, 4, 0.5]], 2, convention=convention
        )
    boxes = np.array([[5, 5, -4, 4, 0.5]], np.float32)
    if convention == "mmcv":  # not aligned, sizes are at least one cell
        expected = mmcv(golden.NOISE[:2], boxes, (2, 2), 1.0, 2, False, False)
        pooled = operators.roi_align_rotated(
            golden.NOISE[None, :2], boxes, 2, 1.0, 2, False, convention="mmcv"
        )
        np.testing.assert_allclose(pooled, expected, rtol=0, atol=4e-5)
