"""From a box to its RoI along each axis: corners, size, bins and sample counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from roicrop.conventions import Convention
from roicrop.errors import BoxError
from roicrop.sampling.arrays import Bool, Float, Int


@dataclass(frozen=True, slots=True)
class Roi:
    """One axis of K boxes after scaling, before sampling; fields as in AxisPlan."""

    begin: Float
    end: Float
    rounded: Int | None
    length: Float
    bin_size: Float
    count: Int


_MAX_COUNT: Final = 2**31 - 1  # the frameworks count in a C int


def rois_of(
    boxes: Float,
    map_size: tuple[int, int],
    output_size: tuple[int, int],
    convention: Convention,
    spatial_scale: float,
) -> tuple[Roi, Roi]:
    """Both axes of K boxes, y first; arguments as in `plan`."""
    y, x = (
        _roi(
            boxes[:, a],
            boxes[:, a + 2],
            convention,
            spatial_scale,
            map_size[1 - a],
            output_size[1 - a],
        )
        for a in (1, 0)
    )
    return y, x


def _roi(
    low: Float, high: Float, convention: Convention, spatial_scale: float, size: int, bins: int
) -> Roi:
    real = low.dtype.type
    none = np.zeros(len(low), dtype=np.int64)
    if convention.positions == "corners":
        span = real(size - 1)
        begin, end, length = low * span, high * span, (high - low) * span
        if bins > 1:
            return Roi(begin, end, None, length, length / real(bins - 1), none + 1)
        middle = (0.5 * (low + high).astype(np.float64) * float(span)).astype(low.dtype)
        return Roi(middle, end, None, length, np.zeros_like(middle), none + 1)

    begin, end = (
        scaled(v, convention, spatial_scale) + real(convention.offset_after) for v in (low, high)
    )
    if convention.operator == "pool":
        first, last = round_half_away(begin), round_half_away(end)
        length = np.maximum(last - first + 1, 1).astype(low.dtype)
        return Roi(begin, end, np.stack([first, last], 1), length, length / real(bins), none)

    length = end - begin
    if convention.min_size is not None:
        length = np.maximum(length, real(convention.min_size))
    bin_size = length / real(bins)
    if convention.sampling_ratio == "exact":
        return Roi(begin, end, None, length, bin_size, none)
    if convention.sampling_ratio == "adaptive":
        count = np.clip(np.ceil(bin_size), -_MAX_COUNT, _MAX_COUNT).astype(np.int64)
    else:
        count = none + convention.sampling_ratio
    return Roi(begin, end, None, length, bin_size, count)


def scaled(v: Float, convention: Convention, spatial_scale: float) -> Float:
    """Image coordinates in feature coordinates, before the offset that makes them index ones."""
    real = v.dtype.type
    scaled: Float = (v + real(convention.offset_before)) * real(spatial_scale)
    return scaled


def round_half_away(v: Float) -> Int:
    """Rounded as C's round() does, as whole numbers."""
    whole = np.trunc(v)
    whole = whole + np.copysign(np.abs(v - whole) >= 0.5, v)
    return np.clip(whole, -_MAX_COUNT, _MAX_COUNT).astype(np.int64)


def refuse_reversed(y: Roi, x: Roi, convention: Convention) -> None:
    """Raise BoxError, naming the box, if the convention refuses one."""
    if convention.reversed_boxes == "raise":
        _refuse((y.length < 0) | (x.length < 0), "is reversed", convention)
    if convention.sampling_ratio == "adaptive":
        mixed = (y.count < 0) & (x.count > 0) | (y.count > 0) & (x.count < 0)
        _refuse(mixed, "is reversed along one axis only, with an adaptive ratio", convention)


def _refuse(bad: Bool, what: str, convention: Convention) -> None:
    if bad.any():
        raise BoxError(
            f"{what}, which {convention.name} refuses: swap its corners or leave it out",
            int(np.argmax(bad)),
        )


def agree_on_no_samples(y: Roi, x: Roi) -> None:
    """A box whose sample grid is empty along one axis has no samples along the other."""
    empty = (y.count == 0) | (x.count == 0)
    y.count[empty] = 0
    x.count[empty] = 0


def pool_edges(rounded: Int, bin_size: Float, bins: int) -> tuple[Float, Int]:
    """(K, P, 2) where bins begin and end: in cells from the RoI's first, and as whole cells."""
    p = np.arange(bins, dtype=bin_size.dtype)
    before = np.stack([p, p + bin_size.dtype.type(1)], 1) * bin_size[:, None, None]
    whole = np.stack([np.floor(before[..., 0]), np.ceil(before[..., 1])], 2)
    return before, whole.astype(np.int64) + rounded[:, :1, None]
