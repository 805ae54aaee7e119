"""Many small files, as whole processes: what a file costs besides its pixels, and a second worker.

ROICROP_BESIDE names the interpreter of another version's installation to compare with.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from benchmarks import timing
from benchmarks.race import Options
from benchmarks.results import Measurement, Section

NAME: Final = "batch"


def run(options: Options) -> Section:
    section = Section(NAME, "200 files of 256×64×64 in gzip, 50 boxes each", compared_with=_TWO)
    if not options.wants(NAME, ""):
        return section
    with tempfile.TemporaryDirectory() as folder:
        _make(Path(folder), 4 if options.quick else 200, 8 if options.quick else 256)
        commands = _commands(Path(folder))
        runs = [partial(_seconds, command, folder) for command in commands.values()]
        pace = timing.Pace(options.pace.seconds, min(options.pace.least_rounds, 5), 15)
        found = dict(zip(commands, timing.rounds(runs, pace), strict=True))
    for name, seconds in found.items():
        ratio = timing.median_ratio(seconds, found[_TWO])
        median = statistics.median(seconds)
        section.measurements.append(
            Measurement("whole process", name, median, "s", ratio, len(seconds))
        )
    section.figures["batch, one worker"] = timing.median_ratio(found[_ONE], found[_TWO])
    if _BESIDE in found:
        for figure, own in ((_BESIDE, _TWO), (f"{_BESIDE}, without deflate", _WITHOUT)):
            ratio = timing.median_ratio(found[_BESIDE], found[own])
            section.figures[f"batch, {figure}"] = ratio
    return section


_TWO: Final = "two workers"
_ONE: Final = "one worker"
_WITHOUT: Final = "two workers, without deflate"
_BESIDE: Final = "another version"


def _make(folder: Path, files: int, channels: int) -> None:
    (folder / "maps").mkdir()
    (folder / "boxes").mkdir()
    (folder / "lacking").mkdir()  # on the path of processes that must not find deflate
    (folder / "lacking" / "deflate.py").write_text("raise ImportError\n")
    draw = np.random.default_rng(17)
    rows = ["features,boxes"]
    for i in range(files):
        rows.append(f"maps/{i}.h5,boxes/{i}.csv")
        with h5py.File(folder / "maps" / f"{i}.h5", "w") as file:
            noise = draw.standard_normal((channels, 64, 64), dtype=np.float32)
            maps = file.create_dataset("features", data=np.maximum(noise, 0), compression="gzip")
            maps.attrs["stride"] = 16
        sides = draw.uniform(16, 400, (50, 2))
        corners = draw.uniform(0, 1024 - sides)
        boxes = np.hstack([corners, corners + sides])
        lines = ["x1,y1,x2,y2", *(",".join(f"{v:.2f}" for v in box) for box in boxes)]
        (folder / "boxes" / f"{i}.csv").write_text("\n".join(lines) + "\n")
    (folder / "rows.csv").write_text("\n".join(rows) + "\n")


def _commands(folder: Path) -> dict[str, list[str]]:
    """The commands, each with an interpreter that imports its own installation of roicrop."""
    call = "from roicrop.__main__ import main; main()"
    words = ["batch", "rows.csv", "-o", "out", "--quiet", "--convention", "detectron2"]
    own = [sys.executable, "-I", "-c", call, *words]
    lacking = ["env", f"PYTHONPATH={folder / 'lacking'}", sys.executable, "-c", call]
    commands = {
        _TWO: [*own, "--workers", "2"],
        _ONE: [*own, "--workers", "1", "--threads", "1"],
        _WITHOUT: [*lacking, *words, "--workers", "2"],
        "here": own,
    }
    if beside := os.environ.get("ROICROP_BESIDE"):
        commands[_BESIDE] = [beside, "-I", "-c", call, *words]
    return commands


def _seconds(command: list[str], folder: str) -> float:
    shutil.rmtree(Path(folder, "out"), ignore_errors=True)
    Path(folder, "out").mkdir()
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return seconds
