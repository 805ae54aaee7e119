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
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from roicrop.boxes.names import INDEX_NAMES, Role, Roles, plain
from roicrop.boxes.table import BoxTable, ImageKind, Source
from roicrop.boxes.text import shown
from roicrop.errors import BoxError
from roicrop.text import many, printable, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roicrop.boxes.coco import Coco
    from roicrop.boxes.table import Names

_LARGEST_EXACT_INDEX: Final = 2.0**53
_NO_COORDS: Final = np.empty((0, 4))


@dataclass(slots=True, kw_only=True)
class Part:
    """Some rows of a file, in their order.

    coords: (n, 4) float64. columns: the values of each role, n each: a list, or float64.
    lines: (n,) the line of each, where a file is written by lines.
    faults: row of the part → what is wrong with it.
    unexplained: columns of text that nobody understands, and some of their values.
    """

    coords: NDArray[np.float64]
    columns: Mapping[Role, Sequence[object] | NDArray[np.float64]] = field(default_factory=dict)
    lines: NDArray[np.int64] | None = None
    faults: dict[int, str] = field(default_factory=dict)
    unexplained: Mapping[str, set[object]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Draft:
    """What a reader of one format found; `names` are all its columns or keys.

    sizes: (height, width) of images by name, as far as the file says.
    image_kind: what the image's column holds, where its name does not say so.
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
        faults = self._faults()
        lines = None
        if all(part.lines is not None for part in self.parts):
            lines = _joined([cast("NDArray[np.int64]", part.lines) for part in self.parts])
        source = Source(self.path, lines)
        taken = [part.coords for part in self.parts]
        for part in self.parts:
            part.coords = _NO_COORDS
        coords = _joined(taken).reshape(-1, 4)
        has_box = ~np.isnan(coords).all(axis=1)
        has_box[list(faults)] = True
        rows = np.arange(len(coords))
        if not has_box.all():
            rows, coords = rows[has_box], coords[has_box]
        columns = _Columns(self, rows, len(rows) == len(has_box), faults)
        image = columns.image()
        table = BoxTable(
            source=source,
            format=self.format,
            box_format=self.roles.box_format,
            box_format_origin=self.roles.origin,
            coords=coords,
            image_key=self.roles.of.get("image"),
            image_kind=columns.image_kind,
            image=image,
            id=columns.names("id"),
            score=columns.score(),
            label=columns.names("label"),
            coco=self.coco,
            image_sizes=self.sizes,
            source_index=rows,
            columns=tuple(self.names),
            unexplained=self._unexplained(),
            faults=faults,
            entries=self.entries,
            notes=self._notes(len(has_box) - len(rows)),
            warnings=self.roles.warnings,
        )
        if faults:
            table.coords[np.isin(rows, list(faults))] = np.nan
        return table

    def _faults(self) -> dict[int, str]:
        starts = np.cumsum([0, *(len(part.coords) for part in self.parts)]).tolist()
        return {
            start + row: text
            for start, part in zip(starts, self.parts, strict=False)
            for row, text in part.faults.items()
        }

    def _unexplained(self) -> tuple[str, ...]:
        values: dict[str, set[object]] = {}
        for part in self.parts:
            for name, some in part.unexplained.items():
                values.setdefault(name, set()).update(some)
        return tuple(name for name, some in values.items() if len(some) > 1)

    def _notes(self, without: int) -> tuple[str, ...]:
        left_out = (f"{many(without, 'row')} without a box left out",) if without else ()
        return (*self.roles.notes, *left_out)


class _Columns:
    """The columns of the rows that are kept; what does not fit becomes a fault of its row."""

    def __init__(
        self, draft: Draft, rows: NDArray[np.int64], all_rows: bool, faults: dict[int, str]
    ) -> None:
        self._draft = draft
        self._rows = rows
        self._all_rows = all_rows
        self._faults = faults
        key = draft.roles.of.get("image")
        self.image_kind: ImageKind | None = None
        if key is not None:
            by_name: ImageKind = "index" if plain(key) in INDEX_NAMES else "name"
            self.image_kind = draft.image_kind or by_name

    def image(self) -> Names | None:
        """The image of each row; a row that names none is a fault."""
        values = self._values("image")
        if values is None:
            return None
        if self.image_kind == "index":
            return self._indices(values)
        names = self._as_names("image", values)
        if names.dtype == object:
            for row in np.flatnonzero(names == "").tolist():
                self._fault(row, f"{self._key('image')} is empty: every box needs one")
        return names

    def names(self, role: Role) -> Names | None:
        """Whole numbers or text; None where the file has no such column."""
        values = self._values(role)
        return None if values is None else self._as_names(role, values)

    def score(self) -> NDArray[np.float64] | None:
        """Scores, NaN where a row has none; None where no row has one."""
        values = self._values("score")
        if values is None:
            return None
        scores = values if isinstance(values, np.ndarray) else self._numbers("score", values)
        return None if len(scores) and np.isnan(scores).all() else scores

    def _values(self, role: Role) -> Sequence[Any] | NDArray[np.float64] | None:
        parts = [part.columns[role] for part in self._draft.parts if role in part.columns]
        if not parts:
            return None
        if all(isinstance(values, np.ndarray) for values in parts):
            numbers = _joined(cast("list[NDArray[np.float64]]", parts))
            return numbers if self._all_rows else numbers[self._rows]
        values = parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))
        return values if self._all_rows else [values[row] for row in self._rows.tolist()]

    def _key(self, role: Role) -> str:
        return printable(self._draft.roles.of.get(role, role))

    def _fault(self, row: int, text: str) -> None:
        self._faults.setdefault(int(self._rows[row]), text)

    def _numbers(self, role: Role, values: Sequence[Any]) -> NDArray[np.float64]:
        numbers, faults = numbers_of(values)
        for row, fault in faults.items():
            self._fault(row, f"{self._key(role)} is {fault}")
        return numbers

    def _indices(self, values: Sequence[Any] | NDArray[np.float64]) -> NDArray[np.int64]:
        numbers = values
        if not isinstance(numbers, np.ndarray):
            numbers = self._numbers("image", [_number_in(value) for value in values])
        with np.errstate(invalid="ignore"):
            whole = (np.abs(numbers) < _LARGEST_EXACT_INDEX) & (numbers == np.floor(numbers))
        for row in np.flatnonzero(~whole).tolist():
            text = f"{self._key('image')} is {numbers[row]:g}, not the index of an image"
            self._fault(row, text)
        return np.where(whole, numbers, 0).astype(np.int64)

    def _as_names(self, role: Role, values: Sequence[Any] | NDArray[np.float64]) -> Names:
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

    def _texts(self, values: Sequence[Any], role: Role) -> list[str]:
        """The values as text; a row that is bad anyway borrows another's where it has none."""
        texts = [self._text(value, row, role) for row, value in enumerate(values)]
        usual = next((text for text in texts if text), "")
        bad = map(self._faults.__contains__, self._rows.tolist())
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
        self._fault(row, f"{self._key(role)} {fault}")
        return ""


def float64(values: Sequence[Any]) -> NDArray[np.float64] | None:
    """The values as they are; None if one is not a number, or an integer beyond float64."""
    if not set(map(type, values)) <= {int, float}:
        return None
    try:
        return np.fromiter(values, np.float64, len(values))
    except OverflowError:
        return None


def boxes_of(lists: Sequence[Any], width: int) -> tuple[NDArray[np.float64], dict[int, str]]:
    """(n, width) float64 from lists of that many numbers, and what is wrong with which.

    An empty list, and null, are NaN throughout: no box.
    """
    if set(map(type, lists)) <= {list} and set(map(len, lists)) <= {width}:
        if set(map(type, chain.from_iterable(lists))) <= {int, float}:
            with contextlib.suppress(OverflowError):
                flat = np.fromiter(chain.from_iterable(lists), np.float64, len(lists) * width)
                return flat.reshape(-1, width), {}
    boxes, faults = np.full((len(lists), width), np.nan), {}
    for row, box in enumerate(lists):
        numbers = float64(box) if isinstance(box, list) and len(box) == width else None
        if numbers is not None:
            boxes[row] = numbers
        elif box is not None and box != []:
            faults[row] = f"{shown(box)} is not {_COUNTS.get(width, width)} numbers"
    return boxes, faults


def numbers_of(values: Sequence[Any]) -> tuple[NDArray[np.float64], dict[int, str]]:
    """(n,) float64, NaN for null and empty text, and what is no number, by its row."""
    numbers = float64(values)
    if numbers is not None:
        return numbers, {}
    numbers, faults = np.full(len(values), np.nan), {}
    for row, value in enumerate(values):
        number = float64([value])
        if number is not None:
            numbers[row] = number[0]
        elif value is not None and value != "":
            faults[row] = f"{shown(value)}, not a number"
    return numbers, faults


def five(
    matrix: NDArray[np.float64], images: int | None, where: str, named: bool = False
) -> tuple[NDArray[np.float64], dict[Role, NDArray[np.float64]]]:
    """Boxes (n, 4) of five numbers, and the fifth: image first, or score last.

    Image first, where the first is whole and below `images` and the last above 1 (as torchvision,
    Caffe and ONNX take it); score last, where the last lies in 0 to 1 and the first is no index.
    named: whether the boxes' images are known, so that the first is none.
    """
    said = matrix[np.isfinite(matrix).all(axis=1)]
    if not len(said):
        return matrix[:, :4], {}
    first, last = said[:, 0], said[:, 4]
    whole = bool(((first == np.floor(first)) & (first >= 0)).all())
    may_be_index = not named and whole and (images is None or first.max() < images)
    must_not_be_index = named or not (whole and first.max() < (images or 1))
    if may_be_index and (last > 1).all():
        return matrix[:, 1:], {"image": matrix[:, 0]}
    if must_not_be_index and ((last >= 0) & (last <= 1)).all():
        return matrix[:, :4], {"score": matrix[:, 4]}
    raise BoxError(
        f"{where}: of five numbers, either the first is an image's index or the last a score, and "
        "these do not say which: --columns image_index,x1,y1,x2,y2 or --columns x1,y1,x2,y2,score"
    )


_COUNTS: Final = {4: "four", 5: "five"}


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """The parts as one array; they are let go one by one, for there may be little room."""
    if len(parts) == 1:
        return parts[0]
    total = sum(map(len, parts))
    joined = np.empty((total, *parts[0].shape[1:]), parts[0].dtype) if parts else np.empty(0)
    parts.reverse()
    end = 0
    while parts:
        part = parts.pop()
        joined[end : end + len(part)] = part
        end += len(part)
    return joined


def _number_in(value: object) -> object:
    """The number that text holds, if it holds one."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


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
