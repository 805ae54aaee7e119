"""What a benchmark finds: measurements for the table, and figures for the targets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Measurement:
    """One number of the table.

    workload, contender: its row and its column.
    value: the median over `rounds`, in `unit`.
    ratio: the median over the rounds of this contender's value divided by the value in the column
        that the section compares with; None if there is no such column.
    threads: how many it was given, if that matters.
    """

    workload: str
    contender: str
    value: float
    unit: str = "ms"
    ratio: float | None = None
    rounds: int = 1
    threads: int | None = None


@dataclass
class Section:
    """A suite's findings.

    compared_with: the column that ratios are to.
    figures: name → number, for `targets.TARGETS`.
    notes: what went wrong or was left out, a sentence each.
    """

    name: str
    title: str
    compared_with: str | None = None
    measurements: list[Measurement] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def ratios(self, contender: str, workloads: Iterable[str]) -> list[float] | None:
        """A contender's ratios on all of these workloads; None if one was not measured."""
        found: Mapping[str, float | None] = {
            m.workload: m.ratio for m in self.measurements if m.contender == contender
        }
        ratios = [found.get(workload) for workload in workloads]
        return None if None in ratios else [ratio for ratio in ratios if ratio is not None]

    def add_figures(self, name: str, ratios: list[float] | None) -> None:
        """The geometric mean, the smallest and the largest, unless some were not measured."""
        if ratios:
            self.figures[f"{name}, mean"] = geometric_mean(ratios)
            self.figures[f"{name}, least"] = min(ratios)
            self.figures[f"{name}, most"] = max(ratios)


def geometric_mean(values: Iterable[float]) -> float:
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms))
