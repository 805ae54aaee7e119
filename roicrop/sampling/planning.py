"""The plan of many boxes, and what it answers about one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.sampling.arrays import Bool, Float, Int
from roicrop.sampling.rois import (
    Roi,
    agree_on_no_samples,
    pool_edges,
    refuse_reversed,
    rois_of,
    scaled,
)
from roicrop.sampling.rows import pool_rows, sample_rows
from roicrop.sampling.samples import Samples, exact_sizes, samples_of


@dataclass(frozen=True, slots=True)
class Plan:
    """Where K boxes sample a map of (H, W) cells, for (PH, PW) bins.

    boxes: (K, 4) as given to `plan`, in the coordinates' dtype, xyxy.
    y, x: the two axes.
    """

    convention: Convention
    spatial_scale: float
    boxes: Float
    y: AxisPlan
    x: AxisPlan

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def map_size(self) -> tuple[int, int]:
        """(H, W), in cells."""
        return self.y.size, self.x.size

    @property
    def output_size(self) -> tuple[int, int]:
        """(PH, PW), in bins."""
        return self.y.bins, self.x.bins

    def corners(self, k: int) -> tuple[Float | None, Float]:
        """Box k in feature and in index coordinates, (4,) xyxy each.

        There are no feature coordinates where the box is fractions of (map size − 1).
        """
        box = self.boxes[k]
        if self.convention.positions == "corners":
            span = np.array([self.x.size - 1, self.y.size - 1] * 2, dtype=box.dtype)
            return None, box * span
        index = [self.x.begin[k], self.y.begin[k], self.x.end[k], self.y.end[k]]
        return scaled(box, self.convention, self.spatial_scale), np.array(index)

    def void(self, k: int) -> Bool:
        """(PH, PW): the bins of box k that have no sample or no cell, and take the void value."""
        mask: Bool = self.y.of_box(self.y.void, k)[:, None] | self.x.of_box(self.x.void, k)[None, :]
        return mask

    def zero_candidate(self, k: int) -> Bool:
        """(PH, PW): the bins of box k whose maximum has 0 among what it is taken over."""
        mask: Bool = self.y.of_box(self.y.zero, k)[:, None] | self.x.of_box(self.x.zero, k)[None, :]
        return mask


@dataclass(frozen=True, slots=True)
class AxisPlan:
    """One axis of a plan: K boxes, P bins, a map of `size` cells. Index coordinates throughout.

    begin, end: (K,) the corners, scaled and shifted.
    rounded: (K, 2) RoIPool's first and last cell; None for operators that do not round.
    length: (K,) the RoI's size after the convention's minimum.
    bin_size: (K,) length / P.
    count: (K,) samples a bin; 0 where there are none (RoIPool, exact integral, void boxes). A box
        reversed along both axes has negative counts under an adaptive ratio: it has no samples, and
        the frameworks divide a sum of nothing by their product, so its bins are 0 and not void.
    bin_ptr: (K·P + 1,) bin b = k·P + p has rows bin_ptr[b] … bin_ptr[b + 1].
    row_ptr: (R + 1,) row r has taps row_ptr[r] … row_ptr[r + 1].
    cells, weights: (T,) a tap's cell (int32) and weight, which is never 0.
    void: (K·P,) the bin has no sample or no cell.
    zero: (K·P,) a maximum over this bin also considers 0: a sample of it is out of range, or, for
        the corner maximum, a corner has no weight.
    """

    convention: Convention
    size: int
    bins: int
    begin: Float
    end: Float
    rounded: Int | None
    length: Float
    bin_size: Float
    count: Int
    bin_ptr: Int
    row_ptr: Int
    cells: NDArray[np.int32]
    weights: Float
    void: Bool
    zero: Bool

    def of_box(self, per_bin: NDArray[Any], k: int) -> NDArray[Any]:
        """The P entries of box k in an array that has one for each bin."""
        return per_bin[k * self.bins : (k + 1) * self.bins]

    def row_taps(self, row: int) -> tuple[NDArray[np.int32], Float]:
        """The cells and weights of one row."""
        taps = slice(int(self.row_ptr[row]), int(self.row_ptr[row + 1]))
        return self.cells[taps], self.weights[taps]

    def bin_rows(self, k: int, p: int) -> range:
        """The rows of bin p of box k."""
        b = k * self.bins + p
        return range(int(self.bin_ptr[b]), int(self.bin_ptr[b + 1]))

    def edges(self, k: int) -> Float:
        """(P + 1,) the bins' edges in index coordinates.

        For RoIPool these are its fractional edges, before floor and ceil make cells of them. For
        crop-and-resize, which has sample points and no bins, they lie halfway between the points.
        """
        p = np.arange(self.bins + 1, dtype=np.float64)
        if self.convention.positions == "corners":
            p -= 0.5
        start = float(self.begin[k]) if self.rounded is None else float(self.rounded[k, 0])
        size = float(self.bin_size[k])
        if self.convention.sampling_ratio == "exact":
            size = float(exact_sizes(self.length[k : k + 1], self.bins)[0])
        return start + p * size

    def cell_range(self, k: int, p: int) -> tuple[int, int]:
        """RoIPool: the first cell of bin p of box k, and the one after its last."""
        cells = self.row_taps(self.bin_rows(k, p)[0])[0]
        return (int(cells[0]), int(cells[-1]) + 1) if len(cells) else (0, 0)

    def quantized_edges(self, k: int) -> tuple[Float, Int]:
        """RoIPool: (P, 2) the bins' edges before and after floor and ceil.

        Before, in cells from the RoI's first cell; after, as the first cell and the one after the
        last, on the map or not. `cell_range` is what of these cells lies on the map.
        """
        assert self.rounded is not None
        before, after = pool_edges(self.rounded[k : k + 1], self.bin_size[k : k + 1], self.bins)
        return before[0], after[0]

    def samples(self, k: int) -> Samples:
        """Every sample of box k, bin by bin, those out of range included.

        Of an RoI so large that it has over a million samples, only those in range are given.
        """
        one = slice(k, k + 1)
        roi = Roi(
            self.begin[one],
            self.end[one],
            None,
            self.length[one],
            self.bin_size[one],
            self.count[one],
        )
        everything = abs(int(self.count[k])) * self.bins <= _MAX_LISTED
        with np.errstate(under="ignore", over="ignore"):
            return samples_of(
                roi, self.convention, self.size, self.bins, in_range_only=not everything
            )


_MAX_LISTED: Final = 1_000_000


def plan(
    boxes: Float,
    map_size: tuple[int, int],
    output_size: tuple[int, int],
    *,
    convention: Convention,
    spatial_scale: float = 1.0,
    dtype: type[np.float32] | type[np.float64] = np.float32,
) -> Plan:
    """The plan for K boxes on a map of (H, W) cells.

    boxes: (K, 4) xyxy, in image coordinates (fractions of size − 1 where the convention is
        normalized), finite.
    output_size: (PH, PW).
    dtype: the precision of the coordinates; the frameworks use that of the map.

    Raises BoxError, naming the box, for one that the convention refuses.
    """
    corners: Float = np.reshape(boxes, (-1, 4)).astype(dtype, copy=False)
    (height, width), (bins_y, bins_x) = map_size, output_size
    # The positions of samples far enough away are infinite, and so out of range.
    with np.errstate(under="ignore", over="ignore"):
        roi_y, roi_x = rois_of(corners, map_size, output_size, convention, spatial_scale)
        refuse_reversed(roi_y, roi_x, convention)
        if convention.sampling_ratio == "adaptive":
            agree_on_no_samples(roi_y, roi_x)
        return Plan(
            convention,
            spatial_scale,
            corners,
            _axis(roi_y, convention, height, bins_y),
            _axis(roi_x, convention, width, bins_x),
        )


def check_reversed(
    boxes: Float, output_size: tuple[int, int], *, convention: Convention, spatial_scale: float
) -> None:
    """Raise BoxError, naming the box, if the convention refuses one. Arguments as in `plan`."""
    if (boxes[:, 2:] < boxes[:, :2]).any():
        refuse_reversed(*rois_of(boxes, (1, 1), output_size, convention, spatial_scale), convention)


def _axis(roi: Roi, convention: Convention, size: int, bins: int) -> AxisPlan:
    rows = pool_rows if convention.operator == "pool" else sample_rows
    bin_ptr, row_ptr, cells, weights, void, zero = rows(roi, convention, size, bins)
    return AxisPlan(
        convention,
        size,
        bins,
        roi.begin,
        roi.end,
        roi.rounded,
        roi.length,
        roi.bin_size,
        roi.count,
        bin_ptr,
        row_ptr,
        cells.astype(np.int32),
        weights.astype(roi.begin.dtype),
        void,
        zero,
    )
