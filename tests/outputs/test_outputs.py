from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.errors import ArgumentError, OutputError
from roicrop.outputs import OutputSpec, open_output

SUFFIXES = [".h5", ".hdf5", ".npz", ".npy"]
WITH_COLUMNS = [".h5", ".npz"]
COMPRESSED = [(".h5", "lzf"), (".h5", "gzip"), (".h5", "gzip:9"), (".npz", "gzip:1")]


def pooled_rows(rows: int, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    return np.arange(rows * 12).reshape(rows, 3, 2, 2).astype(dtype)


def spec_of(pooled: np.ndarray[Any, Any], compression: str = "none") -> OutputSpec:
    rows, channels, bins_y, bins_x = pooled.shape
    return OutputSpec((rows, channels, bins_y, bins_x), pooled.dtype, compression=compression)


def write(
    path: Path,
    pooled: np.ndarray[Any, Any],
    *,
    compression: str = "none",
    columns: Mapping[str, Any] | None = None,
    attributes: Mapping[str, object] | None = None,
    **options: Any,
) -> None:
    with open_output(
        path,
        spec_of(pooled, compression),
        columns=columns or {},
        attributes=attributes or {},
        **options,
    ) as output:
        output.write(np.arange(len(pooled)), pooled)


def read(path: Path) -> dict[str, Any]:
    """Every array of an output file, texts as str."""
    if path.suffix == ".npy":
        return {"pooled": np.load(path)}
    if path.suffix == ".npz":
        with np.load(path) as archive:
            return {name: archive[name] for name in archive.files if name != "attributes"}
    with h5py.File(path) as file:
        return {
            name: dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()]
            for name, dataset in file.items()
        }


def attributes_of(path: Path) -> dict[str, Any]:
    if path.suffix == ".npz":
        with np.load(path) as archive:
            stored = json.loads(str(archive["attributes"]))
            assert isinstance(stored, dict)
            return stored
    with h5py.File(path) as file:
        return {
            name: value.tolist() if hasattr(value, "tolist") else value
            for name, value in file.attrs.items()
        }


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str, dtype: Any) -> None:
    pooled = pooled_rows(5, dtype)
    write(tmp_path / f"out{suffix}", pooled)
    stored = read(tmp_path / f"out{suffix}")["pooled"]
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored, pooled)


@pytest.mark.parametrize(("suffix", "compression"), COMPRESSED)
def test_compression_is_lossless_and_smaller(tmp_path: Path, suffix: str, compression: str) -> None:
    pooled = np.repeat(pooled_rows(1), 5000, axis=0)
    path = tmp_path / f"out{suffix}"
    write(path, pooled, compression=compression)
    np.testing.assert_array_equal(read(path)["pooled"], pooled)
    assert path.stat().st_size < pooled.nbytes / 4


def test_hdf5_says_how_it_is_compressed(tmp_path: Path) -> None:
    write(tmp_path / "out.h5", pooled_rows(5), compression="gzip:7")
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["pooled"].compression == "gzip"
        assert file["pooled"].compression_opts == 7
        assert file["pooled"].shuffle


@given(data=st.data(), suffix=st.sampled_from([*SUFFIXES, "gzip .h5"]))
def test_rows_may_come_in_any_order_and_those_that_never_come_are_zeros(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, suffix: str
) -> None:
    pooled = pooled_rows(data.draw(st.integers(0, 40), "rows"))
    call_of_row = data.draw(
        st.lists(st.integers(-1, 3), min_size=len(pooled), max_size=len(pooled)), "call of row"
    )
    compression, _, _ = suffix.rpartition(" ")
    path = tmp_path_factory.mktemp("order") / f"out{suffix.removeprefix('gzip ')}"
    spec = spec_of(pooled, compression or "none")
    with open_output(path, spec, columns={}, attributes={}) as output:
        for call in (2, 0, 3, 1):
            rows = np.flatnonzero(np.asarray(call_of_row) == call)
            output.write(rows, pooled[rows])
    expected = np.where(np.reshape(call_of_row, (-1, 1, 1, 1)) >= 0, pooled, 0)
    np.testing.assert_array_equal(read(path)["pooled"], expected)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_strided_rows_of_another_type_are_converted(tmp_path: Path, suffix: str) -> None:
    channels_last = np.moveaxis(pooled_rows(4, np.float64), 1, 3).copy()
    channels_last[0, 0, 0, 0] = 1e300
    path = tmp_path / f"out{suffix}"
    spec = OutputSpec((4, 3, 2, 2), np.dtype(np.float32))
    with open_output(path, spec, columns={}, attributes={}) as output:
        output.write(np.arange(4), np.moveaxis(channels_last, 3, 1))
    with np.errstate(over="ignore"):
        expected = np.moveaxis(channels_last, 3, 1).astype(np.float32)
    assert np.isinf(expected[0, 0, 0, 0])
    np.testing.assert_array_equal(read(path)["pooled"], expected)


