"""What one box reads: every bin, every sample in it, and their sum in float64."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Kind
from roicrop.errors import BoxError
from roicrop.job import SMALL_MAP, Job
from roicrop.sampling import CORNERS, Cells, Levels, Plan, Tap, Term, Terms

NAMES: Final[dict[Kind, str]] = {
    "sample": "samples",
    "point": "samples",
    "piece": "pieces",
    "cell": "cells",
}
"""Kind of plan → what to call the terms of a bin."""


@dataclass(frozen=True, slots=True)
class LevelReason:
    """Why a box is on its level of a pyramid.

    levels: the computation for this one box. names: of all levels, finest first.
    """

    levels: Levels
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the box's level."""
        return self.names[int(self.levels.index[0])]

    def record(self) -> dict[str, Any]:
        """The whole computation, for JSON."""
        levels, rule = self.levels, self.levels.rule
        return {
            "name": self.name,
            "index": int(levels.index[0]),
            "names": list(self.names),
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


@dataclass(frozen=True, slots=True)
class Source:
    """Where a box and its map came from, which the plan does not record.

    file: the file of the map, such as "page.h5::/features".
    image: the image's name or number.
    box: the box's index in its file.
    corners: x1, y1, x2, y2 in pixels of the original image; None means the plan's own box.
    input_scale: (sy, sx), from original pixels to those of the network's input.
    level: why the box is on its level; None without a pyramid.
    """

    file: str
    image: str
    box: int
    corners: tuple[float, float, float, float] | None = None
    input_scale: tuple[float, float] = (1.0, 1.0)
    level: LevelReason | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One term and what it reads from one channel.

    features: the value at each tap's cell.
    value: Σ weight · feature; for a corner maximum, the largest product (0 for a corner without
        weight).
    """

    term: Term
    features: tuple[float, ...]
    value: float

    @property
    def taps(self) -> Iterator[tuple[Tap, float]]:
        """Each tap with the feature it reads."""
        return zip(self.term.taps, self.features, strict=True)


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of a box.

    terms: the samples, pieces or cells it is made of.
    void: True if it has no terms, or one outside under a convention that extrapolates; `value` is
        then the convention's constant.
    zero: True if a maximum over it also considers 0.
    sum, divisor: Σ value · share over all terms, and what it is divided by; None for a maximum and
        for a void bin.
    value: the result in float64.
    pooled: the operator's result, which `agrees` if it is within `tolerance` of `value`.
    """

    row: int
    column: int
    terms: Terms
    void: bool
    zero: bool
    sum: float | None
    divisor: float | None
    value: float
    pooled: float
    tolerance: float

    @property
    def difference(self) -> float:
        """|pooled − value|; 0 if both are NaN, NaN if only one is."""
        if self.pooled == self.value or (math.isnan(self.pooled) and math.isnan(self.value)):
            return 0.0
        return abs(self.pooled - self.value)

    @property
    def agrees(self) -> bool:
        """True if the difference is within the tolerance."""
        return self.difference <= self.tolerance


Array = NDArray[Any]

TOLERANCE: Final = 1e-5
"""Largest difference between a core and the float64 sum, for features of magnitude up to 1."""


@dataclass(eq=False)
class Explanation:
    """Where the pooled values of one box and one channel come from.

    plan, k: the plan, and the box's index in it. channel: the channel of the pooled tensor.
    features: (H, W) that channel of the map; or (PH · PW, H, W), one channel per bin. As
        much of it as was read.
    pooled: (PH, PW) the operator's result for that box and channel.
    terms: what to call the terms of a bin: samples, pieces or cells.
    """

    source: Source
    plan: Plan
    k: int
    channel: int
    features: Array | Cells
    pooled: Array

    def __post_init__(self) -> None:
        if self.features.ndim == 2:
            self.features = self.features[np.newaxis]
        assert self.features.shape[1:] == self.plan.map_size
        assert self.pooled.shape == self.plan.output_size
        self.terms = NAMES[self.plan.kind]
        self._void = self.plan.void(self.k)
        self._zero = self.plan.zero_candidate(self.k)

    def bins(self, only: tuple[int, int] | None = None) -> Iterator[Bin]:
        """All bins, row by row, or just one that exists."""
        return iter(self._all_bins if only is None else [self._bin(*only)])

    def listing(
        self, only: tuple[int, int] | None = None, most: int | None = None
    ) -> Iterator[tuple[Bin, Iterator[Reading]]]:
        """Bins as in `bins`, each with its readings: at most `most` of them in all."""
        for bin_ in self.bins(only):
            features = self.features_of(bin_.row, bin_.column)
            yield bin_, map(partial(self._reading, features), islice(bin_.terms, most))
            if most is not None:
                most = max(most - len(bin_.terms), 0)

    def left_out(self, only: tuple[int, int] | None, most: int) -> int:
        """The number of terms not listed: beyond `most`, or off the map in a huge box."""
        terms = [bin_.terms for bin_ in self.bins(only)]
        return sum(each.total for each in terms) - min(most, sum(map(len, terms)))

    def features_of(self, p: int, q: int) -> Array | Cells:
        """The channel (H, W) that a bin reads."""
        bins, (_, across) = self.features, self.plan.output_size
        features: Array | Cells = bins[(p * across + q) % len(bins)]
        return features

    @cached_property
    def largest(self) -> float:
        """The largest finite |feature|, at least 1: what the tolerance is relative to.

        Of a map that was read in windows, only around the box: a window may hold other boxes too.
        """
        top, bottom, left, right = self.plan.bounds()[self.k].tolist()
        is_window = isinstance(self.features, Cells)
        read = self.features[:, top:bottom, left:right] if is_window else self.features
        finite = np.abs(read[np.isfinite(read)].astype(np.float64))
        return max(1.0, float(finite.max(initial=0.0)))

    @cached_property
    def agrees(self) -> bool:
        """True if every bin agrees."""
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
        """For float16, plus the rounding at the end: a unit in the last place."""
        tolerance = TOLERANCE * self.largest
        if self.pooled.dtype == np.float16:
            with np.errstate(over="ignore", invalid="ignore"):
                unit = float(np.abs(np.spacing(np.float16(value))))
            tolerance += unit if math.isfinite(unit) else math.inf
        return tolerance

    def _reading(self, map_: Array | Cells, term: Term) -> Reading:
        features = tuple(float(map_[tap.row, tap.column]) for tap in term.taps)
        products = [tap.weight * v for tap, v in zip(term.taps, features, strict=True)]
        value = sum(products)
        if self.plan.convention.reduction == "corner-max":
            weightless = [0.0] * (len(products) < CORNERS)
            numbers = [v for v in (*products, *weightless) if not math.isnan(v)]
            value = max(numbers, default=math.nan)
        return Reading(term, features, value)


def explain(
    job: Job, boxes: Iterable[int], channel: int = 0, only: tuple[int, int] | None = None
) -> list[Explanation]:
    """Explain one channel of each of these boxes.

    boxes: their indices in the file. only: the bin that will be asked for, None for all.

    Raises BoxError for a box that does not exist or is not pooled, and ArgumentError for a channel
    or a bin that does not exist.
    """
    job.check_channel(channel)
    job.check_bin(only)
    rows = job.rows_of(boxes)
    for row in rows.tolist():
        _require_pooled(job, row)
    found: dict[int, Explanation] = {}
    for on_map in job.by_map(rows, whole=SMALL_MAP):
        # The channel, or one for each bin; copied, because the job reuses its buffer.
        bins = job.convention.own_channels(job.request.output_size)
        own = np.arange(channel * bins, (channel + 1) * bins)
        features = on_map.with_channels(own).cells
        pooled = on_map.channels_first(on_map.pool())
        plan = on_map.plan()
        for k, row in enumerate(on_map.rows.tolist()):
            x1, y1, x2, y2 = job.corners[row].tolist()
            source = Source(
                file=on_map.file,
                image=job.image_name(on_map.image),
                box=int(job.table.source_index[row]),
                corners=(x1, y1, x2, y2),
                input_scale=job.source.input_scale(on_map.map),
                level=_reason(job, row),
            )
            found[row] = Explanation(source, plan, k, channel, features, pooled[k, channel])
    return [found[row] for row in rows.tolist()]


def _require_pooled(job: Job, row: int) -> None:
    if job.is_pooled[row]:
        return
    why = "the box is bad, so its values are zeros that were not computed"
    if job.image_index[row] >= 0 and job.level[row] < 0 and job.level_rule:
        why = f"the level rule {job.level_rule.name} puts a box of this size on no level, so its "
        why += "values are zeros"
    raise BoxError(f"{job.where(row)}: {why}: choose another box with --box")


def _reason(job: Job, row: int) -> LevelReason | None:
    names = job.source.level_names
    if names is None or job.level_rule is None:
        return None
    return LevelReason(job.why_on_level(row), tuple(names))


def coverage(plan: Plan, k: int, features: NDArray[Any]) -> NDArray[np.float64]:
    """How much each cell (H, W) contributes to all bins of box k: the operator's adjoint on ones.

    For an average, the sum of the cell's weights. For a maximum, the weights of the one term that
    each bin takes its value from, averaged over channels; features: (C, H, W).
    """
    if plan.convention.mode == "avg":
        return plan.weights(k)
    amount = np.zeros(plan.map_size)
    for p, q in np.ndindex(plan.output_size):
        terms = [term.taps for term in plan.terms(k, p, q) if term.taps]
        if not terms:
            continue
        values = np.zeros((len(terms), len(features)))
        with np.errstate(invalid="ignore"):
            for n, taps in enumerate(terms):
                for tap in taps:
                    values[n] += features[:, tap.row, tap.column].astype(np.float64) * tap.weight
        best = np.nan_to_num(values, nan=-np.inf).argmax(axis=0)
        for n, times in zip(*np.unique(best, return_counts=True), strict=True):
            for tap in terms[n]:
                amount[tap.row, tap.column] += times / len(features) * tap.weight
    return amount
