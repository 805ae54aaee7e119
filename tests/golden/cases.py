"""The cases that each framework runs, independent of how it is called.

A case's `convention` and `overrides` say to roicrop what its `settings` say to the framework.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.golden.inputs import BOXES, FEATURES, REVERSED, Array

Settings = dict[str, Any]
Scaled = tuple[int, int, float]  # output height and width, spatial scale

# Seven by seven cells, the usual stride of 16, and a scale that rounds.
ORDINARY: tuple[Scaled, ...] = ((7, 7, 1.0), (3, 5, 0.0625), (1, 1, 0.3))
ROUNDING: Scaled = (7, 7, 0.3)
ADAPTIVE = 0


@dataclass(frozen=True)
class Case:
    """One call of a framework's operator."""

    name: str
    operator: str
    convention: str
    features: str
    boxes: str
    output_size: tuple[int, int]
    spatial_scale: float = 1.0
    dtype: str = "float32"
    overrides: Settings = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)

    def inputs(self) -> tuple[Array, Array]:
        """(C, H, W) features, and (K, 4) boxes in the framework's own order and coordinates."""
        features, boxes = FEATURES[self.features], BOXES[self.boxes]
        if self.convention == "tensorflow":
            height, width = features.shape[1:]
            boxes = boxes[:, [1, 0, 3, 2]] / np.maximum([height - 1, width - 1] * 2, 1)
        else:
            boxes = boxes / self.spatial_scale
        return features.astype(self.dtype), boxes.astype(self.dtype)


@dataclass(frozen=True)
class Align:
    """A framework's RoIAlign under some settings, and the row that should give the same."""

    convention: str
    settings: Settings
    overrides: Settings = field(default_factory=dict)
    label: str = ""
    adaptive: int = ADAPTIVE  # how the framework spells it
    has_mode: bool = False  # whether it is asked for the mode, and so has a maximum

    def case(
        self,
        scaled: Scaled,
        ratio: int,
        *,
        boxes: str = "",
        features: str = "",
        mode: str = "avg",
        dtype: str = "float32",
    ) -> Case:
        """One call; without boxes, the awkward ones, and the reversed if the ratio is fixed."""
        height, width, scale = scaled
        settings = self.settings | {"sampling_ratio": ratio or self.adaptive}
        words = (self.convention, self.label, mode, f"ratio {ratio}", boxes)
        return Case(
            name=" ".join((*filter(None, words), f"{height}x{width} scale {scale:g} {dtype}")),
            operator="align",
            convention=self.convention,
            features=features or ("noise" if mode == "avg" else "low"),
            boxes=boxes or ("awkward" if ratio == ADAPTIVE else "awkward and reversed"),
            output_size=(height, width),
            spatial_scale=scale,
            dtype=dtype,
            overrides=self.overrides | {"sampling_ratio": ratio, "mode": mode},
            settings=settings | {"mode": mode} if self.has_mode else settings,
        )

    def suite(self, alone: tuple[str, ...] = REVERSED) -> Iterator[Case]:
        """Everything, with the boxes named `alone` each in a call of its own."""
        for mode in ("avg", "max") if self.has_mode else ("avg",):
            for ratio in (ADAPTIVE, 1, 2, 3):
                for scaled in ORDINARY:
                    yield self.case(scaled, ratio, mode=mode)
            for name in alone:
                yield self.case((3, 5, 1.0), ADAPTIVE, boxes=name, mode=mode)
        yield self.case(ROUNDING, ADAPTIVE)
        for scale in (1.0, 0.3):
            yield self.case((7, 5, scale), ADAPTIVE, boxes="counts")
            for ratio in (1, 2, 3):
                yield self.case((7, 1, scale), ratio, boxes=f"positions {ratio}", features="rows")

    def doubles(self, scale: float) -> Iterator[Case]:
        """Float64 maps and boxes."""
        for ratio in (ADAPTIVE, 2):
            yield self.case((3, 5, scale), ratio, dtype="float64")


def torchvision() -> Iterator[Case]:
    for aligned, convention in ((False, "torchvision"), (True, "torchvision-aligned")):
        align = Align(convention, {"aligned": aligned})
        yield from align.suite()
        yield from align.doubles(0.3)
    yield Align("mask-rcnn", {}).case(ORDINARY[1], 2)
    yield from _pool()
    yield from _pool("float64")


def onnxruntime() -> Iterator[Case]:
    mode = "coordinate_transformation_mode"
    for convention, label in (("onnx", "half_pixel"), ("onnx-legacy", "output_half_pixel")):
        align = Align(convention, {"opset": 16, mode: label}, label=label, has_mode=True)
        yield from align.suite()
        yield from align.doubles(0.25)  # a scale is a float32 there, so one that is the same in it
    for convention, opset in (("onnx", 16), ("onnx-legacy", 10)):
        align = Align(convention, {"opset": opset}, label=f"opset {opset}", has_mode=True)
        yield align.case(ORDINARY[1], 2)
        yield align.case(ORDINARY[1], 2, mode="max")
    yield from _pool()


def openvino() -> Iterator[Case]:
    # Of a box reversed along one axis it returns memory that nothing was written to.
    alone = tuple(name for name in REVERSED if name not in ("reversed in x", "reversed in y"))
    for convention, aligned_mode in (
        ("openvino", "asymmetric"),
        ("openvino-half-pixel", "half_pixel"),
        ("openvino-half-pixel-for-nn", "half_pixel_for_nn"),
    ):
        yield from Align(convention, {"aligned_mode": aligned_mode}, has_mode=True).suite(alone)


def paddle() -> Iterator[Case]:
    aligned = Align("paddle", {"aligned": True}, adaptive=-1)
    not_aligned = Align(
        "paddle", {"aligned": False}, {"aligned": False}, label="not aligned", adaptive=-1
    )
    for align in (aligned, not_aligned):
        yield from align.suite()
        yield from align.doubles(0.25)
    yield from _pool()


def tensorflow() -> Iterator[Case]:
    def crop(size: tuple[int, int], boxes: str, features: str, method: str, outside: float) -> Case:
        return Case(
            name=f"{method} {boxes} {size[0]}x{size[1]} outside {outside:g}",
            operator="align",
            convention="tensorflow",
            features=features,
            boxes=boxes,
            output_size=size,
            overrides={"interpolation": method, "void": outside},
            settings={"method": method, "extrapolation_value": outside},
        )

    for size in ((7, 7), (3, 5), (1, 1), (5, 1)):
        for method, outside in (("bilinear", 0.0), ("bilinear", -2.5), ("nearest", 0.0)):
            yield crop(size, "crops", "noise", method, outside)
    for bins in (1, 7):
        yield crop((bins, 1), "positions 1", "rows", "bilinear", 0.0)


CASES: dict[str, Callable[[], Iterator[Case]]] = {
    "torchvision": torchvision,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "paddle": paddle,
    "tensorflow": tensorflow,
}


def _pool(dtype: str = "float32") -> Iterator[Case]:
    for height, width, scale in (*ORDINARY, ROUNDING):
        yield Case(
            name=f"fast-rcnn {height}x{width} scale {scale:g} {dtype}",
            operator="pool",
            convention="fast-rcnn",
            features="low",
            boxes="awkward and reversed",
            output_size=(height, width),
            spatial_scale=scale,
            dtype=dtype,
        )
