"""What a convention makes of a box before it samples: sizes, counts and every rounding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roicrop.sampling import AxisPlan, Plan

Number = np.floating[Any] | np.integer[Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A number that a rule rounds or bounds. `rule` says how."""

    what: str
    rule: str
    before: Number
    after: Number


@dataclass(frozen=True, slots=True)
class Corners:
    """The box's x1, y1, x2, y2 on the way to cells, (4,) each.

    image: pixels of the original image. network: those of the image that the network saw.
    fractions: of (map size − 1), where the convention takes such; then there is no network image
        and there are no feature coordinates.
    """

    image: NDArray[Any] | None
    network: NDArray[Any] | None
    fractions: NDArray[Any] | None
    feature: NDArray[Any] | None
    index: NDArray[Any]


def corners_of(plan: Plan, k: int, image: tuple[float, float, float, float] | None) -> Corners:
    """The corners of box k; `image` is the box in the original image, if that is known."""
    box = plan.boxes[k]
    feature, index = plan.corners(k)
    original = None if image is None else np.array(image)
    if plan.convention.normalized:
        return Corners(original, None, box, feature, index)
    return Corners(box if original is None else original, box, None, feature, index)


def size_before(axis: AxisPlan, k: int) -> Number:
    """The box's size along an axis before any minimum: RoIPool's counts both end cells."""
    if axis.rounded is not None:
        size: Number = axis.rounded[k, 1] - axis.rounded[k, 0] + 1
        return size
    if axis.convention.positions == "corners":
        length: Number = axis.length[k]
        return length
    span: Number = axis.end[k] - axis.begin[k]
    return span


def box_steps(axis: AxisPlan, k: int) -> Iterator[Step]:
    """What is rounded or bounded once for box k along an axis."""
    row = axis.convention
    if axis.rounded is not None:
        rule = "to the nearest, half away from zero"
        yield Step("first cell", rule, axis.begin[k], axis.rounded[k, 0])
        yield Step("last cell", rule, axis.end[k], axis.rounded[k, 1])
        yield Step("size", "at least 1", size_before(axis, k), axis.length[k])
    elif row.min_size is not None:
        yield Step("size", f"at least {row.min_size:g}", size_before(axis, k), axis.length[k])
    if row.operator == "align" and row.sampling_ratio == "adaptive":
        rounded = axis.count[k] or np.ceil(axis.bin_size[k])
        yield Step("samples a bin", "up", axis.bin_size[k], rounded)
        if rounded != axis.count[k]:
            yield Step("samples of both axes", "none, if one has none", rounded, axis.count[k])


def bin_steps(axis: AxisPlan, k: int, p: int) -> Iterator[Step]:
    """What is rounded or bounded for bin p of box k along an axis: RoIPool's two edges.

    Before they are rounded, edges are in cells from the box's first cell.
    """
    if axis.rounded is None:
        return
    before, after = axis.quantized_edges(k)
    first = axis.rounded[k, 0]
    yield Step("first cell of the bin", "down", before[p, 0], after[p, 0] - first)
    yield Step("cell after the bin", "up", before[p, 1], after[p, 1] - first)
    yield Step("first cell of the bin", "to the map", after[p, 0], _on_map(axis, after[p, 0]))
    yield Step("cell after the bin", "to the map", after[p, 1], _on_map(axis, after[p, 1]))


def _on_map(axis: AxisPlan, cell: np.int64) -> np.int64:
    clipped: np.int64 = np.clip(cell, 0, axis.size)
    return clipped
