"""`roicrop index` makes one dataset of a batch's outputs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.command_line import MAPS, Result, pooled, run, write_boxes, write_maps


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with crops/a.h5 (3 boxes) and crops/b.h5 (2 boxes), done by a batch."""
    monkeypatch.chdir(tmp_path)
    write_maps("a.h5")
    write_boxes(
        "a.csv", [(1, 8, 8, 40, 40, "x"), (0, 0, 0, 9, 9, "é"), (1, 2, 3, 30, 70, "")], ",label"
    )
    write_maps("b.h5", 2 * MAPS)
    write_boxes("b.csv", [(0, 1, 1, 20, 20, "z"), (1, 2, 2, 50, 60, "y")], ",label")
    assert batch().status == 0
    return tmp_path


def batch(*options: object, features: str = "*.h5") -> Result:
    return run("batch", "--features", features, "--boxes", "{stem}.csv", "-o", "crops", *options)


def index(*options: object, output: str = "crops/index.h5") -> Result:
    return run("index", "crops", "-o", output, *options)


def test_plain_h5py_reads_all_outputs_as_one(tmp_path: Path) -> None:
    result = index("--json")
    assert result.status == 0, result.err
    assert result.json == {"output": {"path": "crops/index.h5", "shape": [5, 4, 7, 7]}, "files": 2}
    os.chdir("/")
    with h5py.File(tmp_path / "crops/index.h5") as file:
        parts = [pooled(tmp_path / f"crops/{name}.h5") for name in "ab"]
        np.testing.assert_array_equal(file["pooled"], np.concatenate(parts))
        np.testing.assert_array_equal(file["boxes"][3], [1, 1, 20, 20])
        assert file["file_index"][:].tolist() == [0, 0, 0, 1, 1]
        assert file["row"][:].tolist() == [0, 1, 2, 0, 1]
        assert file["files"].asstr()[:].tolist() == ["a.h5", "b.h5"]
        assert file["features"].asstr()[:].tolist() == ["a.h5", "b.h5"]
        assert file["label"].asstr()[:].tolist() == ["x", "é", "", "z", "y"]
        assert file.attrs["convention"] == "mask-rcnn"
        assert "boxes" not in file.attrs
        assert file["pooled"].is_virtual


def test_an_index_may_be_elsewhere_and_moves_with_its_files(tmp_path: Path) -> None:
    Path("other").mkdir()
    assert index(output="other/index.h5").status == 0
    expected = np.concatenate([pooled(f"crops/{name}.h5") for name in "ab"])
    shutil.copytree(tmp_path, tmp_path.parent / "moved")
    shutil.rmtree(tmp_path / "crops")
    np.testing.assert_array_equal(pooled(tmp_path.parent / "moved/other/index.h5"), expected)


def test_a_missing_output_is_refused_and_never_filled() -> None:
    assert index().status == 0
    Path("crops/b.h5").unlink()
    assert np.isnan(pooled("crops/index.h5")[3:]).all()  # by h5py itself
    assert "crops/b.h5 does not exist" in index("--overwrite").error
    Path("crops/b.h5").write_bytes(Path("crops/a.h5").read_bytes()[:999])
    assert "crops/b.h5" in index("--overwrite").error


def test_outputs_of_another_shape_or_type_are_refused() -> None:
    assert batch("--overwrite", "--output-size", 3, features="b.h5").status == 0
    assert "crops/b.h5 has rows of 4×3×3 float32, and crops/a.h5 of 4×7×7" in index().error
    assert batch("--overwrite", "--dtype", "float16", features="b.h5").status == 0
    assert "of 4×7×7 float16, and crops/a.h5 of 4×7×7 float32" in index().error
    assert not Path("crops/index.h5").exists()


def test_reduced_compressed_and_empty_outputs_are_indexed_too() -> None:
    write_boxes("b.csv", [], ",label")
    assert batch("--overwrite", "--reduce", "mean", "--compression", "gzip").status == 0
    assert index().status == 0
    np.testing.assert_array_equal(pooled("crops/index.h5"), pooled("crops/a.h5"))
    assert "exists" in index().error
    assert "index.npz has an unknown extension: use .h5 or .hdf5" in index(output="index.npz").error


def test_a_folder_without_a_batch_is_refused() -> None:
    Path("empty").mkdir()
    assert "no HDF5 outputs" in run("index", "empty", "-o", "index.h5").error
