"""A file that changes while it is read is not accepted as an input."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from roicrop.conventions import resolve
from roicrop.errors import RoicropError
from roicrop.features import open_features
from roicrop.files import Unchanged
from roicrop.job import Request, crop, open_job, require_scale
from roicrop.job.pooling import pool_all
from tests.command_line import run, write_boxes, write_maps


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_size_time_and_being_there_are_held_against_what_they_were() -> None:
    Path("a").write_text("1234")
    files = Unchanged(["a", "-", "nowhere"])
    files.check()
    os.truncate("a", 2)
    with pytest.raises(RoicropError, match=r"^a changed from 4 to 2 bytes while it was read"):
        files.check()
    files = Unchanged(["a"])
    os.utime("a", ns=(1, 1))
    with pytest.raises(RoicropError, match=r"^a changed while"):
        files.check()
    Path("a").unlink()
    with pytest.raises(RoicropError, match=r"^a was removed while"):
        files.check()


@pytest.mark.parametrize("name", ["maps.h5", "maps.npy", "maps.npz"])
def test_maps_that_shrink_while_they_are_read_are_refused(name: str) -> None:
    maps = np.ones((8, 16, 64, 64), "f4")
    if name.endswith("h5"):
        write_maps(name, maps)
    else:
        (np.save if name.endswith("npy") else np.savez)(name, maps)
    with open_features(name, spatial_scale=0.125) as source:
        ahead = source.read_ahead(range(8))
        next(ahead)
        os.truncate(name, 300_000)
        with pytest.raises(RoicropError, match=rf"{name}.*(while it was read|cannot be read)"):
            list(ahead)


def test_a_source_of_a_virtual_dataset_is_watched_too() -> None:
    write_maps("part.h5")
    layout = h5py.VirtualLayout((2, 4, 10, 12), "f4")
    layout[:] = h5py.VirtualSource("part.h5", "features", (2, 4, 10, 12))
    with h5py.File("all.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
    with open_features("all.h5") as source:
        source.read(0)
        os.utime("part.h5", ns=(1, 1))
        with pytest.raises(RoicropError, match=r"part.h5 changed while it was read"):
            source.read(1)


@pytest.mark.parametrize("name", ["maps.h5", "boxes.csv"])
def test_the_command_ends_with_one_line_and_status_1(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_maps()
    write_boxes()

    def pool_and_shrink(*arguments: Any, **options: Any) -> Any:
        found = pool_all(*arguments, **options)
        os.truncate(name, 20)
        return found

    monkeypatch.setattr("roicrop.job.pipeline.pool_all", pool_and_shrink)
    result = run("align", "maps.h5", "boxes.csv", "-o", "out.h5")
    assert result.status == 1
    assert f"{name} changed from" in result.error
    assert sorted(os.listdir()) == ["boxes.csv", "maps.h5"]


@pytest.mark.parametrize("name", ["maps.h5", "boxes.csv"])
def test_an_input_that_changes_before_the_output_appears_leaves_none(name: str) -> None:
    write_maps()
    write_boxes()
    with open_job(
        Request(features="maps.h5", boxes="boxes.csv", convention=resolve("mask-rcnn"))
    ) as job:
        require_scale(job)
        with pytest.raises(RoicropError, match=rf"{name} changed while it was read"):
            crop(job, "out.h5", finish=lambda: os.utime(name, ns=(1, 1)))
    assert sorted(os.listdir()) == ["boxes.csv", "maps.h5"]
