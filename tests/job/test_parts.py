"""Little is read, and only once, and the result is the same as from whole maps, to the bit."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import roicrop
from roicrop.chunks import Pieces
from roicrop.conventions import PLAIN
from roicrop.errors import ArgumentError, BoxError
from roicrop.job import crop, memory, open_job, parts
from roicrop.sampling import AxisPlan, SeparablePlan, plan
from tests.job.jobs import ask, crop_to

MAPS = np.random.default_rng(4).standard_normal((5, 6, 40, 50)).astype(np.float32)
AXES = {"NCHW": (0, 1, 2, 3), "NHWC": (0, 2, 3, 1), "NCWH": (0, 1, 3, 2), "NWHC": (0, 3, 2, 1)}


@st.composite
def jobs(draw: st.DrawFn) -> dict[str, Any]:
    """A file of five maps of 40×50 cells, boxes on them, and what is asked."""
    layout = draw(st.sampled_from(list(AXES)))
    maps = MAPS.transpose(AXES[layout])
    chunks = tuple(min(draw(st.sampled_from([2, 7, n])), n) for n in maps.shape)
    corner = st.integers(-5, 55)
    boxes = draw(st.lists(st.tuples(st.integers(0, 4), corner, corner, corner, corner), min_size=1))
    rows = [(i, min(x, u), min(y, v), max(x, u), max(y, v)) for i, x, y, u, v in boxes]
    return {
        "layout": layout,
        "maps": maps.astype(draw(st.sampled_from(["f4", ">f4", "f2", "f8", "i2"]))),
        "storage": draw(
            st.sampled_from(
                [
                    {},
                    {"chunks": chunks, "compression": "gzip"},
                    {"chunks": chunks, "shuffle": True},
                ]
            )
        ),
        "boxes": np.array(rows, float),
        # A chunk is unpacked whole, perhaps in two steps: what is left beside it makes parts small.
        "memory": draw(st.sampled_from([30_000, 100_000, 10**9])) + 40 * int(np.prod(chunks)),
        "threads": draw(st.integers(1, 3)),
        "rows": draw(st.sampled_from([1, 1 << 14, 1 << 20])),
        "row": PLAIN[draw(st.sampled_from(["mask-rcnn", "detectron2", "fast-rcnn"]))],
    }


@pytest.mark.core
@given(jobs())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_neither_memory_nor_chunks_nor_threads_change_a_bit(
    work: Path, monkeypatch: pytest.MonkeyPatch, case: dict[str, Any]
) -> None:
    with h5py.File("parts.h5", "w") as file:
        stored = file.create_dataset("features", data=case["maps"], **case["storage"])
        stored.attrs["layout"] = case["layout"]
    lines = ["image_index,x1,y1,x2,y2", *(",".join(map(str, row)) for row in case["boxes"])]
    Path("boxes.csv").write_text("\n".join(lines))
    request = ask(
        features="parts.h5",
        convention=case["row"],
        memory=case["memory"],
        threads=case["threads"],
        spatial_scale=1.0,
    )
    monkeypatch.setattr(memory, "_ROWS_BYTES", case["rows"])
    pooled = crop_to("out.h5", request, overwrite=True)

    back = np.argsort(AXES[case["layout"]])
    maps = case["maps"].transpose(back)
    operator = roicrop.roi_pool if case["row"].operator == "pool" else roicrop.roi_align
    expected = operator(maps, case["boxes"], (2, 3), convention=case["row"])
    if case["layout"].endswith("C"):
        expected = expected.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(pooled, expected)


@pytest.mark.parametrize("name", [row.name for row in PLAIN.values()])
@given(st.data())
@settings(max_examples=5)
def test_bounds_hold_all_that_a_box_reads(name: str, data: st.DataObject) -> None:
    row = PLAIN[name]
    number = st.floats(-60, 120, width=32)
    corners = data.draw(st.lists(st.tuples(*[number] * 4), min_size=1, max_size=20))
    boxes = np.array(corners, np.float32) / (50 if row.normalized else 1)
    if row.reversed_boxes == "raise" or row.sampling_ratio == "adaptive":
        boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + np.abs(boxes[:, 2:])], 1)
    planned = plan(boxes, (40, 50), (3, 2), convention=row)
    extent, bounds = planned.extent(), planned.bounds()
    reads = extent[:, 1] > 0
    assert (bounds[:, [0, 2]] < bounds[:, [1, 3]]).all()
    assert (bounds[reads][:, [0, 2]] <= extent[reads][:, [0, 2]]).all()
    assert (bounds[reads][:, [1, 3]] >= extent[reads][:, [1, 3]]).all()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[int, ...]]:
    """How often each chunk is asked for."""
    times: Counter[tuple[int, ...]] = Counter()
    stored = Pieces._stored

    def counted(pieces: Pieces, at: tuple[int, ...]) -> Any:
        times[at] += 1
        return stored(pieces, at)

    monkeypatch.setattr(Pieces, "_stored", counted)
    return times


def _chunked(chunks: tuple[int, ...], boxes: np.ndarray) -> None:
    with h5py.File("parts.h5", "w") as file:
        file.create_dataset("features", data=MAPS, chunks=chunks, compression="gzip")
    lines = ["image_index,x1,y1,x2,y2", *(",".join(map(str, row)) for row in boxes)]
    Path("boxes.csv").write_text("\n".join(lines))


def test_a_chunk_is_read_if_a_box_reads_a_cell_of_it(
    work: Path, read: Counter[tuple[int, ...]]
) -> None:
    # Two bins each way, two samples each: at 5, 15, 25 and 35 along y, at 6, 18, 30, 42 along x.
    _chunked((1, 3, 2, 2), np.array([(1, 0.0, 0.0, 48.0, 40.0)]))
    crop_to("out.h5", ask(features="parts.h5", output_size=(2, 2), spatial_scale=1.0))
    assert set(read) == set(product([1], [0, 3], [4, 14, 24, 34], [6, 18, 30, 42]))
    assert set(read.values()) == {1}


@pytest.mark.parametrize("layout", AXES)
def test_a_box_over_a_map_larger_than_memory_reads_the_cells_it_names(
    work: Path, read: Counter[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    maps = np.zeros((1, 4, 1400, 1300), np.float32)
    maps[:, :, ::3] = np.random.default_rng(1).standard_normal(maps[:, :, ::3].shape)
    stored = maps.transpose(AXES[layout])
    with h5py.File("parts.h5", "w") as file:
        chunks = tuple({1: 1, 4: 4}.get(n, 25) for n in stored.shape)
        dataset = file.create_dataset("features", data=stored, chunks=chunks, compression="lzf")
        dataset.attrs["layout"] = layout
    Path("boxes.csv").write_text("x1,y1,x2,y2\n0,0,1300,1400\n")
    monkeypatch.setattr(parts, "_BLOCK_BYTES", 1 << 20)
    request = ask(features="parts.h5", memory=1 << 20, spatial_scale=1.0, output_size=(7, 7))
    pooled = crop_to("out.h5", request)
    expected = roicrop.roi_align(maps, [np.array([[0, 0, 1300, 1400]])], 7, sampling_ratio=2)
    if layout.endswith("C"):
        expected = expected.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(pooled, expected)
    assert set(read.values()) == {1}
    # 14 samples each way, of two neighbouring cells each, which at most one chunk's edge parts.
    assert 14 * 14 <= len(read) <= 28 * 28


def test_a_box_over_all_of_50_000_squared_reads_784_of_160_000_chunks(
    work: Path, read: Counter[tuple[int, ...]]
) -> None:
    with h5py.File("parts.h5", "w") as file:
        maps = file.create_dataset(
            "features", (64, 50_000, 50_000), "f4", chunks=(16, 250, 250), compression="lzf"
        )
        maps[:, 1785:1787, 48_214:48_216] = 8  # all cells of one of the four samples of a bin
    Path("boxes.csv").write_text("x1,y1,x2,y2\n0,0,50000,50000\n")
    request = ask(features="parts.h5", memory=300_000_000, spatial_scale=1.0, output_size=(7, 7))
    pooled = crop_to("out.h5", request)
    assert len(read) == 784
    assert set(read.values()) == {1}
    assert (pooled[0, :, 0, 6] == 2).all()
    assert pooled.sum() == 64 * 2
    wide = ask(
        features="parts.h5",
        memory=300_000_000,
        spatial_scale=1.0,
        convention=PLAIN["torchvision"],
    )
    with pytest.raises(BoxError, match=r"line 2 reads from 50,000×50,000 .*--memory"):
        crop_to("refused.h5", wide)


def test_a_chunk_of_several_images_is_unpacked_once(
    work: Path, read: Counter[tuple[int, ...]]
) -> None:
    boxes = np.array([(i, 3.0, 3.0, 47.0, 37.0) for i in (4, 0, 3, 2, 1, 0)])
    _chunked((2, 6, 20, 25), boxes)
    crop_to("out.h5", ask(features="parts.h5", spatial_scale=1.0))
    assert len(read) == 3 * 4
    assert set(read.values()) == {1}


def test_many_boxes_of_one_image_are_pooled_from_chunks_unpacked_once(
    work: Path, read: Counter[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = np.array([(0, 1.0, 1.0, 49.0, 39.0)] * 50)
    _chunked((1, 2, 20, 25), boxes)
    monkeypatch.setattr(memory, "_ROWS_BYTES", 1000)
    crop_to("out.h5", ask(features="parts.h5", spatial_scale=1.0))
    assert set(read.values()) == {1}


def test_a_box_for_which_there_is_too_little_memory_is_one_line(work: Path) -> None:
    _chunked((1, 1, 8, 8), np.array([(0, 1, 1, 9, 9), (0, 0, 0, 50, 40)]))
    request = ask(features="parts.h5", spatial_scale=1.0, memory=3000)
    with pytest.raises(BoxError) as caught:
        crop_to("out.h5", request)
    said = str(caught.value)
    assert said.startswith("boxes.csv line 3 reads from 40×50 cells of its map, which takes ")
    assert "--memory" in said
    assert "\n" not in said
    assert not Path("out.h5").exists()


def test_memory_that_does_not_hold_two_pooled_boxes_is_refused(work: Path) -> None:
    _chunked((1, 1, 8, 8), np.array([(0, 1, 1, 9, 9)] * 4))
    request = ask(features="parts.h5", spatial_scale=1.0, memory=200)
    with pytest.raises(ArgumentError, match="give --memory") as caught:
        crop_to("out.h5", request)
    assert "\n" not in str(caught.value)


def test_a_damaged_chunk_that_no_box_reads_is_no_matter(work: Path) -> None:
    _chunked((1, 6, 20, 25), np.array([(0, 1, 1, 9, 9)]))
    with h5py.File("parts.h5", "r+") as file:
        file["features"].id.write_direct_chunk((0, 0, 20, 25), b"damaged")
    request = ask(features="parts.h5", spatial_scale=1.0)
    with open_job(request) as job:
        crop(job, "out.h5")


_HUGE = """
import os, sys, time
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as the program has it
sys.argv = ["roicrop", "align", "huge.h5", "boxes.csv", "-o", "out.h5", "--memory", "300MB",
            "--quiet", "--stride", "1"]
