"""Operators as their programs compute them, bin by bin, for those that cannot be run here.

Each is written down from its program's source, and shares nothing with roicrop nor with the table.
An implementation takes a map (C, H, W), a box x1, y1, x2, y2 in pixels, the output size (PH, PW)
and the scale in cells per pixel, and gives (C, PH, PW). The ratio is 2 where it can be chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Box = tuple[float, float, float, float]
Implementation = Callable[[Array, Box, tuple[int, int], float], Array]


def mmdet_v1(features: Array, box: Box, bins: tuple[int, int], scale: float) -> Array:
    """The kernel of mmdetection 1.x: the end is (x2 + 1) · scale, sizes are at least 0."""
    x1, y1 = box[0] * scale, box[1] * scale
    x2, y2 = (box[2] + 1) * scale, (box[3] + 1) * scale
    bin_w, bin_h = max(x2 - x1, 0.0) / bins[1], max(y2 - y1, 0.0) / bins[0]
    out = np.zeros((len(features), *bins))
    for ph, pw in np.ndindex(*bins):
        for iy, ix in np.ndindex(2, 2):
            y = y1 + ph * bin_h + (iy + 0.5) * bin_h / 2
            x = x1 + pw * bin_w + (ix + 0.5) * bin_w / 2
            out[:, ph, pw] += zero_beyond_a_cell(features, y, x) / 4
    return out


def zero_beyond_a_cell(features: Array, y: float, x: float) -> Array:
    """Its bilinear_interpolate."""
    height, width = features.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(len(features))
    return bilinear(features, max(y, 0.0), max(x, 0.0))


def bilinear(features: Array, y: float, x: float) -> Array:
    """Between four cells, beyond the last the last."""
    height, width = features.shape[1:]
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    ly, lx = min(y, height - 1) - top, min(x, width - 1) - left
    upper = features[:, top, left] * (1 - lx) + features[:, top, right] * lx
    lower = features[:, bottom, left] * (1 - lx) + features[:, bottom, right] * lx
    value: Array = upper * (1 - ly) + lower * ly
    return value


def first_pytorch_plain(features: Array, box: Box, bins: tuple[int, int], scale: float) -> Array:
    """roi_align.c of 2017: aligned_height points, from corner to corner of a box a cell larger."""
    height, width = features.shape[1:]
    x1, y1, x2, y2 = (v * scale for v in box)
    roi_w, roi_h = max(x2 - x1 + 1, 0.0), max(y2 - y1 + 1, 0.0)
    step_h, step_w = roi_h / (bins[0] - 1), roi_w / (bins[1] - 1)
    out = np.zeros((len(features), *bins))
    for ph, pw in np.ndindex(*bins):
        h, w = ph * step_h + y1, pw * step_w + x1
        top, left = min(math.floor(h), height - 2), min(math.floor(w), width - 2)
        if h < 0 or h >= height or w < 0 or w >= width:
            continue
        rh, rw = h - top, w - left
        out[:, ph, pw] = (
            features[:, top, left] * (1 - rh) * (1 - rw)
            + features[:, top, left + 1] * (1 - rh) * rw
            + features[:, top + 1, left] * rh * (1 - rw)
            + features[:, top + 1, left + 1] * rh * rw
        )
    return out


def first_pytorch(features: Array, box: Box, bins: tuple[int, int], scale: float) -> Array:
    """RoIAlignAvg: one point more each way, then avg_pool2d(kernel_size=2, stride=1)."""
    points = first_pytorch_plain(features, box, (bins[0] + 1, bins[1] + 1), scale)
    of_four = points[:, :-1, :-1], points[:, :-1, 1:], points[:, 1:, :-1], points[:, 1:, 1:]
    mean: Array = np.mean(of_four, axis=0)
    return mean


def crop_and_resize(features: Array, fractions: Box, bins: tuple[int, int]) -> Array:
    """tf.image.crop_and_resize, with fractions x1, y1, x2, y2 and 0 outside."""
    height, width = features.shape[1:]
    x1, y1, x2, y2 = fractions
    out = np.zeros((len(features), *bins))
    for ph, pw in np.ndindex(*bins):
        y, x = (
            start * (size - 1) + p * ((end - start) * (size - 1) / (count - 1))
            if count > 1
            else 0.5 * (start + end) * (size - 1)
            for start, end, size, p, count in (
                (y1, y2, height, ph, bins[0]), (x1, x2, width, pw, bins[1])
            )
        )  # fmt: skip
        if 0 <= y <= height - 1 and 0 <= x <= width - 1:
            out[:, ph, pw] = bilinear(features, y, x)
    return out


def matterport(features: Array, box: Box, bins: tuple[int, int], scale: float) -> Array:
    """utils.norm_boxes, then crop_and_resize."""
    height, width = (n / scale for n in features.shape[1:])
    x1, y1, x2, y2 = box
    across, down = width - 1, height - 1
    fractions = x1 / across, y1 / down, (x2 - 1) / across, (y2 - 1) / down
    return crop_and_resize(features, fractions, bins)


def tensorflow_stride(features: Array, box: Box, bins: tuple[int, int], scale: float) -> Array:
    """Fractions of (map size − 1) · stride."""
    height, width = ((n - 1) / scale for n in features.shape[1:])
    x1, y1, x2, y2 = box
    return crop_and_resize(features, (x1 / width, y1 / height, x2 / width, y2 / height), bins)


def tf_faster_rcnn(features: Array, box: Box, bins: tuple[int, int], scale: float) -> Array:
    """_crop_pool_layer: crop_and_resize to 2P × 2P, then max_pool2d of 2 × 2."""
    points = tensorflow_stride(features, box, (2 * bins[0], 2 * bins[1]), scale)
    largest: Array = points.reshape(len(features), bins[0], 2, bins[1], 2).max(axis=(2, 4))
    return largest


def tensorpack_unpadded(features: Array, box: Box, bins: tuple[int, int], scale: float) -> Array:
    """transform_fpcoor_for_tf and crop_and_resize to 2P × 2P, then averages of 2 × 2."""
    height, width = features.shape[1:]
    x1, y1, x2, y2 = (v * scale for v in box)
    points_y, points_x = 2 * bins[0], 2 * bins[1]
    step_x, step_y = (x2 - x1) / points_x, (y2 - y1) / points_y
    nx, ny = (x1 + step_x / 2 - 0.5) / (width - 1), (y1 + step_y / 2 - 0.5) / (height - 1)
    nw, nh = step_x * (points_x - 1) / (width - 1), step_y * (points_y - 1) / (height - 1)
    points = crop_and_resize(features, (nx, ny, nx + nw, ny + nh), (points_y, points_x))
    mean: Array = points.reshape(len(features), bins[0], 2, bins[1], 2).mean(axis=(2, 4))
    return mean


def tensorpack(features: Array, box: Box, bins: tuple[int, int], scale: float) -> Array:
    """The same on a map that is padded symmetrically by a cell."""
    padded = np.pad(features, ((0, 0), (1, 1), (1, 1)), mode="symmetric")
    x1, y1, x2, y2 = (v + 1 / scale for v in box)
    return tensorpack_unpadded(padded, (x1, y1, x2, y2), bins, scale)


def _tensorrt(transform: int) -> Implementation:
    def pyramid_roi_align(features: Array, box: Box, bins: tuple[int, int], scale: float) -> Array:
        """roiAlign_kernel with absCoords, on an image of map size / scale."""
        height, width = features.shape[1:]
        image_h, image_w = height / scale, width / scale
        x1, x2 = (max(0.0, min(image_w, v)) / image_w for v in sorted((box[0], box[2])))
        y1, y2 = (max(0.0, min(image_h, v)) / image_h for v in sorted((box[1], box[3])))
        moved, at = {0: (0.0, 0.0), 1: (0.0, 0.5), 2: (0.5, 0.5)}[transform]
        y_start, x_start = y1 * height - moved, x1 * width - moved
        delta_y, delta_x = (y2 - y1) * height / bins[0], (x2 - x1) * width / bins[1]
        ratio_y, ratio_x = max(1, math.ceil(delta_y)), max(1, math.ceil(delta_x))
        out = np.zeros((len(features), *bins))
        for ph, pw in np.ndindex(*bins):
            for iy, ix in np.ndindex(ratio_y, ratio_x):
                y = y_start + delta_y * ph + delta_y * (iy + at) / ratio_y
                x = x_start + delta_x * pw + delta_x * (ix + at) / ratio_x
                y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
                out[:, ph, pw] += bilinear(features, y, x) / (ratio_y * ratio_x)
        return out

    return pyramid_roi_align


def mmcv_pool(features: Array, box: Box, bins: tuple[int, int], scale: float) -> Array:
    """roi_pool_forward_cuda_kernel: nothing is rounded but the edges of bins."""
    height, width = features.shape[1:]
    x1, y1, x2, y2 = box[0] * scale, box[1] * scale, (box[2] + 1) * scale, (box[3] + 1) * scale
    out = np.zeros((len(features), *bins))
    if x2 - x1 <= 0 or y2 - y1 <= 0:
        return out
    bin_w, bin_h = (x2 - x1) / bins[1], (y2 - y1) / bins[0]
    for ph, pw in np.ndindex(*bins):
        left, right = math.floor(pw * bin_w + x1), math.ceil((pw + 1) * bin_w + x1)
        top, bottom = math.floor(ph * bin_h + y1), math.ceil((ph + 1) * bin_h + y1)
        rows, columns = (
            range(max(top, 0), min(bottom, height)),
            range(max(left, 0), min(right, width)),
        )
        for y in rows:
            for x in columns:
                first = (y, x) == (rows[0], columns[0])
                value = features[:, y, x]
                out[:, ph, pw] = value if first else np.maximum(out[:, ph, pw], value)
    return out


def fast_rcnn_half_even(features: Array, box: Box, bins: tuple[int, int], scale: float) -> Array:
    """RoIPool with np.round."""
    height, width = features.shape[1:]
    x1, y1, x2, y2 = (int(np.round(v * scale)) for v in box)
    bin_w, bin_h = max(x2 - x1 + 1, 1) / bins[1], max(y2 - y1 + 1, 1) / bins[0]
    out = np.zeros((len(features), *bins))
    for ph, pw in np.ndindex(*bins):
        left = min(max(x1 + math.floor(pw * bin_w), 0), width)
        right = min(max(x1 + math.ceil((pw + 1) * bin_w), 0), width)
        top = min(max(y1 + math.floor(ph * bin_h), 0), height)
        bottom = min(max(y1 + math.ceil((ph + 1) * bin_h), 0), height)
        if top < bottom and left < right:
            out[:, ph, pw] = features[:, top:bottom, left:right].max(axis=(1, 2))
    return out


IMPLEMENTATIONS: dict[str, Implementation] = {
    "matterport": matterport,
    "tensorflow-stride": tensorflow_stride,
    "tf-faster-rcnn": tf_faster_rcnn,
    "tensorpack": tensorpack,
    "tensorpack-unpadded": tensorpack_unpadded,
    "mmdet-v1": mmdet_v1,
    "first-pytorch": first_pytorch,
    "first-pytorch-plain": first_pytorch_plain,
    "tensorrt-pyramid": _tensorrt(2),
    "tensorrt-pyramid-1": _tensorrt(1),
    "tensorrt-pyramid-0": _tensorrt(0),
    "fast-rcnn-half-even": fast_rcnn_half_even,
    "mmcv-pool": mmcv_pool,
}
