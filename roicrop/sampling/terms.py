"""The terms of a bin, and the cells that each of them reads."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Reduction
from roicrop.sampling.cells import Cells
from roicrop.sampling.samples import Samples

Array = NDArray[Any]
Map = NDArray[Any] | Cells
State = Literal["inside", "clamped", "outside"]

CORNERS: Final = 4
"""How many cells a term reads, at most."""


@dataclass(frozen=True, slots=True)
class Tap:
    """A cell that a term reads, and its weight there, weight_y · weight_x, never 0."""

    row: int
    column: int
    weight_y: float
    weight_x: float

    @property
    def weight(self) -> float:
        """The weight of the cell."""
        return self.weight_y * self.weight_x


@dataclass(frozen=True, slots=True)
class Term:
    """One item that a bin is made of: a sample, a piece of an integral, or a cell.

    row, column: its number in the bin along y and along x; for a cell, its place on the map.
    y, x: index coordinates, in the plan's precision.
    read_y, read_x: where the map is read, after clamping.
    share: 1, or a piece's area. An average is Σ value · share over the bin's divisor.
    taps: the cells it reads; empty if it is outside.
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


class Terms(ABC):
    """The terms of one bin, listed by iteration and `len`; for a huge box only those in range.

    count: how many there are, listed or not, along y and along x.
    outside, clamped: how many are out of range, and how many were moved to the edge.
    divisor: the number by which the sum over all terms is divided for an average.
    """

    count: tuple[int, int]
    outside: int
    clamped: int
    divisor: float

    @property
    def total(self) -> int:
        """The number of terms, listed or not."""
        return self.count[0] * self.count[1]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __iter__(self) -> Iterator[Term]: ...

    @abstractmethod
    def in_range(self) -> Iterator[Term]:
        """The terms that are not outside."""

    @abstractmethod
    def sum(self, features: Map) -> float:
        """Σ value · share over all terms on a map (H, W), in float64."""

    @abstractmethod
    def largest(self, features: Map, reduction: Reduction, start: float) -> float:
        """The maximum over all terms on a map (H, W), from `start`; NaN never wins."""


