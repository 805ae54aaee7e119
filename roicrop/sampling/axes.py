"""From boxes to their two axes: corners, sizes, bins and sample counts."""

from __future__ import annotations

import numpy as np

from roicrop.conventions import Convention
from roicrop.errors import BoxError
from roicrop.sampling.arrays import Bool, Float, round_half_away, round_half_even, whole
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


def scaled(
    low: Float, high: Float, convention: Convention, spatial_scale: float, size: int
) -> tuple[Float, Float]:
    """Where boxes begin and end, in feature coordinates, before the offset to index ones."""
    real = low.dtype.type
    before, scale = real(convention.offset_before), real(spatial_scale)
    begin = (low + before) * scale
    end = (high + before + real(convention.added_pixel)) * scale
    if convention.clipped:
        begin, end = (
            np.clip(v, real(0), real(size))
            for v in (np.minimum(begin, end), np.maximum(begin, end))
        )
    return begin, end


def _axis(
    low: Float, high: Float, convention: Convention, spatial_scale: float, size: int, bins: int
) -> Axis:
    real = low.dtype.type
    none = np.zeros(len(low), dtype=np.int64)
    if convention.normalized:
        span = real(size - 1)
        begin, end, length = low * span, high * span, (high - low) * span
        middle = 0.5 * (low + high).astype(np.float64) * float(span)
    else:
        begin, end = (
            v + real(convention.offset_after)
            for v in scaled(low, high, convention, spatial_scale, size)
        )
        if convention.kind == "cell":
            return _cells(begin, end, convention, size, bins)
        length = end - begin + real(convention.added_cell)
        if convention.min_size is not None:
            length = np.maximum(length, real(convention.min_size))
        middle = begin.astype(np.float64) + 0.5 * length.astype(np.float64)

    if convention.positions == "corners":
        apart, count = convention.points_apart, none + int(convention.sampling_ratio)
        steps = apart * (bins - 1) + int(convention.sampling_ratio) - 1
        if steps:
            step = length / real(steps) * real(apart)
            return Axis(convention, size, bins, begin, end, length, step, count)
        begin = middle.astype(low.dtype)
        return Axis(convention, size, bins, begin, end, length, np.zeros_like(begin), count)
    bin_size, count = length / real(bins), none
    if convention.sampling_ratio == "adaptive":
        count = whole(np.ceil(bin_size))
        if convention.min_samples:
            count = np.maximum(count, convention.min_samples)
    elif convention.sampling_ratio != "exact":
        count = none + convention.sampling_ratio
    return Axis(convention, size, bins, begin, end, length, bin_size, count)


def _cells(begin: Float, end: Float, convention: Convention, size: int, bins: int) -> Axis:
    """RoIPool's axis."""
    real = begin.dtype.type
    if convention.rounding == "none":
        rounded = np.stack([whole(np.floor(begin)), whole(np.ceil(end)) - 1], 1)
        length = end - begin
    else:
        to_cells = round_half_away if convention.rounding == "half-away" else round_half_even
        rounded = np.stack([to_cells(begin), to_cells(end)], 1)
        length = np.maximum(rounded[:, 1] - rounded[:, 0] + 1, 1).astype(begin.dtype)
    none, bin_size = np.zeros(len(begin), dtype=np.int64), length / real(bins)
    return Axis(convention, size, bins, begin, end, length, bin_size, none, rounded)


def _refuse(bad: Bool, what: str, convention: Convention) -> None:
    if bad.any():
        raise BoxError(
            f"{what}, which {convention.name} refuses: swap its corners or leave it out",
            int(np.argmax(bad)),
        )
