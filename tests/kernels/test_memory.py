"""How much memory a call needs, and which memory it reads."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from tests.kernels.processes import only_compiled, run

Array = NDArray[Any]

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
turned = sys.argv[10:] == ["turned"]
if turned:  # large ones, as centre, size and angle
    centre = np.array([width, height]) / 2
    boxes = np.array([[0, *centre, 0.9 * width, 0.9 * height, 10 + 7 * k] for k in range(count)])

def mebibytes(what):
    return int(re.search(what + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

def pool(boxes, out):
    if turned:
        roicrop.roi_align_rotated(features, boxes, bins, out=out, threads=threads)
        return
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
        "2 2000 2000 2000 7×7 8 f8 avg -1",
        "1 2000 1024 65000 1×1 2 f4 avg -1 tall",
        "2 100 120 20000 3×3 2 f4 avg -1",
        "2 100 120 60 150×150 2 f4 avg -1",
        "2 100 120 4 3×3 2 f4 avg 256",
        "70 400 500 20 40×40 4 f4 avg -1",
        "1 2 2 40000 14×14 2 f4 avg -1",
        "1 8 8 1500000 1×1 2 f4 avg -1",
        "2 2000 2000 2 7×7 4 f4 avg -1 turned",
        "2 2000 2000 1 7×7 8 f8 avg -1 turned",
        "8 300 300 40 7×7 2 f4 avg -1 turned",
    ],
)
def test_a_call_needs_32_mebibytes_at_most_on_maps_up_to_2000_cells_along_an_axis(
    arguments: str,
) -> None:
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
