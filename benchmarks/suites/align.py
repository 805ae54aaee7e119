"""RoIAlign beside the frameworks' and beside what memory allows."""

from __future__ import annotations

from benchmarks import peers, workloads
from benchmarks.peers import IN_NEW_MEMORY, OWN, Contender
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
    new = [section.ratios(c + IN_NEW_MEMORY, names) for c in (OWN, "onnxruntime")]
    if new[0] and new[1]:
        by_own = [b / a for a, b in zip(*new, strict=True)]
        section.add_figures("align in new memory, onnxruntime", by_own)
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
        *(peers.in_new_memory(workload, options.threads) if options.peers else ()),
    ]
