"""Boxes and pooled tensors in HDF5 may come, like features, only from their own folder."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.command_line import BOXES, MAPS, Result, run, write_boxes, write_maps

TABLE = np.array(BOXES, np.float64)
OUTSIDE = ["raw", "link outside", "virtual outside", "chain"]
INSIDE = ["link inside", "virtual inside"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with maps.h5 and boxes.csv; beside it are outside.h5 and outside.raw."""
    (tmp_path / "home" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "home")
    write_maps()
    write_boxes()
    return tmp_path


def write(home: Path, kind: str, values: np.ndarray) -> None:
    """Write the values to /x of all.h5, stored as the kind says."""
    (home / "outside.raw").write_bytes(values.tobytes())
    for place in (home, home / "home" / "below"):
        with h5py.File(place / "outside.h5", "w") as file:
            file["x"] = values
    with h5py.File("below/chain.h5", "w") as file:
        file["x"] = h5py.ExternalLink(str(home / "outside.h5"), "/x")
    source = {"inside": "below/outside.h5", "chain": "below/chain.h5"}.get(
        kind.rpartition(" ")[2], str(home / "outside.h5")
    )
    with h5py.File("all.h5", "w") as file:
        if kind == "raw":
            raw = [(str(home / "outside.raw"), 0, values.nbytes)]
            file.create_dataset("x", values.shape, values.dtype, external=raw)
        elif kind.startswith("virtual"):
            layout = h5py.VirtualLayout(values.shape, values.dtype)
            layout[:] = h5py.VirtualSource(source, "x", values.shape)
            file.create_virtual_dataset("x", layout)
        else:
            file["x"] = h5py.ExternalLink(source, "/x")


def crop(*options: str) -> Result:
    names = ("--columns", "image,x1,y1,x2,y2")
    return run("align", "maps.h5", "all.h5::/x", "-o", "out.npy", "--overwrite", *names, *options)


@pytest.mark.parametrize("kind", [*OUTSIDE, *INSIDE])
def test_boxes_outside_the_folder_are_read_only_on_request(home: Path, kind: str) -> None:
    write(home, kind, TABLE)
    assert run("align", "maps.h5", "boxes.csv", "-o", "due.npy").status == 0
    if kind in OUTSIDE:
        assert "--allow-external reads it" in crop().error
    assert crop(*["--allow-external"] * (kind in OUTSIDE)).status == 0
    np.testing.assert_array_equal(np.load("out.npy"), np.load("due.npy"))


@pytest.mark.parametrize("kind", [*OUTSIDE, *INSIDE])
def test_a_tensor_outside_the_folder_is_read_only_on_request(home: Path, kind: str) -> None:
    assert run("align", "maps.h5", "boxes.csv", "-o", "due.npy", "--output-size", 2).status == 0
    write(home, kind, np.load("due.npy"))
    for spec in ("all.h5::/x", *["all.h5"] * (kind in ("raw", "virtual outside"))):
        ask = ["identify", "maps.h5", "boxes.csv", spec]
        if kind in OUTSIDE:
            assert "--allow-external reads it" in run(*ask).error
            ask.append("--allow-external")
        assert run(*ask).status in (0, 3)


def test_an_output_whose_values_were_moved_elsewhere_is_not_looked_into(home: Path) -> None:
    assert run("align", "maps.h5", "boxes.csv", "-o", "out.h5").status == 0
    raw = home / "outside.raw"
    raw.write_bytes(np.full((3, MAPS.shape[1], 7, 7), 7.25, np.float32).tobytes())
    with h5py.File("out.h5", "r+") as file:
        shape = file["pooled"].shape
        del file["pooled"]
        file.create_dataset("pooled", shape, "f4", external=[(str(raw), 0, raw.stat().st_size)])
    assert "--allow-external reads it" in run("inspect", "out.h5").error
    assert "7.25" in run("inspect", "out.h5", "--allow-external").out


def test_boxes_whose_source_is_gone_or_short_are_an_error(home: Path) -> None:
    write(home, "virtual inside", TABLE)
    with h5py.File("below/outside.h5", "w") as file:
        file["x"] = TABLE[:1]
    assert "is too small: its shape is (1, 5)" in crop().error
    Path("below/outside.h5").unlink()
    assert "does not exist: restore it" in crop("--allow-external").error
