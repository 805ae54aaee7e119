"""Large maps are shown, explained and compared from boxes' surroundings, with the same results."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from roicrop.chunks import Pieces
from roicrop.comparison import compare
from roicrop.comparison.variants import Variant
from roicrop.conventions import PLAIN, resolve
from roicrop.draw import Album, Options
from roicrop.errors import ArgumentError, BoxError
from roicrop.explanation import explain
from roicrop.job import Job, open_job
from tests.job.jobs import ask, write_boxes

MAPS = np.random.default_rng(9).standard_normal((2, 5, 90, 120)).astype(np.float32)
BOXES = [(0, 30.0, 20.0, 41.5, 33.0), (1, 60.5, 50.0, 75.0, 58.0), (0, 100.0, 70.0, 119.0, 89.0)]
AXES = {"NCHW": (0, 1, 2, 3), "NHWC": (0, 2, 3, 1), "NWHC": (0, 3, 2, 1)}
SMALL = ("roicrop.explanation.account.SMALL_MAP", "roicrop.draw.album.SMALL_MAP")


@pytest.fixture
def large(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to be in, with MAPS in large.h5, which count as large."""
    _write("NCHW", chunks=(1, 5, 10, 10), compression="gzip")
    write_boxes("boxes.csv", BOXES)
    for name in SMALL:
        monkeypatch.setattr(name, 0)
    return work


def _write(layout: str, **storage: Any) -> None:
    with h5py.File("large.h5", "w") as file:
        values = MAPS.transpose(AXES[layout])
        file.create_dataset("features", data=values, **storage).attrs["layout"] = layout


def _job(**changes: Any) -> Job:
    return open_job(ask(features="large.h5", spatial_scale=1.0, **changes))


@pytest.mark.parametrize("layout", AXES)
def test_every_convention_pools_from_a_window_what_it_pools_from_the_map(
    large: Path, layout: str
) -> None:
    _write(layout, chunks=(1, 3, 20, 5), compression="gzip")
    with _job() as job:
        rows = [row for row in PLAIN.values() if not (row.turned or row.position_sensitive)]
        for row in rows:
            expected = np.zeros((3, *_pooled_shape(job)), np.float32)
            for each in job.by_map():
                expected[each.rows] = each.pool(row)
            for each in job.by_map(whole=0):
                assert each.origin is not None
                assert each.features.size < MAPS[0].size
                np.testing.assert_array_equal(each.pool(row), expected[each.rows], row.name)


def _pooled_shape(job: Job) -> tuple[int, ...]:
    return (2, 3, 5) if job.source.channels_last else (5, 2, 3)


def test_an_explanation_is_the_same_and_of_the_cells_around_its_box(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"convention": resolve("detectron2")}
    with _job(**asked) as job:
        parts = explain(job, [0, 1, 2], channel=3)
        for name in SMALL:
            monkeypatch.setattr(name, 1 << 20)
        whole = explain(job, [0, 1, 2], channel=3)
    for part, other in zip(parts, whole, strict=True):
        assert np.asarray(part.features).size < np.asarray(other.features).size
        assert part.agrees
        for (one, its), (two, others) in zip(part.listing(), other.listing(), strict=True):
            assert (one.value, one.pooled) == (two.value, two.pooled)
            assert list(its) == list(others)


def test_the_tolerance_of_an_explanation_does_not_depend_on_memory_or_on_other_boxes(
    large: Path,
) -> None:
    with _job() as job, _job(memory=20_000) as small:
        explained = [*explain(job, [0]), explain(job, [0, 2])[0], explain(small, [0, 2])[0]]
    sizes = {np.asarray(each.features).size for each in explained}
    assert len(sizes) == 2
    assert len({each.largest for each in explained}) == 1


@pytest.mark.parametrize("operator", ["align", "pool"])
def test_a_figure_is_the_same_to_the_pixel(
    large: Path, monkeypatch: pytest.MonkeyPatch, operator: str
) -> None:
    with h5py.File("large.h5", "r+") as file:  # so that colors are the same
        file["features"][...] = np.clip(MAPS, 0, 1)
    row = resolve("mask-rcnn") if operator == "align" else PLAIN["fast-rcnn"]
    with _job(convention=row) as job:
        parts = _figures(job, Options(channel=1))
        for name in SMALL:
            monkeypatch.setattr(name, 1 << 20)
        whole = _figures(job, Options(channel=1))
    for part, other in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(np.asarray(part), np.asarray(other))


