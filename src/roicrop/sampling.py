"""The plan: which cells of the map make each bin, and with which weights.

An axis-aligned RoI operator is two small sparse matrices a box, one for each axis:

    pooled[c] = R_y · F[c] · R_xᵀ            (R: rows × cells of the feature map)

A *row* is what the kernels reduce before they reduce over rows:

    average, exact integral, corner maximum, RoIPool     one row a bin
    maximum over samples                                 one row a sample

`plan` builds both matrices for many boxes at once, in the precision and order of operations that
the convention names, and keeps the numbers behind them (corners, sizes, counts), from which
`AxisPlan.samples` gives back every sample. The kernels apply the rows, `explain` prints them, the
pictures draw them; there is no second place that knows where an operator samples.

The exact integral needs no rule of its own. On the unit interval between two cell centres the
interpolated map is linear, so its integral over a piece of that interval is the piece's length
times the value at the piece's middle: one weighted sample for each cell that a bin crosses.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.errors import ArgumentError, BoxError

Float = NDArray[np.floating[Any]]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


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
        return _scaled(box, self.convention, self.spatial_scale), np.array(index)

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
            size = float(_exact_sizes(self.length[k : k + 1], self.bins)[0])
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
        before, after = _pool_edges(self.rounded[k : k + 1], self.bin_size[k : k + 1], self.bins)
        return before[0], after[0]

    def samples(self, k: int) -> Samples:
        """Every sample of box k, bin by bin, those out of range included.

        Of an RoI so large that it has over a million samples, only those in range are given.
        """
        one = slice(k, k + 1)
        roi = _Roi(
            self.begin[one],
            self.end[one],
            None,
            self.length[one],
            self.bin_size[one],
            self.count[one],
        )
        everything = abs(int(self.count[k])) * self.bins <= _MAX_LISTED
        with np.errstate(under="ignore", over="ignore"):
            return _samples(
                roi, self.convention, self.size, self.bins, in_range_only=not everything
            )


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
        roi_y, roi_x = _rois(corners, map_size, output_size, convention, spatial_scale)
        _refuse_reversed(roi_y, roi_x, convention)
        if convention.sampling_ratio == "adaptive":
            _agree_on_no_samples(roi_y, roi_x)
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
        _refuse_reversed(*_rois(boxes, (1, 1), output_size, convention, spatial_scale), convention)


@dataclass(frozen=True, slots=True)
class _Roi:
    """One axis of K boxes after scaling, before sampling; fields as in AxisPlan."""

    begin: Float
    end: Float
    rounded: Int | None
    length: Float
    bin_size: Float
    count: Int


_MAX_LISTED: Final = 1_000_000
_MAX_COUNT: Final = 2**31 - 1  # the frameworks count in a C int
_SEARCH_FROM: Final = 64  # samples a bin beyond which those in range are searched for


def _rois(
    boxes: Float,
    map_size: tuple[int, int],
    output_size: tuple[int, int],
    convention: Convention,
    spatial_scale: float,
) -> tuple[_Roi, _Roi]:
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
) -> _Roi:
    real = low.dtype.type
    none = np.zeros(len(low), dtype=np.int64)
    if convention.positions == "corners":
        span = real(size - 1)
        begin, end, length = low * span, high * span, (high - low) * span
        if bins > 1:
            return _Roi(begin, end, None, length, length / real(bins - 1), none + 1)
        middle = (0.5 * (low + high).astype(np.float64) * float(span)).astype(low.dtype)
        return _Roi(middle, end, None, length, np.zeros_like(middle), none + 1)

    begin, end = (
        _scaled(v, convention, spatial_scale) + real(convention.offset_after) for v in (low, high)
    )
    if convention.operator == "pool":
        first, last = _round_half_away(begin), _round_half_away(end)
        length = np.maximum(last - first + 1, 1).astype(low.dtype)
        return _Roi(begin, end, np.stack([first, last], 1), length, length / real(bins), none)

    length = end - begin
    if convention.min_size is not None:
        length = np.maximum(length, real(convention.min_size))
    bin_size = length / real(bins)
    if convention.sampling_ratio == "exact":
        return _Roi(begin, end, None, length, bin_size, none)
    if convention.sampling_ratio == "adaptive":
        count = np.clip(np.ceil(bin_size), -_MAX_COUNT, _MAX_COUNT).astype(np.int64)
    else:
        count = none + convention.sampling_ratio
    return _Roi(begin, end, None, length, bin_size, count)


def _scaled(v: Float, convention: Convention, spatial_scale: float) -> Float:
    real = v.dtype.type
    scaled: Float = (v + real(convention.offset_before)) * real(spatial_scale)
    return scaled


def _round_half_away(v: Float) -> Int:
    whole = np.trunc(v)
    whole = whole + np.copysign(np.abs(v - whole) >= 0.5, v)
    return np.clip(whole, -_MAX_COUNT, _MAX_COUNT).astype(np.int64)


def _refuse_reversed(y: _Roi, x: _Roi, convention: Convention) -> None:
    if convention.reversed_boxes == "raise":
        _refuse((y.length < 0) | (x.length < 0), "is reversed", convention)
    if convention.sampling_ratio == "adaptive":
        mixed = (y.count < 0) & (x.count > 0) | (y.count > 0) & (x.count < 0)
        _refuse(mixed, "is reversed along one axis only, with an adaptive ratio", convention)


def _refuse(bad: Bool, what: str, convention: Convention) -> None:
    if bad.any():
        raise BoxError(
            f"box {int(np.argmax(bad))} {what}, which {convention.name} refuses: "
            "swap its corners or leave it out"
        )


def _agree_on_no_samples(y: _Roi, x: _Roi) -> None:
    empty = (y.count == 0) | (x.count == 0)
    y.count[empty] = 0
    x.count[empty] = 0


def _axis(roi: _Roi, convention: Convention, size: int, bins: int) -> AxisPlan:
    rows = _pool_rows if convention.operator == "pool" else _sample_rows
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


_Rows = tuple[Int, Int, Int, Float, Bool, Bool]


def _pool_rows(roi: _Roi, convention: Convention, size: int, bins: int) -> _Rows:
    assert roi.rounded is not None
    cells = np.clip(_pool_edges(roi.rounded, roi.bin_size, bins)[1], 0, size).reshape(-1, 2)
    low, high = cells[:, 0], cells[:, 1]
    width = np.maximum(high - low, 0)
    row, offset = _ragged(width)
    per_cell = 1.0 / np.maximum(width, 1) if convention.mode == "avg" else np.ones(len(width))
    ptr = _pointers(width)
    void = width == 0
    return np.arange(len(width) + 1), ptr, low[row] + offset, per_cell[row], void, void & False


def _pool_edges(rounded: Int, bin_size: Float, bins: int) -> tuple[Float, Int]:
    """(K, P, 2) where bins begin and end: in cells from the RoI's first, and as whole cells."""
    p = np.arange(bins, dtype=bin_size.dtype)
    before = np.stack([p, p + bin_size.dtype.type(1)], 1) * bin_size[:, None, None]
    whole = np.stack([np.floor(before[..., 0]), np.ceil(before[..., 1])], 2)
    return before, whole.astype(np.int64) + rounded[:, :1, None]


