"""Boxes on a feature pyramid, each from its level, beside torchvision's MultiScaleRoIAlign."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import roicrop
from benchmarks import timing
from benchmarks.peers import OWN, TOLERANCE, Contender
from benchmarks.race import Options, record
from benchmarks.results import Section
from benchmarks.workloads import FULL, Array, box_set, feature_map, zeros

NAME: Final = "pyramid"
_IMAGE: Final = (800, 1333)
_STRIDES: Final = (4, 8, 16, 32)
_SINGLE: Final = f"{OWN}, 1 thread"
_WORKLOAD: Final = "800×1333, p2 to p5"


def run(options: Options) -> Section:
    section = Section(NAME, "1,000 boxes on a feature pyramid, ratio 2", compared_with=OWN)
    if not options.wants(NAME, _WORKLOAD):
        return section
    height, width = _IMAGE
    maps = [
        feature_map((1, options.sizes.channels, -(-height // s), -(-width // s))) for s in _STRIDES
    ]
    count = options.sizes.boxes * 1000 // FULL.boxes
    boxes = box_set("spread", count, height, width).astype(np.float32)
    contenders = [
        _roicrop(maps, boxes, options.threads, OWN),
        _roicrop(maps, boxes, 1, _SINGLE),
    ]
    if any(peer.name == "torchvision" for peer in options.peers):
        contenders.append(_torchvision(maps, boxes))
    fit = [each for each in contenders if _agrees(section, each, contenders[0], maps)]
    found = timing.interleave([each.run for each in fit], options.pace)
    record(section, _WORKLOAD, fit, found)
    single, other = (section.ratios(c, [_WORKLOAD]) for c in (_SINGLE, "torchvision"))
    if single and other:
        section.figures["pyramid, torchvision"] = other[0]
        section.figures["pyramid on one thread, torchvision"] = other[0] / single[0]
    return section


def _agrees(section: Section, contender: Contender, own: Contender, maps: list[Array]) -> bool:
    assert contender.result is not None
    assert own.result is not None
    own.run()
    contender.run()
    allowed = TOLERANCE * max(1.0, *(float(np.abs(each).max()) for each in maps))
    error = float(np.abs(contender.result() - own.result()).max(initial=0))
    if error > allowed:
        section.notes.append(f"{contender.name} differs by {error:.3g} and is not timed.")
    return error <= allowed


def _roicrop(maps: list[Array], boxes: Array, threads: int, name: str) -> Contender:
    out = zeros((len(boxes), maps[0].shape[1], 7, 7), np.float32)
    scales = [1 / stride for stride in _STRIDES]

    def run() -> None:
        roicrop.multiscale_roi_align(
            maps, boxes, 7, scales, 2, convention="torchvision", threads=threads, out=out
        )

    return Contender(name, threads, run, lambda: out)


def _torchvision(maps: list[Array], boxes: Array) -> Contender:
    import torch
    from torchvision import ops

    torch.set_num_threads(1)  # its operator uses no more
    names = [str(level) for level in range(len(maps))]
    pooler = ops.MultiScaleRoIAlign(names, 7, 2)
    features = {n: torch.from_numpy(each) for n, each in zip(names, maps, strict=True)}
    corners = [torch.from_numpy(boxes)]
    latest: list[Any] = [None]

    def run() -> None:
        latest[0] = None  # if kept, it would occupy the next one's memory
        latest[0] = pooler(features, corners, [_IMAGE])

    return Contender("torchvision", 1, run, lambda: np.asarray(latest[0]))
