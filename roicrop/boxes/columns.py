"""From what a reader found to a table: names, whole numbers and scores, the same from any format.

Images, ids and labels are whole numbers or names. A column of them is int64 when every value is a
whole number written the plain way (12, or 12.0 as some programs write it, but not 007), else text:
a name such as 000000397133 keeps its zeros.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from roicrop.boxes.names import INDEX_NAMES, Role, Roles, plain
from roicrop.boxes.records import Part, numbers_of
from roicrop.boxes.table import BoxTable, ImageKind, Source
from roicrop.boxes.text import shown
from roicrop.text import many, printable, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roicrop.boxes.coco import Coco
    from roicrop.boxes.table import Names

_LARGEST_EXACT_INDEX: Final = 2.0**53


@dataclass(slots=True, kw_only=True)
class Draft:
    """What a reader of one format found; `names` are all its columns or keys.

    image_kind: what the image's column holds, where its name does not say so.
    coco, sizes, entries: as `coco`, `image_sizes` and `entries` of the table.
    """

    path: str
    format: str
    roles: Roles
    names: Sequence[str]
    parts: list[Part]
    coco: Coco | None = None
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    image_kind: ImageKind | None = None
    entries: int | None = None

    def build(self) -> BoxTable:
        """The table, without the rows that have no box; rows that make no sense are its faults."""
        starts = np.cumsum([0, *(len(part.coords) for part in self.parts)]).tolist()
        faults = {
            start + row: fault
            for start, part in zip(starts, self.parts, strict=False)
            for row, fault in part.faults.items()
        }
        lines = [part.lines for part in self.parts if part.lines is not None]
        source = Source(self.path, _joined(lines) if len(lines) == len(self.parts) else None)
        coords = _joined(self._coords())
        has_box = ~np.isnan(coords).all(axis=1)
        has_box[list(faults)] = True
        rows = np.flatnonzero(has_box)
        without = len(coords) - len(rows)
        columns = _Columns(self, rows if without else None, faults, starts[-1])
        left_out = (f"{many(without, 'row')} without a box left out",) if without else ()
        table = BoxTable(
            source=source,
            format=self.format,
            box_format=self.roles.box_format,
            box_format_origin=self.roles.origin,
            coords=coords[rows] if without else coords,
            image_key=self.roles.of.get("image"),
            image_kind=columns.image_kind,
            image=columns.image(),
            id=columns.names("id"),
            score=columns.score(),
            label=columns.names("label"),
            coco=self.coco,
            image_sizes=self.sizes if self.coco is None else self.coco.sizes,
            source_index=rows,
            columns=tuple(self.names),
            unexplained=self._unexplained(),
            faults=faults,
            entries=self.entries,
            without_box=without,
            notes=(*self.roles.notes, *left_out),
            warnings=self.roles.warnings,
        )
        if faults:
            table.coords[np.isin(rows, list(faults))] = np.nan
        return table

    def _coords(self) -> list[NDArray[np.float64]]:
        """The coordinates of each part, which gives them up: there may be little room."""
        coords = [part.coords for part in self.parts]
        for part in self.parts:
            part.coords = coords[0][:0]
        return coords

    def _unexplained(self) -> tuple[str, ...]:
        values: dict[str, set[str]] = {}
        for name, some in chain.from_iterable(part.unexplained.items() for part in self.parts):
            values.setdefault(name, set()).update(some)
        return tuple(name for name, some in values.items() if len(some) > 1)


class _Columns:
    """The columns of the rows that are kept; what does not fit becomes a fault of its row.

    rows: the kept of `count` rows; None for all.
    """

    def __init__(
        self, draft: Draft, rows: NDArray[np.intp] | None, faults: dict[int, str], count: int
    ) -> None:
        self._draft = draft
        self._rows = rows
        self._count = count
        self._faults = faults
        key = draft.roles.of.get("image")
        self.image_kind: ImageKind | None = draft.image_kind
        if key is not None and draft.image_kind is None:
            self.image_kind = "index" if plain(key) in INDEX_NAMES else "name"

    def image(self) -> Names | None:
        """The image of each row; a row that names none is a fault."""
        if self.image_kind == "index":
            return self._indices()
        names = self.names("image")
        if names is not None and names.dtype == object:
            for row in np.flatnonzero(names == "").tolist():
                self._fault(row, "image", "is empty: every box needs one")
        return names

    def names(self, role: Role) -> Names | None:
        """Whole numbers or text; None where the file has no such column."""
        values = self._values(role)
        if values is None:
            return None
        texts: list[Any] = values.tolist() if isinstance(values, np.ndarray) else list(values)
        kinds = set(map(type, texts))
        if kinds == {int}:
            with contextlib.suppress(OverflowError):
                return np.array(texts, dtype=np.int64)
        if self._faults or not kinds <= {str} or not _is_writable("".join(texts)):
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

    def score(self) -> NDArray[np.float64] | None:
        """Scores, NaN where a row has none; None where no row has one."""
        values = self._values("score")
        if isinstance(values, list) and values and all(each in (None, "") for each in values):
            return None
        return self._numbers("score")

    def _values(self, role: Role) -> Sequence[Any] | NDArray[np.float64] | None:
        parts = [part.columns[role] for part in self._draft.parts if role in part.columns]
        if not parts:
            return None
        arrays = [values for values in parts if isinstance(values, np.ndarray)]
        if len(arrays) == len(parts):
            numbers = _joined(arrays)
            return numbers if self._rows is None else numbers[self._rows]
        values = parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))
        return values if self._rows is None else [values[row] for row in self._rows.tolist()]

    def _numbers(self, role: Role) -> NDArray[np.float64] | None:
        values = self._values(role)
        if values is None or isinstance(values, np.ndarray):
            return values
        numbers, faults = numbers_of(values)
        for row, fault in faults.items():
            self._fault(row, role, fault)
        return numbers

    def _indices(self) -> NDArray[np.int64] | None:
        numbers = self._numbers("image")
        if numbers is None:
            return None
        with np.errstate(invalid="ignore"):
            whole = (np.abs(numbers) < _LARGEST_EXACT_INDEX) & (numbers == np.floor(numbers))
        for row in np.flatnonzero(~whole).tolist():
            self._fault(row, "image", f"is {numbers[row]:g}, not the index of an image")
        return np.where(whole, numbers, 0).astype(np.int64)

    def _texts(self, values: Sequence[Any], role: Role) -> list[str]:
        """The values as text; a row that is bad anyway borrows another's where it has none."""
        texts = [self._text(value, row, role) for row, value in enumerate(values)]
        usual = next(filter(None, texts), "")
        rows = range(self._count) if self._rows is None else self._rows.tolist()
        bad = map(self._faults.__contains__, rows)
        return [text or (usual if is_bad else "") for text, is_bad in zip(texts, bad, strict=True)]

    def _text(self, value: object, row: int, role: Role) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            if _is_writable(value):
                return value
            fault = f"is {quoted(value, 60)}, which no file can hold as text"
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            whole = isinstance(value, float) and value.is_integer()
            return str(int(value) if whole else value)
        else:
            fault = f"is {shown(value)}, not a name or a number"
        self._fault(row, role, fault)
        return ""

    def _fault(self, row: int, role: Role, fault: str) -> None:
        key = printable(self._draft.roles.of.get(role, role))
        row = row if self._rows is None else int(self._rows[row])
        self._faults.setdefault(
            row, f"{key} {fault}" if fault.startswith("is") else f"{key}: {fault}"
        )


def _joined(parts: list[Any]) -> NDArray[Any]:
    """The parts as one array; they are let go one by one."""
    if len(parts) == 1:
        return parts[0]  # type: ignore[no-any-return]
    joined = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    parts.reverse()
    end = 0
    while parts:
        part = parts.pop()
        joined[end : end + len(part)] = part
        end += len(part)
    return joined


def _whole_numbers(texts: Sequence[str]) -> NDArray[np.int64] | None:
    """The numbers, if each text is one, written the plain way."""
    try:
        numbers = np.fromiter(map(int, texts), np.int64, len(texts))
    except (ValueError, OverflowError):
        return None
    return numbers if all(map(operator.eq, map(str, numbers.tolist()), texts)) else None


def _is_writable(text: str) -> bool:
    """Whether text can be encoded (half a surrogate pair cannot) and holds no NUL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
