"""CSV and its relatives: a line for each box, between commas, tabs, semicolons or spaces.

A file is read in blocks of lines, so that memory is bounded by the columns that are wanted. A block
is read by NumPy where that can be done, else by Python's csv module, which says what is wrong.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from roicrop.boxes.columns import Draft, joined
from roicrop.boxes.names import INDEX_NAMES, Reading, Roles, find_roles, is_known, plain
from roicrop.boxes.numbers import is_number
from roicrop.boxes.producers import PRODUCERS, VIA
from roicrop.boxes.records import NESTED, Records, two_texts
from roicrop.boxes.table import Source
from roicrop.errors import BoxError
from roicrop.files.text import blocks
from roicrop.text import many

if TYPE_CHECKING:
    import _csv

    from numpy.typing import NDArray

_DELIMITERS: Final = (",", "\t", ";", " ")
_LONGEST_LINE: Final = 131_072  # characters; the csv module takes no longer field


def read_delimited(stream: BinaryIO, path: str, name: str, reading: Reading) -> Draft:
    """The boxes of CSV, TSV or text in columns, which is UTF-8; see `read_boxes`."""
    lines = blocks(stream, name)
    first = next((block for block in lines if any(map(str.strip, block))), None)
    if first is None:
        raise BoxError(f"{name} is empty: a header such as x1,y1,x2,y2 comes first")
    header = _header(first, name, reading)
    table = _Table(header, path, name, reading)
    block, line = first[header.line :] or next(lines, []), header.line + 1
    parts = [] if block else [table.part([], line, lines)[0]]
    while block or (block := next(lines, [])):
        part, read, rest = table.part(block, line, lines)
        parts.append(part)
        block, line = rest, line + read
    return joined(parts)


@dataclass(frozen=True, slots=True)
class _Header:
    """The columns' names, as the first line that is not blank has them, or the command line.

    line: the last line before the first record, from 1. where: the place of the names, for
    messages; it is also what says the box format.
    """

    names: list[str]
    delimiter: str
    line: int
    where: str

    def rows(self, lines: Iterator[str]) -> _csv.Reader:
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
        rows = _Header([], delimiter, blank, where).rows(iter(block[blank:]))
        try:
            names = [cell.strip() for cell in next(rows)]
        except csv.Error as error:
            fault = error
        else:
            found.append(_Header(names, delimiter, blank + rows.line_num, where))
    if reading.columns is not None:
        return _named(found, reading, where, blank)
    best = max(found, key=lambda h: (sum(map(is_known, h.names)), len(h.names)), default=None)
    if best is None or (fault is not None and len(best.names) == 1):
        raise BoxError(f"{where}: not a line of CSV: {fault}") from fault
    if any(map(is_number, best.names)) and not any(map(is_known, best.names)):
        raise BoxError(f"{where}: there is no header: name the columns, with {_hint(best.names)}")
    return best


def _named(found: Sequence[_Header], reading: Reading, where: str, blank: int) -> _Header:
    """The header that `--columns` stands for; the first line is left out if it is one too."""
    names = reading.names
    fitting = next((each for each in found if len(each.names) == len(names)), None)
    if fitting is None:
        fields = max((len(each.names) for each in found), default=0)
        raise BoxError(
            f"{where} has {many(fields, 'field')}, and --columns names {len(names)}: name each, "
            "and call those to skip _"
        )
    cells = dict(zip(names, fitting.names, strict=True))
    numbers = [cells[each] for each in find_roles(names, reading, "--columns", "").coordinates]
    is_header = all(is_known(cell) or (cell and not is_number(cell)) for cell in numbers)
    return _Header(names, fitting.delimiter, fitting.line if is_header else blank, "--columns")


def _hint(cells: Sequence[str]) -> str:
    """The option that names the columns of a file without a header, ready to copy."""
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
    """Reads blocks of lines into the columns that have a role.

    roles: what the names hold, which is known from the first block on, for cells may hold objects.
    """

    def __init__(self, header: _Header, path: str, name: str, reading: Reading) -> None:
        self._header = header
        self._path, self._name, self._reading = path, name, reading
        self._nested = any(plain(each) in NESTED for each in header.names)
        self._origin = "--columns" if reading.columns is not None else "header"
        self._known: Roles | None = None
        self.names: Sequence[str] = header.names

    @property
    def roles(self) -> Roles:
        """What each name holds."""
        if self._known is None:
            header = self._header
            self._known = find_roles(header.names, self._reading, header.where, self._origin)
        return self._known

    def part(
        self, block: list[str], line: int, more: Iterator[list[str]]
    ) -> tuple[Draft, int, list[str]]:
        """The rows of a block whose first line has that number, and how many lines they took.

        more: the blocks after it, from which lines are taken where a field goes on there; what is
        left of the last of these comes third.
        """
        _check_lengths(block, self._name, line)
        if not self._nested and _quotes_enclose_fields(block, self._header.delimiter):
            part = self._plain(block, line)
            if part is not None:
                return part, len(block), []
        return self._careful(block, line, more)

    def _plain(self, block: list[str], line: int) -> Draft | None:
        """What `_careful` gives, in half the time; None if lines are not a record each, or wrong.

        It cannot say what is wrong where.
        """
        numbers = np.arange(line, line + len(block))
        written = ~np.fromiter(map(str.isspace, block), np.bool_, len(block))
        if not written.all():
            block, numbers = list(itertools.compress(block, written)), numbers[written]
        if not block:
            return None
        roles, names = self.roles, self._header.names
        numeric = self._numeric()
        kinds = ["f8" if name in numeric else "O" for name in names]
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

        return Draft(
            format="csv",
            roles=roles,
            names=names,
            coords=np.stack([column(name) for name in roles.coordinates], axis=1),
            columns={
                role: np.array(column(name)) if name in numeric else _shared(column(name).tolist())
                for role, name in roles.of.items()
            },
            lines=numbers,
            unexplained={name: two_texts(column(name).tolist()) for name in roles.unknown(names)},
        )

    def _numeric(self) -> set[str]:
        """The columns that hold numbers."""
        numeric = {"score", "width", "height"}
        if plain(self.roles.of.get("image", "")) in INDEX_NAMES:
            numeric.add("image")
        return {*self.roles.coordinates, *(n for r, n in self.roles.of.items() if r in numeric)}

    def _careful(
        self, block: list[str], line: int, more: Iterator[list[str]]
    ) -> tuple[Draft, int, list[str]]:
        """The rows of any lines; what is wrong with a row is said of it."""
        last: list[str] = []
        reader = self._header.rows(self._lines(block, line, more, last))
        rows, begins, faults = self._rows(reader, line, len(block))
        names = self._header.names
        via = VIA if any(plain(name) == "regionshapeattributes" for name in names) else None

        def column(name: str) -> list[str]:
            n = names.index(name)
            return _shared([row[n] for row in rows])

        def where(row: int) -> str:
            return Source(self._path, begins).where(row) if row else self._header.where

        records = Records(names, column, where, via)
        records.faults |= faults
        if self._nested and rows:
            roles = records.roles(self._reading, self._origin)
            if self._known is not None and roles.of != self._known.of:
                raise BoxError(f"{where(1)}: cells have other keys than those before")
            self._known, self.names = roles, records.names
        draft = records.draft(self.roles, self._reading, "csv", lines=begins)
        return draft, reader.line_num, last[::-1]

    def _lines(
        self, block: list[str], line: int, more: Iterator[list[str]], last: list[str]
    ) -> Iterator[str]:
        """The lines of a block and those after it; `last` holds what was not taken, reversed."""
        yield from block
        line += len(block)
        for following in more:
            _check_lengths(following, self._name, line)
            line += len(following)
            last[:] = following[::-1]
            while last:
                yield last.pop()

    def _rows(
        self, reader: _csv.Reader, line: int, count: int
    ) -> tuple[list[list[str]], NDArray[np.int64], dict[int, str]]:
        """The fields of rows that begin in `count` lines, the line of each, and faults.

        A blank row is none. One with another number of fields is a fault, and its fields are empty.
        """
        rows: list[list[str]] = []
        begins: list[int] = []
        faults: dict[int, str] = {}
        width = len(self._header.names)
        while reader.line_num < count:
            begin = line + reader.line_num
            try:
                row = next(reader, None)
            except csv.Error as error:
                where = f"{self._name} line {begin}"
                raise BoxError(f"{where}: not a line of CSV: {error}") from error
            if row is None:
                break
            if not any(row) or (len(row) != width and not any(map(str.strip, row))):
                continue
            if len(row) != width:
                faults[len(rows)] = f"{many(len(row), 'field')}, but there are {width} columns"
                row = [""] * width
            rows.append(row)
            begins.append(begin)
        return rows, np.array(begins, np.int64), faults


def _check_lengths(block: list[str], name: str, line: int) -> None:
    if max(map(len, block), default=0) > _LONGEST_LINE:
        line += next(n for n, text in enumerate(block) if len(text) > _LONGEST_LINE)
        raise BoxError(
            f"{name} line {line} is longer than {_LONGEST_LINE:,} characters: is it CSV?"
        )


def _quotes_enclose_fields(block: list[str], delimiter: str) -> bool:
    """Whether each quote, if there are any, stands at an end of a field and means no more."""
    text = "".join(block)
    if '"' not in text:
        return True
    text = f"\n{text}\n"
    begin = text.count('\n"') + text.count(f'{delimiter}"')
    end = text.count('"\n') + text.count(f'"{delimiter}')
    return begin == end and begin + end == text.count('"')


def _shared(texts: list[str]) -> list[str]:
    """The texts without spaces around them; equal ones are in memory once."""
    known: dict[str, str] = {}
    return [known.setdefault(text, text) for text in map(str.strip, texts)]
