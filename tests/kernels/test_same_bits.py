"""What never changes a bit of a result: threads, other boxes, order, layout, destination.

Each of these workloads is cut in its own way.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import roicrop
from roicrop import kernels, roi_align
from roicrop.kernels import numpy_core
from tests.kernels import levels
from tests.kernels.processes import only_compiled, run

Array = NDArray[Any]


def workload(name: str) -> tuple[Array, Array, tuple[int, int]]:
    """Features, boxes (K, 5) and the output's size."""
    rng = np.random.default_rng(17)
    shape, count, size = {
        "a crowd of boxes": ((2, 5, 30, 40), 4200, (7, 15)),
        "boxes larger than what is packed": ((1, 3, 400, 1500), 12, (7, 7)),
        "boxes longer than what is planned": ((1, 3, 2, 150_000), 12, (2, 7)),
        "a great many bins": ((1, 18, 60, 70), 5, (70, 65)),
        "many images": ((70, 17, 12, 9), 150, (3, 2)),
        "many channels": ((1, 600, 20, 20), 40, (7, 7)),
    }[name]
    features = rng.standard_normal(shape).astype(np.float32)
    boxes = levels.random_boxes(rng, count, (shape[0], *shape[2:]))
    if name == "boxes larger than what is packed":
        boxes[:4, 1:] = [[0, 0, 1500, 400], [3, -5, 1490, 420], [9, 200, 1400, 201], [7, 3, 9, 380]]
    if name == "boxes longer than what is planned":
        boxes[:3, 1:] = [[0, 0, 150_000, 2], [-90, -1, 150_200, 1], [7, 9, 140_000, 12]]
    return features, boxes, size


WORKLOADS = pytest.mark.parametrize(
    "name",
    [
        "a crowd of boxes",
        "boxes larger than what is packed",
        "boxes longer than what is planned",
        "a great many bins",
        "many images",
        "many channels",
    ],
)
CALLS = pytest.mark.parametrize("call", levels.CALLS, ids=lambda call: "-".join(call.values()))


def pool(features: Any, boxes: Any, size: tuple[int, int], call: Any, **options: Any) -> Array:
    operator = roicrop.roi_pool if call["convention"] == "fast-rcnn" else roicrop.roi_align
    return operator(features, boxes, size, **call, **options)


