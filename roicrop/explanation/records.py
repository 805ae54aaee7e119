"""An explanation as records: JSON with everything, CSV with one row for each term of a bin.

Numbers are written as the float64 that they equal; those that JSON lacks are text ("nan", "inf",
"-inf"), as they are in CSV. What does not apply is null in JSON, and empty in CSV.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from roicrop import __version__
from roicrop.explanation.account import Explanation
from roicrop.explanation.terms import Bin, Reading
from roicrop.sampling import CORNERS, Axis

Only = tuple[int, int] | None
Record = dict[str, Any]

SAMPLE_COLUMNS: Final = (
    *("bin_row", "bin_column", "sample_row", "sample_column"),
    *("y", "x", "state", "read_y", "read_x", "value", "share"),
    *(
        f"{what}_{n}"
        for n in range(1, CORNERS + 1)
        for what in ("cell_row", "cell_column", "weight", "feature")
    ),
)
CELL_COLUMNS: Final = ("bin_row", "bin_column", "cell_row", "cell_column", "feature")


def as_json(explanation: Explanation, only: Only = None, most: int | None = None) -> Iterator[str]:
    """The lines of one JSON object, in which each term has a line.

    only: this bin. most: at most so many terms; each bin says how many of its own are left out.
    """
    yield "{"
    for name, value in _head(explanation).items():
        yield f"  {json.dumps(name)}: {_dumps(value)},"
    yield '  "bins": ['
    yield from _with_commas(
        _bin(explanation, bin_, terms) for bin_, terms in explanation.listing(only, most)
    )
    yield "  ]"
    yield "}"


def as_csv(explanation: Explanation, only: Only = None, most: int | None = None) -> Iterator[str]:
    """A header, and a row for each sample or piece (SAMPLE_COLUMNS) or cell (CELL_COLUMNS).

    A sample reads up to four cells, whose columns are empty beyond the last: value = Σ weight ·
    feature, or for a corner maximum the largest product. A sample outside reads nothing, nowhere.
    An average is Σ value · share over the number of samples, or over the bin's area for pieces.

    only: this bin. most: at most so many rows.
    """
    cells = explanation.plan.kind == "cell"
    yield _csv_line(CELL_COLUMNS if cells else SAMPLE_COLUMNS)
    for bin_, readings in explanation.listing(only, most):
        for reading in readings:
            term = reading.term
            columns = (term.row, term.column, reading.value) if cells else _sample_columns(reading)
            yield _csv_line((bin_.row, bin_.column, *columns))


def _head(explanation: Explanation) -> Record:
    source, plan, k = explanation.source, explanation.plan, explanation.k
    corners = plan.corners(k, source.corners)
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
        "coordinates": plan.boxes.dtype.name,
        "box": source.box,
        "corners": {each.name: getattr(corners, each.name) for each in dataclasses.fields(corners)},
        "y": _axis(plan.y, k),
        "x": _axis(plan.x, k),
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


def _bin(explanation: Explanation, bin_: Bin, readings: Iterable[Reading]) -> str:
    """One bin's object, over several lines."""
    plan, k, name = explanation.plan, explanation.k, explanation.terms
    record = _cell if explanation.plan.kind == "cell" else _sample
    listed = [f"        {_dumps(record(term))}" for term in readings]
    head: Record = {
        "bin": (bin_.row, bin_.column),
        "y": _bin_axis(plan.y, k, bin_.row),
        "x": _bin_axis(plan.x, k, bin_.column),
        name: bin_.terms.total,
        "outside": bin_.terms.outside,
        "clamped": bin_.terms.clamped,
        "left_out": bin_.terms.total - len(listed),
        "void": bin_.void,
        "zero_takes_part": bin_.zero,
        "sum": bin_.sum,
        "divisor": bin_.divisor,
        "value": bin_.value,
        "pooled": bin_.pooled,
        "difference": bin_.difference,
        "tolerance": bin_.tolerance,
        "agrees": bin_.agrees,
    }
    return "\n".join(
        [
            "    {",
            *(f"      {json.dumps(key)}: {_dumps(value)}," for key, value in head.items()),
            '      "listed": [',
            *_with_commas(listed),
            "      ]",
            "    }",
        ]
    )


def _bin_axis(axis: Axis, k: int, p: int) -> Record:
    return {
        "edges": axis.edges(k)[p : p + 2],
        "roundings": [dataclasses.asdict(step) for step in axis.bin_steps(k, p)],
    }


def _cell(reading: Reading) -> Record:
    return {"cell": (reading.term.row, reading.term.column), "feature": reading.value}


def _sample(reading: Reading) -> Record:
    term = reading.term
    outside = term.state == "outside"
    return {
        "sample": (term.row, term.column),
        "y": term.y,
        "x": term.x,
        "state": term.state,
        "read_y": None if outside else term.read_y,
        "read_x": None if outside else term.read_x,
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


def _sample_columns(reading: Reading) -> list[Any]:
    term = reading.term
    outside = term.state == "outside"
    read = (None, None) if outside else (term.read_y, term.read_x)
    taps = [(tap.row, tap.column, tap.weight, feature) for tap, feature in reading.taps]
    unused = [(None,) * 4] * (CORNERS - len(taps))
    return [
        *(term.row, term.column, term.y, term.x, term.state, *read, reading.value, term.share),
        *(value for columns in [*taps, *unused] for value in columns),
    ]


def _with_commas(items: Iterable[str]) -> Iterator[str]:
    before: str | None = None
    for item in items:
        if before is not None:
            yield before + ","
        before = item
    if before is not None:
        yield before


def _dumps(value: object) -> str:
    return json.dumps(_plain(value), ensure_ascii=False)


def _csv_line(values: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([_plain(value) for value in values])
    return line.getvalue()


def _plain(value: Any) -> Any:
    """The value in Python's own types, with text for NaN and the infinities."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
