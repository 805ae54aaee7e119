"""One box and one channel: every bin, every sample of it, and what they come to in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Reduction
from roicrop.errors import ArgumentError
from roicrop.sampling import AxisPlan, Plan, Samples

Array = NDArray[Any]
Kind = Literal["sample", "piece", "cell"]
State = Literal["inside", "clamped", "outside"]

TOLERANCE: Final = 1e-5
"""How far a core may be from the sum in float64, for features of at most 1 in size."""

CORNERS: Final = 4
"""The cells around a sample."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a plan does not know of the box that it is for.

    file: where the map came from: "page.h5::/features".
    image: the image's name or number.
    box: the box's number in its file.
    corners: x1, y1, x2, y2 in pixels of the original image; None is the plan's own box.
    input_scale: (sy, sx), from those pixels to those of the image that the network saw.
    """

    file: str
    image: str
    box: int
    corners: tuple[float, float, float, float] | None = None
    input_scale: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Tap:
    """A cell that a sample reads, and what it counts there: weight_y · weight_x, never 0."""

    row: int
    column: int
    weight_y: float
    weight_x: float
    feature: float

    @property
    def weight(self) -> float:
        """What the cell counts."""
        return self.weight_y * self.weight_x

    @property
    def product(self) -> float:
        """Weight × feature."""
        return self.weight * self.feature


@dataclass(frozen=True, slots=True)
class Term:
    """One of the things that a bin is made of: a sample, a piece of an integral, or a cell.

    row, column: its number in the bin along y and along x; for a cell, its place on the map.
    y, x: index coordinates, in the plan's precision.
    read_y, read_x: where the map is read, after clamping.
    share: 1, or a piece's area. An average is Σ value · share over the bin's divisor.
    taps: what it reads; nothing if it is outside.
    value: Σ products, or for a corner maximum the largest of them (0 where a corner has no weight).
    """

    row: int
    column: int
    y: np.floating[Any]
    x: np.floating[Any]
    state: State
    read_y: np.floating[Any]
    read_x: np.floating[Any]
    share: float
    taps: tuple[Tap, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin.

    row, column: its number.
    y, x: its samples along each axis; of a huge box only those in range.
    count: how many terms it has, listed or not, along y and along x.
    outside, clamped: how many of its terms are out of range, and how many were moved to the edge.
    void: it has no terms, or a convention that extrapolates has one outside: `value` is a given.
    zero: a maximum over it considers 0 too.
    sum: Σ value · share over all terms; None for a maximum and for a void bin.
    divisor: what the sum is divided by; None likewise.
    value: what the bin comes to, in float64.
    pooled: what the operator wrote, which `agrees` if it is within `tolerance` of that.
    """

    row: int
    column: int
    y: Samples
    x: Samples
    count: tuple[int, int]
    outside: int
    clamped: int
    void: bool
    zero: bool
    sum: float | None
    divisor: float | None
    value: float
    pooled: float
    tolerance: float

    @property
    def terms(self) -> int:
        """How many terms the bin has, listed or not."""
        return self.count[0] * self.count[1]

    @property
    def difference(self) -> float:
        """Between what was pooled and what the bin comes to; NaN where one is NaN."""
        if self.pooled == self.value or (math.isnan(self.pooled) and math.isnan(self.value)):
            return 0.0
        return abs(self.pooled - self.value)

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference <= self.tolerance


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
        height, width = self.plan.output_size
        if only is None:
            return (self._bin(p, q) for p, q in np.ndindex(height, width))
        if not (0 <= only[0] < height and 0 <= only[1] < width):
            raise ArgumentError(
                f"bin {only[0]},{only[1]} is none of {height}×{width}: they are counted from 0,0"
            )
        return iter([self._bin(*only)])

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
            terms = count_y * len(rows) * count_x * len(columns)
        return terms - min(most, listed)

    @cached_property
    def largest(self) -> float:
        """The largest finite |feature|, and 1 at least: what the tolerance is relative to."""
        finite = np.abs(self.features[np.isfinite(self.features)].astype(np.float64))
        return max(1.0, float(finite.max(initial=0.0)))

    @cached_property
    def agrees(self) -> bool:
        """Whether every bin of the box does."""
        return all(bin_.agrees for bin_ in self.bins())

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
            total = _sum(self.features, y, x)
            value = total / divisor if divisor else 0.0
        else:
            start = max(row.max_start, 0.0) if zero else row.max_start
            value = _maximum(self.features, y, x, row.reduction, start)
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
        count = len(self._rows[p]), len(self._columns[q])
        if self.kind == "sample":
            count = self._samples_a_bin()
        if self.kind != "piece":
            return count, float(count[0] * count[1])
        height, width = np.diff(self.plan.y.edges(self.k)), np.diff(self.plan.x.edges(self.k))
        return count, abs(float(height[p])) * abs(float(width[q]))

    def _samples_a_bin(self) -> tuple[int, int]:
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
            value=_value([tap.product for tap in taps], self.plan.convention.reduction),
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


_AT_ONCE: Final = 1 << 18  # samples whose values are held at a time


def _value(products: Sequence[float], reduction: Reduction) -> float:
    if reduction != "corner-max":
        return sum(products)
    weightless = [0.0] * (len(products) < CORNERS)
    return _largest([*products, *weightless])


def _largest(values: Sequence[float]) -> float:
    """NaN never wins."""
    return max((v for v in values if not math.isnan(v)), default=math.nan)


def _sum(features: Array, y: Samples, x: Samples) -> float:
    """Σ value · share, cell by cell, since there may be more samples than can be gone through."""
    (rows, weights_y), (columns, weights_x) = _per_cell(y), _per_cell(x)
    read = features[np.ix_(rows, columns)].astype(np.float64)
    with np.errstate(all="ignore"):
        return float(weights_y @ read @ weights_x)


def _per_cell(samples: Samples) -> tuple[Array, Array]:
    """The cells that samples read, and what each counts in all."""
    cells = np.concatenate([samples.low, samples.high])
    weights = np.concatenate([samples.weight_low, samples.weight_high]).astype(np.float64)
    weights *= np.tile(samples.share, 2)
    read = weights != 0
    counts = np.bincount(cells[read], weights[read])
    found = np.flatnonzero(counts)
    return found, counts[found]


def _maximum(features: Array, y: Samples, x: Samples, reduction: Reduction, start: float) -> float:
    best = start
    step = max(1, _AT_ONCE // max(1, len(x)))
    for first in range(0, len(y), step):
        values = _candidates(features, y, slice(first, first + step), x, reduction)
        best = float(np.fmax(best, np.fmax.reduce(values, axis=None, initial=-math.inf)))
    return best


def _candidates(
    features: Array, y: Samples, some: slice, x: Samples, reduction: Reduction
) -> NDArray[np.float64]:
    """(rows, columns) each sample's value; for a corner maximum, its largest weighted corner."""
    combine, nothing = (np.fmax, -math.inf) if reduction == "corner-max" else (np.add, 0.0)
    values = np.full((len(y.low[some]), len(x)), nothing)
    with np.errstate(all="ignore"):
        for rows, weights_y in ((y.low, y.weight_low), (y.high, y.weight_high)):
            for columns, weights_x in ((x.low, x.weight_low), (x.high, x.weight_high)):
                weights = np.multiply.outer(weights_y[some].astype(np.float64), weights_x)
                products = weights * features[np.ix_(rows[some], columns)]
                values = combine(values, np.where(weights != 0, products, nothing))
    return values
