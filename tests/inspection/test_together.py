"""`inspect` says whether boxes and maps fit together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.files import hdf5
from roicrop.job import covers, stride_that_covers
from tests.command_line import MAPS, run, write_boxes, write_maps
from tests.inspection.looking import SAMPLE_DATA, coco, inspect, together

# Together


@pytest.mark.parametrize(
    "files",
    [
        ("features.h5", "boxes.csv"),
        ("features.h5", "boxes.json"),
        ("two_images.h5", "two_images.csv"),
        ("two_images.h5", "two_images.json"),
    ],
)
def test_the_sample_data_fit(files: tuple[str, str]) -> None:
    features, boxes = (SAMPLE_DATA / name for name in files)
    pair = together(features, boxes)
    assert pair["fits"]
    assert pair["on_map"] == pair["count"]
    assert pair["images_with_boxes"] == pair["images"]
    assert f"{features} with {boxes}: they fit" in inspect(features, boxes).out


@pytest.mark.parametrize("spec", ["many.h5", "many.h5::/maps"])
def test_a_file_is_walked_once_whatever_is_asked_about_it(
    monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    with h5py.File("many.h5", "w") as file:
        for n in range(5):
            file[f"maps/{n}"] = MAPS[0]
    write_boxes()
    walked, walk = list[str](), hdf5.walk

    def noted(group: h5py.Group, path: str, why_not: Any) -> Any:
        walked.append(path)
        return walk(group, path, why_not)

    monkeypatch.setattr(hdf5, "walk", noted)
    assert together(spec, "boxes.csv", "--stride", "8")["images"] == 5
    assert len(walked) == 1
    run("align", spec, "boxes.csv", "-o", "out.h5", "--stride", "8")
    assert len(walked) == 2


def test_the_stride_that_fits_is_named_as_the_other_commands_name_it() -> None:
    write_maps(stride=1)
    write_boxes()
    pair = together("maps.h5", "boxes.csv")
    assert not pair["fits"]
    assert pair["stride_that_fits"] == 8
    assert (pair["on_map"], pair["outside_partly"], pair["outside_wholly"]) == (0, 2, 1)
    (warning,) = pair["warnings"]
    assert warning in run("align", "maps.h5", "boxes.csv", "-o", "out.h5").err
    assert together("maps.h5", "boxes.csv", "--stride", "8")["fits"]


def test_one_box_outside_is_enough_to_name_a_stride() -> None:
    write_maps(stride=4)
    write_boxes(boxes=[(0, 0, 0, 40, 40), (0, 0, 0, 48, 40), (0, 50, 40, 90, 79)])
    text = inspect("maps.h5", "boxes.csv").out
    assert "2 of 3 boxes, 1 wholly outside; 1 by more than a cell: --stride 8 would" in text


def test_a_stride_by_which_all_boxes_crowd_in_a_corner_is_odd() -> None:
    write_maps(stride=64)
    write_boxes(boxes=[(0, x, y, x + 8, y + 8) for x in (0, 88) for y in (0, 72)])
    (odd,) = together("maps.h5", "boxes.csv")["warnings"]
    assert odd.startswith("every box lies in the first 12 % of its map")
    assert "--stride 8" in odd


def test_a_stride_that_the_size_of_the_image_contradicts_is_odd() -> None:
    write_maps(maps=MAPS[:1], stride=16)
    coco((0, 0, 96, 80))
    pair = together("maps.h5", "boxes.json")
    assert pair["warnings"] == [
        "boxes.json says that image 1 has 80×96 pixels, at stride 16 (attribute stride) 5×6 cells, "
        "but its map has 10×12: --stride 8 would fit, or --input-scale 2"
    ]
    assert not pair["fits"]
    assert together("maps.h5", "boxes.json", "--stride", "8")["fits"]


def test_images_that_do_not_exist_are_named() -> None:
    features = SAMPLE_DATA / "two_images.h5"
    Path("boxes.csv").write_text("image,x1,y1,x2,y2\nbadge,1,2,3,4\nnobody.png,1,2,3,4\n")
    pair = together(features, "boxes.csv")
    why = f"{features} has no dataset named 'nobody.png': badge, page"
    assert pair["missing"] == {"nobody.png": why}
    assert (pair["on_no_image"], pair["fits"]) == (1, False)
    assert "1 box on no image: 'nobody.png'" in inspect(features, "boxes.csv").out


def test_boxes_that_cannot_find_their_image_are_a_problem_and_no_failure() -> None:
    write_maps()
    Path("boxes.csv").write_text("x1,y1,x2,y2\n1,2,3,4\n")
    assert "names no images" in together("maps.h5", "boxes.csv")["problem"]


def test_a_box_format_by_which_boxes_would_lie_on_the_map_is_named() -> None:
    write_maps()
    Path("boxes.csv").write_text(
        "image_index,x,y,w,h\n0,60,50,90,70\n0,50,40,70,79\n1,70,30,95,60\n"
    )
    assert "--box-format xyxy" in together("maps.h5", "boxes.csv")["warnings"][0]
    assert together("maps.h5", "boxes.csv", "--box-format", "xyxy")["fits"]


def test_boxes_are_held_against_their_namesake_or_against_all() -> None:
    for name in ("a.h5", "b.h5"):
        write_maps(name)
    for name in ("a.csv", "c.csv"):
        write_boxes(name)
    pairs = inspect("a.h5", "b.h5", "a.csv", "c.csv", "--json").json["together"]
    assert [(pair["features"], pair["boxes"]) for pair in pairs] == [
        ("a.h5", "a.csv"),
        ("a.h5", "c.csv"),
        ("b.h5", "c.csv"),
    ]


def test_boxes_are_held_against_every_dataset_of_a_file() -> None:
    files = SAMPLE_DATA / "pyramid.h5", SAMPLE_DATA / "boxes.csv"
    pairs = inspect(*files, "--json").json["together"]
    assert [pair["features"].rpartition("/")[2] for pair in pairs] == ["stride16", "stride32"]
    assert all(pair["fits"] for pair in pairs)


@given(st.integers(0, 7), st.tuples(st.integers(20, 2000), st.integers(20, 2000)), st.booleans())
def test_the_stride_that_covers_is_one_by_which_the_map_was_made(
    power: int, pixels: tuple[int, int], up: bool
) -> None:
    height, width = (n / 2**power for n in pixels)
    cells = int(np.ceil(height) if up else height), int(np.ceil(width) if up else width)
    assert covers(2**power, pixels, cells)
    found = stride_that_covers(pixels, cells)
    assert found is not None
    assert found == 2**power or min(cells) < 4
