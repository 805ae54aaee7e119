"""An explanation as data: JSON with everything, CSV with a row per term, and lists of samples.

Numbers are written as the float64 they equal; "nan", "inf" and "-inf" are text, which JSON has no
numbers for. What does not apply is null in JSON and empty in CSV.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np

from roicrop import __version__
from roicrop.errors import ArgumentError
from roicrop.explanation.account import Bin, Explanation, Reading
from roicrop.job import Subject
from roicrop.outputs import replacing, written
from roicrop.sampling import CORNERS, Axis, Plan, Term
from roicrop.text import csv_lines, json_lines

Only = tuple[int, int] | None
Record = dict[str, Any]

_TAPS: Final = tuple(
    f"{what}_{n}"
    for n in range(1, CORNERS + 1)
    for what in ("cell_row", "cell_column", "weight", "feature")
)
SAMPLE_COLUMNS: Final = (
    *("box", "bin_row", "bin_column", "sample_row", "sample_column"),
    *("y", "x", "state", "read_y", "read_x", "value", "share", *_TAPS),
)
CELL_COLUMNS: Final = ("box", "bin_row", "bin_column", "cell_row", "cell_column", "feature")


def as_record(explanation: Explanation, only: Only = None, most: int | None = None) -> Record:
    """The whole explanation in dictionaries, lists and numbers, some of them NumPy's.

    only: a single bin. most: the largest number of terms; each bin says how many it leaves out.
    """
    bins = [_bin(explanation, *each) for each in explanation.listing(only, most)]
    return {**_head(explanation), "bins": bins}


def as_json(
    explanations: Sequence[Explanation], only: Only = None, most: int | None = None
) -> Iterator[str]:
    """`as_record` as JSON, a line per term; for several boxes, a list of such objects."""
    records = [as_record(explanation, only, most) for explanation in explanations]
    return json_lines(records[0] if len(records) == 1 else records, ("bins", "listed"))


def as_csv(
    explanations: Sequence[Explanation], only: Only = None, most: int | None = None
) -> Iterator[str]:
    """A header, and a row per sample or piece (SAMPLE_COLUMNS) or per cell (CELL_COLUMNS).

    A sample reads up to four cells; unused columns are empty. value = Σ weight · feature, or for a
    corner maximum the largest product. A sample outside reads nothing. An average is Σ value ·
    share, divided by the number of samples or, for pieces, by the bin's area.

    explanations: at least one, all under one convention.
    only: a single bin. most: the largest number of rows per box.
    """
    rows = chain.from_iterable(as_rows(each, only, most) for each in explanations)
    return csv_lines(chain([_columns(explanations[0])], (row.values() for row in rows)))


def as_rows(
    explanation: Explanation, only: Only = None, most: int | None = None
) -> Iterator[Record]:
    """The rows of `as_csv` as dictionaries; None if a column is empty."""
    columns = _columns(explanation)
    for bin_, readings in explanation.listing(only, most):
        for reading in readings:
            row = {"box": explanation.source.box, **_row(bin_, reading)}
            yield {column: _number(row.get(column)) for column in columns}


def _columns(explanation: Explanation) -> tuple[str, ...]:
    return CELL_COLUMNS if explanation.plan.kind == "cell" else SAMPLE_COLUMNS


def _number(value: Any) -> Any:
    """A NumPy number as the equal Python number; anything else as it is."""
    return value.item() if hasattr(value, "item") else value


def placed(row: int, column: int, term: Term) -> Record:
    """The columns for a term's bin, its index in the bin, and where it reads the map."""
    read = (None, None) if term.state == "outside" else (term.read_y, term.read_x)
    return {
        "bin_row": row,
        "bin_column": column,
        "sample_row": term.row,
        "sample_column": term.column,
        "cell_row": term.row,
        "cell_column": term.column,
        "y": term.y,
        "x": term.x,
        "state": term.state,
        "read_y": read[0],
        "read_x": read[1],
    }


def _row(bin_: Bin, reading: Reading) -> Record:
    taps = ((tap.row, tap.column, tap.weight, feature) for tap, feature in reading.taps)
    return {
        **placed(bin_.row, bin_.column, reading.term),
        **dict(zip(_TAPS, chain.from_iterable(taps), strict=False)),
        "value": reading.value,
        "feature": reading.value,
        "share": reading.term.share,
    }


def _head(explanation: Explanation) -> Record:
    source, plan, k = explanation.source, explanation.plan, explanation.k
    return {
        "roicrop": __version__,
        "operator": plan.convention.operator,
        "convention": dataclasses.asdict(plan.convention),
        "file": source.file,
        "image": source.image,
        "channel": explanation.channel,
        "dtype": explanation.features.dtype.name,
        "map_size": plan.map_size,
        "output_size": plan.output_size,
        "spatial_scale": plan.spatial_scale,
        "input_scale": source.input_scale,
        "level": None if source.level is None else source.level.record(),
        "coordinates": plan.boxes.dtype.name,
        "box": source.box,
        "corners": dataclasses.asdict(plan.corners(k, source.corners)),
        **({"turn": dataclasses.asdict(turn)} if (turn := plan.turn(k)) else {}),
        **{name: _axis(axis, k) for name, axis in zip("yx", plan.axes, strict=True)},
        "agrees": explanation.agrees,
    }


def _axis(axis: Axis, k: int) -> Record:
    return {
        "begin": axis.begin[k],
        "end": axis.end[k],
        "size_before": axis.size_before(k),
        "size": axis.length[k],
        "bin_size": axis.bin_size[k],
        "samples_a_bin": axis.count[k],
        "roundings": [dataclasses.asdict(step) for step in axis.steps(k)],
    }


