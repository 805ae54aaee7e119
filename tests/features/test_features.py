"""Feature maps come out of HDF5 as they went in, or one line says why not."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.errors import ArgumentError, FeatureError
from roicrop.features import Scale, candidates, open_features
from roicrop.features import source as features_module

MAP = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
BATCH = np.arange(5 * 2 * 3 * 4, dtype=np.float32).reshape(5, 2, 3, 4)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "maps.h5")


def write(path: str, contents: dict[str, Any], **attributes: Any) -> None:
    """Datasets (or links) by path; the attributes are given to every dataset."""
    with h5py.File(path, "w") as file:
        for name, value in contents.items():
            file[name] = value
            if not isinstance(value, (h5py.SoftLink, h5py.ExternalLink)):
                file[name].attrs.update(attributes)


def message_of(spec: str, **options: Any) -> str:
    """The one line that opening, and then reading everything, ends with."""
    with pytest.raises(FeatureError) as caught:
        read_all(spec, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def read_all(spec: str, **options: Any) -> None:
    with open_features(spec, **options) as source:
        for i in range(len(source)):
            source.scale(i)
            source.read(i)


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
    assert [one.path for one in candidates(path)] == ["/z/maps"]


def test_several_candidates_are_listed_with_shape_and_dtype(path: str) -> None:
    write(path, {"p2": BATCH, "p3": BATCH[:, :, :2].astype(">f8"), "boxes": np.zeros((7, 4))})
    message = message_of(path)
    assert "/p2 (5, 2, 3, 4) float32, /p3 (5, 2, 2, 4) float64" in message
    assert f"{path}::/p2" in message
    assert "boxes" not in message
    assert "group" not in message


def test_images_in_a_group_are_listed_with_the_way_to_take_them_all(path: str) -> None:
    write(path, {"maps/a": MAP, "maps/b": MAP})
    assert f", or {path}::/maps for a group of images: /maps/a (2, 3, 4)" in message_of(path)


def test_a_long_list_of_candidates_is_cut(path: str) -> None:
    write(path, {f"level{k:02}": BATCH for k in range(222)})
    assert "222 datasets" in message_of(path)
    assert message_of(path).endswith("and 22 more")


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
        (np.dtype("f4"), "no dataset or group"),
    ],
)
def test_a_dataset_that_is_no_feature_map_says_why(path: str, value: Any, reason: str) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = value
    message = message_of(f"{path}::/x")
    assert message.startswith(f"{path}::/x ")
    assert reason in message
    assert candidates(path) == []


# Groups of images


def test_the_root_is_a_group_when_it_holds_nothing_but_images(path: str) -> None:
    write(path, {"b.jpg": MAP, "a.jpg": MAP[:, :2]})
    with open_features(path) as source:
        assert (source.kind, source.dataset, source.names) == ("group", "/", ["a.jpg", "b.jpg"])
        assert [source.map_size(i) for i in range(len(source))] == [(2, 4), (3, 4)]
        np.testing.assert_array_equal(source.read(0), MAP[:, :2])


@pytest.mark.parametrize("beside", [{"boxes": np.zeros((2, 4))}, {"sub/c": MAP}])
def test_the_root_is_not_a_group_when_it_holds_other_things(
    path: str, beside: dict[str, Any]
) -> None:
    write(path, {"a": MAP, "b": MAP, **beside})
    assert "choose one" in message_of(path)
    with open_features(f"{path}::/") as source:
        assert source.names is not None
        assert source.names[:2] == ["a", "b"]


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


# Layout


@pytest.mark.parametrize(
    ("layout", "last"),
    [("NCHW", False), ("CHW", False), ("NHWC", True), ("HWC", True), ("nhwc", True)],
)
@pytest.mark.parametrize("data", [MAP, BATCH], ids=["rank 3", "rank 4"])
@pytest.mark.parametrize("form", [str, str.encode, np.bytes_, lambda text: [text], None])
def test_layout_comes_from_the_option_or_any_form_of_the_attribute(
    path: str, layout: str, last: bool, data: Any, form: Any
) -> None:
    write(path, {"x": data}, layout="CHW" if form is None else form(layout))
    with open_features(path, layout=layout if form is None else None) as source:
        assert source.channels_last is last
        assert source.channels == (4 if last else 2)
        assert source.map_size(0) == ((2, 3) if last else (3, 4))
        assert source.read(0).shape == (2, 3, 4)


def test_a_layout_that_is_none_is_refused(path: str) -> None:
    write(path, {"x": BATCH}, layout="NWHC")
    message = message_of(path)
    assert message.startswith(f"{path}::/x: attribute layout is 'NWHC', not NCHW")
    with open_features(path, layout="NCHW") as source:
        assert source.channels == 2
    with pytest.raises(ArgumentError, match="layout 'NC' is not known: choose NCHW"):
        open_features(path, layout="NC")


# Scale


@pytest.mark.parametrize(
    ("attributes", "scale"),
    [
        ({"stride": 16}, Scale(0.0625, "attribute stride")),
        ({"stride": np.float32(16)}, Scale(0.0625, "attribute stride")),
        ({"stride": [8, 8]}, Scale(0.125, "attribute stride")),
        ({"stride": "4"}, Scale(0.25, "attribute stride")),
        ({"stride": b"4"}, Scale(0.25, "attribute stride")),
        ({"spatial_scale": 0.125}, Scale(0.125, "attribute spatial_scale")),
        ({"stride": 3, "spatial_scale": np.float32(1 / 3)}, Scale(1 / 3, "attribute stride")),
        ({"stride": h5py.Empty("f4")}, Scale(1.0, "default")),
        ({}, Scale(1.0, "default")),
    ],
)
def test_scale_comes_from_the_attributes(
    path: str, attributes: dict[str, Any], scale: Scale
) -> None:
    write(path, {"x": BATCH}, **attributes)
    with open_features(path) as source:
        assert source.scale(0) == source.scale(4) == scale


def test_the_option_goes_before_the_attribute_and_says_its_name(path: str) -> None:
    write(path, {"x": MAP}, stride="nonsense")
    with open_features(path, spatial_scale=0.5, origin="--stride") as source:
        assert source.scale(0) == Scale(0.5, "--stride")


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"stride": 0}, "attribute stride is 0, not a positive number"),
        ({"stride": -4.0}, "attribute stride is -4.0"),
        ({"stride": np.nan}, "attribute stride is nan"),
        ({"spatial_scale": np.inf}, "attribute spatial_scale is inf"),
        ({"stride": "wide"}, "attribute stride is 'wide'"),
        ({"stride": []}, "attribute stride is []"),
        ({"stride": [8, 16]}, "attribute stride is (8.0, 16.0), but must be the same on both axes"),
        ({"stride": 8, "spatial_scale": 0.25}, "stride is 8, but spatial_scale is 0.25, which is"),
        ({"input_scale": 0}, "attribute input_scale is 0"),
        ({"input_scale": [1, 2, 3]}, "attribute input_scale is (1.0, 2.0, 3.0)"),
    ],
)
def test_an_attribute_that_makes_no_sense_is_named(
    path: str, attributes: dict[str, Any], reason: str
) -> None:
    write(path, {"x": MAP}, **attributes)
    message = message_of(path)
    assert message.startswith(f"{path}::/x: ")
    assert reason in message


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_an_option_that_makes_no_sense_is_refused(path: str, scale: float) -> None:
    write(path, {"x": MAP})
    with pytest.raises(ArgumentError, match="--stride: a scale of"):
        open_features(path, spatial_scale=scale, origin="--stride")
    with pytest.raises(ArgumentError, match="input scale"):
        open_features(path, input_scale=(1.0, scale))


def test_input_scale_is_x_then_y_in_the_file_and_y_then_x_in_python(path: str) -> None:
    write(path, {"x": MAP}, input_scale=[0.5, 0.25])
    with open_features(path) as source:
        assert source.input_scale(0) == (0.25, 0.5)
    with open_features(path, input_scale=(2.0, 3.0)) as source:
        assert source.input_scale(0) == (2.0, 3.0)
    write(path, {"x": MAP})
    with open_features(path) as source:
        assert source.input_scale(0) == (1.0, 1.0)


# What is read


STORAGE: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunked": {"chunks": (2, 2, 2, 3)},
    "gzip": {"chunks": (1, 2, 3, 4), "compression": "gzip"},
    "gzip and all": {"chunks": (1, 1, 3, 4), "compression": 9, "shuffle": True, "fletcher32": True},
    "lzf": {"chunks": (1, 3, 1, 4), "compression": "lzf"},
}


@given(
    dtype=st.sampled_from(["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]),
    order=st.sampled_from("<>"),
    storage=st.sampled_from(sorted(STORAGE)),
    rank=st.sampled_from([3, 4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_type_order_and_storage_is_read_as_numpy_converts_it(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    order: str,
    storage: str,
    rank: int,
    seed: int,
) -> None:
    path = str(tmp_path_factory.mktemp("storage") / "maps.h5")
    stored = np.dtype(order + dtype)
    noise = np.random.default_rng(seed).bytes(4 * 3 * 3 * 4 * stored.itemsize)
    maps = np.frombuffer(noise, stored).reshape(4, 3, 3, 4)[: 1 if rank == 3 else 4]
    options = dict(STORAGE[storage])
    if "chunks" in options:
        options["chunks"] = options["chunks"][-rank:]
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=maps[0] if rank == 3 else maps, **options)
    expected = maps.astype(dtype if dtype[0] == "f" else "f4")
    with open_features(path) as source:
        assert source.dtype == expected.dtype
        assert source.stored_dtype == stored
        for i, one in source.read_ahead(range(len(source))):
            assert one.dtype.isnative
            assert one.flags.c_contiguous
            assert one.tobytes() == source.read(i).tobytes() == expected[i].tobytes()


def test_integers_larger_than_a_slab_are_read_whole(path: str) -> None:
    data = np.arange(3 * 256 * 32 * 64, dtype=">i8").reshape(3, 256, 32, 64)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=data, chunks=(1, 100, 32, 64))
    with open_features(path) as source:
        np.testing.assert_array_equal(source.read(2), data[2].astype(np.float32))


def test_booleans_are_read_as_numbers(path: str) -> None:
    write(path, {"x": MAP > 5})
    with open_features(path) as source:
        np.testing.assert_array_equal(source.read(0), np.float32(MAP > 5))


def test_an_image_that_does_not_exist_is_an_index_error(path: str) -> None:
    write(path, {"x": BATCH})
    with open_features(path) as source, pytest.raises(IndexError):
        source.read(5)


# Filters that h5py lacks: LZO, which PyTables writes and hdf5plugin does not have

LZO = 305


@pytest.fixture
def lzo_path(path: str) -> str:
    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(MAP.shape)
        plist.set_filter(LZO, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple(MAP.shape)
        dataset = h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, space, plist)
        dataset.write_direct_chunk((0, 0, 0), b"compressed")
    return path


def test_a_missing_filter_is_named_with_the_extra_that_has_it(
    lzo_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    needs = 'needs the HDF5 filter lzo: pip install "roicrop[plugins]"'
    assert message_of(lzo_path) == f"{lzo_path}::/x {needs}"
    (candidate,) = candidates(lzo_path)
    assert (candidate.compression, candidate.odd) == ("lzo", (needs,))


def test_a_filter_that_hdf5plugin_lacks_too_is_another_matter(
    lzo_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hdf5plugin", sys)
    assert "needs the HDF5 filter lzo: hdf5plugin lacks it too" in message_of(lzo_path)


def test_hdf5plugin_is_loaded_only_for_a_dataset_that_needs_it(path: str) -> None:
    plugins = pytest.importorskip("hdf5plugin")
    with h5py.File(path, "w") as file:
        file.create_dataset("blosc", data=BATCH, **plugins.Blosc(cname="zstd"))
        file.create_dataset("zstd", data=BATCH, **plugins.Zstd())
        file.create_dataset("plain", data=BATCH)
    program = (
        "import sys; from roicrop.features import open_features\n"
        "source = open_features(sys.argv[1])\n"
        "print('hdf5plugin' in sys.modules, source.read(4).sum())"
    )
    for name, loaded in (("plain", False), ("blosc", True), ("zstd", True)):
        output = run(program, f"{path}::{name}")
        assert output == f"{loaded} {BATCH[4].sum()}\n"


# Reading ahead


def test_maps_come_in_the_order_asked_for(path: str) -> None:
    write(path, {"x": BATCH})
    with open_features(path) as source:
        for order in ([], [2], [4, 0], [3, 3, 1, 3, 0]):
            came = [(i, one.copy()) for i, one in source.read_ahead(order)]
            assert [i for i, _ in came] == order
            for i, one in came:
                np.testing.assert_array_equal(one, BATCH[i])


def test_two_buffers_take_turns_even_between_maps_of_several_sizes(path: str) -> None:
    sizes = [3, 1, 2, 3, 1]
    write(path, {f"{k}": MAP[:, :height] for k, height in enumerate(sizes)})
    with open_features(path) as source:
        addresses = []
        for i, one in source.read_ahead(range(5)):
            np.testing.assert_array_equal(one, MAP[:, : sizes[i]])
            assert one.flags.c_contiguous
            addresses.append(one.ctypes.data)
    assert len(set(addresses[0::2])) == len(set(addresses[1::2])) == 1
    assert len(set(addresses)) == 2


def test_the_next_map_and_no_other_is_read_while_the_caller_works(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[tuple[int, ...]] = []
    arrived = threading.Semaphore(0)
    read = features_module._read

    def watched(dataset: Any, index: tuple[int, ...], out: Any) -> None:
        read(dataset, index, out)
        reads.append(index)
        arrived.release()

    monkeypatch.setattr(features_module, "_read", watched)
    write(path, {"x": BATCH})
    with open_features(path) as source:
        maps = source.read_ahead([0, 1, 2, 3])
        next(maps)
        assert arrived.acquire(timeout=10)
        assert arrived.acquire(timeout=10)
        assert reads == [(0,), (1,)]
        assert not arrived.acquire(timeout=0.05)
        next(maps)
        assert arrived.acquire(timeout=10)
        assert reads == [(0,), (1,), (2,)]


def test_an_error_in_the_reading_thread_comes_in_its_turn(path: str) -> None:
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", data=BATCH, chunks=(1, 2, 3, 4), compression="gzip")
        dataset.id.write_direct_chunk((2, 0, 0, 0), b"no gzip")
    with open_features(path) as source:
        came: list[int] = []
        with pytest.raises(FeatureError) as caught:
            came.extend(i for i, _ in source.read_ahead(range(5)))
        assert came == [0, 1]
        assert str(caught.value).startswith(f"{path}::/x image 2 cannot be read: ")
        with pytest.raises(FeatureError, match="image 2"):
            source.read(2)


@pytest.mark.parametrize("closed", ["generator", "source"])
def test_closing_early_ends_the_reading_thread(path: str, closed: str) -> None:
    write(path, {"x": BATCH})
    with open_features(path) as source:
        maps = source.read_ahead(range(5))
        next(maps)
        assert reading_threads()
        (maps if closed == "generator" else source).close()
        assert not reading_threads()


def reading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "roicrop" in thread.name]


# Locks


WRITER = """
import h5py, sys
with h5py.File(sys.argv[1], "r+") as file:
    print("open", flush=True)
    sys.stdin.read()