@only_compiled
@WORKLOADS
@CALLS
def test_the_compiled_core_gives_what_the_numpy_core_gives(
    name: str, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, boxes, size = workload(name)
    pooled = pool(features, boxes, size, call)[:: len(boxes) // 5]
    monkeypatch.setattr(kernels, "crop", numpy_core.crop)
    expected = pool(features, boxes[:: len(boxes) // 5], size, call)
    np.testing.assert_allclose(pooled, expected, rtol=0, atol=1e-5)


@only_compiled
@WORKLOADS
@CALLS
def test_results_do_not_depend_on_the_number_of_threads(name: str, call: Any) -> None:
    features, boxes, size = workload(name)
    one = pool(features, boxes, size, call, threads=1).tobytes()
    for threads in (2, 3, 7, 2**40):
        assert pool(features, boxes, size, call, threads=threads).tobytes() == one


@pytest.mark.core
@WORKLOADS
@CALLS
def test_results_do_not_depend_on_the_company_or_order_of_boxes(name: str, call: Any) -> None:
    features, boxes, size = workload(name)
    together = pool(features, boxes, size, call)
    for k in range(0, len(boxes), len(boxes) // 5):
        alone = pool(features, boxes[k : k + 1], size, call)
        assert alone[0].tobytes() == together[k].tobytes()
    some = np.random.default_rng(1).permutation(len(boxes))[:150]
    assert pool(features, boxes[some], size, call).tobytes() == together[some].tobytes()


@pytest.mark.core
@WORKLOADS
@CALLS
def test_results_do_not_depend_on_the_layout(name: str, call: Any) -> None:
    features, boxes, size = workload(name)
    boxes = boxes[:150]
    last = np.ascontiguousarray(features.transpose(0, 2, 3, 1))
    pooled = pool(last, boxes, size, call, layout="NHWC").transpose(0, 3, 1, 2)
    assert pooled.tobytes() == pool(features, boxes, size, call).tobytes()


@pytest.mark.core
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("dtype", "channels"), [("f4", 64), ("f4", 54), ("f2", 100), ("f8", 36)])
@pytest.mark.parametrize("count", [3, pytest.param(1000, marks=only_compiled)])  # beyond caches
def test_results_do_not_depend_on_where_in_memory_they_go(
    count: int, layout: str, dtype: str, channels: int
) -> None:
    rng = np.random.default_rng(5)
    features = rng.standard_normal((1, channels, 20, 20)).astype(dtype)
    boxes = levels.random_boxes(rng, count, (1, 20, 20))
    expected = roi_align(features, boxes, 7)
    if layout == "NHWC":
        features = np.ascontiguousarray(features.transpose(0, 2, 3, 1))
        expected = np.ascontiguousarray(expected.transpose(0, 2, 3, 1))
    memory = np.empty(expected.nbytes + 128, np.uint8)
    for start in (0, 8, 16, 64):
        out = np.frombuffer(memory[start:].data, dtype, expected.size).reshape(expected.shape)
        roi_align(features, boxes, 7, layout=layout, out=out)
        assert out.tobytes() == expected.tobytes()


@pytest.mark.core
@pytest.mark.parametrize(("dtype", "channels"), [("f4", 10), ("f4", 24), ("f2", 40), ("f8", 9)])
def test_where_in_memory_a_map_ends_does_not_matter(dtype: str, channels: int) -> None:
    rng = np.random.default_rng(5)
    spread = rng.standard_normal((1, 20, 40, channels)).astype(dtype)
    features = spread[:, :, 1::2]  # the last cell is the end of the memory
    boxes = levels.random_boxes(rng, 20, (1, 20, 20))
    expected = roi_align(np.ascontiguousarray(features), boxes, 7, layout="NHWC")
    assert roi_align(features, boxes, 7, layout="NHWC").tobytes() == expected.tobytes()


@only_compiled
@pytest.mark.parametrize(
    ("height", "width", "count"), [(2, 150_000, 60), (3, 5000, 60), (90, 60, 60)]
)
def test_large_boxes_go_where_bins_end_within_cache_lines(
    height: int, width: int, count: int
) -> None:
    rng = np.random.default_rng(5)
    features = rng.standard_normal((1, 50, height, width)).astype(np.float32)
    boxes = levels.random_boxes(rng, count, (1, height, width))
    boxes[:2, 1:] = [[0, 0, width, height], [1, 1, width - 1, height]]
    expected = roi_align(features, boxes, (9, 110))
    last = np.ascontiguousarray(features.transpose(0, 2, 3, 1))
    around = np.full((count, 9, 111, 51), 5, np.float32)
    for out in (around[:, :, 1:, 1:], None):
        pooled = roi_align(last, boxes, (9, 110), layout="NHWC", out=out)
        assert np.array_equal(pooled, expected.transpose(0, 2, 3, 1))
    assert (around[:, :, 0] == 5).all()
    assert (around[..., 0] == 5).all()


@pytest.mark.core
def test_a_map_whose_values_share_memory_is_read_like_any_other() -> None:
    rng = np.random.default_rng(5)
    line = rng.standard_normal((1, 12, 49)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(line, 20, axis=2)  # (1, 12, 30, 20)
    boxes = levels.random_boxes(rng, 20, (1, 12, 30))
    memory = np.empty(20 * 7 * 7 * 20 + 16, np.float32)
    expected = roi_align(windows.copy(), boxes, 7, layout="NHWC")
    for start in range(16):
        out = memory[start : start + expected.size].reshape(expected.shape)
        roi_align(windows, boxes, 7, layout="NHWC", out=out)
        assert out.tobytes() == expected.tobytes()


@pytest.mark.core
@WORKLOADS
def test_a_channel_does_not_depend_on_its_neighbours(name: str) -> None:
    features, boxes, size = workload(name)
    boxes = boxes[:150]
    pooled = roi_align(features, boxes, size)
    for c in {0, features.shape[1] - 1}:
        alone = roi_align(features[:, c : c + 1], boxes, size)
        assert alone.tobytes() == pooled[:, c : c + 1].tobytes()


@only_compiled
@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("cells", [1024, 60_000, 500_000])
def test_a_bin_over_very_many_cells_loses_no_more_than_others(axis: int, cells: int) -> None:
    shape = [1, 16, 1, 1]
    shape[axis] = cells
    features = np.random.default_rng(0).integers(0, 2, shape).astype(np.float32)
    boxes = [[0, -0.5, -0.5, shape[3] - 0.5, shape[2] - 0.5]]
    pooled = roi_align(features, boxes, 1, sampling_ratio="exact", aligned=False)
    expected = features.mean(axis=(2, 3), dtype=np.float64)
    np.testing.assert_allclose(pooled[0, :, 0, 0], expected[0], rtol=0, atol=1e-5)


@pytest.mark.core
def test_a_dimension_of_one_may_have_any_stride() -> None:
    features = np.random.default_rng(0).standard_normal((1, 32, 9, 9)).astype(np.float32)
    boxes = [[0, 1, 1, 5, 6], [0, 20, 20, 30, 30], [0, -3, -3, 4, 4]]
    memory = np.zeros(3 * 64, np.float32)
    out = np.lib.stride_tricks.as_strided(memory, (3, 32, 1, 1), (256, 4, 64, 64))
    expected = roi_align(features, boxes, 1, mode="max")
    assert (roi_align(features, boxes, 1, mode="max", out=out) == expected).all()


# Beside other threads and processes.


@pytest.mark.core
def test_calls_from_several_threads_at_once_do_not_disturb_one_another() -> None:
    features, boxes, _ = workload("many channels")
    sizes = [(p, q) for p in (1, 3, 7) for q in (2, 5, 8)] * 3
    with ThreadPoolExecutor(4) as pool_of_threads:
        at_once = list(pool_of_threads.map(lambda s: roi_align(features, boxes, s), sizes))
    for size, pooled in zip(sizes, at_once, strict=True):
        assert pooled.tobytes() == roi_align(features, boxes, size).tobytes()


FORK = """
import os, numpy as np, roicrop
features, boxes = np.ones((1, 64, 50, 50), np.float32), [[0, 1, 2, 30, 40]] * 500
def pool(): return roicrop.roi_align(features, boxes, 7, threads=3).tobytes()
before = pool()
child = os.fork()
if not child:
    os._exit(0 if pool() == before else 9)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), pool() == before)
"""


@pytest.mark.core
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_has_pooled_may_fork() -> None:
    assert run("-c", FORK).stdout == "0 True\n"
