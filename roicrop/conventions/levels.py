"""Which map of a pyramid each program takes a box from.

The formula is always floor(4 + log2(sqrt(area) / 224)), but no two programs compute the same. As
with `Convention`, their differences are data: a `LevelRule` is one row, which
`roicrop.sampling.assign` applies.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from roicrop.errors import ArgumentError


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRule:
    """One program's rule.

    The level of a box is rounded(canonical_level + log2(√area / canonical_size)), clamped to the
    levels of the pyramid.

    name: what `--level-rule` and `rule=` call it.
    program: the function it reproduces, as its own documentation calls it.
    surprise: one sentence on what catches people out.
    verified: the program and version whose golden values it matches, or what it was derived from.
    canonical_size: the side, in pixels, of a square box that is on the canonical level.
    canonical_level: the level of such a box.
    counted_from: what level 0 is: "stride" is a map of stride 1, so the finest map's level is
        log2 of its stride; "finest" is the finest map, whatever its stride.
    added_pixel: added to width and height, in pixels; 1 if corners are pixels, both included.
    unit: the area is in "pixels", or in fractions of the "image", with x2, y2 and the image's
        sides one pixel less, against a canonical size that is a fraction too.
    reversed_area: the area of a box with x2 < x1 or y2 < y1: the "product" of both differences, or
        "zero".
    epsilon: added to the "ratio" √area / canonical_size or to the "level", before rounding.
    logarithm: how it is computed: "log2", or "ln" divided by ln 2.
    rounding: "floor", or "half-even" to the nearest integer.
    rounded: whether the "sum" is rounded, or the "logarithm" before the canonical level is added.
    zero_area, negative_area: the level of a box with such an area: "finest", "none" (its crop is
        zeros), or "raise" for an error.
    lone_map: whether, with a single map, a box is "pooled" from it without any rule, or "assigned"
        by the rule all the same.
    """

    name: str
    program: str
    surprise: str
    verified: str
    canonical_size: float = 224.0
    canonical_level: float = 4.0
    counted_from: Literal["stride", "finest"] = "stride"
    added_pixel: float = 0.0
    unit: Literal["pixels", "image"] = "pixels"
    reversed_area: Literal["product", "zero"] = "product"
    epsilon: float = 1e-6
    epsilon_to: Literal["ratio", "level"] = "ratio"
    logarithm: Literal["log2", "ln"] = "log2"
    rounding: Literal["floor", "half-even"] = "floor"
    rounded: Literal["sum", "logarithm"] = "sum"
    zero_area: Literal["finest", "none"] = "finest"
    negative_area: Literal["finest", "none", "raise"] = "none"
    lone_map: Literal["pooled", "assigned"] = "assigned"


_PADDLE = LevelRule(
    name="paddle",
    program="paddle.vision.ops.distribute_fpn_proposals (pixel_offset=False)",
    surprise="A reversed box has no area and is on the finest level.",
    verified="Paddle 3.3.1",
    reversed_area="zero",
    negative_area="finest",  # never used: no area is negative
)

_ROWS = (
    LevelRule(
        name="torchvision",
        program="torchvision.ops.poolers.LevelMapper",
        surprise="Epsilon is added to the level, not to the ratio, so a box slightly smaller than "
        "the canonical size times a power of two moves up to the next level.",
        verified="torchvision 0.29.1",
        epsilon_to="level",
        lone_map="pooled",
    ),
    LevelRule(
        name="detectron2",
        program="detectron2 assign_boxes_to_levels",
        surprise="Epsilon is 1e-8, which float32 loses wherever the ratio is near 1.",
        verified="derived from the source of detectron2, run by PyTorch 2.14.1",
        epsilon=1e-8,
        lone_map="pooled",
    ),
    LevelRule(
        name="mmdet",
        program="mmdetection SingleRoIExtractor (finest_scale=56)",
        surprise="Levels are counted from the finest map, whatever its stride, and the canonical "
        "size is that of the finest level.",
        verified="derived from the source of mmdetection, run by PyTorch 2.14.1",
        canonical_size=56.0,
        canonical_level=0.0,
        counted_from="finest",
        lone_map="pooled",
    ),
    _PADDLE,
    dataclasses.replace(
        _PADDLE,
        name="paddle-pixel-offset",
        program="paddle.vision.ops.distribute_fpn_proposals(pixel_offset=True)",
        surprise="Boxes are one pixel larger than given.",
        added_pixel=1.0,
    ),
    LevelRule(
        name="openvino",
        program="OpenVINO ExperimentalDetectronROIFeatureExtractor-6",
        surprise="Levels are counted from the finest map, whatever its stride, and a box without "
        "area is on no level: its crop is zeros.",
        verified="OpenVINO 2026.4.1",
        canonical_level=2.0,
        counted_from="finest",
        zero_area="none",
    ),
    LevelRule(
        name="tf-models",
        program="TensorFlow Model Garden multilevel_crop_and_resize, KerasCV ROIAligner",
        surprise="There is no epsilon, so a box smaller by a rounding error than the canonical "
        "size times a power of two is on the level below.",
        verified="derived from the source of tf-models, run by TensorFlow 2.21.0",
        epsilon=0.0,
        logarithm="ln",
        rounded="logarithm",
        negative_area="finest",
    ),
    LevelRule(
        name="matterport",
        program="matterport Mask_RCNN PyramidROIAlign",
        surprise="The level is rounded to the nearest, half to even, not down: a quarter of all "
        "boxes are on a different level than elsewhere.",
        verified="derived from the source of Mask_RCNN, run by TensorFlow 2.21.0",
        unit="image",
        epsilon=0.0,
        logarithm="ln",
        rounding="half-even",
        rounded="logarithm",
        negative_area="finest",
    ),
    LevelRule(
        name="detectron",
        program="Detectron map_rois_to_fpn_levels, Caffe2 DistributeFpnProposals",
        surprise="Boxes are one pixel larger than given, and a negative area is refused.",
        verified="derived from the source of Detectron",
        added_pixel=1.0,
        logarithm="ln",
        negative_area="raise",
    ),
)

LEVEL_RULES: Final[Mapping[str, LevelRule]] = MappingProxyType({row.name: row for row in _ROWS})


def level_rule(
    rule: str | LevelRule,
    *,
    canonical_size: float | None = None,
    canonical_level: float | None = None,
) -> LevelRule:
    """The rule with other constants; None keeps the rule's own."""
    if isinstance(rule, str):
        if rule not in LEVEL_RULES:
            known = ", ".join(LEVEL_RULES)
            raise ArgumentError(f"level rule {rule!r} is not known: choose from {known}")
        rule = LEVEL_RULES[rule]
    elif not isinstance(rule, LevelRule):
        raise ArgumentError(f"the level rule is {kind_of(rule)}: give a name or a LevelRule")
    if canonical_size is not None:
        size = real(canonical_size, "canonical_size")
        if not 0 < size < 1e12:
            raise ArgumentError(f"canonical_size is {canonical_size}: give pixels, above 0")
        rule = dataclasses.replace(rule, canonical_size=size)
    if canonical_level is not None:
        level = real(canonical_level, "canonical_level")
        if not abs(level) < 1e6:  # also true for NaN
            raise ArgumentError(f"canonical_level is {canonical_level}: give a level")
        rule = dataclasses.replace(rule, canonical_level=level)
    return rule


def real(value: object, name: str) -> float:
    """An argument that must be one real number, as a float."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise ArgumentError(f"{name} is {kind_of(value)}: give a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def kind_of(value: object) -> str:
    """The type of a wrong argument, as messages describe it."""
    return f"of type {type(value).__name__}"
