"""Which map of a pyramid each box is on, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import LevelRule
from roicrop.errors import ArgumentError, BoxError
from roicrop.sampling.arrays import Int

Single = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Levels:
    """How K boxes came to their maps, in the numbers that the program computes, in float32.

    rule: the rule. finest: the level of the finest map, as the rule counts. maps: how many.
    area: (K,) in square pixels, or as a fraction of the image's area, as the rule has it.
    root: (K,) the area's square root. size: what the root is divided by.
    logarithm: (K,) of the ratio to base 2; −inf for a zero area, NaN for a negative one.
    level: (K,) the logarithm plus the canonical level, before rounding.
    rounded: (K,) the level before it is clamped.
    index: (K,) the map, 0 the finest; −1 if the rule takes the box from none.
    """

    rule: LevelRule
    finest: int
    maps: int
    area: Single
    root: Single
    size: np.float32
    logarithm: Single
    level: Single
    rounded: Single
    index: Int

    def factor_to(self, k: int, index: int) -> float:
        """The factor by which box k's sides would have to change for it to be on another map.

        This is by the formula: within a rounding of a boundary, the program may decide otherwise.
        """
        begins = self.finest + index + (0 if index > self.index[k] else 1)
        half = 0.5 if self.rule.rounding == "half-even" else 0.0
        return float(2.0 ** (begins - half - float(self.level[k])))


def assign(
    boxes: NDArray[Any],
    spatial_scales: Sequence[float],
    rule: LevelRule,
    image_size: tuple[float, float] | None = None,
) -> Levels:
    """The map of each box, by the rule, in float32 and in the program's order of operations.

    boxes: (K, 4) xyxy in image pixels, finite. spatial_scales: cells per pixel, finest first.
    image_size: (H, W) in pixels, for a rule whose unit is the image.

    Square roots and logarithms are correctly rounded. A library's own may be off by one bit, so
    it may put a box within a rounding of a boundary on either side.
    Raises ArgumentError for scales that the rule cannot count, and BoxError for a refused area.
    """
    finest = _finest(spatial_scales, rule)
    maps = len(spatial_scales)
    area, size = _area_and_size(boxes.astype(np.float32), rule, image_size)
    zero, negative = area == 0, ~(area >= 0)
    if maps == 1 and rule.lone_map == "pooled":
        zero, negative = zero & False, negative & False
    elif rule.negative_area == "raise" and negative.any():
        raise BoxError(
            f"has a negative area, which the level rule {rule.name} refuses: "
            "swap its corners or leave it out",
            int(np.argmax(negative)),
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(area)
        logarithm, level, rounded = _level((root / size).astype(np.float32), rule)
        index = np.nan_to_num(np.clip(rounded - np.float32(finest), 0, maps - 1)).astype(np.int64)
    for has, gives in ((zero, rule.zero_area), (negative, rule.negative_area)):
        if gives == "none":
            index[has] = -1
    return Levels(rule, finest, maps, area, root, size, logarithm, level, rounded, index)


def _area_and_size(
    boxes: Single, rule: LevelRule, image_size: tuple[float, float] | None
) -> tuple[Single, np.float32]:
    x1, y1, x2, y2 = boxes.T
    size = np.float32(rule.canonical_size)
    if rule.unit == "image":
        if image_size is None:
            raise ArgumentError(
                f"the level rule {rule.name} depends on the image's size: give image_size=(H, W)"
            )
        try:
            height, width = (np.float32(side) for side in image_size)
        except (TypeError, ValueError, OverflowError):
            height = width = np.float32(np.nan)
        if not (height > 1 and width > 1):
            raise ArgumentError(f"image_size is {image_size}: give (H, W), more than a pixel each")
        size = size / np.sqrt(height * width)
        one = np.float32(1)
        x1, x2 = x1 / (width - one), (x2 - one) / (width - one)
        y1, y2 = y1 / (height - one), (y2 - one) / (height - one)
    with np.errstate(over="ignore"):
        added = np.float32(rule.added_pixel)
        area = (x2 - x1 + added) * (y2 - y1 + added)
    if rule.reversed_area == "zero":
        area[(x2 < x1) | (y2 < y1)] = 0
    return area, size


def _level(ratio: Single, rule: LevelRule) -> tuple[Single, Single, Single]:
    """The ratio's logarithm, the level, and the level rounded."""
    canonical, epsilon = np.float32(rule.canonical_level), np.float32(rule.epsilon)
    if rule.epsilon_to == "ratio":
        ratio = ratio + epsilon
    if rule.logarithm == "log2":
        logarithm = np.log2(ratio, dtype=np.float64).astype(np.float32)
    else:
        logarithm = np.log(ratio, dtype=np.float64).astype(np.float32) / _LN_2
    level: Single = logarithm + canonical
    if rule.epsilon_to == "level":
        level = level + epsilon
    nearest = np.floor if rule.rounding == "floor" else np.rint
    if rule.rounded == "logarithm":
        return logarithm, level, nearest(logarithm) + canonical
    return logarithm, level, nearest(level)


_LN_2: Final = np.float32(math.log(2))


def _finest(spatial_scales: Sequence[float], rule: LevelRule) -> int:
    """The level of the finest map."""
    if rule.counted_from == "finest":
        return 0
    levels = -np.log2(np.array(spatial_scales, np.float64)).astype(np.float32)
    if not np.allclose(np.diff(levels), 1, rtol=0, atol=1e-3):
        strides = ", ".join(f"{1 / scale:g}" for scale in spatial_scales)
        raise ArgumentError(
            f"strides are {strides}: the level rule {rule.name} counts levels by strides that "
            "double from each map to the next, so give such maps, finest first, or each box's level"
        )
    return int(levels[0])
