"""Chunks read raw: the same cells as HDF5 gives, to the bit, and one line for a damaged one."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from roicrop.chunks import filters
from roicrop.chunks.pieces import Pieces, runs
from roicrop.errors import FeatureError

SHUFFLED, CHECKED = {"shuffle": True}, {"fletcher32": True}
PACKED: list[dict[str, Any]] = [
    {},
    {"compression": "gzip"},
    {"compression": "lzf"},
    SHUFFLED,
    CHECKED,
    {"compression": "gzip", **SHUFFLED, **CHECKED},
    {"compression": "lzf", **SHUFFLED, **CHECKED},
    {"scaleoffset": 0},
]
DTYPES = ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8", "|b1", "|u1", "<i4", ">i8"]


@st.composite
def stored(draw: st.DrawFn) -> tuple[h5py.Dataset, np.dtype[Any]]:
    """A dataset of rank 3 or 4, of which some chunks may be missing."""
    rank = draw(st.integers(3, 4))
    shape = tuple(draw(st.integers(1, 9)) for _ in range(rank))
    chunks = tuple(draw(st.integers(1, n)) for n in shape)
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    options = dict(draw(st.sampled_from(PACKED)))
    if "scaleoffset" in options and dtype.kind != "i":
        del options["scaleoffset"]
    is_chunked = bool(options) or draw(st.booleans())
    file = h5py.File(io.BytesIO(), "w", userblock_size=draw(st.sampled_from([0, 512])))
    dataset = file.create_dataset(
        "maps", shape, dtype, chunks=chunks if is_chunked else None, fillvalue=1, **options
    )
    seed = draw(st.integers(0, 3))
    values = np.maximum(np.random.default_rng(seed).integers(-50, 99, shape), 0).astype(dtype)
    first = draw(st.integers(0, shape[0]))
    if first:
        dataset[:first] = values[:first]
    file.flush()
    return dataset, np.dtype(np.float64 if dtype.itemsize > 4 else np.float32)


@given(stored(), st.data())
def test_what_is_wanted_is_as_hdf5_reads_it_and_the_rest_is_not_touched(
    case: tuple[h5py.Dataset, np.dtype[Any]], data: st.DataObject
) -> None:
    dataset, dtype = case
    pieces = Pieces(dataset, "maps.h5::/maps")
    spans = []
    for n in dataset.shape:
        first = data.draw(st.integers(0, n - 1))
        spans.append((first, data.draw(st.integers(first + 1, n))))
    start = tuple(a for a, _ in spans)
    out = np.full([b - a for a, b in spans], -7, dtype)
    wanted = data.draw(hnp.arrays(bool, pieces.grid(start, out.shape)))

    pieces.read(out, start, wanted)

    cells = wanted
    for axis, (p, (a, b)) in enumerate(zip(pieces.piece, spans, strict=True)):
        cells = cells.take(np.arange(a, b) // p - a // p, axis)
    expected = dataset[tuple(slice(a, b) for a, b in spans)].astype(dtype)
    np.testing.assert_array_equal(out[cells], expected[cells])
    assert (out[~cells] == -7).all()


@given(stored(), st.data())
def test_crossings_of_lines_are_as_hdf5_reads_them(
    case: tuple[h5py.Dataset, np.dtype[Any]], data: st.DataObject
) -> None:
    dataset, dtype = case
    lines = [
        np.unique(data.draw(st.lists(st.integers(0, n - 1), min_size=1))) for n in dataset.shape
    ]
    out = np.full([len(each) for each in lines], -7, dtype)
    Pieces(dataset, "maps.h5::/maps").gather(out, lines)
    np.testing.assert_array_equal(out, dataset[...][np.ix_(*lines)].astype(dtype))


@given(hnp.arrays(bool, st.tuples(*[st.integers(1, 5)] * 3)))
def test_runs_are_what_is_true_once_each(wanted: np.ndarray) -> None:
    times = np.zeros(wanted.shape, int)
    for block in runs(wanted):
        times[block] += 1
    np.testing.assert_array_equal(times, wanted)


def test_several_threads_give_what_one_gives() -> None:
    dataset = _dataset((16, 40, 50), (4, 9, 7), compression="gzip", shuffle=True, fletcher32=True)
    pieces = Pieces(dataset, "maps.h5::/maps")
    out = np.empty(dataset.shape, np.float32)
    with ThreadPoolExecutor(4) as threads:
        wanted = np.ones(pieces.grid((0,) * out.ndim, out.shape), bool)
        pieces.read(out, (0, 0, 0), wanted, threads.map)
    np.testing.assert_array_equal(out, dataset[...])


def test_every_thread_unpacks_in_memory_of_its_own() -> None:
    dataset = _dataset((8, 8, 8), (2, 2, 2), compression="lzf", shuffle=True)
    pieces = Pieces(dataset, "maps.h5::/maps")
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: _read_all(pieces), range(40)))
    assert all((result == dataset[...]).all() for result in results)


@pytest.mark.parametrize("written", [False, True])
def test_chunks_that_were_never_written_are_the_fill_value(written: bool) -> None:
    file = h5py.File(io.BytesIO(), "w")
    dataset = file.create_dataset(
        "maps", (2, 6, 6), "f4", chunks=(1, 4, 4), compression="gzip", fillvalue=2.5
    )
    if written:
        dataset[1, 4:, 4:] = 1
    np.testing.assert_array_equal(_read_all(Pieces(dataset, "")), dataset[...])


def test_a_chunk_says_which_filters_were_left_out_for_it() -> None:
    dataset = _dataset((2, 4, 4), (1, 4, 4), compression="gzip", shuffle=True, fletcher32=True)
    plain, checked = np.arange(16, dtype="<f4"), np.arange(16, 32, dtype="<f4")
    dataset.id.write_direct_chunk((0, 0, 0), plain.tobytes(), 0b111)
    dataset.id.write_direct_chunk((1, 0, 0), zlib.compress(checked.tobytes()), 0b101)
    dataset.file.flush()
    read = _read_all(Pieces(dataset, ""))
    np.testing.assert_array_equal(read.ravel(), np.concatenate([plain, checked]))


def test_a_chunk_without_filters_is_as_large_as_it_must_be() -> None:
    made, _ = filters.pipeline([(1, (4,))])
    assert made is not None
    with pytest.raises(filters.Damaged, match="it has 3 bytes, not 4,000"):
        made.undoing(0b1, 4000, lambda _, size: np.empty(size, np.uint8))(b"123")


def test_numbers_that_numpy_lacks_are_left_to_hdf5() -> None:
    file = h5py.File(io.BytesIO(), "w")
    narrow = h5py.h5t.STD_I16LE.copy()
    narrow.set_precision(12)
    space = h5py.h5s.create_simple((1, 2, 2))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1, 2, 2))
    dataset = h5py.Dataset(h5py.h5d.create(file.id, b"maps", narrow, space, plist))
    dataset[...] = [[[1, -2], [3, -4]]]
    pieces = Pieces(dataset, "")
    assert pieces.way == "by HDF5, since NumPy has no such numbers"
    np.testing.assert_array_equal(_read_all(pieces), dataset[...])


@pytest.mark.parametrize("kind", ["virtual", "compact", "external", "contiguous"])
def test_what_is_not_in_chunks_is_left_to_hdf5(kind: str, tmp_path: Path) -> None:
    values = np.arange(48, dtype="f4").reshape(3, 4, 4)
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        if kind == "virtual":
            file["one"] = values
            layout = h5py.VirtualLayout(values.shape, "f4")
            layout[...] = h5py.VirtualSource(file["one"])
            dataset = file.create_virtual_dataset("maps", layout)
        elif kind == "external":
            place = [(str(tmp_path / "values"), 0, values.nbytes)]
            dataset = file.create_dataset("maps", values.shape, "f4", external=place)
            dataset[...] = values
        elif kind == "compact":
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_layout(h5py.h5d.COMPACT)
            space = h5py.h5s.create_simple(values.shape)
            made = h5py.h5d.create(file.id, b"maps", h5py.h5t.IEEE_F32LE, space, plist)
            dataset = h5py.Dataset(made)
            dataset[...] = values
        else:
            dataset = file.create_dataset("maps", data=values)
        pieces = Pieces(dataset, "")
        np.testing.assert_array_equal(_read_all(pieces), values)
    assert pieces.way == ("row by row" if kind == "contiguous" else f"by HDF5, since it is {kind}")


def test_a_dataset_behind_an_external_link_is_read_where_it_is(tmp_path: Path) -> None:
    values = np.arange(64, dtype="f4").reshape(4, 4, 4)
    with h5py.File(tmp_path / "far.h5", "w", userblock_size=1024) as file:
        file.create_dataset("maps", data=values, chunks=(2, 2, 2), compression="gzip")
    with h5py.File(tmp_path / "near.h5", "w") as file:
        file["maps"] = h5py.ExternalLink("far.h5", "/maps")
    with h5py.File(tmp_path / "near.h5") as file:
        np.testing.assert_array_equal(_read_all(Pieces(file["maps"], "")), values)


RAW = np.arange(1000, dtype="<f4").tobytes()
DAMAGE: dict[str, tuple[dict[str, Any], bytes, str]] = {
    "cut": ({"compression": "gzip"}, zlib.compress(RAW)[:-9], "gzip|unpacks to"),
    "checksum of gzip": ({"compression": "gzip"}, zlib.compress(RAW)[:-4] + b"1234", "gzip says"),
    "too small": ({"compression": "gzip"}, zlib.compress(RAW[:-4]), "unpacks to 3,996 bytes"),
    "too large": ({"compression": "gzip"}, zlib.compress(RAW * 500), "gzip|unpacks to more"),
    "no gzip": ({"compression": "gzip"}, b"no gzip", "gzip says"),
    "shuffle": (SHUFFLED, RAW + b"1", "unpacks to more bytes"),
    "fletcher32": (CHECKED, RAW + b"1234", "its checksum"),
    "nothing": (CHECKED, b"12", "it has no checksum"),
    "lzf": ({"compression": "lzf"}, b"\x00a" * 3000, "lzf does not give 4,000 bytes"),
    "lzf, far back": ({"compression": "lzf"}, b"\xff\xff\xff\xff" * 9, "lzf does not give"),
    "lzf, cut": ({"compression": "lzf"}, b"\x1f123", "lzf does not give"),
}


@pytest.mark.parametrize("with_deflate", [False, True])
@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_chunk_is_one_line(
    what: str, with_deflate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_deflate:
        pytest.importorskip("deflate")
    else:
        monkeypatch.setattr(filters, "_module", _all_but("deflate"))
    options, raw, message = DAMAGE[what]
    dataset = _dataset((2, 10, 100), (1, 10, 100), **options)
    pieces = Pieces(dataset, "maps.h5::/maps")
    if not pieces.raw:
        pytest.skip("without the compiled core HDF5 unpacks these")
    dataset.id.write_direct_chunk((1, 0, 0), raw)
    dataset.file.flush()
    with pytest.raises(FeatureError, match=message) as caught:
        _read_all(pieces)
    said = str(caught.value)
    assert said.startswith("maps.h5::/maps cannot be read: the chunk at (1, 0, 0) is damaged: ")
    assert "\n" not in said


def test_gzip_bombs_take_no_memory() -> None:
    bomb = zlib.compress(bytes(1 << 26))
    for library in ("zlib", "deflate"):
        made = filters.pipeline([(1, (4,))])[0] if library == "deflate" else _with_zlib()
        assert made is not None
        with pytest.raises(filters.Damaged):
            made.undoing(0, 4000, lambda _, size: np.empty(size, np.uint8))(bomb)


def _with_zlib() -> filters.Pipeline:
    return filters.Pipeline((filters.Filter("gzip", filters._undo_gzip),))


def test_filters_that_are_not_known_are_left_to_hdf5() -> None:
    dataset = _dataset((4, 6, 6), (2, 4, 4), dtype="i4", scaleoffset=0)
    pieces = Pieces(dataset, "")
    assert pieces.way == "by HDF5, which undoes scaleoffset"
    np.testing.assert_array_equal(_read_all(pieces), dataset[...])


def _lz4(raw: bytes) -> bytes:
    """In the frame of HDF5's filter: sizes of all and of a block, each block behind its own."""
    lz4: Any = pytest.importorskip("numcodecs.lz4")
    blocks = [raw[i : i + 1500] for i in range(0, len(raw), 1500)]
    packed = [lz4.compress(one)[4:] for one in blocks]
    shortest = [min(both, key=len) for both in zip(packed, blocks, strict=True)]
    framed = (struct.pack(">I", len(one)) + one for one in shortest)
    return struct.pack(">QI", len(raw), 1500) + b"".join(framed)


