"""What a file of boxes holds, and what looks wrong in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.boxes import BadBoxes, BoxTable, find_bad
from roicrop.files.columns import Texts, in_blocks, throughout, values_of
from roicrop.inspection.reports import BoxFile, Range
from roicrop.job import NO_BOX, Fit, fit, other_orders
from roicrop.text import many

if TYPE_CHECKING:
    from roicrop.job import Request

_AT_ONCE: Final = 1 << 16  # rows
_LARGEST_FRACTION: Final = 2  # of a box that extends far outside its image

Corners = NDArray[np.float64]


def look_at_boxes(table: BoxTable, how: Request) -> BoxFile:
    """Report on boxes that have been read; how: the command line's options for reading files."""
    bad = table.find_bad(inclusive=how.inclusive)
    corners = bad.xyxy
    x, y, width, height = _ranges(corners, bad.not_finite)
    sizes, image_sizes = _image_sizes(table, how)
    placed = sizes.fit(corners)
    repeats = _repeats(table)
    columns = {"id": table.id, "score": table.score, "label": table.label}
    images, labels = _counted(table.image), _counted(table.label)
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
        file_names={
            image: coco.images[image].file_name or ""
            for image in images
            if coco is not None and image in coco.images
        },
        score=None if table.score is None else _range([table.score[~np.isnan(table.score)]]),
        labels=labels,
        categories={
            label: coco.categories[label]
            for label in labels
            if coco is not None and label in coco.categories
        },
        repeated=repeats.count,
        odd=(
            *_odd_boxes(table, bad),
            *_odd_units(table, bad, placed, how, sizes),
            *_odd_columns(table, repeats),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Sizes:
    """(n, 2) heights and widths of images, infinite where they are not known; (K,) whose is whose.

    There may be millions of boxes, and few images.
    """

    sizes: Corners
    of_box: NDArray[Any]

    def fit(self, corners: Corners) -> Fit:
        """How boxes (K, 4) lie on their images."""
        blocks = in_blocks(len(corners))
        return sum((fit(corners[some], self.sizes[self.of_box[some]]) for some in blocks), NO_BOX)


def _image_sizes(table: BoxTable, how: Request) -> tuple[_Sizes, str | None]:
    """The size of each box's image, and what says it."""

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
            f"most boxes are reversed or outside their image, but not if they are "
            f"{' or '.join(instead)}: --box-format {instead[0]}"
        )


def _odd_columns(table: BoxTable, repeats: _Repeats) -> Iterator[str]:
    if repeats.count:
        verb = "repeats" if repeats.count == 1 else "repeat"
        yield (
            f"{_boxes(repeats.count)} {verb} an earlier one (image, coordinates and label), as "
            f"{table.where(repeats.first)} repeats {table.where(repeats.earlier)}"
        )
    if table.id is not None and len(table):
        identity, times = _commonest(table.id)
        if times > 1:
            yield f"ids should be unique: {times:,} boxes have the id {identity}"
    if table.score is not None:
        yield from _first_score(table, np.isnan(table.score), "not a number")
        yield from _first_score(table, (table.score < 0) | (table.score > 1), "not in 0 to 1")
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
    table: BoxTable, column: NDArray[Any] | Texts | None, listed: Container[str], key: str
) -> Iterator[str]:
    """Ids that a COCO file should list but does not."""
    names = map(str, () if column is None else values_of(column))
    rows = [row for row, name in enumerate(names) if name not in listed]
    if rows and table.coco is not None and column is not None:
        yield (
            f"{table.coco.path} does not list the {key} of {_boxes(len(rows))}, first "
            f"{table.where(rows[0])}: {column[rows[0]]}"
        )


@dataclass(frozen=True, slots=True)
class _Repeats:
    """How many rows repeat an earlier one, the first of these, and the row it repeats."""

    count: int
    first: int = 0
    earlier: int = 0


def _repeats(table: BoxTable) -> _Repeats:
    names = [column for column in (table.image, table.label) if column is not None]
    keys = [*table.coords.T, *map(_coded, names)]
    count, again, first_row = 0, len(table), 0
    for repeated, earlier in _alike(keys):
        count += len(repeated)
        if len(repeated) and repeated[0] < again:
            again, first_row = int(repeated[0]), int(earlier[0])
    return _Repeats(count, again, first_row) if count else _Repeats(0)


