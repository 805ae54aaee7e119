"""How far apart two conventions are, summed over boxes, and which of their rules cause it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention, differing, idle_in_both
from roicrop.errors import BoxError
from roicrop.job import Rows

Array = NDArray[Any]
Float = NDArray[np.float64]


@dataclass(slots=True)
class Spread:
    """The finite features that boxes were pooled from.

    count: their number. squares: the sum of squared distances from the mean. largest: the largest
        magnitude. is_sample: True if they are a sample of some maps.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    largest: float = 0.0
    is_sample: bool = False

    @property
    def deviation(self) -> float:
        """The standard deviation; 0 if all features are the same."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0

    def relative(self, difference: float) -> float | None:
        """A difference in standard deviations; None if the deviation is 0."""
        return difference / self.deviation if self.deviation else None

    def add(self, features: Array) -> float:
        """Add features; returns their largest magnitude."""
        with np.errstate(invalid="ignore"):  # signalling NaN
            block = features.astype(np.float64).ravel()
        if not np.isfinite(block).all():
            block = block[np.isfinite(block)]
        largest = float(np.abs(block).max(initial=0.0))
        if len(block):
            self._merge(block)
        self.largest = max(self.largest, largest)
        return largest

    def _merge(self, block: Float) -> None:
        """Update mean and sum of squares (Chan, Golub and LeVeque)."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            mean = float(block.mean())
            squares = float(np.square(block - mean).sum())
            total = self.count + len(block)
            apart = mean - self.mean
            self.mean += apart * len(block) / total
            self.squares += squares + apart * apart * self.count * len(block) / total
            self.count = total


@dataclass(frozen=True, slots=True)
class Apart:
    """Differences |second − first| of n boxes with V values each.

    values: (n, V) float64; 0 if both are equal, NaN and infinity included; NaN where they are
        incomparable: only one is finite, or they are different non-finite values.
    total, largest: (n,) the sum and the maximum of each box's differences, without NaN.
    incomparable: (n,) the number of incomparable values of each box.
    """

    values: Float
    total: Float
    largest: Float
    incomparable: NDArray[np.int64]

    @classmethod
    def of(cls, first: Array, second: Array) -> Apart:
        """The differences of two pooled arrays (n, …) of the same layout."""
        with np.errstate(over="ignore", invalid="ignore"):
            apart = np.abs(np.subtract(second, first, dtype=np.float64))
            values = apart.reshape(len(apart), math.prod(apart.shape[1:]))
            total = values.sum(axis=1)
        incomparable = np.zeros(len(values), dtype=np.int64)
        if np.isfinite(total).all():
            return cls(values, total, values.max(axis=1, initial=0.0), incomparable)
        same = (first == second) | (np.isnan(first) & np.isnan(second))
        values[same.reshape(values.shape)] = 0.0
        told = np.isfinite(values)
        values[~told] = np.nan
        incomparable += np.sum(~told, axis=1)
        total = values.sum(axis=1, where=told)
        return cls(values, total, values.max(axis=1, initial=0.0, where=told), incomparable)

    def where_largest(self, k: int) -> int:
        """The index of the value of box k that differs most; an incomparable one counts as most."""
        return int(np.argmax(np.where(np.isnan(self.values[k]), np.inf, self.values[k])))


@dataclass(frozen=True, slots=True)
class Worst:
    """A box on which two conventions differ.

    rank: larger is worse.
    row: the box's row in the job. largest, mean: of the absolute differences.
    incomparable: the number of incomparable values.
    channel, bin, values: where they differ most, and the value of each there.
    """

    rank: float
    row: int
    largest: float
    mean: float
    incomparable: int
    channel: int
    bin: tuple[int, int]
    values: tuple[float, float]


