"""The sampling points of a box as CSV: what the pictures draw, as numbers."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from roicrop.draw.subject import Subject, TrueAxis, true_axes
from roicrop.outputs import replacing, written
from roicrop.sampling import AxisPlan, Samples, SeparablePlan

SAMPLE_COLUMNS: Final = (
    *("bin_row", "bin_column", "sample_row", "sample_column"),
    *("y", "x", "image_y", "image_x", "state", "read_y", "read_x"),
)
CELL_COLUMNS: Final = (
    *("bin_row", "bin_column", "cell_row", "cell_column"),
    *("image_y", "image_x", "bins_with_this_cell"),
)

Row = tuple[int | float | str, ...]

_MOST_ROWS: Final = 1_000_000


def write_points(
    plan: SeparablePlan, k: int, path: str | Path, *, subject: Subject, overwrite: bool = False
) -> None:
    """Write what box k reads as CSV, one line a sample, or for RoIPool one a cell of a bin.

    The columns are SAMPLE_COLUMNS or CELL_COLUMNS. y and x are index coordinates (integer i is the
    centre of cell i), image_y and image_x the place in the image, in pixels, that lies under them;
    `state` is inside, clamped (the map is read at read_y, read_x) or outside (it is not read). An
    exact integral's samples are the middles of its pieces. Of more than a million samples, those
    outside are left out.

    Raises OutputError if the file exists and `overwrite` is not set, or cannot be written.
    """
    pool = plan.convention.operator == "pool"
    with (
        replacing(path, overwrite=overwrite) as temporary,
        written(path),
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(CELL_COLUMNS if pool else SAMPLE_COLUMNS)
        table.writerows(rows(plan, k, subject))


def rows(plan: SeparablePlan, k: int, subject: Subject) -> Iterator[Row]:
    """The lines of that file, bin by bin."""
    true_y, true_x = true_axes(subject, plan, k)
    if plan.convention.operator == "pool":
        return _cells(plan, k, true_y, true_x)
    return _samples(plan, k, true_y, true_x)


def _samples(plan: SeparablePlan, k: int, true_y: TrueAxis, true_x: TrueAxis) -> Iterator[Row]:
    samples_y, samples_x = plan.y.samples(k), plan.x.samples(k)
    in_range_only = len(samples_y) * len(samples_x) > _MOST_ROWS
    lines_y = _by_bin(samples_y, true_y, plan.y.bins, in_range_only)
    lines_x = _by_bin(samples_x, true_x, plan.x.bins, in_range_only)
    for (p, of_row), (q, of_column) in product(enumerate(lines_y), enumerate(lines_x)):
        for (i, y, image_y, state_y, read_y), (j, x, image_x, state_x, read_x) in product(
            of_row, of_column
        ):
            state = _STATES[max(state_y, state_x)]
            reads: tuple[float | str, ...] = (read_y, read_x) if state != "outside" else ("", "")
            yield p, q, i, j, y, x, image_y, image_x, state, *reads


_STATES: Final = ("inside", "clamped", "outside")

_AxisLine = tuple[int, float, float, int, float]


def _by_bin(
    samples: Samples, true: TrueAxis, bins: int, in_range_only: bool
) -> list[list[_AxisLine]]:
    """For each bin its samples: number, position, image coordinate, state, where it is read."""
    state = np.where(samples.inside, np.where(samples.clamped, 1, 0), 2)
    lines: list[list[_AxisLine]] = [[] for _ in range(bins)]
    for s in np.flatnonzero(samples.inside) if in_range_only else range(len(samples)):
        position = float(samples.position[s])
        lines[int(samples.bin[s]) % bins].append(
            (
                int(samples.index[s]),
                position,
                true.pixel_of(position),
                int(state[s]),
                float(samples.read_at[s]),
            )
        )
    return lines


def _cells(plan: SeparablePlan, k: int, true_y: TrueAxis, true_x: TrueAxis) -> Iterator[Row]:
    ranges_y, ranges_x = cell_ranges(plan.y, k), cell_ranges(plan.x, k)
    bins_y, bins_x = bins_of_cells(ranges_y, plan.y.size), bins_of_cells(ranges_x, plan.x.size)
    for (p, of_row), (q, of_column) in product(enumerate(ranges_y), enumerate(ranges_x)):
        for y, x in product(of_row, of_column):
            image = true_y.pixel_of(y), true_x.pixel_of(x)
            yield p, q, y, x, *image, int(bins_y[y] * bins_x[x])


def cell_ranges(axis: AxisPlan, k: int) -> list[range]:
    """RoIPool: for each bin of box k the cells that it covers."""
    return [range(*axis.cell_range(k, p)) for p in range(axis.bins)]


def bins_of_cells(ranges: list[range], size: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(size,) how many of the bins cover each cell."""
    change = np.zeros(size + 1, dtype=np.int64)
    for cells in ranges:
        change[cells.start] += 1
        change[cells.stop] -= 1
    return np.cumsum(change[:-1])
