"""Rows of a file by the names of their columns or keys, and as a matrix, made into a draft."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from roicrop.boxes.columns import Draft
from roicrop.boxes.geometry import BoxFormat
from roicrop.boxes.names import CORNERS, SPELLINGS, Reading, Role, Roles, find_roles, plain
from roicrop.boxes.numbers import boxes_of, five, is_number, numbers_of
from roicrop.boxes.producers import Producer
from roicrop.errors import BoxError
from roicrop.files.text import shown
from roicrop.text import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Objects, or cells that hold JSON, whose keys are read as columns: `bbox.x` is `bbox_x`.
NESTED: Final = frozenset(
    {"bbox", "box", "boundingbox", "coordinates", "topleft", "bottomright", "shapeattributes",
     "regionshapeattributes", "regionattributes"}
)  # fmt: skip
_MODES: Final[Mapping[object, BoxFormat]] = {
    0: "xyxy", 1: "xywh", "XYXY_ABS": "xyxy", "XYWH_ABS": "xywh",
    "BoxMode.XYXY_ABS": "xyxy", "BoxMode.XYWH_ABS": "xywh",
}  # fmt: skip
_LABELS: Final = frozenset(map(plain, SPELLINGS["label"]))


class Records:
    """Rows by the names of their columns.

    names: those that the rows have; in place of one that holds objects, those of their keys.
    faults: what is wrong with which row.
    """

    def __init__(
        self,
        names: Sequence[str],
        column: Callable[[str], list[Any]],
        where: Callable[[int], str],
        producer: Producer | None = None,
    ) -> None:
        self.names: list[str] = []
        self.faults: dict[int, str] = {}
        self._columns: dict[str, list[Any]] = {}
        self._read, self._where, self._producer = column, where, producer
        for name in names:
            values = _opened(column(name)) if plain(name) in NESTED else []
            if producer is not None and producer.shape is not None:
                values = self._only(producer.shape, name, values)
            if dict in set(map(type, filter(None, values))):
                self._spread(name, values, names)
            else:
                self.names.append(name)
        if producer is not None and producer.points in self.names:
            self._add_corners(producer.points)

    def roles(self, reading: Reading, origin: str) -> Roles:
        """What each name holds; see `find_roles`."""
        roles = find_roles(self.names, reading, self._where(0), origin)
        if reading.box_format is not None:
            return roles
        if self._producer is not None and self._producer.centre and roles.box_format == "xywh":
            roles.box_format, roles.origin = "cxcywh", self._producer.name
        for name in (name for name in self.names if plain(name) == "bboxmode"):
            roles.box_format, roles.origin = self._mode(name), f"key {name}"
        return roles

    def draft(self, roles: Roles, reading: Reading, format: str, **beside: Any) -> Draft:
        """The rows, with the columns that have a role."""
        columns: dict[Role, Any] = {role: self._column(name) for role, name in roles.of.items()}
        if len(roles.coordinates) == 1:
            coords, score = self._boxes(roles.coordinates[0], reading)
            columns |= score
        else:
            coords = np.stack([self._numbers(name) for name in roles.coordinates], axis=1)
            empty = np.isnan(coords)
            for row, n in np.argwhere(empty & ~empty.all(axis=1, keepdims=True)).tolist():
                name = roles.coordinates[n]
                if self._column(name)[row] in ("", None):
                    self.faults.setdefault(row, f"column {printable(name)}: empty")
        return Draft(
            format=format,
            roles=roles,
            names=self.names,
            coords=coords,
            columns=columns,
            faults=self.faults,
            unexplained={n: two_texts(self._column(n)) for n in roles.unknown(self.names)},
            **beside,
        )

    def _column(self, name: str) -> list[Any]:
        return self._columns[name] if name in self._columns else self._read(name)

    def _numbers(self, name: str) -> NDArray[np.float64]:
        values, faults = numbers_of(self._column(name))
        for row, fault in faults.items():
            self.faults.setdefault(row, f"column {printable(name)}: {fault}")
        return values

    def _boxes(self, name: str, reading: Reading) -> tuple[NDArray[np.float64], dict[Role, Any]]:
        """Four numbers from one key; of five the last is the score, where an option allows it."""
        boxes, faults = boxes_of(_opened(self._column(name)))
        self.faults = {**faults, **self.faults}
        if boxes.shape[1] == 4:
            return boxes, {}
        if reading.box_format is None and plain(name) == "bbox":
            raise BoxError(
                f"{self._where(0)}: {printable(name)} has five numbers: --box-format says what "
                "the first four are (and the fifth is the score)"
            )
        return five(boxes, None, self._where(0), named=True)

    def _spread(self, key: str, values: list[Any], names: Sequence[str]) -> None:
        """Columns for the keys of objects under a key."""
        objects = [value if isinstance(value, dict) else {} for value in values]
        for row, value in enumerate(values):
            if not isinstance(value, dict) and value not in (None, "", []):
                self.faults[row] = f"{printable(key)} is {shown(value)}, not an object"
        for inner in dict.fromkeys(chain.from_iterable(objects)):
            is_label = plain(key) == "regionattributes" and plain(inner) in _LABELS
            name = inner if is_label and inner not in names else f"{key}.{inner}"
            self._columns[name] = [value.get(inner) for value in objects]
            self.names.append(name)

    def _only(self, shape: tuple[str, str], name: str, values: list[Any]) -> list[Any]:
        """The values of a column, without what is said of shapes that are no box."""
        where, _, key = shape[0].rpartition(".")
        if plain(where or key) not in (plain(name), plain(name).removeprefix("region")):
            return values
        for row, value in enumerate(values or self._column(name)):
            its = value if not where else value.get(key) if isinstance(value, dict) else None
            if its not in (None, shape[1]):
                self.faults[row] = f"{shape[0]} is {shown(its)}, not {shape[1]}"
        return [None if row in self.faults else value for row, value in enumerate(values)]

    def _add_corners(self, key: str) -> None:
        """Two points, in any order, as corners."""
        values = self._column(key)
        are_points = [isinstance(v, list) and {*map(type, v)} == {list} for v in values]
        flat = [[*chain(*v)] if ok else v for v, ok in zip(values, are_points, strict=True)]
        boxes, faults = boxes_of(flat, 4)
        for row in faults:
            self.faults.setdefault(row, f"{printable(key)} is {shown(values[row])}, not two points")
        ends = boxes.reshape(-1, 2, 2)
        corners = np.concatenate([ends.min(axis=1), ends.max(axis=1)], axis=1)
        self._columns |= dict(zip(CORNERS, corners.T.tolist(), strict=True))
        self.names += CORNERS

    def _mode(self, key: str) -> BoxFormat:
        """What detectron2's bbox_mode says; BoxError for what is not corners or sizes."""
        modes = self._column(key)
        for row, mode in enumerate(modes):
            if type(mode) not in (int, str) or mode not in _MODES or mode != modes[0]:
                raise BoxError(
                    f"{self._where(row)}: {printable(key)} is {shown(mode)}: it must be 0 (x1, y1, "
                    "x2, y2) or 1 (x, y, width, height), the same for all; fractions (2, 3) go "
                    "without it and with --normalized, and 4 is rotated"
                )
        return _MODES[modes[0]]