@dataclass(slots=True)
class Tally:
    """Two conventions over the boxes so far.

    listed: how many of the worst boxes to keep.
    boxes: the number that both conventions accept; differ: of these, beyond the tolerance;
        unequal: not equal to the last bit.
    values: the number of comparable values; total, largest: of their differences.
    incomparable: the number of incomparable values.
    worst: the boxes that differ most, worst first; ties go to the lower row.
    """

    listed: int
    boxes: int = 0
    differ: int = 0
    unequal: int = 0
    values: int = 0
    total: float = 0.0
    largest: float = 0.0
    incomparable: int = 0
    worst: list[Worst] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """The mean absolute difference."""
        return self.total / self.values if self.values else 0.0

    def add(
        self, rows: Rows, first: Array, second: Array, tolerance: float, *, channels_last: bool
    ) -> None:
        """Add n boxes.

        first, second: the pooled values, (n, C, PH, PW) or (n, PH, PW, C).
        tolerance: the largest difference of values that agree.
        """
        apart = Apart.of(first, second)
        largest, total, incomparable = apart.largest, apart.total, apart.incomparable
        rank = np.where(incomparable > 0, np.inf, largest)
        self.boxes += len(rows)
        self.differ += int((rank > tolerance).sum())
        self.unequal += int((rank > 0).sum())
        self.values += apart.values.size - int(incomparable.sum())
        self.total += float(total.sum())
        self.largest = max(self.largest, float(largest.max(initial=0.0)))
        self.incomparable += int(incomparable.sum())

        order = np.argsort(-rank, kind="stable")[: self.listed]
        new = [
            Worst(
                rank=float(rank[k]),
                row=int(rows[k]),
                largest=float(largest[k]),
                mean=float(total[k]) / max(apart.values.shape[1] - int(incomparable[k]), 1),
                incomparable=int(incomparable[k]),
                **_place(first.shape[1:], at, channels_last=channels_last),
                values=(float(first[k].ravel()[at]), float(second[k].ravel()[at])),
            )
            for k in order[rank[order] > 0].tolist()
            for at in [apart.where_largest(k)]
        ]
        found = sorted([*self.worst, *new], key=lambda worst: (-worst.rank, worst.row))
        self.worst = found[: self.listed]


def _place(shape: tuple[int, ...], at: int, *, channels_last: bool) -> dict[str, Any]:
    place = [int(n) for n in np.unravel_index(at, shape)]
    channel = place.pop(-1 if channels_last else 0)
    return {"channel": channel, "bin": (place[0], place[1])}


@dataclass(frozen=True, slots=True)
class Cause:
    """Rules in which two conventions differ, as few as can be exchanged on their own.

    name: what they decide. fields: their names in `Convention`.
    """

    name: str
    fields: tuple[str, ...]

    @property
    def telling(self) -> tuple[str, ...]:
        """The fields worth reporting; the others are only exchanged along with them."""
        if "operator" in self.fields:  # the other operator's rules mean nothing in this one
            return tuple(name for name in self.fields if name in ("operator", "mode"))
        return tuple(name for name in self.fields if name not in _OF_THE_BOX) or self.fields

    def exchanged(self, row: Convention, other: Convention) -> Convention:
        """`row` with these rules of `other`, accepting reversed boxes where possible."""
        changes = {name: getattr(other, name) for name in self.fields}
        return dataclasses.replace(row, **changes, reversed_boxes="mirror")


def causes(first: Convention, second: Convention, *, pyramid: bool = False) -> list[Cause]:
    """Everything that can make two conventions give different values, on one map or a pyramid.

    Rules without effect are left out, such as the start of a maximum if both take an average.
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
# RoIPool's rows have no rules for samples, and RoIAlign's none for rounding.
_OF_AN_OPERATOR: Final = _SAMPLING | _OF_THE_BOX | {"operator", "interpolation", "max_over"}
_PLACE: Final = (_SAMPLING - {"border"}) | _OF_THE_BOX


def _group(name: str, first: Convention, second: Convention) -> str:
    """The cause that a field belongs to: its own, unless it makes no sense without others'."""
    if name == "mode" and "piece" in (first.kind, second.kind):
        name = "sampling_ratio"  # an integral has no maximum
    if (first.kind == "cell") != (second.kind == "cell") and name in _OF_AN_OPERATOR:
        return _DECIDES["operator"]
    corners = [row.positions == "corners" for row in (first, second)]
    if corners[0] != corners[1] and name in _PLACE:
        return "placement of samples"
    if first.interpolation != second.interpolation and name == "border":
        return _DECIDES["interpolation"]  # nearest cells are defined for one border only
    return _DECIDES[name]


