"""One box on a small map: what a call costs before there is work to divide."""

from __future__ import annotations

import numpy as np

import roicrop
from benchmarks.peers import OWN, Contender
from benchmarks.race import Options, race
from benchmarks.results import Section
from benchmarks.workloads import Array, Workload

NAME = "one box"


def run(options: Options) -> Section:
    section = Section(NAME, "One box of 14×14 cells on a 64×64 map", compared_with=OWN)
    workload = Workload(
        "one box, adaptive",
        (1, options.sizes.channels, 64, 64),
        np.array([[0, 20.3, 17.6, 34.3, 31.6]], np.float32),
    )
    if options.wants(NAME, workload.name):
        contenders = [
            _plain_call(workload),
            _slice(workload),
            *(peer.prepare(workload, options.threads) for peer in options.peers),
        ]
        race(section, workload, contenders, options, unit="µs", calls=20)
    for measurement in section.measurements:
        if measurement.contender == OWN:
            section.figures["one box, µs"] = measurement.value
    return section


def _plain_call(workload: Workload) -> Contender:
    """As a user writes it: nothing prepared, a new array for the result."""
    features, boxes = workload.features, workload.boxes
    latest: list[Array] = []

    def run() -> None:
        latest[:] = [roicrop.roi_align(features, boxes, 7, 1.0, 0, True)]

    return Contender(OWN, 0, run, lambda: latest[0], tolerance=0.0)


def _slice(workload: Workload) -> Contender:
    features = workload.features
    return Contender("slice.copy()", 1, lambda: features[0, :, 17:32, 20:35].copy())
