"""The definitions, literally: RoIAlign, RoIPool and crop-and-resize in plain loops.

This is what the fast cores are tested against, so it shares nothing with them but the table of
conventions, and it is written to be read beside a framework's source. It is slow.

Positions are computed in float32 for float32, float16 and integer maps, in float64 for float64
maps, and in the order of operations that the convention names. Everything read from the map is
summed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.errors import ArgumentError, BoxError

Array = NDArray[Any]
Number = Any  # one np.float32 or np.float64: arithmetic between two of a kind stays in that kind
Weight = tuple[int, float]  # a cell along one axis, and what it counts there
Corner = tuple[int, int, float]  # a cell of the map, and what it counts
Channel = list[list[float]]


def roi_align(
    features: Array,
    boxes: Array,
    output_size: tuple[int, int],
    spatial_scale: float,
    convention: Convention,
) -> NDArray[np.float64]:
    """RoIAlign or crop-and-resize of K boxes on one map, as the convention defines it.

    features: (C, H, W).
    boxes: (K, 4) xyxy, in image coordinates; fractions of size − 1 where the row is normalized.
    output_size: (PH, PW). spatial_scale: cells a pixel.

    Returns (K, C, PH, PW) float64. Raises BoxError, naming the box, where the framework refuses it.
    """
    dtype = coordinate_dtype(features)
    size = features.shape[1:]
    pooled = np.empty((len(boxes), len(features), *output_size))
    for k, box in enumerate(boxes):
        bins = _bins(box, size, output_size, spatial_scale, convention, dtype, f"box {k}")
        for c, channel in enumerate(features.astype(np.float64).tolist()):
            for py, bin_y in enumerate(bins.y):
                for px, bin_x in enumerate(bins.x):
                    if convention.sampling_ratio == "exact":
                        value = _integral(channel, bin_y, bin_x, convention)
                    else:
                        value = _pooled_samples(channel, bin_y, bin_x, bins.samples, convention)
                    pooled[k, c, py, px] = value
    return pooled


def roi_pool(
    features: Array,
    boxes: Array,
    output_size: tuple[int, int],
    spatial_scale: float,
    convention: Convention,
) -> NDArray[np.float64]:
    """RoIPool of K boxes on one map; arguments and result as in `roi_align`.

    NaN never wins a maximum.
    """
    dtype = coordinate_dtype(features)
    height, width = features.shape[1:]
    bins_y, bins_x = output_size
    pooled = np.empty((len(boxes), len(features), *output_size))
    for k, (x1, y1, x2, y2) in enumerate(boxes.astype(dtype)):
        ranges_y = _cell_ranges(y1, y2, height, bins_y, spatial_scale, convention)
        ranges_x = _cell_ranges(x1, x2, width, bins_x, spatial_scale, convention)
        for c, channel in enumerate(features.astype(np.float64).tolist()):
            for py, cells_y in enumerate(ranges_y):
                for px, cells_x in enumerate(ranges_x):
                    cells = [channel[y][x] for y in cells_y for x in cells_x]
                    pooled[k, c, py, px] = _pooled_cells(cells, convention)
    return pooled


def samples(
    box: Array,
    map_size: tuple[int, int],
    output_size: tuple[int, int],
    spatial_scale: float,
    convention: Convention,
    dtype: type[np.float32] | type[np.float64],
) -> tuple[Array, Array]:
    """Where one box is sampled, in index coordinates, those out of range included.

    Returns (PH, samples per bin) for y and (PW, samples per bin) for x, in dtype. Neither has
    samples where an adaptive ratio gives the box none along one axis.
    Raises BoxError where the framework refuses the box.
    """
    if convention.sampling_ratio == "exact":
        raise ArgumentError("an exact integral has no samples: give a sampling ratio")
    bins = _bins(box, map_size, output_size, spatial_scale, convention, dtype, "the box")
    return np.array(bins.y, dtype=dtype), np.array(bins.x, dtype=dtype)


def coordinate_dtype(features: Array) -> type[np.float32] | type[np.float64]:
    """The precision of positions on that map."""
    return np.float64 if features.dtype.newbyteorder("=") == np.float64 else np.float32


# A box → its bins, each axis by itself.


class _Bins(NamedTuple):
    """One box's bins: for each its samples, or for the exact integral its two edges."""

    y: list[list[Number]]
    x: list[list[Number]]
    samples: int  # in each bin: the count along y times that along x, even if both are negative


