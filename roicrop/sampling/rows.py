"""The rows of R: each one's cells and their weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.sampling.arrays import Bool, Float, Int, pointers, ragged
from roicrop.sampling.rois import Roi, pool_edges
from roicrop.sampling.samples import Samples, exact_edges, samples_of

Rows = tuple[Int, Int, Int, Float, Bool, Bool]  # bin_ptr, row_ptr, cells, weights, void, zero


def pool_rows(roi: Roi, convention: Convention, size: int, bins: int) -> Rows:
    """RoIPool: a row for each bin, of the cells that it covers."""
    assert roi.rounded is not None
    cells = np.clip(pool_edges(roi.rounded, roi.bin_size, bins)[1], 0, size).reshape(-1, 2)
    low, high = cells[:, 0], cells[:, 1]
    width = np.maximum(high - low, 0)
    row, offset = ragged(width)
    per_cell = 1.0 / np.maximum(width, 1) if convention.mode == "avg" else np.ones(len(width))
    ptr = pointers(width)
    void = width == 0
    return np.arange(len(width) + 1), ptr, low[row] + offset, per_cell[row], void, void & False


def sample_rows(roi: Roi, convention: Convention, size: int, bins: int) -> Rows:
    """A row for each bin, or for each sample in range where a maximum is taken over samples."""
    s = samples_of(roi, convention, size, bins, in_range_only=True)
    n = len(roi.begin) * bins
    inside_count = np.bincount(s.bin, minlength=n).astype(np.int64)
    count = np.repeat(roi.count, bins)
    reduction = convention.reduction
    exact = convention.sampling_ratio == "exact"
    if exact:
        one, other = exact_edges(roi, bins)
        void = one == other
    elif convention.border == "extrapolate":
        void = inside_count != count
    else:
        void = count == 0
    zero = (inside_count != count) & ~void if reduction != "avg" else np.zeros(n, dtype=np.bool_)

    if reduction == "avg":
        total = np.abs(other - one) if exact else count.astype(np.float64)
        row_ptr, cells, weights = _merged(s, inside_count, total, roi.begin.dtype)
        return np.arange(n + 1), row_ptr, cells, weights, void, zero

    cells = np.stack([s.low, s.high], 1)
    weights = np.stack([s.weight_low, s.weight_high], 1)
    keep = weights != 0
    if reduction == "max":
        row_ptr = pointers(keep.sum(1))
        return pointers(inside_count), row_ptr, cells[keep], weights[keep], void, zero
    bin_of_tap = np.repeat(s.bin, 2).reshape(-1, 2)
    row_ptr = pointers(np.bincount(bin_of_tap[keep], minlength=n))
    zero[bin_of_tap[~keep]] = True
    return np.arange(n + 1), row_ptr, cells[keep], weights[keep], void, zero


def _merged(
    s: Samples, inside_count: Int, total: NDArray[np.float64], dtype: np.dtype[Any]
) -> tuple[Int, Int, Float]:
    """Add up what the samples of a bin give to each cell, and divide by the bin's total.

    The order of the sums is that of the samples, low before high, in float64: a stated order, so
    that the compiled core's plan is the same to the bit.
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
    return pointers(taps), (low[row] + offset)[keep], weights[keep]
