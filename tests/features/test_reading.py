"""Feature maps come out of HDF5 as they went in."""

from __future__ import annotations

import sys
import threading
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.chunks import Windows
from roicrop.errors import FeatureError
from roicrop.features import open_features
from tests.features.files import BATCH, MAP, message_of, run, write

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
    reads: list[int] = []
    arrived = threading.Semaphore(0)
    read = Windows.read

    def watched(windows: Windows, images: slice, *place: Any) -> Any:
        window = read(windows, images, *place)
        reads.append(images.start)
        arrived.release()
        return window

    monkeypatch.setattr(Windows, "read", watched)
    write(path, {"x": BATCH})
    with open_features(path) as source:
        maps = source.read_ahead([0, 1, 2, 3])
        next(maps)
        assert arrived.acquire(timeout=10)
        assert arrived.acquire(timeout=10)
        assert reads == [0, 1]
        assert not arrived.acquire(timeout=0.05)
        next(maps)
        assert arrived.acquire(timeout=10)
        assert reads == [0, 1, 2]


def test_an_error_in_the_reading_thread_comes_in_its_turn(path: str) -> None:
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", data=BATCH, chunks=(1, 2, 3, 4), compression="gzip")
        dataset.id.write_direct_chunk((2, 0, 0, 0), b"no gzip")
    with open_features(path) as source:
        came: list[int] = []
        with pytest.raises(FeatureError) as caught:
            came.extend(i for i, _ in source.read_ahead(range(5)))
        assert came == [0, 1]
        assert str(caught.value).startswith(f"{path}::/x cannot be read: the chunk at (2, 0, 0, 0)")
        with pytest.raises(FeatureError, match=r"chunk at \(2, 0, 0, 0\)"):
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