"""
READER = """
import sys
from roicrop.features import open_features
print(open_features(sys.argv[1]).read(0).sum())
"""


def run(program: str, *arguments: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout


@contextmanager
def open_elsewhere(path: str) -> Iterator[None]:
    """The file open for writing in another process."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, path],
        env=os.environ | {"HDF5_USE_FILE_LOCKING": "TRUE"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        yield


def test_a_lock_that_another_program_holds_is_respected_and_explained(path: str) -> None:
    write(path, {"x": MAP})
    with open_elsewhere(path):
        message = message_of(path)
        assert message.startswith(f"{path} is locked by another program")
        assert "HDF5_USE_FILE_LOCKING=FALSE" in message
        assert run(READER, path, HDF5_USE_FILE_LOCKING="FALSE") == f"{MAP.sum()}\n"
    with open_features(path) as source:
        np.testing.assert_array_equal(source.read(0), MAP)


@pytest.mark.parametrize("number", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_where_the_file_system_cannot_lock_the_file_is_read_all_the_same(
    path: str, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    write(path, {"x": MAP})
    open_file = h5py.File

    def unlockable(name: str, mode: str, locking: bool | None = None) -> Any:
        if locking is not False:
            reason = "Unable to synchronously open file (unable to lock file, errno = 0)"
            raise OSError(getattr(errno, number), reason)
        return open_file(name, mode, locking=locking)

    monkeypatch.setattr(h5py, "File", unlockable)
    with open_features(path) as source:
        np.testing.assert_array_equal(source.read(0), MAP)


def test_a_file_whose_writer_died_says_how_to_clear_it(path: str) -> None:
    program = (
        "import h5py, os, sys\n"
        "file = h5py.File(sys.argv[1], 'w', libver='latest')\n"
        "file['x'] = [[[1.0]]]\n"
        "file.flush()\n"
        "os._exit(0)"
    )
    run(program, path)
    assert f"h5clear -s {path}" in message_of(path)


# Files that are none


def test_a_file_that_is_no_hdf5_file_says_what_it_is(tmp_path: Path) -> None:
    text, nothing, missing = tmp_path / "text.h5", tmp_path / "nothing.h5", tmp_path / "missing.h5"
    text.write_text("not HDF5 at all\n" * 100)
    nothing.touch()
    assert message_of(f"{text}") == f"{text} is not an HDF5 file"
    assert message_of(f"{nothing}::/x") == f"{nothing} is not an HDF5 file"
    assert message_of(f"{missing}::/x") == f"{missing} does not exist"
    assert message_of(f"{tmp_path}::/x") == f"{tmp_path} is a directory, not an HDF5 file"
    assert message_of("::/x").startswith("'::/x' names no file")
    with pytest.raises(FeatureError, match="does not exist"):
        candidates(missing)


def test_a_name_that_the_system_refuses_is_one_line(tmp_path: Path) -> None:
    long = str(tmp_path / ("x" * 5000))
    assert "too long" in message_of(long)
    with pytest.raises(FeatureError, match="too long"):
        candidates(long)


def test_a_file_that_may_not_be_read_says_so(path: str) -> None:
    write(path, {"x": MAP})
    Path(path).chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    assert message_of(path) == f"{path} cannot be opened: Permission denied"


def test_a_truncated_file_says_how_much_there_is(path: str) -> None:
    write(path, {"x": BATCH})
    size = Path(path).stat().st_size
    os.truncate(path, size - 100)
    message = message_of(path)
    assert message.startswith(f"{path} is truncated")
    assert f"eof = {size - 100}" in message
    assert f"stored_eof = {size}" in message


def test_a_map_larger_than_memory_is_an_error(path: str) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1 << 20, 1 << 20, 1 << 18), "f4", chunks=(1, 64, 64))
    with open_features(path) as source:
        with pytest.raises(FeatureError, match="x cannot be read: Unable to allocate"):
            source.read(0)
        with pytest.raises(FeatureError, match="x cannot be read: Unable to allocate"):
            next(source.read_ahead([0]))


def test_data_kept_in_a_raw_file_that_is_gone_is_an_error(path: str, tmp_path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (2, 3, 4), "f4", external=[(str(tmp_path / "gone.bin"), 0, 96)])
    assert "x cannot be read: unable to open external raw data file" in message_of(path)


@pytest.mark.parametrize("signature", [b"TREE", b"HEAP"])
def test_a_damaged_file_is_one_line(path: str, signature: bytes) -> None:
    write(path, {"maps/a": MAP})
    contents = Path(path).read_bytes()
    assert signature in contents
    Path(path).write_bytes(contents.replace(signature, b"XXXX"))
    assert message_of(path).startswith(f"{path} cannot be ")


def test_an_attribute_of_a_type_that_numpy_lacks_is_one_line(path: str) -> None:
    write(path, {"x": MAP})
    with h5py.File(path, "r+") as file:
        time, scalar = h5py.h5t.UNIX_D32LE, h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5a.create(file["x"].id, b"stride", time, scalar)
    assert message_of(path).startswith(f"{path}::/x cannot be read: ")


# Candidates


def test_candidates_tell_all_that_inspect_shows(path: str) -> None:
    with h5py.File(path, "w") as file:
        file["a"] = BATCH.astype(">f2")
        file.create_dataset("b", data=MAP, chunks=(1, 3, 4), compression=4, shuffle=True)
        file["a"].attrs.update(layout="nhwc", stride=16, input_scale=[0.5, 0.25])
        file["b"].attrs.update(spatial_scale=0.5)
        file["c"] = file["a"]
    a, b = candidates(path)
    assert (a.path, a.shape, a.dtype) == ("/a", BATCH.shape, np.dtype(">f2"))
    assert (a.layout, a.stride, a.spatial_scale) == ("NHWC", 16.0, None)
    assert (a.input_scale, a.chunks, a.compression, a.odd) == ((0.25, 0.5), None, "none", ())
    assert (b.layout, b.stride, b.spatial_scale, b.input_scale) == (None, None, 0.5, None)
    assert (b.chunks, b.compression, b.odd) == ((1, 3, 4), "shuffle + gzip:4", ())


def test_candidates_tell_what_is_odd(path: str) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=BATCH, chunks=(8, 2, 3, 4), maxshape=(None, 2, 3, 4))
        file.create_dataset("y", data=BATCH, chunks=(2, 2, 3, 4), compression="lzf")
        file["x"].attrs.update(layout="NC", stride=-1)
        file["y"].attrs.update(stride=16, spatial_scale=0.5)
    x, y = candidates(path)
    assert [problem.split(":")[0] for problem in x.odd] == [
        "attribute stride is -1, not a positive number",
        "attribute layout is 'NC', not NCHW, NHWC, CHW or HWC",
    ]
    assert (x.layout, x.stride) == (None, None)
    assert "stride is 16, but spatial_scale is 0.5" in y.odd[0]
    assert y.odd[1] == "a chunk holds 2 images, so each is decompressed 2 times"


@pytest.mark.parametrize("missing", [None, "file", "dataset"])
def test_a_virtual_dataset_is_read_if_all_that_it_is_made_of_is_there(
    tmp_path: Path, missing: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "parts").mkdir()
    maps = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    layout = h5py.VirtualLayout(maps.shape, maps.dtype)
    for i, part in enumerate(maps):
        with h5py.File(tmp_path / "parts" / f"{i}.h5", "w") as file:
            file["wrong" if missing == "dataset" and i else "map"] = part
        layout[i] = h5py.VirtualSource(f"parts/{i}.h5", "map", part.shape)
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file.create_virtual_dataset("maps", layout)
    if missing == "file":
        (tmp_path / "parts" / "1.h5").unlink()
    monkeypatch.chdir("/")
    if missing:
        with pytest.raises(
            FeatureError, match=r"::/maps is virtual, and parts/1.h5::/?map, .* not"
        ):
            open_features(tmp_path / "all.h5")
        return
    with open_features(tmp_path / "all.h5") as source:
        np.testing.assert_array_equal(source.read(1), maps[1])
