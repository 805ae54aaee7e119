"""The values of a map's cells, which may be in memory only in part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Place = int | slice | NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A window of a map, whose cells are indexed by their place on the whole map.

    values: (…, h, w). origin: the row and column of the map at which they begin.
    map_size: (H, W) of the map. As an array it is its values; it is indexed like an array
    (…, H, W), as long as the cells asked for are in the window.
    """

    values: NDArray[Any]
    origin: tuple[int, int]
    map_size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: Any) -> Any:
        if not (isinstance(place, tuple) and len(place) == self.values.ndim):
            return Cells(self.values[place], self.origin, self.map_size)
        *others, rows, columns = place
        return self.values[(*others, _less(rows, self.origin[0]), _less(columns, self.origin[1]))]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype, copy=copy)

    @property
    def shape(self) -> tuple[int, ...]:
        """(…, H, W) of the map."""
        return *self.values.shape[:-2], *self.map_size

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.values.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self.values.dtype

    def within(self, rows: range, columns: range) -> tuple[range, range]:
        """The part of these rows and columns of the map that is in the window."""
        first, end = (
            _cut(run, low, low + size)
            for run, low, size in zip(
                (rows, columns), self.origin, self.values.shape[-2:], strict=True
            )
        )
        return first, end


def _less(place: Place, origin: int) -> Place:
    if isinstance(place, slice):
        return slice(place.start - origin, place.stop - origin)
    return place - origin


def _cut(run: range, low: int, high: int) -> range:
    first = min(max(run.start, low), high)
    return range(first, max(first, min(run.stop, high)))