def _codec(name: str) -> Callable[[bytes], Any]:
    blosc: Any = pytest.importorskip("numcodecs.blosc")
    zstd: Any = pytest.importorskip("numcodecs.zstd")
    return {
        "lz4": _lz4,
        "blosc": lambda raw: blosc.compress(raw, b"lz4", 5, 1, 512, 4),
        "zstd": lambda raw: zstd.compress(raw, 3),
    }[name]


CODES = {"blosc": 32001, "lz4": 32004, "zstd": 32015}
VALUES = {"rises": np.arange(1000, dtype="<f4"), "zero": np.zeros(1000, "<f4")}


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("name", CODES)
def test_what_numcodecs_can_unpack_needs_no_plugin(name: str, values: str) -> None:
    packed = _codec(name)(VALUES[values].tobytes())
    dataset = _dataset_with(CODES[name], packed)
    read = _read_all(Pieces(dataset, ""))
    np.testing.assert_array_equal(read[0].ravel(), VALUES[values])
    assert (read[1] == 0).all()


@pytest.mark.parametrize("damage", ["short", "long", "cut", "torn", "empty"])
@pytest.mark.parametrize("name", CODES)
def test_damage_in_what_numcodecs_unpacks_is_one_line(name: str, damage: str) -> None:
    pack, raw = _codec(name), VALUES["rises"].tobytes()
    sound = pack(raw)
    packed = {
        "short": pack(raw[:-400]),
        "long": pack(raw + bytes(80_000)),
        "cut": sound[:-20],
        "torn": sound[:20] + b"\xff" * (len(sound) - 20),
        "empty": b"",
    }[damage]
    with pytest.raises(filters.Damaged):
        _undo(CODES[name], packed, len(raw))


