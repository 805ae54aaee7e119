"""Boxes of any kind on maps of any kind come out in order, pooled as the operators pool them."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

import roicrop
from roicrop.chunks import Windows
from roicrop.conventions import resolve
from roicrop.errors import OutputError
from roicrop.job import Request, crop, memory, open_job
from tests.job.jobs import (
    BATCH,
    BOXES,
    RANDOM,
    ask,
    crop_to,
    expected,
    write_boxes,
    write_maps,
    write_scored,
)


@pytest.mark.core
def test_row_k_is_box_k_whatever_image_it_is_on(work: Path) -> None:
    np.testing.assert_array_equal(crop_to("out.h5"), expected())


@pytest.mark.core
def test_channels_last_maps_give_channels_last_rows(work: Path) -> None:
    write_maps("maps.h5", {"features": BATCH.transpose(0, 2, 3, 1)}, stride=4.0, layout="NHWC")
    np.testing.assert_allclose(
        crop_to("out.h5"), expected().transpose(0, 2, 3, 1), rtol=1e-5, atol=1e-5
    )


@pytest.mark.core
def test_maps_of_a_group_keep_their_own_sizes_and_strides(work: Path) -> None:
    small = RANDOM.standard_normal((5, 6, 7), dtype=np.float32)
    write_maps("maps.h5", {"a": BATCH[0], "b": small}, stride=4.0)
    with h5py.File("maps.h5", "a") as file:
        file["b"].attrs["stride"] = 8.0
    rows = [("b", 1.0, 2.0, 50.0, 40.0), ("a", 3.0, 1.0, 60.0, 9.0), ("b", 0.0, 0.0, 9.0, 9.0)]
    write_boxes("boxes.csv", rows, "image")
    boxes = np.array([row[1:] for row in rows], dtype=np.float64)

    pooled = crop_to("out.h5")
    np.testing.assert_array_equal(
        pooled[[0, 2]], roicrop.roi_align(small[None], [boxes[[0, 2]]], (2, 3), 1 / 8)
    )
    np.testing.assert_array_equal(
        pooled[1:2], roicrop.roi_align(BATCH[:1], [boxes[1:2]], (2, 3), 1 / 4)
    )
    with h5py.File("out.h5") as file:
        assert file["spatial_scale"][:].tolist() == [1 / 8, 1 / 4, 1 / 8]
        assert file["image_names"].asstr()[:].tolist() == ["a", "b"]
        assert file["image_index"][:].tolist() == [1, 0, 1]


@pytest.mark.core
def test_many_boxes_of_one_image_are_pooled_in_chunks(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = crop_to("whole.h5")
    monkeypatch.setattr(memory, "_ROWS_BYTES", 2 * whole[0].nbytes)
    np.testing.assert_array_equal(crop_to("chunks.h5"), whole)


@pytest.mark.core
def test_threads_never_change_a_bit(work: Path) -> None:
    one, two = (crop_to(f"{n}.h5", ask(threads=n)) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.core
def test_no_boxes_give_a_tensor_of_no_rows(work: Path) -> None:
    write_boxes("boxes.csv", [])
    assert crop_to("out.h5").shape == (0, 5, 2, 3)


def test_only_maps_with_boxes_are_read(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[slice] = []
    read = Windows.read

    def watched(windows: Windows, images: slice, *rest: Any) -> Any:
        asked.append(images)
        return read(windows, images, *rest)

    monkeypatch.setattr(Windows, "read", watched)
    crop_to("out.h5")
    assert sorted(images.start for images in asked) == [0, 2]


# The file


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_output_may_have_another_dtype(work: Path, dtype: str) -> None:
    pooled = crop_to("out.h5", dtype=dtype)
    assert pooled.dtype == dtype
    np.testing.assert_array_equal(pooled, expected().astype(dtype))


@pytest.mark.core
def test_values_that_are_not_finite_are_counted(work: Path) -> None:
    maps = BATCH.copy()
    maps[0, 1, 3, 3] = np.nan
    maps[2, 0, 2, 2] = np.inf
    write_maps("maps.h5", {"features": maps}, stride=4.0)
    with open_job(ask()) as job:
        cropped = crop(job, "out.h5")
    with h5py.File("out.h5") as file:
        assert cropped.non_finite == np.count_nonzero(~np.isfinite(file["pooled"][:])) > 0


def test_values_too_large_for_the_output_are_counted(work: Path) -> None:
    write_maps("maps.h5", {"features": np.full((1, 1, 4, 4), 1e30)}, stride=4.0)
    write_boxes("boxes.csv", [(0, 0, 0, 9, 9)])
    with open_job(ask()) as job:
        assert crop(job, "out.h5", dtype="float16").non_finite == 6


def test_large_finite_values_are_not_taken_for_infinite(work: Path) -> None:
    write_maps("maps.h5", {"features": np.full((1, 1, 4, 4), 3e38, np.float32)}, stride=4.0)
    write_boxes("boxes.csv", [(0, 0, 0, 9, 9)])
    with open_job(ask()) as job:
        assert crop(job, "out.h5").non_finite == 0


def test_the_attributes_are_enough_to_run_it_again(work: Path) -> None:
    row = resolve("detectron2", sampling_ratio=3, mode="max", aligned=False)
    write_scored("boxes.csv")
    request = ask(
        convention=row, spatial_scale=0.3, min_score=0.1, top_k=2, input_scale=(0.5, 0.75)
    )
    first = crop_to("first.h5", request)
    with h5py.File("first.h5") as file:
        said = dict(file.attrs)
    assert said["roicrop_version"] == roicrop.__version__
    again = Request(
        features=said["features"],
        boxes=said["boxes"],
        convention=resolve(
            said["convention"],
            said["operator"],
            sampling_ratio=int(said["sampling_ratio"]),
            mode=said["mode"],
            aligned=bool(said["aligned"]),
        ),
        output_size=tuple(said["output_size"].tolist()),
        spatial_scale=float(said["spatial_scale"]),
        input_scale=tuple(said["input_scale"].tolist()[::-1]),
        layout=said["layout"],
        box_format=said["box_format"],
        normalized=bool(said["normalized"]),
        inclusive=bool(said["inclusive"]),
        min_score=float(said["min_score"]),
        top_k=int(said["top_k"]),
        on_bad_box=said["on_bad_box"],
    )
    np.testing.assert_array_equal(crop_to("again.h5", again), first)


def test_a_target_that_is_an_input_is_refused(work: Path) -> None:
    before = Path("maps.h5").read_bytes()
    with open_job(ask()) as job, pytest.raises(OutputError, match="input"):
        crop(job, "maps.h5", overwrite=True)
    assert Path("maps.h5").read_bytes() == before


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_tensor_that_the_disk_cannot_hold_is_refused_before_the_work(
    work: Path, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1))
    request = ask(output_size=(500, 500))
    with open_job(request) as job, pytest.raises(OutputError, match=r"bytes, and .* are free"):
        crop(job, "out.h5", compression=compression)
    assert not list(work.glob("*out*"))


def test_progress_counts_every_pooled_box(work: Path) -> None:
    done: list[int] = []
    with open_job(ask()) as job:
        crop(job, "out.h5", progress=done.append)
    assert sum(done) == len(BOXES)
