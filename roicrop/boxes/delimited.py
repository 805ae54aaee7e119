"""CSV and its relatives: a header and a line for each box, between commas, tabs or semicolons."""

from __future__ import annotations

import contextlib
import csv
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from roicrop.boxes.columns import COLUMN_KEYS, NAME_KEYS, NUMBER_KEYS, Draft
from roicrop.boxes.geometry import BoxFormat
from roicrop.boxes.table import BoxFormatOrigin, Source
from roicrop.errors import BoxError

if TYPE_CHECKING:
    import _csv

    from numpy.typing import NDArray

_DELIMITERS: Final = (",", "\t", ";")
_SPELLINGS: Final[tuple[tuple[BoxFormat, tuple[str, str, str, str]], ...]] = (
    ("xyxy", ("x1", "y1", "x2", "y2")),
    ("xyxy", ("xmin", "ymin", "xmax", "ymax")),
    ("xywh", ("x", "y", "w", "h")),
    ("xywh", ("x", "y", "width", "height")),
    ("cxcywh", ("cx", "cy", "w", "h")),
    ("cxcywh", ("cx", "cy", "width", "height")),
)


def read_delimited(text: str, source: Source, box_format: BoxFormat | None) -> Draft:
    """The boxes of CSV or TSV text; `read_boxes` says what `box_format` does."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = [f"{line}\n" for line in text.removesuffix("\n").split("\n")]
    header = _header(lines, source)
    coordinates = _coordinates(header, box_format)
    wanted = [*coordinates.columns, *(name for name in header.names if name in COLUMN_KEYS)]
    for name in wanted:
        if header.names.count(name) > 1:
            raise BoxError(f"{header.where}: {name} is there twice: keep one")
    numeric = {*coordinates.columns, *NUMBER_KEYS}
    body = None
    if _quotes_enclose_fields(text, header.delimiter):
        body = _read_plain(lines, header, numeric, source)
    if body is None:
        body = _read_careful(lines, header, numeric, source)
    return Draft(
        source=body.source,
        format="csv",
        box_format=coordinates.box_format,
        box_format_origin=coordinates.origin,
        coords=np.stack([body.numbers[name] for name in coordinates.columns], axis=1),
        numbers={name: body.numbers[name] for name in wanted if name in NUMBER_KEYS},
        names={name: body.texts[name] for name in wanted if name in NAME_KEYS},
    )


@dataclass(frozen=True, slots=True)
class _Header:
    """The first line that is not blank: names in lower case.

    line: the last that belongs to it, from 1. where: the first, for messages.
    """

    names: list[str]
    delimiter: str
    line: int
    where: str


@dataclass(frozen=True, slots=True)
class _Coordinates:
    """The four columns that hold a box, in the order that `box_format` names."""

    columns: Sequence[str]
    box_format: BoxFormat
    origin: BoxFormatOrigin


@dataclass(frozen=True, slots=True)
class _Body:
    """The columns, and the source that knows their lines."""

    source: Source
    numbers: dict[str, NDArray[np.float64]]
    texts: dict[str, list[str]]


def _header(lines: list[str], source: Source) -> _Header:
    line = next((n for n, text in enumerate(lines, 1) if text.strip()), None)
    if line is None:
        raise BoxError(f"{source.name} is empty: a header such as x1,y1,x2,y2 comes first")
    where = f"{source.name} line {line}"
    headers, faults = [], {}
    for delimiter in _DELIMITERS:
        try:
            headers.append(_header_by(delimiter, lines, line, where))
        except csv.Error as error:
            faults[lines[line - 1].count(delimiter)] = error
    best = max(
        headers, key=lambda header: (_spells_boxes(header.names), len(header.names)), default=None
    )
    if best is None or (faults and max(faults) >= len(best.names)):
        fault = faults[max(faults)]
        raise BoxError(f"{where}: not a line of CSV: {fault}") from fault
    return best


def _header_by(delimiter: str, lines: list[str], line: int, where: str) -> _Header:
    reader = csv.reader(lines[line - 1 :], delimiter=delimiter, skipinitialspace=True, strict=True)
    names = [name.strip().lower() for name in next(reader)]
    return _Header(names, delimiter, line - 1 + reader.line_num, where)


def _spells_boxes(names: list[str]) -> bool:
    return any({*spelling} <= {*names} for _, spelling in _SPELLINGS)


def _coordinates(header: _Header, box_format: BoxFormat | None) -> _Coordinates:
    spelled = {
        meaning: names for meaning, names in reversed(_SPELLINGS) if set(names) <= {*header.names}
    }
    if not spelled:
        raise BoxError(f"{header.where}: {_what_is_missing(header.names)}")
    if box_format in spelled:
        return _Coordinates(spelled[box_format], box_format, "option")
    if len(spelled) > 1:
        both = " and ".join(",".join(names) for names in spelled.values())
        raise BoxError(
            f"{header.where}: {both} are there: choose with --box-format {' or '.join(spelled)}"
        )
    meaning, names = next(iter(spelled.items()))
    if box_format is None:
        return _Coordinates(names, meaning, "header")
    # The option contradicts the names, so that only the order of the columns is left to go by.
    return _Coordinates(sorted(names, key=header.names.index), box_format, "option")


def _what_is_missing(names: list[str]) -> str:
    nearest = max((spelling for _, spelling in _SPELLINGS), key=lambda s: len({*s} & {*names}))
    missing = [name for name in nearest if name not in names]
    if len(missing) < len(nearest):
        return f"{','.join(missing)} missing, of {','.join(nearest)}"
    return (
        f"no coordinates in the header {','.join(names)[:60]!r}: "
        "call them x1,y1,x2,y2 or xmin,ymin,xmax,ymax or x,y,w,h or cx,cy,w,h"
    )


def _quotes_enclose_fields(text: str, delimiter: str) -> bool:
    """Whether each quote, if there are any, stands at an end of a field and means no more."""
    if '"' not in text:
        return True
    text = f"\n{text}\n"
    begin = text.count('\n"') + text.count(f'{delimiter}"')
    end = text.count('"\n') + text.count(f'"{delimiter}')
    return begin == end and begin + end == text.count('"')


def _read_plain(
    lines: list[str], header: _Header, numeric: set[str], source: Source
) -> _Body | None:
    """The columns of lines with a record each, or blank; None if there are none, or one is wrong.

    In half the time it does what `_read_careful` does, but it cannot say what is wrong where.
    """
    rows = lines[header.line :]
    numbers = np.arange(len(rows)) + header.line + 1
    written = ~np.fromiter(map(str.isspace, rows), np.bool_, len(rows))
    if not written.all():
        rows, numbers = list(itertools.compress(rows, written)), numbers[written]
    if not rows:
        return None
    kinds = ["f8" if name in numeric else "O" for name in header.names]
    try:
        table = np.loadtxt(
            rows,
            dtype=[(f"column {n}", kind) for n, kind in enumerate(kinds)],
            delimiter=header.delimiter,
            comments=None,
            quotechar='"',
            encoding="utf-8",
            ndmin=1,
        )
    except ValueError:
        return None
    if len(table) != len(rows):
        return None
    columns = {name: table[f"column {n}"] for n, name in enumerate(header.names)}
    return _Body(
        Source(source.path, numbers),
        numbers={n: np.ascontiguousarray(c) for n, c in columns.items() if n in numeric},
        texts={n: _stripped(c.tolist()) for n, c in columns.items() if n in NAME_KEYS},
    )


def _read_careful(lines: list[str], header: _Header, numeric: set[str], source: Source) -> _Body:
    """The columns of any lines; BoxError names the line, and the column, that is wrong."""
    rows, numbers = _records(lines, header, source)
    source = Source(source.path, numbers)
    columns = {name: [row[n] for row in rows] for n, name in enumerate(header.names)}
    return _Body(
        source,
        numbers={n: _parsed(c, n, source) for n, c in columns.items() if n in numeric},
        texts={n: _stripped(c) for n, c in columns.items() if n in NAME_KEYS},
    )


def _records(
    lines: list[str], header: _Header, source: Source
) -> tuple[list[list[str]], NDArray[np.int64]]:
    """The fields of each record that is not blank, and the line on which it begins."""
    reader = _reader(lines, header)
    try:
        rows = list(reader)
    except csv.Error as error:
        where = f"{source.name} line {_begin_of_fault(lines, header)}"
        raise BoxError(f"{where}: not a line of CSV: {error}") from error
    begins = np.arange(len(rows)) + header.line + 1
    if reader.line_num > len(rows):
        more = np.fromiter(("".join(row).count("\n") for row in rows), np.int64, len(rows))
        begins[1:] += np.cumsum(more[:-1])
    width = len(header.names)
    kept = [n for n, row in enumerate(rows) if len(row) == width and any(row)]
    if len(kept) == len(rows):
        return rows, begins
    for begin, row in zip(begins.tolist(), rows, strict=True):
        if len(row) != width and any(map(str.strip, row)):
            where = f"{source.name} line {begin}"
            raise BoxError(f"{where}: {len(row)} fields, but the header has {width}")
    return [rows[n] for n in kept], begins[kept]


def _reader(lines: list[str], header: _Header) -> _csv.Reader:
    return csv.reader(
        lines[header.line :], delimiter=header.delimiter, skipinitialspace=True, strict=True
    )


def _begin_of_fault(lines: list[str], header: _Header) -> int:
    reader = _reader(lines, header)
    begin = header.line + 1
    with contextlib.suppress(csv.Error):
        for _ in reader:
            begin = header.line + 1 + reader.line_num
    return begin


def _parsed(cells: list[str], name: str, source: Source) -> NDArray[np.float64]:
    try:
        if not _is_plain("".join(cells)):
            raise ValueError
        return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        row = next(row for row, cell in enumerate(cells) if not _is_number(cell))
        fault = f"{cells[row]!r} is not a number" if cells[row].strip() else "empty"
        raise BoxError(f"{source.where(row)}, column {name}: {fault}: mend it") from None


def _is_plain(text: str) -> bool:
    """Whether it has nothing that Python alone reads as a number: 1_0, digits of other scripts."""
    return text.isascii() and "_" not in text


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return _is_plain(cell)


def _stripped(cells: list[str]) -> list[str]:
    return list(map(str.strip, cells))
