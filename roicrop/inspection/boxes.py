"""What a file of boxes holds, and what looks wrong in it.

There may be millions of boxes, so nothing is made for all of them at once that is larger than a
number each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.boxes import BadBoxes, BoxTable, find_bad
from roicrop.files.columns import Texts, in_blocks, throughout, values_of
from roicrop.inspection.maps import Range
from roicrop.job import NO_BOX, Fit, fit, other_orders
from roicrop.text import many

if TYPE_CHECKING:
    from roicrop.job import Request

Corners = NDArray[np.float64]
Names = NDArray[Any] | Texts

_MOST_NAMED: Final = 100_000  # images, and labels, that are listed with their number of boxes
_LARGEST_FRACTION: Final = 2  # of a box that extends far outside its image


@dataclass(frozen=True, slots=True)
class BoxFile:
    """A file of boxes.

    path: as the user named it. size: in bytes; None for standard input.
    format, box_format, box_format_origin: as in `BoxTable`.
    x, y, width, height: the range of corners and of sizes, in the file's own units; None if no box
        is finite.
    not_finite, reversed, zero_size: the number of such boxes.
    outside_partly, outside_wholly: the number of boxes that extend outside their image; if its size
        is unknown, only past the left and upper edges.
    image_sizes: the source of the sizes: a COCO file, "--image-size" or "--normalized"; or None.
    columns: the columns besides coordinates.
    image_key: the column that names images.
    images: image → number of boxes, for the first 100,000; more_images: the number of others.
    file_names: image id → file name, where a COCO file lists it.
    score: the range; None without such a column, or if it holds only NaN.
    labels, more_labels: likewise. categories: label → name, where a COCO file lists it.
    repeated: the number of boxes with the image, coordinates and label of an earlier one.
    odd: what may be a mistake, a line each.
    """

    kind: ClassVar[str] = "boxes"

    path: str
    size: int | None
    format: str
    box_format: str
    box_format_origin: str
    count: int
    x: Range | None
    y: Range | None
    width: Range | None
    height: Range | None
    not_finite: int
    reversed: int
    zero_size: int
    outside_partly: int
    outside_wholly: int
    image_sizes: str | None
    columns: tuple[str, ...]
    image_key: str | None
    images: dict[str, int]
    more_images: int
    file_names: dict[str, str]
    score: Range | None
    labels: dict[str, int]
    more_labels: int
    categories: dict[str, str]
    repeated: int
    odd: tuple[str, ...]


def look_at_boxes(table: BoxTable, how: Request) -> BoxFile:
    """Report on boxes that have been read; how: the command line's options for reading files."""
    bad = table.find_bad(inclusive=how.inclusive)
    corners = bad.xyxy
    x, y, width, height = _ranges(corners, bad.not_finite)
    sizes, image_sizes = _image_sizes(table, how)
    placed = sizes.fit(corners)
    repeated, where_repeated = _repeated(table)
    columns = {"id": table.id, "score": table.score, "label": table.label}
    (images, more_images), (labels, more_labels) = _counted(table.image), _counted(table.label)
    coco = table.coco
    return BoxFile(
        path=table.source.path,
        size=None if table.source.path == "-" else Path(table.source.path).stat().st_size,
        format=table.format,
        box_format=table.box_format,
        box_format_origin=table.box_format_origin,
        count=len(table),
        x=x,
        y=y,
        width=width,
        height=height,
        not_finite=int(bad.not_finite.sum()),
        reversed=int(bad.reversed.sum()),
        zero_size=placed.degenerate,
        outside_partly=placed.partly - placed.wholly,
        outside_wholly=placed.wholly,
        image_sizes=image_sizes,
        columns=(
            *filter(None, [table.image_key]),
            *(name for name, column in columns.items() if column is not None),
        ),
        image_key=table.image_key,
        images=images,
        more_images=more_images,
        file_names={
            image: coco.images[image].file_name or ""
            for image in images
            if coco is not None and image in coco.images
        },
        score=None if table.score is None else _range([table.score[~np.isnan(table.score)]]),
        labels=labels,
        more_labels=more_labels,
        categories={
            label: coco.categories[label]
            for label in labels
            if coco is not None and label in coco.categories
        },
        repeated=repeated,
        odd=(
            *_odd_boxes(table, bad),
            *_odd_units(table, bad, placed, how, sizes),
            *_odd_columns(table, repeated, where_repeated),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The sizes of images: there may be millions of boxes on few of them.

    sizes: (n, 2) heights and widths, infinite where they are unknown. of_box: (K,) which is whose.
    """

    sizes: Corners
    of_box: NDArray[Any]

    def fit(self, corners: Corners) -> Fit:
        """How boxes (K, 4) lie on their images."""
        blocks = in_blocks(len(corners))
        return sum((fit(corners[some], self.sizes[self.of_box[some]]) for some in blocks), NO_BOX)


def _image_sizes(table: BoxTable, how: Request) -> tuple[_Sizes, str | None]:
    """The size of each box's image, and the source of the sizes."""

    def same(size: tuple[float, float]) -> _Sizes:
        return _Sizes(np.array([size], np.float64), throughout(0, len(table)))

    if how.normalized:
        return same((1, 1)), "--normalized"
    if how.image_size is not None:
        return same(how.image_size), "--image-size"
    known = {image: size for image, size in table.image_sizes.items() if min(size) > 0}
    if table.image is None or not known:
        return same((np.inf, np.inf)), None
    place = {image: n for n, image in enumerate(known, 1)}
    of_box = (place.get(str(image), 0) for image in values_of(table.image))
    sizes = np.array([(np.inf, np.inf), *known.values()], np.float64)
    says = table.source.name if table.coco is None else table.coco.path
    return _Sizes(sizes, np.fromiter(of_box, np.int32, len(table))), says


def _odd_boxes(table: BoxTable, bad: BadBoxes) -> Iterator[str]:
    if not len(table):
        yield "holds no boxes"
    for mask, text in ((bad.not_finite, "not finite"), (bad.reversed, "reversed")):
        if mask.any():
            first = int(np.argmax(mask))
            yield f"{_boxes(mask.sum())} {text}, first {table.where(first)}: {bad.reason(first)}"
    flat = np.any(bad.xyxy[:, 2:] == bad.xyxy[:, :2], axis=1) & ~bad.not_finite
    if flat.any():
        yield f"{_boxes(flat.sum())} with zero size, first {table.where(int(np.argmax(flat)))}"


def _odd_units(
    table: BoxTable, bad: BadBoxes, placed: Fit, how: Request, sizes: _Sizes
) -> Iterator[str]:
    rows = ~bad.not_finite[:, np.newaxis]
    if not rows.any():
        return
    least, most = (way(bad.xyxy, where=rows, initial=0.0) for way in (np.min, np.max))
    reach = max(-float(least), float(most))
    if not how.normalized and reach <= 1:
        yield "no coordinate is above 1: if they are fractions of the image, give --normalized"
    if how.normalized and reach > _LARGEST_FRACTION:
        yield f"a coordinate is {reach:g}, not a fraction of the image: leave out --normalized"

    def count_wrong(table: BoxTable) -> int:
        xyxy = table.xyxy(inclusive=how.inclusive)
        return max(int(find_bad(xyxy).reversed.sum()), sizes.fit(xyxy).beyond)

    wrong = max(int(bad.reversed.sum()), placed.beyond)
    orders = other_orders(table) if 2 * wrong > len(table) else []
    others = (dataclasses.replace(table, box_format=order) for order in orders)
    if instead := [other.box_format for other in others if not count_wrong(other)]:
        yield (
            f"most boxes are reversed or outside their image, but not if read as "
            f"{' or '.join(instead)}: give --box-format {instead[0]}"
        )


def _odd_columns(table: BoxTable, repeated: int, where_repeated: str) -> Iterator[str]:
    if repeated:
        verb = "repeats" if repeated == 1 else "repeat"
        yield (
            f"{_boxes(repeated)} {verb} an earlier one (image, coordinates and label), as "
            f"{where_repeated}"
        )
    if table.id is not None and len(table):
        identity, times = _commonest(table.id)
        if times > 1:
            yield f"ids should be unique: {times:,} boxes have the id {identity}"
    if table.score is not None:
        yield from _first_score(table, np.isnan(table.score), "not a number")
        yield from _first_score(table, (table.score < 0) | (table.score > 1), "not between 0 and 1")
    if table.coco is not None:
        yield from _unlisted(table, table.image, table.coco.images, "images")
        if table.coco.categories:
            yield from _unlisted(table, table.label, table.coco.categories, "categories")


def _first_score(table: BoxTable, odd: NDArray[np.bool_], what: str) -> Iterator[str]:
    if table.score is not None and odd.any():
        first = int(np.argmax(odd))
        yield (
            f"the score of {_boxes(odd.sum())} is {what}, first {table.where(first)}: "
            f"{table.score[first]:g}"
        )


def _unlisted(
    table: BoxTable, column: Names | None, listed: Container[str], key: str
) -> Iterator[str]:
    """Ids that a COCO file should list but does not."""
    names = map(str, () if column is None else values_of(column))
    rows = [row for row, name in enumerate(names) if name not in listed]
    if rows and table.coco is not None and column is not None:
        yield (
            f"{table.coco.path} does not list the {key} of {_boxes(len(rows))}, first "
            f"{table.where(rows[0])}: {column[rows[0]]}"
        )


def _repeated(table: BoxTable) -> tuple[int, str]:
    """How many boxes repeat an earlier one, and where the first of these is."""
    hashes, count, first = _hashes(table), 0, len(table)
    order = np.argsort(hashes, kind="stable")
    for some in in_blocks(len(order) - 1):
        rows, following = order[some], order[some.start + 1 : some.stop + 1]
        again = following[hashes[rows] == hashes[following]]
        again = again[~np.isnan(table.coords[again]).any(axis=1)]  # NaN is not even itself
        count, first = count + len(again), int(again.min(initial=first))
    if not count:
        return 0, ""
    earlier = int(np.argmax(hashes == hashes[first]))
    return count, f"{table.where(first)} repeats {table.where(earlier)}"


def _hashes(table: BoxTable) -> NDArray[np.uint64]:
    """(K,) a hash of each box: its image, coordinates and label.

    Different boxes have different hashes, except for one pair in some 10¹⁹.
    """
    columns = [each for each in (table.image, table.label, table.angle) if each is not None]
    hashes = np.zeros(len(table), np.uint64)
    for some in in_blocks(len(table)):
        for key in (*table.coords[some].T, *(_coded(column[some]) for column in columns)):
            bits = (key + 0).view(np.uint64)  # plus 0, because −0 equals 0
            hashes[some] = (hashes[some] ^ bits) * np.uint64(0x9E3779B97F4A7C15)
            hashes[some] ^= hashes[some] >> np.uint64(29)
    return hashes


def _coded(names: Names) -> NDArray[Any]:
    """(K,) each number, or a hash of 64 bits for each name."""
    cells = names.cells if isinstance(names, Texts) else names
    if cells.dtype.kind in "if":
        return cells
    return np.fromiter(map(hash, values_of(cells)), np.int64, len(cells))


def _repeated_codes(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every code that equals an earlier one, ascending."""
    ordered = np.sort(codes)
    again: NDArray[np.int64] = ordered[1:][ordered[1:] == ordered[:-1]]
    return again


def _commonest(names: Names) -> tuple[object, int]:
    """The name that most boxes have, and their number; the earliest name if none comes twice."""
    codes = _coded(names)
    again, times = np.unique(_repeated_codes(codes), return_counts=True)
    if not len(again):
        return names[0], 1
    first = int(np.argmax(np.isin(codes, again[times == times.max()])))
    return names[first], int(times.max()) + 1


def _counted(names: Names | None) -> tuple[dict[str, int], int]:
    """How many boxes have each of the first names, and how many other names there are."""
    counts: dict[Any, int] = {}
    for name in () if names is None else values_of(names):
        if name in counts or len(counts) < _MOST_NAMED:
            counts[name] = counts.get(name, 0) + 1
    others = 0
    if names is not None and len(counts) == _MOST_NAMED:
        others = len(names) - len(_repeated_codes(_coded(names))) - len(counts)
    return {str(name): count for name, count in counts.items()}, others


def _ranges(corners: Corners, left_out: NDArray[np.bool_]) -> tuple[Range | None, ...]:
    """The ranges of x, y, width and height."""

    def parts(of: Callable[[Corners], NDArray[np.float64]]) -> Iterator[NDArray[np.float64]]:
        with np.errstate(over="ignore"):
            yield from (of(corners[some][~left_out[some]]) for some in in_blocks(len(corners)))

    return (
        _range(parts(lambda xyxy: xyxy[:, ::2])),
        _range(parts(lambda xyxy: xyxy[:, 1::2])),
        _range(parts(lambda xyxy: xyxy[:, 2] - xyxy[:, 0])),
        _range(parts(lambda xyxy: xyxy[:, 3] - xyxy[:, 1])),
    )


def _range(parts: Iterable[NDArray[np.float64]]) -> Range | None:
    least, most = np.inf, -np.inf
    for values in parts:
        least, most = values.min(initial=least), values.max(initial=most)
    return (float(least), float(most)) if least <= most else None


def _boxes(count: int) -> str:
    return many(count, "box", "boxes")
