"""Rotated RoIAlign beside detectron2's and mmcv's, position-sensitive pooling beside others'.

The first two have no wheels: they are timed if somebody has built them, on one thread, which is all
that their CPU operators use.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np

import roicrop
from benchmarks import timing
from benchmarks.peers import OWN, TOLERANCE, Contender
from benchmarks.race import Options, record
from benchmarks.results import Section
from benchmarks.workloads import FULL, Array, zeros

NAME: Final = "operators"
_ROTATED: Final = "rotated: 512 boxes of 4 to 64 cells, 128×128, ratio 2"
_PS_ALIGN: Final = "position-sensitive align: 1,000 boxes, 490 channels, 50×84, ratio 2"
_PS_POOL: Final = "position-sensitive pool: 1,000 boxes, 490 channels, 50×84"
_Call = Callable[..., Any]


def run(options: Options) -> Section:
    section = Section(NAME, "Rotated and position-sensitive", compared_with=OWN)
    rng = np.random.default_rng(7)
    part = options.sizes.boxes / FULL.boxes
    for workload, build in (
        (_ROTATED, _rotated),
        (_PS_ALIGN, _ps_align),
        (_PS_POOL, _ps_pool),
    ):
        if options.wants(NAME, workload):
            _race(section, workload, build(rng, part), options)
    for figure, workload, peers in (
        ("rotated, one thread of a peer", _ROTATED, ("detectron2", "mmcv")),
        ("ps align, torchvision", _PS_ALIGN, ("torchvision",)),
        ("ps pool, paddle", _PS_POOL, ("paddle",)),
    ):
        ratios = [ratio for peer in peers for ratio in section.ratios(peer, [workload]) or []]
        if ratios:
            section.figures[figure] = min(ratios)
    return section


def _race(section: Section, workload: str, made: _Workload, options: Options) -> None:
    own = [
        _roicrop(made, threads, name)
        for threads, name in ((options.threads, OWN), (1, f"{OWN}, 1 thread"))
    ]
    others = [
        each
        for name, prepare in made.peers.items()
        if options.peers and (each := _prepared(name, prepare, made, options.threads))
    ]
    own[0].run()
    for each in others:
        assert each.result is not None
        assert own[0].result is not None
        each.run()
        error = float(np.abs(each.result() - own[0].result()).max(initial=0))
        if error > TOLERANCE * max(1.0, float(np.abs(made.features).max())):
            section.notes.append(f"{workload}: {each.name} differs by {error:.3g}.")
    contenders = [*own, *others]
    found = timing.interleave([each.run for each in contenders], options.pace)
    record(section, workload, contenders, found)


class _Workload:
    """Features, boxes with the image index first, roicrop's operator, and how peers are asked."""

    def __init__(
        self, features: Array, boxes: Array, own: _Call, out: tuple[int, ...], **peers: _Call
    ) -> None:
        self.features, self.boxes, self.own = features, boxes.astype(np.float32), own
        self.out, self.peers = (len(boxes), *out), peers


def _roicrop(made: _Workload, threads: int, name: str) -> Contender:
    out = zeros(made.out, np.float32)

    def run() -> None:
        made.own(made.features, made.boxes, threads=threads, out=out)

    return Contender(name, threads, run, lambda: out)


def _prepared(name: str, prepare: _Call, made: _Workload, threads: int) -> Contender | None:
    try:
        call, used = prepare(importlib.import_module(name), made, threads)
    except ImportError:
        return None
    latest: list[Any] = [None]

    def run() -> None:
        latest[0] = None  # if kept, it would occupy the next one's memory
        latest[0] = call()

    return Contender(name, used, run, lambda: np.asarray(latest[0]))


def _rotated(rng: np.random.Generator, part: float) -> _Workload:
    count = max(2, round(512 * part))
    sides = np.exp(rng.uniform(np.log(4), np.log(64), (count, 2)))
    boxes = np.column_stack(
        [np.zeros(count), rng.uniform(0, 128, (count, 2)), sides, rng.uniform(-180, 180, count)]
    )
    features = rng.standard_normal((1, 256, 128, 128), dtype=np.float32)

    def own(features: Array, boxes: Array, **options: Any) -> None:
        roicrop.roi_align_rotated(features, boxes, 7, 1.0, 2, **options)

    return _Workload(features, boxes, own, (256, 7, 7), detectron2=_detectron2, mmcv=_mmcv)


def _detectron2(_: Any, made: _Workload, threads: int) -> tuple[_Call, int]:
    torch = importlib.import_module("torch")
    operator = importlib.import_module("detectron2._C").roi_align_rotated_forward
    features, boxes = torch.from_numpy(made.features), torch.from_numpy(made.boxes)
    return lambda: operator(features, boxes, 1.0, 7, 7, 2), 1


def _mmcv(_: Any, made: _Workload, threads: int) -> tuple[_Call, int]:
    torch = importlib.import_module("torch")
    operator = importlib.import_module("mmcv.ops").roi_align_rotated
    boxes = made.boxes * np.array([1, 1, 1, 1, 1, np.pi / 180], np.float32)
    features, table = torch.from_numpy(made.features), torch.from_numpy(boxes)
    return lambda: operator(features, table, (7, 7), 1.0, 2, True, False), 1


def _sensitive(rng: np.random.Generator, part: float) -> tuple[Array, Array]:
    count = max(2, round(1000 * part))
    corner = rng.uniform((0, 0), (84 * 13, 50 * 13), (count, 2))
    ends = corner + rng.uniform(16, 400, (count, 2))
    features = rng.standard_normal((1, 490, 50, 84), dtype=np.float32)
    return features, np.column_stack([np.zeros(count), corner, ends])


def _ps_align(rng: np.random.Generator, part: float) -> _Workload:
    def own(features: Array, boxes: Array, **options: Any) -> None:
        roicrop.ps_roi_align(features, boxes, 7, 1 / 16, 2, **options)

    return _Workload(*_sensitive(rng, part), own, (10, 7, 7), torchvision=_torchvision)


def _torchvision(torchvision: Any, made: _Workload, threads: int) -> tuple[_Call, int]:
    torch, ops = importlib.import_module("torch"), importlib.import_module("torchvision.ops")
    torch.set_num_threads(threads)
    features, boxes = torch.from_numpy(made.features), torch.from_numpy(made.boxes)
    return lambda: ops.ps_roi_align(features, boxes, (7, 7), 1 / 16, 2), threads


def _ps_pool(rng: np.random.Generator, part: float) -> _Workload:
    def own(features: Array, boxes: Array, **options: Any) -> None:
        roicrop.ps_roi_pool(features, boxes, 7, 1 / 16, convention="r-fcn", **options)

    return _Workload(*_sensitive(rng, part), own, (10, 7, 7), paddle=_paddle)


def _paddle(paddle: Any, made: _Workload, threads: int) -> tuple[_Call, int]:
    features, boxes = paddle.to_tensor(made.features), paddle.to_tensor(made.boxes[:, 1:])
    count = paddle.to_tensor(np.array([len(made.boxes)], dtype=np.int32))
    return lambda: paddle.vision.ops.psroi_pool(features, boxes, count, 7, 1 / 16), threads
