"""Why a box is on its level of a pyramid, in words and as a record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from roicrop.explanation.terms import LevelReason
from roicrop.text import exact, table

_PLUS_ONE: Final = ", one pixel added to each"


def level_lines(reason: LevelReason) -> Iterator[str]:
    """Area, root, logarithm, rounding, clamping, and how far the next levels are."""
    levels, rule = reason.levels, reason.levels.rule
    area, root = levels.area[0], levels.root[0]
    level, rounded = levels.level[0], levels.rounded[0]
    unit = "pixels" if rule.unit == "pixels" else "of the image"
    epsilon = f" + {rule.epsilon:g}" if rule.epsilon else ""
    inside = epsilon if rule.epsilon_to == "ratio" else ""
    after = epsilon if rule.epsilon_to == "level" else ""
    how = "rounded down" if rule.rounding == "floor" else "rounded to the nearest, half to even"
    rows = [
        ["  rule", rule.name, rule.program],
        ["  area", exact(area), f"width × height, {unit}{_PLUS_ONE if rule.added_pixel else ''}"],
        ["  root", exact(root), "its square root"],
        ["  logarithm", exact(levels.logarithm[0]), f"log2(root / {exact(levels.size)}{inside})"],
        ["  level", exact(level), f"logarithm + {exact(rule.canonical_level)}{after}"],
        ["  rounded", exact(rounded), how],
        ["  map", reason.name, _clamped(reason)],
    ]
    yield from table([["Level", "", ""], *rows, *_next(reason)], "lll")


def level_record(reason: LevelReason) -> dict[str, Any]:
    """The same as JSON has it."""
    levels, rule = reason.levels, reason.levels.rule
    return {
        "name": reason.name,
        "index": int(levels.index[0]),
        "names": list(reason.names),
        "rule": rule.name,
        "canonical_size": rule.canonical_size,
        "canonical_level": rule.canonical_level,
        "area": float(levels.area[0]),
        "root": float(levels.root[0]),
        "divisor": float(levels.size),
        "logarithm": float(levels.logarithm[0]),
        "level": float(levels.level[0]),
        "rounded": float(levels.rounded[0]),
        "finest": levels.finest,
        "coarsest": levels.finest + levels.maps - 1,
    }


def _clamped(reason: LevelReason) -> str:
    levels = reason.levels
    last = levels.finest + levels.maps - 1
    rounded = levels.rounded[0]
    said = f"levels {levels.finest} to {last} are {reason.names[0]} to {reason.names[-1]}"
    if not levels.finest <= rounded <= last:
        return f"clamped: {said}"
    return said


def _next(reason: LevelReason) -> Iterator[list[str]]:
    """By which factor the sides would have to change for the box to be on another map."""
    levels, index = reason.levels, int(reason.levels.index[0])
    if not levels.root[0] > 0:
        return
    for step, word in ((-1, "shorter"), (1, "longer")):
        other = index + step
        if 0 <= other < levels.maps:
            factor = levels.factor_to(0, other)
            change = f"sides {factor:.3g} times as long"
            yield [f"  {reason.names[other]}", change, f"the box would be on it with {word} sides"]
