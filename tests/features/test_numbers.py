"""Axes in any order, and floats stored in any way, are read correctly."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest

from roicrop.features import LAYOUTS, open_features
from tests.command_line import run
from tests.features.files import BATCH, MAP, write

RANDOM = np.random.default_rng(12)
FLOATS = RANDOM.standard_normal((8, 6, 9), dtype=np.float32)
WORDS = (FLOATS.view("u4") >> 16).astype("u2")
ROUNDED = (WORDS.astype("u4") << 16).view("f4")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("by", ["option", "attribute"])
def test_every_layout_is_read_with_y_before_x(path: str, layout: str, by: str) -> None:
    axes = ["NCHW".index(axis) for axis in layout]
    stored = BATCH.transpose(axes) if "N" in layout else MAP.transpose([n - 1 for n in axes])
    write(path, {"x": stored}, **({"layout": layout} if by == "attribute" else {}))
    expected = BATCH[1] if "N" in layout else MAP
    with open_features(path, layout=layout if by == "option" else None) as source:
        i = len(source) // 4
        assert (source.channels, source.map_size(i), source.layout) == (2, (3, 4), layout[-3:])
        if source.channels_last:
            expected = expected.transpose(1, 2, 0)
        features = source.read(i)
        np.testing.assert_array_equal(features, expected)
        assert features.flags.c_contiguous == ("HW" in layout)  # else a view, not a copy
        ((_, ahead),) = ((k, one.copy()) for k, one in source.read_ahead([i]))
        np.testing.assert_array_equal(ahead, expected)


def test_the_command_line_knows_the_same_layouts(path: str) -> None:
    write(path, {"x": MAP}, stride=1)
    for layout in LAYOUTS:
        assert run("inspect", path, "--layout", layout).status == 0


@pytest.mark.parametrize("layout", ["CWH", "WHC"])
def test_maps_with_x_before_y_are_cropped_as_if_they_were_not(
    path: str, layout: str, tmp_path: Any
) -> None:
    axes = ["CHW".index(axis) for axis in layout]
    write(path, {"x": FLOATS.transpose(axes), "y": FLOATS})
    (tmp_path / "b.json").write_text("[[1, 1, 8, 4]]")
    crops = []
    for name, said in (("x", layout), ("y", "CHW")):
        out = tmp_path / f"{name}.npy"
        options = ["--stride", 1, "--layout", said, "-o", out]
        assert run("align", f"{path}::/{name}", tmp_path / "b.json", *options).status == 0
        crops.append(np.load(out))
    if layout == "WHC":
        crops[0] = crops[0].transpose(0, 3, 1, 2)
    np.testing.assert_allclose(crops[0], crops[1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (WORDS, "bfloat16"),
        (WORDS.astype(">u2"), "torch.bfloat16"),
        (WORDS, "BF16"),
        (WORDS.view("i2"), b"bfloat16"),
        (WORDS.view("V2"), None),
    ],
)
def test_bfloat16_in_the_guise_of_words_is_read(path: str, stored: Any, said: Any) -> None:
    write(path, {"x": stored}, **({} if said is None else {"dtype": said}))
    with open_features(path) as source:
        assert source.dtype == np.float32
        np.testing.assert_array_equal(source.read(0), ROUNDED)
    assert "(8, 6, 9) bfloat16" in run("inspect", path).out


def test_float16_in_the_guise_of_words_is_read(path: str) -> None:
    halves = FLOATS.astype("f2")
    write(path, {"x": halves.view("u2")}, dtype="float16")
    with open_features(path) as source:
        np.testing.assert_array_equal(source.read(0), halves.astype("f4"))


def test_bfloat16_as_a_type_of_hdf5_is_read(path: str) -> None:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_size(2)
    kind.set_ebias(127)
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple(FLOATS.shape)
        h5py.Dataset(h5py.h5d.create(file.id, b"x", kind, space)).write_direct(FLOATS)
    with open_features(path) as source:
        np.testing.assert_allclose(source.read(0), FLOATS, rtol=2**-7)