def draft_of_matrix(
    matrix: NDArray[np.float64],
    where: str,
    reading: Reading,
    format: str,
    *,
    named: bool = False,
    score_last: bool = False,
) -> Draft:
    """The rows of a matrix (n, 4), (n, 5), or as wide as `--columns` says.

    named: whether something else says the images. score_last: whether a fifth is a score.
    """
    columns: dict[Role, NDArray[np.float64]] = {}
    if reading.columns is not None:
        if len(reading.columns) != matrix.shape[1]:
            raise BoxError(
                f"{where} has {matrix.shape[1]} numbers a box, and --columns names "
                f"{len(reading.columns)}: name each, and call those to skip _"
            )
        roles = find_roles(reading.names, reading, "--columns", "--columns")
        its = dict(zip(reading.names, matrix.T, strict=True))
        matrix = np.stack([its[name] for name in roles.coordinates], axis=1)
        columns = {role: its[name] for role, name in roles.of.items()}
    else:
        origin = "option" if reading.box_format else format if score_last else "default"
        roles = Roles(CORNERS, reading.box_format or "xyxy", origin)
        if matrix.shape[1] == 5 and score_last:
            matrix, columns = matrix[:, :4], {"score": matrix[:, 4]}
        elif matrix.shape[1] == 5:
            matrix, columns = five(matrix, reading.images, where, named)
        roles.of = {role: "image_index" if role == "image" else "score" for role in columns}
    coords = np.ascontiguousarray(matrix)
    return Draft(
        format=format, roles=roles, names=reading.names, coords=coords, columns={**columns}
    )


def two_texts(values: Sequence[Any]) -> set[str]:
    """Two different texts of a column; fewer if it has none, or if it holds numbers."""
    texts = {value.strip() for value in values if isinstance(value, str)} - {""}
    return set() if all(map(is_number, texts)) else set(sorted(texts)[:2])


def _opened(values: list[Any]) -> list[Any]:
    """What cells hold that are JSON, or numbers between commas or spaces."""
    return [*map(_open, values)] if str in set(map(type, values)) else values


def _open(value: Any) -> Any:
    text = value.strip() if isinstance(value, str) else ""
    if text.startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)
    numbers = text.strip("[]()").replace(",", " ").split()
    is_text = isinstance(value, str) and not all(map(is_number, numbers))
    return value if is_text or not isinstance(value, str) else [*map(float, numbers)]
