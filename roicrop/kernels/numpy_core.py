"""The NumPy core: applies a plan with whole-array operations, box by box.

The matrices of a plan are applied by `reduceat`, which never adds one bin's cells to another's: a
cell without weight has no effect, whatever its value.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.sampling import AxisPlan, Bool, Float, SeparablePlan, TurnedPlan, plan

NAME: Final = "numpy"
WORK_AT_ONCE: Final = 1 << 27

# These bound the memory of the plans made at a time, and of the values read from a map at a time.
# The plan for one box is always made whole, and grows with its cells along an axis.
_TAPS: Final = 1 << 17
_VALUES: Final = 1 << 19


def crop(
    features: Float,
    image_index: NDArray[np.int64],
    boxes: Float,
    out: Float,
    *,
    convention: Convention,
    spatial_scale: float,
    threads: int,
    map_size: tuple[int, int] | None = None,
    origin: tuple[int, int] = (0, 0),
    places: tuple[NDArray[np.int32], NDArray[np.int32]] | None = None,
    rows: NDArray[np.int64] | None = None,
) -> None:
    """Pool every box into `out`.

    Arguments as in `roicrop.kernels.Core`. threads is unused; NumPy's own operations decide.
    """
    height, width = map_size or features.shape[2:]
    at_once = _boxes_at_once((height, width), out, convention)
    for start in range(0, len(boxes), at_once):
        block = slice(start, start + at_once)
        planned = plan(
            boxes[block],
            (height, width),
            (out.shape[2], out.shape[3]),
            convention=convention,
            spatial_scale=spatial_scale,
            dtype=boxes.dtype.type,
        )
        with np.errstate(all="ignore"):
            for k, image in enumerate(image_index[block]):
                row = start + k if rows is None else rows[start + k]
                window = _Window(features[image], *(places or origin))
                if isinstance(planned, TurnedPlan):
                    _pool_turned(window, planned, k, out[row])
                    continue
                assert isinstance(planned, SeparablePlan)
                if convention.position_sensitive:
                    _pool_by_position(window, planned, k, out[row])
                else:
                    y, x = (
                        _Bins(axis, k * axis.bins, axis.bins) for axis in (planned.y, planned.x)
                    )
                    _pool_box(window, y, x, out[row])


class _Window(NamedTuple):
    """The cells (C, h, w) of a map that are in memory.

    y, x: the row and column of the map at which they begin, or the place of each row and each
        column of the map among them, −1 for a missing one.
    """

    cells: Float
    y: _Places
    x: _Places

    def at(self, y: NDArray[Any], x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The rows and columns of the map that a box reads, as rows and columns of the window."""
        placed = [
            places[cells] if isinstance(places, np.ndarray) else cells - places
            for cells, places in ((y, self.y), (x, self.x))
        ]
        for cells, size in zip(placed, self.cells.shape[1:], strict=True):
            if cells.min() < 0 or cells.max() >= size:
                raise ValueError("a box reads cells outside the window of the map")
        return placed[0], placed[1]


_Places = int | NDArray[np.int32]


class _Bins(NamedTuple):
    """A run of bins along an axis of some boxes, starting at `first`."""

    axis: AxisPlan
    first: int
    bins: int

    @property
    def ptr(self) -> NDArray[np.int64]:
        """Where the rows of each bin begin, and where those of the last end."""
        return self.axis.rows.bin_ptr[self.first : self.first + self.bins + 1]

    @property
    def rows(self) -> slice:
        """The rows of these bins."""
        return slice(int(self.ptr[0]), int(self.ptr[-1]))

    @property
    def cells(self) -> NDArray[np.int32]:
        """The cells that these bins read."""
        rows, row_ptr = self.rows, self.axis.rows.row_ptr
        return self.axis.rows.cells[row_ptr[rows.start] : row_ptr[rows.stop]]

    def of(self, per_bin: Bool) -> Bool:
        """The part for these bins of an array with an entry per bin."""
        return per_bin[self.first : self.first + self.bins]


