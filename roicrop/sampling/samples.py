"""Where the samples of each bin lie, and what each reads of the map."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.errors import ArgumentError
from roicrop.sampling.arrays import Bool, Float, Int, ragged
from roicrop.sampling.rois import Roi, round_half_away


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one axis: S of them, in the order of bins and then of their number in the bin.

    bin: (S,) box · P + bin.
    index: (S,) number within the bin, from 0.
    position: (S,) where the convention puts it.
    inside: (S,) whether it is in range; one that is not has value 0 and no weights.
    read_at: (S,) where the map is read: the position after clamping.
    low, high: (S,) the two cells around read_at; under nearest interpolation the one nearest to it.
    weight_low, weight_high: (S,) their weights, which sum to 1 (less beyond a fading border).
    share: (S,) length of the bin that the sample stands for: 1 of `count`, or for the exact
        integral the length of its piece.
    """

    bin: Int
    index: Int
    position: Float
    inside: Bool
    read_at: Float
    low: Int
    high: Int
    weight_low: Float
    weight_high: Float
    share: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.bin)

    def of_bin(self, p: int) -> Samples:
        """Those of bin p, of one box's samples."""
        first, after = np.searchsorted(self.bin, (p, p + 1))
        return Samples(*(getattr(self, field.name)[first:after] for field in fields(self)))

    @property
    def clamped(self) -> Bool:
        """(S,) in range, but moved to the map's edge."""
        moved: Bool = self.inside & (self.read_at != self.position)
        return moved


def samples_of(
    roi: Roi, convention: Convention, size: int, bins: int, *, in_range_only: bool
) -> Samples:
    """The samples of K boxes along one axis, all or those in range."""
    position: Float
    if convention.sampling_ratio == "exact":
        bin_, index, position, share = _pieces(roi, size, bins)
    else:
        bin_, index, position = _grid(roi, convention, size, bins, in_range_only)
        share = np.ones(len(bin_))
    read = _read_nearest if convention.interpolation == "nearest" else _read_bilinear
    inside, read_at, low, high, weight_low, weight_high = read(position, convention.border, size)
    if in_range_only and not inside.all():
        bin_, index, position, share = bin_[inside], index[inside], position[inside], share[inside]
        read_at, low, high = read_at[inside], low[inside], high[inside]
        weight_low, weight_high = weight_low[inside], weight_high[inside]
        inside = inside[inside]
    return Samples(
        bin_, index, position, inside, read_at, low, high, weight_low, weight_high, share
    )


_SEARCH_FROM: Final = 64  # samples a bin beyond which those in range are searched for


def _grid(
    roi: Roi, convention: Convention, size: int, bins: int, in_range_only: bool
) -> tuple[Int, Int, Float]:
    count = np.repeat(roi.count, bins)
    start = np.zeros_like(count)
    stop = np.maximum(count, 0)
    if in_range_only and count.max(initial=0) > _SEARCH_FROM:
        start, stop = _search_in_range(roi, convention, size, bins)
    bin_, index = ragged(stop - start)
    index = index + start[bin_]
    return bin_, index, _position(roi, convention, bins, bin_, index)


def _position(roi: Roi, convention: Convention, bins: int, bin_: Int, index: Int) -> Float:
    real = roi.begin.dtype.type
    k, p = np.divmod(bin_, bins)
    begin, bin_size = roi.begin[k], roi.bin_size[k]
    p_real = p.astype(roi.begin.dtype)
    if convention.positions == "corners":
        return begin + p_real * bin_size
    i_half = index.astype(roi.begin.dtype) + real(0.5)
    count = np.maximum(roi.count, 1)[k].astype(roi.begin.dtype)
    if convention.positions == "fraction":
        return begin + bin_size * (p_real + i_half / count)
    if convention.positions == "step-scaled":
        return begin + p_real * bin_size + bin_size / count * i_half
    return begin + p_real * bin_size + i_half * bin_size / count


