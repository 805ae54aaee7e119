"""For a file that cannot be opened, or not read completely, one line says why."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import roicrop
from roicrop.errors import FeatureError
from roicrop.features import open_features
from tests.command_line import run_process, write_boxes
from tests.features.files import BATCH, MAP, message_of, run, write

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
    assert message_of(f"{nothing}::/x") == f"{nothing} is empty: write or download it again"
    assert message_of(f"{missing}::/x") == f"{missing} does not exist"
    assert message_of(f"{tmp_path}::/x") == f"{tmp_path} is a folder, not an HDF5 file"
    assert message_of("::/x").startswith("'::/x' names no file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("name", ["maps.h5", "maps.npy"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(FeatureError, match=f"{name} is a pipe or a device: HDF5 is read from a "):
        open_features(str(tmp_path / name))


def test_a_name_that_the_system_refuses_is_one_line(tmp_path: Path) -> None:
    long = str(tmp_path / ("x" * 5000))
    assert "too long" in message_of(long)


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
    assert "x is stored as raw bytes in" in message_of(path)
    assert "gone.bin: --allow-external reads it" in message_of(path)
    assert "gone.bin, which does not exist: restore it" in message_of(path, allow_external=True)


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


# Virtual datasets


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


def test_a_file_that_is_being_written_for_readers_to_see_is_read(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).standard_normal((2, 3, 20, 20), np.float32)
    write_boxes(tmp_path / "boxes.csv", [(1, 3, 3, 70, 70)])
    with h5py.File(tmp_path / "maps.h5", "w", libver="latest") as file:
        file.create_dataset("features", data=maps, chunks=(1, 3, 8, 8), compression="gzip")
        file.swmr_mode = True
        command = ("align", "maps.h5", "boxes.csv", "-o", "out.h5", "--stride", 4, "-q")
        result = run_process(*command, cwd=tmp_path)
        said = run_process("inspect", "maps.h5", cwd=tmp_path)
    assert (result.status, result.err) == (0, "")
    assert "by HDF5, since it is being written" in said.out
    with h5py.File(tmp_path / "out.h5") as out:
        boxes = np.array([[1, 3.0, 3, 70, 70]])
        np.testing.assert_array_equal(out["pooled"], roicrop.roi_align(maps, boxes, 7, 1 / 4))
