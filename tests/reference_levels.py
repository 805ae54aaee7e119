"""The level of one box, program by program, as in their sources: slow, and without the table.

All in float32; square roots and logarithms are computed in float64 and rounded.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Single = np.float32


class Refused(Exception):
    """The program raises."""


def level(
    rule: str,
    box: Any,
    strides: list[int],
    image: tuple[int, int],
    size: float | None = None,
    canonical: int | None = None,
) -> int:
    """The index of the map, 0 the finest, or −1. size, canonical: None is the program's."""
    x1, y1, x2, y2 = (Single(v) for v in box)
    lo, last = int(math.log2(strides[0])), len(strides) - 1
    s0, k0 = Single(size or 224), Single(4 if canonical is None else canonical)
    if rule in ("torchvision", "detectron2", "mmdet"):
        if last == 0:
            return 0
        area = (x2 - x1) * (y2 - y1)
        if area < 0:
            return -1
        if rule == "torchvision":
            return clamp(math.floor((k0 + log2(root(area) / s0)) + Single(1e-6)) - lo, last)
        if rule == "detectron2":
            return clamp(math.floor(k0 + log2(root(area) / s0 + Single(1e-8))) - lo, last)
        finest, index = Single(size or 56), Single(canonical or 0)
        return clamp(math.floor(log2(root(area) / finest + Single(1e-6)) + index), last)
    if rule in ("paddle", "paddle-pixel-offset"):
        one = Single(1 if rule.endswith("offset") else 0)
        area = (x2 - x1 + one) * (y2 - y1 + one)
        if x2 < x1 or y2 < y1:
            area = Single(0)
        return clamp(math.floor(log2(root(area) / s0 + Single(1e-6)) + k0) - lo, last)
    if rule == "openvino":
        area = (x2 - x1) * (y2 - y1)
        if not area > 0:
            return -1
        k0 = Single(2 if canonical is None else canonical)
        return clamp(math.floor(log2(root(area) / s0 + Single(1e-6)) + k0), last)
    if rule == "tf-models":
        area = (x2 - x1) * (y2 - y1)
        if not area > 0:
            return 0
        return clamp(math.floor(ln(root(area) / s0) / ln(Single(2))) + int(k0) - lo, last)
    if rule == "matterport":
        height, width = Single(image[0]), Single(image[1])
        one = Single(1)
        h = (y2 - one) / (height - one) - y1 / (height - one)
        w = (x2 - one) / (width - one) - x1 / (width - one)
        if not h * w > 0:
            return 0
        ratio = root(h * w) / (s0 / root(height * width))
        return clamp(round(float(ln(ratio) / ln(Single(2)))) + int(k0) - lo, last)
    assert rule == "detectron"
    area = (x2 - x1 + Single(1)) * (y2 - y1 + Single(1))
    if area < 0:
        raise Refused
    return clamp(math.floor(k0 + ln(root(area) / s0 + Single(1e-6)) / ln(Single(2))) - lo, last)


def root(v: Any) -> Any:
    return Single(math.sqrt(float(v)))


def log2(v: Any) -> Any:
    return Single(math.log2(float(v))) if v > 0 else Single(-1e9)


def ln(v: Any) -> Any:
    return Single(math.log(float(v))) if v > 0 else Single(-1e9)


def clamp(index: int, last: int) -> int:
    return max(0, min(index, last))
