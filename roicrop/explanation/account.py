"""One box and one channel: every bin, every sample of it, and what they come to in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from itertools import islice, product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.errors import ArgumentError
from roicrop.explanation.sums import maximum, sum_of, value_of
from roicrop.explanation.terms import Bin, Kind, Source, State, Tap, Term
from roicrop.sampling import AxisPlan, Plan, Samples

Array = NDArray[Any]

TOLERANCE: Final = 1e-5
"""How far a core may be from the sum in float64, for features of at most 1 in size."""


class Explanation:
    """Where the pooled values of one box and one channel come from.

    source: what the box is. plan, k: where it is sampled. channel: whose features these are.
    features: (H, W), that channel of the map.
    pooled: (PH, PW), what the operator gave for that box and channel.
    kind: what a bin's terms are.
    """

    def __init__(
        self, source: Source, plan: Plan, k: int, channel: int, features: Array, pooled: Array
    ) -> None:
        assert features.shape == plan.map_size
        assert pooled.shape == plan.output_size
        self.source = source
        self.plan = plan
        self.k = k
        self.channel = channel
        self.features = features
        self.pooled = pooled
        self.kind: Kind = "sample"
        if plan.convention.operator == "pool":
            self.kind = "cell"
        elif plan.convention.sampling_ratio == "exact":
            self.kind = "piece"
        self._void = plan.void(k)
        self._zero = plan.zero_candidate(k)
        self._rows = self._by_bin(plan.y)
        self._columns = self._by_bin(plan.x)

    def bins(self, only: tuple[int, int] | None = None) -> Iterator[Bin]:
        """All bins, row by row, or only the one of that number; ArgumentError if there is none."""
        self.check_bin(only)
        return iter(self._all_bins if only is None else [self._bin(*only)])

    def check_bin(self, only: tuple[int, int] | None) -> None:
        """Raise ArgumentError if there is no bin of that number."""
        height, width = self.plan.output_size
        if only is not None and not (0 <= only[0] < height and 0 <= only[1] < width):
            raise ArgumentError(
                f"bin {only[0]},{only[1]} is none of {height}×{width}: they are counted from 0,0"
            )

    def listing(
        self, only: tuple[int, int] | None = None, most: int | None = None
    ) -> Iterator[tuple[Bin, Iterator[Term]]]:
        """Bins as in `bins`, each with its terms, but no more than `most` terms in all."""
        for bin_ in self.bins(only):
            pairs = product(range(len(bin_.y)), range(len(bin_.x)))
            yield bin_, (self._term(bin_, i, j) for i, j in islice(pairs, most))
            if most is not None:
                most = max(most - len(bin_.y) * len(bin_.x), 0)

    def left_out(self, only: tuple[int, int] | None, most: int) -> int:
        """How many terms `listing` leaves out: those beyond `most`, and a huge box's outside."""
        rows = self._rows if only is None else self._rows[only[0] : only[0] + 1]
        columns = self._columns if only is None else self._columns[only[1] : only[1] + 1]
        listed = sum(map(len, rows)) * sum(map(len, columns))
        terms = listed
        if self.kind == "sample":
            count_y, count_x = self._samples_a_bin()
            terms = max(count_y, 0) * len(rows) * max(count_x, 0) * len(columns)
        return terms - min(most, listed)

    @cached_property
    def largest(self) -> float:
        """The largest finite |feature|, and 1 at least: what the tolerance is relative to."""
        finite = np.abs(self.features[np.isfinite(self.features)].astype(np.float64))
        return max(1.0, float(finite.max(initial=0.0)))

    @cached_property
    def agrees(self) -> bool:
        """Whether every bin of the box does."""
        return all(bin_.agrees for bin_ in self._all_bins)

    @cached_property
    def _all_bins(self) -> list[Bin]:
        return [self._bin(p, q) for p, q in np.ndindex(*self.plan.output_size)]

    def _by_bin(self, axis: AxisPlan) -> list[Samples]:
        if self.kind == "cell":
            return [_cells(*axis.cell_range(self.k, p)) for p in range(axis.bins)]
        samples = axis.samples(self.k)
        return [samples.of_bin(p) for p in range(axis.bins)]

    def _bin(self, p: int, q: int) -> Bin:
        y, x = self._rows[p], self._columns[q]
        count, divisor = self._count_and_divisor(p, q)
        inside = int(y.inside.sum()) * int(x.inside.sum())
        unmoved = int((y.inside & ~y.clamped).sum()) * int((x.inside & ~x.clamped).sum())
        row = self.plan.convention
        void, zero = bool(self._void[p, q]), bool(self._zero[p, q])
        total = None
        if void:
            value = row.void_value
        elif row.mode == "avg":
            total = sum_of(self.features, y, x)
            value = total / divisor if divisor else 0.0
        else:
            start = max(row.max_start, 0.0) if zero else row.max_start
            value = maximum(self.features, y, x, row.reduction, start)
        return Bin(
            row=p,
            column=q,
            y=y,
            x=x,
            count=count,
            outside=count[0] * count[1] - inside,
            clamped=inside - unmoved,
            void=void,
            zero=zero,
            sum=total,
            divisor=None if total is None else divisor,
            value=value,
            pooled=float(self.pooled[p, q]),
            tolerance=self._tolerance(value),
        )

    def _count_and_divisor(self, p: int, q: int) -> tuple[tuple[int, int], float]:
        if self.kind == "sample":
            count_y, count_x = self._samples_a_bin()
            return (max(count_y, 0), max(count_x, 0)), float(count_y * count_x)
        count = len(self._rows[p]), len(self._columns[q])
        if self.kind == "cell":
            return count, float(count[0] * count[1])
        height, width = np.diff(self.plan.y.edges(self.k)), np.diff(self.plan.x.edges(self.k))
        return count, abs(float(height[p])) * abs(float(width[q]))

    def _samples_a_bin(self) -> tuple[int, int]:
        """Both below 0 where a reversed box has no samples, and a sum of nothing to divide."""
        return int(self.plan.y.count[self.k]), int(self.plan.x.count[self.k])

    def _tolerance(self, value: float) -> float:
        """float16 is rounded once, at the end, by at most a unit in the last place."""
        tolerance = TOLERANCE * self.largest
        if self.pooled.dtype == np.float16:
            with np.errstate(over="ignore", invalid="ignore"):
                unit = float(np.abs(np.spacing(np.float16(value))))
            tolerance += unit if math.isfinite(unit) else math.inf
        return tolerance

    def _term(self, bin_: Bin, i: int, j: int) -> Term:
        y, x = bin_.y, bin_.x
        taps = tuple(
            Tap(row, column, weight_y, weight_x, float(self.features[row, column]))
            for row, weight_y in _neighbours(y, i)
            for column, weight_x in _neighbours(x, j)
            if weight_y and weight_x
        )
        state: State = "inside"
        if not (y.inside[i] and x.inside[j]):
            state = "outside"
        elif y.clamped[i] or x.clamped[j]:
            state = "clamped"
        return Term(
            row=int(y.index[i]),
            column=int(x.index[j]),
            y=y.position[i],
            x=x.position[j],
            state=state,
            read_y=y.read_at[i],
            read_x=x.read_at[j],
            share=float(y.share[i] * x.share[j]),
            taps=taps,
            value=value_of([tap.product for tap in taps], self.plan.convention.reduction),
        )


def _cells(first: int, after: int) -> Samples:
    """RoIPool's cells as samples of their own: each read where it lies."""
    cells = np.arange(first, after)
    ones = np.ones(len(cells))
    inside = ones != 0
    at = cells.astype(np.float64)
    return Samples(cells * 0, cells, at, inside, at, cells, cells, ones, ones * 0, ones)


def _neighbours(samples: Samples, s: int) -> tuple[tuple[int, float], tuple[int, float]]:
    return (
        (int(samples.low[s]), float(samples.weight_low[s])),
        (int(samples.high[s]), float(samples.weight_high[s])),
    )
