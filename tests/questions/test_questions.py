"""`show`, `explain`, `compare` and `identify` in Python answer like the commands, on arrays too."""

from __future__ import annotations

import csv
import inspect
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import roicrop
from roicrop.errors import ArgumentError, BoxError
from roicrop.questions import RoicropWarning
from tests.command_line import BOXES, MAPS, STRIDE, run

pytestmark = pytest.mark.usefixtures("work")

FILES = "maps.h5", "boxes.csv"
TABLE = np.array(BOXES, np.float64)
ARRAYS = MAPS, TABLE
SCALE = 1 / STRIDE
QUESTIONS = ("show", "explore", "explain", "compare", "identify")


# Of files they are the commands


def test_show_is_the_picture_that_the_command_writes() -> None:
    assert run("show", *FILES, "--box", "2", "--both", "-o", "box.png").status == 0
    with Image.open("box.png") as written:
        drawn = roicrop.show(*FILES, 2, both=True)
        assert written.convert("RGB").tobytes() == drawn.convert("RGB").tobytes()


def test_a_bin_is_any_two_whole_numbers() -> None:
    def answers(pair: Any) -> tuple[bytes, str, str]:
        asked: Any = {"spatial_scale": SCALE, "bin": pair}
        picture, text = roicrop.show(*ARRAYS, 1, **asked), roicrop.explain(*ARRAYS, 1, **asked)
        return picture.tobytes(), str(text), roicrop.explore(*ARRAYS, **asked)._repr_html_()

    assert answers([1, 2]) == answers((1, 2)) == answers(np.array([1, 2]))


@pytest.mark.parametrize("figure", ["overview", "sheet", "coverage"])
def test_show_draws_all_boxes_on_the_image_of_a_box(figure: Any) -> None:
    run("show", *FILES, "--box", "0,2", "--figure", figure, "-o", "all.png")
    with Image.open("all.png") as written:
        drawn = roicrop.show(*FILES, 2, figure=figure)
        assert written.convert("RGB").tobytes() == drawn.convert("RGB").tobytes()


def test_explore_is_the_page_that_the_command_writes(tmp_path: Path) -> None:
    assert run("show", *FILES, "-o", "page.html").status == 0
    page = roicrop.explore(*FILES)
    assert page.html == Path("page.html").read_text("utf-8")
    assert "<iframe" in page._repr_html_()
    page = roicrop.explore(*ARRAYS, spatial_scale=SCALE, both=True)
    page.save(tmp_path / "arrays.html")
    assert page.boxes == 3


def test_explain_prints_as_the_command_and_has_its_records() -> None:
    asked = ["explain", *FILES, "--bin", "6,2", "--convention", "onnx", "--channel", "3"]
    options: dict[str, Any] = {"bin": (6, 2), "convention": "onnx", "channel": 3}
    one = roicrop.explain(*FILES, 1, **options)
    assert f"{one}\n" == repr(one) + "\n" == run(*asked, "--box", "1").out
    assert one.ok
    assert one.record == run(*asked, "--box", "1", "--json").json
    both = roicrop.explain(*FILES, [2, 1], **options)
    assert f"{both}\n" == run(*asked, "--box", "2,1").out
    rows = csv.DictReader(io.StringIO(run(*asked, "--box", "2,1", "--format", "csv").out))
    assert [{k: "" if v is None else str(v) for k, v in r.items()} for r in both.records] == [*rows]


def test_compare_prints_as_the_command_and_has_its_pairs() -> None:
    asked = ["compare", *FILES, "--with", "onnx", "--with", "mask-rcnn:mode=max", "--worst", "1"]
    answer = roicrop.compare(*FILES, ["onnx", "mask-rcnn:mode=max"], worst=1)
    assert f"{answer}\n" == run(*asked, "--quiet").out
    assert answer.records == run(*asked, "--json").json["pairs"]
    assert not answer.ok
    assert roicrop.compare(*FILES, ["onnx", "detectron2"]).ok


