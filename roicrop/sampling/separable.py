"""Plans for boxes along the axes: a sparse matrix for the map's rows, and one for its columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.sampling.arrays import Bool, Float, Int
from roicrop.sampling.axes import axes_of, scaled
from roicrop.sampling.axis import Axis
from roicrop.sampling.plan import Corners, Plan
from roicrop.sampling.rows import Rows, rows_of
from roicrop.sampling.samples import Samples, samples_of
from roicrop.sampling.terms import GridTerms


class AxisPlan(Axis):
    """An axis, with the cells of the map that it reads."""

    @cached_property
    def rows(self) -> Rows:
        """The axis's matrix, in sparse form."""
        with np.errstate(under="ignore", over="ignore"):
            return rows_of(self)

    def of_box(self, per_bin: NDArray[Any], k: int) -> NDArray[Any]:
        """The P entries of box k in an array with an entry for each bin."""
        return per_bin[k * self.bins : (k + 1) * self.bins]

    def row_taps(self, row: int) -> tuple[NDArray[np.int32], Float]:
        """The cells and weights of one row."""
        taps = slice(int(self.rows.row_ptr[row]), int(self.rows.row_ptr[row + 1]))
        return self.rows.cells[taps], self.rows.weights[taps]

    def bin_rows(self, k: int, p: int) -> range:
        """The rows of bin p of box k."""
        b = k * self.bins + p
        return range(int(self.rows.bin_ptr[b]), int(self.rows.bin_ptr[b + 1]))

    def bin_cells(self, k: int, p: int) -> range:
        """RoIPool: the cells of bin p of box k."""
        cells = self.row_taps(self.bin_rows(k, p)[0])[0]
        return range(int(cells[0]), int(cells[-1]) + 1) if len(cells) else range(0)

    def cell_weights(self, k: int) -> NDArray[np.float64]:
        """(size,) the total weight of each cell in all bins of box k."""
        rows = self.bin_rows(k, 0).start, self.bin_rows(k, self.bins - 1).stop
        read = slice(*(int(self.rows.row_ptr[at]) for at in rows))
        weights = self.rows.weights[read].astype(np.float64)
        return np.bincount(self.rows.cells[read], weights, self.size).astype(np.float64)

    def samples(self, k: int) -> Samples:
        """Every sample of box k, bin by bin, those out of range included; for RoIPool, its cells.

        For an RoI with over a million samples, only those in range are given.
        """
        found = self._latest.get(k)
        if found is None:
            everything = abs(int(self.count[k])) * self.bins <= _MAX_LISTED
            with np.errstate(under="ignore", over="ignore"):
                found = samples_of(self.one(k), in_range_only=not everything)
            self._latest.clear()
            self._latest[k] = found
        return found

    @cached_property
    def _latest(self) -> dict[int, Samples]:
        """The samples of the box asked for last: its bins ask for them one after another."""
        return {}

    def extent(self) -> tuple[Int, Int]:
        """(K,) the first cell that a box reads, and the end cell (exclusive); both 0 if none."""
        rows = self.rows
        ptr = rows.row_ptr[rows.bin_ptr[:: self.bins]]
        first, end = np.zeros((2, len(self.begin)), dtype=np.int64)
        reads = ptr[1:] > ptr[:-1]
        if reads.any():
            first[reads] = np.minimum.reduceat(rows.cells, ptr[:-1][reads])
            end[reads] = np.maximum.reduceat(rows.cells, ptr[:-1][reads]) + 1
        return first, end

    def tiles(self, size: int) -> Bool:
        """(K, n) which of n stretches of `size` cells hold a cell that each box reads."""
        rows = self.rows
        ptr = rows.row_ptr[rows.bin_ptr[:: self.bins]]
        tiles = np.zeros((len(self.begin), -(-self.size // size)), dtype=bool)
        tiles[np.arange(len(tiles)).repeat(np.diff(ptr)), rows.cells // size] = True
        return tiles


_MAX_LISTED: Final = 1_000_000


@dataclass(frozen=True, eq=False)
class SeparablePlan(Plan):
    """A plan that is a product: a term is a pair of a sample along y and one along x."""

    y: AxisPlan
    x: AxisPlan

    def corners(self, k: int, image: tuple[float, float, float, float] | None = None) -> Corners:
        """See `Plan.corners`."""
        box, original = self.boxes[k], None if image is None else np.array(image)
        if self.convention.normalized:
            span = np.array([self.x.size - 1, self.y.size - 1] * 2, dtype=box.dtype)
            return Corners(original, None, box, None, box * span)
        ends = (
            scaled(box[a : a + 1], box[a + 2 : a + 3], self.convention, self.spatial_scale, size)
            for a, size in ((0, self.x.size), (1, self.y.size))
        )
        (x1, x2), (y1, y2) = ends
        feature = np.concatenate([x1, y1, x2, y2])
        index = feature + box.dtype.type(self.convention.offset_after)
        return Corners(box if original is None else original, box, None, feature, index)

    def begin(self, k: int) -> tuple[float, float]:
        """See `Plan.begin`."""
        return float(self.y.begin[k]), float(self.x.begin[k])

    def outline(self, k: int, p: int, q: int) -> NDArray[np.float64]:
        """See `Plan.outline`."""
        (top, bottom), (left, right) = self.y.lines(k)[p : p + 2], self.x.lines(k)[q : q + 2]
        return np.array([(top, left), (top, right), (bottom, right), (bottom, left)])

    def samples(self, k: int) -> tuple[Samples, Samples]:
        """See `Plan.samples`."""
        return self.y.samples(k), self.x.samples(k)

    def terms(self, k: int, p: int, q: int) -> GridTerms:
        """See `Plan.terms`."""
        y, x = self.y.samples(k).of_bin(p), self.x.samples(k).of_bin(q)
        if self.kind in ("sample", "point"):
            count_y, count_x = self.count(k)
            return GridTerms(y, x, (max(count_y, 0), max(count_x, 0)), float(count_y * count_x))
        count = len(y), len(x)
        divisor = float(count[0] * count[1])
        if self.kind == "piece":
            height, width = np.diff(self.y.edges(k))[p], np.diff(self.x.edges(k))[q]
            divisor = abs(float(height)) * abs(float(width))
        return GridTerms(y, x, count, divisor)

    def cells(self, k: int, p: int, q: int) -> tuple[range, range]:
        """See `Plan.cells`."""
        return self.y.bin_cells(k, p), self.x.bin_cells(k, q)

    def bins_of_cells(self, k: int) -> Int:
        """See `Plan.bins_of_cells`."""
        along = (np.bincount(axis.samples(k).low, minlength=axis.size) for axis in (self.y, self.x))
        many: Int = np.multiply.outer(*along)
        return many

    def weights(self, k: int) -> NDArray[np.float64]:
        """See `Plan.weights`."""
        weights: NDArray[np.float64] = np.multiply.outer(
            self.y.cell_weights(k), self.x.cell_weights(k)
        )
        return weights

    @property
    def matrices(self) -> tuple[Rows, Rows]:
        """See `Plan.matrices`."""
        return self.y.rows, self.x.rows

    def void(self, k: int) -> Bool:
        """See `Plan.void`."""
        return self._either(self.y.rows.void, self.x.rows.void, k)

    def zero_candidate(self, k: int) -> Bool:
        """See `Plan.zero_candidate`."""
        return self._either(self.y.rows.zero, self.x.rows.zero, k)

    def extent(self) -> Int:
        """See `Plan.extent`."""
        extent = np.stack([*self.y.extent(), *self.x.extent()], 1)
        extent[(extent[:, 1] == 0) | (extent[:, 3] == 0)] = 0
        return extent

    def lines(self) -> tuple[Int, Int]:
        """See `Plan.lines`."""
        y, x = (np.unique(axis.rows.cells).astype(np.int64) for axis in (self.y, self.x))
        return (y, x) if len(y) and len(x) else super().lines()

    def tiles(self, size: tuple[int, int]) -> Bool:
        """See `Plan.tiles`."""
        y, x = self.y.tiles(size[0]), self.x.tiles(size[1])
        # A sum of products of ones: every box reads all pairs of its rows and columns.
        tiles: Bool = y.T.astype(np.float32) @ x.astype(np.float32) > 0
        return tiles

    def _either(self, of_y: Bool, of_x: Bool, k: int) -> Bool:
        either: Bool = self.y.of_box(of_y, k)[:, None] | self.x.of_box(of_x, k)[None, :]
        return either


def separable_plan(
    corners: Float,
    map_size: tuple[int, int],
    output_size: tuple[int, int],
    convention: Convention,
    spatial_scale: float,
) -> SeparablePlan:
    """The plan for K boxes along the axes; arguments as in `plan`."""
    axes = axes_of(corners, map_size, output_size, convention, spatial_scale)
    y, x = (AxisPlan(**vars(axis)) for axis in axes)
    return SeparablePlan(convention, spatial_scale, corners, y, x)
