"""The part of a map that a figure shows: which numbers, which region, and how large.

Coordinates are index coordinates: cell i is the square from i − ½ to i + ½. A box is drawn where it
really is, at feature coordinate − ½, so that one can see when a convention samples elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from roicrop.draw.canvas import Corners
from roicrop.draw.colour import Scale, bounds_of, scale_of
from roicrop.sampling import Cells, Plan

Index = TypeVar("Index", float, NDArray[np.float64])

GUTTER: Final = 36  # pixels beside a frame, for the row numbers
LEAST_CELLS: Final = 2.2
MOST_STRETCH: Final = 4.0  # how much higher than wide a cell may be, or wider than high
_EDGE: Final = 0.5
_BEYOND: Final = 1.0  # how far beyond the map a figure follows a box that is partly on it, …
_FAR_BEYOND: Final = 1.5  # … and one that is not, in map sizes, …
_BEYOND_CELLS: Final = 4.0  # … or at least in cells
_OF_THE_MAP: Final = 0.12  # of the map, plus three cells, is shown with a box off it
_THIN: Final = 0.5  # of the frame's side: cells are stretched until a span takes this much …
_THIN_FRAME: Final = 80.0  # pixels
_LEAST_STRETCH: Final = 1.25  # … where that is worth it


@dataclass(frozen=True, slots=True)
class Span:
    """From low to high along one axis, in index coordinates."""

    low: float
    high: float

    @property
    def size(self) -> float:
        """The length in cells."""
        return self.high - self.low

    def meets(self, other: Span) -> bool:
        """Whether two spans overlap."""
        return self.low <= other.high and other.low <= self.high

    def holds(self, value: float) -> bool:
        """Whether a value lies in the span, ends included."""
        return self.low <= value <= self.high

    def covers(self, other: Span) -> bool:
        """Whether the whole of another span lies in this one."""
        return self.low <= other.low and other.high <= self.high


def spans_of(outline: NDArray[np.float64]) -> tuple[Span, Span]:
    """The spans of rows and columns that enclose (n, 2) corners, y and x each."""
    (top, left), (bottom, right) = outline.min(axis=0).tolist(), outline.max(axis=0).tolist()
    return Span(top, bottom), Span(left, right)


@dataclass(frozen=True, slots=True)
class View:
    """A frame of (height, width) pixels with index coordinate (top, left) at its corner.

    cell_y, cell_x: pixels per cell.
    """

    top: float
    left: float
    cell_y: float
    cell_x: float
    height: int
    width: int

    def y(self, index: Index) -> Index:
        """Pixels from the frame's top."""
        return (index - self.top) * self.cell_y

    def x(self, index: Index) -> Index:
        """Pixels from the frame's left."""
        return (index - self.left) * self.cell_x

    def corners(self, outline: NDArray[np.float64]) -> Corners:
        """(n, 2) y and x in index coordinates → (x, y) pixels."""
        return [(self.x(float(x)), self.y(float(y))) for y, x in outline]

    def unstretched(self, width: int, height: int) -> View:
        """The same part of the map in a frame of at most this size, with square cells.

        A frame that would be very thin is stretched, but no more than this one.
        """
        rows, columns = self.rows.size, self.columns.size
        cell = min(width / columns, height / rows)
        high = round(min(max(cell * rows, min(_THIN_FRAME, self.height)), height))
        wide = round(min(max(cell * columns, min(_THIN_FRAME, self.width)), width))
        return View(self.top, self.left, high / rows, wide / columns, high, wide)

    @property
    def cell(self) -> float:
        """The shorter side of a cell."""
        return min(self.cell_y, self.cell_x)

    @property
    def rows(self) -> Span:
        """The span of rows that the frame shows."""
        return Span(self.top, self.top + self.height / self.cell_y)

    @property
    def columns(self) -> Span:
        """The span of columns that the frame shows."""
        return Span(self.left, self.left + self.width / self.cell_x)

    def ranges(self, map_size: tuple[int, int]) -> tuple[range, range]:
        """The rows and columns of a map (H, W) that are visible, wholly or in part."""
        return _cells(self.rows, map_size[0]), _cells(self.columns, map_size[1])


def _cells(span: Span, size: int) -> range:
    # Clamped as floats: a span may lie too far away for any integer type.
    first = min(max(span.low + _EDGE, 0.0), float(size))
    last = min(max(span.high + _EDGE, 0.0), float(size))
    return range(int(first), min(int(last) + 1, size))


