"""From boxes to their two axes: corners, sizes, bins and sample counts."""

from __future__ import annotations

import numpy as np

from roicrop.conventions import Convention
from roicrop.errors import BoxError
from roicrop.sampling.arrays import Bool, Float, round_half_away, whole
from roicrop.sampling.axis import Axis


def axes_of(
    boxes: Float,
    map_size: tuple[int, int],
    output_size: tuple[int, int],
    convention: Convention,
    spatial_scale: float,
) -> tuple[Axis, Axis]:
    """Both axes of K boxes, y first; arguments as in `plan`.

    Raises BoxError, naming the box, for one that the convention refuses.
    """
    y, x = (
        _axis(boxes[:, a], boxes[:, a + 2], convention, spatial_scale, map_size[b], output_size[b])
        for a, b in ((1, 0), (0, 1))
    )
    if convention.reversed_boxes == "raise":
        _refuse((y.length < 0) | (x.length < 0), "is reversed", convention)
    if convention.sampling_ratio == "adaptive":
        mixed = (y.count < 0) & (x.count > 0) | (y.count > 0) & (x.count < 0)
        _refuse(mixed, "is reversed along one axis only, with an adaptive ratio", convention)
        # A box whose sample grid is empty along one axis has no samples along the other.
        empty = (y.count == 0) | (x.count == 0)
        y.count[empty] = 0
        x.count[empty] = 0
    return y, x


def check_reversed(
    boxes: Float, output_size: tuple[int, int], *, convention: Convention, spatial_scale: float
) -> None:
    """Raise BoxError, naming the box, if the convention refuses one. Arguments as in `plan`."""
    if (boxes[:, 2:] < boxes[:, :2]).any():
        axes_of(boxes, (1, 1), output_size, convention, spatial_scale)


def scaled(v: Float, convention: Convention, spatial_scale: float) -> Float:
    """Image coordinates in feature coordinates, before the offset that makes them index ones."""
    real = v.dtype.type
    scaled: Float = (v + real(convention.offset_before)) * real(spatial_scale)
    return scaled


def _axis(
    low: Float, high: Float, convention: Convention, spatial_scale: float, size: int, bins: int
) -> Axis:
    real = low.dtype.type
    none = np.zeros(len(low), dtype=np.int64)
    if convention.kind == "point":
        span = real(size - 1)
        begin, end, length = low * span, high * span, (high - low) * span
        if bins > 1:
            step = length / real(bins - 1)
            return Axis(convention, size, bins, begin, end, length, step, none + 1)
        middle = (0.5 * (low + high).astype(np.float64) * float(span)).astype(low.dtype)
        step = np.zeros_like(middle)
        return Axis(convention, size, bins, middle, end, length, step, none + 1)

    begin, end = (
        scaled(v, convention, spatial_scale) + real(convention.offset_after) for v in (low, high)
    )
    if convention.kind == "cell":
        first, last = (round_half_away(v) for v in (begin, end))
        length = np.maximum(last - first + 1, 1).astype(low.dtype)
        rounded = np.stack([first, last], 1)
        bin_size = length / real(bins)
        return Axis(convention, size, bins, begin, end, length, bin_size, none, rounded)

    length = end - begin
    if convention.min_size is not None:
        length = np.maximum(length, real(convention.min_size))
    bin_size, count = length / real(bins), none
    if convention.sampling_ratio == "adaptive":
        count = whole(np.ceil(bin_size))
    elif convention.sampling_ratio != "exact":
        count = none + convention.sampling_ratio
    return Axis(convention, size, bins, begin, end, length, bin_size, count)


def _refuse(bad: Bool, what: str, convention: Convention) -> None:
    if bad.any():
        raise BoxError(
            f"{what}, which {convention.name} refuses: swap its corners or leave it out",
            int(np.argmax(bad)),
        )