def _sample_rows(roi: _Roi, convention: Convention, size: int, bins: int) -> _Rows:
    s = _samples(roi, convention, size, bins, in_range_only=True)
    n = len(roi.begin) * bins
    inside_count = np.bincount(s.bin, minlength=n).astype(np.int64)
    count = np.repeat(roi.count, bins)
    reduction = convention.reduction
    exact = convention.sampling_ratio == "exact"
    if exact:
        one, other = _exact_edges(roi, bins)
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
        row_ptr = _pointers(keep.sum(1))
        return _pointers(inside_count), row_ptr, cells[keep], weights[keep], void, zero
    bin_of_tap = np.repeat(s.bin, 2).reshape(-1, 2)
    row_ptr = _pointers(np.bincount(bin_of_tap[keep], minlength=n))
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
    first = _pointers(inside_count)[has]
    last = first + inside_count[has] - 1
    low, high = np.zeros(n, np.int64), np.full(n, -1, np.int64)
    low[has] = np.minimum(s.low[first], s.low[last])
    high[has] = np.maximum(s.high[first], s.high[last])
    band = _pointers(high - low + 1)

    tap = (band[s.bin] - low[s.bin])[:, None] + np.stack([s.low, s.high], 1)
    gift = np.stack([s.weight_low, s.weight_high], 1).astype(np.float64) * s.share[:, None]
    summed = np.bincount(tap.ravel(), weights=gift.ravel(), minlength=int(band[-1]))
    row, offset = _ragged(high - low + 1)
    weights = (summed / total[row]).astype(dtype)
    keep = weights != 0
    taps = np.bincount(row[keep], minlength=n)
    return _pointers(taps), (low[row] + offset)[keep], weights[keep]


