"""How much each level of vector instructions gains.

roicrop chooses the level when it is imported, so each runs in a process of its own; the processes
take turns, and measure themselves.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers, timing, workloads
from benchmarks.peers import Contender
from benchmarks.race import Options, agreeing, record
from benchmarks.results import Section
from benchmarks.talk import Worker, serve
from benchmarks.workloads import Array, Sizes
from roicrop.errors import RoicropError

NAME = "simd"


def run(options: Options) -> Section:
    section = Section(NAME, "Levels of vector instructions (ROICROP_SIMD)", compared_with="avx512")
    six = workloads.six(options.sizes)
    wanted = [n for n, workload in enumerate(six) if options.wants(NAME, workload.name)]
    with ExitStack() as stack:
        levels = _start_levels(section, stack) if wanted else {}
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        for number in wanted if levels else []:
            workload = six[number]
            contenders = []
            for level, worker in levels.items():
                sizes = [options.sizes.channels, options.sizes.boxes]
                worker.ask(["prepare", number, *sizes, options.threads])
                path = Path(folder, f"{level}.npy")
                contenders.append(
                    Contender(
                        level,
                        options.threads,
                        partial(worker.ask, ["run"]),
                        partial(_saved, worker, path),
                    )
                )
            fit = agreeing(section, workload, contenders)
            measures: list[Callable[[], float]] = [contender.run for contender in fit]  # type: ignore[misc]
            record(section, workload.name, fit, timing.rounds(measures, options.pace))
    for level in ("baseline", "avx2"):
        section.add_figures(f"simd, {level}", section.ratios(level, [w.name for w in six]))
    return section


def _start_levels(section: Section, stack: ExitStack) -> dict[str, Worker]:
    """A process for each level that this machine and this core support."""
    levels = {}
    for level in ("avx512", "avx2", "baseline"):
        worker = stack.enter_context(Worker(__name__, {"ROICROP_SIMD": level}))
        core = worker.ask(["core"])
        if level in core:
            levels[level] = worker
        else:
            section.notes.append(f"{level} is not measured: {core}.")
    return levels


def _saved(worker: Worker, path: Path) -> Array:
    worker.ask(["save", str(path)])
    saved: Array = np.load(path)
    return saved


class _Level:
    """The work of the process for one level."""

    def __call__(self, question: list[Any]) -> object:
        verb, *arguments = question
        return getattr(self, verb)(*arguments)

    def core(self) -> str:
        try:
            from roicrop import kernels
        except RoicropError as error:
            return str(error)
        return f"the core is {kernels.NAME}"

    def prepare(self, number: int, channels: int, boxes: int, threads: int) -> None:
        workload = workloads.six(Sizes(channels, boxes))[number]
        self.contender = peers.roicrop(workload, threads)

    def run(self) -> float:
        start = time.perf_counter()
        self.contender.run()
        return time.perf_counter() - start

    def save(self, path: str) -> None:
        assert self.contender.result is not None
        np.save(path, self.contender.result())


if __name__ == "__main__":
    serve(_Level())
