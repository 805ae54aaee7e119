"""What a file of boxes holds, and what looks wrong in it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.boxes import BadBoxes, BoxTable, find_bad
from roicrop.inspection.reports import BoxFile, Range
from roicrop.job import Fit, fit, other_orders
from roicrop.text import many

if TYPE_CHECKING:
    from roicrop.job import Request

_LARGEST_FRACTION: Final = 2  # of a box that extends far outside its image

Corners = NDArray[np.float64]


def look_at_boxes(table: BoxTable, how: Request) -> BoxFile:
    """Report on boxes that have been read; how: the command line's options for reading files."""
    bad = table.find_bad(inclusive=how.inclusive)
    corners = bad.xyxy
    good = corners[~bad.not_finite] if bad.not_finite.any() else corners
    with np.errstate(over="ignore"):
        width, height = (_range(good[:, n + 2] - good[:, n]) for n in (0, 1))
    sizes, image_sizes = _image_sizes(table, how)
    placed = fit(corners, sizes)
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
        x=_range(good[:, ::2]),
        y=_range(good[:, 1::2]),
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
        score=None if table.score is None else _range(table.score[~np.isnan(table.score)]),
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


def _image_sizes(table: BoxTable, how: Request) -> tuple[Corners, str | None]:
    """Height and width (K, 2) of each box's image, infinite if unknown; and their source."""
    shape = len(table), 2
    if how.normalized:
        return np.broadcast_to(1.0, shape), "--normalized"
    if how.image_size is not None:
        return np.broadcast_to(np.asarray(how.image_size, np.float64), shape), "--image-size"
    known = {image: size for image, size in table.image_sizes.items() if min(size) > 0}
    if table.image is None or not known:
        return np.broadcast_to(np.inf, shape), None
    unknown = (np.inf, np.inf)
    each = [known.get(str(image), unknown) for image in table.image.tolist()]
    return np.reshape(each, shape), table.source.name if table.coco is None else table.coco.path


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
    table: BoxTable, bad: BadBoxes, placed: Fit, how: Request, sizes: Corners
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
        return max(int(find_bad(xyxy).reversed.sum()), fit(xyxy, sizes).beyond)

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
        identity, times = Counter(table.id.tolist()).most_common(1)[0]
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
    table: BoxTable, column: NDArray[Any] | None, listed: Container[str], key: str
) -> Iterator[str]:
    """Ids that a COCO file should list but does not."""
    names = [] if column is None else list(map(str, column.tolist()))
    rows = [row for row, name in enumerate(names) if name not in listed]
    if rows and table.coco is not None:
        yield (
            f"{table.coco.path} does not list the {key} of {_boxes(len(rows))}, first "
            f"{table.where(rows[0])}: {names[rows[0]]}"
        )


@dataclass(frozen=True, slots=True)
class _Repeats:
    """How many rows repeat an earlier one, the first of these, and the row it repeats."""

    count: int
    first: int = 0
    earlier: int = 0


def _repeats(table: BoxTable) -> _Repeats:
    """Find repeated rows by sorting, which takes a fraction of the memory of a set."""
    names = [column for column in (table.image, table.label) if column is not None]
    keys = [*table.coords.T, *map(_coded, names)]
    order = np.lexsort(keys)  # stable
    alike = np.ones(max(0, len(order) - 1), np.bool_)
    for key in keys:
        some = key[order]
        alike &= some[1:] == some[:-1]
    if not alike.any():
        return _Repeats(0)
    place = np.arange(len(order))
    begins = np.maximum.accumulate(np.where(np.append(False, alike), 0, place))
    again = np.flatnonzero(alike) + 1
    first = again[np.argmin(order[again])]
    return _Repeats(len(again), int(order[first]), int(order[begins[first]]))


def _coded(names: NDArray[Any]) -> NDArray[np.int64]:
    """A number for each name; equal names have equal numbers."""
    if names.dtype != object:
        return names
    codes: dict[str, int] = {}
    return np.fromiter((codes.setdefault(n, len(codes)) for n in names), np.int64, len(names))


def _counted(names: NDArray[Any] | None) -> dict[str, int]:
    counts = Counter() if names is None else Counter(names.flat)
    return {str(name): count for name, count in counts.items()}


def _range(values: NDArray[np.float64]) -> Range | None:
    return (float(values.min()), float(values.max())) if values.size else None


def _boxes(count: int) -> str:
    return many(count, "box", "boxes")
