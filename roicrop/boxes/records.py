"""Rows of a file by the names of their columns or keys, and as a matrix, made into a part."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from roicrop.boxes.geometry import BoxFormat
from roicrop.boxes.names import (
    CORNERS,
    SPELLINGS,
    Reading,
    Role,
    Roles,
    find_roles,
    plain,
)
from roicrop.boxes.producers import Producer
from roicrop.boxes.text import shown
from roicrop.errors import BoxError
from roicrop.text import printable, quoted

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
_DECIMAL_COMMA: Final = re.compile(r"\s*[-+]?\d+,\d+\s*")


@dataclass(slots=True, kw_only=True)
class Part:
    """Some rows of a file, in their order.

    coords: (n, 4) float64. columns: the values of each role, n each: a list, or float64.
    lines: (n,) the line of each, where a file is written by lines.
    faults: row of the part → what is wrong with it.
    unexplained: columns of text that nobody understands, and two of their values.
    """

    coords: NDArray[np.float64]
    columns: dict[Role, Sequence[object] | NDArray[np.float64]] = field(default_factory=dict)
    lines: NDArray[np.int64] | None = None
    faults: dict[int, str] = field(default_factory=dict)
    unexplained: Mapping[str, set[str]] = field(default_factory=dict)


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
        self._read = column
        self._where = where
        self._producer = producer
        for name in names:
            values = _opened(column(name)) if plain(name) in NESTED else []
            if dict in set(map(type, filter(None, values))):
                self._spread(name, values, names)
            else:
                self.names.append(name)
        if producer is not None and producer.shape is not None:
            self._check_shapes(*producer.shape)
        if producer is not None and producer.points in self.names:
            self._add_corners(producer.points)

    def roles(self, reading: Reading, origin: str) -> Roles:
        """What each name holds; see `find_roles`."""
        roles = find_roles(self.names, reading, self._where(0), origin)
        if reading.box_format is not None:
            return roles
        if self._producer is not None and self._producer.centre and roles.box_format == "xywh":
            roles.box_format, roles.origin = "cxcywh", self._producer.name
        for name in self.names:
            if plain(name) == "bboxmode":
                roles.box_format, roles.origin = self._mode(name), f"key {name}"
        return roles

    def part(self, roles: Roles, reading: Reading, lines: NDArray[np.int64] | None) -> Part:
        """The rows, with the columns that have a role."""
        columns: dict[Role, Any] = {role: self.column(name) for role, name in roles.of.items()}
        if len(roles.coordinates) == 1:
            coords, beside = self._boxes(roles.coordinates[0], reading)
            roles.of.update(dict.fromkeys(beside, "score"))
            columns |= beside
        else:
            coords = np.stack([self._numbers(name) for name in roles.coordinates], axis=1)
            empty = np.isnan(coords)
            for row, n in np.argwhere(empty & ~empty.all(axis=1, keepdims=True)).tolist():
                name = roles.coordinates[n]
                if self.column(name)[row] in ("", None):
                    self.faults.setdefault(row, f"column {printable(name)}: empty")
        texts = {name: two_texts(self.column(name)) for name in roles.unknown(self.names)}
        return Part(
            coords=coords, columns=columns, lines=lines, faults=self.faults, unexplained=texts
        )

    def column(self, name: str) -> list[Any]:
        """The values of a column."""
        return self._columns[name] if name in self._columns else self._read(name)

    def _numbers(self, name: str) -> NDArray[np.float64]:
        values, faults = numbers_of(self.column(name))
        for row, fault in faults.items():
            self.faults.setdefault(row, f"column {printable(name)}: {fault}")
        return values

    def _boxes(self, name: str, reading: Reading) -> tuple[NDArray[np.float64], dict[Role, Any]]:
        """Four numbers from one key; of five the last is the score, where an option allows it."""
        boxes, faults = boxes_of(_opened(self.column(name)))
        self.faults = {**faults, **self.faults}
        if boxes.shape[1] == 5 and reading.box_format is None and plain(name) == "bbox":
            raise BoxError(
                f"{self._where(0)}: {printable(name)} has five numbers: --box-format says what "
                "the first four are (and the fifth is the score)"
            )
        return (boxes, {}) if boxes.shape[1] == 4 else _five(boxes, None, self._where(0), True)

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

    def _check_shapes(self, key: str, box: str) -> None:
        for name in (name for name in self.names if plain(name).endswith(plain(key))):
            for row, shape in enumerate(self.column(name)):
                if shape is not None and shape != box:
                    self.faults[row] = f"{printable(name)} is {shown(shape)}, not {box}"

    def _add_corners(self, key: str) -> None:
        """Two points, in any order, as corners."""
        values = self.column(key)
        boxes, faults = boxes_of(
            [
                [*chain.from_iterable(v)]
                if isinstance(v, list) and {*map(type, v)} == {list}
                else v
                for v in values
            ],
            4,
        )
        for row in faults:
            self.faults.setdefault(row, f"{printable(key)} is {shown(values[row])}, not two points")
        ends = boxes.reshape(-1, 2, 2)
        corners = np.concatenate([ends.min(axis=1), ends.max(axis=1)], axis=1)
        self._columns |= dict(zip(CORNERS, corners.T.tolist(), strict=True))
        self.names += CORNERS

    def _mode(self, key: str) -> BoxFormat:
        """What detectron2's bbox_mode says; BoxError for what is not corners or sizes."""
        modes = self.column(key)
        for row, mode in enumerate(modes):
            if type(mode) not in (int, str) or mode not in _MODES or mode != modes[0]:
                raise BoxError(
                    f"{self._where(row)}: {printable(key)} is {shown(mode)}: it must be 0 (x1, y1, "
                    "x2, y2) or 1 (x, y, width, height), the same for all; fractions (2, 3) go "
                    "without it and with --normalized, and 4 is rotated"
                )
        return _MODES[modes[0]]


