"""The feature map as a heat map, cell by cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from roicrop.draw.brush import FINER, Brush
from roicrop.draw.colour import INK, OUTSIDE, Scale, bounds_of
from roicrop.draw.view import View

_STRIPE: Final = 7 * FINER
_FADE_FROM, _FADE_TO = 4.0, 22.0  # pixels a cell between which cell borders appear


@dataclass(frozen=True, slots=True)
class Cells:
    """The part of a map that is in sight.

    values: (rows, columns) float64, one number a cell.
    bounds: between which all finite values of these cells lie, in any channel shown, and 0.
    first_row, first_column: where in the map it begins.
    map_size: (H, W).
    """

    values: NDArray[np.float64]
    bounds: tuple[float, float]
    first_row: int
    first_column: int
    map_size: tuple[int, int]


def cells_in_sight(features: NDArray[Any], view: View, channel: int | None) -> Cells:
    """What `view` shows of a (C, H, W) map: one channel, or the mean over all of them."""
    height, width = features.shape[1:]
    rows, columns = view.row_range(height), view.column_range(width)
    seen = features[:, rows.start : rows.stop, columns.start : columns.stop]
    bounds = bounds_of(seen if channel is None else seen[channel])
    values = over_channels(seen, channel)
    return Cells(values, bounds, rows.start, columns.start, (height, width))


def over_channels(values: NDArray[Any], channel: int | None) -> NDArray[np.float64]:
    """(C, …) → (…) float64: one channel, or the mean over all of them."""
    if channel is not None:
        return np.asarray(values[channel], dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        mean: NDArray[np.float64] = values.mean(axis=0, dtype=np.float64)
    return mean


def heat_map(cells: Cells, view: View, scale: Scale) -> Brush:
    """A brush on the view's canvas, with the cells on it and nothing else."""
    row = np.floor(view.top + centres(view.height) / view.cell + 0.5).astype(np.int64)
    column = np.floor(view.left + centres(view.width) / view.cell + 0.5).astype(np.int64)
    height, width = cells.map_size
    on_y = np.flatnonzero((row >= 0) & (row < height))
    on_x = np.flatnonzero((column >= 0) & (column < width))
    canvas = stripes(view.height, view.width)
    if on_y.size and on_x.size:
        canvas[on_y[0] : on_y[-1] + 1, on_x[0] : on_x[-1] + 1] = enlarged(
            scale.colours(cells.values),
            row[on_y] - cells.first_row,
            column[on_x] - cells.first_column,
        )
    brush = Brush(canvas)
    _cell_borders(brush, view, cells.map_size)
    return brush


def centres(pixels: int) -> NDArray[np.float64]:
    """The middles of the canvas's fine pixels, in pixels."""
    return (np.arange(pixels * FINER) + 0.5) / FINER


def enlarged(
    rgb: NDArray[np.uint8], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """(len(rows), len(columns), 3): for each fine pixel the colour of its cell."""
    return rgb.take(columns, axis=1).take(rows, axis=0)


def stripes(height: int, width: int) -> NDArray[np.uint8]:
    """A canvas of pale stripes, which stand for nothing: off the map, or no samples."""
    phase = np.arange((height + width) * FINER) // _STRIPE % 2
    line = np.array(OUTSIDE, dtype=np.uint8)[phase]
    diagonal = sliding_window_view(line, (width * FINER, 3))[: height * FINER, 0]
    return np.ascontiguousarray(diagonal)


def _cell_borders(brush: Brush, view: View, map_size: tuple[int, int]) -> None:
    height, width = map_size
    top, bottom = view.y(-0.5), view.y(height - 0.5)
    left, right = view.x(-0.5), view.x(width - 0.5)
    shown = min(max((view.cell - _FADE_FROM) / (_FADE_TO - _FADE_FROM), 0.0), 1.0)
    if shown > 0:
        border = (255, 255, 255, round(70 * shown))
        for i in view.column_range(width)[1:]:
            brush.column(view.x(i - 0.5), top, bottom, 0.75, border)
        for i in view.row_range(height)[1:]:
            brush.row(view.y(i - 0.5), left, right, 0.75, border)
    brush.frame(left, top, right, bottom, 1.25, INK)
