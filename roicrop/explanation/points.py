"""The sampling points of a box as CSV: what the pictures draw, as numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np

from roicrop.explanation.records import placed
from roicrop.job import Subject
from roicrop.outputs import replacing, written
from roicrop.sampling import Plan
from roicrop.text import csv_lines

SAMPLE_COLUMNS: Final = (
    *("bin_row", "bin_column", "sample_row", "sample_column"),
    *("y", "x", "image_y", "image_x", "state", "read_y", "read_x"),
)
CELL_COLUMNS: Final = (
    *("bin_row", "bin_column", "cell_row", "cell_column"),
    *("image_y", "image_x", "bins_with_this_cell"),
)

_MOST_ROWS: Final = 1_000_000


def write_points(
    plan: Plan, k: int, path: str | Path, *, subject: Subject, overwrite: bool = False
) -> None:
    """Write what box k reads as CSV, one line a sample, or for RoIPool one a cell of a bin.

    The columns are SAMPLE_COLUMNS or CELL_COLUMNS. y and x are index coordinates (integer i is the
    centre of cell i), image_y and image_x the place in the image, in pixels, that lies under them;
    `state` is inside, clamped (the map is read at read_y, read_x) or outside (it is not read). An
    exact integral's samples are the middles of its pieces. Of more than a million samples, those
    outside are left out.

    Raises OutputError if the file exists and `overwrite` is not set, or cannot be written.
    """
    columns = CELL_COLUMNS if plan.kind == "cell" else SAMPLE_COLUMNS
    with (
        replacing(path, overwrite=overwrite) as temporary,
        written(path),
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        rows = ([row.get(column) for column in columns] for row in _rows(plan, k, subject))
        file.writelines(f"{line}\n" for line in csv_lines(chain([columns], rows)))


def is_points(path: Path) -> bool:
    """Whether a file is one that `write_points` wrote: it has the same columns."""
    with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip("\n") in (",".join(SAMPLE_COLUMNS), ",".join(CELL_COLUMNS))
    return False


def _rows(plan: Plan, k: int, subject: Subject) -> Iterator[dict[str, Any]]:
    """The lines of that file, bin by bin; of each at least the columns that it has."""
    true = subject.true_box(plan, k)
    bins = list(np.ndindex(*plan.output_size))
    few = sum(len(plan.terms(k, p, q)) for p, q in bins) <= _MOST_ROWS
    many = plan.bins_of_cells(k) if plan.kind == "cell" else None
    for p, q in bins:
        terms = plan.terms(k, p, q)
        for term in terms if few else terms.in_range():
            row = placed(p, q, term)
            row["image_y"], row["image_x"] = true.pixel_of(float(term.y), float(term.x))
            if many is not None:
                row["bins_with_this_cell"] = many[term.row, term.column]
            yield row