def test_identify_prints_as_the_command_and_has_what_fits() -> None:
    np.save("theirs.npy", roicrop.roi_align(*ARRAYS, 3, SCALE, convention="detectron2"))
    answer = roicrop.identify(*FILES, "theirs.npy")
    assert f"{answer}\n" == run("identify", *FILES, "theirs.npy").out
    fitting = run("identify", *FILES, "theirs.npy", "--json").json["answers"]
    assert [each["convention"] for each in answer.records] == [e["convention"] for e in fitting]
    assert answer.ok
    nothing = roicrop.identify(*FILES, np.random.default_rng(1).random((3, 4, 3, 3)))
    assert not nothing.ok
    assert nothing.records == []


# Of arrays they are the same


def test_arrays_are_answered_as_the_files_that_hold_them() -> None:
    pooled = roicrop.roi_align(*ARRAYS, 3, SCALE, convention="onnx")
    for files, arrays in (
        (roicrop.explain(*FILES, 1), roicrop.explain(*ARRAYS, 1, spatial_scale=SCALE)),
        (
            roicrop.compare(*FILES, ["onnx", "mask-rcnn"]),
            roicrop.compare(*ARRAYS, ["onnx", "mask-rcnn"], spatial_scale=SCALE),
        ),
        (roicrop.identify(*FILES, pooled), roicrop.identify(*ARRAYS, pooled, SCALE)),
    ):
        assert anonymous(arrays) == anonymous(files)
    drawn = [roicrop.show(*FILES, 1), roicrop.show(*ARRAYS, 1, spatial_scale=SCALE)]
    one, other = (np.asarray(each)[60:-120] for each in drawn)  # what names the files is below
    assert np.array_equal(one, other)


def anonymous(answer: object) -> str:
    """Its text without the names of files, and where the scale is from."""
    text = str(answer).replace("maps.h5", "input").replace("boxes.csv", "boxes")
    text = re.sub(r"boxes line (\d+)", "a row", text)
    return re.sub(
        r" ?--spatial-scale [\d.]+| \((attribute stride|--spatial-scale|a row)\)", "", text
    )


@pytest.mark.parametrize("images", [1, 2])
def test_boxes_come_in_the_same_forms_everywhere(images: int) -> None:
    maps = MAPS[:images]
    table = TABLE[TABLE[:, 0] < images]
    table = table[np.argsort(table[:, 0], kind="stable")]
    by_image = [table[table[:, 0] == n, 1:] for n in range(images)]
    forms: list[Any] = [table, table.tolist(), by_image, table.astype(np.float32)]
    if images == 1:
        forms += [table[:, 1:], table[:, 1:].tolist(), [table[:, 1:].tolist()]]
    size = maps.shape[2:]
    pooled = roicrop.roi_align(maps, table, 2, SCALE)
    expected = str(roicrop.explain(maps, table, 0, 2, SCALE))
    for boxes in forms:
        assert np.array_equal(roicrop.roi_align(maps, boxes, 2, SCALE), pooled)
        assert np.array_equal(roicrop.roi_pool(maps, boxes, 2, SCALE).shape, pooled.shape)
        assert len(roicrop.plan(boxes, size, 2, SCALE).boxes) == len(table)
        assert len(roicrop.assign_levels(boxes, [SCALE])) == len(table)
        assert str(roicrop.explain(maps, boxes, 0, 2, SCALE)) == expected
    for boxes in forms[:: len(forms) - 1]:
        assert roicrop.identify(maps, boxes, pooled, SCALE).ok
        assert roicrop.compare(maps, boxes, ["onnx", "detectron2"], 2, SCALE).ok
        assert roicrop.show(maps, boxes, 0, 2, SCALE).mode == "RGB"


def test_arrays_may_be_in_any_layout_or_a_file_and_boxes_the_other() -> None:
    expected = anonymous(roicrop.explain(*FILES, 1))
    last = MAPS.transpose(0, 2, 3, 1)
    said = roicrop.explain(last, TABLE, 1, spatial_scale=SCALE, layout="NHWC")
    assert anonymous(said) == expected
    assert anonymous(roicrop.explain("maps.h5", TABLE, 1)) == expected
    assert anonymous(roicrop.explain(MAPS, Path("boxes.csv"), 1, stride=STRIDE)) == expected
    one = roicrop.explain(MAPS[1], TABLE[[2], 1:], spatial_scale=SCALE, output_size=3)
    assert one.ok
    assert "4 × " not in str(one).splitlines()[2]