def _boxes_at_once(map_size: tuple[int, int], out: Float, convention: Convention) -> int:
    ratio = convention.sampling_ratio if isinstance(convention.sampling_ratio, int) else 1
    bins = out.shape[2:]
    samples = math.prod(bins) * ratio**2 if convention.turned else sum(bins) * ratio
    return max(1, min(4096, _TAPS // (2 * (sum(map_size) + samples))))


def _pool_turned(window: _Window, planned: TurnedPlan, k: int, out: Float) -> None:
    bins, rows = math.prod(out.shape[1:]), planned.rows
    row_ptr = rows.row_ptr[k * bins : (k + 1) * bins + 1]
    taps = slice(int(row_ptr[0]), int(row_ptr[-1]))
    y, x = np.divmod(rows.cells[taps], planned.x.size)
    if len(y):
        y, x = window.at(y, x)
    weights = rows.weights[taps]
    channels = max(1, _VALUES // max(len(y), 1))
    for c in range(0, len(window.cells), channels):
        cells = window.cells[c : c + channels, y, x].astype(weights.dtype, copy=False)
        pooled = _reduceat(np.add, cells * weights, row_ptr - row_ptr[0], 1)
        pooled[:, rows.void[k * bins : (k + 1) * bins]] = planned.convention.void_value
        out[c : c + channels] = pooled.reshape(-1, *out.shape[1:])


def _pool_by_position(window: _Window, planned: SeparablePlan, k: int, out: Float) -> None:
    """Pool each bin from its own channels, as a box with one bin."""
    y, x = planned.y, planned.x
    for p, q in np.ndindex(y.bins, x.bins):
        cells = window.cells[p * x.bins + q :: y.bins * x.bins]
        own = _Bins(y, k * y.bins + p, 1), _Bins(x, k * x.bins + q, 1)
        _pool_box(window._replace(cells=cells), *own, out[:, p : p + 1, q : q + 1])


def _pool_box(window: _Window, y: _Bins, x: _Bins, out: Float) -> None:
    y_cells, x_cells = y.cells, x.cells
    if len(y_cells) and len(x_cells):
        y_cells, x_cells = window.at(y_cells, x_cells)
    else:  # nothing is read, so the window does not matter
        nothing = np.zeros((), window.cells.dtype)
        size = y.axis.size, x.axis.size
        window = _Window(np.broadcast_to(nothing, (len(window.cells), *size)), 0, 0)
    left = int(x_cells.min(initial=x.axis.size))
    right = max(int(x_cells.max(initial=-1)) + 1, left)
    rows, taps = y.rows, max(len(y_cells), 1)
    of_a_channel = max(taps * (right - left), (rows.stop - rows.start) * len(x_cells), 1)
    channels, columns = max(1, _VALUES // of_a_channel), max(1, _VALUES // taps)
    for c in range(0, len(window.cells), channels):
        some = window.cells[c : c + channels]
        blocks = [some[:, :, at : min(at + columns, right)] for at in range(left, right, columns)]
        places = y_cells, x_cells - left
        out[c : c + channels] = _pool(blocks or [some[:, :, :0]], y, x, places)


def _pool(
    blocks: list[Float], y: _Bins, x: _Bins, places: tuple[NDArray[Any], NDArray[Any]]
) -> Float:
    """Of some channels, from blocks of columns side by side. places: there, of the bins' cells."""
    row = y.axis.convention
    over_taps = np.fmax if _takes_maximum_of_taps(row) else np.add
    parts = [_cells_to_rows(block, y, places[0], over_taps, axis=1) for block in blocks]
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
    rows = _cells_to_rows(rows, x, places[1], over_taps, axis=2)
    pooled = _rows_to_bins(_rows_to_bins(rows, y, axis=1), x, axis=2)
    if row.mode == "max":
        zero = y.of(y.axis.rows.zero)[:, None] | x.of(x.axis.rows.zero)
        least = np.where(zero, max(row.max_start, 0.0), row.max_start)
        pooled = np.fmax(pooled, least.astype(pooled.dtype))
    void = y.of(y.axis.rows.void)[:, None] | x.of(x.axis.rows.void)
    pooled[:, void] = row.void_value
    return pooled


def _takes_maximum_of_taps(convention: Convention) -> bool:
    if convention.kind == "cell":
        return convention.mode == "max"
    return convention.reduction == "corner-max"


def _cells_to_rows(
    values: Float, bins: _Bins, places: NDArray[Any], over_taps: np.ufunc, *, axis: int
) -> Float:
    rows = bins.axis.rows
    row_ptr = rows.row_ptr[bins.rows.start : bins.rows.stop + 1]
    taps = slice(int(row_ptr[0]), int(row_ptr[-1]))
    weights = rows.weights[taps].reshape([-1 if a == axis else 1 for a in range(3)])
    # Not np.take, which first copies an array that is not contiguous.
    cells = values[(slice(None),) * axis + (places,)]
    weighted = cells.astype(weights.dtype, copy=False) * weights
    return _reduceat(over_taps, weighted, row_ptr - row_ptr[0], axis)


def _rows_to_bins(values: Float, bins: _Bins, *, axis: int) -> Float:
    return _reduceat(np.fmax, values, bins.ptr - bins.ptr[0], axis)


def _reduceat(ufunc: np.ufunc, values: Float, ptr: NDArray[np.int64], axis: int) -> Float:
    """`ufunc.reduceat`, except that an empty segment gives 0 as a sum, or −∞ as a maximum."""
    shape = list(values.shape)
    shape[axis] = len(ptr) - 1
    nothing: Any = 0.0 if ufunc is np.add else -np.inf
    reduced = np.full(shape, nothing, dtype=values.dtype)
    full = ptr[1:] > ptr[:-1]
    if full.any():
        place = (slice(None),) * axis + (full,)
        reduced[place] = ufunc.reduceat(values, ptr[:-1][full], axis=axis)
    return reduced