def _figures(job: Job, options: Options) -> list[Image.Image]:
    rows = [job.convention]
    return [
        image
        for k in range(3)
        for image in Album(job, None, rows, options, boxes=[range(k, k + 1)]).images()
    ]


@pytest.mark.parametrize("layout", AXES)
@pytest.mark.parametrize("small_map", [0, 1 << 20])
def test_conventions_compared_on_windows_differ_as_on_whole_maps(
    large: Path, monkeypatch: pytest.MonkeyPatch, layout: str, small_map: int
) -> None:
    _write(layout)
    monkeypatch.setattr("roicrop.comparison.comparison.SMALL_MAP", small_map)
    names = ("mask-rcnn", "detectron2", "onnx", "fast-rcnn")
    variants = [Variant(name, PLAIN[name]) for name in names]
    with _job() as job, _job(memory=100_000) as small:
        assert small.source.bytes(0) > small.memory // 2
        whole, parts = (compare(each, variants, tolerance=1e-6) for each in (job, small))
    assert parts.spread == whole.spread
    assert parts.spread.is_sample == (small_map == 0)
    for part, other in zip(parts.pairs, whole.pairs, strict=True):
        assert part.tally == other.tally
        assert part.reasons == other.reasons
        assert part.worst == other.worst


def test_only_chunks_around_the_box_are_read(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, stored = Counter[tuple[int, ...]](), Pieces._stored

    def counted(pieces: Pieces, at: tuple[int, ...]) -> Any:
        read[at] += 1
        return stored(pieces, at)

    monkeypatch.setattr(Pieces, "_stored", counted)
    with _job() as job:
        explain(job, [0])
    rows, columns = {at[2] for at in read}, {at[3] for at in read}
    assert {at[0] for at in read} == {0}
    assert rows <= {10, 20, 30}
    assert columns <= {20, 30, 40}


def test_a_box_whose_window_is_too_large_is_one_line(large: Path) -> None:
    with _job(memory=17_500) as job, pytest.raises(BoxError) as caught:
        explain(job, [0, 2])
    assert str(caught.value).startswith("boxes.csv line 4 reads from a part of its map that takes ")
    assert "--memory" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_figure_of_all_of_a_map_says_how_much_memory_it_takes(large: Path) -> None:
    with _job(memory=300_000) as job:
        album = Album(job, None, [job.convention], Options(), survey="overview")
        with pytest.raises(ArgumentError, match="give --memory 432000, or draw each box"):
            list(album.images())
    with _job(memory=432_000) as job:
        album = Album(job, None, [job.convention], Options(), survey="overview")
        assert len(list(album.images())) == 2


def test_a_box_on_another_level_under_a_rule_is_read_around_there(work: Path) -> None:
    levels = {f"p{n}": MAPS[0, :, :: 2**k, :: 2**k] for k, n in enumerate((2, 3, 4))}
    with h5py.File("levels.h5", "w") as file:
        for k, (name, values) in enumerate(levels.items()):
            file[name] = values
            file[name].attrs["stride"] = 4.0 * 2**k
    Path("boxes.csv").write_text("x1,y1,x2,y2\n30,20,240,230\n10,10,460,330\n")
    request = ask(features="levels.h5", levels=("p2", "p3", "p4"))
    other = dataclasses.replace(request.convention, level_rule="detectron")
    with open_job(request) as job:
        expected = {
            int(r): each.take(np.array([r])).pool(other) for each in job.by_map() for r in each.rows
        }
        found = {
            int(r): each.take(np.array([r])).pool(other)
            for each in job.by_map(whole=0)
            for r in each.rows
        }
    assert expected.keys() == found.keys() == {0, 1}
    for row, pooled in found.items():
        np.testing.assert_array_equal(pooled, expected[row])