class GridTerms(Terms):
    """Every pair of a sample along y and one along x."""

    def __init__(self, y: Samples, x: Samples, count: tuple[int, int], divisor: float) -> None:
        self.y, self.x = y, x
        self.count, self.divisor = count, divisor
        inside = int(y.inside.sum()) * int(x.inside.sum())
        unmoved = int((y.inside & ~y.clamped).sum()) * int((x.inside & ~x.clamped).sum())
        self.outside, self.clamped = self.total - inside, inside - unmoved

    def __len__(self) -> int:
        return len(self.y) * len(self.x)

    def __iter__(self) -> Iterator[Term]:
        return self._pairs(range(len(self.y)), range(len(self.x)))

    def in_range(self) -> Iterator[Term]:
        """See `Terms.in_range`."""
        return self._pairs(*(np.flatnonzero(axis.inside).tolist() for axis in (self.y, self.x)))

    def sum(self, features: Map) -> float:
        """Summed cell by cell, because there may be too many terms to go through."""
        (rows, weights_y), (columns, weights_x) = _per_cell(self.y), _per_cell(self.x)
        with np.errstate(all="ignore"):
            read = features[np.ix_(rows, columns)].astype(np.float64)
            return float(weights_y @ read @ weights_x)

    def largest(self, features: Map, reduction: Reduction, start: float) -> float:
        """See `Terms.largest`; computed in blocks of rows."""
        best = start
        step = max(1, _AT_ONCE // max(1, len(self.x)))
        for first in range(0, len(self.y), step):
            some = self.y.where(slice(first, first + step))
            values = _candidates(features, some, self.x, reduction)
            best = float(np.fmax(best, np.fmax.reduce(values, axis=None, initial=-math.inf)))
        return best

    def _pairs(self, rows: Iterable[int], columns: Sequence[int]) -> Iterator[Term]:
        along_x: dict[int, _Side] = {}
        for i in rows:
            y = _side(self.y, i)
            for j in columns:
                yield _term(y, along_x.get(j) or along_x.setdefault(j, _side(self.x, j)))


class PairedTerms(Terms):
    """Samples whose y and x go together."""

    def __init__(self, y: Samples, x: Samples, count: tuple[int, int], divisor: float) -> None:
        self.y, self.x = y, x
        self.count, self.divisor = count, divisor
        self._moved = y.clamped | x.clamped
        self.outside = self.total - int(y.inside.sum())
        self.clamped = int(self._moved.sum())

    def __len__(self) -> int:
        return len(self.y)

    def __iter__(self) -> Iterator[Term]:
        return (_term(_side(self.y, s), _side(self.x, s)) for s in range(len(self)))

    def in_range(self) -> Iterator[Term]:
        """See `Terms.in_range`."""
        inside = np.flatnonzero(self.y.inside).tolist()
        return (_term(_side(self.y, s), _side(self.x, s)) for s in inside)

    def sum(self, features: Map) -> float:
        """See `Terms.sum`."""
        y, x, total = self.y, self.x, 0.0
        with np.errstate(all="ignore"):
            for rows, weight_y in ((y.low, y.weight_low), (y.high, y.weight_high)):
                for columns, weight_x in ((x.low, x.weight_low), (x.high, x.weight_high)):
                    weights = weight_y.astype(np.float64) * weight_x
                    products = weights * features[rows, columns]
                    total += float(products[weights != 0].sum())
        return total

    def largest(self, features: Map, reduction: Reduction, start: float) -> float:
        """Not supported: these operators only average."""
        raise NotImplementedError(reduction)


_AT_ONCE: Final = 1 << 18  # terms whose values are held at a time


class _Side(NamedTuple):
    """One axis of a term; cells are those with a weight, and their weights."""

    number: int
    position: np.floating[Any]
    read_at: np.floating[Any]
    inside: bool
    clamped: bool
    share: float
    cells: list[tuple[int, float]]


def _side(samples: Samples, s: int) -> _Side:
    inside, position, read_at = bool(samples.inside[s]), samples.position[s], samples.read_at[s]
    both = (
        (int(samples.low[s]), float(samples.weight_low[s])),
        (int(samples.high[s]), float(samples.weight_high[s])),
    )
    return _Side(
        int(samples.index[s]),
        position,
        read_at,
        inside,
        inside and bool(read_at != position),
        float(samples.share[s]),
        [(cell, weight) for cell, weight in both if weight],
    )


def _term(y: _Side, x: _Side) -> Term:
    state: State = "inside"
    if not (y.inside and x.inside):
        state = "outside"
    elif y.clamped or x.clamped:
        state = "clamped"
    return Term(
        row=y.number,
        column=x.number,
        y=y.position,
        x=x.position,
        state=state,
        read_y=y.read_at,
        read_x=x.read_at,
        share=y.share * x.share,
        taps=tuple(
            Tap(row, column, weight_y, weight_x)
            for row, weight_y in y.cells
            for column, weight_x in x.cells
        ),
    )


def _per_cell(samples: Samples) -> tuple[Array, Array]:
    """The cells that samples read, and the total weight of each."""
    cells = np.concatenate([samples.low, samples.high])
    weights = np.concatenate([samples.weight_low, samples.weight_high]).astype(np.float64)
    weights *= np.tile(samples.share, 2)
    read = weights != 0
    counts = np.bincount(cells[read], weights[read])
    found = np.flatnonzero(counts)
    return found, counts[found]


def _candidates(features: Map, y: Samples, x: Samples, reduction: Reduction) -> NDArray[np.float64]:
    """(rows, columns) each term's value; for a corner maximum, its largest weighted corner."""
    combine, nothing = (np.fmax, -math.inf) if reduction == "corner-max" else (np.add, 0.0)
    values = np.full((len(y), len(x)), nothing)
    with np.errstate(all="ignore"):
        for rows, weights_y in ((y.low, y.weight_low), (y.high, y.weight_high)):
            for columns, weights_x in ((x.low, x.weight_low), (x.high, x.weight_high)):
                weights = np.multiply.outer(weights_y.astype(np.float64), weights_x)
                products = weights * features[np.ix_(rows, columns)]
                values = combine(values, np.where(weights != 0, products, nothing))
    return values
