"""Where the samples of each bin lie, and which cells of the map each reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.errors import ArgumentError
from roicrop.sampling.arrays import Bool, Float, Int, ragged, round_half_away
from roicrop.sampling.axis import Axis, exact_edges, pool_edges


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one axis: S of them, in the order of bins and then of their number in the bin.

    bin: (S,) box · P + bin.
    index: (S,) number within the bin, from 0.
    position: (S,) where the convention puts it.
    inside: (S,) whether it is in range; a sample out of range has value 0 and no weights.
    read_at: (S,) where the map is read: the position after clamping.
    low, high: (S,) the two cells around read_at; under nearest interpolation, both the nearest.
    weight_low, weight_high: (S,) their weights, which sum to 1 (less beyond a fading border).
    share: (S,) how much of the bin the sample stands for: 1 out of `count`, or for the exact
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

    def where(self, chosen: slice | Bool) -> Samples:
        """The chosen samples."""
        return Samples(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def of_bin(self, p: int) -> Samples:
        """The samples of bin p, from those of one box."""
        return self.where(slice(*np.searchsorted(self.bin, (p, p + 1))))

    @property
    def clamped(self) -> Bool:
        """Mask (S,) of samples in range that are moved to the map's edge."""
        moved: Bool = self.inside & (self.read_at != self.position)
        return moved


def samples_of(axis: Axis, *, in_range_only: bool) -> Samples:
    """The samples of K boxes along one axis, all or those in range.

    For RoIPool, a sample is a cell of a bin, read at its centre, and its place is its number.
    """
    kind = axis.convention.kind
    if kind == "cell":
        return _cells(axis)
    position: Float
    if kind == "piece":
        bin_, index, position, share = _pieces(axis)
    else:
        bin_, index, position = _grid(axis, in_range_only)
        share = np.ones(len(bin_))
    samples = Samples(bin_, index, position, *read_map(position, axis.convention, axis.size), share)
    if in_range_only and not samples.inside.all():
        return samples.where(samples.inside)
    return samples


def _cells(axis: Axis) -> Samples:
    bin_, cell = pool_cells(axis)
    at, one = cell.astype(np.float64), np.ones(len(cell))
    return Samples(bin_, cell, at, one == 1, at, cell, cell, one, one * 0, one)


def pool_cells(axis: Axis) -> tuple[Int, Int]:
    """RoIPool: the bin and the cell, for every cell that a bin covers, bin by bin."""
    cells = np.clip(pool_edges(axis)[1], 0, axis.size - axis.convention.unread).reshape(-1, 2)
    bin_, offset = ragged(np.maximum(cells[:, 1] - cells[:, 0], 0))
    return bin_, cells[bin_, 0] + offset


_Read = tuple[Bool, Float, Int, Int, Float, Float]
_SEARCH_FROM: Final = 64  # samples per bin beyond which those in range are searched for


def _grid(axis: Axis, in_range_only: bool) -> tuple[Int, Int, Float]:
    count = np.repeat(axis.count, axis.bins)
    start = np.zeros_like(count)
    stop = np.maximum(count, 0)
    if in_range_only and count.max(initial=0) > _SEARCH_FROM:
        start, stop = _search_in_range(axis)
    bin_, index = ragged(stop - start)
    index = index + start[bin_]
    return bin_, index, _position(axis, bin_, index)


def _position(axis: Axis, bin_: Int, index: Int) -> Float:
    real = axis.begin.dtype.type
    k, p = np.divmod(bin_, axis.bins)
    begin, bin_size = axis.begin[k], axis.bin_size[k]
    p_real = p.astype(axis.begin.dtype)
    if axis.convention.positions == "corners":
        apart = axis.convention.points_apart
        return begin + (p * apart + index).astype(axis.begin.dtype) * (bin_size / real(apart))
    i_half = index.astype(axis.begin.dtype) + real(axis.convention.sample_at)
    count = np.maximum(axis.count, 1)[k].astype(axis.begin.dtype)
    if axis.convention.positions == "fraction":
        return begin + bin_size * (p_real + i_half / count)
    if axis.convention.positions == "step-scaled":
        return begin + p_real * bin_size + bin_size / count * i_half
    return begin + p_real * bin_size + i_half * bin_size / count


