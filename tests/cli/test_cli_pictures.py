"""`roicrop show` and `--viz` draw the boxes requested, in the place requested."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import roicrop
from roicrop.errors import OutputError
from tests.command_line import MAPS, STRIDE, run, write_boxes, write_maps

pytestmark = pytest.mark.usefixtures("work")


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_viz_draws_every_box_beside_the_output() -> None:
    said = run("align", "maps.h5", "boxes.csv", "-o", "out.h5", "--viz", "new/viz", "--json").json
    assert names("new/viz") == [f"align-box-{k}.png" for k in range(3)]
    assert said["pictures"] == [f"new/viz/align-box-{k}.png" for k in range(3)]
    with Image.open("new/viz/align-box-0.png") as picture:
        assert picture.width <= 1600


def test_viz_boxes_are_numbers_in_the_file_whatever_is_chosen() -> None:
    write_boxes(boxes=[(0, 1, 1, 9, 9, 0.1), (0, 5, 5, 40, 40, 0.9)], more=",score")
    crop = ["pool", "maps.h5", "boxes.csv", "-o", "out.h5", "--min-score", "0.5", "--viz", "viz"]
    assert run(*crop, "--viz-boxes", "1", "--points").status == 0
    assert names("viz") == ["pool-box-1.csv", "pool-box-1.png"]
    refused = run(*crop, "--overwrite", "--viz-boxes", "0")
    assert refused.status == 1
    assert "box 0 is not among the 1 taken from boxes.csv: choose another" in refused.error


def test_show_draws_both_operators_into_one_picture_with_their_points() -> None:
    shown = ["show", "maps.h5", "boxes.csv", "--box", "2", "--both", "--points"]
    result = run(*shown, "-o", "box.png", "--json")
    assert result.json["convention"]["beside"] == "fast-rcnn"
    assert result.json["points"] == ["box-align.csv", "box-pool.csv"]
    assert "mask-rcnn; fast-rcnn beside it" in result.err
    assert not Path("out.h5").exists()
    with Path("box-align.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 7 * 7 * 4

    assert run(*shown, "-o", "box.png", "--channel", "3").status == 0


@pytest.mark.parametrize("foreign", ["align-box-2.png", "align-box-2.csv"])
def test_show_replaces_what_it_drew_and_no_other_file(foreign: str) -> None:
    shown = ["show", "maps.h5", "boxes.csv", "--box", "2", "--points"]
    first = run(*shown)
    assert first.err.endswith("pictures    align-box-2.png\n")
    with Image.open("align-box-2.png") as picture:
        assert picture.info["Software"] == f"roicrop {roicrop.__version__}"
    assert run(*shown).status == 0
    if foreign.endswith(".png"):
        Image.new("RGB", (2, 2)).save(foreign)
    else:
        Path(foreign).write_text("x,y\n1,2\n")
    before = Path(foreign).read_bytes()
    assert f"{foreign} exists" in run(*shown).error
    assert Path(foreign).read_bytes() == before
    assert run(*shown, "--overwrite").status == 0
    assert Path(foreign).read_bytes() != before


def test_a_crop_replaces_no_picture_unasked_not_even_its_own() -> None:
    crop = ["align", "maps.h5", "boxes.csv", "--viz", "viz"]
    assert run(*crop, "-o", "one.h5").status == 0
    assert "viz/align-box-0.png exists" in run(*crop, "-o", "two.h5").error


def test_points_do_not_replace_the_file_of_boxes() -> None:
    before = Path("boxes.csv").read_bytes()
    shown = ["show", "maps.h5", "boxes.csv", "--box", "0", "--points", "-o", "boxes.png"]
    assert "boxes.csv is an input of this run" in run(*shown, "--overwrite").error
    assert Path("boxes.csv").read_bytes() == before
    assert not Path("boxes.png").exists()


def test_show_draws_channels_last_maps() -> None:
    write_maps(maps=MAPS.transpose(0, 2, 3, 1), stride=STRIDE, layout="NHWC")
    assert run("show", "maps.h5", "boxes.csv", "-o", "viz", "--box", "0-1").status == 0
    assert names("viz") == ["align-box-0.png", "align-box-1.png"]


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["-o", "one.png"], 2, "3 boxes to draw"),
        (["-o", "viz", "--box", "3"], 1, "no box 3: boxes.csv has 3 boxes, numbered 0 to 2"),
        (["-o", "viz", "--box", "1-99999999999"], 1, "no box 3: "),
        (["-o", "viz", "--channel", "4"], 2, "channels 0 to 3"),
        (["-o", "maps.h5/viz"], 1, "maps.h5/viz cannot be made"),
    ],
)
def test_pictures_that_cannot_be_drawn_are_refused(
    options: list[str], status: int, words: str
) -> None:
    result = run("show", "maps.h5", "boxes.csv", *options)
    assert result.status == status
    assert words in result.error


def test_pictures_are_refused_before_the_work() -> None:
    Path("viz").write_text("a file")
    crop = ["align", "maps.h5", "boxes.csv", "-o", "out.h5"]
    assert run(*crop, "--viz", "viz").status == 2
    assert run(*crop, "--viz", "maps.h5/viz").status == 1
    assert not Path("out.h5").exists()


def test_if_a_picture_fails_there_is_no_tensor_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OutputError("viz: the disk is full: make room")

    monkeypatch.setattr("roicrop.draw.save", full)
    result = run("align", "maps.h5", "boxes.csv", "-o", "out.h5", "--viz", "viz")
    assert result.status == 1
    assert names(".") == ["boxes.csv", "maps.h5"]


def test_a_bad_box_is_not_drawn() -> None:
    write_boxes(boxes=[(0, 9, 1, 5, 8), (0, 1, 1, 30, 30)])
    shown = ["show", "maps.h5", "boxes.csv", "-o", "viz", "--on-bad-box", "zero"]
    assert "boxes.csv line 2 is bad" in run(*shown, "--box", "0").error
    assert run(*shown).status == 0
    assert names("viz") == ["align-box-1.png"]


def test_a_picture_is_a_png_or_goes_into_a_directory() -> None:
    result = run("show", "maps.h5", "boxes.csv", "-o", "box.jpg", "--box", "0")
    assert result.status == 2
    assert "box.jpg: pictures are PNG" in result.error
    assert not Path("box.jpg").exists()


@pytest.mark.parametrize("command", ["align", "show", "compare"])
def test_no_empty_directory_is_left_where_nothing_is_drawn(command: str) -> None:
    where = {"show": ["-o", "pictures"], "align": ["-o", "out.h5", "--viz", "pictures"]}
    where = {k: [v.replace("pictures", "pictures/of/boxes") for v in vs] for k, vs in where.items()}
    more = where.get(command, ["--viz", "pictures", "--with", "onnx"])
    result = run(command, "maps.h5", "boxes.csv", *more, "--channel", "99")
    assert result.status == 2
    assert not Path("pictures").exists()


def test_a_failed_run_removes_the_pictures_it_drew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from roicrop import draw

    save, left = draw.save, 2

    def save_two(*arguments: Any, **options: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OutputError("viz: the disk is full: make room")
        save(*arguments, **options)

    Path("viz").mkdir()
    Path("viz", "align-box-0.png").write_text("older")
    monkeypatch.setattr("roicrop.draw.save", save_two)
    crop = ["align", "maps.h5", "boxes.csv", "-o", "out.h5", "--viz", "viz", "--overwrite"]
    assert run(*crop).status == 1
    assert names("viz") == ["align-box-0.png"]
    assert not Path("out.h5").exists()


def test_a_picture_that_another_run_made_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(_: object, path: Path, **options: Any) -> None:
        path.write_text("theirs")
        raise OutputError(f"{path} exists")

    monkeypatch.setattr("roicrop.draw.save", overtaken)
    Path("viz").mkdir()
    assert run("align", "maps.h5", "boxes.csv", "-o", "out.h5", "--viz", "viz").status == 1
    assert [path.read_text() for path in Path("viz").iterdir()] == ["theirs"]
