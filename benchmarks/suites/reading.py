"""The whole program on packed maps: reading, unpacking and pooling, from files to a file.

ROICROP_BESIDE names the interpreter of another version's installation to compare with, and
ROICROP_TORCHVISION one with torchvision and h5py, if the benchmarks' own lacks them.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from benchmarks import timing
from benchmarks.peers import OWN
from benchmarks.race import Options
from benchmarks.results import Measurement, Section

NAME: Final = "reading"


def run(options: Options) -> Section:
    section = Section(NAME, "8 maps of 256×200×304, packed as named", compared_with=OWN)
    with tempfile.TemporaryDirectory() as folder:
        for name, storage in _STORED.items():
            for boxes in (800, 8):
                workload = f"{name}, {boxes} boxes"
                if options.wants(NAME, workload):
                    job = _make(Path(folder), name, storage, boxes, options.quick)
                    _race(section, workload, job, options)
    return section


_STORED: Final[dict[str, dict[str, Any]]] = {
    "contiguous": {},
    "gzip": {"compression": "gzip"},
    "lzf": {"compression": "lzf"},
    "float16, shuffle, gzip": {"compression": "gzip", "shuffle": True, "dtype": np.float16},
}
_BESIDE: Final = "another version"
_WITHOUT: Final = f"{OWN}, without deflate"
_SCRIPT: Final = "h5py and torchvision"
_PREPARED: Final = f"{OWN}, imports left out"
_PREPARED_WITHOUT: Final = f"{_PREPARED}, without deflate"
_STRIDE: Final = 4
_ROOT: Final = Path(__file__).parents[2]
_HERE: Final = _ROOT / "benchmarks"


@dataclass(frozen=True)
class _Job:
    features: Path
    boxes: Path
    output: Path


def _make(folder: Path, name: str, storage: dict[str, Any], boxes: int, quick: bool) -> _Job:
    """The positive part of normal noise, in chunks as h5py chooses them; boxes of 16–400 pixels.

    Eight boxes, one on each map, have sides of 16–64.
    """
    images, channels, height, width = (8, 8, 20, 30) if quick else (8, 256, 200, 304)
    job = _Job(folder / f"{name}.h5", folder / f"{boxes}.csv", folder / "pooled.h5")
    draw = np.random.default_rng(15)
    if not job.features.exists():
        with h5py.File(job.features, "w") as file:
            options = {"dtype": np.float32, **storage}
            maps = file.create_dataset("features", (images, channels, height, width), **options)
            for i in range(images):
                noise = draw.standard_normal((channels, height, width), dtype=np.float32)
                maps[i] = np.maximum(noise, 0)
    size = _STRIDE * np.array([width, height])
    draw = np.random.default_rng(16)
    lines = ["image_index,x1,y1,x2,y2"]
    for k in range(boxes):
        sides = np.minimum(draw.uniform(16, 400 if boxes > 8 else 64, 2), size)
        corner = draw.uniform(0, size - sides)
        numbers = (*corner, *(corner + sides))
        lines.append(f"{k * images // boxes}," + ",".join(f"{v:.2f}" for v in numbers))
    job.boxes.write_text("\n".join(lines) + "\n")
    return job


def _race(section: Section, workload: str, job: _Job, options: Options) -> None:
    files = [str(job.features), str(job.boxes)]
    words = ["align", *files, "-o", str(job.output), "--convention", "detectron2", "--quiet"]
    words += ["--stride", str(_STRIDE)]
    modules = str(job.output.with_name("modules.txt"))
    call = "from roicrop.__main__ import main; main()"
    lack = "import sys; sys.modules['deflate'] = None; "
    without, prepared = lack + call, str(_HERE / "after_imports.py")
    run = "import runpy; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    # Isolated, so that each imports its own installation, not the checkout.
    programs = {
        OWN: [sys.executable, "-I", "-c", call, *words],
        _WITHOUT: [sys.executable, "-I", "-c", without, *words],
        _PREPARED: [sys.executable, "-I", prepared, modules, *words],
    }
    if beside := os.environ.get("ROICROP_BESIDE"):
        programs[_BESIDE] = [beside, "-I", "-c", call, *words]
    torch = os.environ.get("ROICROP_TORCHVISION")
    if torch or any(peer.name == "torchvision" for peer in options.peers):
        script = [torch or sys.executable, "-I", str(_HERE / "torchvision_script.py")]
        programs[_SCRIPT] = [*script, *files, str(job.output), str(_STRIDE)]
        again = [sys.executable, "-I", "-c", lack + run, prepared, modules, *words]
        programs[_PREPARED_WITHOUT] = again
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in programs}

    def turn(name: str) -> float:
        runs[name].append(_run(programs[name], job))
        return runs[name][-1]["seconds"]

    pace = timing.Pace(options.pace.seconds, min(options.pace.least_rounds, 5), 15)
    timing.rounds([partial(turn, name) for name in programs], pace)
    runs = {name: measured[1:] for name, measured in runs.items()}  # the first round warms up
    if _SCRIPT in runs:
        inside = {name: [run["inside"] for run in measured] for name, measured in runs.items()}
        for name, end in ((_PREPARED, ""), (_PREPARED_WITHOUT, ", without deflate")):
            figure = f"reading, {workload}, {_SCRIPT}, imports left out{end}"
            section.figures[figure] = timing.median_ratio(inside[_SCRIPT], inside[name])
        del runs[_PREPARED_WITHOUT]
    del runs[_PREPARED]
    for key, unit, scale in (("seconds", "s", 1.0), ("peak", "MiB", 2.0**20)):
        own = [run[key] / scale for run in runs[OWN]]
        for name, measured in runs.items():
            values = [run[key] / scale for run in measured]
            ratio = timing.median_ratio(values, own)
            row = workload if key == "seconds" else f"{workload}, peak memory"
            median = statistics.median(values)
            section.measurements.append(Measurement(row, name, median, unit, ratio, len(values)))
            if key == "seconds" and name != OWN:
                section.figures[f"reading, {workload}, {name}"] = ratio
            if key == "seconds" and name in (_BESIDE, _SCRIPT):
                slower = [run["seconds"] for run in runs[_WITHOUT]]
                figure = f"reading, {workload}, {name}, without deflate"
                section.figures[figure] = timing.median_ratio(values, slower)
            if key == "peak" and name == OWN:
                section.figures[f"reading, {workload}, peak MiB"] = median


def _run(command: list[str], job: _Job) -> dict[str, float]:
    job.output.unlink(missing_ok=True)
    launch = [sys.executable, "-S", "-m", "benchmarks.launch", *command]
    done = subprocess.run(launch, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    *inside, measured = done.stdout.splitlines()
    return {**json.loads(measured), "inside": float(inside[-1]) if inside else math.nan}