def positions_of(axis: Axis) -> Float:
    """All positions on an axis, bin by bin."""
    return _grid(axis, False)[2]


def read_map(position: Float, convention: Convention, size: int) -> _Read:
    """`inside`, `read_at`, `low`, `high` and their weights at a position, as in `Samples`."""
    read = _read_nearest if convention.interpolation == "nearest" else _read_bilinear
    return read(position, convention.border, size)


def _search_in_range(axis: Axis) -> tuple[Int, Int]:
    """For each bin, the first sample in range and the one after the last, by bisection.

    Positions are monotone in the sample's number, rounding included. Without this, one box a
    million times the map's size would cost as many samples.
    """
    count = np.repeat(axis.count, axis.bins)
    bin_ = np.arange(len(count))
    falling = np.repeat(axis.bin_size < 0, axis.bins)

    def first(holds_from: Any) -> Int:
        low, high = np.zeros_like(count), count.copy()
        while (open_ := low < high).any():
            middle = (low + high) // 2
            position = _position(axis, bin_, middle)
            found = holds_from(position)
            high = np.where(open_ & found, middle, high)
            low = np.where(open_ & ~found, middle + 1, low)
        return low

    start = first(lambda v: np.where(falling, v <= axis.size, v >= -1))
    stop = first(lambda v: np.where(falling, v < -1, v > axis.size))
    return start, stop


def _pieces(axis: Axis) -> tuple[Int, Int, NDArray[np.float64], NDArray[np.float64]]:
    """Cut each bin at the cell centres: the middle and the length of each piece in [−1, size]."""
    one, other = exact_edges(axis)
    low = np.maximum(np.minimum(one, other), -1.0)
    high = np.minimum(np.maximum(one, other), float(axis.size))
    first = np.floor(np.minimum(low, float(axis.size))).astype(np.int64)
    last = np.ceil(np.maximum(high, -1.0)).astype(np.int64)
    bin_, index = ragged(np.where(low < high, last - first, 0))
    left = (first[bin_] + index).astype(np.float64)
    a, b = np.maximum(left, low[bin_]), np.minimum(left + 1.0, high[bin_])
    return bin_, index, (a + b) * 0.5, b - a


def _read_bilinear(position: Float, border: str, size: int) -> _Read:
    real = position.dtype.type
    last = size - 1
    inside = _IN_RANGE[border](position, size)
    if border == "zero":
        read_at = np.clip(position, -1, size).astype(position.dtype)
        low = np.floor(read_at).astype(np.int64)
        high = low + 1
    elif border == "continue":
        read_at = np.clip(position, 0, size).astype(position.dtype)
        low = np.minimum(np.floor(read_at).astype(np.int64), max(last - 1, 0))
        high = np.minimum(low + 1, last)
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


_IN_RANGE: Final[dict[str, Callable[[Float, int], Bool]]] = {
    "clamp": lambda v, size: (v >= -1) & (v <= size),
    "repeat": lambda v, size: v == v,
    "inside": lambda v, size: (v >= 0) & (v <= size - 1),
    "continue": lambda v, size: (v >= 0) & (v < size),
    "zero": lambda v, size: (v > -1) & (v < size),
    "extrapolate": lambda v, size: (v >= 0) & (v <= size - 1),
}
"""Border → which positions on a map of so many cells are read."""


def _read_nearest(position: Float, border: str, size: int) -> _Read:
    if border != "extrapolate":
        raise ArgumentError("nearest interpolation is known for crop-and-resize only")
    inside = (position >= 0) & (position <= size - 1)
    cell = np.clip(round_half_away(position), 0, size - 1)
    weight = inside.astype(position.dtype)
    return inside, position, cell, cell, weight, np.zeros_like(weight)
