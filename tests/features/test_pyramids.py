"""Pyramids in files: which groups are recognised as one, and what --levels names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import pytest

from roicrop.errors import ArgumentError, FeatureError
from roicrop.features import FeatureSource, open_features

SIZES = {"p2": (24, 32), "p3": (12, 16), "p4": (6, 8)}
STRIDES = {"p2": 4, "p3": 8, "p4": 16}


def a_map(level: str, image: int, channels: int = 3) -> np.ndarray:
    seed = [*level.encode(), image]
    shape = (channels, *SIZES[level])
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def write(
    path: str, datasets: Mapping[str, Any], strides: Mapping[str, float] | None = None
) -> None:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
            level = name.rpartition("/")[2]
            stride = (STRIDES if strides is None else strides).get(level)
            if stride:
                file[name].attrs["stride"] = stride


BATCH = {level: np.stack([a_map(level, i) for i in range(2)]) for level in SIZES}
SINGLE = {f"fpn/{level}": a_map(level, 0) for level in SIZES}
BY_IMAGE = {f"{name}/{level}": a_map(level, i) for i, name in enumerate("ab") for level in SIZES}
BY_LEVEL = {f"{level}/{name}": a_map(level, i) for level in SIZES for i, name in enumerate("ab")}


def check(source: FeatureSource, images: int, names: list[str] | None) -> None:
    """Whether every map is the image's and the level's that its number says, however it is read."""
    assert (source.images, source.levels, len(source)) == (images, 3, 3 * images)
    assert source.level_names == ["p2", "p3", "p4"]
    assert source.names == names
    numbers = list(range(len(source)))[::-1]
    for i, features in source.read_ahead(numbers):
        image, level = divmod(i, 3)
        expected = a_map(f"p{level + 2}", image)
        np.testing.assert_array_equal(features, expected)
        np.testing.assert_array_equal(source.read(i), expected)
        assert source.map_size(i) == expected.shape[1:]
        assert source.scale(i).value == 1 / (4 * 2**level)


@pytest.mark.parametrize(
    ("datasets", "spec", "images", "names"),
    [
        (BATCH, "", 2, None),
        (BATCH, "::/", 2, None),
        (SINGLE, "", 1, None),
        (SINGLE, "::fpn", 1, None),
        (BY_IMAGE, "", 2, ["a", "b"]),
    ],
    ids=["batch", "root", "only group", "group", "a group for each image"],
)
def test_a_group_that_plainly_is_a_pyramid_is_one_unasked(
    work: Any, datasets: Mapping[str, Any], spec: str, images: int, names: list[str] | None
) -> None:
    write("fpn.h5", datasets)
    with open_features(f"fpn.h5{spec}") as source:
        check(source, images, names)


@pytest.mark.parametrize(
    ("datasets", "spec", "images", "names"),
    [
        (BATCH, "", 2, None),
        ({f"net/fpn/{level}": maps for level, maps in BATCH.items()}, "", 2, None),
        (SINGLE, "::/fpn", 1, None),
        (BY_IMAGE, "", 2, ["a", "b"]),
        (BY_LEVEL, "", 2, ["a", "b"]),
    ],
    ids=["batch", "batch in a group", "single", "a group for each image", "a group for each level"],
)
def test_levels_that_are_named_need_no_attributes(
    work: Any, datasets: Mapping[str, Any], spec: str, images: int, names: list[str] | None
) -> None:
    write("fpn.h5", datasets, {})
    names_of_levels, strides = ("p2", "p3", "p4"), (4.0, 8.0, 16.0)
    with open_features(f"fpn.h5{spec}", levels=names_of_levels, strides=strides) as source:
        check(source, images, names)
        assert source.scale(0).origin == "--strides"


@pytest.mark.parametrize(
    ("rename", "strides"),
    [
        ({}, {}),
        ({}, {"p2": 4, "p3": 8, "p4": 32}),
        ({}, {"p2": 4, "p3": 8}),
        ({}, {"p2": 4, "p3": 4, "p4": 4}),
        ({"p3": "p9"}, {"p2": 4, "p9": 8, "p4": 16}),
        ({"p2": "fine", "p3": "middle"}, {"fine": 4, "middle": 8, "p4": 16}),
        ({"p2": "2", "p3": "3", "p4": "4"}, {"2": 4, "3": 8, "4": 16}),
        ({}, {"p2": 16, "p3": 8, "p4": 4}),
        ({"p3": "p4", "p4": "p3"}, {"p2": 4, "p3": 8, "p4": 16}),
    ],
    ids=[
        "no strides", "not double", "one without", "all the same", "a gap", "no numbers",
        "bare numbers", "falling", "sizes that disagree",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_pyramid_is_none(
    work: Any, rename: dict[str, str], strides: dict[str, float]
) -> None:
    write("fpn.h5", {rename.get(name, name): values for name, values in BATCH.items()}, strides)
    with pytest.raises(FeatureError, match="holds 3 datasets that can be feature maps"):
        open_features("fpn.h5")


def test_a_dataset_of_a_pyramid_is_itself(work: Any) -> None:
    write("fpn.h5", BATCH)
    with open_features("fpn.h5::/p3") as source:
        assert (source.levels, source.level_names, len(source)) == (1, None, 2)


@pytest.mark.parametrize(
    ("datasets", "options", "complaint"),
    [
        (BATCH, {"levels": ("p2", "p9")}, "fpn.h5::/*/p9: no group in / has a dataset p9"),
        (BATCH, {"levels": ("p2", "p2")}, "--levels names one twice"),
        (BATCH, {"levels": ("p3", "p2")}, "fpn.h5::/p2 has stride 4, and the level before it 8"),
        (BATCH, {"levels": ("p2", "p3"), "strides": (4.0,)}, "--strides gives 1, and --levels 2"),
        (BATCH, {"strides": (4.0, 8.0)}, "--strides gives 2, and fpn.h5::/ has levels p2, p3, p4"),
        (BATCH, {"spatial_scale": 0.25}, "--spatial-scale is for one map: give --strides"),
        (
            {**BATCH, "p3": BATCH["p3"][:1]},
            {"levels": ("p2", "p3")},
            "fpn.h5::/: level p2 is (2, 3, 24, 32) and p3 is (1, 3, 12, 16)",
        ),
        (
            {name: values for name, values in BY_IMAGE.items() if name != "b/p3"},
            {"levels": ("p2", "p3")},
            "fpn.h5::/: levels p2 and p3 have different images: only one has b",
        ),
    ],
)
def test_levels_that_make_no_pyramid_are_refused(
    work: Any, datasets: Mapping[str, Any], options: dict[str, Any], complaint: str
) -> None:
    write("fpn.h5", datasets)
    with pytest.raises((FeatureError, ArgumentError), match="^" + re.escape(complaint)):
        open_features("fpn.h5", **options)


def test_a_level_without_a_stride_is_refused(work: Any) -> None:
    write("fpn.h5", BATCH, {"p2": 4})
    with pytest.raises(FeatureError, match=r"fpn.h5::/p3 has no stride: .* give --strides"):
        open_features("fpn.h5", levels=("p2", "p3"))


def test_strides_are_for_pyramids(work: Any) -> None:
    write("one.h5", {"features": BATCH["p2"]}, {})
    with pytest.raises(ArgumentError, match="--strides is for a pyramid"):
        open_features("one.h5", strides=(4.0, 8.0))
