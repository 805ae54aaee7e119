"""Which map of a pyramid each box of a job is on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from roicrop import sampling
from roicrop.boxes import BoxTable
from roicrop.conventions import LevelRule, level_rule
from roicrop.errors import BoxError
from roicrop.features import FeatureSource
from roicrop.job.frames import distinct_images
from roicrop.job.request import Request
from roicrop.text import listing, quoted

Index = NDArray[np.int64]


def rule_of(request: Request) -> LevelRule:
    """The level rule of a request: its convention's, with the constants that it sets."""
    return level_rule(
        request.convention.level_rule,
        canonical_size=request.canonical_size,
        canonical_level=request.canonical_level,
    )


def levels_on(
    source: FeatureSource, image: int, boxes: NDArray[np.float64], rule: LevelRule
) -> sampling.Levels:
    """Why boxes of one image are on their maps.

    boxes: (K, 4) xyxy in pixels of the image that the network saw, which is the finest map's size /
        scale for a rule that uses it.
    """
    first = image * source.levels
    scales = [source.scale(first + level).value for level in range(source.levels)]
    height, width = (side / scales[0] for side in source.map_size(first))
    return sampling.assign(boxes, scales, rule, (height, width))


def assign_levels(
    source: FeatureSource,
    image_index: Index,
    boxes: NDArray[np.float64],
    rule: LevelRule,
    where: Callable[[int], str],
) -> Index:
    """(K,) the level of each box; −1 for none, and for a box on no image or with NaN corners.

    boxes: (K, 4) as in `levels_on`. where: a box's place in its file, for BoxError.
    """
    index = np.full(len(boxes), -1, np.int64)
    placed = (image_index >= 0) & (np.abs(boxes) < _TOO_FAR).all(axis=1)
    order = np.flatnonzero(placed)
    order = order[np.argsort(image_index[order], kind="stable")]
    images = distinct_images(image_index[order])
    ends = np.searchsorted(image_index[order], images, "right")
    for image, rows in zip(images.tolist(), np.split(order, ends[:-1]), strict=False):
        try:
            index[rows] = levels_on(source, image, boxes[rows], rule).index
        except BoxError as error:
            raise BoxError(f"{where(int(rows[error.box or 0]))} {error.said}") from None
    return index


_TOO_FAR = 1e18  # beyond it a float32 has no area; such a box is refused when it is planned


def levels_given(table: BoxTable, names: Sequence[str]) -> Index | None:
    """(K,) the level that each box's row names; None if the table has no such column.

    It holds names of levels, or the numbers in these names, or else indices, 0 the finest.
    Raises BoxError, which names the row, for a level that does not exist.
    """
    if table.level is None:
        return None
    numbers = [re.sub(r"\D", "", name.rpartition("/")[2]) for name in names]
    values = [str(value) for value in table.level.tolist()]
    for known in (list(names), numbers, [str(i) for i in range(len(names))]):
        if set(values) <= set(known):
            return np.array([known.index(value) for value in values], np.int64)
    known = [*names, *numbers]
    row = next((k for k, value in enumerate(values) if value not in known), 0)
    raise BoxError(
        f"{table.where(int(table.source_index[row]))}: level is {quoted(values[row])}: give a name "
        f"of {listing(names)} in every row, the number in it, or an index from 0"
    )
