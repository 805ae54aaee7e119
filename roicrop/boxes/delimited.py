"""CSV and similar formats: a line per box, separated by commas, tabs, semicolons or spaces.

A file is read in blocks of lines, so that only the needed columns are in memory. A block is read by
NumPy if possible, else by Python's csv module, which can say what is wrong.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from roicrop.boxes.draft import Draft, Records, Values
from roicrop.boxes.names import (
    ANY,
    INDEX_NAMES,
    NESTED,
    PRODUCERS,
    VIA,
    Reading,
    find_roles,
    is_known,
    plain,
)
from roicrop.boxes.table import Lines, Source
from roicrop.errors import BoxError
from roicrop.files.numbers import is_number
from roicrop.files.text import blocks
from roicrop.text import many

if TYPE_CHECKING:
    import _csv

_DELIMITERS: Final = (",", "\t", ";", " ")
_LONGEST_LINE: Final = 131_072  # characters; the csv module's limit for a field


def read_delimited(stream: BinaryIO, source: Source, reading: Reading) -> Draft:
    """Read CSV, TSV or text in columns; see `read_boxes`."""
    lines = blocks(stream, source.name, _LONGEST_LINE)
    line, block = next((each for each in lines if any(map(str.strip, each[1]))), (1, []))
    if not block:
        raise BoxError(f"{source.name} is empty: begin it with a header such as x1,y1,x2,y2")
    header = _header(block, line, source.name, reading)
    table = _Table(header, source, reading)
    whole = table.part(line + header.lines, block[header.lines :], lines)
    for line, block in lines:
        whole.extend(table.part(line, block, lines), f"{source.name} line {line}")
    return whole


@dataclass(frozen=True, slots=True)
class _Header:
    """Names of columns.

    lines: the number of lines before the first record. where: the place of the names.
    """

    names: list[str]
    delimiter: str
    lines: int
    where: str

    def rows(self, lines: Iterable[str]) -> _csv.Reader:
        """A csv reader over lines."""
        if self.delimiter == " ":
            lines = (" ".join(line.split()) + "\n" for line in lines)
        return csv.reader(lines, delimiter=self.delimiter, skipinitialspace=True, strict=True)


def _header(block: list[str], line: int, name: str, reading: Reading) -> _Header:
    blank = next(n for n, text in enumerate(block) if text.strip())
    where = f"{name} line {line + blank}"
    found: list[_Header] = []
    fault: csv.Error | None = None
    for delimiter in _DELIMITERS:
        rows = _Header([], delimiter, blank, where).rows(itertools.islice(block, blank, None))
        try:
            names = [cell.strip() for cell in next(rows)]
            found.append(_Header(names, delimiter, blank + rows.line_num, where))
        except csv.Error as error:
            fault = error
    if not found or (fault is not None and max(len(each.names) for each in found) == 1):
        raise BoxError(f"{where}: not a line of CSV: {fault}") from fault
    if reading.columns is not None:
        return _named(found, reading, where, blank)
    best = max(found, key=lambda h: (len(set(filter(is_known, h.names))), len(h.names)))
    if any(map(is_number, best.names)) and not any(map(is_known, best.names)):
        raise BoxError(f"{where}: there is no header: name the columns, with {_hint(best.names)}")
    return best


def _named(found: Sequence[_Header], reading: Reading, where: str, blank: int) -> _Header:
    """The header given by `--columns`; a header in the file is skipped."""
    count = len(reading.columns or ())
    fitting = max(found, key=lambda h: (len(h.names) == count, len(h.names)))
    names = reading.names_of(len(fitting.names), where)
    cells = dict(zip(names, fitting.names, strict=True))
    numbers = [cells[each] for each in find_roles(names, reading, "--columns", "").coordinates]
    is_header = all(is_known(cell) or (cell and not is_number(cell)) for cell in numbers)
    is_header |= fitting.names == ["", *map(str, range(count - 1))]  # as pandas writes an array
    return _Header(names, fitting.delimiter, fitting.lines if is_header else blank, "--columns")


def _hint(cells: Sequence[str]) -> str:
    """The option to give for a file without a header, ready to copy."""
    likely = [
        f"--columns {each.columns}{each.options} if {each.name} wrote them"
        for each in PRODUCERS
        if len(each.kinds) == len(cells) and all(map(_is_kind, each.kinds, cells))
    ]
    return " or ".join(likely) or "--columns image,x1,y1,x2,y2 in their order (_ skips one)"


def _is_kind(kind: str, cell: str) -> bool:
    if not cell or kind == "t":
        return not is_number(cell)
    return is_number(cell) and (kind == "n" or 0 <= float(cell) <= 1)


class _Table:
    """Reads blocks of lines into the columns that have a role."""

    def __init__(self, header: _Header, source: Source, reading: Reading) -> None:
        self._header, self._source, self._reading = header, source, reading
        plains = set(map(plain, header.names))
        self._producer = VIA if "regionshapeattributes" in plains else ANY
        self._numeric = set() if plains & NESTED else self._find_numeric()

    def part(self, line: int, block: list[str], more: Iterator[tuple[int, list[str]]]) -> Draft:
        """Read a block of lines; line: the number of the first.

        more: the blocks after it, in case a field continues there.
        """
        if self._numeric and _quotes_enclose_fields(block, self._header.delimiter):
            draft = self._plain(line, block)
            if draft is not None:
                return draft
        return self._careful(line, block, more)

    def _find_numeric(self) -> set[str]:
        """The columns that hold numbers."""
        roles = find_roles(self._header.names, self._reading, self._header.where, "")
        numeric = {"score", "width", "height", "angle"}
        if plain(roles.of.get("image", "")) in INDEX_NAMES:
            numeric.add("image")
        return {*roles.coordinates, *(name for role, name in roles.of.items() if role in numeric)}

    def _plain(self, line: int, block: list[str]) -> Draft | None:
        """The result of `_careful` in half the time; None if a line is not one valid record."""
        numbers: Lines = range(line, line + len(block))
        written = ~np.fromiter(map(str.isspace, block), np.bool_, len(block))
        if not written.all():
            numbers, block = np.flatnonzero(written) + line, [*itertools.compress(block, written)]
        if not block:
            return None
        names, delimiter = self._header.names, self._header.delimiter
        kinds = ["f8" if name in self._numeric else "O" for name in names]
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

        def column(name: str) -> Values:
            values = table[f"column {names.index(name)}"]
            return values if name in self._numeric else [*map(str.strip, values.tolist())]

        return self._draft(column, numbers, {}) if len(table) == len(block) else None

    def _careful(self, line: int, block: list[str], more: Iterator[tuple[int, list[str]]]) -> Draft:
        """Read any lines, with a fault for each row that is wrong.

        Blank rows are skipped. In a row with the wrong number of fields, all are empty.
        """
        rows: list[list[str]] = []
        begins: list[int] = []
        faults: dict[int, str] = {}
        names, begin = self._header.names, line
        reader = self._header.rows(block)
        try:
            for row in reader:
                if any(row) and (len(row) == len(names) or any(map(str.strip, row))):
                    if len(row) != len(names):
                        fields = many(len(row), "field")
                        faults[len(rows)] = f"{fields}, but there are {len(names)} columns"
                        row = [""] * len(names)
                    rows.append(row)
                    begins.append(begin)
                begin = line + reader.line_num
        except csv.Error as error:
            following = next(more, None) if "unexpected end" in str(error) else None
            if following is None:
                where = f"{self._source.name} line {begin}"
                raise BoxError(f"{where}: not a line of CSV: {error}") from error
            return self._careful(line, block + following[1], more)

        def column(name: str) -> list[str]:
            n = names.index(name)
            return [row[n].strip() for row in rows]

        return self._draft(column, np.array(begins, np.int64), faults)

    def _draft(self, column: Any, lines: Lines, faults: dict[int, str]) -> Draft:
        names, where = self._header.names, self._header.where
        source = Source(self._source.path, lines)
        origin = "header" if self._reading.columns is None else "--columns"
        records = Records(names, column, source, where, origin, self._producer, faults)
        return records.draft(self._reading, "csv")


def _quotes_enclose_fields(block: list[str], delimiter: str) -> bool:
    """True if quotes occur only as the first and last character of a field."""
    text = "".join(block)
    if '"' not in text:
        return True
    text = f"\n{text}\n"
    begin = text.count('\n"') + text.count(f'{delimiter}"')
    end = text.count('"\n') + text.count(f'"{delimiter}')
    return begin == end and begin + end == text.count('"')
