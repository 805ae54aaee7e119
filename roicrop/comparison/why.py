"""Why two conventions differ: their rules exchanged one at a time, to see what is left."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from roicrop.comparison.tally import Apart, Array
from roicrop.conventions import Convention, differing, idle_in_both
from roicrop.errors import BoxError


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
    "clockwise": "turn",
    "offset_before": "shift",
    "offset_after": "shift",
    "added_pixel": "end corner",
    "added_cell": "end corner",
    "clipped": "clipped boxes",
    "min_size": "minimum size",
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


Pool = Callable[[Convention], Array]
"""What a convention gives for a box; BoxError if it refuses that."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A cause, and what it accounts for.

    fields: field of the convention → the first's value and the second's.
    remains: of the sum of absolute differences, what would be left were the two alike in this: 0
        where this is all, 1 where it is nothing; None where it cannot be told.
    incomparable_remains: the same of the values of which only one of the two is finite.
    """

    cause: str
    fields: dict[str, tuple[object, object]]
    remains: float | None
    incomparable_remains: float | None

    @property
    def is_idle(self) -> bool:
        """Whether it changes nothing: all of the difference is left without it."""
        return self.remains in (None, 1) and self.incomparable_remains in (None, 1)

    @property
    def rank(self) -> tuple[float, float]:
        """Smaller accounts for more. Values without a difference come first."""
        first, second = self.incomparable_remains, self.remains
        return (1.0 if first is None else first, 1.0 if second is None else second)


class Ablation:
    """Two conventions, and what each of their differences accounts for over the boxes so far.

    pyramid: whether boxes are on one. boxes: how many those are.
    """

    def __init__(self, first: Convention, second: Convention, *, pyramid: bool = False) -> None:
        self.boxes = 0
        self._first, self._second = first, second
        self._causes = causes(first, second, pyramid=pyramid)
        self._shares = [_Share() for _ in self._causes]

    def add(self, pool: Pool) -> list[Reason]:
        """Take in one more box; what makes the difference on that one.

        BoxError if one of the two refuses it.
        """
        ends = pool(self._first), pool(self._second)
        its_shares = [self._try(cause, pool, ends) for cause in self._causes]
        self.boxes += 1
        for share, its_share in zip(self._shares, its_shares, strict=True):
            share.add(its_share)
        return self._reasons(its_shares)

    @property
    def reasons(self) -> list[Reason]:
        """The causes, what accounts for most first."""
        return self._reasons(self._shares)

    def _try(self, cause: Cause, pool: Pool, ends: tuple[Array, Array]) -> _Share:
        first, second = self._first, self._second
        try:
            changed = pool(cause.exchanged(first, second)), pool(cause.exchanged(second, first))
        except BoxError:  # what both take, something between them may refuse
            return _Share()
        left = Apart.of(changed[0], ends[1]), Apart.of(ends[0], changed[1])
        return _Share.of(Apart.of(*ends), left)

    def _reasons(self, shares: list[_Share]) -> list[Reason]:
        changes = differing(self._first, self._second)
        found = [
            Reason(
                cause.name,
                {name: changes[name] for name in cause.telling},
                share.left / share.whole if share.whole else None,
                share.incomparable_left / share.incomparable if share.incomparable else None,
            )
            for cause, share in zip(self._causes, shares, strict=True)
        ]
        return sorted(found, key=lambda reason: reason.rank)


@dataclass(slots=True)
class _Share:
    """What one cause accounts for: sums of differences, and numbers of values without one.

    whole, incomparable: of the two conventions. left, incomparable_left: of the same values, when
        the two are alike in that cause.
    """

    whole: float = 0.0
    left: float = 0.0
    incomparable: float = 0.0
    incomparable_left: float = 0.0

    @classmethod
    def of(cls, whole: Apart, left: tuple[Apart, Apart]) -> _Share:
        told = np.isfinite(whole.values)
        remaining = [apart.values[told] for apart in left]
        return cls(
            float(whole.values[told].sum()),
            sum(float(values[np.isfinite(values)].sum()) for values in remaining) / len(left),
            float((~told).sum()),
            sum(float(apart.incomparable.sum()) for apart in left) / len(left),
        )

    def add(self, other: _Share) -> None:
        self.whole += other.whole
        self.left += other.left
        self.incomparable += other.incomparable
        self.incomparable_left += other.incomparable_left
