"""How two plans of one box differ: in position, size, samples, and how samples are combined."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from roicrop.conventions import in_words
from roicrop.sampling import Plan
from roicrop.text import brief, distance, many, measure

Both = tuple[float, float]  # along y and along x
Plans = tuple[Plan, Plan]


@dataclass(frozen=True, slots=True)
class Contrast:
    """One way in which two plans of a box differ.

    what: its name. text: a sentence that describes it.
    first, second: the values of each plan, y before x, if there are any.
    """

    what: str
    text: str
    first: object = None
    second: object = None


def contrasts(
    plans: Plans, k: int, names: tuple[str, str], cells_per_pixel: Both
) -> Iterator[Contrast]:
    """Every way in which two plans differ on box k, which has the same index in both.

    names: of the two conventions. cells_per_pixel: along y and x, for image pixels.
    """
    first, second = plans
    of_cells = [plan.kind == "cell" for plan in plans]
    if not any(of_cells):
        turns = list(_turn(plans, k, names))
        yield from turns or _begin(plans, k, names, cells_per_pixel)
        yield from _size(plans, k, names)
        yield from _count(plans, k, names)
        yield from _rounding(plans, k)
        yield from _border(plans, k, names)
        yield from _lost(plans, k, names)
    elif not all(of_cells):
        n = of_cells.index(True)
        yield _rounded(plans[n], k, names[n], cells_per_pixel)
    yield from _void(plans, k, names)
    if first.convention.reduction != second.convention.reduction:
        takes = [in_words.takes(plan.convention) for plan in plans]
        text = f"{names[0]} takes {takes[0]}, {names[1]} {takes[1]}"
        yield Contrast("reduction", text, first.convention.reduction, second.convention.reduction)
    elif first.convention.mode == "max":
        yield from _start(plans, names)


_BEYOND: Final = {
    "clamp": "reads the edge of the map",
    "repeat": "reads the edge of the map, however far away",
    "inside": "reads 0",
    "continue": "extrapolates from the last two cells",
    "zero": "lets the map fade to 0",
    "extrapolate": "gives a constant",
}
_ROUNDINGS: Final = 64  # units in the last place that coordinates may differ by through rounding


def _turn(plans: Plans, k: int, names: tuple[str, str]) -> Iterator[Contrast]:
    """For boxes with an angle, how far each convention turns them, in degrees."""
    degrees = []
    for turn in (plan.turn(k) for plan in plans):
        if turn is None:
            return
        degrees.append(math.degrees(math.atan2(float(turn.sin), float(turn.cos))))
    if abs(math.remainder(degrees[1] - degrees[0], 360)) < _SAME_ANGLE:
        return
    one, other = (
        f"{brief(abs(angle))}° {'clockwise' if angle < 0 else 'counter-clockwise'}"
        for angle in degrees
    )
    yield Contrast("turn", f"{names[0]} turns the box by {one}, {names[1]} by {other}", *degrees)


_SAME_ANGLE: Final = 1e-3  # degrees


def _begin(
    plans: Plans, k: int, names: tuple[str, str], cells_per_pixel: Both
) -> Iterator[Contrast]:
    """Where the two boxes begin, in index coordinates; for crop-and-resize, where it samples."""
    if _is_one_of_points(plans):
        yield _points(plans, k, names)
        return
    begins = [list(plan.begin(k)) for plan in plans]
    if all(_close(a, b, plans) for a, b in zip(*begins, strict=True)):
        return
    ways = [
        f"{distance(b - a, scale, brief)} further {way[b < a]}"
        for a, b, scale, way in zip(
            *begins, cells_per_pixel, (("down", "up"), ("right", "left")), strict=True
        )
        if not _close(a, b, plans)
    ]
    text = f"{names[1]} begins {_joined(ways)} than {names[0]}"
    yield Contrast("shift", text, *begins)


def _joined(ways: list[str]) -> str:
    """Join y and x in one phrase: "1 cell (8 pixels) further down and right"."""
    if len(ways) == 2 and ways[0].rpartition(" ")[0] == ways[1].rpartition(" ")[0]:
        return f"{ways[0]} and {ways[1].rpartition(' ')[2]}"
    return " and ".join(ways)


def _is_one_of_points(plans: Plans) -> bool:
    return [plan.kind for plan in plans].count("point") == 1


def _points(plans: Plans, k: int, names: tuple[str, str]) -> Contrast:
    """The first and last sample of each, where one samples corner to corner and the other bins."""
    spans, words = [], []
    for plan, name in zip(plans, names, strict=True):
        positions = (along.position.tolist() or [math.nan] for along in plan.samples(k))
        span = [(each[0], each[-1]) for each in positions]
        y, x = (f"{brief(low)} … {brief(high)}" if low == low else "none" for low, high in span)
        spans.append(span)
        words.append(f"{name} samples y {y}, x {x}")
    return Contrast("placement of samples", ", ".join(words), *spans)


def _size(plans: Plans, k: int, names: tuple[str, str]) -> Iterator[Contrast]:
    if _is_one_of_points(plans):
        return
    sizes = [[float(axis.length[k]) for axis in plan.axes] for plan in plans]
    if all(_close(a, b, plans) for a, b in zip(*sizes, strict=True)):
        return
    one, other = ("×".join(map(brief, size)) for size in sizes)
    text = f"{names[1]} makes the box {other} cells, {names[0]} {one} (height × width)"
    yield Contrast("size", text, *sizes)


def _count(plans: Plans, k: int, names: tuple[str, str]) -> Iterator[Contrast]:
    counts = ["exact" if plan.kind == "piece" else list(plan.count(k)) for plan in plans]
    if counts[0] == counts[1]:
        return
    texts = [
        f"{name} integrates over each bin"
        if count == "exact"
        else f"{name} samples each bin {'×'.join(map(str, count))} times"
        for count, name in zip(counts, names, strict=True)
    ]
    yield Contrast("samples per bin", " and ".join(texts), *counts)


def _rounding(plans: Plans, k: int) -> Iterator[Contrast]:
    """Sample positions that differ only by rounding."""
    largest = 0.0
    for along in zip(*(plan.samples(k) for plan in plans), strict=True):
        a, b = (samples.position.astype(np.float64) for samples in along)
        if len(a) != len(b):
            return
        apart, size = np.abs(b - a), np.maximum(np.abs(a), np.abs(b))
        if (apart > _rounding_of(plans) * np.maximum(size, 1.0)).any():
            return
        largest = max(largest, float(apart.max(initial=0.0)))
    if largest:
        text = f"samples lie at the same positions up to rounding, at most {brief(largest)} cells"
        yield Contrast("rounding", text, 0.0, largest)


def _border(plans: Plans, k: int, names: tuple[str, str]) -> Iterator[Contrast]:
    """What each does beyond the outermost cell centres, if the box reaches there."""
    one, other = (plan.convention.border for plan in plans)
    if one != other and any(_leaves(plan, k) for plan in plans):
        text = (
            f"beyond the outermost cell centres {names[0]} {_BEYOND[one]}, "
            f"{names[1]} {_BEYOND[other]}"
        )
        yield Contrast("border", text, one, other)


def _leaves(plan: Plan, k: int) -> bool:
    positions = zip((along.position for along in plan.samples(k)), plan.map_size, strict=True)
    return any(bool(((each < 0) | (each > size - 1)).any()) for each, size in positions)


def _lost(plans: Plans, k: int, names: tuple[str, str]) -> Iterator[Contrast]:
    """Samples that are out of range, and samples moved to the edge of the map."""
    if any(plan.kind == "piece" for plan in plans):
        return
    counts = [_outside_and_clamped(plan, k) for plan in plans]
    for n, (what, words) in enumerate(
        (("outside", "too far outside to be read"), ("clamped", "moved to the edge of the map"))
    ):
        (one, of_one), (other, of_other) = ((count[n], count[2]) for count in counts)
        if one != other:
            text = (
                f"{names[0]} has {one:,} of {of_one:,} samples {words}, "
                f"{names[1]} {other:,} of {of_other:,}"
            )
            yield Contrast(what, text, one, other)


def _outside_and_clamped(plan: Plan, k: int) -> tuple[int, int, int]:
    """The number of samples out of range, of clamped samples, and of all samples."""
    terms = [plan.terms(k, p, q) for p, q in np.ndindex(*plan.output_size)]
    return sum(t.outside for t in terms), sum(t.clamped for t in terms), sum(t.total for t in terms)


def _rounded(plan: Plan, k: int, name: str, cells_per_pixel: Both) -> Contrast:
    """How RoIPool rounds the box to cells, and how far an edge moves, in pixels."""
    words, real, whole, furthest = [], [], [], 0.0
    for axis, along, scale in zip(plan.axes, "yx", cells_per_pixel, strict=True):
        first_cell, last_cell = axis.ends(k)
        before = [float(axis.begin[k]), float(axis.end[k])]
        # The end cell is included.
        after = [int(first_cell), int(last_cell) + 1]
        low, high, first, last = map(brief, (*before, *after))
        words.append(f"{along} {low} … {high} to {first} … {last}")
        moves = [abs(b - a) / scale for a, b in zip(before, after, strict=True)]
        furthest = max(furthest, *moves)
        real.append(before)
        whole.append(after)
    text = (
        f"{name} rounds the box to cells, {' and '.join(words)}: "
        f"an edge moves by up to {measure(brief(furthest), 'pixel')}"
    )
    return Contrast("rounding to cells", text, real, whole)


def _void(plans: Plans, k: int, names: tuple[str, str]) -> Iterator[Contrast]:
    """Bins without samples or cells, and their value."""
    counts = [int(plan.void(k).sum()) for plan in plans]
    gives = [plan.convention.void_value for plan in plans]
    if not any(counts) or (counts[0] == counts[1] and repr(gives[0]) == repr(gives[1])):
        return
    texts = [
        f"{name} has {many(count, 'empty bin')}" + (f", value {brief(value)}" if count else "")
        for name, count, value in zip(names, counts, gives, strict=True)
    ]
    yield Contrast("empty bins", "; ".join(texts), counts[0], counts[1])


def _start(plans: Plans, names: tuple[str, str]) -> Iterator[Contrast]:
    one, other = (plan.convention.max_start for plan in plans)
    if one != other:
        text = f"the maximum of {names[0]} starts from {brief(one)}, that of {names[1]} from "
        yield Contrast("start of the maximum", text + brief(other), one, other)


def _close(a: float, b: float, plans: Plans) -> bool:
    """True if two coordinates differ by no more than rounding."""
    return abs(b - a) <= _rounding_of(plans) * max(abs(a), abs(b), 1.0)


def _rounding_of(plans: Plans) -> float:
    return _ROUNDINGS * float(np.finfo(plans[0].boxes.dtype).eps)
