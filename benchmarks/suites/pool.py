"""RoIPool beside the frameworks'."""

from __future__ import annotations

from benchmarks import peers, workloads
from benchmarks.peers import OWN
from benchmarks.race import Options, race
from benchmarks.results import Section

NAME = "pool"


def run(options: Options) -> Section:
    section = Section(NAME, "RoIPool", compared_with=OWN)
    sets = workloads.pools(options.sizes)
    for workload in sets:
        if options.wants(NAME, workload.name):
            contenders = [
                peers.roicrop(workload, options.threads),
                peers.roicrop(workload, 1, name=f"{OWN}, 1 thread"),
                peers.memory_floor(workload, options.threads),
                *(peer.prepare(workload, options.threads) for peer in options.peers),
            ]
            race(section, workload, contenders, options)
    for contender in ("onnxruntime", "openvino", "torchvision"):
        ratios = section.ratios(contender, [workload.name for workload in sets])
        section.add_figures(f"pool, {contender}", ratios)
    return section
