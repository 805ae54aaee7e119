"""From what a reader found to a table: names, whole numbers and scores, the same from any format.

Images, ids and labels are whole numbers or names. A column of them is int64 when every value is a
whole number written the plain way (12, or 12.0 as some programs write it, but not 007), else text:
a name such as 000000397133 keeps its zeros.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from roicrop.boxes.names import INDEX_NAMES, Role, Roles, plain
from roicrop.boxes.numbers import numbers_of
from roicrop.boxes.table import BoxTable, ImageKind, Source
from roicrop.files.text import shown
from roicrop.text import many, printable, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roicrop.boxes.coco import Coco
    from roicrop.boxes.table import Names

_LARGEST_EXACT_INDEX: Final = 2.0**53
_AT_ONCE: Final = 1 << 16


@dataclass(slots=True, kw_only=True)
class Draft:
    """What a reader of one format found, or of a part of a file.

    names: all columns or keys. coords: (n, 4) float64. columns: the values of each role, n each.
    lines: (n,) the line of each row, where a file is written by lines.
    faults: row → what is wrong with it.
    unexplained: columns of text that nobody understands, and two of their values.
    entries: how many images there are, where images go by their position.
    """

    format: str
    roles: Roles
    names: Sequence[str]
    coords: NDArray[np.float64]
    columns: dict[Role, Any] = field(default_factory=dict)
    lines: NDArray[np.int64] | range | None = None
    faults: dict[int, str] = field(default_factory=dict)
    unexplained: dict[str, set[str]] = field(default_factory=dict)
    coco: Coco | None = None
    entries: int | None = None

    def build(self, path: str) -> BoxTable:
        """The table, without the rows that have no box; rows that make no sense are its faults."""
        has_box = ~np.isnan(self.coords[:, 0])
        has_box[~has_box] = ~np.isnan(self.coords[~has_box]).all(axis=1)
        has_box[list(self.faults)] = True
        rows = np.flatnonzero(has_box)
        without = len(has_box) - len(rows)
        columns = _Columns(self, rows if without else None)
        key = self.roles.of.get("image")
        kind: ImageKind | None = None if self.entries is None else "position"
        if kind is None and key is not None:
            kind = "index" if plain(key) in INDEX_NAMES else "name"
        image = columns.indices() if kind == "index" else columns.images()
        left_out = [f"{many(without, 'row')} without a box left out"] if without else []
        table = BoxTable(
            source=Source(path, self.lines),
            format=self.format,
            box_format=self.roles.box_format,
            box_format_origin=self.roles.origin,
            coords=self.coords[rows] if without else self.coords,
            image_key=key,
            image_kind=kind,
            image=image,
            id=columns.names("id"),
            score=columns.numbers("score"),
            label=columns.names("label"),
            level=columns.names("level"),
            coco=self.coco,
            image_sizes=columns.sizes(image) if self.coco is None else self.coco.sizes,
            source_index=rows,
            columns=tuple(self.names),
            unexplained=tuple(n for n, some in self.unexplained.items() if len(some) > 1),
            faults=self.faults,
            entries=self.entries,
            without_box=without,
            notes=(*self.roles.notes, *left_out),
            warnings=self.roles.warnings,
        )
        if self.faults:
            table.coords[np.isin(rows, list(self.faults))] = np.nan
        return table


def joined(drafts: list[Draft]) -> Draft:
    """The parts of a file as one; they give up their rows, for there may be little room."""
    whole = drafts[0]
    if len(drafts) == 1:
        return whole
    starts = np.cumsum([0, *(len(draft.coords) for draft in drafts)]).tolist()
    for start, draft in zip(starts[1:], drafts[1:], strict=False):
        whole.faults |= {start + row: fault for row, fault in draft.faults.items()}
        for name, some in draft.unexplained.items():
            whole.unexplained.setdefault(name, set()).update(some)
        if whole.coco is not None and draft.coco is not None:
            whole.coco.add(draft.coco)
    counts = [draft.entries for draft in drafts if draft.entries is not None]
    whole.entries = sum(counts) if counts else None
    lines = [draft.lines for draft in drafts if draft.lines is not None and len(draft.lines)]
    if lines:
        follow = lines[-1][-1] + 1 - lines[0][0] == starts[-1]
        whole.lines = range(lines[0][0], lines[-1][-1] + 1) if follow else np.concatenate(lines)
    parts = {role: [draft.columns.pop(role) for draft in drafts] for role in [*whole.columns]}
    whole.columns = {role: _concatenated(values) for role, values in parts.items()}
    coords = np.empty((starts[-1], 4))
    for start, draft in zip(starts, drafts, strict=False):
        coords[start : start + len(draft.coords)] = draft.coords
        draft.coords, draft.lines = coords[:0], None if draft is not whole else whole.lines
    whole.coords = coords
    return whole


class _Columns:
    """The columns of the rows that are kept (None: all); what does not fit is a row's fault."""

    def __init__(self, draft: Draft, rows: NDArray[np.intp] | None) -> None:
        self._draft, self._rows = draft, rows

    def images(self) -> Names | None:
        """The name of each row's image; a row that has none is a fault."""
        names = self.names("image")
        if names is not None and names.dtype == object:
            for row in np.flatnonzero(names == "").tolist():
                self._fault(row, "image", " is empty: every box needs one")
        return names

    def indices(self) -> NDArray[np.int64] | None:
        """The index of each row's image."""
        numbers = self.numbers("image")
        if numbers is None:
            return None
        with np.errstate(invalid="ignore"):
            whole = (np.abs(numbers) < _LARGEST_EXACT_INDEX) & (numbers == np.floor(numbers))
        for row in np.flatnonzero(~whole).tolist():
            self._fault(row, "image", f" is {numbers[row]:g}, not the index of an image")
        return np.where(whole, numbers, 0).astype(np.int64)

    def numbers(self, role: Role) -> NDArray[np.float64] | None:
        """Numbers, NaN where a row has none; None where no row has one."""
        values = self._values(role)
        if values is None or isinstance(values, np.ndarray):
            return values
        if values and set(map(type, values)) <= {type(None), str} and not any(values):
            return None
        numbers, faults = numbers_of(values)
        for row, fault in faults.items():
            self._fault(row, role, f": {fault}")
        return numbers

    def sizes(self, image: Names | None) -> dict[str, tuple[int, int]]:
        """(height, width) of the images, where there are columns of it."""
        values = [self._values("height"), self._values("width")]
        if image is None or values[0] is None or values[1] is None:
            return {}
        height, width = (numbers_of(each)[0].tolist() for each in values if each is not None)
        each = dict(zip(image.tolist(), zip(height, width, strict=True), strict=True))
        return {
            str(i): (int(h), int(w))
            for i, (h, w) in each.items()
            if 1 <= h < _LARGEST_EXACT_INDEX and 1 <= w < _LARGEST_EXACT_INDEX
        }

    def names(self, role: Role) -> Names | None:
        """Whole numbers or text; None where the file has no such column."""
        texts = self._values(role)
        if texts is None:
            return None
        texts = texts.tolist() if isinstance(texts, np.ndarray) else texts
        kinds = set(map(type, texts))
        if kinds == {int}:
            with contextlib.suppress(OverflowError):
                return np.array(texts, dtype=np.int64)
        if self._draft.faults or not kinds <= {str} or not _are_writable(texts):
            texts = self._texts(texts, role)
        whole = _whole_numbers(texts)
        # Names are spared what only numbers need: there may be millions of them.
        if whole is None and texts[0].removesuffix(".0").removeprefix("-").isdecimal():
            whole = _whole_numbers([text.removesuffix(".0") for text in texts])
        if whole is not None:
            return whole
        column = np.empty(len(texts), dtype=object)
        column[:] = texts
        return column

    def _values(self, role: Role) -> list[Any] | NDArray[np.float64] | None:
        values = self._draft.columns.get(role)
        if values is None or self._rows is None:
            return values
        is_array = isinstance(values, np.ndarray)
        return values[self._rows] if is_array else [values[row] for row in self._rows.tolist()]

    def _texts(self, values: Sequence[Any], role: Role) -> list[str]:
        """The values as text; a row that is bad anyway borrows another's where it has none."""
        texts = [self._text(value, row, role) for row, value in enumerate(values)]
        usual = next(filter(None, texts), "")
        rows = range(len(values)) if self._rows is None else self._rows.tolist()
        bad = map(self._draft.faults.__contains__, rows)
        return [text or (usual if is_bad else "") for text, is_bad in zip(texts, bad, strict=True)]

    def _text(self, value: object, row: int, role: Role) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            if _are_writable([value]):
                return value
            self._fault(row, role, f" is {quoted(value, 60)}, which no file can hold as text")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            whole = isinstance(value, float) and value.is_integer()
            return str(int(value) if whole else value)
        else:
            self._fault(row, role, f" is {shown(value)}, not a name or a number")
        return ""

    def _fault(self, row: int, role: Role, fault: str) -> None:
        row = row if self._rows is None else int(self._rows[row])
        key = printable(self._draft.roles.of.get(role, role))
        self._draft.faults.setdefault(row, f"{key}{fault}")


def _concatenated(parts: list[Any]) -> list[Any] | NDArray[np.float64]:
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    lists = (part.tolist() if isinstance(part, np.ndarray) else part for part in parts)
    return list(chain.from_iterable(lists))


def _whole_numbers(texts: Sequence[str]) -> NDArray[np.int64] | None:
    """The numbers, if each text is one, written the plain way."""
    try:
        numbers = np.fromiter(map(int, texts), np.int64, len(texts))
    except (ValueError, OverflowError):
        return None
    return numbers if all(map(operator.eq, map(str, numbers.tolist()), texts)) else None


def _are_writable(texts: Sequence[str]) -> bool:
    """Whether texts can be encoded (half a surrogate pair cannot) and hold no NUL."""
    try:
        parts = range(0, len(texts), _AT_ONCE)
        return all(b"\0" not in "".join(texts[n : n + _AT_ONCE]).encode() for n in parts)
    except UnicodeEncodeError:
        return False
