"""One workload, several contenders: check that they agree, then time them in turns."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import check, timing
from benchmarks.peers import Contender, Peer
from benchmarks.results import Measurement, Section
from benchmarks.timing import Pace
from benchmarks.workloads import FULL, Sizes, Workload


@dataclass(frozen=True)
class Options:
    """What the command line chose.

    only: a regular expression; a workload runs when it matches "suite: workload".
    peers: those that are installed.
    plot: where to write the picture of `scaling`; None for nowhere.
    """

    only: str = ""
    sizes: Sizes = FULL
    pace: Pace = field(default_factory=lambda: Pace(seconds=10.0))
    threads: int = 2
    peers: Sequence[Peer] = ()
    plot: Path | None = None

    @property
    def quick(self) -> bool:
        return self.sizes != FULL

    def wants(self, suite: str, workload: str) -> bool:
        return re.search(self.only, f"{suite}: {workload}") is not None


def race(
    section: Section,
    workload: Workload,
    contenders: Sequence[Contender],
    options: Options,
    *,
    unit: str = "ms",
    calls: int = 1,
) -> None:
    """Adds a row to the section. Contenders that disagree get a note instead of a number."""
    fit = agreeing(section, workload, contenders)
    found = timing.interleave([contender.run for contender in fit], options.pace, calls=calls)
    record(section, workload.name, fit, found, unit)


def agreeing(
    section: Section, workload: Workload, contenders: Sequence[Contender]
) -> list[Contender]:
    """The contenders that agree with roicrop; the section gets a note on each of the others."""
    fit = []
    for contender in contenders:
        wrong = check.disagreement(contender, workload)
        if wrong is None:
            fit.append(contender)
        else:
            section.notes.append(f"{workload.name}: {wrong}.")
    return fit


def record(
    section: Section,
    workload: str,
    contenders: Sequence[Contender],
    seconds: Sequence[Sequence[float]],
    unit: str = "ms",
) -> None:
    """Adds a row of times: for each contender, its seconds in each round."""
    names = [contender.name for contender in contenders]
    base = dict(zip(names, seconds, strict=True)).get(section.compared_with or "")
    for contender, values in zip(contenders, seconds, strict=True):
        section.measurements.append(
            Measurement(
                workload,
                contender.name,
                statistics.median(values) * PER_SECOND[unit],
                unit,
                ratio=None if base is None else timing.median_ratio(values, base),
                rounds=len(values),
                threads=contender.threads,
            )
        )


PER_SECOND = {"ms": 1e3, "µs": 1e6}
