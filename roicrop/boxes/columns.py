"""From a reader's draft to a table: numbers, names and scores, the same for every format.

Images, ids and labels are whole numbers or names. A column is int64 if every value is a whole
number in its usual form (12, or 12.0 as some programs write it, but not 007), else text, so that
names such as 000000397133 keep their zeros.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from roicrop.boxes.names import CORNERS, INDEX_NAMES, Role, Roles, plain
from roicrop.boxes.table import BoxTable, ImageKind, Source
from roicrop.errors import BoxError
from roicrop.files.columns import (
    Texts,
    are_writable,
    grown,
    in_blocks,
    taken,
    whole_numbers,
)
from roicrop.files.numbers import numbers_of
from roicrop.files.text import shown
from roicrop.text import many, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    from roicrop.boxes.json_text import Coco
    from roicrop.boxes.table import Lines, Names

    Values = list[Any] | NDArray[np.float64]


_MOST_FAULTS: Final = 100_000  # rows that cannot be read, of a file that is worth reading


def five(matrix: Array, images: int | None, where: str, named: bool) -> tuple[str, ...]:
    """The names of five numbers (n, 5): image index first, or score last.

    Index first if the first is whole and below `images` and the last above 1 (as in torchvision,
    Caffe and ONNX); score last if the last is in 0 to 1 and the first is not an index.
    """
    said = matrix[np.isfinite(matrix).all(axis=1)]
    if not len(said):
        return (*CORNERS, "_")
    first, last = said[:, 0], said[:, 4]
    whole = not named and bool(((first == np.floor(first)) & (first >= 0)).all())
    if whole and first.max() < (images or np.inf) and (last > 1).all():
        return ("image_index", *CORNERS)
    if not (whole and first.max() < (images or 1)) and ((last >= 0) & (last <= 1)).all():
        return (*CORNERS, "score")
    raise BoxError(
        f"{where}: of five numbers, the first may be an image index or the last a score: give "
        "--columns image_index,x1,y1,x2,y2 or --columns x1,y1,x2,y2,score"
    )


_LARGEST_EXACT_INDEX: Final = 2.0**53


@dataclass(slots=True, kw_only=True)
class Draft:
    """What a reader found in a file, or in part of one.

    names: all columns or keys. coords: (n, 4) float64. columns: role → its n values.
    lines: (n,) the line of each row, in formats with a row per line.
    faults: row → what is wrong with it.
    unexplained: unknown columns of text, and two values of each.
    entries: the number of images, if images are identified by position.
    rows: the rows that have a box, None for all.

    Columns are arrays of float64, of int64 if all are whole numbers in their usual form, or else of
    objects, which may be anything.
    """

    format: str
    roles: Roles
    names: Sequence[str]
    coords: NDArray[np.float64]
    columns: dict[Role, Any] = field(default_factory=dict)
    lines: Lines | None = None
    faults: dict[int, str] = field(default_factory=dict)
    unexplained: dict[str, set[str]] = field(default_factory=dict)
    coco: Coco | None = None
    entries: int | None = None
    rows: NDArray[np.intp] | None = None
    _empty: set[Role] = field(default_factory=set)  # columns of numbers without a single value

    def __post_init__(self) -> None:
        self.coords = np.require(self.coords, requirements=["C", "O"])
        if isinstance(self.lines, np.ndarray) and self.lines.max(initial=0) < 2**31:
            self.lines = self.lines.astype(np.int32)
        for role, values in self.columns.items():
            self.columns[role] = self._packed(role, values)

    def extend(self, part: Draft, where: str) -> Draft:
        """Append the rows of the next part of the file, which begins at `where`."""
        if self.roles != part.roles:
            raise BoxError(f"{where}: the names differ from those of the lines before")
        start = len(self.coords)
        if len(part.coords):
            self._empty = self._empty & part._empty if start else part._empty
        self.coords = grown(self.coords, part.coords)
        self.lines = grown(self.lines, part.lines)
        for role, its in self.columns.items():
            self.columns[role] = grown(its, part.columns[role])
        self.faults |= {start + row: fault for row, fault in part.faults.items()}
        if len(self.faults) > _MOST_FAULTS:
            raise BoxError(
                f"{where}: {len(self.faults):,} rows before it hold no box that can be read; what "
                f"is wrong with the first: {self.faults[min(self.faults)]}"
            )
        for name, some in part.unexplained.items():
            self.unexplained.setdefault(name, set()).update(some)
        if self.coco is not None and part.coco is not None:
            self.coco.add(part.coco)
        if part.entries is not None:
            self.entries = (self.entries or 0) + part.entries
        return self

    def build(self, path: str) -> BoxTable:
        """Build the table, without rows that have no box; invalid rows become its faults."""
        has_box = self._has_box()
        self.rows = None if has_box.all() else np.flatnonzero(has_box)
        without = 0 if self.rows is None else len(has_box) - len(self.rows)
        left_out = [f"{many(without, 'row')} without a box left out"] if without else []
        key = self.roles.of.get("image")
        kind: ImageKind | None = None if self.entries is None else "position"
        if kind is None and key is not None:
            kind = "index" if plain(key) in INDEX_NAMES else "name"
        image = self._indices() if kind == "index" else self._names("image")
        roles: tuple[Role, ...] = ("id", "label", "level")
        columns: dict[str, Any] = {role: self._names(role) for role in roles}
        columns |= {"score": self._numbers("score"), "angle": self._numbers("angle")}
        self.coords[list(self.faults)] = np.nan
        return BoxTable(
            source=Source(path, self.lines),
            format=self.format,
            box_format=self.roles.box_format,
            box_format_origin=self.roles.origin,
            coords=self.coords if self.rows is None else taken(self.coords, self.rows),
            image_key=key,
            image_kind=kind,
            image=image,
            **columns,
            coco=self.coco,
            image_sizes=self._sizes(image) if self.coco is None else self.coco.sizes,
            rows=self.rows,
            columns=tuple(self.names),
            unexplained=tuple(n for n, some in self.unexplained.items() if len(some) > 1),
            faults=self.faults,
            entries=self.entries,
            without_box=without,
            notes=(*self.roles.notes, *left_out),
            warnings=self.roles.warnings,
        )

    def _has_box(self) -> NDArray[np.bool_]:
        """Mask (n,) of rows that have a coordinate, or a fault."""
        has_box = np.empty(len(self.coords), np.bool_)
        for some in in_blocks(len(has_box)):
            has_box[some] = ~np.isnan(self.coords[some]).all(axis=1)
        has_box[list(self.faults)] = True
        return has_box

    def _packed(self, role: Role, values: Values) -> NDArray[Any] | Texts:
        """The column in the least memory; invalid numbers become faults of their rows."""
        key = plain(self.roles.of.get(role, role))
        if role in ("score", "angle", "width", "height") or key in INDEX_NAMES:
            are_empty = isinstance(values, list) and {*map(type, values)} <= {type(None), str}
            if are_empty and len(values) and not any(values):
                self._empty.add(role)
            numbers, faults = numbers_of(values)
            has_box = self._has_box() if faults and role not in ("width", "height") else ()
            for row in (row for row in faults if row < len(has_box) and has_box[row]):
                self._fault(row, role, f": {faults[row]}")
            return numbers.copy() if numbers is values else numbers
        if isinstance(values, np.ndarray):
            return values.copy()
        kinds = set(map(type, values))
        if kinds == {int}:
            with contextlib.suppress(OverflowError):
                return np.array(values, dtype=np.int64)
        if kinds == {str}:
            whole = whole_numbers(values, len(values))
            if whole is not None or are_writable(values):
                return Texts.of(values) if whole is None else whole
        return np.fromiter(values, object, len(values))

    def _indices(self) -> NDArray[np.int64] | None:
        """The image index of each row."""
        numbers = self._numbers("image")
        if numbers is None:
            return None
        index = numbers.view(np.int64)  # in its place, for there may be little room
        for some in in_blocks(len(numbers)):
            values = numbers[some].copy()
            whole = (np.abs(values) < _LARGEST_EXACT_INDEX) & (values == np.floor(values))
            for n in np.flatnonzero(~whole).tolist():
                fault = f" is {values[n]:g}, not the index of an image"
                self._fault(some.start + n, "image", fault)
            index[some] = np.where(whole, values, 0)
        return index

    def _numbers(self, role: Role) -> NDArray[np.float64] | None:
        """A column of numbers, NaN for a row without one; None if no row has one."""
        return None if role in self._empty else self._values(role)

    def _sizes(self, image: Names | None) -> dict[str, tuple[int, int]]:
        """Image → (height, width), if there are columns for them."""
        height, width = self._values("height"), self._values("width")
        if image is None or height is None or width is None:
            return {}
        sizes = np.stack([height, width], axis=1)
        fits: Any = ((sizes >= 1) & (sizes < _LARGEST_EXACT_INDEX)).all(axis=1)
        each = zip(image[fits].tolist(), sizes[fits].astype(np.int64).tolist(), strict=True)
        return {str(name): (h, w) for name, (h, w) in dict(each).items()}

    def _names(self, role: Role) -> Names | None:
        """A column of whole numbers or text; None if there is none. An image may not be empty."""
        values = self._values(role)
        if values is None or (isinstance(values, np.ndarray) and values.dtype == np.int64):
            return values
        texts = values if isinstance(values, Texts) else self._as_texts(values, role)
        if self.faults:
            self._borrow(texts)
        whole = whole_numbers(texts, len(texts))
        # Only what looks like numbers is converted again: there may be millions of names.
        if whole is None and texts[0].removesuffix(".0").removeprefix("-").isdecimal():
            whole = whole_numbers((text.removesuffix(".0") for text in texts), len(texts))
        if whole is not None:
            return whole
        for row in texts.empty().tolist() if role == "image" else ():
            self._fault(row, role, " is empty: every box needs one")
        return texts

    def _values(self, role: Role) -> Any:
        """The column, without rows that have no box."""
        values = self.columns.pop(role, None)
        return values if values is None or self.rows is None else taken(values, self.rows)

    def _as_texts(self, values: NDArray[Any], role: Role) -> Texts:
        texts = Texts.of([])
        for some in in_blocks(len(values)):
            its = enumerate(values[some].tolist(), some.start)
            texts = grown(texts, Texts.of([self._text(value, row, role) for row, value in its]))
        return texts

    def _borrow(self, texts: Texts) -> None:
        """Give an invalid row without a text that of another row."""
        rows = texts.empty()
        if len(rows) < len(texts):
            its = rows if self.rows is None else self.rows[rows]
            usual = texts.cells[np.argmin(np.isin(np.arange(len(rows) + 1), rows))]
            texts.cells[rows[np.isin(its, list(self.faults))]] = usual

    def _text(self, value: Any, row: int, role: Role) -> str:
        is_whole = isinstance(value, float) and value.is_integer()
        text = "" if value is None else str(int(value) if is_whole else value)
        if type(value) in (str, int, float, type(None)) and are_writable([text]):
            return text
        self._fault(row, role, f" is {shown(value)}, not a name or a number that a file can hold")
        return ""

    def _fault(self, row: int, role: Role, fault: str) -> None:
        row = row if self.rows is None else int(self.rows[row])
        self.faults.setdefault(row, f"{printable(self.roles.of.get(role, role))}{fault}")