from roicrop.cli.main import main
try:
    main()
finally:
    print(open("/proc/self/status").read(), "seconds:", time.process_time())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="nothing else tells the peak")
def test_a_map_of_640_gigabytes_takes_400_megabytes_and_10_seconds(work: Path) -> None:
    draw = np.random.default_rng(6)
    rows = []
    with h5py.File("huge.h5", "w") as file:
        maps = file.create_dataset(
            "features", (64, 50_000, 50_000), "f4", chunks=(16, 125, 125), compression="lzf"
        )
        for k in range(60):
            size = draw.uniform(5, 600, 2)
            x, y = draw.uniform(0, 50_000 - size)
            rows.append((x, y, x + size[0], y + size[1]))
            maps[::16, int(y) + 2 : int(y) + 5, int(x) : int(x) + 5] = k
    lines = ["x1,y1,x2,y2", *(",".join(map(str, row)) for row in rows)]
    Path("boxes.csv").write_text("\n".join(lines))
    done = subprocess.run([sys.executable, "-c", _HUGE], capture_output=True, text=True, check=True)
    peak = re.search(r"VmHWM:\s*(\d+) kB", done.stdout)
    assert peak is not None
    assert int(peak[1]) * 1024 < 400e6
    # Of processors, which tells the work from what else the machine does.
    assert float(done.stdout.rpartition("seconds:")[2]) < 10
    planned = plan(np.array(rows), (50_000, 50_000), (7, 7), convention=PLAIN["mask-rcnn"])
    with h5py.File("huge.h5") as file, h5py.File("out.h5") as out:
        for k in range(0, 60, 20):
            top, bottom, left, right = planned.extent()[k].tolist()
            part = file["features"][:, top:bottom, left:right]
            assert isinstance(planned, SeparablePlan)
            y, x = _matrix(planned.y, k, top, bottom), _matrix(planned.x, k, left, right)
            np.testing.assert_allclose(out["pooled"][k], y @ part @ x.T, rtol=1e-5, atol=1e-5)


def _matrix(axis: AxisPlan, k: int, first: int, end: int) -> np.ndarray:
    matrix = np.zeros((7, end - first))
    for p in range(7):
        cells, weights = axis.row_taps(axis.bin_rows(k, p)[0])
        matrix[p, cells - first] = weights
    return matrix
