"""One axis of many boxes: where each lies, how large it is, and which numbers were rounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.sampling.arrays import Float, Int, whole

Number = np.floating[Any] | np.integer[Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A number before and after a rule rounds or bounds it; rule: how, in words."""

    what: str
    rule: str
    before: Number
    after: Number


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of K boxes, P bins each, before any cell is read. Index coordinates throughout.

    size: cells of the map. bins: P.
    begin, end: (K,) the corners, scaled and shifted.
    length: (K,) the RoI's size after the convention's minimum.
    bin_size: (K,) the distance from bin to bin: length / P, or, if samples lie from corner to
        corner of the box, as the steps between samples give it.
    count: (K,) samples per bin; 0 if there are none (RoIPool, exact integral, void boxes). A box
        reversed along both axes has negative counts under an adaptive ratio: it has no samples, and
        the frameworks divide a sum of nothing by their product, so its bins are 0 and not void.
    rounded: (K, 2) RoIPool's first and last cell, or, if its corners are not rounded, the cells
        that they touch; None for other operators.
    """

    convention: Convention
    size: int
    bins: int
    begin: Float
    end: Float
    length: Float
    bin_size: Float
    count: Int
    rounded: Int | None = None

    def one(self, k: int) -> Axis:
        """The axis of box k alone."""
        return Axis(
            self.convention,
            self.size,
            self.bins,
            **{n: v[k : k + 1] for n, v in vars(self).items() if isinstance(v, np.ndarray)},
        )

    def bounds(self) -> tuple[Int, Int]:
        """(K,) a first cell and an end cell (exclusive) that enclose all that a box reads.

        Never empty, and a few cells more than it reads; found without looking at its samples.
        """
        corners = np.stack([self.begin, self.end, self.begin + self.length])
        if self.rounded is not None:
            corners = np.concatenate([corners, self.rounded.T])
        corners = np.clip(corners, 0, self.size)
        first = np.floor(corners.min(axis=0)).astype(np.int64) - 2
        end = np.ceil(corners.max(axis=0)).astype(np.int64) + 3
        return np.clip(first, 0, self.size - 1), np.clip(end, 1, self.size)

    def ends(self, k: int) -> tuple[np.int64, np.int64]:
        """For RoIPool, the first and the last cell of the box, both included."""
        assert self.rounded is not None
        first, last = self.rounded[k]
        return first, last

    def edges(self, k: int) -> Float:
        """(P + 1,) the bins' edges in index coordinates.

        For RoIPool these are its fractional edges, before floor and ceil turn them into cells. For
        points from corner to corner of the box, they lie halfway between the points of two bins.
        """
        row = self.convention
        p = np.arange(self.bins + 1, dtype=np.float64)
        if row.positions == "corners" and not row.shared:
            p -= 0.5 / max(row.points_apart, 1)
        start = float(self._bins_begin[k])
        size = float(self.bin_size[k])
        if self.convention.kind == "piece":
            size = float(exact_sizes(self.length[k : k + 1], self.bins)[0])
        return start + p * size

    def lines(self, k: int) -> NDArray[np.float64]:
        """(P + 1,) the bins' edges on a map whose cell i goes from i − ½ to i + ½.

        The same as `edges`, except that RoIPool counts whole cells, each from its own beginning.
        """
        edges: NDArray[np.float64] = np.asarray(self.edges(k), dtype=np.float64)
        return edges if self.rounded is None else edges - 0.5

    def quantized_edges(self, k: int) -> tuple[Float, Int]:
        """RoIPool: (P, 2) the bins' edges before and after floor and ceil.

        Before: in cells, counted as in `bin_steps`. After: the first cell and the end cell
        (exclusive), on the map or not.
        """
        before, after = pool_edges(self.one(k))
        return before[0], after[0]

    def size_before(self, k: int) -> Number:
        """The box's size before any minimum; for RoIPool, including both end cells."""
        size: Number = self.end[k] - self.begin[k]
        if self._is_rounded:
            assert self.rounded is not None
            size = self.rounded[k, 1] - self.rounded[k, 0] + int(self.convention.end_cell)
        elif self.convention.normalized:
            size = self.length[k]
        elif self.convention.kind != "cell":
            size = size + size.dtype.type(self.convention.added_cell)
        return size

    @property
    def _is_rounded(self) -> bool:
        return self.rounded is not None and self.convention.rounding != "none"

    @property
    def _bins_begin(self) -> Float | Int:
        """(K,) where the first bin begins."""
        if self._is_rounded:
            assert self.rounded is not None
            return self.rounded[:, 0]
        return self.begin

    def steps(self, k: int) -> Iterator[Step]:
        """The numbers rounded or bounded once for the whole of box k."""
        row = self.convention
        if self.rounded is not None:
            rule = _ROUNDINGS.get(row.rounding)
            if rule is None and row.min_size is not None:
                yield Step(
                    "size", f"at least {row.min_size:g}", self.size_before(k), self.length[k]
                )
            if rule is not None:
                yield Step("first cell", rule, self.begin[k], self.rounded[k, 0])
                yield Step("last cell", rule, self.end[k], self.rounded[k, 1])
                yield Step("size", "at least 1", self.size_before(k), self.length[k])
        elif row.min_size is not None and not row.normalized:
            yield Step("size", f"at least {row.min_size:g}", self.size_before(k), self.length[k])
        if row.kind == "sample" and row.sampling_ratio == "adaptive":
            rounded = self.count[k] or np.ceil(self.bin_size[k])
            yield Step("samples per bin", "up", self.bin_size[k], rounded)
            if rounded != self.count[k]:
                rule = "none, if one has none"
                yield Step("samples of both axes", rule, rounded, self.count[k])

    def bin_steps(self, k: int, p: int) -> Iterator[Step]:
        """The numbers rounded or bounded for bin p of box k: RoIPool's two edges.

        Before they are rounded, edges are in cells from the box's first cell, or, if corners are
        not rounded, in index coordinates.
        """
        if self.rounded is None:
            return
        before, after = self.quantized_edges(k)
        first = self.rounded[k, 0] * self._is_rounded
        on_map = np.clip(after[p], 0, self.size - self.convention.unread)
        yield Step("first cell of the bin", "down", before[p, 0], after[p, 0] - first)
        yield Step("cell after the bin", "up", before[p, 1], after[p, 1] - first)
        yield Step("first cell of the bin", "to the map", after[p, 0], on_map[0])
        yield Step("cell after the bin", "to the map", after[p, 1], on_map[1])


