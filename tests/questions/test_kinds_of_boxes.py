"""`show`, `explain`, `compare` and `explore` of rotated boxes and of position-sensitive pooling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

import roicrop
from roicrop.errors import ArgumentError
from tests.command_line import run

pytestmark = pytest.mark.usefixtures("files")

SIZE = 3
MAP = np.random.default_rng(8).standard_normal((1, 2 * SIZE * SIZE, 14, 17)).astype(np.float32)
STRIDE = 8
TURNED = np.array([[60, 50, 60, 30, 30.0], [90, 40, 40, 20, -45], [40, 60, 30, 50, 110]])
ALONG = np.array([[10, 8, 90, 40.0], [30, 20, 120, 100], [-20, 30, 44, 90]])
ROTATED: dict[str, Any] = {"box_format": "cxcywha", "stride": STRIDE, "output_size": SIZE}
SENSITIVE: dict[str, Any] = {"position_sensitive": True, "stride": STRIDE, "output_size": SIZE}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with h5py.File("maps.h5", "w") as file:
        file["features"] = MAP
    for name, header, boxes in (
        ("turned.csv", "cx,cy,w,h,angle", TURNED),
        ("along.csv", "x1,y1,x2,y2", ALONG),
    ):
        rows = "\n".join(",".join(map(str, row)) for row in boxes.tolist())
        Path(name).write_text(f"{header}\n{rows}\n")


CASES = [
    pytest.param("turned.csv", TURNED, ROTATED, [], id="rotated"),
    pytest.param("along.csv", ALONG, SENSITIVE, ["--position-sensitive"], id="position-sensitive"),
    pytest.param(
        "along.csv", ALONG, {**SENSITIVE, "operator": "pool"},
        ["--position-sensitive", "--op", "pool"], id="position-sensitive pool",
    ),
]  # fmt: skip
WORDS = ["--stride", str(STRIDE), "--output-size", str(SIZE)]


def expected(name: str, options: dict[str, Any]) -> np.ndarray:
    """What the operator on arrays gives."""
    if name == "turned.csv":
        return roicrop.roi_align_rotated(MAP, TURNED, SIZE, 1 / STRIDE)
    function = roicrop.ps_roi_pool if "operator" in options else roicrop.ps_roi_align
    return function(MAP, ALONG, SIZE, 1 / STRIDE)


@pytest.mark.parametrize(("name", "boxes", "options", "words"), CASES)
def test_explain_adds_up_to_the_operator_on_files_and_on_arrays(
    name: str, boxes: np.ndarray, options: dict[str, Any], words: list[str]
) -> None:
    pooled = expected(name, options)
    for box in range(len(boxes)):
        of_arrays = roicrop.explain(MAP, boxes, box, channel=1, **options)
        of_files = roicrop.explain("maps.h5", name, box, channel=1, **options)
        assert of_arrays.ok
        assert of_files.ok
        values = [each["pooled"] for each in of_arrays.record["bins"]]
        assert values == pooled[box, 1].ravel().tolist()
        assert of_files.record["bins"] == of_arrays.record["bins"]
    asked = run("explain", "maps.h5", name, "--box", "2", "--channel", "1", *WORDS, *words)
    assert f"{of_files}\n" == asked.out


@pytest.mark.parametrize(("name", "boxes", "options", "words"), CASES)
def test_show_draws_what_the_command_draws_and_the_same_of_arrays(
    name: str, boxes: np.ndarray, options: dict[str, Any], words: list[str]
) -> None:
    assert run("show", "maps.h5", name, "--box", "1", "-o", "box.png", *WORDS, *words).status == 0
    with Image.open("box.png") as written:
        of_files = roicrop.show("maps.h5", name, 1, **options)
        assert written.convert("RGB").tobytes() == of_files.convert("RGB").tobytes()
    of_arrays = roicrop.show(MAP, boxes, 1, **options)
    one, other = (np.asarray(each)[60:-120] for each in (of_files, of_arrays))
    assert np.array_equal(one, other)  # the names of the files are above and below


@pytest.mark.parametrize(
    ("name", "boxes", "options", "words", "conventions"),
    [
        (*CASES[0].values, ["detectron2", "mmcv:angle=degrees", "mxnet"]),
        (*CASES[1].values, ["torchvision", "mxnet"]),
        (*CASES[2].values, ["torchvision", "r-fcn"]),
    ],
    ids=[case.id for case in CASES],
)
def test_compare_says_the_same_of_files_and_of_arrays(
    name: str,
    boxes: np.ndarray,
    options: dict[str, Any],
    words: list[str],
    conventions: list[str],
) -> None:
    options = {key: value for key, value in options.items() if key != "operator"}
    words = [word for word in words if word not in ("--op", "pool")]
    of_files = roicrop.compare("maps.h5", name, conventions, **options)
    of_arrays = roicrop.compare(MAP, boxes, conventions, **options)
    assert [pair["largest"] for pair in of_files.records] == [
        pair["largest"] for pair in of_arrays.records
    ]
    asked = [word for each in conventions for word in ("--with", each)]
    said = run("compare", "maps.h5", name, *asked, *WORDS, *words, "--quiet")
    assert f"{of_files}\n" == said.out
    assert of_files.ok == (said.status == 0)


def test_explore_shows_rotated_boxes_and_refuses_position_sensitive_pooling_in_a_line() -> None:
    assert run("show", "maps.h5", "turned.csv", "-o", "page.html", *WORDS).status == 0
    page = roicrop.explore("maps.h5", "turned.csv", stride=STRIDE, output_size=SIZE)
    assert page.html == Path("page.html").read_text("utf-8")
    assert roicrop.explore(MAP, TURNED, **ROTATED).boxes == len(TURNED)
    for boxes in ("along.csv", ALONG):
        with pytest.raises(ArgumentError, match=r"(?i)position-sensitive") as refused:
            roicrop.explore(MAP, boxes, **SENSITIVE)
        assert "\n" not in str(refused.value)


def test_boxes_in_memory_with_an_angle_may_name_their_image() -> None:
    table = np.column_stack([np.zeros(len(TURNED)), TURNED])
    alone, named = (roicrop.explain(MAP, boxes, 1, **ROTATED) for boxes in (TURNED, table))
    assert str(alone) == str(named)
