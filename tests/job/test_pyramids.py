"""Boxes of a job on a pyramid: on which maps, what is written, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import roicrop
from roicrop.conventions import resolve
from roicrop.errors import ArgumentError, BoxError, RoicropError
from roicrop.job import Request, crop, open_job
from tests.job.jobs import write_boxes

RANDOM = np.random.default_rng(13)
STRIDES = {"p2": 4, "p3": 8, "p4": 16, "p5": 32}
SCALES = [1 / stride for stride in STRIDES.values()]
HEIGHT, WIDTH = 608, 800
MAPS = {
    name: RANDOM.standard_normal((2, 3, HEIGHT // stride, WIDTH // stride), np.float32)
    for name, stride in STRIDES.items()
}
SIDES = np.exp(RANDOM.uniform(np.log(20), np.log(600), (40, 2)))
SIDES[-2:] = 600, 590
CORNERS = RANDOM.uniform(0, 1, SIDES.shape) * np.maximum([WIDTH, HEIGHT] - SIDES, 0)
BOXES = np.column_stack([np.arange(40) % 2, CORNERS, CORNERS + SIDES])


def write_pyramid(path: str, *, by_image: bool = False, **attributes: Any) -> None:
    with h5py.File(path, "w") as file:
        for name, values in MAPS.items():
            each = {f"image{i}/{name}": one for i, one in enumerate(values)}
            for place, value in (each if by_image else {name: values}).items():
                file[place] = value
                file[place].attrs.update(stride=STRIDES[name], **attributes)


def put_boxes(boxes: np.ndarray, *, named: bool = False) -> None:
    images = [f"image{i:.0f}" if named else int(i) for i in boxes[:, 0]]
    rows = [(i, *map(float, box)) for i, box in zip(images, boxes[:, 1:], strict=True)]
    write_boxes("boxes.csv", rows, "image" if named else "image_index")


def ask(**changes: Any) -> Request:
    settings = {"convention": resolve("torchvision"), "output_size": (2, 3), **changes}
    return Request(**{"features": "fpn.h5", "boxes": "boxes.csv", **settings})


def cropped(request: Request) -> dict[str, Any]:
    with open_job(request) as job:
        crop(job, "out.h5", overwrite=True)
    with h5py.File("out.h5") as file:
        columns = {name: np.asarray(file[name]) for name in file}
        names = list(file["level"].attrs["level_names"]) if "level" in file else None
        return {**columns, "level_names": names, "attributes": dict(file.attrs)}


def expected(boxes: np.ndarray, **options: Any) -> np.ndarray:
    options = {"convention": "torchvision", **options}
    return roicrop.multiscale_roi_align(list(MAPS.values()), boxes, (2, 3), SCALES, **options)


@pytest.mark.parametrize("by_image", [False, True], ids=["batches", "a group for each image"])
@pytest.mark.parametrize("name", ["torchvision", "detectron2", "openvino-extractor-aligned"])
def test_a_pyramid_is_cropped_in_the_order_of_the_boxes(
    work: Path, by_image: bool, name: str
) -> None:
    write_pyramid("fpn.h5", by_image=by_image)
    put_boxes(BOXES, named=by_image)
    row = resolve(name)
    result = cropped(ask(convention=row))
    np.testing.assert_array_equal(result["pooled"], expected(BOXES, convention=name))
    levels = roicrop.assign_levels(BOXES[:, 1:], SCALES, rule=row.level_rule)
    assert len(set(levels.tolist())) == 4
    np.testing.assert_array_equal(result["level"], levels)
    np.testing.assert_array_equal(result["image_index"], BOXES[:, 0])
    assert result["level_names"] == list(STRIDES)
    np.testing.assert_array_equal(result["spatial_scale"], np.array(SCALES)[levels])
    said = result["attributes"]
    assert said["level_rule"] == row.level_rule
    assert list(said["level_names"]) == list(STRIDES)
    assert said["strides"].tolist() == list(STRIDES.values())


def test_levels_of_single_images_that_are_named_may_be_some_of_them(work: Path) -> None:
    with h5py.File("fpn.h5", "w") as file:
        for name, values in MAPS.items():
            file[name] = values[0]
    boxes = BOXES[::2]
    put_boxes(boxes)
    names, strides = ("p3", "p4"), (8.0, 16.0)
    result = cropped(ask(levels=names, strides=strides))
    maps = [MAPS[name][:1] for name in names]
    pooled = roicrop.multiscale_roi_align(
        maps, boxes, (2, 3), [1 / 8, 1 / 16], convention="torchvision"
    )
    np.testing.assert_array_equal(result["pooled"], pooled)
    assert result["level_names"] == ["p3", "p4"]
    assert set(result["level"].tolist()) == {0, 1}


def test_a_rule_and_its_constants_may_be_asked_for(work: Path) -> None:
    write_pyramid("fpn.h5")
    put_boxes(BOXES)
    asked = {"canonical_size": 100.0, "canonical_level": 5.0}
    row = resolve("torchvision", level_rule="matterport")
    result = cropped(ask(convention=row, **asked))
    np.testing.assert_array_equal(
        result["pooled"], expected(BOXES, level_rule="matterport", **asked)
    )
    assert result["attributes"]["level_rule"] == "matterport"
    assert result["attributes"]["canonical_size"] == 100


def test_the_input_scale_applies_before_the_level_is_chosen(work: Path) -> None:
    write_pyramid("fpn.h5")
    original = np.column_stack([BOXES[:, 0], BOXES[:, 1:] * [2, 4, 2, 4]])
    put_boxes(original)
    result = cropped(ask(input_scale=(0.25, 0.5)))
    np.testing.assert_allclose(result["pooled"], expected(BOXES), atol=1e-5)
    np.testing.assert_array_equal(result["boxes"], original[:, 1:])
    levels = roicrop.assign_levels(BOXES[:, 1:], SCALES)
    np.testing.assert_array_equal(result["level"], levels)


def test_fractions_are_of_the_finest_maps_image(work: Path) -> None:
    write_pyramid("fpn.h5")
    fractions = BOXES.copy()
    fractions[:, 1:] /= [WIDTH, HEIGHT, WIDTH, HEIGHT]
    put_boxes(fractions)
    result = cropped(ask(normalized=True))
    np.testing.assert_allclose(result["boxes"], BOXES[:, 1:], atol=1e-9)
    np.testing.assert_allclose(result["pooled"], expected(BOXES), atol=1e-4)


def test_a_box_that_the_rule_takes_from_no_level_is_zeros(work: Path) -> None:
    write_pyramid("fpn.h5")
    boxes = BOXES[:3].copy()
    boxes[1, 3] = boxes[1, 1]
    put_boxes(boxes)
    row = resolve("openvino-extractor")
    with open_job(ask(convention=row)) as job:
        assert job.on_no_level == 1
        assert sum(job.on_levels.values()) == 2
        assert job.bad == 0
    result = cropped(ask(convention=row))
    assert result["level"][1] == -1
    assert not result["pooled"][1].any()
    assert result["pooled"][[0, 2]].any(axis=(1, 2, 3)).all()


def test_boxes_that_name_the_datasets_are_on_images_and_not_on_levels(work: Path) -> None:
    with h5py.File("fpn.h5", "w") as file:
        for name, values in MAPS.items():
            file[name] = values[0]
            file[name].attrs["stride"] = STRIDES[name]
    write_boxes("boxes.csv", [(name, 8, 8, 64, 64) for name in ("p4", "p2")], "image")
    result = cropped(ask())
    assert "level" not in result
    for k, name in enumerate(("p4", "p2")):
        alone = roicrop.roi_align(
            MAPS[name][:1], [[8, 8, 64, 64]], (2, 3), 1 / STRIDES[name], convention="torchvision"
        )
        np.testing.assert_array_equal(result["pooled"][k], alone[0])
    with pytest.raises(BoxError, match=r"image is 'p4', but fpn\.h5 holds one image"):
        cropped(ask(levels=tuple(STRIDES)))


def test_a_negative_area_is_refused_by_the_rule_that_does_and_its_box_named(work: Path) -> None:
    write_pyramid("fpn.h5")
    boxes = BOXES[:3].copy()
    boxes[2, 1:] = 100, 100, 50, 200
    put_boxes(boxes)
    row = resolve("torchvision", level_rule="detectron")
    with pytest.raises(BoxError, match=r"boxes.csv line 4 has a negative area"):
        cropped(ask(convention=row, on_bad_box="keep"))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"canonical_size": 9.0}, "--canonical-size is for a pyramid, and fpn.h5::/p2 is not one"),
        ({"canonical_level": 9.0}, "--canonical-level is for a pyramid"),
        ({"convention": resolve("mask-rcnn", level_rule="mmdet")}, "--level-rule is for a pyramid"),
    ],
)
def test_what_is_for_pyramids_is_refused_elsewhere(
    work: Path, changes: dict[str, Any], complaint: str
) -> None:
    write_pyramid("fpn.h5")
    put_boxes(BOXES)
    with pytest.raises(RoicropError, match=f"^{complaint}") as error:
        cropped(ask(features="fpn.h5::/p2", **changes))
    assert isinstance(error.value, ArgumentError)


def test_strides_that_do_not_double_are_refused_unless_the_rule_counts_from_the_finest(
    work: Path,
) -> None:
    write_pyramid("fpn.h5")
    put_boxes(BOXES)
    asked: dict[str, Any] = {"levels": ("p2", "p4")}
    with pytest.raises(ArgumentError, match="strides are 4, 16: the level rule torchvision"):
        cropped(ask(**asked))
    result = cropped(ask(convention=resolve("torchvision", level_rule="mmdet"), **asked))
    assert set(result["level"].tolist()) == {0, 1}


@pytest.mark.parametrize(
    "words",
    [("p5", "p2", "p3"), ("5", "2", "3"), ("3", "0", "1")],
    ids=["names", "numbers in names", "indices"],
)
def test_boxes_may_bring_their_levels(work: Path, words: tuple[str, ...]) -> None:
    write_pyramid("fpn.h5")
    rows = [(*box.tolist(), word) for box, word in zip(BOXES[:3], words, strict=True)]
    lines = ["image_index,x1,y1,x2,y2,stage", *(",".join(map(str, row)) for row in rows)]
    Path("boxes.csv").write_text("\n".join(lines) + "\n")
    result = cropped(ask(level_column="stage"))
    np.testing.assert_array_equal(result["level"], [3, 0, 1])
    np.testing.assert_array_equal(result["pooled"], expected(BOXES[:3], levels=[3, 0, 1]))
    assert "level_rule" not in result["attributes"]
    assert result["attributes"]["level_column"] == "stage"
    with pytest.raises(ArgumentError, match="--canonical-size says how to choose"):
        cropped(ask(level_column="stage", canonical_size=9.0))
    with pytest.raises(ArgumentError, match="--level-column is for a pyramid"):
        cropped(ask(features="fpn.h5::/p2", level_column="stage"))


def test_a_level_that_there_is_not_is_refused_and_its_row_named(work: Path) -> None:
    write_pyramid("fpn.h5")
    Path("boxes.csv").write_text("image_index,x1,y1,x2,y2,stage\n0,1,1,9,9,p2\n0,1,1,9,9,p6\n")
    with pytest.raises(BoxError, match=r"^boxes.csv line 3: level is 'p6': give a name of p2, p3"):
        cropped(ask(level_column="stage"))


def test_a_box_is_called_by_the_dataset_and_the_level_that_it_is_on(work: Path) -> None:
    write_pyramid("fpn.h5")
    put_boxes(BOXES[-2:])
    with open_job(ask()) as job:
        (one, _) = job.by_map()
        subject = one.subject(int(one.rows[0]))
    assert subject.file == "fpn.h5::/p5"
    assert subject.level == "level p5 of p2, p3, p4, p5, by the rule of torchvision"


def test_a_single_level_goes_by_the_rule_too(work: Path) -> None:
    write_pyramid("fpn.h5")
    boxes = BOXES[:2].copy()
    boxes[1, 3] = boxes[1, 1]
    put_boxes(boxes)
    for name, levels in (("torchvision", [0, 0]), ("openvino-extractor", [0, -1])):
        result = cropped(ask(levels=("p3",), convention=resolve(name)))
        assert result["level"].tolist() == levels
        assert result["level_names"] == ["p3"]
        assert result["pooled"].any(axis=(1, 2, 3)).tolist() == [level == 0 for level in levels]
