"""RoIAlign beside the frameworks' and beside what memory allows."""

from __future__ import annotations

from benchmarks import peers, workloads
from benchmarks.peers import OWN, Contender
from benchmarks.race import Options, race
from benchmarks.results import Section

NAME = "align"


def run(options: Options) -> Section:
    section = Section(NAME, "RoIAlign, average", compared_with=OWN)
    six = workloads.six(options.sizes)
    for workload in [*six, *workloads.others(options.sizes)]:
        if options.wants(NAME, workload.name):
            race(section, workload, _contenders(workload, options), options)
    names = [workload.name for workload in six]
    floor = section.ratios("memory floor", names)
    section.add_figures("align, by memory floor", floor and [1 / ratio for ratio in floor])
    for contender in ("onnxruntime", "openvino", "torchvision"):
        section.add_figures(f"align, {contender}", section.ratios(contender, names))
    single, other = (section.ratios(c, names) for c in (_SINGLE, "torchvision"))
    if single and other:
        by_single = [b / a for a, b in zip(single, other, strict=True)]
        section.add_figures("align on one thread, torchvision", by_single)
    return section


_SINGLE = f"{OWN}, 1 thread"


def _contenders(workload: workloads.Workload, options: Options) -> list[Contender]:
    return [
        peers.roicrop(workload, options.threads),
        peers.roicrop(workload, 1, name=_SINGLE),
        peers.memory_floor(workload, options.threads),
        *(peer.prepare(workload, options.threads) for peer in options.peers),
    ]