def _bins(
    box: Array,
    map_size: tuple[int, ...],
    output_size: tuple[int, int],
    spatial_scale: float,
    convention: Convention,
    dtype: type[np.float32] | type[np.float64],
    name: str,
) -> _Bins:
    x1, y1, x2, y2 = box.astype(dtype)
    (height, width), (bins_y, bins_x) = map_size, output_size
    if convention.normalized:
        return _Bins(
            _fraction_points(y1, y2, height, bins_y), _fraction_points(x1, x2, width, bins_x), 1
        )

    scale = dtype(spatial_scale)
    start_y, size_y = _start_and_size(y1, y2, scale, height, convention)
    start_x, size_x = _start_and_size(x1, x2, scale, width, convention)
    if convention.positions == "corners":
        return _Bins(
            _corner_points(start_y, size_y, bins_y, convention),
            _corner_points(start_x, size_x, bins_x, convention),
            int(convention.sampling_ratio) ** 2,
        )
    if convention.reversed_boxes == "raise" and (size_y < 0 or size_x < 0):
        raise BoxError(f"{name} is reversed, which {convention.name} refuses")
    if convention.sampling_ratio == "exact":
        return _Bins(_edges(start_y, size_y, bins_y), _edges(start_x, size_x, bins_x), 0)

    if convention.sampling_ratio == "adaptive":
        count_y = math.ceil(size_y / dtype(bins_y))
        count_x = math.ceil(size_x / dtype(bins_x))
        if convention.min_samples:
            count_y, count_x = (max(n, convention.min_samples) for n in (count_y, count_x))
        if count_y * count_x < 0:
            raise BoxError(f"{name} is reversed along one axis, which {convention.name} refuses")
        if count_y <= 0 or count_x <= 0:
            return _Bins([[]] * bins_y, [[]] * bins_x, count_y * count_x)
    else:
        count_y = count_x = convention.sampling_ratio
    return _Bins(
        _sample_points(start_y, size_y, bins_y, count_y, convention),
        _sample_points(start_x, size_x, bins_x, count_x, convention),
        count_y * count_x,
    )


def _start_and_size(
    low: Number, high: Number, scale: Number, cells: int, convention: Convention
) -> tuple[Number, Number]:
    real = type(low)
    before, after = real(convention.offset_before), real(convention.offset_after)
    start = (low + before) * scale
    end = (high + before + real(convention.added_pixel)) * scale
    if convention.clipped:
        start, end = (min(max(v, real(0)), real(cells)) for v in sorted((start, end)))
    start, end = start + after, end + after
    size = end - start + real(convention.added_cell)
    if convention.min_size is not None:
        size = max(size, real(convention.min_size))
    return start, size


def _sample_points(
    start: Number, size: Number, bins: int, count: int, convention: Convention
) -> list[list[Number]]:
    real = type(start)
    bin_size = size / real(bins)
    g = real(count)

    def position(p: Number, half: Number) -> Number:
        if convention.positions == "scaled-step":
            return start + p * bin_size + half * bin_size / g
        if convention.positions == "step-scaled":
            return start + p * bin_size + (bin_size / g) * half
        return start + bin_size * (p + half / g)

    at = convention.sample_at
    return [[position(real(p), real(i + at)) for i in range(count)] for p in range(bins)]


def _corner_points(
    start: Number, size: Number, bins: int, convention: Convention
) -> list[list[Number]]:
    """Points from corner to corner of the box, of which each bin takes one or two each way."""
    real = type(start)
    each = int(convention.sampling_ratio)
    first = [p * (each - 1 if convention.shared else each) for p in range(bins)]
    last = first[-1] + each - 1
    if last == 0:
        return [[real(float(start) + float(size) / 2)]]
    step = size / real(last)
    return [[start + real(j + i) * step for i in range(each)] for j in first]


def _fraction_points(low: Number, high: Number, cells: int, bins: int) -> list[list[Number]]:
    """Crop-and-resize: one point a bin, the first and last on the box's corners."""
    real = type(low)
    last = real(cells - 1)
    if bins == 1:
        return [[real(0.5) * (low + high) * last]]
    step = (high - low) * last / real(bins - 1)
    return [[low * last + real(p) * step] for p in range(bins)]


def _edges(start: Number, size: Number, bins: int) -> list[list[float]]:
    bin_size = float(size) / bins
    return [[float(start) + p * bin_size, float(start) + (p + 1) * bin_size] for p in range(bins)]


def _cell_ranges(
    low: Number,
    high: Number,
    cells: int,
    bins: int,
    spatial_scale: float,
    convention: Convention,
) -> list[range]:
    """RoIPool: the cells of each bin, none for a bin off the map."""
    real = type(low)
    low, high = (v * real(spatial_scale) for v in (low, high + real(convention.added_pixel)))
    if convention.rounding == "none":
        step = (high - low) / real(bins)
        edges = [
            (math.floor(real(p) * step + low), math.ceil(real(p + 1) * step + low))
            for p in range(bins)
        ]
        if high <= low:
            return [range(0)] * bins
        return [range(max(first, 0), min(after_last, cells)) for first, after_last in edges]
    to_whole = _round_half_away if convention.rounding == "half-away" else round
    start, end = to_whole(low), to_whole(high)
    size = max(end - start + 1, 1)  # the end cell belongs to the box, and a box has one at least
    bin_size = real(size) / real(bins)
    ranges = []
    for p in range(bins):
        first = start + math.floor(real(p) * bin_size)
        after_last = start + math.ceil(real(p + 1) * bin_size)
        ranges.append(range(max(first, 0), min(after_last, cells)))
    return ranges


def _round_half_away(v: Number) -> int:
    whole: int = math.floor(abs(v))
    away = whole + 1 if abs(v) - whole >= 0.5 else whole
    return away if v >= 0 else -away


