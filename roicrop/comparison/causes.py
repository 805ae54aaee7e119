"""The rules in which two conventions differ, taken apart as far as they can be."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from roicrop.conventions import Convention, differing, idle_in_both


@dataclass(frozen=True, slots=True)
class Cause:
    """Rules in which two conventions differ, as few as can be exchanged by themselves.

    name: what they decide. fields: those of `Convention`.
    """

    name: str
    fields: tuple[str, ...]

    @property
    def telling(self) -> tuple[str, ...]:
        """The fields that say what differs; the others only have to go with them."""
        if "operator" in self.fields:  # of the other operator's rules a row says nothing
            return tuple(name for name in self.fields if name in ("operator", "mode"))
        return tuple(name for name in self.fields if name not in _OF_THE_BOX) or self.fields

    def exchanged(self, row: Convention, other: Convention) -> Convention:
        """`row` with these rules of `other`. It treats reversed boxes, where it can."""
        changes = {name: getattr(other, name) for name in self.fields}
        return dataclasses.replace(row, **changes, reversed_boxes="mirror")


def causes(first: Convention, second: Convention, *, pyramid: bool = False) -> list[Cause]:
    """Everything that can make two conventions give different values; on one map, or a pyramid.

    Rules that play no part, as what a maximum starts from where both take an average, are left out.
    """
    fields = [name for name in differing(first, second) if name in _DECIDES]
    left_out = idle_in_both(first, second) | (set() if pyramid else {"level_rule"})
    groups: dict[str, list[str]] = {}
    for name in fields:
        if name not in left_out:
            groups.setdefault(_group(name, first, second), []).append(name)
    return [Cause(name, tuple(group)) for name, group in groups.items()]


_DECIDES: Final = {
    "operator": "rounding to cells",
    "angle": "turn",
    "clockwise": "turn",
    "offset_before": "shift",
    "offset_after": "shift",
    "added_pixel": "end corner",
    "added_cell": "end corner",
    "clipped": "clipped boxes",
    "min_size": "minimal size",
    "sampling_ratio": "sample count",
    "positions": "order of arithmetic",
    "min_samples": "sample count",
    "sample_at": "place of a sample",
    "shared": "sample count",
    "border": "border",
    "mode": "reduction",
    "max_over": "what the maximum is over",
    "max_start": "start of the maximum",
    "void": "empty bins",
    "void_max": "empty bins",
    "order": "coordinates",
    "normalized": "coordinates",
    "inner": "coordinates",
    "rounding": "rounding of corners",
    "pixels": "rounding of corners",
    "end_cell": "end corner",
    "unread": "border",
    "interpolation": "interpolation",
    "level_rule": "choice of level",
}
_SAMPLING: Final = frozenset(
    (
        *("offset_before", "offset_after", "added_pixel", "added_cell", "clipped", "min_size"),
        *("sampling_ratio", "min_samples", "positions", "sample_at", "shared"),
        *("border", "rounding", "pixels", "end_cell", "unread"),
    )
)
_OF_THE_BOX: Final = frozenset(("order", "normalized", "inner"))
# A row of RoIPool says nothing about samples, and none of RoIAlign can round.
_OF_AN_OPERATOR: Final = _SAMPLING | _OF_THE_BOX | {"operator", "interpolation", "max_over"}
_PLACE: Final = (_SAMPLING - {"border"}) | _OF_THE_BOX


def _group(name: str, first: Convention, second: Convention) -> str:
    """The cause that a field belongs to: its own, unless it makes no sense without others."""
    if name == "mode" and "piece" in (first.kind, second.kind):
        name = "sampling_ratio"  # an integral has no maximum
    if (first.kind == "cell") != (second.kind == "cell") and name in _OF_AN_OPERATOR:
        return _DECIDES["operator"]
    corners = [row.positions == "corners" for row in (first, second)]
    if corners[0] != corners[1] and name in _PLACE:
        return "placement of samples"
    if first.interpolation != second.interpolation and name == "border":
        return _DECIDES["interpolation"]  # the nearest cell is known with one border only
    return _DECIDES[name]