def _bin(explanation: Explanation, bin_: Bin, readings: Iterable[Reading]) -> Record:
    plan, k, terms = explanation.plan, explanation.k, bin_.terms
    record = _cell if plan.kind == "cell" else _sample
    listed = [record(reading) for reading in readings]
    return {
        "bin": (bin_.row, bin_.column),
        **{
            name: _bin_axis(axis, k, p)
            for name, axis, p in zip("yx", plan.axes, (bin_.row, bin_.column), strict=True)
        },
        explanation.terms: terms.total,
        "outside": terms.outside,
        "clamped": terms.clamped,
        "left_out": terms.total - len(listed),
        "void": bin_.void,
        "zero_takes_part": bin_.zero,
        "sum": bin_.sum,
        "divisor": bin_.divisor,
        "value": bin_.value,
        "pooled": bin_.pooled,
        "difference": bin_.difference,
        "tolerance": bin_.tolerance,
        "agrees": bin_.agrees,
        "listed": listed,
    }


def _bin_axis(axis: Axis, k: int, p: int) -> Record:
    return {
        "edges": axis.edges(k)[p : p + 2],
        "roundings": [dataclasses.asdict(step) for step in axis.bin_steps(k, p)],
    }


def _cell(reading: Reading) -> Record:
    return {"cell": (reading.term.row, reading.term.column), "feature": reading.value}


def _sample(reading: Reading) -> Record:
    term = reading.term
    where = placed(0, 0, term)
    return {
        "sample": (term.row, term.column),
        **{name: where[name] for name in ("y", "x", "state", "read_y", "read_x")},
        "cells": [
            {
                "cell": (tap.row, tap.column),
                "weight_y": tap.weight_y,
                "weight_x": tap.weight_x,
                "weight": tap.weight,
                "feature": feature,
                "product": tap.weight * feature,
            }
            for tap, feature in reading.taps
        ],
        "value": reading.value,
        "share": term.share,
    }


def as_trace(
    explanation: Explanation, only: tuple[int, int] | None = None, most: int | None = None
) -> Iterator[str]:
    """Six lines and an empty one per sample, in index coordinates, y before x.

    They are the box's start, the bin, its size, its number of samples, the sample, and its position
    before clamping, in the plan's own precision.

    only: a single bin. most: the largest number of samples.

    Raises ArgumentError for RoIPool and the exact integral, which have no samples.
    """
    if without := _NO_SAMPLES.get(explanation.plan.kind):
        raise ArgumentError(f"a trace lists samples, and {without} has none: use --format csv")
    return _lines(explanation, only, most)


_NO_SAMPLES: Final = {"cell": "RoIPool", "piece": "the exact integral"}


def _lines(
    explanation: Explanation, only: tuple[int, int] | None, most: int | None
) -> Iterator[str]:
    (y, x), k = explanation.plan.axes, explanation.k
    for bin_, readings in explanation.listing(only, most):
        for term in (reading.term for reading in readings):
            yield f"{y.begin[k]!s} {x.begin[k]!s}"
            yield f"{bin_.row} {bin_.column}"
            yield f"{y.bin_size[k]!s} {x.bin_size[k]!s}"
            yield f"{y.count[k]} {x.count[k]}"
            yield f"{term.row} {term.column}"
            yield f"{term.y!s} {term.x!s}"
            yield ""


POINT_COLUMNS: Final = (
    *("bin_row", "bin_column", "sample_row", "sample_column"),
    *("y", "x", "image_y", "image_x", "state", "read_y", "read_x"),
)
POINT_CELL_COLUMNS: Final = (
    *("bin_row", "bin_column", "cell_row", "cell_column"),
    *("image_y", "image_x", "bins_with_this_cell"),
)

_MOST_POINTS: Final = 1_000_000


def write_points(
    plan: Plan, k: int, path: str | Path, *, subject: Subject, overwrite: bool = False
) -> None:
    """Write what box k reads as CSV, one line per sample or, for RoIPool, per cell of a bin.

    The columns are POINT_COLUMNS or POINT_CELL_COLUMNS. y and x are index coordinates (integer i is
    the centre of cell i), image_y and image_x the place in the image under them, in pixels; `state`
    is inside, clamped (the map is read at read_y, read_x) or outside (it is not read). An
    exact integral's samples are the middles of its pieces. Of more than a million samples, those
    outside are left out.

    Raises OutputError if the file exists and `overwrite` is not set, or cannot be written.
    """
    columns = POINT_CELL_COLUMNS if plan.kind == "cell" else POINT_COLUMNS
    with (
        replacing(path, overwrite=overwrite) as temporary,
        written(path),
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        rows = ([row.get(column) for column in columns] for row in _points(plan, k, subject))
        file.writelines(f"{line}\n" for line in csv_lines(chain([columns], rows)))


def is_points(path: Path) -> bool:
    """True if `write_points` wrote the file: it has the same columns."""
    with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        header = file.readline().rstrip("\n")
        return header in (",".join(POINT_COLUMNS), ",".join(POINT_CELL_COLUMNS))
    return False


def _points(plan: Plan, k: int, subject: Subject) -> Iterator[dict[str, Any]]:
    """The rows of that file, bin by bin, with at least the columns that it has."""
    true = subject.true_box(plan, k)
    bins = list(np.ndindex(*plan.output_size))
    few = sum(len(plan.terms(k, p, q)) for p, q in bins) <= _MOST_POINTS
    many = plan.bins_of_cells(k) if plan.kind == "cell" else None
    for p, q in bins:
        terms = plan.terms(k, p, q)
        for term in terms if few else terms.in_range():
            row = placed(p, q, term)
            row["image_y"], row["image_x"] = true.pixel_of(float(term.y), float(term.x))
            if many is not None:
                row["bins_with_this_cell"] = many[term.row, term.column]
            yield row