@dataclass(frozen=True, slots=True)
class Shown:
    """The numbers that a figure shows of a map, one per cell.

    values: (H, W) float64, as much as was read.
    words: which of the map's numbers they are, for example "channel 4".
    several: whether each is the mean of several channels.
    """

    values: Cells
    words: str
    several: bool

    @classmethod
    def of(cls, features: NDArray[Any] | Cells, channel: int | None) -> Shown:
        """One channel of (C, H, W), or the mean over all of them."""
        whole = (0, 0), (features.shape[-2], features.shape[-1])
        read = features if isinstance(features, Cells) else Cells(features, *whole)
        several = channel is None and len(features) > 1
        words = f"mean of {len(features)} channels" if several else f"channel {channel or 0}"
        return cls(replace(read, values=over_channels(read.values, channel)), words, several)

    @classmethod
    def of_bin(
        cls, features: NDArray[Any] | Cells, channel: int | None, plan: Plan, bin_: tuple[int, int]
    ) -> Shown:
        """As `of`, for the channels that a bin reads, which may be its own."""
        (p, q), (_, across) = bin_, plan.output_size
        each = plan.convention.own_channels(plan.output_size)
        if each == 1:
            return cls.of(features, channel)
        shown = cls.of(features[p * across + q :: each], channel)
        return replace(shown, words=f"{shown.words}, those of bin {p},{q}")

    @property
    def map_size(self) -> tuple[int, int]:
        """(H, W), in cells."""
        return self.values.map_size

    def seen(self, view: View) -> tuple[NDArray[np.float64], int, int]:
        """The visible values, and their first row and column."""
        rows, columns = self.values.within(*view.ranges(self.map_size))
        seen = self.values[rows.start : rows.stop, columns.start : columns.stop]
        return seen, rows.start, columns.start

    def lacks(self, view: View) -> bool:
        """Whether some visible cells were not read."""
        ranges = view.ranges(self.map_size)
        return self.values.within(*ranges) != ranges

    def scale(self, view: View, *beside: NDArray[np.float64]) -> Scale:
        """The colour scale of the visible values, and of others drawn beside them."""
        return scale_of([self.seen(view)[0], *beside], bounds_of(np.asarray(self.values)))


def over_channels(values: NDArray[Any], channel: int | None) -> NDArray[np.float64]:
    """(C, …) → (…) float64: one channel, or the mean over all of them."""
    if channel is not None:
        return np.array(values[channel], dtype=np.float64)  # the next map overwrites this one
    with np.errstate(invalid="ignore", over="ignore"):
        mean: NDArray[np.float64] = values.mean(axis=0, dtype=np.float64)
    return mean


def in_sight(span: Span, size: int) -> Span:
    """The part of one axis that shows `span` on a map of `size` cells.

    A margin is added. If a box reaches far beyond the map, only the near part is shown. A box off
    the map is shown with some of the map's cells, or, if it is far away, not at all.
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


def fit(
    rows: Span, columns: Span, map_size: tuple[int, int], width: int, heights: tuple[int, int]
) -> View:
    """The view that shows both spans in a frame of given width, and a height between two limits.

    It fills the frame with as much of the map as it can. Cells are square, unless that would leave
    one of the spans thin.
    """
    least, most = heights
    square = min(width / columns.size, most / rows.size)
    height = min(max(round(square * rows.size), least), most)
    square = min(square, height / rows.size)
    cell_y = _stretched(square, rows.size, height)
    cell_x = _stretched(square, columns.size, width)
    top = _slide(rows, height / cell_y, map_size[0])
    left = _slide(columns, width / cell_x, map_size[1])
    return View(top, left, cell_y, cell_x, height, width)


def _stretched(cell: float, cells: float, room: int) -> float:
    stretch = _THIN * room / (cells * cell)
    return cell * min(stretch, MOST_STRETCH) if stretch > _LEAST_STRETCH else cell


def _slide(span: Span, shown: float, size: int) -> float:
    """Where `shown` cells begin, so that they hold `span` and few of them are off the map."""
    centred = (span.low + span.high - shown) / 2
    over_low, over_high = -_EDGE - centred, centred + shown - (size - _EDGE)
    if over_low > 0 and over_high > 0:
        return min(max((size - 1 - shown) / 2, span.high - shown), span.low)
    if over_low > 0:
        return min(span.low, centred + min(over_low, -over_high))
    if over_high > 0:
        return max(span.high - shown, centred - min(over_high, -over_low))
    return centred
