"""The whole program, from files to a file, beside the script that one writes without it."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from benchmarks import timing, workloads
from benchmarks.peers import OWN, TOLERANCE
from benchmarks.race import Options
from benchmarks.results import Measurement, Section

NAME = "end to end"


def run(options: Options) -> Section:
    section = Section(NAME, "64 maps of 256×64×64 from HDF5, 100 boxes each", compared_with=OWN)
    if not options.wants(NAME, ""):
        return section
    with tempfile.TemporaryDirectory() as folder:
        job = _make_job(Path(folder), options.quick)
        programs = {OWN: _roicrop(job), _PREPARED: _roicrop_prepared(job)}
        if any(peer.name == "torchvision" for peer in options.peers):
            programs[_SCRIPT] = _script(job)
            differences = _differences(programs, job)
            if differences:
                section.notes.extend(differences)
                del programs[_SCRIPT]
        else:
            section.notes.append("Without torchvision there is nothing to compare with.")
        _measure(section, programs, job, options)
    return section


_PREPARED = f"{OWN}, imports left out"
_SCRIPT = "torchvision script"


@dataclass(frozen=True)
class _Job:
    features: Path
    boxes: Path
    output: Path


@dataclass(frozen=True)
class _Run:
    """One run of a program; `inside` is the time that it reports itself, without imports."""

    seconds: float
    peak: int
    inside: float | None


def _make_job(folder: Path, quick: bool) -> _Job:
    images, channels, side, boxes = (2, 16, 16, 5) if quick else (64, 256, 64, 100)
    job = _Job(folder / "features.h5", folder / "boxes.csv", folder / "pooled.h5")
    with h5py.File(job.features, "w") as file:
        file["features"] = np.random.default_rng(0).standard_normal(
            (images, channels, side, side), dtype=np.float32
        )
    corners = 16.0 * workloads.box_set("spread", images * boxes, side, side)
    lines = ["image_index,x1,y1,x2,y2"]
    for k, row in enumerate(corners):
        lines.append(f"{k // boxes}," + ",".join(f"{v:.2f}" for v in row))
    job.boxes.write_text("\n".join(lines) + "\n")
    return job


def _roicrop(job: _Job) -> list[str]:
    return [sys.executable, "-c", "from roicrop.cli.main import main; main()", *_arguments(job)]


def _roicrop_prepared(job: _Job) -> list[str]:
    modules = str(job.output.with_name("modules.txt"))
    return [sys.executable, "-m", "benchmarks.after_imports", modules, *_arguments(job)]


def _arguments(job: _Job) -> list[str]:
    files = [str(job.features), str(job.boxes), "-o", str(job.output)]
    return ["align", *files, "--convention", "detectron2", "--stride", "16", "--quiet"]


def _script(job: _Job) -> list[str]:
    files = [str(job.features), str(job.boxes), str(job.output)]
    return [sys.executable, "-m", "benchmarks.torchvision_script", *files]


_ROOT = Path(__file__).parents[2]


def _run(command: list[str], job: _Job) -> _Run:
    job.output.unlink(missing_ok=True)
    launch = [sys.executable, "-S", "-m", "benchmarks.launch", *command]
    done = subprocess.run(launch, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    *inside, measured = done.stdout.splitlines()
    return _Run(**json.loads(measured), inside=float(inside[-1]) if inside else None)


def _differences(programs: dict[str, list[str]], job: _Job) -> list[str]:
    """A note if the script's output differs from roicrop's."""
    kept = job.output.with_suffix(".kept")
    _run(programs[OWN], job)
    job.output.rename(kept)
    _run(programs[_SCRIPT], job)
    error = 0.0
    with h5py.File(kept) as ours, h5py.File(job.output) as theirs:
        if ours["pooled"].shape != theirs["pooled"].shape:
            return ["The outputs differ in shape."]
        for start in range(0, len(theirs["pooled"]), 500):
            some = slice(start, start + 500)
            apart = np.abs(ours["pooled"][some] - theirs["pooled"][some])
            error = float(np.maximum(error, apart.max()))  # NaN stays
    kept.unlink()
    return [] if error <= 5 * TOLERANCE else [f"The outputs differ by {error:.3g}."]


def _measure(section: Section, programs: dict[str, list[str]], job: _Job, options: Options) -> None:
    found: dict[str, list[_Run]] = {name: [] for name in programs}

    def turn(name: str) -> float:
        found[name].append(_run(programs[name], job))
        return found[name][-1].seconds

    measures: list[Callable[[], float]] = [partial(turn, name) for name in programs]
    pace = timing.Pace(4 * options.pace.seconds, min(options.pace.least_rounds, 3), 15)
    timing.rounds(measures, pace)
    runs = {name: values[1:] for name, values in found.items()}  # the first round warms up

    whole = {name: [run.seconds for run in runs[name]] for name in (OWN, _SCRIPT) if name in runs}
    peak = {name: [run.peak / 2**20 for run in runs[name]] for name in whole}
    inside = {
        name: [run.inside for run in runs[source] if run.inside is not None]
        for name, source in ((OWN, _PREPARED), (_SCRIPT, _SCRIPT))
        if source in runs
    }
    _record(section, "whole process", whole, "s")
    _record(section, "imports left out", inside, "s")
    _record(section, "peak memory", peak, "MiB")


def _record(section: Section, row: str, values: dict[str, list[float]], unit: str) -> None:
    for name, numbers in values.items():
        ratio = timing.median_ratio(numbers, values[OWN])
        section.measurements.append(
            Measurement(row, name, statistics.median(numbers), unit, ratio, len(numbers))
        )
        if name == _SCRIPT:
            section.figures[f"end to end, {row}"] = ratio
