"""Bytes come only from the named file and its folder; data elsewhere or missing is refused."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from roicrop.features import open_features
from tests.command_line import run
from tests.features.files import MAP, message_of, read_all, write

SHAPE = MAP.shape


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "parts").mkdir(parents=True)
    return tmp_path / "home"


def virtual(path: Path, sources: list[tuple[str, str]], rows: int = 2) -> None:
    """(n, 2, 3, 4) at /maps of a file, each image from a dataset of another."""
    layout = h5py.VirtualLayout((len(sources), *SHAPE), "f4")
    for i, (name, dataset) in enumerate(sources):
        layout[i, :rows] = h5py.VirtualSource(name, dataset, SHAPE)[:rows]
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("maps", layout)


@pytest.mark.parametrize("fault", [None, "file", "dataset", "short"])
def test_what_is_missing_is_found_at_every_depth(home: Path, fault: str | None) -> None:
    write(str(home / "parts" / "a.h5"), {"x": MAP[:1] if fault == "short" else MAP})
    layout = h5py.VirtualLayout(SHAPE, "f4")
    layout[:] = h5py.VirtualSource("a.h5", "y" if fault == "dataset" else "x", SHAPE)
    with h5py.File(home / "parts" / "b.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
    virtual(home / "all.h5", [("parts/b.h5", "x")])
    if fault == "file":
        (home / "parts" / "a.h5").unlink()
    if fault is None:
        with open_features(home / "all.h5") as source:
            np.testing.assert_array_equal(source.read(0), MAP)
        text = run("inspect", home / "all.h5").out
        assert "a.h5" in text
        assert "b.h5" in text
        return
    message = message_of(f"{home / 'all.h5'}")
    assert "parts/b.h5::x, which it is made of, is virtual, and a.h5::" in message
    assert (
        "is too small: its shape is (1, 3, 4)" if fault == "short" else "does not exist"
    ) in message


def test_a_virtual_dataset_that_is_made_of_itself_is_refused(home: Path) -> None:
    virtual(home / "all.h5", [("all.h5", "maps")])
    assert "made of itself" in message_of(f"{home / 'all.h5'}") or "too small" in message_of(
        f"{home / 'all.h5'}"
    )


@pytest.mark.parametrize("kind", ["link", "image of a group", "virtual", "chain", "symlink"])
def test_what_is_outside_the_folder_is_read_only_when_it_is_asked_for(
    home: Path, tmp_path: Path, kind: str
) -> None:
    outside, file = tmp_path / "outside.h5", home / "all.h5"
    write(str(outside), {"x": MAP})
    spec = f"{file}"
    if kind == "virtual":
        virtual(file, [(str(outside), "x")])
    elif kind == "link":
        write(f"{file}", {"x": h5py.ExternalLink("../outside.h5", "/x")})
        spec = f"{file}::/x"
    elif kind == "image of a group":
        write(f"{file}", {"a": MAP, "x": h5py.ExternalLink(str(outside), "/x")})
        spec = f"{file}::/"
    elif kind == "symlink":
        (home / "inside.h5").symlink_to(outside)
        write(f"{file}", {"x": h5py.ExternalLink("inside.h5", "/x")})
        spec = f"{file}::/x"
    else:
        write(str(home / "parts" / "b.h5"), {"y": h5py.ExternalLink(str(outside), "/x")})
        write(f"{file}", {"x": h5py.ExternalLink("parts/b.h5", "/y")})
        spec = f"{file}::/x"
    assert "outside the folder of its file: --allow-external reads it" in message_of(spec)
    read_all(spec, allow_external=True)
    assert str(outside) in run("inspect", spec, "--allow-external").out.replace(
        "home/../", ""
    ).replace(str(home / "inside.h5"), str(outside))


def test_what_is_below_the_folder_is_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(str(home / "parts" / "a.h5"), {"x": MAP})
    write(str(home / "all.h5"), {"x": h5py.ExternalLink("parts/a.h5", "/x")})
    virtual(home / "virtual.h5", [("parts/a.h5", "x")])
    monkeypatch.chdir(home)
    for spec in ("all.h5::/x", f"{home}/all.h5::/x", "virtual.h5", f"{home}/virtual.h5"):
        read_all(spec)


@pytest.mark.parametrize(("size", "words"), [(96, None), (95, "ends before its values do")])
def test_raw_storage_is_read_only_when_it_is_asked_for_and_whole(
    home: Path, size: int, words: str | None
) -> None:
    raw = home / "raw.bin"
    raw.write_bytes(MAP.tobytes()[:size])
    with h5py.File(home / "all.h5", "w") as file:
        file.create_dataset("x", SHAPE, "f4", external=[(str(raw), 0, 96)])
    spec = f"{home / 'all.h5'}"
    assert "raw.bin: --allow-external reads it" in message_of(spec)
    if words:
        assert words in message_of(spec, allow_external=True)
        return
    with open_features(spec, allow_external=True) as source:
        np.testing.assert_array_equal(source.read(0), MAP)
    assert "raw.bin" in run("inspect", spec, "--allow-external").out
