"""Which calls HDF5 gets, from which thread, and which it never gets."""

from __future__ import annotations

import builtins
import io
import mmap
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py._objects import phil

from roicrop.chunks import Pieces
from roicrop.features import open_features


class Watched:
    """A dataset that notes what it is asked for by name."""

    def __init__(self, dataset: Any, on_chunk: Callable[[], None] = lambda: None) -> None:
        self.asked: set[str] = set()
        self._dataset, self._on_chunk = dataset, on_chunk

    @property
    def id(self) -> Watched:
        """Itself."""
        return self

    def __getattr__(self, name: str) -> Any:
        self.asked.add(name)
        if name == "read_direct_chunk":
            self._on_chunk()
        return getattr(self._dataset.id, name)


def _chunked() -> Any:
    values = np.arange(6 * 40 * 40, dtype="f4").reshape(6, 40, 40)
    file = h5py.File(io.BytesIO(), "w")
    return file.create_dataset("maps", data=values, chunks=(1, 2, 2), compression="gzip")


def _read_all(pieces: Pieces, each: Any = map) -> np.ndarray:
    out = np.empty(pieces.shape, np.float32)
    start = (0,) * out.ndim
    pieces.read(out, start, np.ones(pieces.grid(start, out.shape), bool), each)
    return out


def test_chunks_are_found_by_their_place_and_never_counted_or_listed() -> None:
    dataset = _chunked()
    pieces = Pieces(dataset, "")
    pieces._dataset = watched = Watched(dataset)
    read = _read_all(pieces)
    assert watched.asked == {"read_direct_chunk"}
    np.testing.assert_array_equal(read, dataset[...])


def test_one_thread_at_a_time_asks_hdf5() -> None:
    free: list[bool] = []

    def try_elsewhere() -> None:
        def attempt() -> None:
            free.append(phil.acquire(blocking=False))
            if free[-1]:
                phil.release()

        other = threading.Thread(target=attempt)
        other.start()
        other.join()

    dataset = _chunked()
    pieces = Pieces(dataset, "")
    pieces._dataset = Watched(dataset, try_elsewhere)
    with ThreadPoolExecutor(3) as threads:
        _read_all(pieces, threads.map)
    assert len(free) == 6 * 20 * 20
    assert not any(free)


@pytest.mark.parametrize("written", [True, False])
def test_a_dataset_that_was_never_written_is_its_fill_value(written: bool, tmp_path: Path) -> None:
    path = str(tmp_path / "maps.h5")
    storage: dict[str, dict[str, Any]] = {
        "contiguous": {},
        "chunked": {"chunks": (1, 3, 3)},
        "packed": {"chunks": (1, 3, 3), "compression": "gzip", "shuffle": True},
    }
    with h5py.File(path, "w") as file:
        for name, options in storage.items():
            made = file.create_dataset(name, (2, 7, 8), "f4", fillvalue=2.5, **options)
            assert made.id.get_offset() is None
            if written:
                made[0, 3:5, 4] = 1
    with h5py.File(path) as file:
        for name in storage:
            read = _read_all(Pieces(file[name], ""))
            np.testing.assert_array_equal(read, file[name][...], name)
            assert (read == 2.5).sum() == 2 * 7 * 8 - 2 * written


@pytest.mark.parametrize("storage", [{}, {"chunks": (1, 2, 5, 5), "compression": "gzip"}])
def test_nothing_is_opened_a_second_time_nor_mapped_into_memory(
    storage: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).standard_normal((2, 3, 20, 20)).astype(np.float32)
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file.create_dataset("features", data=values, **storage)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a second descriptor, which drops HDF5's locks when it is closed")

    with open_features(str(tmp_path / "maps.h5")) as source:
        windows, number = source.windows(1)
        with monkeypatch.context() as patched:
            for module, name in ((builtins, "open"), (io, "open"), (os, "open"), (mmap, "mmap")):
                patched.setattr(module, name, refuse)
            for name in ("pread", "preadv"):  # Windows has neither
                patched.delattr(os, name, raising=False)
            buffer = np.empty(windows.bytes(1, 3, 20, 20), np.uint8)
            place = slice(number, number + 1), slice(0, 3), slice(0, 20), slice(0, 20)
            np.testing.assert_array_equal(windows.read(*place, buffer)[0], values[1])