def part_of_matrix(
    matrix: NDArray[np.float64],
    reading: Reading,
    where: str,
    *,
    named: bool = False,
    score_last: bool = False,
) -> tuple[Roles, Part]:
    """The rows of a matrix (n, 4), (n, 5), or as wide as `--columns` says.

    named: whether something else says the images. score_last: whether a fifth is a score.
    """
    if reading.columns is not None:
        if len(reading.columns) != matrix.shape[1]:
            raise BoxError(
                f"{where} has {matrix.shape[1]} numbers a box, and --columns names "
                f"{len(reading.columns)}: name each, and call those to skip _"
            )
        roles = find_roles(reading.names, reading, "--columns", "--columns")
        its = dict(zip(reading.names, matrix.T, strict=True))
        coords = np.stack([its[name] for name in roles.coordinates], axis=1)
        return roles, Part(coords=coords, columns={r: its[name] for r, name in roles.of.items()})
    roles = Roles(
        CORNERS, reading.box_format or "xyxy", "option" if reading.box_format else "default"
    )
    coords = matrix
    columns: dict[Role, NDArray[np.float64]] = {}
    if matrix.shape[1] == 5 and score_last:
        coords, columns = matrix[:, :4], {"score": matrix[:, 4]}
    elif matrix.shape[1] == 5:
        coords, columns = _five(matrix, reading.images, where, named)
    roles.of = {role: "image_index" if role == "image" else "score" for role in columns}
    return roles, Part(coords=np.ascontiguousarray(coords), columns={**columns})


