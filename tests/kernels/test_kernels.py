"""Which core runs, and what must not change its results: threads, company, layout, instructions."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import roicrop
from roicrop import kernels, roi_align
from roicrop.errors import KernelError
from roicrop.kernels import numpy_core
from tests.kernels import levels

Array = NDArray[Any]

only_compiled = pytest.mark.skipif(
    kernels.NAME == "numpy", reason="the NumPy core has neither levels nor scratch of its own"
)


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A new Python with those arguments and environment variables."""
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )


# Which core.

LOAD = """
import os, sys
{before}
os.environ["ROICROP_KERNEL"] = sys.argv[1]
from roicrop import kernels
print(kernels.NAME)
"""
MISSING = "sys.modules['roicrop.kernels._compiled'] = None"
BROKEN = """
import importlib.abc
class Broken(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "roicrop.kernels._compiled":
            raise ImportError("undefined symbol: passes")
sys.meta_path.insert(0, Broken())
"""


def name_of_core(wanted: str, before: str = "", **variables: str) -> str:
    """The core that a new process loads, or the last line of what it says instead."""
    done = run("-c", LOAD.format(before=before), wanted, **variables)
    return (done.stdout or done.stderr).splitlines()[-1]


def test_the_core_that_is_asked_for_is_loaded() -> None:
    assert name_of_core("numpy") == "numpy"
    if kernels.NAME != "numpy":
        assert name_of_core("compiled") == kernels.NAME


def test_the_numpy_core_runs_where_no_compiled_one_was_built() -> None:
    assert name_of_core("", MISSING) == "numpy"


@pytest.mark.parametrize(
    ("wanted", "before", "complaint"),
    [
        ("cuda", "", "ROICROP_KERNEL=cuda names no core: choose compiled or numpy"),
        ("compiled", MISSING, "ROICROP_KERNEL=compiled, but this installation has no compiled"),
        ("", BROKEN, "the compiled core does not load (undefined symbol: passes): install"),
        ("compiled", BROKEN, "the compiled core does not load (undefined symbol: passes)"),
    ],
)
def test_a_core_that_cannot_be_had_is_an_error(wanted: str, before: str, complaint: str) -> None:
    assert name_of_core(wanted, before).startswith(
        f"{KernelError.__module__}.KernelError: {complaint}"
    )


@pytest.mark.core
def test_the_core_pools() -> None:
    features = np.arange(16.0).reshape(1, 1, 4, 4)
    pooled = roi_align(features, [[[0.0, 0.0, 2.0, 2.0]]], 1, sampling_ratio=1, aligned=True)
    assert pooled.tolist() == [[[[features[0, 0, :2, :2].mean()]]]]


# Which vector instructions.

LEVELS = ("baseline", "avx2", "avx512")


@only_compiled
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_of_instructions_gives_the_same_within_the_tolerance(
    level: str, tmp_path: Path
) -> None:
    best = name_of_core("compiled", ROICROP_SIMD="").removeprefix("compiled (").rstrip(")")
    if LEVELS.index(level) > LEVELS.index(best):
        assert name_of_core("compiled", ROICROP_SIMD=level) == (
            f"{KernelError.__module__}.KernelError: ROICROP_SIMD={level} is not to be had: "
            f"this processor's best is {best}"
        )
        return
    assert name_of_core("compiled", ROICROP_SIMD=level) == f"compiled ({level})"
    saved = tmp_path / "level.npz"
    done = run(levels.__file__, str(saved), ROICROP_KERNEL="compiled", ROICROP_SIMD=level)
    assert done.returncode == 0, done.stderr
    with np.load(saved) as pooled:
        for name, expected in levels.results().items():
            rounding = 2.0**-10 if expected.dtype == np.float16 else 0.0
            np.testing.assert_allclose(
                pooled[name].astype(np.float64),
                expected.astype(np.float64),
                rtol=rounding,
                atol=1e-12 if expected.dtype == np.float64 else 1e-5,
                err_msg=name,
            )


