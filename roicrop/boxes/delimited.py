"""CSV and its relatives: a line for each box, between commas, tabs, semicolons or spaces.

A file is read in blocks of lines, so that memory is bounded by the columns that are wanted. A block
is read by NumPy where that can be done, else by Python's csv module, which says what is wrong.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from roicrop.boxes.columns import Draft, Part
from roicrop.boxes.json_text import Document, draft_of
from roicrop.boxes.names import (
    INDEX_NAMES,
    SPELLINGS,
    Reading,
    Role,
    Roles,
    find_roles,
    is_known,
    plain,
)
from roicrop.boxes.producers import PRODUCERS
from roicrop.boxes.text import blocks
from roicrop.errors import BoxError
from roicrop.text import printable, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DELIMITERS: Final = (",", "\t", ";", " ")
_LONGEST_LINE: Final = 131_072  # characters; the csv module takes no longer field
_DECIMAL_COMMA: Final = re.compile(r"\s*[-+]?\d+,\d+\s*")
_BY_NAME: Final = "name the columns in their order, as in --columns image,x1,y1,x2,y2 (_ skips one)"
# A cell may hold all of a box: `[64, 32, 320, 224]`, or an object as VIA writes it.
_CELLS: Final = frozenset({"bbox", "box", "regionshapeattributes", "regionattributes"})


def read_delimited(content: bytes, path: str, name: str, reading: Reading) -> Draft:
    """The boxes of CSV, TSV or text in columns, which is UTF-8; see `read_boxes`."""
    lines = blocks(content, name)
    first = next((block for block in lines if any(map(str.strip, block))), None)
    if first is None:
        raise BoxError(f"{name} is empty: a header such as x1,y1,x2,y2 comes first")
    header = _header(first, name, reading)
    stream = itertools.chain([first[header.skip :]], lines)
    if "regionshapeattributes" not in map(plain, header.names):
        roles = find_roles(header.names, reading, header.where, header.origin)
        if len(roles.coordinates) == 4:
            return _from_columns(stream, header, roles, path, name)
    records, lines_of = _records_with_cells(stream, header, name, reading)
    via = next(each for each in PRODUCERS if each.file == "via.csv")
    document = Document(
        records=records,
        format="csv",
        lines=lines_of,
        producer=via if "regionshapeattributes" in map(plain, header.names) else None,
        origin=header.origin,
    )
    return draft_of(document, path, name, reading)


def _from_columns(
    stream: Iterator[list[str]], header: _Header, roles: Roles, path: str, name: str
) -> Draft:
    line = header.line + 1
    table = _Table(header, roles, name, "image" not in roles.of)
    parts = []
    for block in stream:
        part, read = table.part(block, line, stream)
        parts.append(part)
        line += read
    return Draft(path=path, format="csv", roles=roles, names=header.names, parts=parts)


@dataclass(frozen=True, slots=True)
class _Header:
    """The columns' names, as the first line that is not blank has them, or the command line.

    skip: how many lines come before the first record, in the first block. line: the last of them,
    counted from 1. where: the place of the names, for messages. origin: what says them.
    """

    names: list[str]
    delimiter: str
    skip: int
    line: int
    where: str
    origin: str

    def rows(self, lines: Iterator[str]) -> Any:
        """A csv reader over lines."""
        if self.delimiter == " ":
            lines = (" ".join(line.split()) + "\n" for line in lines)
        return csv.reader(lines, delimiter=self.delimiter, skipinitialspace=True, strict=True)


def _header(block: list[str], name: str, reading: Reading) -> _Header:
    blank = next(n for n, text in enumerate(block) if text.strip())
    where = f"{name} line {blank + 1}"
    _check_lengths(block[blank : blank + 1], name, blank + 1)
    found: list[_Header] = []
    fault: csv.Error | None = None
    for delimiter in _DELIMITERS:
        header = _Header([], delimiter, blank, blank, where, "header")
        try:
            rows = header.rows(iter(block[blank:]))
            names = [cell.strip() for cell in next(rows)]
        except (csv.Error, StopIteration) as error:
            fault = error if isinstance(error, csv.Error) else fault
            continue
        end = blank + rows.line_num
        found.append(_Header(names, delimiter, end, end, where, "header"))
    if reading.columns is not None:
        return _named(found, reading.columns, where, blank)
    best = max(
        found,
        key=lambda header: (sum(map(is_known, header.names)), len(header.names)),
        default=None,
    )
    if best is None or (fault is not None and len(best.names) == 1):
        raise BoxError(f"{where}: not a line of CSV: {fault}") from fault
    if any(map(_is_number, best.names)) and not any(map(is_known, best.names)):
        raise BoxError(f"{where}: there is no header: {_hint(best.names)}")
    return best


def _named(found: Sequence[_Header], columns: Sequence[str], where: str, blank: int) -> _Header:
    """The header that `--columns` stands for; the first line is left out if it is one too."""
    fitting = next((each for each in found if len(each.names) == len(columns)), None)
    if fitting is None:
        most = max((len(each.names) for each in found), default=0)
        raise BoxError(
            f"{where} has {most} fields, and --columns names {len(columns)}: "
            "name each, and call those to skip _"
        )
    names = [name if name != "_" else f"_{n}" for n, name in enumerate(columns)]
    roles = find_roles(names, Reading(), "--columns", "--columns")
    cells = dict(zip(names, fitting.names, strict=True))
    is_header = not any(_is_number(cells[name]) or not cells[name] for name in roles.coordinates)
    skip = fitting.skip if is_header and not _CELLS & set(map(plain, names)) else blank
    return _Header(names, fitting.delimiter, skip, skip, "--columns", "--columns")


def _hint(cells: Sequence[str]) -> str:
    """The option that names the columns of a file without a header, ready to copy."""
    likely = [
        f"--columns {each.columns}{f' {each.options}'.rstrip()} if it is {each.name}'s"
        for each in PRODUCERS
        if len(each.kinds) == len(cells) and all(map(_is_kind, each.kinds, cells))
    ]
    return f"name the columns, with {' or '.join(likely)}" if likely else _BY_NAME


def _is_kind(kind: str, cell: str) -> bool:
    if kind == "t":
        return not _is_number(cell)
    return not cell or (_is_number(cell) and (kind == "n" or 0 <= float(cell) <= 1))


class _Table:
    """Reads blocks of lines into the columns that have a role."""

    def __init__(self, header: _Header, roles: Roles, name: str, look: bool) -> None:
        self._header = header
        self._roles = roles
        self._name = name
        self._role_of = {column: role for role, column in roles.of.items()}
        self._numeric = {*roles.coordinates, *filter(None, [roles.of.get("score")])}
        image = roles.of.get("image")
        if image is not None and plain(image) in INDEX_NAMES:
            self._numeric.add(image)
        # Columns that might name images, where none does.
        texts = {n for n in header.names if n and n not in self._numeric | self._role_of.keys()}
        self._unexplained = {n for n in texts if header.names.count(n) == 1} if look else set()

    def part(self, block: list[str], line: int, more: Iterator[list[str]]) -> tuple[Part, int]:
        """The rows of a block whose first line has that number, and how many lines they took.

        more: the blocks after it, from which lines are taken when a field goes on there.
        """
        _check_lengths(block, self._name, line)
        if _quotes_enclose_fields(block, self._header.delimiter):
            part = self._plain(block, line)
            if part is not None:
                return part, len(block)
        return self._careful(block, line, more)

    def _plain(self, block: list[str], line: int) -> Part | None:
        """What `_careful` gives, in half the time; None if lines are not a record each, or wrong.

        It cannot say what is wrong where.
        """
        numbers = np.arange(line, line + len(block))
        written = ~np.fromiter(map(str.isspace, block), np.bool_, len(block))
        if not written.all():
            block, numbers = list(itertools.compress(block, written)), numbers[written]
        if not block:
            return Part(coords=np.empty((0, 4)), lines=numbers, columns=self._none())
        names = self._header.names
        kinds = ["f8" if name in self._numeric else "O" for name in names]
        delimiter = self._header.delimiter
        try:
            table = np.loadtxt(
                block,
                dtype=[(f"column {n}", kind) for n, kind in enumerate(kinds)],
                delimiter=None if delimiter == " " else delimiter,
                comments=None,
                quotechar='"',
                encoding="utf-8",
                ndmin=1,
            )
        except ValueError:
            return None
        if len(table) != len(block):
            return None

        def column(name: str) -> NDArray[Any]:
            return table[f"column {names.index(name)}"]

        def values(name: str) -> Sequence[object] | NDArray[np.float64]:
            if name in self._numeric:
                return np.ascontiguousarray(column(name))
            return _shared(map(str.strip, column(name).tolist()))

        return Part(
            coords=np.stack([column(name) for name in self._roles.coordinates], axis=1),
            columns={role: values(name) for name, role in self._role_of.items()},
            lines=numbers,
            unexplained={name: _some_texts(column(name)) for name in self._unexplained},
        )

    def _careful(self, block: list[str], line: int, more: Iterator[list[str]]) -> tuple[Part, int]:
        """The rows of any lines; what is wrong with a row is said of it."""
        rows, begins, faults, read = _records(block, self._header, self._name, line, more)
        names = self._header.names
        columns = {
            name: [row[n] for row in rows]
            for n, name in enumerate(names)
            if name in self._numeric | self._role_of.keys() | self._unexplained
        }
        numbers = {
            name: self._parsed(columns[name], name, faults, self._roles.coordinates)
            for name in self._numeric
        }
        coords = np.stack([numbers[name] for name in self._roles.coordinates], axis=1)
        for row in np.flatnonzero(np.isnan(coords).any(axis=1) & ~np.isnan(coords).all(axis=1)):
            empty = [n for n in self._roles.coordinates if not columns[n][row].strip()]
            if empty:
                faults.setdefault(int(row), f"column {printable(empty[0])}: empty")
        part = Part(
            coords=coords,
            columns={
                role: numbers[name] if name in numbers else _shared(map(str.strip, columns[name]))
                for name, role in self._role_of.items()
            },
            lines=begins,
            faults=faults,
            unexplained={
                name: _some_texts(np.array(columns[name], object)) for name in self._unexplained
            },
        )
        return part, read

    def _parsed(
        self, cells: list[str], name: str, faults: dict[int, str], coordinates: Sequence[str]
    ) -> NDArray[np.float64]:
        """The numbers; NaN for an empty cell, and for one that is a fault of its row."""
        with contextlib.suppress(ValueError):
            if _is_plain("".join(cells)):
                return np.fromiter(map(float, cells), np.float64, len(cells))
        numbers = np.full(len(cells), np.nan)
        for row, cell in enumerate(cells):
            if _is_number(cell):
                numbers[row] = float(cell)
            elif cell.strip():
                fault = f"column {printable(name)}: {quoted(cell)} is not a number"
                if _DECIMAL_COMMA.fullmatch(cell):
                    fault += " (a decimal comma: write a point)"
                faults.setdefault(row, fault)
        return numbers

    def _none(self) -> dict[Role, Sequence[object] | NDArray[np.float64]]:
        """Columns without rows."""
        return {
            role: np.empty(0) if name in self._numeric else []
            for name, role in self._role_of.items()
        }


def _records(
    block: list[str], header: _Header, name: str, line: int, more: Iterator[list[str]]
) -> tuple[list[list[str]], NDArray[np.int64], dict[int, str], int]:
    """The fields of records that are not blank, the line of each, faults, and how many lines.

    A row with another number of fields is a fault, and its fields are empty.
    """
    reader = header.rows(itertools.chain(block, _checked(more, name, line + len(block))))
    rows: list[list[str]] = []
    begins: list[int] = []
    faults: dict[int, str] = {}
    width = len(header.names)
    while reader.line_num < len(block):
        begin = line + reader.line_num
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise BoxError(f"{name} line {begin}: not a line of CSV: {error}") from error
        if row is None:
            break
        if not any(row) or (len(row) != width and not any(map(str.strip, row))):
            continue
        if len(row) != width:
            faults[len(rows)] = f"{len(row)} fields, but there are {width} columns"
            row = [""] * width
        rows.append(row)
        begins.append(begin)
    return rows, np.array(begins, np.int64), faults, reader.line_num


def _records_with_cells(
    stream: Iterator[list[str]], header: _Header, name: str, reading: Reading
) -> tuple[list[Any], NDArray[np.int64]]:
    """A record by column names for each row, whose cells of _CELLS are what they hold."""
    records: list[Any] = []
    begins = []
    cells = [n for n in header.names if plain(n) in _CELLS]
    scores = {plain(n) for n in (*SPELLINGS["score"], reading.score or "score")}
    numeric = [n for n in header.names if plain(n) in scores]
    line = header.line + 1
    for block in stream:
        _check_lengths(block, name, line)
        rows, lines, faults, read = _records(block, header, name, line, stream)
        for n, fault in faults.items():
            raise BoxError(f"{name} line {lines[n]}: {fault}")
        for row, begin in zip(rows, lines.tolist(), strict=True):
            record: dict[str, object] = dict(zip(header.names, row, strict=True))
            for cell in cells:
                record[cell] = _cell(str(record[cell]), f"{name} line {begin}, column {cell}")
            for cell in numeric:
                text = str(record[cell])
                record[cell] = float(text) if _is_number(text) else text or None
            records.append(record)
        begins.append(lines)
        line += read
    return records, np.concatenate(begins)


def _cell(text: str, where: str) -> object:
    """What a cell holds that is JSON, or numbers between commas or spaces."""
    text = text.strip()
    if text.startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BoxError(f"{where}: {quoted(text, 60)} is not JSON: {error}") from error
    inside = text.strip("[]()").replace(",", " ").split()
    if all(map(_is_number, inside)):
        return list(map(float, inside))
    return text


def _check_lengths(block: list[str], name: str, line: int) -> None:
    longest = max(map(len, block), default=0)
    if longest > _LONGEST_LINE:
        line += next(n for n, text in enumerate(block) if len(text) > _LONGEST_LINE)
        raise BoxError(
            f"{name} line {line} is longer than {_LONGEST_LINE:,} characters: is it CSV?"
        )


def _checked(more: Iterator[list[str]], name: str, line: int) -> Iterator[str]:
    for block in more:
        _check_lengths(block, name, line)
        yield from block
        line += len(block)


def _quotes_enclose_fields(block: list[str], delimiter: str) -> bool:
    """Whether each quote, if there are any, stands at an end of a field and means no more."""
    text = "".join(block)
    if '"' not in text:
        return True
    text = f"\n{text}\n"
    begin = text.count('\n"') + text.count(f'{delimiter}"')
    end = text.count('"\n') + text.count(f'"{delimiter}')
    return begin == end and begin + end == text.count('"')


def _shared(texts: Iterator[str]) -> list[str]:
    """The texts, with equal ones in memory once: names of images come again and again."""
    known: dict[str, str] = {}
    return [known.setdefault(text, text) for text in texts]


def _some_texts(values: NDArray[Any]) -> set[object]:
    """Up to two different texts of a column; none if it holds numbers."""
    texts = {str(value).strip() for value in values.tolist()} - {""}
    return set() if all(map(_is_number, texts)) else set(sorted(texts)[:2])


def _is_plain(text: str) -> bool:
    """Whether it has nothing that Python alone reads as a number: 1_0, digits of other scripts."""
    return text.isascii() and "_" not in text


def _is_number(cell: str) -> bool:
    cell = cell.strip()
    try:
        float(cell)
    except ValueError:
        return False
    return _is_plain(cell)