_ROUNDINGS: Final = {
    "half-away": "to the nearest, half away from zero",
    "half-even": "to the nearest, half to even",
}


def pool_edges(axis: Axis) -> tuple[Float, Int]:
    """(K, P, 2) where RoIPool's bins begin and end, before `floor` and `ceil` and after them.

    Before: in cells from the box's first, or, if corners are not rounded, in index coordinates.
    """
    assert axis.rounded is not None
    real = axis.bin_size.dtype
    p = np.arange(axis.bins, dtype=real)
    before = np.stack([p, p + real.type(1)], 1) * axis.bin_size[:, None, None]
    if axis.convention.rounding == "none":
        before = before + axis.begin[:, None, None]
        cells = whole(np.stack([np.floor(before[..., 0]), np.ceil(before[..., 1])], 2))
        return before, np.where(axis.length[:, None, None] > 0, cells, 0)
    cells = np.stack([np.floor(before[..., 0]), np.ceil(before[..., 1])], 2).astype(np.int64)
    return before, cells + axis.rounded[:, :1, None]


def exact_edges(axis: Axis) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(K·P,) where the exact integral begins and ends each bin."""
    begin = np.repeat(axis.begin.astype(np.float64), axis.bins)
    bin_size = np.repeat(exact_sizes(axis.length, axis.bins), axis.bins)
    p = np.tile(np.arange(axis.bins, dtype=np.float64), len(axis.begin))
    return begin + p * bin_size, begin + (p + 1.0) * bin_size


def exact_sizes(length: Float, bins: int) -> NDArray[np.float64]:
    """The bins' sizes in float64, so that they tile the box whatever its own precision."""
    return length.astype(np.float64) / bins