# One bin of one channel.


def _pooled_samples(
    channel: Channel, ys: list[Number], xs: list[Number], count: int, convention: Convention
) -> float:
    if count == 0:
        return convention.void_value
    if not ys:
        return 0.0  # reversed along both axes: a positive count, and nothing to count
    size_y, size_x = len(channel), len(channel[0])
    grid = [
        _corners(_read(y, size_y, convention), _read(x, size_x, convention)) for y in ys for x in xs
    ]
    if convention.border == "extrapolate" and None in grid:
        return convention.void_value
    reduce = {"avg": _average, "max": _maximum, "corner-max": _corner_maximum}[convention.reduction]
    return reduce(channel, grid, convention.max_start)


def _average(channel: Channel, grid: list[list[Corner] | None], _: float) -> float:
    return sum(_interpolated(channel, corners) for corners in grid) / len(grid)


def _maximum(channel: Channel, grid: list[list[Corner] | None], start: float) -> float:
    return _largest((_interpolated(channel, corners) for corners in grid), start)


def _corner_maximum(channel: Channel, grid: list[list[Corner] | None], start: float) -> float:
    """The maximum over each sample's four weighted neighbours, each a candidate by itself."""
    candidates = (
        _weighted(channel, corner) for corners in grid for corner in corners or [(0, 0, 0.0)]
    )
    return _largest(candidates, start)


def _interpolated(channel: Channel, corners: list[Corner] | None) -> float:
    return sum(_weighted(channel, corner) for corner in corners or [])


def _weighted(channel: Channel, corner: Corner) -> float:
    y, x, weight = corner
    return weight * channel[y][x] if weight else 0.0  # a cell that counts nothing may hold NaN


def _largest(values: Iterator[float], start: float) -> float:
    best = start
    for value in values:
        if value > best:  # never true of NaN
            best = value
    return best


def _corners(y: list[Weight] | None, x: list[Weight] | None) -> list[Corner] | None:
    """The four neighbours of a sample, or None where either coordinate is out of range."""
    if y is None or x is None:
        return None
    return [(cell_y, cell_x, wy * wx) for cell_y, wy in y for cell_x, wx in x]


def _read(position: Number, size: int, convention: Convention) -> list[Weight] | None:
    """The two neighbours of a position along one axis, or None where it is out of range."""
    at, last, border = float(position), size - 1, convention.border
    if border in ("extrapolate", "inside"):
        if at < 0 or at > last:
            return None
    elif border == "continue":
        if at < 0 or at >= size:
            return None
    elif border != "repeat" and (at < -1 or at > size):
        return None
    if border not in ("zero", "continue"):
        at = min(max(at, 0.0), float(last))
    low = math.floor(at)
    if border == "continue" and low == last > 0:
        low = last - 1  # on the line through the last two cells
    elif border == "continue" and last == 0:
        return [(0, 1.0)]
    part = at - low
    if convention.interpolation == "nearest":
        low, part = (low + 1, 0.0) if part >= 0.5 else (low, 0.0)
    return [_on_map(low, 1 - part, size), _on_map(low + 1, part, size)]


def _on_map(cell: int, weight: float, size: int) -> Weight:
    """The neighbour itself, or one without weight if it lies beyond the map."""
    return (cell, weight) if 0 <= cell < size else (0, 0.0)


def _integral(
    channel: Channel, edges_y: list[float], edges_x: list[float], convention: Convention
) -> float:
    (low_y, high_y), (low_x, high_x) = edges_y, edges_x
    if low_y == high_y or low_x == high_x:
        return convention.void_value
    weights_y = _integrals(low_y, high_y, len(channel), convention)
    weights_x = _integrals(low_x, high_x, len(channel[0]), convention)
    total = sum(
        _weighted(channel, (y, x, wy * wx))
        for y, wy in enumerate(weights_y)
        for x, wx in enumerate(weights_x)
    )
    return total / ((high_y - low_y) * (high_x - low_x))


def _integrals(low: float, high: float, size: int, convention: Convention) -> list[float]:
    """For each cell, the integral from low to high of what it counts at each point of the axis."""
    if high < low:
        return [-w for w in _integrals(high, low, size, convention)]
    last, clamped = size - 1, convention.border != "zero"

    def piece(a: float, b: float) -> tuple[float, float]:
        """The length and the middle of what the bin has of [a, b]."""
        a, b = max(a, low), min(b, high)
        return max(b - a, 0.0), (a + b) / 2

    # Between neighbouring cell centres the weights are straight lines: take their middles.
    weights = []
    for i in range(size):
        length, middle = piece(i - 1, i)
        rising = length * (1 if clamped and i == 0 else middle - (i - 1))
        length, middle = piece(i, i + 1)
        falling = length * (1 if clamped and i == last else (i + 1) - middle)
        weights.append(rising + falling)
    return weights


def _pooled_cells(cells: list[float], convention: Convention) -> float:
    if not cells:
        return convention.void_value
    if convention.mode == "avg":
        return sum(cells) / len(cells)
    return _largest(iter(cells), convention.max_start)