Pool = Callable[[Convention], Array]
"""Pools a box under a convention; raises BoxError if the convention refuses the box."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A cause, and how much of the difference it explains.

    fields: field of the convention → the values of the first and the second.
    remains: the share of the sum of absolute differences that would remain if both had the same
        rule: 0 if it explains everything, 1 if nothing, None if unknown.
    incomparable_remains: the same share of the number of incomparable values.
    """

    cause: str
    fields: dict[str, tuple[object, object]]
    remains: float | None
    incomparable_remains: float | None

    @property
    def is_idle(self) -> bool:
        """True if it has no effect: all of the difference remains without it."""
        return self.remains in (None, 1) and self.incomparable_remains in (None, 1)

    @property
    def rank(self) -> tuple[float, float]:
        """Sort key; smaller explains more. Incomparable values come first."""
        first, second = self.incomparable_remains, self.remains
        return (1.0 if first is None else first, 1.0 if second is None else second)


class Ablation:
    """Two conventions, and what each difference of their rules explains on the boxes so far.

    pyramid: True if the boxes are on one. boxes: the number added.
    """

    def __init__(self, first: Convention, second: Convention, *, pyramid: bool = False) -> None:
        self.boxes = 0
        self._first, self._second = first, second
        self._causes = causes(first, second, pyramid=pyramid)
        self._shares = np.zeros((len(self._causes), 4))

    def add(self, pool: Pool) -> list[Reason]:
        """Add a box; returns the reasons for the difference on this box alone.

        Raises BoxError if one of the conventions refuses it.
        """
        ends = pool(self._first), pool(self._second)
        its_shares = np.zeros_like(self._shares)
        for n, cause in enumerate(self._causes):
            with suppress(BoxError):  # a convention between two that accept a box may refuse it
                its_shares[n] = self._try(cause, pool, ends)
        self.boxes += 1
        self._shares += its_shares
        return self._reasons(its_shares)

    @property
    def reasons(self) -> list[Reason]:
        """The causes, starting with the one that explains most."""
        return self._reasons(self._shares)

    def _try(self, cause: Cause, pool: Pool, ends: tuple[Array, Array]) -> Float:
        first, second = self._first, self._second
        changed = pool(cause.exchanged(first, second)), pool(cause.exchanged(second, first))
        left = Apart.of(changed[0], ends[1]), Apart.of(ends[0], changed[1])
        return _share(Apart.of(*ends), left)

    def _reasons(self, shares: Float) -> list[Reason]:
        changes = differing(self._first, self._second)
        found = [
            Reason(
                cause.name,
                {name: changes[name] for name in cause.telling},
                left / whole if whole else None,
                incomparable_left / incomparable if incomparable else None,
            )
            for cause, (whole, left, incomparable, incomparable_left) in zip(
                self._causes, shares.tolist(), strict=True
            )
        ]
        return sorted(found, key=lambda reason: reason.rank)


def _share(whole: Apart, left: tuple[Apart, Apart]) -> Float:
    """(4,) sums of differences, then numbers of incomparable values, on the same values.

    Of each, first that between the two conventions, then what is left once both have the same rule.
    """
    told = np.isfinite(whole.values)
    remaining = [apart.values[told] for apart in left]
    return np.array(
        [
            whole.values[told].sum(),
            sum(values[np.isfinite(values)].sum() for values in remaining) / len(left),
            (~told).sum(),
            sum(apart.incomparable.sum() for apart in left) / len(left),
        ]
    )
