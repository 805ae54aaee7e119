"""What every command says about boxes on the maps of a pyramid."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import roicrop
from tests.command_line import run

RANDOM = np.random.default_rng(25)
STRIDES = {"p2": 4, "p3": 8, "p4": 16, "p5": 32}
BOXES = [[10, 10, 60, 70], [100, 100, 260, 240], [100, 50, 400, 350], [0, 0, 799, 607]]


@pytest.fixture
def work(work: Path) -> Path:
    """The current directory, with a pyramid in fpn.h5 and a box for each level in boxes.json."""
    with h5py.File("fpn.h5", "w") as file:
        for name, stride in STRIDES.items():
            shape = (1, 3, 608 // stride, 800 // stride)
            file[name] = RANDOM.standard_normal(shape, np.float32)
            file[name].attrs["stride"] = stride
    Path("boxes.json").write_text(json.dumps(BOXES))
    return work


def test_the_summary_says_the_rule_and_how_many_boxes_each_level_got(work: Path) -> None:
    result = run("align", "fpn.h5", "boxes.json", "-o", "out.h5", "--json")
    assert result.status == 0
    levels = "by torchvision (224 pixels on level 4): p2 1, p3 1, p4 1, p5 1"
    assert f"levels      {levels}" in result.err.splitlines()
    assert result.json["levels"] == {
        "rule": "torchvision",
        "program": "torchvision.ops.poolers.LevelMapper",
        "canonical_size": 224.0,
        "canonical_level": 4.0,
        "boxes": {"p2": 1, "p3": 1, "p4": 1, "p5": 1},
        "on_none": 0,
    }
    with h5py.File("out.h5") as file:
        assert file["level"][()].tolist() == [0, 1, 2, 3]
        assert file["level"].attrs["level_names"].tolist() == ["p2", "p3", "p4", "p5"]


def test_roi_pool_takes_boxes_from_their_levels_too(work: Path) -> None:
    assert run("pool", "fpn.h5", "boxes.json", "-o", "out.h5", "--output-size", 2).status == 0
    with h5py.File("out.h5") as file, h5py.File("fpn.h5") as maps:
        for k, (name, stride) in enumerate(STRIDES.items()):
            alone = roicrop.roi_pool(maps[name][()], [BOXES[k]], 2, 1 / stride)
            np.testing.assert_array_equal(file["pooled"][k], alone[0])


def test_explain_says_why_a_box_is_on_its_level(work: Path) -> None:
    said = run("explain", "fpn.h5", "boxes.json", "--box", 1, "--bin", "0,0")
    assert said.status == 0
    words = [line.split() for line in said.out.splitlines()]
    assert said.out.startswith("RoIAlign of box 1, image 0 of fpn.h5::/p3\n")
    assert ["area", "22400", "width", "×", "height,", "pixels"] in words
    assert ["root", "149.66629", "its", "square", "root"] in words
    assert ["logarithm", "−0.5817494", "log2(root", "/", "224)"] in words
    assert ["level", "3.4182515", "logarithm", "+", "4", "+", "1e-06"] in words
    assert ["rounded", "3", "rounded", "down"] in words
    assert ["map", "p3", "levels", "2", "to", "5", "are", "p2", "to", "p5"] in words
    assert any(line[:4] == ["p4", "sides", "1.5", "times"] for line in words)
    assert any(line[:4] == ["p2", "sides", "0.748", "times"] for line in words)


def test_explain_says_that_a_level_was_clamped_and_has_it_in_json(work: Path) -> None:
    said = run("explain", "fpn.h5", "boxes.json", "--box", 1, "--bin", "0,0")
    assert "clamped" not in said.out
    options = ["--levels", "p4,p5", "--format", "json", "--bin", "0,0"]
    said = run("explain", "fpn.h5", "boxes.json", "--box", 0, *options)
    level = said.json["level"]
    assert (level["name"], level["index"], level["names"]) == ("p4", 0, ["p4", "p5"])
    assert (level["rounded"], level["finest"], level["coarsest"]) == (1.0, 4, 5)
    assert level["rule"] == "torchvision"
    assert level["area"] == 3000
    text = run("explain", "fpn.h5", "boxes.json", "--box", 0, "--levels", "p4,p5", "--bin", "0,0")
    assert "clamped: levels 4 to 5 are p4 to p5" in text.out


def test_a_box_on_no_level_is_explained_as_such(work: Path) -> None:
    Path("boxes.json").write_text(json.dumps([[5, 5, 5, 50]]))
    said = run("explain", "fpn.h5", "boxes.json", "--convention", "openvino-extractor")
    assert said.error == (
        "boxes.json box 0: the level rule openvino puts a box of this size on no level, so its "
        "values are zeros: choose another box with --box"
    )


def test_show_draws_the_level_and_says_so(work: Path) -> None:
    result = run("show", "fpn.h5", "boxes.json", "-o", "pictures", "--box", "1")
    assert result.status == 0
    assert [path.name for path in Path("pictures").glob("*.png")] == ["align-box-1.png"]
    assert "p3 1" in result.err


def test_compare_tells_rules_apart(work: Path) -> None:
    boxes = [[100, 100, 270, 265], *BOXES[1:]]  # 167 pixels: above the middle between p3 and p4
    Path("boxes.json").write_text(json.dumps(boxes))
    names = ["--with", "detectron2", "--with", "detectron2:level_rule=matterport"]
    result = run("compare", "fpn.h5", "boxes.json", *names, "--viz", "pictures")
    assert result.status == 3
    assert "DIFFER on 1 of 4 boxes" in result.out
    assert "choice of level  level_rule detectron2 → matterport  nothing" in result.out
    worst = "detectron2 takes the box from p3, detectron2:level_rule=matterport from p4"
    assert worst in result.out
    same = ["--with", "detectron2", "--with", "torchvision-aligned"]
    assert run("compare", "fpn.h5", "boxes.json", *same).status == 0
    refused = run("compare", "fpn.h5::/p2", "boxes.json", *names)
    assert "a level rule needs a pyramid, and fpn.h5::/p2 is not one" in refused.error


def test_compare_draws_a_box_that_both_take_from_one_map(work: Path) -> None:
    names = ["--with", "detectron2", "--with", "torchvision:level_rule=matterport"]
    result = run("compare", "fpn.h5", "boxes.json", *names, "--viz", "pictures")
    assert result.status == 3
    assert len([*Path("pictures").glob("*.png")]) == 1


@pytest.mark.parametrize("rule", ["torchvision", "matterport"])
def test_identify_finds_the_rule_of_a_pooled_tensor(work: Path, rule: str) -> None:
    sides = np.exp(RANDOM.uniform(np.log(30), np.log(500), (12, 2)))
    corners = RANDOM.uniform(0, 1, sides.shape) * ([800, 608] - sides)
    Path("boxes.json").write_text(json.dumps(np.hstack([corners, corners + sides]).tolist()))
    options = ["--convention", "detectron2", "--sampling-ratio", 2, "--level-rule", rule]
    assert run("align", "fpn.h5", "boxes.json", "-o", "out.h5", *options).status == 0
    result = run("identify", "fpn.h5", "boxes.json", "out.h5", "--json")
    assert result.status == 0
    assert rule in result.json["level_rules"]
    assert ("matterport" in result.json["level_rules"]) == (rule == "matterport")
    best = result.json["answers"][0]
    assert "detectron2" in (best["convention"], *best["also_called"])
    words = best["command"].split()
    assert ("--level-rule" in words) == (rule == "matterport")
    words[words.index("OUT.h5")] = "again.h5"
    assert run(*words[1:]).status == 0
    with h5py.File("out.h5") as one, h5py.File("again.h5") as other:
        np.testing.assert_array_equal(one["pooled"][()], other["pooled"][()])


def test_inspect_knows_a_pyramid_when_it_sees_one(work: Path) -> None:
    result = run("inspect", "fpn.h5", "boxes.json")
    assert result.status == 0
    assert (
        "a pyramid of p2 (stride 4), p3 (stride 8), p4 (stride 16), p5 (stride 32), for 1 image"
        in result.out
    )
    assert "they fit" in result.out
