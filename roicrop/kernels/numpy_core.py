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
from roicrop.sampling import Float, Rows, SeparablePlan, TurnedPlan, plan

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

    features: (N, C, H, W) real numbers, with any strides and in any byte order.
    image_index: (K,) the image of each box.
    boxes: (K, 4) xyxy, or (K, 5) with an angle; float64 for float64 features, else float32.
    out: (K, C, PH, PW) of the features' dtype, in this machine's byte order, if that is
        float16, float32 or float64, else float32; with any strides.
    spatial_scale: cells per pixel.
    threads: how many may run at once; never changes the result. Here, NumPy decides.
    map_size, origin: `features` may be a window of a larger map of (H, W) cells. The plan is
        for the whole map, and the result is the same to the last bit; `origin` is the cell at
        which the window begins. Cells outside the window are never read.
    places: instead of `origin`, for a window of only some rows and columns of the map: the
        place in the window of each row (H,) and each column (W,), contiguous; −1 if missing.
    rows: (K,) the row of `out` for each box, contiguous; None means row k for box k. Rows
        without a box are left unchanged.

    Raises ValueError if a box reads a cell that the window lacks.
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
                elif isinstance(planned, SeparablePlan):
                    _pool_separable(window, planned, k, out[row])


class _Window(NamedTuple):
    """The cells (C, h, w) of a map that are in memory.

    y, x: the row and column of the map at which they begin, or the place of each row and each
        column of the map among them, −1 for a missing one.
    """

    cells: Float
    y: _Places
    x: _Places

    def at(self, y: _Cells, x: _Cells) -> tuple[_Cells, _Cells]:
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
_Cells = NDArray[Any]  # integers


def _boxes_at_once(map_size: tuple[int, int], out: Float, convention: Convention) -> int:
    ratio = convention.sampling_ratio if isinstance(convention.sampling_ratio, int) else 1
    bins = out.shape[2:]
    samples = math.prod(bins) * ratio**2 if convention.turned else sum(bins) * ratio
    return max(1, min(4096, _TAPS // (2 * (sum(map_size) + samples))))


def _pool_turned(window: _Window, planned: TurnedPlan, k: int, out: Float) -> None:
    bins = math.prod(out.shape[1:])
    rows = _rows_of(planned.rows, k * bins, bins)
    y, x = np.divmod(rows.cells, planned.x.size)
    if len(y):
        y, x = window.at(y, x)
    channels = max(1, _VALUES // max(len(y), 1))
    for c in range(0, len(window.cells), channels):
        cells = window.cells[c : c + channels, y, x].astype(rows.weights.dtype, copy=False)
        pooled = _reduceat(np.add, cells * rows.weights, rows.row_ptr, 1)
        pooled[:, rows.void] = planned.convention.void_value
        out[c : c + channels] = pooled.reshape(-1, *out.shape[1:])


def _pool_separable(window: _Window, planned: SeparablePlan, k: int, out: Float) -> None:
    y, x, row = planned.y, planned.x, planned.convention
    if not row.position_sensitive:
        own = _rows_of(y.rows, k * y.bins, y.bins), _rows_of(x.rows, k * x.bins, x.bins)
        _pool_box(window, *own, row, out)
        return
    # Each bin has channels of its own, and is pooled as a box with one bin.
    for p, q in np.ndindex(y.bins, x.bins):
        cells = window.cells[p * x.bins + q :: y.bins * x.bins]
        own = _rows_of(y.rows, k * y.bins + p, 1), _rows_of(x.rows, k * x.bins + q, 1)
        _pool_box(window._replace(cells=cells), *own, row, out[:, p : p + 1, q : q + 1])


def _rows_of(rows: Rows, first: int, bins: int) -> Rows:
    """The rows of a run of bins, starting at `first`."""
    bin_ptr = rows.bin_ptr[first : first + bins + 1]
    row_ptr = rows.row_ptr[bin_ptr[0] : bin_ptr[-1] + 1]
    taps, own = slice(int(row_ptr[0]), int(row_ptr[-1])), slice(first, first + bins)
    ptr = bin_ptr - bin_ptr[0], row_ptr - row_ptr[0]
    return Rows(*ptr, rows.cells[taps], rows.weights[taps], rows.void[own], rows.zero[own])


def _pool_box(window: _Window, y: Rows, x: Rows, row: Convention, out: Float) -> None:
    y_cells, x_cells = y.cells, x.cells
    if len(y_cells) and len(x_cells):
        y_cells, x_cells = window.at(y_cells, x_cells)
    else:  # nothing is read, so the window does not matter
        nothing = np.zeros((), window.cells.dtype)
        size = y_cells.max(initial=0) + 1, x_cells.max(initial=0) + 1
        window = _Window(np.broadcast_to(nothing, (len(window.cells), *size)), 0, 0)
    left, right = int(x_cells.min(initial=np.iinfo(np.int32).max)), int(x_cells.max(initial=-1)) + 1
    left = min(left, right)
    taps = max(len(y_cells), 1)
    of_a_channel = max(taps * (right - left), (len(y.row_ptr) - 1) * len(x_cells), 1)
    channels, columns = max(1, _VALUES // of_a_channel), max(1, _VALUES // taps)
    for c in range(0, len(window.cells), channels):
        some = window.cells[c : c + channels]
        blocks = [some[:, :, at : min(at + columns, right)] for at in range(left, right, columns)]
        places = y_cells, x_cells - left
        out[c : c + channels] = _pool(blocks or [some[:, :, :0]], y, x, places, row)


def _pool(
    blocks: list[Float], y: Rows, x: Rows, places: tuple[_Cells, _Cells], row: Convention
) -> Float:
    """Of some channels, from blocks of columns side by side. places: there, of the bins' cells."""
    of_samples = row.kind != "cell" and row.reduction != "corner-max"
    over_taps = np.add if row.mode == "avg" or of_samples else np.fmax
    parts = [_cells_to_rows(block, y, places[0], over_taps, axis=1) for block in blocks]
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
    rows = _cells_to_rows(rows, x, places[1], over_taps, axis=2)
    pooled = _reduceat(np.fmax, _reduceat(np.fmax, rows, y.bin_ptr, 1), x.bin_ptr, 2)
    if row.mode == "max":
        zero = y.zero[:, None] | x.zero
        least = np.where(zero, max(row.max_start, 0.0), row.max_start)
        pooled = np.fmax(pooled, least.astype(pooled.dtype))
    pooled[:, y.void[:, None] | x.void] = row.void_value
    return pooled


def _cells_to_rows(
    values: Float, rows: Rows, places: _Cells, over_taps: np.ufunc, *, axis: int
) -> Float:
    weights = rows.weights.reshape([-1 if a == axis else 1 for a in range(3)])
    # Not np.take, which first copies an array that is not contiguous.
    cells = values[(slice(None),) * axis + (places,)]
    return _reduceat(
        over_taps, cells.astype(weights.dtype, copy=False) * weights, rows.row_ptr, axis
    )


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
