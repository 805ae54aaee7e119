"""`inspect`, and the commands that read maps, report what looks wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.command_line import run

RANDOM = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def store(data: Any, **attributes: Any) -> None:
    with h5py.File("m.h5", "w") as file:
        file["m"] = data
        file["m"].attrs.update({"stride": 1, **attributes})


def warnings(box: str = "[[1, 1, 4, 4]]", *options: object) -> list[str]:
    """What a crop warns of, which `inspect` tells too."""
    Path("b.json").write_text(box)
    result = run("align", "m.h5", "b.json", "-o", "o.npy", "--overwrite", "-q", *options)
    assert result.status == 0, result.err
    warned = [line.partition("warning: ")[2] for line in result.err.splitlines()]
    text = run("inspect", "m.h5", *options).out
    for line in warned:
        assert line.partition("::/m: ")[2] in text
    return warned


def noise(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape, dtype=np.float32)


def test_usual_maps_are_not_odd() -> None:
    store(noise(8, 9, 9))
    assert warnings() == []


@pytest.mark.parametrize(("shape", "layout"), [((8, 9, 9), "CWH"), ((1, 8, 9, 9), "NCWH")])
def test_axes_that_matlab_reversed_are_warned_of_until_someone_says(
    shape: tuple[int, ...], layout: str
) -> None:
    store(noise(*shape), MATLAB_class=np.bytes_("single"))
    (warning,) = warnings()
    assert (
        f"MATLAB wrote it, and most MATLAB files have x before y: give --layout {layout}" in warning
    )
    assert warnings("[[1, 1, 4, 4]]", "--layout", "CHW") == []
    store(noise(*shape), MATLAB_class=np.bytes_("single"), layout=layout)
    assert warnings() == []


def test_words_that_look_like_bfloat16_are_warned_of() -> None:
    bits = (noise(8, 9, 9).view("u4") >> 16).astype("u2")
    for words in (bits, bits.view("i2"), bits.astype(">u2")):
        store(words)
        assert "look like the bits of bfloat16" in warnings()[0]
    store(bits, dtype="bfloat16")
    assert warnings() == []
    for top in (256, 4096, 65536):
        store(RANDOM.integers(0, top, (8, 9, 9)).astype("u2"))
        assert warnings() == []


@pytest.mark.parametrize("shape", [(10, 36, 2048), (300, 100, 1024), (4, 50, 512)])
def test_region_vectors_are_warned_of_until_someone_says(shape: tuple[int, ...]) -> None:
    store(noise(*shape))
    (warning,) = warnings()
    assert f"looks like region vectors, {shape[1]} of {shape[2]} numbers for each image" in warning
    assert warnings("[[1, 1, 4, 4]]", "--layout", "CHW") == []


@pytest.mark.parametrize(
    ("shape", "layout"),
    [((1, 38, 50, 256), "NHWC"), ((1, 32, 48, 256), "NHWC"), ((24, 40, 384), "HWC")],
)
def test_axes_in_another_order_are_warned_of_until_someone_says(
    shape: tuple[int, ...], layout: str
) -> None:
    store(noise(*shape))
    assert f"give --layout {layout} if it is" in warnings()[0]
    assert warnings("[[1, 1, 4, 4]]", "--layout", layout) == []


def test_images_that_were_never_written_are_warned_of_where_boxes_are_on_them() -> None:
    with h5py.File("m.h5", "w") as file:
        data = file.create_dataset("m", (5, 8, 9, 9), "f4", chunks=(1, 4, 9, 9))
        data.attrs["stride"] = 1
        data[0], data[2, :4], data[4] = 1, 1, 1
    Path("b.csv").write_text(
        "image_index,x1,y1,x2,y2\n" + "".join(f"{i},1,1,4,4\n" for i in range(4))
    )
    err = run("align", "m.h5", "b.csv", "-o", "o.npy", "-q").err
    assert "m.h5::/m: image 1, 3 was never written: it reads as the fill value" in err
    assert "m.h5::/m: image 2 was written in part: the rest reads as the fill value" in err
    Path("b.csv").write_text("image_index,x1,y1,x2,y2\n0,1,1,4,4\n4,1,1,4,4\n")
    assert run("align", "m.h5", "b.csv", "-o", "o.npy", "-q", "--overwrite").err == ""


@pytest.mark.parametrize("depth", [1, 2])
def test_images_of_a_virtual_dataset_that_no_source_has_written_are_warned_of(depth: int) -> None:
    with h5py.File("part.h5", "w") as file:
        part = file.create_dataset("m", (3, 8, 9, 9), "f4", chunks=(1, 8, 9, 9))
        part[1] = 1
    layout = h5py.VirtualLayout((5, 8, 9, 9), "f4")
    layout[1:4] = h5py.VirtualSource("part.h5", "m", (3, 8, 9, 9))
    with h5py.File("m.h5", "w") as file:
        file.create_virtual_dataset("m", layout)
        file["m"].attrs["stride"] = 1
    if depth == 2:
        Path("m.h5").rename("below.h5")
        layout = h5py.VirtualLayout((5, 8, 9, 9), "f4")
        layout[:] = h5py.VirtualSource("below.h5", "m", (5, 8, 9, 9))
        with h5py.File("m.h5", "w") as file:
            file.create_virtual_dataset("m", layout)
            file["m"].attrs["stride"] = 1
    Path("b.csv").write_text(
        "image_index,x1,y1,x2,y2\n" + "".join(f"{i},1,1,4,4\n" for i in range(5))
    )
    err = run("align", "m.h5", "b.csv", "-o", "o.npy", "-q").err
    assert "m.h5::/m: image 0, 1, 3, 4 was never written: it reads as the fill value" in err
    Path("b.csv").write_text("image_index,x1,y1,x2,y2\n2,1,1,4,4\n")
    assert run("align", "m.h5", "b.csv", "-o", "o.npy", "-q", "--overwrite").err == ""


def test_the_same_thing_of_many_maps_is_said_once() -> None:
    with h5py.File("m.h5", "w") as file:
        for name in "abc":
            file.create_dataset(name, (8, 9, 9), "f4", chunks=(8, 9, 9)).attrs["stride"] = 1
    Path("b.csv").write_text("image,x1,y1,x2,y2\na,1,1,4,4\nb,1,1,4,4\nc,1,1,4,4\n")
    (line,) = run("align", "m.h5", "b.csv", "-o", "o.npy", "-q").err.splitlines()
    assert line.endswith("m.h5::/a and 2 more: was never written: it reads as its fill value")


def test_a_stride_that_is_a_scale_is_warned_of() -> None:
    store(noise(8, 9, 9), stride=0.125)
    said = warnings("[[0.1, 0.1, 1.1, 1.1]]")
    assert any("are stride and spatial_scale swapped?" in warning for warning in said)
