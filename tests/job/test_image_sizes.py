"""Sizes of images, if a file of boxes has them, are compared with stride and map."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.command_line import run


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(
    sizes: list[tuple[int, int]], cells: tuple[int, int], stride: float | None = 16, **more: object
) -> None:
    """A batch of maps, and an image of each size with a box in its first pixels."""
    with h5py.File("m.h5", "w") as file:
        file["m"] = np.random.default_rng(1).standard_normal((len(sizes), 8, *cells), "f4")
        said = more if stride is None else {"stride": stride, **more}
        file["m"].attrs.update(said)
    images = [
        {"id": n, "file_name": f"{n}.png", "height": height, "width": width}
        for n, (height, width) in enumerate(sizes)
    ]
    boxes = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": [2, 3, 30, 20]}
        for n, _ in enumerate(sizes)
    ]
    text = json.dumps({"images": images, "annotations": boxes, "categories": []})
    Path("b.json").write_text(text)


def warned(*options: object) -> str:
    """What a crop warns of loudly; `inspect` then ends with 3, and else with 0."""
    err = run("align", "m.h5", "b.json", "-o", "o.npy", "--overwrite", "-q", *options).err
    result = run("inspect", "m.h5", "b.json", *options)
    assert result.status == (3 if "WARNING" in err else 0)
    assert ("they do not fit" in result.out) == ("WARNING" in err)
    return err


@pytest.mark.parametrize(
    ("sizes", "cells"),
    [
        ([(480, 640)], (30, 40)),
        ([(470, 630)], (30, 40)),  # rounded up
        ([(480, 640), (320, 400)], (30, 40)),  # padded to the largest
        ([(500, 750)], (32, 48)),  # to multiples of 32
        ([(450, 1000), (460, 990)], (30, 64)),
        ([(480, 640), (400, 640)], (40, 40)),  # padded to a square
        ([(480, 500), (640, 480)], (40, 32)),
    ],
)
def test_padding_is_no_contradiction(sizes: list[tuple[int, int]], cells: tuple[int, int]) -> None:
    write(sizes, cells)
    assert warned() == ""


@pytest.mark.parametrize(
    ("sizes", "cells", "words"),
    [
        (
            [(960, 1280)],
            (30, 40),
            "60×80 cells, but its map has 30×40: --stride 32 would fit, or --i",
        ),
        ([(480, 640)], (60, 80), "--stride 8 would fit, or --input-scale 2"),
        ([(480, 640)], (50, 67), "--stride 9.576 would fit, or --input-scale 1.67"),
        ([(240, 320), (480, 640), (120, 640)], (60, 80), "set the attributes of each map"),
        ([(960, 640), (1280, 640)], (40, 30), "and likewise 1 other"),
    ],
)
def test_sizes_that_mean_another_scale_are_a_warning_that_names_it(
    sizes: list[tuple[int, int]], cells: tuple[int, int], words: str
) -> None:
    write(sizes, cells)
    if "each map" in words:
        assert warned() == ""
        write([(2000, 640), *sizes], cells)
    assert words in warned()


def test_a_stride_that_nobody_said_is_found_by_the_sizes() -> None:
    write([(80, 96)], (10, 12), stride=None)
    err = run("align", "m.h5", "b.json", "-o", "o.npy", "-q").err
    assert "--stride 4 would fit them" in err
    assert (
        "where, without a stride, a cell is taken to be a pixel, 80×96 cells"
        in run("inspect", "m.h5", "b.json").out
    )
    assert warned("--stride", 8) == ""


def test_an_input_scale_is_taken_into_account() -> None:
    write([(480, 640)], (60, 80), input_scale=2)
    assert warned() == ""