def _search_in_range(roi: Roi, convention: Convention, size: int, bins: int) -> tuple[Int, Int]:
    """For each bin the first sample in range and the one after the last, by bisection.

    Positions are monotone in the sample's number, rounding included. Without this, one box a
    million times the map's size would cost as many samples.
    """
    count = np.repeat(roi.count, bins)
    bin_ = np.arange(len(count))
    falling = np.repeat(roi.bin_size < 0, bins)

    def first(holds_from: Any) -> Int:
        low, high = np.zeros_like(count), count.copy()
        while (open_ := low < high).any():
            middle = (low + high) // 2
            position = _position(roi, convention, bins, bin_, middle)
            found = holds_from(position)
            high = np.where(open_ & found, middle, high)
            low = np.where(open_ & ~found, middle + 1, low)
        return low

    start = first(lambda v: np.where(falling, v <= size, v >= -1))
    stop = first(lambda v: np.where(falling, v < -1, v > size))
    return start, stop


def _pieces(
    roi: Roi, size: int, bins: int
) -> tuple[Int, Int, NDArray[np.float64], NDArray[np.float64]]:
    """Cut each bin at the cell centres: the middle and the length of each piece in [−1, size]."""
    one, other = exact_edges(roi, bins)
    low = np.maximum(np.minimum(one, other), -1.0)
    high = np.minimum(np.maximum(one, other), float(size))
    first = np.floor(np.minimum(low, float(size))).astype(np.int64)
    last = np.ceil(np.maximum(high, -1.0)).astype(np.int64)
    bin_, index = ragged(np.where(low < high, last - first, 0))
    left = (first[bin_] + index).astype(np.float64)
    a, b = np.maximum(left, low[bin_]), np.minimum(left + 1.0, high[bin_])
    return bin_, index, (a + b) * 0.5, b - a


def exact_edges(roi: Roi, bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(K·P,) where the exact integral begins each bin and ends it."""
    begin = np.repeat(roi.begin.astype(np.float64), bins)
    bin_size = np.repeat(exact_sizes(roi.length, bins), bins)
    p = np.tile(np.arange(bins, dtype=np.float64), len(roi.begin))
    return begin + p * bin_size, begin + (p + 1.0) * bin_size


def exact_sizes(length: Float, bins: int) -> NDArray[np.float64]:
    """The bins' sizes in float64, so that they tile the box however short its own numbers are."""
    return length.astype(np.float64) / bins


_Read = tuple[Bool, Float, Int, Int, Float, Float]


def _read_bilinear(position: Float, border: str, size: int) -> _Read:
    real = position.dtype.type
    last = size - 1
    if border == "extrapolate":
        inside = (position >= 0) & (position <= last)
    elif border == "zero":
        inside = (position > -1) & (position < size)
    else:
        inside = (position >= -1) & (position <= size)
    if border == "zero":
        read_at = np.clip(position, -1, size).astype(position.dtype)
        low = np.floor(read_at).astype(np.int64)
        high = low + 1
    else:
        read_at = np.clip(position, 0, last).astype(position.dtype)
        low = np.floor(read_at).astype(np.int64)
        high = np.minimum(low + 1, last)
    weight_high = read_at - low.astype(position.dtype)
    weight_low = real(1) - weight_high
    on_map_low, on_map_high = inside & (low >= 0) & (low <= last), inside & (high <= last)
    return (
        inside,
        read_at,
        np.clip(low, 0, last),
        np.clip(high, 0, last),
        np.where(on_map_low, weight_low, real(0)),
        np.where(on_map_high, weight_high, real(0)),
    )


def _read_nearest(position: Float, border: str, size: int) -> _Read:
    if border != "extrapolate":
        raise ArgumentError("nearest interpolation is known for crop-and-resize only")
    inside = (position >= 0) & (position <= size - 1)
    cell = np.clip(round_half_away(position), 0, size - 1)
    weight = inside.astype(position.dtype)
    return inside, position, cell, cell, weight, np.zeros_like(weight)