def _samples(
    roi: _Roi, convention: Convention, size: int, bins: int, *, in_range_only: bool
) -> Samples:
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


def _grid(
    roi: _Roi, convention: Convention, size: int, bins: int, in_range_only: bool
) -> tuple[Int, Int, Float]:
    count = np.repeat(roi.count, bins)
    start = np.zeros_like(count)
    stop = np.maximum(count, 0)
    if in_range_only and count.max(initial=0) > _SEARCH_FROM:
        start, stop = _search_in_range(roi, convention, size, bins)
    bin_, index = _ragged(stop - start)
    index = index + start[bin_]
    return bin_, index, _position(roi, convention, bins, bin_, index)


def _position(roi: _Roi, convention: Convention, bins: int, bin_: Int, index: Int) -> Float:
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


def _search_in_range(roi: _Roi, convention: Convention, size: int, bins: int) -> tuple[Int, Int]:
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
    roi: _Roi, size: int, bins: int
) -> tuple[Int, Int, NDArray[np.float64], NDArray[np.float64]]:
    """Cut each bin at the cell centres: the middle and the length of each piece in [−1, size]."""
    one, other = _exact_edges(roi, bins)
    low = np.maximum(np.minimum(one, other), -1.0)
    high = np.minimum(np.maximum(one, other), float(size))
    first = np.floor(np.minimum(low, float(size))).astype(np.int64)
    last = np.ceil(np.maximum(high, -1.0)).astype(np.int64)
    bin_, index = _ragged(np.where(low < high, last - first, 0))
    left = (first[bin_] + index).astype(np.float64)
    a, b = np.maximum(left, low[bin_]), np.minimum(left + 1.0, high[bin_])
    return bin_, index, (a + b) * 0.5, b - a


def _exact_edges(roi: _Roi, bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(K·P,) where the exact integral begins each bin and ends it."""
    begin = np.repeat(roi.begin.astype(np.float64), bins)
    bin_size = np.repeat(_exact_sizes(roi.length, bins), bins)
    p = np.tile(np.arange(bins, dtype=np.float64), len(roi.begin))
    return begin + p * bin_size, begin + (p + 1.0) * bin_size


def _exact_sizes(length: Float, bins: int) -> NDArray[np.float64]:
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
    cell = np.clip(_round_half_away(position), 0, size - 1)
    weight = inside.astype(position.dtype)
    return inside, position, cell, cell, weight, np.zeros_like(weight)


def _ragged(lengths: Int) -> tuple[Int, Int]:
    """Rows of the given lengths, flattened: the row and the place in it of every entry."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    return row, np.arange(len(row)) - _pointers(lengths)[row]


def _pointers(lengths: NDArray[Any]) -> Int:
    ptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=ptr[1:])
    return ptr
