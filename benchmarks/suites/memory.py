"""The memory of the operator besides input and output: how a fresh process's peak grows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers, workloads
from benchmarks.peers import OWN
from benchmarks.race import Options
from benchmarks.results import Measurement, Section
from benchmarks.talk import ask, serve
from benchmarks.workloads import ADAPTIVE, Workload

NAME = "memory"


@dataclass(frozen=True)
class Case:
    """A call whose peak is measured. `boxes` are drawn from the set `spread`."""

    name: str
    channels: int = 256
    height: int = 128
    width: int = 128
    boxes: int = 512
    bins: int = 7
    sampling_ratio: int = ADAPTIVE
    operator: Any = "align"
    mode: Any = "avg"
    dtype: str = "float32"
    layout: str = "NCHW"


def run(options: Options) -> Section:
    section = Section(NAME, "Peak memory beyond input and output")
    if not _STATUS.exists():
        section.notes.append("Not measured: this system has no /proc.")
        return section
    for case in _QUICK_CASES if options.quick else _CASES:
        if options.wants(NAME, case.name):
            mebibytes = ask(__name__, [asdict(case), options.threads]) / 2**20
            section.measurements.append(
                Measurement(case.name, OWN, mebibytes, "MiB", threads=options.threads)
            )
    if section.measurements:
        section.figures["memory, MiB"] = max(m.value for m in section.measurements)
    return section


_CASES = (
    Case("ordinary"),
    Case("K = 1", boxes=1),
    Case("K = 200,000", channels=16, boxes=200_000),
    Case("K = 2,000,000, 1×1 bins", channels=4, boxes=2_000_000, bins=1, sampling_ratio=2),
    Case("H, W = 2000", channels=16, height=2000, width=2000),
    Case("H, W = 2000, NHWC", channels=16, height=2000, width=2000, layout="NHWC"),
    Case("H, W = 2000, float16", channels=16, height=2000, width=2000, dtype="float16"),
    Case("H, W = 2000, float64", channels=16, height=2000, width=2000, dtype="float64"),
    Case("H, W = 2000, int32", channels=16, height=2000, width=2000, dtype="int32"),
    Case("H, W = 2000, maximum", channels=16, height=2000, width=2000, mode="max"),
    Case("H, W = 2000, RoIPool", channels=16, height=2000, width=2000, operator="pool", mode="max"),
    Case("H, W = 1, 100,000", channels=16, height=1, width=100_000),
    Case("H, W = 100,000, 1", channels=16, height=100_000, width=1),
    Case("H, W = 1, 4,000,000", channels=2, boxes=64, height=1, width=4_000_000),
    Case("C = 250, NHWC", channels=250, layout="NHWC"),
    Case("C = 2048", channels=2048),
    Case("64×64 bins", channels=64, boxes=256, bins=64),
    Case("1×1 bins, ratio 2", bins=1, sampling_ratio=2),
)
_QUICK_CASES = (Case("ordinary", channels=16, boxes=8),)

_STATUS = Path("/proc/self/status")


def _scratch(question: tuple[dict[str, Any], int]) -> int:
    """The bytes by which the peak of this process exceeds what input and output already take."""
    fields, threads = question
    case = Case(**fields)
    peers.roicrop(_workload(Case("to load the code", 1, 4, 4, 1)), threads).run()
    contender = peers.roicrop(_workload(case), threads, dtype=case.dtype, layout=case.layout)
    assert contender.result is not None
    contender.result().fill(1)  # fresh zeros are not in memory yet
    workloads.feature_map.cache_clear()  # only the contender's own map remains
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status("VmRSS")
    contender.run()
    return _status("VmHWM") - before


def _workload(case: Case) -> Workload:
    corners = workloads.box_set("spread", case.boxes, case.height, case.width)
    return Workload(
        case.name,
        (1, case.channels, case.height, case.width),
        np.insert(corners, 0, 0.0, axis=1).astype(np.float32),
        case.operator,
        case.sampling_ratio,
        case.mode,
        (case.bins, case.bins),
    )


def _status(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    serve(_scratch)
