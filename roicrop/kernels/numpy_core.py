"""The NumPy core: applies a plan with whole-array operations, box by box.

Both matrices of a plan are applied by `reduceat`, which never adds one bin's cells to another's: a
cell without weight stays without influence, whatever it holds.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.sampling import AxisPlan, Float, SeparablePlan, plan

NAME: Final = "numpy"
WORK_AT_ONCE: Final = 1 << 27

# What bounds the memory: of the plans made at a time, and of what is read of a map at a time. The
# plan of one box is made whole, and grows with its cells along an axis.
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
                _pool_box(_Window(features[image], *(places or origin)), planned, k, out[row])


class _Window(NamedTuple):
    """The cells (C, h, w) of a map that are here.

    y, x: the row and the column of the map that they begin with, or where each row and each column
        of the map is among them, −1 for those that are not here.
    """

    cells: Float
    y: _Places
    x: _Places

    def check(self, y_cells: NDArray[np.int32], x_cells: NDArray[np.int32]) -> None:
        """That it has what a box reads; given as rows and columns of the window."""
        for cells, size in ((y_cells, self.cells.shape[1]), (x_cells, self.cells.shape[2])):
            if cells.min() < 0 or cells.max() >= size:
                raise ValueError("a box reads cells outside the window of the map")


_Places = int | NDArray[np.int32]


def _placed(cells: NDArray[np.int32], places: _Places) -> NDArray[np.int32]:
    """Cells of the map, along an axis, as those of the window."""
    return places[cells] if isinstance(places, np.ndarray) else cells - places


def _boxes_at_once(map_size: tuple[int, int], out: Float, convention: Convention) -> int:
    ratio = convention.sampling_ratio
    samples = sum(out.shape[2:]) * (ratio if isinstance(ratio, int) else 1)
    return max(1, min(4096, _TAPS // (2 * (sum(map_size) + samples))))


def _pool_box(window: _Window, planned: SeparablePlan, k: int, out: Float) -> None:
    y_cells = _placed(_cells_of_box(planned.y, k), window.y)
    x_cells = _placed(_cells_of_box(planned.x, k), window.x)
    if len(y_cells) and len(x_cells):
        window.check(y_cells, x_cells)
    else:  # nothing is read, wherever the window is
        nothing = np.zeros((), window.cells.dtype)
        window = _Window(np.broadcast_to(nothing, (len(window.cells), *planned.map_size)), 0, 0)
        y_cells, x_cells = _cells_of_box(planned.y, k), _cells_of_box(planned.x, k)
    left = int(x_cells.min(initial=planned.x.size))
    right = max(int(x_cells.max(initial=-1)) + 1, left)
    rows, taps = _rows_of_box(planned.y, k), max(len(y_cells), 1)
    of_a_channel = max(taps * (right - left), (rows.stop - rows.start) * len(x_cells), 1)
    channels, columns = max(1, _VALUES // of_a_channel), max(1, _VALUES // taps)
    for c in range(0, len(window.cells), channels):
        some = window.cells[c : c + channels]
        blocks = [some[:, :, x : min(x + columns, right)] for x in range(left, right, columns)]
        pooled = _pool(blocks or [some[:, :, :0]], planned, k, y_cells, x_cells - left)
        out[c : c + channels] = pooled


def _pool(
    blocks: list[Float],
    planned: SeparablePlan,
    k: int,
    y_cells: NDArray[np.int32],
    x_cells: NDArray[np.int32],
) -> Float:
    """Of some channels, from blocks of columns side by side, in which these are the box's cells."""
    row_convention = planned.convention
    over_taps = np.fmax if _takes_maximum_of_taps(row_convention) else np.add
    parts = [_cells_to_rows(block, planned.y, k, y_cells, over_taps, axis=1) for block in blocks]
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
    rows = _cells_to_rows(rows, planned.x, k, x_cells, over_taps, axis=2)
    pooled = _rows_to_bins(_rows_to_bins(rows, planned.y, k, axis=1), planned.x, k, axis=2)
    if row_convention.mode == "max":
        start = row_convention.max_start
        least = np.where(planned.zero_candidate(k), max(start, 0.0), start)
        pooled = np.fmax(pooled, least.astype(pooled.dtype))
    pooled[:, planned.void(k)] = row_convention.void_value
    return pooled


def _takes_maximum_of_taps(convention: Convention) -> bool:
    if convention.operator == "pool":
        return convention.mode == "max"
    return convention.reduction == "corner-max"


def _cells_of_box(axis: AxisPlan, k: int) -> NDArray[np.int32]:
    rows = _rows_of_box(axis, k)
    return axis.rows.cells[axis.rows.row_ptr[rows.start] : axis.rows.row_ptr[rows.stop]]


def _rows_of_box(axis: AxisPlan, k: int) -> slice:
    return slice(*axis.rows.bin_ptr[[k * axis.bins, (k + 1) * axis.bins]].tolist())


def _cells_to_rows(
    values: Float,
    plan_: AxisPlan,
    k: int,
    places: NDArray[np.int32],
    over_taps: np.ufunc,
    *,
    axis: int,
) -> Float:
    """Places: of the box's cells in `values`, tap by tap."""
    rows = _rows_of_box(plan_, k)
    row_ptr = plan_.rows.row_ptr[rows.start : rows.stop + 1]
    taps = slice(int(row_ptr[0]), int(row_ptr[-1]))
    weights = plan_.rows.weights[taps].reshape([-1 if a == axis else 1 for a in range(3)])
    # Not np.take, which first copies all of what is not contiguous.
    cells = values[(slice(None),) * axis + (places,)]
    weighted = cells.astype(weights.dtype, copy=False) * weights
    return _reduceat(over_taps, weighted, row_ptr - row_ptr[0], axis)


def _rows_to_bins(values: Float, plan_: AxisPlan, k: int, *, axis: int) -> Float:
    bin_ptr = plan_.rows.bin_ptr[k * plan_.bins : (k + 1) * plan_.bins + 1]
    return _reduceat(np.fmax, values, bin_ptr - bin_ptr[0], axis)


def _reduceat(ufunc: np.ufunc, values: Float, ptr: NDArray[np.int64], axis: int) -> Float:
    """`ufunc.reduceat` in which an empty segment gives the reduction of nothing."""
    shape = list(values.shape)
    shape[axis] = len(ptr) - 1
    nothing: Any = 0.0 if ufunc is np.add else -np.inf
    reduced = np.full(shape, nothing, dtype=values.dtype)
    full = ptr[1:] > ptr[:-1]
    if full.any():
        place = (slice(None),) * axis + (full,)
        reduced[place] = ufunc.reduceat(values, ptr[:-1][full], axis=axis)
    return reduced
