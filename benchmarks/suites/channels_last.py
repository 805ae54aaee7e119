"""Channels-last maps beside NCHW ones: other reductions, types and numbers of channels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import peers, workloads
from benchmarks.peers import OWN
from benchmarks.race import Options, race
from benchmarks.results import Section
from benchmarks.workloads import Sizes, Workload

NAME = "channels-last"


def run(options: Options) -> Section:
    section = Section(NAME, "Channels-last maps", compared_with=OWN)
    names = []
    for workload, dtype in _workloads(options.sizes):
        names.append(workload.name)
        if options.wants(NAME, workload.name):
            contenders = [
                peers.roicrop(workload, options.threads, dtype=dtype),
                peers.roicrop(workload, options.threads, name="NHWC", dtype=dtype, layout="NHWC"),
            ]
            race(section, workload, contenders, options)
    section.add_figures(NAME, section.ratios("NHWC", names))
    return section


def _workloads(sizes: Sizes) -> Iterator[tuple[Workload, Any]]:
    """Two samples a RoIAlign bin. 250 and 100 channels end within cache lines, 8 fill none."""
    few, some, odd = (
        Sizes(max(1, sizes.channels * channels // 256), sizes.boxes) for channels in (8, 100, 250)
    )
    for name, these, dtype in (
        ("maximum", workloads.maxima(sizes)[1::2], np.float32),
        ("RoIPool", workloads.pools(sizes), np.float32),
        ("float16", workloads.six(sizes)[1::2], np.float16),
        ("float64", workloads.six(sizes)[1::2], np.float64),
        (f"{odd.channels} channels", workloads.six(odd)[1::2], np.float32),
        (f"{odd.channels} channels, float16", workloads.six(odd)[1::2], np.float16),
        (f"{some.channels} channels", workloads.six(some)[1::2], np.float32),
        (f"{few.channels} channels", workloads.six(few)[1::2], np.float32),
    ):
        for workload in these:
            yield dataclasses.replace(workload, name=f"{name}: {workload.name}"), dtype
