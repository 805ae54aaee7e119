"""How a tensor that no convention made differs from the nearest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roicrop.conventions import PLAIN, Convention, lookup
from tests.command_line import run
from tests.identification.tensors import (
    BASE,
    BOXES,
    IMAGES,
    MAPS,
    RANDOM,
    STRIDE,
    Array,
    crop,
    identified,
    write,
)


def shifted(by: Any, row: Convention = BASE) -> Array:
    return crop(row, BOXES + np.asarray(by) * STRIDE)


@pytest.mark.parametrize(
    ("by", "name"),
    [
        ((0.5, 0.5, 0.5, 0.5), "mask-rcnn"),
        ((0.375, -0.25, 0.375, -0.25), "torchvision-aligned"),
        ((0.0, 0.0, -0.125, -0.125), "torchvision-aligned"),
        ((0.5, 0.5, 0.5, 0.5), "fast-rcnn"),
    ],
)
def test_a_shift_is_named_by_its_size(place: Path, by: Any, name: str) -> None:
    verdict = identified(place, shifted(by, PLAIN[name]))
    nearest, residual = verdict.nearest, verdict.residual
    assert nearest is not None
    assert residual is not None
    assert not verdict.fits
    assert name in nearest.hypothesis.rules.names
    assert residual.kind == "shift"
    assert residual.details["cells"] == dict(zip(("x1", "y1", "x2", "y2"), by, strict=True))
    assert residual.agreeing == len(BOXES)


def test_a_shift_is_reported_in_cells_and_pixels(place: Path) -> None:
    np.save(place / "crops.npy", shifted((0.5, -0.5, 0.5, -0.5)))
    result = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy")
    assert result.status == 3
    assert "nearest is mask-rcnn" in result.out
    assert "0.5 cells (4 pixels) further right and 0.5 cells (4 pixels) further up" in result.out


@pytest.mark.parametrize(("factor", "added"), [(0.37, 0.0), (1.0, 3.0), (255.0, -12.0)])
def test_a_constant_factor_is_found(place: Path, factor: float, added: float) -> None:
    verdict = identified(place, crop(BASE) * np.float32(factor) + np.float32(added))
    assert verdict.nearest is not None
    assert verdict.residual is not None
    assert verdict.nearest.row == BASE
    assert verdict.residual.kind == "factor"
    assert verdict.residual.details == pytest.approx({"factor": factor, "added": added}, abs=1e-3)


def test_boxes_that_do_not_agree_are_named_with_what_they_have_in_common(place: Path) -> None:
    pooled = crop(BASE)
    outside = (BOXES < 0).any(axis=1) | (BOXES > [208, 160, 208, 160]).any(axis=1)
    assert 0 < outside.sum() < len(BOXES) / 2
    pooled[outside] = 0
    residual = identified(place, pooled).residual
    assert residual is not None
    assert residual.kind == "some boxes"
    assert residual.details["boxes"] == np.flatnonzero(outside).tolist()
    assert f"boxes.csv line {np.flatnonzero(outside)[0] + 2}" in residual.text
    assert "all of them extend outside their map, and none of the others" in residual.text


@pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [1, 2, 0, 4, 3]], ids=str)
def test_channels_in_another_order_are_found(place: Path, order: list[int]) -> None:
    verdict = identified(place, crop(lookup("torchvision", "align"))[:, order])
    assert verdict.residual is not None
    assert verdict.residual.kind == "channels"
    assert verdict.residual.details["order"] == order
    assert verdict.residual.agreeing == len(BOXES)
    assert ("reversed" in verdict.residual.text) == (order[0] == 4)


def test_rounding_is_reported_by_what_was_rounded(place: Path) -> None:
    pooled = crop(BASE)
    halves = MAPS.astype(np.float16).astype(np.float32)
    brain = (pooled.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    for tensor, said in (
        (pooled.astype(np.float16).astype(np.float32), "the tensor holds only float16"),
        (crop(BASE, maps=halves), "the features were rounded to float16 first"),
        (brain, "the tensor holds only bfloat16 numbers"),
    ):
        residual = identified(place, tensor).residual
        assert residual is not None
        assert residual.kind == "rounding"
        assert said in residual.text


def test_a_tensor_that_is_a_multiple_says_of_what(place: Path) -> None:
    np.save(place / "crops.npy", crop(BASE) * np.float32(0.25))
    result = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy")
    assert result.status == 3
    assert "the tensor is 0.25 × the command's result" in result.out
    assert "--convention mask-rcnn" in result.out


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 3, 2, 1)], ids=str)
def test_rows_in_another_order_are_found(place: Path, axes: Any) -> None:
    order = RANDOM.permutation(len(BOXES))
    verdict = identified(place, crop(lookup("detectron2", "align"))[order].transpose(axes))
    assert verdict.nearest is not None
    assert verdict.residual is not None
    assert (verdict.residual.kind, verdict.residual.agreeing) == ("rows", len(BOXES))
    assert "detectron2" in verdict.nearest.hypothesis.rules.names
    assert verdict.residual.details["row_of_box"] == np.argsort(order).tolist()
    first = next(row for row, box in enumerate(order) if row != box)
    assert f"row {first} is box {order[first]}," in verdict.residual.text


def test_rows_that_were_sorted_by_score_are_said_to_be(place: Path) -> None:
    scores = RANDOM.random(len(BOXES))
    boxes = [
        {"image_id": int(i), "bbox": box.tolist(), "score": score}
        for i, box, score in zip(IMAGES, BOXES, scores.tolist(), strict=True)
    ]
    (place / "boxes.json").write_text(json.dumps(boxes))
    pooled = crop(BASE)[np.argsort(-scores)]
    asked: Any = {"boxes": str(place / "boxes.json"), "box_format": "xyxy", "ids_are_indices": True}
    residual = identified(place, pooled, **asked).residual
    assert residual is not None
    assert residual.text == "the rows are in another order: by descending score"


def test_corners_half_way_between_cells_are_what_such_boxes_have_in_common(place: Path) -> None:
    boxes = np.round(BOXES / STRIDE) * STRIDE
    boxes[::4, 0] += STRIDE / 2
    write(place, boxes=boxes)
    pool = PLAIN["fast-rcnn"]
    pooled = crop(pool, boxes)
    pooled[::4] = crop(pool, boxes - [STRIDE / 2, 0, 0, 0])[::4]
    residual = identified(place, pooled).residual
    assert residual is not None
    assert "all of them have a corner halfway between cells" in residual.text


def test_roipool_that_differs_only_for_corners_at_half_a_cell_is_found_and_said(
    place: Path,
) -> None:
    boxes = np.round(BOXES / STRIDE * 2) / 2 * STRIDE
    write(place, boxes=boxes)
    np.save(place / "crops.npy", crop(PLAIN["fast-rcnn-half-even"], boxes))
    said = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy")
    assert "crops.npy is fast-rcnn-half-even\n" in said.out
    assert "only for corners at .5" in said.out
    write(place, boxes=np.round(boxes / STRIDE) * STRIDE)
    np.save(place / "crops.npy", crop(PLAIN["fast-rcnn"], np.round(boxes / STRIDE) * STRIDE))
    said = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy")
    assert "crops.npy is fast-rcnn\n" in said.out
    assert "no box has a corner halfway between cells" in said.out


def test_noise_has_no_pattern_and_another_tensor_no_likeness(place: Path) -> None:
    noise = RANDOM.standard_normal((24, 5, 3, 3)).astype(np.float32)
    verdict = identified(place, crop(BASE) + noise / 50)
    assert verdict.nearest is not None
    assert verdict.residual is not None
    assert (verdict.nearest.row, verdict.residual.kind) == (BASE, "noise")
    unlike = identified(place, noise).residual
    assert unlike is not None
    assert unlike.kind == "unlike"
    assert "It may come from other features" in unlike.text


@pytest.mark.parametrize(
    ("maps", "change", "fits"),
    [
        (np.where(MAPS > 1, np.nan, MAPS), lambda pooled: pooled, True),
        (MAPS * np.float32(1e37), lambda pooled: pooled, True),
        (MAPS * np.float32(1e-37), lambda pooled: pooled, True),
        (MAPS, lambda pooled: np.copysign(np.inf, pooled), False),
        (MAPS, lambda pooled: pooled.astype(np.float64) * 1e200, False),
        (MAPS, lambda pooled: (pooled * 100).astype(np.int32), False),
    ],
    ids=["NaN", "huge", "tiny", "infinite tensor", "factor beyond float32", "integers"],
)
def test_no_numbers_are_too_strange(place: Path, maps: Array, change: Any, fits: bool) -> None:
    write(place, maps)
    verdict = identified(place, change(crop(BASE, maps=maps)))
    assert bool(verdict.fits) == fits
    assert not fits or verdict.fits[0].row == BASE