@pytest.mark.parametrize("suffix", [*SUFFIXES, "gzip .h5"])
def test_no_boxes_give_an_output_of_no_rows(tmp_path: Path, suffix: str) -> None:
    compression, _, suffix = suffix.rpartition(" ")
    path = tmp_path / f"out{suffix}"
    columns = {"boxes": np.empty((0, 4)), "image": np.empty(0, dtype=object)}
    write(path, pooled_rows(0), compression=compression or "none", columns=columns)
    assert read(path)["pooled"].shape == (0, 3, 2, 2)
    if suffix != ".npy":
        assert read(path)["boxes"].shape == (0, 4)
        assert read(path)["image"].shape == (0,)


@pytest.mark.parametrize("suffix", WITH_COLUMNS)
@pytest.mark.parametrize(
    ("column", "stored"),
    [
        (np.array([[0.5, 1, 2, 3]] * 2), [[0.5, 1, 2, 3]] * 2),
        (np.array([3, 4], dtype=np.int64), [3, 4]),
        (np.array(["a", "größe 画像"]), ["a", "größe 画像"]),
        (np.array(["a", "b"], dtype=object), ["a", "b"]),
        (np.array([7, np.int32(8)], dtype=object), [7, 8]),
        (np.array([7, 0.5], dtype=object), [7.0, 0.5]),
        (np.array([7, "cat"], dtype=object), ["7", "cat"]),
        (np.array(["cat", None], dtype=object), ["cat", ""]),
        (np.array([2**70, 1], dtype=object), [str(2**70), "1"]),
        (np.array(["nul \0", "not UTF-8 \udce9"], dtype=object), ["nul ?", "not UTF-8 ?"]),
    ],
    ids=str,
)
def test_columns_keep_their_values(
    tmp_path: Path, suffix: str, column: np.ndarray[Any, Any], stored: list[Any]
) -> None:
    path = tmp_path / f"out{suffix}"
    write(path, pooled_rows(2), columns={"column": column})
    assert read(path)["column"].tolist() == stored


def test_texts_in_hdf5_are_utf8_of_any_length(tmp_path: Path) -> None:
    write(tmp_path / "out.h5", pooled_rows(2), columns={"label": np.array(["a", "größe"])})
    with h5py.File(tmp_path / "out.h5") as file:
        info = h5py.check_string_dtype(file["label"].dtype)
        assert info.encoding == "utf-8"
        assert info.length is None


@pytest.mark.parametrize("suffix", WITH_COLUMNS)
def test_attributes_keep_their_values(tmp_path: Path, suffix: str) -> None:
    attributes: dict[str, object] = {
        "convention": "mask-rcnn",
        "spatial_scale": 0.0625,
        "sampling_ratio": 2,
        "aligned": False,
        "output_size": (7, 7),
        "inputs": ["größe.h5", "boxes.csv"],
        "many": ["x" * 50] * 3000,
        "none of them": [],
        "count": np.int64(3),
        "size": np.array([1, 2]),
    }
    path = tmp_path / f"out{suffix}"
    write(path, pooled_rows(1), attributes={**attributes, "left out": None})
    stored = attributes_of(path)
    assert "left out" not in stored
    for name, value in attributes.items():
        plain = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
        assert stored[name] == (list(plain) if isinstance(plain, tuple) else plain), name


def test_attributes_that_are_no_flat_values_are_json_in_hdf5(tmp_path: Path) -> None:
    write(tmp_path / "out.h5", pooled_rows(1), attributes={"changed": {"aligned": [False, True]}})
    assert json.loads(attributes_of(tmp_path / "out.h5")["changed"]) == {"aligned": [False, True]}


@pytest.mark.parametrize("channels_last", [False, True])
def test_viewers_find_the_first_grid_by_the_attributes_of_nexus(
    tmp_path: Path, channels_last: bool
) -> None:
    spec = OutputSpec((2, 3, 4, 5), np.dtype(np.float32), channels_last=channels_last)
    with open_output(tmp_path / "out.h5", spec, columns={}, attributes={}):
        pass
    with h5py.File(tmp_path / "out.h5") as file:
        assert file.attrs["NX_class"] == "NXdata"
        signal = file[file.attrs["signal"]]
        labels = [dimension.label for dimension in signal.dims]
        assert len(file.attrs["axes"]) == signal.ndim
        assert signal.attrs["signal"] == 1
        assert signal.attrs["axes"].split(":") == labels
        shown = dict(zip(labels, file.attrs["default_slice"], strict=True))
    assert shown == {"box": "0", "channel": "0", "y": ".", "x": "."}
    assert labels[-1] == ("channel" if channels_last else "x")