def test_a_list_of_maps_is_a_pyramid() -> None:
    maps = [MAPS, MAPS[:, :, ::2, ::2].copy()]
    scales = [SCALE, SCALE / 2]
    pooled = roicrop.multiscale_roi_align(maps, TABLE, 2, scales, convention="detectron2")
    said = roicrop.explain(maps, TABLE, 1, 2, scales, convention="detectron2", channel=1)
    assert [bin_["pooled"] for bin_ in said.record["bins"]] == pooled[1, 1].ravel().tolist()
    assert said.record["level"]["names"] == ["0", "1"]
    with pytest.raises(ArgumentError, match="give spatial_scale or strides"):
        roicrop.explain(maps, TABLE)


def test_boxes_in_memory_are_read_as_the_convention_takes_them_as_roi_align_does() -> None:
    boxes = [[0.1, 0.2, 0.7, 0.9]]
    pooled = roicrop.roi_align(MAPS[:1], boxes, 2, convention="tensorflow")
    said = roicrop.explain(MAPS[:1], boxes, 0, 2, convention="tensorflow")
    assert [bin_["pooled"] for bin_ in said.record["bins"]] == pooled[0, 0].ravel().tolist()


def test_the_options_of_the_command_are_keywords() -> None:
    xywh = TABLE.copy()
    xywh[:, 3:] -= xywh[:, 1:3]
    said = roicrop.explain(MAPS, xywh, 1, stride=STRIDE, box_format="xywh", sampling_ratio=3)
    asked = run("explain", *FILES, "--box", "1", "--sampling-ratio", "3").out
    assert anonymous(said) == anonymous(asked.rstrip("\n"))
    with pytest.raises(TypeError, match="'box_fromat': did you mean box_format"):
        roicrop.show(*FILES, box_fromat="xywh")


# What is wrong is said


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((*FILES, 9), {}, "no box 9: boxes.csv has 3 boxes, numbered 0 to 2"),
        ((MAPS, TABLE, 9), {"stride": 8}, "no box 9: boxes has 3 boxes, numbered 0 to 2"),
        ((*FILES,), {"channel": 4}, "channels 0 to 3"),
        ((*FILES,), {"bin": (0, 7)}, "--bin 0,7: there are 7×7 bins, 0,0 to 6,6"),
        ((*FILES,), {"bin": (-1, 0)}, "--bin -1,0: there are 7×7 bins, 0,0 to 6,6"),
        ((*FILES,), {"convention": "detectron"}, "did you mean detectron2"),
        ((*FILES,), {"stride": 0}, "stride is 0: give pixels per cell, above 0"),
        ((*FILES,), {"on_bad_box": "dorp"}, "on_bad_box: did you mean drop"),
        ((MAPS, [[0, 1, 2, 3, 4], [7, 1, 2, 3, 4]]), {}, "box 1 is on image 7"),
    ],
)
def test_a_wrong_argument_is_a_value_error_of_one_line(
    arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    for question in (roicrop.show, roicrop.explain):
        with pytest.raises((ArgumentError, BoxError), match=re.escape(message)) as caught:
            question(*arguments, **options)
        assert "\n" not in str(caught.value)


def test_what_is_most_likely_not_meant_is_a_warning() -> None:
    with pytest.warns(RoicropWarning, match="3 of 3 boxes"):
        roicrop.show(MAPS, TABLE, spatial_scale=1)


@pytest.mark.parametrize("name", sorted({*roicrop.__all__} - {"__version__"}))
def test_help_describes_every_argument(name: str) -> None:
    function = getattr(roicrop, name)
    text = inspect.getdoc(function) or ""
    for argument in inspect.signature(function).parameters:
        assert re.search(rf"^(\w+, )*{argument}(, \w+)*: ", text, re.M), (name, argument)
    assert "\nReturns" in text
    assert "\nRaises" in text
