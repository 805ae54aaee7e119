"""The table of boxes: the meaning of their four numbers, and which boxes are bad."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from roicrop.errors import ArgumentError, BoxError
from roicrop.files.columns import Texts
from roicrop.text import listing, printable

Lines = NDArray[np.int64] | range
Names = NDArray[np.int64] | Texts
BoxFormat = Literal["xyxy", "xywh", "cxcywh", "yxyx", "cxcywha"]
ROTATED: Final = "cxcywha"
BOX_FORMATS: Final[tuple[BoxFormat, ...]] = tuple(x for x in get_args(BoxFormat) if x != ROTATED)


def to_xyxy(
    coords: NDArray[np.float64], box_format: BoxFormat, *, inclusive: bool = False
) -> NDArray[np.float64]:
    """Corners x1, y1, x2, y2 (K, 4) float64, from coordinates (K, 4) in `box_format`.

    inclusive: True if end corners are the last pixel of a box, so that 1 is added. Sizes count
    pixels already, so that xywh and cxcywh stay as they are. For rotated boxes, the corners before
    rotation about the centre.
    """
    if box_format == "xyxy" and not inclusive:
        return coords  # not copied: there may be millions
    xyxy = coords[:, [1, 0, 3, 2]] if box_format == "yxyx" else coords.copy()
    first, last = xyxy[:, :2], xyxy[:, 2:]
    with np.errstate(over="ignore", invalid="ignore"):
        if box_format == "xywh":
            last += first
        elif box_format in ("cxcywh", ROTATED):
            last /= 2
            xyxy[:] = np.concatenate([first - last, first + last], axis=1)
        elif inclusive:
            last += 1
    return xyxy


@dataclass(frozen=True, eq=False, slots=True)
class BadBoxes:
    """Which of K boxes are bad on their own: masks (K,), never both true.

    angle: (K,) of rotated boxes, else None.
    faults: box → why its row could not be read; its coordinates are NaN.
    """

    xyxy: NDArray[np.float64]
    not_finite: NDArray[np.bool_]
    reversed: NDArray[np.bool_]
    angle: NDArray[np.float64] | None = None
    faults: Mapping[int, str] = field(default_factory=dict)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The boxes that are bad for either reason."""
        return self.not_finite | self.reversed

    def reason(self, k: int) -> str:
        """What is wrong with box k, to be written after "boxes.csv line 12: "."""
        if k in self.faults:
            return self.faults[k]
        x1, y1, x2, y2 = self.xyxy[k].tolist()
        if self.angle is not None:
            numbers = f"width {x2 - x1:.10g}, height {y2 - y1:.10g}, angle {self.angle[k]:.10g}"
            return f"{numbers}: {'not finite' if self.not_finite[k] else 'a size below 0'}"
        if self.not_finite[k]:
            return f"({x1:.10g}, {y1:.10g}, {x2:.10g}, {y2:.10g}) is not finite"
        if x2 < x1:
            return f"x2 {x2:.10g} is less than x1 {x1:.10g}"
        return f"y2 {y2:.10g} is less than y1 {y1:.10g}"


def find_bad(xyxy: NDArray[np.float64], angle: NDArray[np.float64] | None = None) -> BadBoxes:
    """Find boxes (K, 4), xyxy, that are not finite, or have x2 < x1 or y2 < y1.

    angle: (K,) of rotated boxes, which must be finite too.

    Boxes with zero size, and boxes outside every image, are good: conventions define their values.
    """
    not_finite: NDArray[np.bool_] = np.any(~np.isfinite(xyxy), axis=1)
    if angle is not None:
        not_finite |= ~np.isfinite(angle)
    reversed_: NDArray[np.bool_] = np.any(xyxy[:, 2:] < xyxy[:, :2], axis=1)
    return BadBoxes(xyxy, not_finite, reversed_ & ~not_finite, angle)


# What the image column holds: an index, a position in a list, or a name that may be an id.
ImageKind = Literal["index", "position", "name"]


@dataclass(frozen=True, eq=False, slots=True)
class Source:
    """The file of a table, and where its rows are.

    path: the file as the user named it, "-" for standard input.
    lines: (K,) the line (from 1) of each row, in formats with a row per line.
    files: the files that hold the values, if HDF5 stores some of them elsewhere.
    """

    path: str
    lines: Lines | None = None
    files: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name in messages."""
        return "standard input" if self.path == "-" else printable(self.path)

    def where(self, row: int) -> str:
        """The place of a row: "boxes.csv line 12", or "boxes.json box 3", counted from 0."""
        if self.lines is None:
            return f"{self.name} box {row}"
        return f"{self.name} line {self.lines[row]}"


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One of `images`: its position in that list (from 0), file name, and (height, width)."""

    position: int
    file_name: str | None
    size: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Coco:
    """The images and categories of a COCO file, by their id as text (7 is "7").

    path: the file, for messages. categories: id → name.
    """

    path: str
    images: dict[str, CocoImage]
    categories: dict[str, str]

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Image id → (height, width), for images that have both."""
        return {identity: image.size for identity, image in self.images.items() if image.size}

    def add(self, other: Coco) -> None:
        """Append the other's images that are new."""
        for identity, image in other.images.items():
            self.images.setdefault(identity, dataclasses.replace(image, position=len(self.images)))


