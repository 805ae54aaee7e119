"""Rows with named columns, from any format, made into a draft."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from roicrop.boxes.columns import Draft, five
from roicrop.boxes.names import (
    ANY,
    CORNERS,
    FORMAT_NAMES,
    PREFIXES,
    SPELLINGS,
    Producer,
    Reading,
    Role,
    Roles,
    find_roles,
    plain,
)
from roicrop.boxes.table import BOX_FORMATS, ROTATED, BoxFormat, Source
from roicrop.errors import BoxError
from roicrop.files.numbers import are_nested, boxes_of, is_number, numbers_of, opened
from roicrop.files.text import shown
from roicrop.text import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roicrop.boxes.columns import Values

# Objects, or cells of JSON, whose keys are read as columns: `bbox.x` is `bbox_x`.
NESTED: Final = {*PREFIXES[1:], "topleft", "bottomright", "regionattributes"}
_MODES: Final[Mapping[object, BoxFormat]] = {
    0: "xyxy", 1: "xywh", "0": "xyxy", "1": "xywh", "XYXY_ABS": "xyxy", "XYWH_ABS": "xywh",
    "BoxMode.XYXY_ABS": "xyxy", "BoxMode.XYWH_ABS": "xywh",
    4: ROTATED, "4": ROTATED, "XYWHA_ABS": ROTATED, "BoxMode.XYWHA_ABS": ROTATED,
    **{name: name for name in (*BOX_FORMATS, ROTATED)},
}  # fmt: skip
_LABELS: Final = frozenset(map(plain, SPELLINGS["label"]))


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
            self._heed_format(roles)
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
        self._heed_angle(roles, columns, reading)
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

    def _heed_angle(self, roles: Roles, columns: dict[Role, Any], reading: Reading) -> None:
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
        said = f"{self.source.where(int(turned[0]))}: {printable(name)} is {angles[turned[0]]:g}"
        if reading.box_format is None:
            raise BoxError(
                f"{said}, but {','.join(roles.coordinates)} are not centre and size: boxes with an "
                f"angle are cx,cy,w,h and {name}; give --box-format {ROTATED} if these are, or "
                f"--box-format {roles.box_format} if no box is rotated"
            )
        roles.warnings += (f"{said}, which is ignored: boxes are read as not rotated",)

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
            return np.ascontiguousarray(boxes[:, :4]), {"angle": boxes[:, 4].copy()}
        if reading.box_format is None and plain(name) == "bbox":
            raise BoxError(
                f"{self.source.where(0)}: {printable(name)} has five numbers: give --box-format "
                f"for the first four (the fifth is the score, or the angle for {ROTATED})"
            )
        five(boxes, None, self.source.where(0), named=True)
        return np.ascontiguousarray(boxes[:, :4]), {"score": boxes[:, 4].copy()}

    def _heed_format(self, roles: Roles) -> None:
        """Apply the box format of the program, or of `bbox_mode` or `box_format` in all rows."""
        if self.producer.box_format and roles.box_format == "xywh":
            roles.box_format, roles.origin = self.producer.box_format, self.producer.name
        for name in (each for each in self.names if plain(each) in FORMAT_NAMES):
            said = list(self._column(name))
            for row, mode in enumerate(said):
                if type(mode) not in (int, str) or mode not in _MODES or mode != said[0]:
                    raise BoxError(
                        f"{self.source.where(row)}: {printable(name)} is {shown(mode)}: it must be "
                        "0 (x1, y1, x2, y2), 1 (x, y, width, height) or one of "
                        f"{', '.join(BOX_FORMATS)}, or 4 or {ROTATED} (with an angle), the same "
                        "for all; for fractions (2, 3), leave it out and give --normalized"
                    )
                roles.box_format, roles.origin = _MODES[mode], f"key {name}"

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
            is_label = plain(key) == "regionattributes" and plain(inner) in _LABELS
            name = inner if is_label and inner not in names else f"{key}.{inner}"
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
    producer: Producer = ANY,
    faults: dict[int, str] | None = None,
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
        names = five(matrix, reading.images, source.name, named="image" in reading.by_hand)
    columns = {**dict(zip(names, matrix.T, strict=True)), **beside}
    read = columns.__getitem__
    records = Records(list(columns), read, source, place, origin, producer, faults or {})
    draft = records.draft(reading, format)
    draft.names = [*(reading.columns or ()), *beside]  # from the file or the user
    return draft


def _two_texts(values: Values) -> set[str]:
    """Two different texts of a column; fewer if it has none, or if it holds numbers."""
    texts = {value.strip() for value in values if isinstance(value, str)} - {""}
    return set() if all(map(is_number, texts)) else set(sorted(texts)[:2])