@only_compiled
def test_a_level_of_instructions_that_is_none_is_an_error() -> None:
    complaint = name_of_core("compiled", ROICROP_SIMD="mmx")
    assert complaint.startswith("roicrop.errors.KernelError: ROICROP_SIMD=mmx is not to be had")


@pytest.mark.core
def test_every_float16_comes_out_as_it_went_in() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    np.testing.assert_array_equal(levels.every_half().ravel(), halves)


# What does not change a bit. Each of these workloads is cut in its own way.


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
@pytest.mark.parametrize("count", [3, 1000])  # 1000: more than caches hold
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


@only_compiled
@pytest.mark.parametrize(
    ("height", "width", "count"), [(2, 150_000, 60), (3, 5000, 60), (90, 60, 60)]
)
def test_large_boxes_go_where_slabs_end_within_cache_lines(
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


# Memory.

GROWTH = """
import re, sys
from pathlib import Path
import numpy as np
import roicrop
from roicrop.precision import pooled_dtype
from tests.kernels import levels

channels, height, width, count = map(int, sys.argv[1:5])
bins, threads = [int(bins) for bins in sys.argv[5].split("×")], int(sys.argv[6])
features = np.ones((1, channels, height, width), sys.argv[7])
boxes = levels.random_boxes(np.random.default_rng(3), count, (1, height, width))
if sys.argv[10:] == ["tall"]:  # here and there, among small ones
    boxes[:, 3:] = boxes[:, 1:3] + 8
    boxes[np.random.default_rng(4).random(count) < 0.01, 2::2] = 0, height
out = np.ones((count, channels, *bins), pooled_dtype(features.dtype))

def mebibytes(what):
    return int(re.search(what + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

def pool(boxes, out):
    roicrop.roi_align(
        features, boxes, bins, out=out, threads=threads,
        mode=sys.argv[8], sampling_ratio=int(sys.argv[9])
    )

pool(boxes[:1] * 0, out[:1])
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
before = mebibytes("VmRSS")
pool(boxes, out)
print(mebibytes("VmHWM") - before)
"""


@only_compiled
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    "arguments",
    [
        "8 600 1000 2000 7×7 2 f4 avg -1",
        "8 600 1000 1000 7×7 16 f8 avg -1",
        "8 600 1000 1000 7×7 2 f4 max -1",
        "32 600 1000 1000 7×7 2 u1 avg -1",
        "8 600 1000 1000 7×7 2 >f4 max 2",
        "2 60000 40 1000 7×7 2 f4 avg -1",
        "2 30 30000 1000 7×7 8 f8 avg -1",
        "2 100 120 20000 3×3 2 f4 avg -1",
        "2 100 120 60 150×150 2 f4 avg -1",
        "2 100 120 4 3×3 2 f4 avg 1000000",
        "2 1 4000000 20 7×7 8 f4 max -1",
        "1 4000000 1 20 7×7 2 f8 max -1",
        "1 1 4000000 20 7×7 8 f8 avg -1",
        "70 400 500 20 40×40 4 f4 avg -1",
        "1024 1 30000 2 1×4096 2 f4 avg -1",
        "16 40 50 2 1×1000000 2 f4 avg -1",
        "16 40 50 2 300000×1 8 f8 avg -1",
        "1 2 2 40000 14×14 2 f4 avg -1",
        "1 8 8 1500000 1×1 2 f4 avg -1",
        "1 7000 1024 65000 1×1 2 f4 avg -1 tall",
        "1 1000000 1 1 1×900000 2 f4 avg -1",
    ],
)
def test_a_call_needs_no_more_than_32_mebibytes_beside_input_and_output(arguments: str) -> None:
    assert growth(arguments, "compiled") < 32


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    "arguments",
    [
        "256 128 128 30 7×7 2 f4 avg -1",
        "256 300 300 5 7×7 2 f8 avg 2",
        "4 1000 1500 5 7×7 2 f4 avg -1",
        "8 100 120 300 7×7 2 u1 max 2",
        "2 1 100000 10 7×7 2 f4 avg -1",
        "1 8 8 10000 1×1 2 f4 avg -1",
        "8 64 64 2 256×256 2 f4 avg 2",
    ],
)
def test_the_numpy_core_needs_no_more_up_to_100_000_cells_along_an_axis(arguments: str) -> None:
    assert growth(arguments, "numpy") < 32


