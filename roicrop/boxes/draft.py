"""From the columns that a reader found to a table: the same for every format.

    Records (names and columns) ──▶ Draft (a column per role, grown part by part) ──▶ BoxTable

Images, ids and labels are whole numbers or names. A column is int64 if every value is a whole
number in its usual form (12, or 12.0 as some programs write it, but not 007), else text, so that
names such as 000000397133 keep their zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.boxes.names import (
    ANY,
    CORNERS,
    FORMAT_NAMES,
    INDEX_NAMES,
    MODES,
    NESTED,
    SPELLINGS,
    Producer,
    Reading,
    Role,
    Roles,
    find_roles,
    names_of_five,
    plain,
)
from roicrop.boxes.table import (
    BOX_FORMATS,
    ROTATED,
    BoxTable,
    Coco,
    ImageKind,
    Lines,
    Names,
    Source,
)
from roicrop.errors import BoxError
from roicrop.files.columns import Texts, are_writable, grown, in_blocks, taken, whole_numbers
from roicrop.files.numbers import are_nested, boxes_of, is_number, numbers_of, opened
from roicrop.files.text import shown
from roicrop.text import many, printable

Values = list[Any] | NDArray[np.float64]
_LARGEST_EXACT_INDEX: Final = 2.0**53
_MOST_FAULTS: Final = 100_000  # unreadable rows, after which the rest is not worth reading


@dataclass(slots=True)
class Records:
    """Rows with named columns.

    names: of the columns; once read, objects are replaced by their keys.
    read: name → values. source: the places of rows. place: that of the names.
    origin: the source of the box format, if it is the names. faults: row → what is wrong with it.
    """

    names: list[str]
    read: Callable[[str], Values]
    source: Source
    place: str
    origin: str
    producer: Producer = ANY
    faults: dict[int, str] = field(default_factory=dict)
    _opened: dict[str, list[Any]] = field(default_factory=dict)

    def draft(self, reading: Reading, format: str) -> Draft:
        """The draft, with the columns that have a role."""
        self._open_objects()
        roles = find_roles(self.names, reading, self.place, self.origin)
        if reading.box_format is None:
            self._apply_format(roles)
        columns: dict[Role, Any] = {role: self._column(name) for role, name in roles.of.items()}
        if len(roles.coordinates) == 1:
            coords, fifth = self._boxes(roles, reading)
            columns |= fifth
        else:
            numbers = []
            for name in roles.coordinates:
                values, faults = numbers_of(self._column(name))
                numbers.append(values)
                for row, fault in faults.items():
                    self.faults.setdefault(row, f"column {printable(name)}: {fault}")
            coords = np.stack(numbers, axis=1)
            empty = np.isnan(coords)
            for row, n in np.argwhere(empty & ~empty.all(axis=1, keepdims=True)).tolist():
                name = roles.coordinates[n]
                if self._column(name)[row] in ("", None):
                    self.faults.setdefault(row, f"column {printable(name)}: empty")
        self._apply_angle(roles, columns, reading)
        return Draft(
            format=format,
            roles=roles,
            names=self.names,
            coords=coords,
            columns=columns,
            lines=self.source.lines,
            faults=self.faults,
            unexplained={n: _two_texts(self._column(n)) for n in roles.unknown(self.names)},
        )

    def _column(self, name: str) -> Values:
        return self._opened[name] if name in self._opened else self.read(name)

    def _apply_angle(self, roles: Roles, columns: dict[Role, Any], reading: Reading) -> None:
        """Apply the angle of rotated boxes; BoxError if boxes of another format have one."""
        rotated = ROTATED in (roles.box_format, reading.box_format)
        if "angle" not in columns:
            if rotated:
                raise BoxError(
                    f"{self.place}: boxes of the format {ROTATED} need an angle: name a column "
                    "angle, or give a fifth number"
                )
            return
        if rotated or (roles.box_format == "cxcywh" and reading.box_format is None):
            roles.box_format = ROTATED
            return
        angles, _ = numbers_of(columns.pop("angle"))
        name = roles.of.pop("angle")
        turned = np.flatnonzero(np.nan_to_num(angles))
        if not len(turned):
            return
        angle = f"{self.source.where(int(turned[0]))}: {printable(name)} is {angles[turned[0]]:g}"
        if reading.box_format is None:
            raise BoxError(
                f"{angle}, but {','.join(roles.coordinates)} are not centre and size: rotated "
                f"boxes are cx,cy,w,h and {name}; give --box-format {ROTATED} if these are, or "
                f"--box-format {roles.box_format} if no box is rotated"
            )
        roles.warnings += (f"{angle}, which is ignored: boxes are read as not rotated",)

    def _boxes(self, roles: Roles, reading: Reading) -> tuple[NDArray[np.float64], dict[Role, Any]]:
        """Boxes from one key, and a fifth number: an angle or a score, as the box format says."""
        name = roles.coordinates[0]
        column = self._column(name)
        are_points = reading.box_format in (None, "xyxy") and are_nested(column)
        boxes, faults = boxes_of(opened(column), 4 if are_points else None)
        self.faults = {**faults, **self.faults}
        if are_points:  # two corners, in any order
            boxes = np.sort(boxes.reshape(-1, 2, 2), axis=1).reshape(-1, 4)
            roles.box_format = "xyxy"
        if boxes.shape[1] == 4:
            return boxes, {}
        if ROTATED in (roles.box_format, reading.box_format):
            roles.of["angle"] = name
            return boxes[:, :4], {"angle": boxes[:, 4]}
        if reading.box_format is None and plain(name) == "bbox":
            raise BoxError(
                f"{self.source.where(0)}: {printable(name)} has five numbers: give --box-format "
                f"for the first four (the fifth is the score, or the angle for {ROTATED})"
            )
        names_of_five(boxes, None, self.source.where(0), named=True)
        return boxes[:, :4], {"score": boxes[:, 4]}

    def _apply_format(self, roles: Roles) -> None:
        """Apply the box format of the program, or of `bbox_mode` or `box_format` in all rows."""
        if self.producer.box_format and roles.box_format == "xywh":
            roles.box_format, roles.origin = self.producer.box_format, self.producer.name
        for name in (each for each in self.names if plain(each) in FORMAT_NAMES):
            modes = list(self._column(name))
            for row, mode in enumerate(modes):
                key = str(mode).removeprefix("BoxMode.")
                if key not in MODES or mode != modes[0]:
                    raise BoxError(
                        f"{self.source.where(row)}: {printable(name)} is {shown(mode)}: it must be "
                        "0 (x1, y1, x2, y2), 1 (x, y, width, height) or one of "
                        f"{', '.join(BOX_FORMATS)}, or 4 or {ROTATED} (with an angle), the same "
                        "for all; for fractions (2, 3), leave it out and give --normalized"
                    )
                roles.box_format, roles.origin = MODES[key], f"key {name}"

    def _open_objects(self) -> None:
        """Make columns of the keys of objects."""
        given, self.names = self.names, []
        for name in given:
            values = opened(self.read(name)) if plain(name) in NESTED else []
            if self.producer.shape is not None:
                values = self._only(self.producer.shape, name, values)
            if dict in set(map(type, filter(None, values))):
                self._spread(name, values, given)
            else:
                self.names.append(name)

    def _spread(self, key: str, values: list[Any], names: Sequence[str]) -> None:
        objects = [value if isinstance(value, dict) else {} for value in values]
        for row, value in enumerate(values):
            if not isinstance(value, dict) and value not in (None, "", []):
                self.faults[row] = f"{printable(key)} is {shown(value)}, not an object"
        for inner in dict.fromkeys(chain.from_iterable(objects)):
            is_label = plain(inner) in map(plain, SPELLINGS["label"])
            is_label &= plain(key) == "regionattributes" and inner not in names
            name = inner if is_label else f"{key}.{inner}"
            self._opened[name] = [value.get(inner) for value in objects]
            self.names.append(name)

    def _only(self, shape: tuple[str, str], name: str, values: list[Any]) -> list[Any]:
        """The values of a column, with a fault for each shape that is not a box."""
        where, _, key = shape[0].rpartition(".")
        if plain(where or key) not in (plain(name), plain(name).removeprefix("region")):
            return values
        for row, value in enumerate(values or self._column(name)):
            its = value if not where else value.get(key) if isinstance(value, dict) else None
            if its not in (None, shape[1]):
                self.faults[row] = f"{shape[0]} is {shown(its)}, not {shape[1]}"
        return [None if row in self.faults else value for row, value in enumerate(values)]


def draft_of_matrix(
    matrix: NDArray[np.float64],
    source: Source,
    reading: Reading,
    format: str,
    beside: Mapping[str, Values],
    faults: dict[int, str],
    producer: Producer = ANY,
) -> Draft:
    """The draft of a matrix (n, 4), (n, 5) or as wide as `--columns`, with columns beside it."""
    width = matrix.shape[1]
    names: Sequence[str] = (*CORNERS, "score")[:width]
    if reading.box_format == ROTATED and reading.columns is None:
        names = ("image_index", "cx", "cy", "w", "h", "angle")[6 - min(width, 6) :]
    place, origin = source.name, "default"
    if reading.columns is not None:
        names, place, origin = reading.names_of(width, source.name), "--columns", "--columns"
    elif width == 5 and not producer.score_last and reading.box_format != ROTATED:
        names = names_of_five(matrix, reading.images, source.name, named="image" in reading.by_hand)
    columns = {**dict(zip(names, matrix.T, strict=True)), **beside}
    rows = Records(list(columns), columns.__getitem__, source, place, origin, producer, faults)
    draft = rows.draft(reading, format)
    draft.names = [*(reading.columns or ()), *beside]  # from the file or the user
    return draft


def _two_texts(values: Values) -> set[str]:
    """Two different texts of a column; fewer if it has none, or if it holds numbers."""
    texts = {value.strip() for value in values if isinstance(value, str)} - {""}
    return set() if all(map(is_number, texts)) else set(sorted(texts)[:2])


@dataclass(slots=True, kw_only=True)
class Draft:
    """What a reader found in a file, or in part of one.

    names: all columns or keys. coords: (n, 4) float64. columns: role → its n values.
    lines: (n,) the line of each row, in formats with a row per line, else None.
    faults: row → what is wrong with it. rows: those that have a box, None for all.
    unexplained: unknown columns of text, and two values of each.
    entries: the number of images, if images are identified by position.

    Columns are float64, int64 if all are whole numbers in their usual form, `Texts`, or objects.
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
            raise BoxError(f"{where}: the names differ from those in earlier lines")
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
                f"{where}: {len(self.faults):,} rows before it cannot be read; the first: "
                f"{self.faults[min(self.faults)]}"
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
        has_box = np.asarray(~np.isnan(self.coords).all(axis=1))
        has_box[list(self.faults)] = True
        return has_box

    def _packed(self, role: Role, values: Values) -> NDArray[Any] | Texts:
        """The column in the least memory; invalid numbers become faults of their rows."""
        name = self.roles.of.get(role, role)
        if role in ("score", "angle", "width", "height") or plain(name) in INDEX_NAMES:
            if isinstance(values, list) and values and all(v in (None, "") for v in values):
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
            with suppress(OverflowError):
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
        index = numbers.view(np.int64)  # in place: memory may be short
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
