"""The NumPy core: applies a plan with whole-array operations, box by box.

Both matrices of a plan are applied by `reduceat`, which never adds one bin's cells to another's: a
cell without weight stays without influence, whatever it holds.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.sampling import AxisPlan, Float, Plan, plan

NAME: Final = "numpy"

_BLOCK: Final = 4096  # boxes planned at a time, which bounds the plan's memory


def crop(
    features: Float,
    image_index: NDArray[np.int64],
    boxes: Float,
    out: Float,
    *,
    convention: Convention,
    spatial_scale: float,
    threads: int,
) -> None:
    """Pool every box into `out`.

    Arguments as in `roicrop.kernels.Core`. threads is unused; NumPy's own operations decide.
    """
    for start in range(0, len(boxes), _BLOCK):
        block = slice(start, start + _BLOCK)
        planned = plan(
            boxes[block],
            (features.shape[2], features.shape[3]),
            (out.shape[2], out.shape[3]),
            convention=convention,
            spatial_scale=spatial_scale,
            dtype=boxes.dtype.type,
        )
        with np.errstate(all="ignore"):
            for k, image in enumerate(image_index[block]):
                out[start + k] = _pool(features[image], planned, k)


def _pool(features: Float, planned: Plan, k: int) -> Float:
    row_convention = planned.convention
    over_taps = np.fmax if _takes_maximum_of_taps(row_convention) else np.add
    x_cells = _cells_of_box(planned.x, k)
    left = int(x_cells.min(initial=planned.x.size))
    right = int(x_cells.max(initial=-1)) + 1
    region = features[:, :, left : max(right, left)]

    rows = _cells_to_rows(region, planned.y, k, 0, over_taps, axis=1)
    rows = _cells_to_rows(rows, planned.x, k, left, over_taps, axis=2)
    pooled = _rows_to_bins(_rows_to_bins(rows, planned.y, k, axis=1), planned.x, k, axis=2)
    if row_convention.mode == "max":
        start = row_convention.max_start
        first = np.where(planned.zero_candidate(k), max(start, 0.0), start)
        pooled = np.fmax(pooled, first.astype(pooled.dtype))
    pooled[:, planned.void(k)] = row_convention.void_value
    return pooled


def _takes_maximum_of_taps(convention: Convention) -> bool:
    if convention.operator == "pool":
        return convention.mode == "max"
    return convention.reduction == "corner-max"


def _cells_of_box(axis: AxisPlan, k: int) -> NDArray[np.int32]:
    rows = _rows_of_box(axis, k)
    return axis.cells[axis.row_ptr[rows.start] : axis.row_ptr[rows.stop]]


def _rows_of_box(axis: AxisPlan, k: int) -> slice:
    return slice(int(axis.bin_ptr[k * axis.bins]), int(axis.bin_ptr[(k + 1) * axis.bins]))


def _cells_to_rows(
    values: Float, plan_: AxisPlan, k: int, first_cell: int, over_taps: np.ufunc, *, axis: int
) -> Float:
    rows = _rows_of_box(plan_, k)
    row_ptr = plan_.row_ptr[rows.start : rows.stop + 1]
    taps = slice(int(row_ptr[0]), int(row_ptr[-1]))
    weights = plan_.weights[taps].reshape([-1 if a == axis else 1 for a in range(3)])
    cells = np.take(values, plan_.cells[taps] - first_cell, axis=axis)
    weighted = cells.astype(weights.dtype, copy=False) * weights
    return _reduceat(over_taps, weighted, row_ptr - row_ptr[0], axis)


def _rows_to_bins(values: Float, plan_: AxisPlan, k: int, *, axis: int) -> Float:
    bin_ptr = plan_.bin_ptr[k * plan_.bins : (k + 1) * plan_.bins + 1]
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
