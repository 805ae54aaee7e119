"""One box and one channel: every bin, every sample of it, and what they come to in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property, partial
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.errors import ArgumentError
from roicrop.explanation.terms import NAMES, Bin, Reading, Source
from roicrop.sampling import CORNERS, Plan, Term

Array = NDArray[Any]

TOLERANCE: Final = 1e-5
"""How far a core may be from the sum in float64, for features of at most 1 in size."""


class Explanation:
    """Where the pooled values of one box and one channel come from.

    source: what the box is. plan, k: where it is sampled. channel: whose features these are.
    features: (H, W), that channel of the map; or (PH · PW, H, W), for each bin its own.
    pooled: (PH, PW), what the operator gave for that box and channel.
    terms: what a text calls what a bin is made of.
    """

    def __init__(
        self, source: Source, plan: Plan, k: int, channel: int, features: Array, pooled: Array
    ) -> None:
        features = features if features.ndim == 3 else features[np.newaxis]
        assert features.shape[1:] == plan.map_size
        assert pooled.shape == plan.output_size
        self.source = source
        self.plan = plan
        self.k = k
        self.channel = channel
        self.features = features
        self.pooled = pooled
        self.terms = NAMES[plan.kind]
        self._void = plan.void(k)
        self._zero = plan.zero_candidate(k)

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
    ) -> Iterator[tuple[Bin, Iterator[Reading]]]:
        """Bins as in `bins`, each with what its terms read, but at most `most` terms in all."""
        for bin_ in self.bins(only):
            features = self.features_of(bin_.row, bin_.column)
            yield bin_, map(partial(self._reading, features), islice(bin_.terms, most))
            if most is not None:
                most = max(most - len(bin_.terms), 0)

    def left_out(self, only: tuple[int, int] | None, most: int) -> int:
        """How many terms `listing` leaves out: those beyond `most`, and a huge box's outside."""
        terms = [bin_.terms for bin_ in self.bins(only)]
        return sum(each.total for each in terms) - min(most, sum(map(len, terms)))

    def features_of(self, p: int, q: int) -> Array:
        """(H, W) what a bin reads."""
        bins, (_, across) = self.features, self.plan.output_size
        features: Array = bins[(p * across + q) % len(bins)]
        return features

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

    def _bin(self, p: int, q: int) -> Bin:
        row, terms = self.plan.convention, self.plan.terms(self.k, p, q)
        void, zero = bool(self._void[p, q]), bool(self._zero[p, q])
        total = divisor = None
        if void:
            value = row.void_value
        elif row.mode == "avg":
            total, divisor = terms.sum(self.features_of(p, q)), terms.divisor
            value = total / divisor if divisor else 0.0
        else:
            start = max(row.max_start, 0.0) if zero else row.max_start
            value = terms.largest(self.features_of(p, q), row.reduction, start)
        return Bin(
            row=p,
            column=q,
            terms=terms,
            void=void,
            zero=zero,
            sum=total,
            divisor=divisor,
            value=value,
            pooled=float(self.pooled[p, q]),
            tolerance=self._tolerance(value),
        )

    def _tolerance(self, value: float) -> float:
        """float16 is rounded once, at the end, by at most a unit in the last place."""
        tolerance = TOLERANCE * self.largest
        if self.pooled.dtype == np.float16:
            with np.errstate(over="ignore", invalid="ignore"):
                unit = float(np.abs(np.spacing(np.float16(value))))
            tolerance += unit if math.isfinite(unit) else math.inf
        return tolerance

    def _reading(self, map_: Array, term: Term) -> Reading:
        features = tuple(float(map_[tap.row, tap.column]) for tap in term.taps)
        products = [tap.weight * v for tap, v in zip(term.taps, features, strict=True)]
        value = sum(products)
        if self.plan.convention.reduction == "corner-max":
            weightless = [0.0] * (len(products) < CORNERS)
            numbers = [v for v in (*products, *weightless) if not math.isnan(v)]
            value = max(numbers, default=math.nan)
        return Reading(term, features, value)
