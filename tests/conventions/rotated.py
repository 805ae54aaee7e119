"""Rotated RoIAlign as detectron2's and mmcv's CPU sources compute it, loop by loop, in float32.

Written down from ROIAlignRotated_cpu.cpp and roi_align_rotated.cpp, neither of which has a wheel to
install; shares nothing with roicrop nor with the table of conventions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
f = np.float32


def detectron2(
    features: Array, boxes: Array, bins: tuple[int, int], scale: float, ratio: int
) -> Array:
    """Boxes: centre x and y, width, height, degrees; always shifted by half a cell."""
    pooled = np.zeros((len(boxes), len(features), *bins), f)
    for k, box in enumerate(boxes.astype(f)):
        theta = f(float(box[4]) * math.pi / 180.0)
        cx, cy = box[0] * f(scale) - f(0.5), box[1] * f(scale) - f(0.5)
        w, h = box[2] * f(scale), box[3] * f(scale)
        pooled[k] = _pool(features, cx, cy, w, h, theta, bins, ratio)
    return pooled


def mmcv(
    features: Array, boxes: Array, bins: tuple[int, int], scale: float, ratio: int,
    aligned: bool, clockwise: bool,
) -> Array:  # fmt: skip
    """Boxes: centre x and y, width, height, radians."""
    pooled = np.zeros((len(boxes), len(features), *bins), f)
    offset = f(0.5) if aligned else f(0)
    for k, box in enumerate(boxes.astype(f)):
        theta = -box[4] if clockwise else box[4]
        cx, cy = box[0] * f(scale) - offset, box[1] * f(scale) - offset
        w, h = box[2] * f(scale), box[3] * f(scale)
        if not aligned:
            w, h = max(w, f(1)), max(h, f(1))
        pooled[k] = _pool(features, cx, cy, w, h, theta, bins, ratio)
    return pooled


def _pool(
    features: Array, cx: f, cy: f, w: f, h: f, theta: f, bins: tuple[int, int], ratio: int
) -> Array:
    cos, sin = f(math.cos(float(theta))), f(math.sin(float(theta)))
    bin_h, bin_w = h / f(bins[0]), w / f(bins[1])
    grid_h = ratio if ratio > 0 else math.ceil(h / f(bins[0]))
    grid_w = ratio if ratio > 0 else math.ceil(w / f(bins[1]))
    start_h, start_w = -h / f(2), -w / f(2)
    pooled = np.zeros((len(features), *bins))
    for ph, pw in np.ndindex(*bins):
        for iy, ix in np.ndindex(grid_h, grid_w):
            yy = start_h + f(ph) * bin_h + (f(iy) + f(0.5)) * bin_h / f(grid_h)
            xx = start_w + f(pw) * bin_w + (f(ix) + f(0.5)) * bin_w / f(grid_w)
            y = yy * cos - xx * sin + cy
            x = yy * sin + xx * cos + cx
            pooled[:, ph, pw] += _bilinear(features, y, x)
    return pooled / max(grid_h * grid_w, 1)


def _bilinear(features: Array, y: f, x: f) -> Array:
    height, width = features.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(len(features))
    y, x = max(y, f(0)), max(x, f(0))
    top, left = int(y), int(x)
    if top >= height - 1:
        bottom = top = height - 1
        y = f(top)
    else:
        bottom = top + 1
    if left >= width - 1:
        right = left = width - 1
        x = f(left)
    else:
        right = left + 1
    ly, lx = float(y) - top, float(x) - left
    upper = features[:, top, left] * (1 - lx) + features[:, top, right] * lx
    lower = features[:, bottom, left] * (1 - lx) + features[:, bottom, right] * lx
    value: Array = upper * (1 - ly) + lower * ly
    return value
