"""A file that is not HDF5 is read if NumPy wrote it, and otherwise identified in one line."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from roicrop.features import open_features
from tests.command_line import run
from tests.features.files import BATCH, MAP, message_of, read_all


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n", "Git LFS"),
        (b"\n<!DOCTYPE html><title>404</title>", "a web page (HTML): download the file itself"),
        (b"<html>404</html>", "a web page (HTML)"),
        (b'<?xml version="1.0"?><Error>AccessDenied</Error>', "XML"),
        (b"PK\x03\x04 and so on", "a ZIP archive: unpack it"),
        (b"\x1f\x8b\x08\x00", "compressed as a whole: unpack it first"),
        (b"MATLAB 5.0 MAT-file, Platform: PCWIN", "before v7.3: save it with -v7.3"),
        (b"CDF\x01", "NetCDF"),
        (b"\x80\x04\x95", "a Python pickle"),
    ],
)
def test_what_a_file_is_instead_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "maps.h5"
    path.write_bytes(content)
    assert message_of(f"{path}").startswith(f"{path} is ")
    assert words in message_of(f"{path}::/x")


@pytest.mark.parametrize("name", ["maps.pt", "maps.pth", "maps.safetensors"])
def test_files_of_tensors_come_with_the_lines_that_make_hdf5(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04")
    message = message_of(f"{path}")
    program = message.partition("in Python: ")[2]
    compile(program, "message", "exec")
    assert repr(str(path)) in program
    assert "h5py.File('maps.h5', 'w')" in program


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("data", [MAP, BATCH, BATCH.astype(">f2"), BATCH.astype("u1")])
def test_an_npy_is_read_image_by_image(tmp_path: Path, order: str, data: np.ndarray) -> None:
    np.save(tmp_path / "maps.npy", np.asarray(data, order=order))  # type: ignore[call-overload]
    with open_features(tmp_path / "maps.npy", spatial_scale=0.5) as source:
        images = data if data.ndim == 4 else data[None]
        assert (len(source), source.channels, source.map_size(0)) == (len(images), 2, (3, 4))
        for i in range(len(images)):
            np.testing.assert_array_equal(source.read(i), images[i])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_an_npz_are_chosen_as_datasets_are(tmp_path: Path, save: object) -> None:
    path = tmp_path / "maps.npz"
    save(path, p2=BATCH, boxes=np.zeros((3, 4)))  # type: ignore[operator]
    for spec in (f"{path}", f"{path}::p2", f"{path}::/p2"):
        with open_features(spec) as source:
            for i in (4, 0, 3):
                np.testing.assert_array_equal(source.read(i), BATCH[i])
    assert "is not a dataset or group: the file holds /boxes" in message_of(f"{path}::p3")
    save(path, p2=BATCH, p3=BATCH)  # type: ignore[operator]
    assert f"choose one, as in {path}::/p2" in message_of(f"{path}")
    save(path, a=MAP, b=MAP[:, :2], ids=[1, 2])  # type: ignore[operator]
    with open_features(path) as source:
        assert source.names == ["a", "b"]
        np.testing.assert_array_equal(source.read(1), MAP[:, :2])


def test_features_of_numpy_are_inspected_and_cropped(tmp_path: Path) -> None:
    np.save(tmp_path / "maps.npy", np.ones((2, 8, 20, 30), "f4"))
    (tmp_path / "b.csv").write_text("image_index,x1,y1,x2,y2\n1,0,0,100,100\n")
    files = tmp_path / "maps.npy", tmp_path / "b.csv"
    text = run("inspect", *files, "--stride", 8).out
    assert "maps.npy: NumPy, " in text
    assert "they fit" in text
    out = tmp_path / "o.npy"
    assert run("align", *files, "--stride", 8, "-o", out).status == 0
    assert np.load(out).shape == (1, 8, 7, 7)


def damaged() -> dict[str, bytes]:
    """Files that NumPy might have written, by what is wrong with them."""
    npy, npz, packed = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, BATCH)
    np.savez(npz, x=BATCH)
    np.savez_compressed(packed, x=np.random.default_rng(1).standard_normal((2, 3, 40, 40)))
    pickled = io.BytesIO()
    np.save(pickled, np.full((2, 3, 4), "x", object), allow_pickle=True)
    whole, stored = npy.getvalue(), bytearray(npz.getvalue())
    stored[len(stored) // 2] ^= 255
    deflated = bytearray(packed.getvalue())
    deflated[len(deflated) // 2] ^= 255
    encrypted = bytearray(npz.getvalue())
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    return {
        "cut.npy": whole[:-9],
        "header.npy": whole[:20],
        "token.npy": whole.replace(b"{'descr'", b"{ descr("),
        "version.npy": whole[:6] + b"\x09" + whole[7:],
        "pickle.npy": pickled.getvalue(),
        "flat.npy": npy_of(np.zeros(3)),
        "crc.npz": bytes(stored),
        "deflate.npz": bytes(deflated),
        "cut.npz": npz.getvalue()[:-30],
        "encrypted.npz": bytes(encrypted),
    }


def npy_of(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("name", sorted(damaged()))
def test_a_damaged_file_of_numpy_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(damaged()[name])
    assert message_of(f"{path}").startswith(f"{path}")
    result = run("inspect", path)
    assert (result.status == 1) == bool(result.err)
    assert result.status or "taken as    nothing" in result.out


def test_an_npz_that_claims_more_than_it_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "maps.npz"
    header = npy_of(np.zeros((1, 1, 1), "f4")).replace(b"(1, 1, 1), } ", b"(9, 9, 99), }")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header)
    assert "its values take 32,076 bytes, but" in message_of(f"{path}")


def test_a_member_that_is_whole_is_read_to_its_end(tmp_path: Path) -> None:
    np.savez(tmp_path / "maps.npz", x=BATCH)
    read_all(f"{tmp_path / 'maps.npz'}")
