"""How the time grows with the boxes, the channels, the bins and the map."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from benchmarks import peers, workloads
from benchmarks.plot import Panel, draw
from benchmarks.race import Options, race
from benchmarks.results import Section
from benchmarks.timing import Pace
from benchmarks.workloads import Workload

NAME = "scaling"


def run(options: Options) -> Section:
    section = Section(NAME, "Growth (uniform boxes, four samples per bin)")
    options = dataclasses.replace(options, pace=Pace(options.pace.seconds / 10, 3, 20))
    panels = []
    for sweep in _SWEEPS:
        points = sweep.points[:3] if options.quick else sweep.points
        if not options.wants(NAME, sweep.letter):
            continue
        for point in points:
            workload = sweep.workload(point)
            contenders = [
                peers.roicrop(workload, threads, name=_name(threads))
                for threads in sorted({1, options.threads})
            ]
            race(section, workload, contenders, options)
        panels.append(_panel(section, sweep, points))
        time = panels[-1].series[_name(options.threads)]
        section.figures[f"scaling, {sweep.letter}"] = exponent(points[-_LAST:], time[-_LAST:])
    if panels and options.plot is not None:
        draw(panels, options.plot, title="roicrop: time of one call, float32, four samples per bin")
    return section


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """The power of x that fits y best: 1 is linear growth."""
    return float(np.polyfit([math.log(v) for v in x], [math.log(v) for v in y], 1)[0])


@dataclasses.dataclass(frozen=True)
class _Sweep:
    """One quantity takes the values of `points`; the others stay fixed."""

    letter: str
    meaning: str
    points: Sequence[int]
    boxes: int = 512
    channels: int = 256

    def workload(self, point: int) -> Workload:
        boxes = point if self.letter == "K" else self.boxes
        channels = point if self.letter == "C" else self.channels
        # Bins and cells are counted on the plane, so that linear growth is linear in each chart.
        bins = math.isqrt(point) if self.letter == "bins" else 7
        side = math.isqrt(point) if self.letter == "cells" else 128
        corners = workloads.box_set("uniform", boxes, side, side)
        return Workload(
            f"{self.letter} = {point}",
            (1, channels, side, side),
            np.insert(corners, 0, 0.0, axis=1).astype(np.float32),
            sampling_ratio=2,
            output_size=(bins, bins),
        )


_SWEEPS = (
    _Sweep("K", "boxes", [*(2**n for n in range(18)), 200_000], channels=16),
    _Sweep("C", "channels", [2**n for n in range(2, 11)]),
    _Sweep("bins", "bins of a box", [n * n for n in (1, 2, 4, 8, 16, 32, 64)], 256, 64),
    _Sweep("cells", "cells of the map", [4**n for n in range(4, 11)], 512, 64),
)
_LAST = 4  # points past the cache, where growth is judged


def _name(threads: int) -> str:
    return f"{peers.OWN}, {threads} thread{'s' * (threads > 1)}"


def _panel(section: Section, sweep: _Sweep, points: Sequence[int]) -> Panel:
    rows = [f"{sweep.letter} = {point}" for point in points]
    contenders = {m.contender: None for m in section.measurements}
    value = {(m.workload, m.contender): m.value for m in section.measurements}
    return Panel(
        sweep.meaning,
        [float(point) for point in points],
        {name: [value[row, name] for row in rows] for name in contenders},
    )
