"""What a file of boxes holds, and what is odd about it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.boxes import BadBoxes, BoxTable, find_bad
from roicrop.inspection.reports import BoxFile, Range
from roicrop.job import fit, other_orders
from roicrop.text import many

if TYPE_CHECKING:
    from roicrop.job import Request

_LARGEST_FRACTION: Final = 2  # of a box that reaches far out of its image

Corners = NDArray[np.float64]


def look_at_boxes(table: BoxTable, how: Request) -> BoxFile:
    """Look at boxes that have been read; `how` is what the command line says of files."""
    corners = table.xyxy(inclusive=how.inclusive)
    bad = table.find_bad(inclusive=how.inclusive)
    good = corners[~bad.not_finite]
    with np.errstate(over="ignore"):
        extent = good[:, 2:] - good[:, :2]
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
        width=_range(extent[:, 0]),
        height=_range(extent[:, 1]),
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
        repeated=len(repeats),
        odd=(
            *_odd_boxes(table, bad),
            *_odd_units(table, corners, how, sizes),
            *_odd_columns(table, repeats),
        ),
    )


def _image_sizes(table: BoxTable, how: Request) -> tuple[Corners, str | None]:
    """(K, 2) height and width of each box's image, infinite if not known; and what says them."""
    sizes = np.full((len(table), 2), np.inf)
    if how.normalized:
        sizes[:] = 1
        return sizes, "--normalized"
    if how.image_size is not None:
        sizes[:] = how.image_size
        return sizes, "--image-size"
    known = {image: size for image, size in table.image_sizes.items() if min(size) > 0}
    if table.image is None or not known:
        return sizes, None
    unknown = (np.inf, np.inf)
    each = [known.get(str(image), unknown) for image in table.image.tolist()]
    sizes[:] = np.reshape(each, (-1, 2))
    return sizes, table.source.name if table.coco is None else table.coco.path


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


def _odd_units(table: BoxTable, corners: Corners, how: Request, sizes: Corners) -> Iterator[str]:
    finite = corners[np.isfinite(corners).all(axis=1)]
    if not finite.size:
        return
    reach = float(np.abs(finite).max())
    if not how.normalized and reach <= 1:
        yield "no coordinate is above 1: if they are fractions of the image, give --normalized"
    if how.normalized and reach > _LARGEST_FRACTION:
        yield f"a coordinate of {reach:g} is no fraction of an image: leave out --normalized"

    def count_wrong(table: BoxTable) -> int:
        xyxy = table.xyxy(inclusive=how.inclusive)
        return max(int(find_bad(xyxy).reversed.sum()), fit(xyxy, sizes).beyond)

    orders = other_orders(table) if 2 * count_wrong(table) > len(table) else []
    others = (dataclasses.replace(table, box_format=order) for order in orders)
    if instead := [other.box_format for other in others if not count_wrong(other)]:
        yield (
            f"most boxes are reversed or outside their image, and none would be as "
            f"{' or '.join(instead)}: --box-format {instead[0]}"
        )


def _odd_columns(table: BoxTable, repeats: list[tuple[int, int]]) -> Iterator[str]:
    if repeats:
        row, earlier = repeats[0]
        verb = "repeats" if len(repeats) == 1 else "repeat"
        yield (
            f"{_boxes(len(repeats))} {verb} an earlier one (image, coordinates and label): "
            f"{table.where(row)} is {table.where(earlier)} again"
        )
    if table.id is not None and len(table):
        identity, times = Counter(table.id.tolist()).most_common(1)[0]
        if times > 1:
            yield f"an id should be one box's: {identity} is that of {times:,}"
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
    """What a COCO file should list and does not."""
    names = [] if column is None else list(map(str, column.tolist()))
    rows = [row for row, name in enumerate(names) if name not in listed]
    if rows and table.coco is not None:
        yield (
            f"{key} of {table.coco.path} list no id of {_boxes(len(rows))}, first "
            f"{table.where(rows[0])}: {names[rows[0]]}"
        )


def _repeats(table: BoxTable) -> list[tuple[int, int]]:
    """Rows that are an earlier one again, and that one."""
    columns = [
        *(column.tolist() for column in table.coords.T),
        *(column.tolist() for column in (table.image, table.label) if column is not None),
    ]
    first: dict[tuple[object, ...], int] = {}
    earlier = (first.setdefault(box, row) for row, box in enumerate(zip(*columns, strict=True)))
    return [(row, one) for row, one in enumerate(earlier) if row != one]


def _counted(names: NDArray[Any] | None) -> dict[str, int]:
    return {} if names is None else dict(Counter(map(str, names.tolist())))


def _range(values: NDArray[np.float64]) -> Range | None:
    return (float(values.min()), float(values.max())) if values.size else None


def _boxes(count: int) -> str:
    return many(count, "box", "boxes")
