"""Rotated and position-sensitive operators: each program's cases, calls and results.

`make.py` calls `make`, which writes `<peer>_operators.npz`. Each case is a call of one operator on
one map; a box that a program crashes on is not asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Settings = dict[str, Any]

HEIGHT, WIDTH, CHANNELS, SENSITIVE = 13, 17, 2, 45
SCALES = ((3, 5, 1.0), (3, 5, 0.0625), (3, 3, 0.3), (1, 1, 0.5))
_random = np.random.default_rng(20260104)
NOISE = _random.standard_normal((SENSITIVE, HEIGHT, WIDTH)).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """A call. `options`: what roicrop is told besides the convention, `settings`: the program."""

    name: str
    operator: str
    convention: str
    output_size: tuple[int, int]
    spatial_scale: float
    boxes: str
    options: Settings = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)

    def inputs(self) -> tuple[Array, Array]:
        """(C, H, W) features, and (K, 4) or (K, 5) boxes in pixels."""
        boxes = BOXES[self.boxes].astype(np.float64)
        boxes[:, :4] /= self.spatial_scale
        if self.operator == "align-rotated" and self.settings.get("unit") == "radians":
            boxes[:, 4] = np.deg2rad(boxes[:, 4])
        bins = self.output_size[0] * self.output_size[1]
        of_bins = self.operator != "align-rotated"
        channels = SENSITIVE // bins * bins if of_bins else CHANNELS
        if self.settings.get("one_channel_a_bin"):
            channels = bins
        return NOISE[:channels], boxes.astype(np.float32)


# In cells: centre, size and degrees.
_TURNED = [
    (8, 6, 7, 5, angle) for angle in (0, 30, -30, 45, 90, -90, 180, 123.4, 270, 360, 725, -1000.5)
] + [
    (8.3, 6.1, 4.6, 7.7, 17),
    (2, 2, 9, 3, 60),  # partly outside
    (16, 12, 9, 3, -35),
    (8, 6, 40, 30, 10),  # larger than the map
    (40, 40, 6, 6, 45),  # off it
    (6.2, 5.1, 0.4, 0.3, 20),  # under a cell
    (6, 5, 0, 4, 45),  # no width
    (6, 5, 3, 0, 45),
    (6, 5, 0, 0, 0),
    (8, 6, 10, 6, 33.3),
]
_RANDOM = np.column_stack(
    [
        _random.uniform(-2, 19, (24, 1)), _random.uniform(-2, 15, (24, 1)),
        _random.uniform(0.5, 14, (24, 2)), _random.uniform(-400, 400, (24, 1)),
    ]
)  # fmt: skip
_ALONG = [
    (2.3, 1.7, 9.6, 8.2), (0, 0, 17, 13), (3, 2, 10, 9), (2.5, 1.5, 9.5, 8.5), (4.2, 4.3, 4.7, 4.6),
    (-4.3, -2.8, 5.1, 6.2), (12.2, 9.1, 22.4, 17.9), (-20, -15, 40, 30), (100, 80, 140, 120),
    (-60, -50, -20, -30), (-2.5, -0.5, 3.5, 4.5), (1, 1, 15, 15), (15.5, 11.5, 16.5, 12.5),
    (-4.5, -3.5, -1.5, -2.5), (0.5, 0.5, 14.5, 12.5),
]  # fmt: skip
_NO_SIZE = [(6, 5, 6, 5), (6.25, 5, 6.25, 9), (3, 5.5, 8, 5.5)]
_REVERSED = [(9.6, 8.2, 2.3, 1.7), (9.6, 1.7, 2.3, 8.2), (2.3, 8.2, 9.6, 1.7)]

BOXES: dict[str, Array] = {
    "turned": np.array([*_TURNED, *_RANDOM]),
    "turned, reversed": np.array([(8, 6, -7, -5, 30), (8, 6, -7, 5, 30), (8, 6, 7, -5, 100)]),
    "along": np.array(_ALONG),
    "no size": np.array(_NO_SIZE),
    "reversed": np.array(_REVERSED),
    "all": np.array([*_ALONG, *_NO_SIZE, *_REVERSED]),
    # In pixels these end at −n.5, where R-FCN's and OpenVINO's rounding differ.
    "halves": np.array([(-6.5, -5.5, 3.5, -0.5), (-3.5, -4.5, -1.5, 6.5), (0.5, 1.5, 2.5, 3.5)]),
}


def _rotated(convention: str, unit: str, **settings: Any) -> Iterator[Case]:
    clockwise = (False, True) if convention == "openvino" else (False,)
    for height, width, scale in SCALES:
        for ratio in (0, 1, 2, 3):
            for way in clockwise:
                options = {"sampling_ratio": ratio} | ({"clockwise": True} if way else {})
                yield Case(
                    f"{convention} {height}x{width} scale {scale:g} ratio {ratio} {way}",
                    "align-rotated", convention, (height, width), scale, "turned", options,
                    {"unit": unit, "ratio": ratio, "clockwise": way, **settings},
                )  # fmt: skip
    if convention != "mxnet":
        yield Case(
            f"{convention} reversed", "align-rotated", convention, (3, 5), 1.0, "turned, reversed",
            {"sampling_ratio": 2}, {"unit": unit, "ratio": 2, "clockwise": False, **settings},
        )  # fmt: skip
    else:
        yield Case(
            f"{convention} reversed", "align-rotated", convention, (3, 5), 1.0, "turned, reversed",
            {"sampling_ratio": 0}, {"unit": unit, "ratio": 0, **settings},
        )  # fmt: skip


def _ps_align(convention: str, **settings: Any) -> Iterator[Case]:
    for height, width, scale in SCALES:
        for ratio in (0, 1, 2, 3):
            for boxes in ("all",) if convention == "torchvision" else ("along", "no size"):
                yield Case(
                    f"{convention} align {height}x{width} scale {scale:g} ratio {ratio} {boxes}",
                    "ps-align", convention, (height, width), scale, boxes,
                    {"sampling_ratio": ratio}, {"ratio": ratio, **settings},
                )  # fmt: skip


def _ps_pool(convention: str, **settings: Any) -> Iterator[Case]:
    for height, width, scale in SCALES:
        if settings.get("square") and height != width:
            height = width = 3
        for boxes in ("all", "halves"):
            yield Case(
                f"{convention} pool {height}x{width} scale {scale:g} {boxes}",
                "ps-pool", convention, (height, width), scale, boxes, {}, settings,
            )  # fmt: skip


def torchvision(case: Case, features: Array, boxes: Array) -> Array:
    import torch
    from torchvision import ops

    table = torch.from_numpy(np.insert(boxes, 0, 0, axis=1))
    maps = torch.from_numpy(features[None])
    if case.operator == "ps-align":
        ratio = case.settings["ratio"]
        pooled = ops.ps_roi_align(maps, table, case.output_size, case.spatial_scale, ratio)
    else:
        pooled = ops.ps_roi_pool(maps, table, case.output_size, case.spatial_scale)
    return np.asarray(pooled.numpy())


def openvino(case: Case, features: Array, boxes: Array) -> Array:
    import openvino as ov
    from openvino import opset1, opset15

    height, width = case.output_size
    maps = opset1.parameter([1, *features.shape], np.float32)
    if case.operator == "align-rotated":
        rois = opset1.parameter(list(boxes.shape), np.float32)
        index = opset1.parameter([len(boxes)], np.int32)
        node = opset15.roi_align_rotated(
            maps, rois, index, pooled_h=height, pooled_w=width,
            sampling_ratio=case.settings["ratio"], spatial_scale=case.spatial_scale,
            clockwise_mode=case.settings["clockwise"],
        )  # fmt: skip
        parameters, feeds = [maps, rois, index], [boxes, np.zeros(len(boxes), np.int32)]
    else:
        table = np.insert(boxes, 0, 0, axis=1)
        rois = opset1.parameter(list(table.shape), np.float32)
        node = opset1.psroi_pooling(
            maps, rois, output_dim=len(features) // (height * width), group_size=height,
            spatial_scale=case.spatial_scale, spatial_bins_x=1, spatial_bins_y=1, mode="average",
        )  # fmt: skip
        parameters, feeds = [maps, rois], [table]
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = ov.Core().compile_model(ov.Model([node], parameters, "golden"), "CPU", exact)
    return np.array(compiled([features[None], *feeds])[0])


def paddle(case: Case, features: Array, boxes: Array) -> Array:
    import paddle as pd

    pooled = pd.vision.ops.psroi_pool(
        pd.to_tensor(features[None]),
        pd.to_tensor(boxes),
        pd.to_tensor(np.array([len(boxes)], dtype=np.int32)),
        case.output_size,
        case.spatial_scale,
    )
    return np.asarray(pooled.numpy())


def mxnet(case: Case, features: Array, boxes: Array) -> Array:
    import mxnet as mx

    table = mx.nd.array(np.insert(boxes, 0, 0, axis=1))
    maps, ratio = mx.nd.array(features[None]), case.settings["ratio"] or -1
    if case.operator == "align-rotated":
        pooled = mx.nd.contrib.RROIAlign(
            maps, table, pooled_size=case.output_size, spatial_scale=case.spatial_scale,
            sampling_ratio=ratio,
        )  # fmt: skip
    else:
        pooled = mx.nd.contrib.ROIAlign(
            maps, table, pooled_size=case.output_size, spatial_scale=case.spatial_scale,
            sample_ratio=ratio, position_sensitive=True,
        )  # fmt: skip
    return np.asarray(pooled.asnumpy())


def _torchvision_cases() -> Iterator[Case]:
    yield from _ps_align("torchvision")
    yield from _ps_pool("torchvision")


def _openvino_cases() -> Iterator[Case]:
    yield from _rotated("openvino", "radians")
    yield from _ps_pool("openvino", square=True)


def _mxnet_cases() -> Iterator[Case]:
    yield from _rotated("mxnet", "degrees")
    yield from _ps_align("mxnet")


PEERS: dict[str, tuple[Callable[[], Iterator[Case]], Callable[[Case, Array, Array], Array]]] = {
    "torchvision": (_torchvision_cases, torchvision),
    "openvino": (_openvino_cases, openvino),
    "paddle": (lambda: _ps_pool("r-fcn"), paddle),
    "mxnet": (_mxnet_cases, mxnet),
}


def make(peer: str, installed: dict[str, str]) -> None:
    """Run every case of a peer that is installed here, and write its file."""
    cases, ask = PEERS[peer]
    records: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    for case in cases():
        arrays[case.name] = ask(case, *case.inputs())
        records[case.name] = asdict(case)
    path = Path(__file__).with_name(f"{peer}_operators.npz")
    about = json.dumps({"versions": installed, "cases": records})
    np.savez_compressed(path, about=np.array(about), **arrays)
    print(f"{path.name}: {len(records)} cases, {path.stat().st_size:,} bytes")
