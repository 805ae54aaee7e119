"""RoIAlign's maximum: beside its average, and beside the two frameworks that have one.

ONNX Runtime's is over weighted corners and OpenVINO's starts at 0, so each is compared with roicrop
under that framework's convention; roicrop's own time is for the maximum over samples.
"""

from __future__ import annotations

import dataclasses

from benchmarks import peers, workloads
from benchmarks.peers import OWN, Contender
from benchmarks.race import Options, race
from benchmarks.results import Section

NAME = "maximum"


def run(options: Options) -> Section:
    section = Section(NAME, "RoIAlign, maximum", compared_with=_AVERAGE)
    six = workloads.maxima(options.sizes)
    for workload in six:
        if options.wants(NAME, workload.name):
            race(section, workload, _contenders(workload, options), options)
    section.notes.extend(
        f"{peer.name} has no maximum." for peer in options.peers if peer.name not in _WITH_A_MAXIMUM
    )
    section.add_figures("maximum", section.ratios(OWN, [w.name for w in six]))
    return section


_AVERAGE = f"{OWN}, average"
_WITH_A_MAXIMUM = ("onnxruntime", "openvino")


def _contenders(workload: workloads.Workload, options: Options) -> list[Contender]:
    average = peers.roicrop(
        dataclasses.replace(workload, mode="avg"), options.threads, name=_AVERAGE
    )
    return [
        peers.roicrop(workload, options.threads),
        dataclasses.replace(average, result=None),
        *(
            peer.prepare(workload, options.threads)
            for peer in options.peers
            if peer.name in _WITH_A_MAXIMUM
        ),
    ]
