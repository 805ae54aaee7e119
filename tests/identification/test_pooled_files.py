"""The files that a tensor may be in."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from tests.command_line import run
from tests.identification.tensors import BASE, BOXES, Array, crop, write


def test_a_tensor_is_found_in_any_file(place: Path) -> None:
    pooled = crop(BASE)
    np.savez(place / "own.npz", pooled=pooled, boxes=BOXES, attributes=np.array("{}"))
    np.savez(place / "other.npz", boxes=BOXES, rois=pooled, names=np.array(["a"], object))
    with h5py.File(place / "own.h5", "w") as file:
        file["pooled"], file["other"] = pooled.astype(">f8"), pooled
    with h5py.File(place / "other.h5", "w") as file:
        file["deep/rois"], file["boxes"] = pooled, BOXES
    np.save(place / "fortran.npy", np.asfortranarray(pooled))
    for name in ("own.npz", "other.npz", "own.h5", "other.h5", "other.h5::/deep/rois",
                 "fortran.npy"):  # fmt: skip
        said = run("identify", place / "maps.h5", place / "boxes.csv", place / name)
        assert (said.status, said.err) == (0, ""), name


def test_a_shape_that_does_not_fit_is_one_line_that_says_what_would(place: Path) -> None:
    def error(*arrays: Array, name: str = "crops.npy") -> str:
        if name.endswith("npy"):
            np.save(place / name, arrays[0])
        else:
            np.savez(place / name, *arrays)
        result = run("identify", place / "maps.h5", place / "boxes.csv", place / name)
        assert result.status == 1
        return result.error

    expected = "expected (24, 5, PH, PW) or (24, PH, PW, 5) for the 24 boxes of "
    for shape in ((23, 5, 3, 3), (24, 4, 3, 3), (24, 5, 3), (24, 5, 0, 3)):
        text = error(np.zeros(shape))
        assert expected in text
        assert str(shape) in text
    assert "several arrays fit" in error(*[np.zeros((24, 5, 1, 1))] * 2, name="two.npz")
    assert "no array fits" in error(np.zeros(3), np.zeros(4), name="none.npz")


def test_a_file_that_holds_no_tensor_is_one_line(place: Path) -> None:
    (place / "text.npy").write_text("no array")
    (place / "text.npz").write_text("no archive")
    (place / "text.h5").write_text("no hdf5")
    (place / "text.txt").write_text("nothing")
    np.save(place / "objects.npy", np.array([{}]), allow_pickle=True)
    np.save(place / "letters.npy", np.array(["a"]))
    np.save(place / "cut.npy", crop(BASE))
    (place / "cut.npy").write_bytes((place / "cut.npy").read_bytes()[:1000])
    for name in ("text.npy", "text.npz", "text.h5", "text.txt", "objects.npy", "letters.npy",
                 "cut.npy", "missing.npy", "missing.h5", "maps.h5::/nothing"):  # fmt: skip
        result = run("identify", place / "maps.h5", place / "boxes.csv", place / name)
        assert result.status == 1
        assert name.partition("::")[0] in result.error


def test_no_boxes_are_an_error(place: Path) -> None:
    write(place, boxes=BOXES[:0])
    np.save(place / "crops.npy", np.zeros((0, 5, 3, 3)))
    result = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy")
    assert result.status == 1
    assert "boxes.csv" in result.error