def test_uncompressed_rows_are_one_block_of_bytes(tmp_path: Path) -> None:
    pooled = pooled_rows(9)
    write(tmp_path / "out.h5", pooled)
    with h5py.File(tmp_path / "out.h5") as file:
        offset = file["pooled"].id.get_offset()
    mapped = np.memmap(tmp_path / "out.h5", np.float32, "r", offset, pooled.shape)
    np.testing.assert_array_equal(mapped, pooled)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_memory_does_not_grow_with_the_output(tmp_path: Path, suffix: str) -> None:
    rows, batch = 4000, np.ones((10, 64, 8, 8), np.float32)
    spec = OutputSpec((rows, *batch.shape[1:]), batch.dtype)
    total = rows * spec.row_bytes
    write(tmp_path / f"first{suffix}", pooled_rows(1))  # imports what the format needs
    tracemalloc.start()
    try:
        with open_output(tmp_path / f"out{suffix}", spec, columns={}, attributes={}) as output:
            for start in range(0, rows, len(batch)):
                output.write(np.arange(start, start + len(batch)), batch)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < total / 10


@pytest.mark.parametrize("suffix", WITH_COLUMNS)
def test_the_same_content_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        columns = {"label": np.array(["x", "y"])}
        write(tmp_path / f"{name}{suffix}", pooled_rows(2), columns=columns, attributes={"n": 1})
    a, b = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("a", "b"))
    assert a == b


@pytest.mark.parametrize("name", ["out", "out.txt", "h5"])
def test_a_format_that_is_not_known_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArgumentError, match=r"unknown extension: use \.h5, \.hdf5, \.npz, \.npy"):
        write(tmp_path / name, pooled_rows(1))


@pytest.mark.parametrize("compression", ["zip", "gzip:", "gzip:10", "lzf:1", "none:1", ""])
def test_a_compression_that_is_not_known_is_refused(tmp_path: Path, compression: str) -> None:
    with pytest.raises(ArgumentError, match="is not one of none, lzf, gzip"):
        write(tmp_path / "out.h5", pooled_rows(1), compression=compression)


@pytest.mark.parametrize(("suffix", "compression"), [(".npz", "lzf"), (".npy", "gzip")])
def test_a_compression_that_the_format_lacks_is_refused(
    tmp_path: Path, suffix: str, compression: str
) -> None:
    with pytest.raises(ArgumentError, match=f"cannot be compressed with {compression}"):
        write(tmp_path / f"out{suffix}", pooled_rows(1), compression=compression)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_error_of_the_work_passes_unchanged_and_leaves_nothing(
    tmp_path: Path, suffix: str
) -> None:
    pooled = pooled_rows(2)
    with (
        pytest.raises(PermissionError, match="the features"),
        open_output(tmp_path / f"out{suffix}", spec_of(pooled), columns={}, attributes={}),
    ):
        raise PermissionError(13, "the features")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def full_disk() -> Iterator[int]:
    """No file can grow beyond this many bytes; for a writer that is a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = 300_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    yield size
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("suffix", "compression"), [*((suffix, "none") for suffix in SUFFIXES), *COMPRESSED]
)
def test_a_full_disk_is_one_line_and_loses_nothing(
    tmp_path: Path, full_disk: int, suffix: str, compression: str
) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"old")
    noise = np.random.default_rng(0).random((full_disk // 200, 3, 4, 5), np.float32)
    with pytest.raises(OutputError, match=r"^.*/out\.\w+ cannot be written: File too large; .+$"):
        write(path, noise, compression=compression, overwrite=True)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", WITH_COLUMNS)
def test_columns_too_large_for_the_disk_are_one_line_too(
    tmp_path: Path, full_disk: int, suffix: str
) -> None:
    columns = {"boxes": np.ones(full_disk)}
    with pytest.raises(OutputError, match="File too large"):
        write(tmp_path / f"out{suffix}", pooled_rows(1), columns=columns)
    assert list(tmp_path.iterdir()) == []


WRITES_FOREVER = """
import signal, sys, time
import numpy as np
from roicrop.outputs import OutputSpec, open_output

signal.signal(signal.SIGTERM, signal.default_int_handler)
spec = OutputSpec((2, 3, 2, 2), np.dtype(np.float32), compression=sys.argv[2])
with open_output(sys.argv[1], spec, columns={}, attributes={}) as output:
    output.write(np.arange(1), np.ones((1, 3, 2, 2), np.float32))
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(("suffix", "compression"), [(".h5", "none"), (".h5", "gzip")])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_process_leaves_no_output(
    tmp_path: Path, suffix: str, compression: str, number: signal.Signals
) -> None:
    path = tmp_path / f"out{suffix}"
    command = [sys.executable, "-c", WRITES_FOREVER, os.fspath(path), compression]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(number)
    left = list(tmp_path.iterdir())
    assert path not in left
    assert len(left) == (1 if number == signal.SIGKILL else 0)
    write(path, pooled_rows(2), compression=compression)
    assert list(tmp_path.iterdir()) == [path]
