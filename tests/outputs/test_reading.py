"""Outputs can be read again, and so can files that others wrote."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from roicrop.errors import FeatureError
from roicrop.outputs import POOLED, OutputSpec, Stored, open_output, open_stored

ROWS = np.arange(5 * 12, dtype=np.float32).reshape(5, 3, 2, 2)
ATTRIBUTES = {
    "convention": "detectron2",
    "rules": {"void": 0.0, "max_start": "-inf"},
    "output_size": [2, 2],
    "label": ["cat", "{dog"],
    "boxes": "{odd name}.csv",
    "scale": 0.0625,
    "inclusive": False,
}


def write(path: Path, compression: str = "none") -> None:
    spec = OutputSpec((5, 3, 2, 2), ROWS.dtype, compression=compression)
    with open_output(
        path,
        spec,
        columns={"boxes": np.zeros((5, 4)), "label": np.array(list("abcde"), object)},
        attributes=ATTRIBUTES,
    ) as output:
        output.write(np.arange(5), ROWS)


def some_rows(stored: Stored, path: str) -> list[np.ndarray]:
    array = stored.array(path)
    assert array is not None
    return [stored.rows(array, rows) for rows in (slice(3, 5), slice(0, 1), slice(1, 5))]


@pytest.mark.parametrize(
    ("name", "compression"),
    [("a.h5", "none"), ("a.h5", "gzip"), ("a.npz", "none"), ("a.npz", "gzip")],
)
def test_what_is_written_is_read_again(tmp_path: Path, name: str, compression: str) -> None:
    write(tmp_path / name, compression)
    with open_stored(f"{tmp_path / name}") as stored:
        assert stored.attributes == ATTRIBUTES
        shapes = {path: array.shape for path, array in stored.arrays().items()}
        assert shapes == {POOLED: (5, 3, 2, 2), "/boxes": (5, 4), "/label": (5,)}
        for found, rows in zip(
            some_rows(stored, POOLED), (ROWS[3:], ROWS[:1], ROWS[1:]), strict=True
        ):
            np.testing.assert_array_equal(found, rows)


def test_a_bare_tensor_is_the_only_array_of_its_file(tmp_path: Path) -> None:
    write(tmp_path / "a.npy")
    with open_stored(f"{tmp_path / 'a.npy'}") as stored:
        assert stored.attributes == {}
        (path,) = stored.arrays()
        array = stored.array(path)
        assert array is not None
        assert array.where == str(tmp_path / "a.npy")
        np.testing.assert_array_equal(some_rows(stored, path)[2], ROWS[1:])


def test_a_path_in_any_file_may_be_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/rois"] = ROWS
    np.savez(tmp_path / "a.npz", rois=ROWS, attributes=np.arange(3))
    for spec in ("a.h5::/deep/rois", "a.h5::deep/rois", "a.npz::rois", "a.npz::/rois"):
        with open_stored(f"{tmp_path / spec}") as stored:
            np.testing.assert_array_equal(some_rows(stored, stored.inner)[2], ROWS[1:])
            assert stored.array("/nothing") is None
    with open_stored(f"{tmp_path / 'a.npz'}") as stored:
        assert stored.attributes == {}
        assert set(stored.arrays()) == {"/rois", "/attributes"}


def test_what_cannot_be_read_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    write(tmp_path / "cut.npz", "gzip")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:300])
    for name in ("text.npy", "text.npz", "text.h5", "text.txt"):
        (tmp_path / name).write_text("nothing of the kind")
    for name in ("cut.npz", "text.npy", "text.npz", "text.h5", "text.txt", "none.npy", "none.h5"):
        with pytest.raises(FeatureError, match=name) as raised, open_stored(f"{tmp_path / name}"):
            pass
        assert "\n" not in str(raised.value)


def test_values_in_a_file_elsewhere_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    write(tmp_path / "elsewhere.h5")
    with h5py.File(tmp_path / "here" / "a.h5", "w") as file:
        layout = h5py.VirtualLayout(ROWS.shape, ROWS.dtype)
        layout[...] = h5py.VirtualSource(tmp_path / "elsewhere.h5", "pooled", ROWS.shape)
        file.create_virtual_dataset("pooled", layout)
    with (
        open_stored(f"{tmp_path / 'here' / 'a.h5'}") as stored,
        pytest.raises(FeatureError, match=r"a\.h5::/pooled .*elsewhere\.h5"),
    ):
        stored.array(POOLED)