def _alike(keys: list[NDArray[Any]]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows that repeat an earlier one, ascending, and the first row that is like each of them.

    Rows that are alike come under one hash; those under it are sorted, a few at a time: sorting all
    of them at once would take more room than the table.
    """
    hashes = _hashes(keys)
    for n in range(_buckets(len(hashes))):
        kept = np.empty(0, np.intp)
        for rows in _under(hashes, n):
            kept, repeated, earlier = _distinct(keys, np.concatenate([kept, rows]))
            yield repeated, earlier


def _under(hashes: NDArray[np.uint8], bucket: int) -> Iterator[NDArray[np.intp]]:
    """The rows with one hash, some at a time: it may be the hash of every row."""
    found, count = [], 0
    for some in in_blocks(len(hashes)):
        found.append(np.flatnonzero(hashes[some] == bucket) + some.start)
        count += len(found[-1])
        if count >= _AT_ONCE or some.stop == len(hashes):
            yield np.concatenate(found)
            found, count = [], 0


def _distinct(keys: list[NDArray[Any]], rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], ...]:
    """The first of each of these rows, which ascend; the others, ascending, and their first."""
    values = [key[rows] for key in keys]
    order = np.lexsort(values)  # rows that are alike stay in their order
    new = np.zeros(len(order), np.bool_)
    new[:1] = True
    for value in values:
        new[1:] |= value[order[1:]] != value[order[:-1]]
    begins = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    repeated, earlier = rows[order[~new]], rows[order[begins[~new]]]
    ascending = np.argsort(repeated)
    return np.sort(rows[order[new]]), repeated[ascending], earlier[ascending]


def _hashes(keys: list[NDArray[Any]]) -> NDArray[np.uint8]:
    """(K,) the bucket of each row, the same for rows that are alike."""
    count = len(keys[0])
    hashes, buckets = np.zeros(count, np.uint8), _buckets(count)
    for some in in_blocks(count) if buckets > 1 else ():
        mixed = np.zeros(some.stop - some.start, np.uint64)
        for key in keys:
            for word in _words(key[some]):
                mixed = (mixed ^ word) * np.uint64(0x9E3779B97F4A7C15)
                mixed ^= mixed >> np.uint64(29)
        hashes[some] = mixed % np.uint64(buckets)
    return hashes


def _words(key: NDArray[Any]) -> Iterator[NDArray[np.uint64]]:
    """(n,) words of 64 bits, the same for values that are alike."""
    if key.dtype.kind == "S":
        yield from np.ascontiguousarray(key).view(np.uint64).reshape(len(key), -1).T
    else:
        yield (key.astype(np.float64) + 0.0).view(np.uint64)  # -0 is 0


def _buckets(count: int) -> int:
    return min(1 + (count >> 17), 256)


def _coded(names: NDArray[Any] | Texts) -> NDArray[Any]:
    """Cells that can be sorted; equal names have equal ones."""
    cells = names.cells if isinstance(names, Texts) else names
    if cells.dtype != object:
        return cells
    codes: dict[str, int] = {}
    return np.fromiter((codes.setdefault(n, len(codes)) for n in cells), np.int32, len(cells))


def _commonest(names: NDArray[Any] | Texts) -> tuple[object, int]:
    """The value that comes most often, and how often."""
    if isinstance(names, Texts):
        cell, most = _commonest(names.cells)
        return Texts(np.array([cell], names.cells.dtype))[0], most
    ordered = np.sort(names)
    begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    if len(begins) == len(names):
        return ordered[0], 1
    times = np.diff(begins, append=len(names))
    return ordered[begins[times.argmax()]], int(times.max())


class _Counts(Mapping[str, int]):
    """Names, in the order of the rows where they first come, and how often each comes."""

    def __init__(self, names: NDArray[Any] | Texts, times: NDArray[np.int32]) -> None:
        first = np.flatnonzero(times)
        repeats = len(first) < len(times)
        self._names, self._times = (names[first], times[first]) if repeats else (names, times)

    def __len__(self) -> int:
        return len(self._times)

    def __iter__(self) -> Iterator[str]:
        return map(str, values_of(self._names))

    def __getitem__(self, name: str) -> int:
        return int(next(count for each, count in self.items() if each == name))

    def items(self) -> Any:
        """Pairs of them."""
        return zip(self, values_of(self._times), strict=True)


def _counted(names: NDArray[Any] | Texts | None) -> Mapping[str, int]:
    if names is None:
        return {}
    times = np.ones(len(names), np.int32)
    for repeated, earlier in _alike([_coded(names)]):
        np.add.at(times, earlier, times[repeated])
        times[repeated] = 0
    return _Counts(names, times)


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