@dataclass(frozen=True, eq=False, kw_only=True)
class BoxTable:
    """K boxes in the order of their file.

    source: the file, and the place of each row.
    format: the kind of file, or its producer.
    coords: (K, 4) float64 as in the file, in the order that `box_format` names.
    box_format_origin: the source of the box format; "option" is `--box-format`.
    image_key: the column or key that names each box's image, None if there is none.
    image_kind, image: what that column holds, (K,) int64 if all are whole numbers, else `Texts`.
    id, label, level: (K,) likewise, or None.
    score: (K,) float64, NaN for a box without one, or None.
    angle: (K,) float64 of rotated boxes, in the convention's unit; None if boxes are not rotated.
    coco: the images and categories of a COCO file, or None.
    image_sizes: image, as text → (height, width) in pixels, as far as the file says.
    rows: (K,) the row in the file of each box, None if no row was left out.
    columns: all columns or keys of the file.
    unexplained: unknown columns of text that differ from row to row.
    faults: row of the file → why its box cannot be read; its coordinates are NaN.
    by_id: True if images of a COCO file are given by id, False by file name; None: by the rule.
    entries: the number of images in a list without names. without_box: of rows left out.
    notes, warnings: for the summary, and about possible mistakes.
    """

    source: Source
    format: str
    box_format: BoxFormat
    box_format_origin: str
    coords: NDArray[np.float64]
    image_key: str | None = None
    image_kind: ImageKind | None = None
    image: Names | None = None
    id: Names | None = None
    score: NDArray[np.float64] | None = None
    angle: NDArray[np.float64] | None = None
    label: Names | None = None
    level: Names | None = None
    coco: Coco | None = None
    image_sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    rows: NDArray[np.intp] | None = None
    columns: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    faults: Mapping[int, str] = field(default_factory=dict)
    entries: int | None = None
    by_id: bool | None = None
    without_box: int = 0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.coords)

    @property
    def source_index(self) -> NDArray[np.int64]:
        """The row in the file of each box (K,)."""
        return np.arange(len(self)) if self.rows is None else self.rows

    @property
    def holds(self) -> str:
        """The columns, to be written after "has no score"."""
        return f": it has {listing(self.columns, most=12)}" if self.columns else ""

    def where(self, row: int) -> str:
        """The place of a row of the file (not of a table that was cut down)."""
        return self.source.where(row)

    def xyxy(self, rows: Any = slice(None), *, inclusive: bool = False) -> NDArray[np.float64]:
        """Corners (K, 4) float64, normalised where the file's are, or of some rows: `to_xyxy`."""
        return to_xyxy(self.coords[rows], self.box_format, inclusive=inclusive)

    def find_bad(self, *, inclusive: bool = False) -> BadBoxes:
        """Which boxes are bad on their own: see `find_bad`."""
        bad = find_bad(self.xyxy(inclusive=inclusive), self.angle)
        if not self.faults:
            return bad
        its = self.source_index
        rows = np.flatnonzero(np.isin(its, list(self.faults))).tolist()
        return dataclasses.replace(bad, faults={row: self.faults[int(its[row])] for row in rows})

    def warned(self, warnings: tuple[str, ...]) -> BoxTable:
        """The table with additional warnings."""
        return dataclasses.replace(self, warnings=(*self.warnings, *warnings))

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> BoxTable:
        """The table of some rows; rows: a mask (K,), or indices."""
        columns: dict[str, Any] = {
            name: None if (column := getattr(self, name)) is None else column[rows]
            for name in ("image", "id", "score", "angle", "label", "level")
        }
        its_rows = self.source_index[rows]
        return dataclasses.replace(self, coords=self.coords[rows], rows=its_rows, **columns)

    def select(
        self,
        *,
        min_score: float | None = None,
        labels: Sequence[str | int] | None = None,
        top_k: int | None = None,
    ) -> BoxTable:
        """The boxes that pass every filter, in the order of the file.

        min_score: the lowest score; NaN never passes. labels: ids or names of categories.
        top_k: keep this many of the highest scores of each image, after the other filters; ties go
            to the earlier box, and NaN is lowest.
        Raises BoxError if the file has no such column.
        """
        table = self
        if min_score is not None:
            table = table.take(table._needed("score", "--min-score") >= min_score)
        if labels is not None:
            table = table.take(table._labelled({str(label) for label in labels}))
        if top_k is not None:
            if top_k < 0:
                raise ArgumentError(f"--top-k {top_k} is less than 0")
            table = table.take(table._ranks() < top_k)
        return table

    def _needed(self, role: Literal["score", "label"], option: str) -> NDArray[Any]:
        column: NDArray[Any] | None = getattr(self, role)
        if column is None and len(self):
            raise BoxError(
                f"{self.source.name} has no {role}, which {option} needs{self.holds}; name its "
                f"column with --{role}-column"
            )
        return np.empty(0) if column is None else column

    def _labelled(self, wanted: set[str]) -> NDArray[np.bool_]:
        labels = self._needed("label", "--label").tolist()
        categories = {} if self.coco is None else self.coco.categories
        chosen = {
            label
            for label in set(labels)
            if str(label) in wanted or categories.get(str(label)) in wanted
        }
        return np.fromiter(map(chosen.__contains__, labels), bool, len(self))

    def _ranks(self) -> NDArray[np.int64]:
        """The rank (from 0) of each box's score within its image."""
        names = [0] * len(self) if self.image is None else self.image.tolist()
        codes = {name: n for n, name in enumerate(dict.fromkeys(names))}
        images = np.fromiter(map(codes.__getitem__, names), np.int64, len(names))
        order = np.lexsort([-self._needed("score", "--top-k"), images])
        starts = np.searchsorted(images[order], images[order])
        ranks = np.empty(len(self), np.int64)
        ranks[order] = np.arange(len(self)) - starts
        return ranks
