"""Which part of the map a picture shows, and how large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Index = TypeVar("Index", float, NDArray[np.float64])

LEAST_CELLS: Final = 1.4
_EDGE: Final = 0.5  # cell i reaches from i − ½ to i + ½
_BEYOND: Final = 1.0  # how far beyond the map a picture follows a box that is partly on it, …
_FAR_BEYOND: Final = 1.5  # … and one that is not, in map sizes, …
_BEYOND_CELLS: Final = 4.0  # … or at least in cells
_OF_THE_MAP: Final = 0.12  # of the map, and three cells, are shown with a box off it


@dataclass(frozen=True, slots=True)
class Span:
    """From low to high along one axis, in index coordinates."""

    low: float
    high: float

    @property
    def size(self) -> float:
        """In cells."""
        return self.high - self.low

    def meets(self, other: Span) -> bool:
        """Whether they have a coordinate in common."""
        return self.low <= other.high and other.low <= self.high

    def holds(self, value: float) -> bool:
        """Whether the value lies in it, ends included."""
        return self.low <= value <= self.high


def span_of(values: Sequence[float]) -> Span:
    """The span of some coordinates."""
    return Span(min(values), max(values))


@dataclass(frozen=True, slots=True)
class View:
    """A frame of (height, width) pixels with index coordinate (top, left) at its corner."""

    top: float
    left: float
    cell: float
    height: int
    width: int

    def y(self, index: Index) -> Index:
        """Pixels from the frame's top."""
        return (index - self.top) * self.cell

    def x(self, index: Index) -> Index:
        """Pixels from the frame's left."""
        return (index - self.left) * self.cell

    @property
    def rows(self) -> Span:
        """What the frame shows of the vertical axis."""
        return Span(self.top, self.top + self.height / self.cell)

    @property
    def columns(self) -> Span:
        """What the frame shows of the horizontal axis."""
        return Span(self.left, self.left + self.width / self.cell)

    def row_range(self, size: int) -> range:
        """The rows of a map of that many which are in sight, wholly or in part."""
        return _cells(self.rows, size)

    def column_range(self, size: int) -> range:
        """The columns of a map of that many which are in sight, wholly or in part."""
        return _cells(self.columns, size)


def _cells(span: Span, size: int) -> range:
    # Clamped as floats: a span may lie farther away than an int of any use.
    first = min(max(span.low + _EDGE, 0.0), float(size))
    last = min(max(span.high + _EDGE, 0.0), float(size))
    return range(int(first), min(int(last) + 1, size))


def in_sight(span: Span, size: int) -> Span:
    """What a picture shows along one axis so that `span` is seen on a map of `size` cells.

    A margin is added. Of a box that reaches far beyond the map only the near part is shown. One
    that lies off the map is shown with some of its cells, or, if it is far away, not at all.
    """
    map_ = Span(-_EDGE, size - _EDGE)
    margin = max(0.04 * span.size + min(0.08 * span.size, 1.5), 0.45)
    on_map = span.low < map_.high and span.high > map_.low
    beyond = max((_BEYOND if on_map else _FAR_BEYOND) * size, _BEYOND_CELLS)
    low = max(span.low - margin, map_.low - beyond)
    high = min(span.high + margin, map_.high + beyond)
    if low >= high - margin:
        return map_
    some = min(_OF_THE_MAP * size + 3, size)
    low = min(low, map_.high - some) if span.low >= map_.high else low
    high = max(high, map_.low + some) if span.high <= map_.low else high
    short = max(LEAST_CELLS - (high - low), 0.0)
    return Span(low - short / 2, high + short / 2)


def fit(rows: Span, columns: Span, map_size: tuple[int, int], height: int, width: int) -> View:
    """The view that shows both spans and fills the frame with as much of the map as it can."""
    cell = min(height / rows.size, width / columns.size)
    return View(
        _slide(rows, height / cell, map_size[0]),
        _slide(columns, width / cell, map_size[1]),
        cell,
        height,
        width,
    )


def _slide(span: Span, shown: float, size: int) -> float:
    """Where `shown` cells begin so that `span` is among them and little of them is off the map."""
    centred = (span.low + span.high - shown) / 2
    over_low, over_high = -_EDGE - centred, centred + shown - (size - _EDGE)
    if over_low > 0 and over_high > 0:
        return min(max((size - 1 - shown) / 2, span.high - shown), span.low)
    if over_low > 0:
        return min(span.low, centred + min(over_low, -over_high))
    if over_high > 0:
        return max(span.high - shown, centred - min(over_high, -over_low))
    return centred
