"""Which rules make two conventions differ, found by trying: make one alike, see what is left.

For each cause, either convention in turn is given the other's rule and nothing else, and compared
with the other as it is. What is left of the difference, on average over the two ways, is what the
cause does not account for. Rules act on one another, so what they account for need not add up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from roicrop.comparison.causes import Cause, causes
from roicrop.comparison.tally import Apart, Array
from roicrop.conventions import Convention, differing
from roicrop.errors import BoxError

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