def boxes_of(
    lists: Sequence[Any], width: int | None = None
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """(n, width) float64 from lists of that many numbers, and what is wrong with which.

    width: None is 5 where lists have five numbers and none has four, else 4. An empty list, and
    null, are NaN throughout: no box.
    """
    all_lists = set(map(type, lists)) <= {list}
    widths = set(map(len, lists if all_lists else filter(_is_list, lists)))
    width = width or (5 if 5 in widths and 4 not in widths else 4)
    if all_lists and widths <= {width}:
        numbers = _float64(chain.from_iterable, lists, len(lists) * width)
        if numbers is not None:
            return numbers.reshape(-1, width), {}
    boxes, faults = np.full((len(lists), width), np.nan), {}
    for row, box in enumerate(lists):
        fits = isinstance(box, list) and len(box) == width
        numbers = _float64(iter, box, width) if fits else None
        if numbers is not None:
            boxes[row] = numbers
        elif box not in (None, [], {}, ""):
            faults[row] = f"{shown(box)} is not {'five' if width == 5 else 'four'} numbers"
    return boxes, faults


def numbers_of(values: Sequence[Any]) -> tuple[NDArray[np.float64], dict[int, str]]:
    """(n,) float64, NaN for null and empty text, and what is no number, by its row."""
    numbers = _float64(iter, values, len(values))
    if numbers is not None:
        return numbers, {}
    numbers, faults = np.full(len(values), np.nan), {}
    for row, value in enumerate(values):
        if isinstance(value, str):
            if is_number(value):
                numbers[row] = float(value)
            elif value.strip():
                faults[row] = f"{quoted(value, 60)} is not a number"
                if _DECIMAL_COMMA.fullmatch(value):
                    faults[row] += " (a decimal comma: write a point)"
        elif (number := _float64(iter, [value], 1)) is not None:
            numbers[row] = number[0]
        elif value is not None:
            faults[row] = f"{shown(value)} is not a number"
    return numbers, faults


def is_number(cell: str) -> bool:
    """Whether text is a number, and not what Python alone takes for one: 1_0, other digits."""
    cell = cell.strip()
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell


def _five(
    matrix: NDArray[np.float64], images: int | None, where: str, named: bool
) -> tuple[NDArray[np.float64], dict[Role, NDArray[np.float64]]]:
    """Boxes (n, 4) of five numbers, and the fifth: image first, or score last.

    Image first, where the first is whole and below `images` and the last above 1 (as torchvision,
    Caffe and ONNX take it); score last, where the last lies in 0 to 1 and the first is no index.
    """
    said = matrix[np.isfinite(matrix).all(axis=1)]
    if not len(said):
        return matrix[:, :4], {}
    first, last = said[:, 0], said[:, 4]
    whole = not named and bool(((first == np.floor(first)) & (first >= 0)).all())
    if whole and first.max() < (images or np.inf) and (last > 1).all():
        return matrix[:, 1:], {"image": matrix[:, 0]}
    if not (whole and first.max() < (images or 1)) and ((last >= 0) & (last <= 1)).all():
        return matrix[:, :4], {"score": matrix[:, 4]}
    raise BoxError(
        f"{where}: of five numbers, either the first is an image's index or the last a score, and "
        "these do not say which: --columns image_index,x1,y1,x2,y2 or --columns x1,y1,x2,y2,score"
    )


def _float64(
    items: Callable[[Sequence[Any]], Any], values: Sequence[Any], count: int
) -> NDArray[np.float64] | None:
    """The items of values; None if one is not a number, or an integer beyond float64."""
    if set(map(type, items(values))) <= {int, float}:
        with contextlib.suppress(OverflowError):
            return np.fromiter(items(values), np.float64, count)
    return None


def _opened(values: list[Any]) -> list[Any]:
    """What cells hold that are JSON, or numbers between commas or spaces."""
    return [*map(_open, values)] if str in set(map(type, values)) else values


def _open(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)
    numbers = text.strip("[]()").replace(",", " ").split()
    return [*map(float, numbers)] if all(map(is_number, numbers)) else value


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def two_texts(values: Sequence[Any]) -> set[str]:
    """Two different texts of a column; fewer if it has none, or if it holds numbers."""
    texts = {value.strip() for value in values if isinstance(value, str)} - {""}
    return set() if all(map(is_number, texts)) else set(sorted(texts)[:2])


_LABELS: Final = frozenset(map(plain, SPELLINGS["label"]))
