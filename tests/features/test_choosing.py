"""The intended maps are found, or one line says what there is to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from roicrop.features import MapFile, Scale, open_features
from tests.features.files import BATCH, MAP, message_of, write

# Which dataset is meant


@pytest.mark.parametrize("inner", ["::/a/maps", "::a/maps", "::/a/maps/", ""])
def test_a_dataset_is_found_by_its_path_or_by_being_the_only_one(path: str, inner: str) -> None:
    write(path, {"a/maps": BATCH, "boxes": np.zeros((7, 4)), "names": [b"x", b"y"]})
    with open_features(path + inner) as source:
        assert (source.path, source.dataset, source.kind) == (path, "/a/maps", "batch")
        assert (len(source), source.channels, source.map_size(4)) == (5, 2, (3, 4))
        assert source.names is None
        assert source.dataset_of(4) == "/a/maps"
        np.testing.assert_array_equal(source.read(3), BATCH[3])


@pytest.mark.parametrize("name", ["a::b.h5", "C:\\maps.h5", "::", "ünï ::cöde.h5"])
@pytest.mark.parametrize("inner", ["", "::/x", "::x::y"])
def test_a_file_that_exists_may_have_any_name(tmp_path: Path, name: str, inner: str) -> None:
    write(str(tmp_path / name), {inner.removeprefix("::").strip("/") or "x": MAP})
    with open_features(str(tmp_path / name) + inner) as source:
        assert source.path == str(tmp_path / name)
        np.testing.assert_array_equal(source.read(0), MAP)


def test_an_alias_does_not_make_the_only_dataset_ambiguous(path: str) -> None:
    write(path, {"z/maps": BATCH, "a": h5py.SoftLink("/z/maps"), "loop": h5py.SoftLink("/")})
    with open_features(path) as source:
        assert source.dataset == "/z/maps"
    with MapFile(path) as file:
        assert [one.path for one in file.maps_in("/")] == ["/z/maps"]


def test_several_candidates_are_listed_with_shape_and_dtype(path: str) -> None:
    write(path, {"p2": BATCH, "p3": BATCH[:, :, :2].astype(">f8"), "boxes": np.zeros((7, 4))})
    message = message_of(path)
    assert "/p2 (5, 2, 3, 4) float32, /p3 (5, 2, 2, 4) float64" in message
    assert f"{path}::/p2" in message
    assert "boxes" not in message
    assert "group" not in message


@pytest.mark.parametrize("names", [("a", "b"), ("maps/a", "maps/b")])
def test_the_only_group_of_images_is_taken_without_being_named(
    path: str, names: tuple[str, ...]
) -> None:
    write(path, {**dict.fromkeys(names, MAP), "boxes": np.zeros((7, 4)), "ids": [1, 2]})
    with open_features(path) as source:
        assert (source.kind, source.names) == ("group", ["a", "b"])


@pytest.mark.parametrize("inner", ["", "::/", "::/*/features"])
def test_a_group_for_each_image_may_hold_its_map_beside_other_things(path: str, inner: str) -> None:
    images = {"000397133": MAP, "000037777": MAP[:, :2]}
    contents = {f"{name}/features": value for name, value in images.items()}
    boxes = {f"{name}/boxes": np.zeros((3, 4)) for name in images}
    write(path, {**contents, **boxes}, stride=[16])
    with open_features(path + inner) as source:
        assert source.names == ["000037777", "000397133"]
        assert source.dataset_of(0) == "/000037777/features"
        assert [source.scale(i).value for i in range(2)] == [1 / 16, 1 / 16]
        np.testing.assert_array_equal(source.read(0), MAP[:, :2])


@pytest.mark.parametrize("inner", ["", "::/"])
def test_several_maps_an_image_are_named_with_the_way_to_choose(path: str, inner: str) -> None:
    write(path, {f"{image}/{level}": MAP for image in "ab" for level in ("p2", "p3")})
    message = message_of(path + inner)
    assert "holds several maps per image: p2, p3: name the levels of a pyramid with" in message
    assert f"{path}::/*/p2, or one group, as in {path}::/a" in message
    with open_features(f"{path}::/*/p3") as source:
        assert (source.names, source.dataset_of(1)) == (["a", "b"], "/b/p3")


def test_a_pattern_that_no_group_has_says_what_there_is(path: str) -> None:
    write(path, {"a/p2": MAP, "b/p2": MAP})
    message = message_of(f"{path}::/*/p4")
    assert "no group in / has a dataset p4: the file holds /a/p2 (2, 3, 4) float32" in message


def test_a_dataset_that_is_called_a_star_is_taken_by_its_name(path: str) -> None:
    write(path, {"*/p2": MAP, "a/p2": MAP + 1})
    with open_features(f"{path}::/*/p2") as source:
        np.testing.assert_array_equal(source.read(0), MAP)


def test_a_long_list_of_candidates_is_cut(path: str) -> None:
    write(path, {f"level{k:02}": BATCH for k in range(222)})
    assert "222 datasets" in message_of(path)
    assert message_of(path).endswith("/level04 (5, 2, 3, 4) float32 and 217 more")


def test_a_file_without_candidates_says_what_it_holds(path: str) -> None:
    write(path, {"boxes": np.zeros((7, 4)), "text": ["a"], "mixed": np.zeros((1, 1, 1), "f4,i4")})
    message = message_of(path)
    assert "/boxes (7, 4) float64" in message
    assert "/mixed (1, 1, 1) compound" in message
    write(path, {})
    assert "the file holds no dataset" in message_of(path)


def test_a_path_that_does_not_exist_says_what_does(path: str) -> None:
    write(path, {"maps": BATCH})
    message = message_of(f"{path}::/map")
    assert f"{path}::/map " in message
    assert "/maps (5, 2, 3, 4) float32" in message


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.zeros((3, 4)), "rank 2, shape (3, 4)"),
        (np.zeros((1, 1, 1, 3, 4)), "rank 5"),
        (np.float32(1), "rank 0"),
        (h5py.Empty("f4"), "rank 0"),
        (np.zeros((2, 0, 4)), "empty: its shape is (2, 0, 4)"),
        (np.zeros((0, 2, 3, 4)), "empty: its shape is (0, 2, 3, 4)"),
        (np.zeros((2, 3, 4), "c8"), "complex64"),
        (np.zeros((2, 3, 4), "S3"), "bytes"),
        (np.zeros((2, 3, 4), "f4,i4"), "compound"),
        (np.zeros((2, 3, 4), np.longdouble), "float128"),
        (np.full((2, 3, 4), "text", object), "objects"),
        (np.dtype("f4"), "not a dataset or group"),
    ],
)
def test_a_dataset_that_is_no_feature_map_says_why(path: str, value: Any, reason: str) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = value
    message = message_of(f"{path}::/x")
    assert message.startswith(f"{path}::/x ")
    assert reason in message
    with MapFile(path) as file:
        assert file.maps_in("/") == []


# Groups of images


def test_the_root_is_a_group_when_it_holds_nothing_but_images(path: str) -> None:
    write(path, {"b.jpg": MAP, "a.jpg": MAP[:, :2]})
    with open_features(path) as source:
        assert (source.kind, source.dataset, source.names) == ("group", "/", ["a.jpg", "b.jpg"])
        assert [source.map_size(i) for i in range(len(source))] == [(2, 4), (3, 4)]
        np.testing.assert_array_equal(source.read(0), MAP[:, :2])


@pytest.mark.parametrize("beside", [{"batch": BATCH}, {"sub/c": MAP}])
def test_the_root_is_not_a_group_when_it_holds_other_things(
    path: str, beside: dict[str, Any]
) -> None:
    write(path, {"a": MAP, "b": MAP, **beside})
    assert "choose one" in message_of(path)


def test_images_of_a_group_may_have_paths_for_names_and_things_beside_them(path: str) -> None:
    write(path, {"maps/val/a.jpg": MAP, "maps/b.jpg": MAP, "maps/ids": [1, 2], "boxes": MAP})
    with open_features(f"{path}::maps/") as source:
        assert source.names == ["b.jpg", "val/a.jpg"]
        assert source.dataset_of(1) == "/maps/val/a.jpg"


def test_each_image_of_a_group_has_its_own_size_and_stride(path: str) -> None:
    write(path, {"g/a": MAP, "g/b": MAP[:, :1], "g/c": MAP})
    with h5py.File(path, "r+") as file:
        file["g/a"].attrs["stride"] = 4
        file["g/b"].attrs["spatial_scale"] = 0.125
        file["g"].attrs["stride"] = 16
        file["g"].attrs["input_scale"] = 0.5
    with open_features(f"{path}::g") as source:
        assert [source.scale(i).value for i in range(3)] == [0.25, 0.125, 0.0625]
        assert source.scale(2).origin == "attribute stride"
        assert source.input_scale(2) == (0.5, 0.5)
    with open_features(f"{path}::g", spatial_scale=0.5) as source:
        assert {source.scale(i) for i in range(3)} == {Scale(0.5, "--spatial-scale")}


@pytest.mark.parametrize(
    ("odd_one", "reason"),
    [
        (np.zeros((5, 3, 4), "f4"), "has 5 channels, but /a has 2"),
        (BATCH, "rank 4"),
        (np.zeros((2, 3, 4), "c8"), "complex64"),
        (np.zeros((2, 0, 4), "f4"), "empty"),
        (h5py.SoftLink("/nowhere"), "is a link to /nowhere, which is not there"),
        (h5py.ExternalLink("gone.h5", "/x"), "is a link to gone.h5::/x, which is not there"),
    ],
)
def test_an_image_that_does_not_fit_its_group_is_named(
    path: str, odd_one: Any, reason: str
) -> None:
    write(path, {"a": MAP, "b": odd_one, "c": MAP})
    message = message_of(f"{path}::/")
    assert message.startswith(f"{path}::/b ")
    assert reason in message


def test_a_broken_link_in_a_root_of_images_is_named_without_a_path_too(path: str) -> None:
    write(path, {"a": MAP, "b": h5py.SoftLink("/nowhere"), "c": MAP})
    assert "/b is a link to /nowhere" in message_of(path)


def test_images_of_a_group_must_share_their_layout(path: str) -> None:
    write(path, {"a": MAP, "b": MAP})
    with h5py.File(path, "r+") as file:
        file["b"].attrs["layout"] = "HWC"
    assert "b is HWC, but /a is CHW" in message_of(path)
    with open_features(path, layout="HWC") as source:
        assert source.channels == 4


def test_a_group_of_several_types_is_read_as_the_widest(path: str) -> None:
    write(path, {"a": MAP.astype("f2"), "b": MAP.astype(">f4"), "c": MAP.astype("i2")})
    with open_features(path) as source:
        assert source.dtype == np.dtype("f4")
        for i in range(3):
            np.testing.assert_array_equal(source.read(i), MAP)


def test_a_group_without_maps_says_so(path: str) -> None:
    write(path, {"g/ids": [1, 2, 3]})
    assert "g is a group without feature maps" in message_of(f"{path}::g")


def test_maps_in_another_file_are_read_through_a_link(path: str, tmp_path: Path) -> None:
    write(str(tmp_path / "one.h5"), {"map": MAP})
    write(path, {"a": h5py.ExternalLink("one.h5", "/map"), "b": h5py.ExternalLink("one.h5", "map")})
    with open_features(f"{path}::/") as source:
        assert source.names == ["a", "b"]
        np.testing.assert_array_equal(source.read(1), MAP)
