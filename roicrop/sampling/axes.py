"""From boxes to their two axes: corners, sizes, bins and sample counts."""

from __future__ import annotations

import numpy as np

from roicrop.conventions import Convention
from roicrop.errors import BoxError
from roicrop.sampling.arrays import (
    Bool,
    Float,
    round_half_away,
    round_half_even,
    rounded_half_away,
    whole,
)
from roicrop.sampling.axis import Axis


def axes_of(
    boxes: Float,
    map_size: tuple[int, int],
    output_size: tuple[int, int],
    convention: Convention,
    spatial_scale: float,
) -> tuple[Axis, Axis]:
    """Both axes of K boxes, y first; arguments as in `plan`.

    Raises BoxError, naming the box, if the convention refuses one.
    """
    y, x = (
        _axis(boxes[:, a], boxes[:, a + 2], convention, spatial_scale, map_size[b], output_size[b])
        for a, b in ((1, 0), (0, 1))
    )
    refuse_reversed(y, x, convention)
    if convention.sampling_ratio == "adaptive":
        # A box whose sample grid is empty along one axis has no samples along the other.
        empty = (y.count == 0) | (x.count == 0)
        y.count[empty] = 0
        x.count[empty] = 0
    return y, x


def refuse_reversed(y: Axis, x: Axis, convention: Convention) -> None:
    """Raise BoxError, naming the box, if the convention refuses one because it is reversed."""
    adaptive, refuses = convention.sampling_ratio == "adaptive", convention.reversed_boxes
    if refuses == "raise" or (refuses == "raise-if-adaptive" and adaptive):
        _refuse((y.length < 0) | (x.length < 0), "is reversed", convention)
    elif refuses != "nothing" and adaptive:
        mixed = (y.count < 0) & (x.count > 0) | (y.count > 0) & (x.count < 0)
        _refuse(mixed, "is reversed along one axis only, with an adaptive ratio", convention)


def scaled(
    low: Float, high: Float, convention: Convention, spatial_scale: float, size: int
) -> tuple[Float, Float]:
    """Where boxes begin and end in feature coordinates, before the offset to index coordinates."""
    real = low.dtype.type
    before, scale = real(convention.offset_before), real(spatial_scale)
    low, high = low + before, high + before
    if convention.pixels == "moved-and-rounded":
        low, high = rounded_half_away(low), rounded_half_away(high + real(convention.added_pixel))
    else:
        if convention.pixels == "rounded":
            low, high = rounded_half_away(low), rounded_half_away(high)
        high = high + real(convention.added_pixel)
    begin, end = low * scale, high * scale
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
    if convention.normalized:
        span = real(size - 1)
        begin, end = low * span, high * span
        length: Float = (high - low) * span
        middle = 0.5 * (low + high).astype(np.float64) * float(span)
    else:
        begin, end = (
            v + real(convention.offset_after)
            for v in scaled(low, high, convention, spatial_scale, size)
        )
        if convention.kind == "cell":
            return _cells(begin, end, convention, size, bins)
        length = end - begin + real(convention.added_cell)
        length = at_least(length, convention)
        middle = begin.astype(np.float64) + 0.5 * length.astype(np.float64)

    if convention.positions == "corners":
        apart = convention.points_apart
        count = np.full(len(low), int(convention.sampling_ratio), dtype=np.int64)
        steps = apart * (bins - 1) + int(convention.sampling_ratio) - 1
        if steps:
            step = length / real(steps) * real(apart)
            return Axis(convention, size, bins, begin, end, length, step, count)
        begin = middle.astype(low.dtype)
        return Axis(convention, size, bins, begin, end, length, np.zeros_like(begin), count)
    return along(begin, end, length, convention, size, bins)


def along(
    begin: Float, end: Float, length: Float, convention: Convention, size: int, bins: int
) -> Axis:
    """An axis of boxes that have samples inside their bins; arguments as in `Axis`."""
    none = np.zeros(len(begin), dtype=np.int64)
    bin_size, count = length / begin.dtype.type(bins), none
    if convention.sampling_ratio == "adaptive":
        count = whole(np.ceil(bin_size))
        if convention.min_samples:
            count = np.maximum(count, convention.min_samples)
    elif convention.sampling_ratio != "exact":
        count = none + convention.sampling_ratio
    return Axis(convention, size, bins, begin, end, length, bin_size, count)


def _cells(begin: Float, end: Float, convention: Convention, size: int, bins: int) -> Axis:
    """The axis of RoIPool, whose bins are ranges of cells."""
    real = begin.dtype.type
    if convention.rounding == "none":
        rounded = np.stack([whole(np.floor(begin)), whole(np.ceil(end)) - 1], 1)
        length = at_least(end - begin, convention)
    else:
        to_cells = round_half_away if convention.rounding == "half-away" else round_half_even
        rounded = np.stack([to_cells(begin), to_cells(end)], 1)
        length = rounded[:, 1] - rounded[:, 0] + convention.end_cell
        length = np.maximum(length, 1).astype(begin.dtype)
    none, bin_size = np.zeros(len(begin), dtype=np.int64), length / real(bins)
    return Axis(convention, size, bins, begin, end, length, bin_size, none, rounded)


def at_least(length: Float, convention: Convention) -> Float:
    """A size after the convention's minimum."""
    if convention.min_size is None:
        return length
    return np.maximum(length, length.dtype.type(convention.min_size))


def _refuse(bad: Bool, what: str, convention: Convention) -> None:
    if bad.any():
        raise BoxError(
            f"{what}, which {convention.name} refuses: swap its corners or leave it out",
            int(np.argmax(bad)),
        )