def growth(arguments: str, core: str) -> float:
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([os.environ.get("PYTHONPATH", ""), root])
    done = run("-c", GROWTH, *arguments.split(), PYTHONPATH=paths, ROICROP_KERNEL=core)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


FULL = """
import re, resource
from pathlib import Path
import numpy as np
import roicrop

small, large = (np.ones((1, 16, n, n), np.float32) for n in (64, 250))
boxes = [[0, 0, 0, 40, 40]], [[0, 0, 0, 249, 249]]
out = np.empty((1, 16, 7, 7), np.float32)
before = roicrop.roi_align(small, boxes[0], 7, threads=1)
now = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (now + (2 << 20), -1))
try:
    roicrop.roi_align(large, boxes[1], 7, sampling_ratio=-1, threads=1, out=out)
except MemoryError:
    print("no memory")
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
print((roicrop.roi_align(small, boxes[0], 7, threads=1) == before).all())
"""


@only_compiled
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_call_that_finds_no_memory_is_an_error_and_the_next_one_is_not_disturbed() -> None:
    done = run("-c", FULL)
    assert done.stdout.split("\n") == ["no memory", "True", ""], done.stderr


# A page of memory is 1024 cells; all pages but the one that the box reads are out of bounds.
GUARDED = """
import ctypes, mmap, sys
import numpy as np
import roicrop

channels_last, dtype = sys.argv[1] == "last", np.dtype(sys.argv[2])
page = mmap.PAGESIZE
cells = page // dtype.itemsize // (2 if channels_last else 1)
shape = (6, 3 * cells, 2) if channels_last else (2, 6, 3 * cells)
pages = np.arange(18).reshape(6, 3) if channels_last else np.arange(36).reshape(2, 6, 3)
memory = mmap.mmap(-1, pages.size * page)
features = np.frombuffer(memory, dtype).reshape(shape)
features[...] = np.random.default_rng(0).integers(0, 9, shape)
libc = ctypes.CDLL(None, use_errno=True)
address = features.ctypes.data


def guard(page_number, protection):
    where = ctypes.c_void_p(address + int(page_number) * page)
    assert libc.mprotect(where, ctypes.c_size_t(page), protection) == 0


guarded = set(pages.flat) - set(pages[..., 2:4, 1].flat)
layout = "HWC" if channels_last else "CHW"
for left in (cells, 2 * cells - 5):
    for width in (1, 2, 3, 5):
        box = [[0, left + 0.5, 2.5, left + width - 0.5, 3.5]]
        do = lambda m: roicrop.roi_align(
            m, box, (1, 2), sampling_ratio=2, aligned=True, layout=layout, threads=1
        )
        expected = do(features.copy())
        for number in guarded:
            guard(number, 0)
        found = do(features)
        for number in guarded:
            guard(number, mmap.PROT_READ | mmap.PROT_WRITE)
        assert (found == expected).all(), (left, width)
print("nothing else was read")
"""


@only_compiled
@pytest.mark.skipif(sys.platform != "linux", reason="guards memory as Linux does")
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "u1"])
@pytest.mark.parametrize("channels", ["first", "last"])
def test_nothing_outside_the_region_that_a_box_needs_is_read(channels: str, dtype: str) -> None:
    done = run("-c", GUARDED, channels, dtype)
    assert (done.returncode, done.stdout) == (0, "nothing else was read\n"), done.stderr


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
