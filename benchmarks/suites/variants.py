"""Other element types and channels-last maps, beside float32 in NCHW."""

from __future__ import annotations

import numpy as np

from benchmarks import peers, workloads
from benchmarks.peers import OWN
from benchmarks.race import Options, race
from benchmarks.results import Section

NAME = "variants"


def run(options: Options) -> Section:
    section = Section(NAME, "RoIAlign on other types and layouts", compared_with=OWN)
    six = workloads.six(options.sizes)
    for workload in six:
        if options.wants(NAME, workload.name):
            contenders = [
                peers.roicrop(workload, options.threads),
                *(
                    peers.roicrop(workload, options.threads, name=name, dtype=dtype, layout=layout)
                    for name, (dtype, layout) in _VARIANTS.items()
                ),
            ]
            race(section, workload, contenders, options)
    for name in _VARIANTS:
        section.add_figures(name, section.ratios(name, [workload.name for workload in six]))
    return section


_VARIANTS = {
    "NHWC": (np.float32, "NHWC"),
    "float16": (np.float16, "NCHW"),
    "float64": (np.float64, "NCHW"),
    "NHWC, float16": (np.float16, "NHWC"),
}