@given(st.binary(max_size=80), st.sampled_from(["lzf", "shuffle", "fletcher32"]))
def test_no_bytes_lead_outside_their_chunk(raw: bytes, name: str) -> None:
    code = {"lzf": 32000, "shuffle": 2, "fletcher32": 3}[name]
    try:
        unpacked = _undo(code, raw, 64)
    except filters.Damaged:
        return
    assert len(unpacked) == 64


def test_the_ends_of_a_shuffled_chunk_are_as_they_were() -> None:
    raw = bytes(range(14))
    unpacked = bytes(_undo(2, raw, 14, (4,)))
    assert unpacked == bytes([0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, 12, 13])


def _undo(code: int, raw: bytes, size: int, values: tuple[int, ...] = (4,)) -> Any:
    made, _ = filters.pipeline([(code, values)])
    if made is None:
        pytest.skip("without the compiled core HDF5 unpacks these")
    return made.undoing(0, size, lambda _, count: np.empty(count, np.uint8))(raw)


def _dataset(
    shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str = "<f4", **options: Any
) -> h5py.Dataset:
    file = h5py.File(io.BytesIO(), "w")
    values = np.random.default_rng(0).integers(0, 9, shape).astype(dtype)
    return file.create_dataset("maps", data=values, chunks=chunks, **options)


def _dataset_with(code: int, packed: bytes) -> h5py.Dataset:
    """Of two chunks of 1000 numbers, the first packed by a filter which HDF5 need not have."""
    file = h5py.File(io.BytesIO(), "w")
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1, 10, 100))
    plist.set_filter(code, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((2, 10, 100))
    made = h5py.h5d.create(file.id, b"maps", h5py.h5t.IEEE_F32LE, space, plist)
    made.write_direct_chunk((0, 0, 0), packed)
    return h5py.Dataset(made)


def _read_all(pieces: Pieces) -> np.ndarray:
    out = np.empty(pieces.shape, np.float32)
    pieces.read(out, (0,) * out.ndim, np.ones(pieces.grid((0,) * out.ndim, out.shape), bool))
    return out


def _all_but(missing: str) -> Callable[[str], Any]:
    kept = filters._module
    return lambda name: None if name == missing else kept(name)
