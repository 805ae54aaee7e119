"""The rows of the matrices R: each row's cells and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roicrop.sampling.arrays import Bool, Float, Int, pointers, ragged
from roicrop.sampling.axis import Axis, exact_edges
from roicrop.sampling.samples import Samples, pool_cells, samples_of


@dataclass(frozen=True, slots=True)
class Rows:
    """One axis of a plan as a sparse matrix.

    bin_ptr: (K·P + 1,) bin b = k·P + p has rows bin_ptr[b] … bin_ptr[b + 1].
    row_ptr: (R + 1,) row r has taps row_ptr[r] … row_ptr[r + 1].
    cells, weights: (T,) a tap's cell and weight, which is never 0.
    void: (K·P,) the bin has no sample or no cell.
    zero: (K·P,) a maximum over this bin also considers 0: one of its samples is out of range, or,
        for the corner maximum, a corner has no weight.
    """

    bin_ptr: Int
    row_ptr: Int
    cells: NDArray[np.int32]
    weights: Float
    void: Bool
    zero: Bool


def rows_of(axis: Axis) -> Rows:
    """A row for each bin, or for each sample in range if a maximum is taken over samples."""
    return _pool_rows(axis) if axis.convention.kind == "cell" else _sample_rows(axis)


def _pool_rows(axis: Axis) -> Rows:
    """RoIPool: a row for each bin, with the cells that it covers."""
    bin_, cell = pool_cells(axis)
    width = np.bincount(bin_, minlength=len(axis.begin) * axis.bins)
    per_cell = 1.0 / np.maximum(width, 1) if axis.convention.mode == "avg" else np.ones(len(width))
    void = width == 0
    weights = per_cell[bin_].astype(axis.begin.dtype)
    return Rows(
        np.arange(len(width) + 1), pointers(width), _int32(cell), weights, void, void & False
    )


def _sample_rows(axis: Axis) -> Rows:
    s = samples_of(axis, in_range_only=True)
    n = len(axis.begin) * axis.bins
    inside_count = np.bincount(s.bin, minlength=n).astype(np.int64)
    count = np.repeat(axis.count, axis.bins)
    reduction = axis.convention.reduction
    total = count.astype(np.float64)
    if axis.convention.kind == "piece":
        one, other = exact_edges(axis)
        void, total = one == other, np.abs(other - one)
    elif axis.convention.border == "extrapolate":
        void = inside_count != count
    else:
        void = count == 0
    zero = (inside_count != count) & ~void if reduction != "avg" else np.zeros(n, dtype=np.bool_)

    if reduction == "avg":
        merged = _merged(s, inside_count, total, axis.begin.dtype)
        return Rows(np.arange(n + 1), *merged, void, zero)

    cells = _int32(np.stack([s.low, s.high], 1))
    weights = np.stack([s.weight_low, s.weight_high], 1).astype(axis.begin.dtype)
    keep = weights != 0
    if reduction == "max":
        bin_ptr, row_ptr = pointers(inside_count), pointers(keep.sum(1))
        return Rows(bin_ptr, row_ptr, cells[keep], weights[keep], void, zero)
    bin_of_tap = np.repeat(s.bin, 2).reshape(-1, 2)
    row_ptr = pointers(np.bincount(bin_of_tap[keep], minlength=n))
    zero[bin_of_tap[~keep]] = True
    return Rows(np.arange(n + 1), row_ptr, cells[keep], weights[keep], void, zero)


def _merged(
    s: Samples, inside_count: Int, total: NDArray[np.float64], dtype: np.dtype[Any]
) -> tuple[Int, NDArray[np.int32], Float]:
    """Add up the weights of each cell in the samples of a bin, and divide by the bin's total.

    Sums are in the order of the samples, low before high, in float64: the order is fixed so that
    the compiled core's plan is the same to the last bit.
    """
    n = len(inside_count)
    has = np.flatnonzero(inside_count)
    first = pointers(inside_count)[has]
    last = first + inside_count[has] - 1
    low, high = np.zeros(n, np.int64), np.full(n, -1, np.int64)
    low[has] = np.minimum(s.low[first], s.low[last])
    high[has] = np.maximum(s.high[first], s.high[last])
    band = pointers(high - low + 1)

    tap = (band[s.bin] - low[s.bin])[:, None] + np.stack([s.low, s.high], 1)
    gift = np.stack([s.weight_low, s.weight_high], 1).astype(np.float64) * s.share[:, None]
    summed = np.bincount(tap.ravel(), weights=gift.ravel(), minlength=int(band[-1]))
    row, offset = ragged(high - low + 1)
    weights = (summed / total[row]).astype(dtype)
    keep = weights != 0
    taps = np.bincount(row[keep], minlength=n)
    return pointers(taps), _int32((low[row] + offset)[keep]), weights[keep]


def _int32(cells: Int) -> NDArray[np.int32]:
    return cells.astype(np.int32)
