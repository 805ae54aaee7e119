"""Which fields of a convention matter to its results.

A row has every field, and some have no effect: an average does not start from a value, and whole
cells are not sampled.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from roicrop.conventions.table import Convention, Kind, Mode


def matters(field: str, row: Convention) -> bool:
    """True if another value of this field could change the results of this row."""
    return (
        row.kind in _OF_KINDS.get(field, (row.kind,))
        and _OF_MODE.get(field) in (None, row.mode)
        and _IF.get(field, _always)(row)
    )


def effective(row: Convention) -> Convention:
    """The row without its names, with every irrelevant field set to one value.

    If two rows have equal effective rows (where NaN equals NaN, as in their `repr`), they give the
    same results for all boxes that neither refuses.
    """
    if _of_one_sample(row) and row.reduction == "max" and row.max_start == -math.inf:
        row = dataclasses.replace(row, mode="avg", void=row.void_max)
    idle = {name: own for name, own in _NEUTRAL.items() if not matters(name, row)}
    return dataclasses.replace(row, **_BESIDE, **idle)


def coarse(row: Convention) -> Convention:
    """The effective row, ignoring rules that only affect few bins or last bits; NaN if void."""
    row = effective(row)
    return dataclasses.replace(
        row,
        positions="corners" if row.positions == "corners" else "scaled-step",
        void=math.nan,
        void_max=math.nan,
        max_start=row.max_start if row.max_start >= 0 else -math.inf,
    )


def idle_in_both(first: Convention, second: Convention) -> set[str]:
    """The fields that are irrelevant in both rows, and in any mixture of their rules."""
    values = [{getattr(row, name) for row in (first, second)} for name in _DECIDING]
    rows = [
        dataclasses.replace(first, **dict(zip(_DECIDING, each, strict=True)))
        for each in itertools.product(*values)
    ]
    return {name for name in _NEUTRAL if not any(matters(name, row) for row in rows)}


# Whether the remaining fields matter.
_DECIDING: Final = ("operator", "positions", "sampling_ratio", "mode", "normalized")
_SAMPLED: Final = ("sample", "point", "piece")
_OF_KINDS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "added_cell": _SAMPLED,
    "sampling_ratio": _SAMPLED,
    "positions": ("sample", "point"),
    "min_samples": ("sample",),
    "sample_at": ("sample",),
    "shared": ("sample",),
    "border": _SAMPLED,
    "rounding": ("cell",),
    "end_cell": ("cell",),
    "unread": ("cell",),
    "max_over": ("sample", "point"),
    "interpolation": _SAMPLED,
}
_OF_MODE: Final[Mapping[str, Mode]] = {
    "max_over": "max",
    "max_start": "max",
    "void": "avg",
    "void_max": "max",
}


def _always(_: Convention) -> bool:
    return True


def _of_pixels(row: Convention) -> bool:
    return not row.normalized


_IF: Final[Mapping[str, Callable[[Convention], bool]]] = {
    **dict.fromkeys(
        ("offset_before", "offset_after", "added_pixel", "added_cell", "clipped", "pixels"),
        _of_pixels,
    ),
    "min_size": lambda row: not row.normalized and (row.kind != "cell" or row.rounding == "none"),
    "end_cell": lambda row: row.rounding != "none",
    "angle": lambda row: row.turned,
    "clockwise": lambda row: row.turned,
    "min_samples": lambda row: row.sampling_ratio == "adaptive",
    "sample_at": lambda row: row.positions != "corners",
    "shared": lambda row: row.positions == "corners",
    "inner": lambda row: row.normalized,
}

# The value of an irrelevant field: its default, or one sample if the ratio has no effect.
_NEUTRAL: Final[Mapping[str, Any]] = {
    **{
        field.name: field.default
        for field in dataclasses.fields(Convention)
        if field.name in {*_OF_KINDS, *_OF_MODE, *_IF}
    },
    "sampling_ratio": 1,
}
# Names, the layout of the framework's own argument, what it refuses, and what other calls use.
_BESIDE: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("name", "program", "surprise", "verified", "level_rule"), ""),
    "aligned_min_size": None,
    "order": "xyxy",
    "reversed_boxes": "mirror",
    "options": (),
}


def _of_one_sample(row: Convention) -> bool:
    return row.kind == "point" or (row.kind == "sample" and row.sampling_ratio == 1)
