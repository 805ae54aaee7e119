"""How far apart two conventions are: running sums over boxes, and the boxes that differ most."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.job import Rows

Array = NDArray[Any]
Float = NDArray[np.float64]

_BLOCK: Final = 1 << 20  # features that are summed at a time


@dataclass(slots=True)
class Spread:
    """The features that the boxes were pooled from, those that are finite.

    count: how many. mean: theirs. squares: the sum of their squared distances from it.
    largest: the largest magnitude.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    largest: float = 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation, which differences are relative to; 0 where all are the same."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0

    def relative(self, difference: float) -> float | None:
        """A difference in standard deviations; None where there is no spread."""
        return difference / self.deviation if self.deviation else None

    def add(self, features: Array) -> float:
        """Take in one map, contiguous; its largest magnitude."""
        largest = 0.0
        for start in range(0, features.size, _BLOCK):
            with np.errstate(invalid="ignore"):  # of NaN that signal
                block = features.reshape(-1)[start : start + _BLOCK].astype(np.float64)
            if not np.isfinite(block).all():
                block = block[np.isfinite(block)]
            if len(block):
                largest = max(largest, float(np.abs(block).max()))
                self._merge(block)
        self.largest = max(self.largest, largest)
        return largest

    def _merge(self, block: Float) -> None:
        """Chan, Golub and LeVeque's update of a mean and a sum of squares."""
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
    """Differences |second − first| of n boxes, V values each.

    values: (n, V) float64; 0 where both are the same, NaN or infinity included, and NaN where no
        difference can be told: only one of the two is finite, or they are unlike in another way.
    total, largest: (n,) the sum of each box's differences and the largest, of those there are.
    incomparable: (n,) how many values of each box have no difference.
    """

    values: Float
    total: Float
    largest: Float
    incomparable: NDArray[np.int64]

    @classmethod
    def of(cls, first: Array, second: Array) -> Apart:
        """Of two pooled arrays (n, …), both channels first or both channels last."""
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
        """Which value of box k differs most; one without a difference comes before all others."""
        return int(np.argmax(np.where(np.isnan(self.values[k]), np.inf, self.values[k])))


@dataclass(frozen=True, slots=True)
class Worst:
    """A box on which two conventions differ.

    rank: larger is worse.
    row: of the job. largest, mean: of the absolute differences.
    incomparable: values of which only one of the two is finite.
    channel, bin, values: where they differ most, and what each gives there.
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

    listed: how many of the worst boxes are kept.
    boxes: that both conventions take. differ: those beyond the tolerance. unequal: those that are
        not the same to the last bit.
    values: of which a difference can be told; total, largest: of their differences.
    incomparable: values of which none can, because only one of the two is finite.
    worst: the boxes that differ most, the worst first, of equals the one of the first row.
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
        """The mean of the absolute differences."""
        return self.total / self.values if self.values else 0.0

    def add(
        self, rows: Rows, first: Array, second: Array, tolerance: float, *, channels_last: bool
    ) -> None:
        """Take in n boxes.

        first, second: what the two give for them, (n, C, PH, PW) or (n, PH, PW, C).
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
