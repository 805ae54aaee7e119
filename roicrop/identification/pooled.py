"""The tensor in question: how it is read, and how near to its values is near enough."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.errors import ArgumentError, PooledError
from roicrop.identification.hypotheses import Layout
from roicrop.job import Job, Rows
from roicrop.outputs import POOLED, Stored, StoredArray, open_stored
from roicrop.precision import pooled_dtype
from roicrop.text import many

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Pooled:
    """The pooled tensor in an open file.

    path: the file and, if it holds several, the array.
    dtype: float16, float32 or float64 in native byte order, as read.
    layouts: the possible orders of its axes, the features' own first.
    progress: called with the number of boxes compared since the last call.
    order: (K,) the row of each box; None if row k is box k.
    """

    path: str
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    layouts: tuple[Layout, ...]
    progress: Callable[[int], object]
    _read: Callable[[slice], Array]
    order: Rows | None = None

    def rows(self, rows: Rows) -> Array:
        """The values (n, …) of these boxes, with axes as in the file."""
        its_rows = rows if self.order is None else self.order[rows]
        place = np.argsort(its_rows, kind="stable")
        ascending = its_rows[place]
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        breaks = np.flatnonzero(np.diff(ascending, prepend=-2, append=-2) != 1)
        for start, stop in zip(breaks[:-1].tolist(), breaks[1:].tolist(), strict=True):
            first = int(ascending[start])
            out[place[start:stop]] = self._read(slice(first, first + stop - start))
        return out

    def output_size(self, layout: Layout) -> tuple[int, int]:
        """(PH, PW) under a layout."""
        _, _, y, x = layout.axes
        return self.shape[y], self.shape[x]


@contextmanager
def open_pooled(
    spec: str | Array, job: Job, progress: Callable[[int], object] = lambda boxes: None
) -> Iterator[Pooled]:
    """Open a tensor, given by name or as an array, with a row for each of the job's boxes.

    spec: a .npy, .npz or HDF5 file, optionally with `::` and a path in it. If it holds several
        arrays, the one called `pooled`, else the only one whose shape fits.

    Raises PooledError if there is no such array or its shape does not fit the boxes and maps, and
    FeatureError if the file cannot be read.
    """
    if job.convention.turned:
        raise ArgumentError(
            f"{job.table.source.name} has boxes with an angle, and identify only knows operators "
            "for boxes along the axes: use `roicrop compare` instead"
        )
    if not isinstance(spec, str):
        array = StoredArray(spec.shape, spec.dtype, "pooled", spec)
        yield _checked(lambda rows: spec[rows], array, job, progress)
        return
    with open_stored(spec, allow_external=job.request.allow_external) as stored:
        array = _tensor(stored, job)
        yield _checked(functools.partial(stored.rows, array), array, job, progress)


def _tensor(stored: Stored, job: Job) -> StoredArray:
    if stored.inner:
        named = stored.array(stored.inner)
        if named is None:
            raise PooledError(f"{stored.path} has no array {stored.inner}: name one that exists")
        return named
    own = stored.array(POOLED)
    if own is None:
        arrays = stored.arrays().items()
        shapes = {name: each.shape for name, each in arrays if each.dtype.kind in "fiu"}
        own = stored.array(_choose(shapes, stored.path, job))
    assert own is not None
    return own


def _choose(shapes: dict[str, tuple[int, ...]], path: str, job: Job) -> str:
    fitting = [name for name, shape in shapes.items() if _layouts(shape, job)]
    if len(shapes) == 1 or len(fitting) == 1:
        return (fitting or list(shapes))[0]
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "no numbers"
    which = "several arrays fit" if fitting else "no array fits"
    raise PooledError(f"{path}: {which} {_expected(job)}; it holds {listed}")


def _checked(
    read: Callable[[slice], Array],
    array: StoredArray,
    job: Job,
    progress: Callable[[int], object],
) -> Pooled:
    shape, dtype = array.shape, array.dtype
    if dtype.kind not in "fiu":
        raise PooledError(f"{array.where} holds {dtype}: give an array of pooled numbers")
    layouts = _layouts(shape, job)
    if not layouts:
        raise PooledError(f"{array.where} is {shape}; {_expected(job)}")
    height, width = shape[2:]
    whole = (shape[0], shape[1], height, width)
    return Pooled(array.where, whole, pooled_dtype(dtype), layouts, progress, read)


def _layouts(shape: tuple[int, ...], job: Job) -> tuple[Layout, ...]:
    if len(shape) != 4 or shape[0] != len(job) or 0 in shape:
        return ()
    own = job.source.channels_last
    orders = [Layout(last, turned) for turned in (False, True) for last in (own, not own)]
    return tuple(
        layout
        for layout in orders
        if shape[layout.axes[1]] == job.source.channels
        and not (layout.transposed and {shape[axis] for axis in layout.axes[2:]} == {1})
    )


def _expected(job: Job) -> str:
    count, channels, source = len(job), job.source.channels, job.source
    boxes = f"{many(count, 'box', 'boxes')} of {job.table.source.name}"
    return (
        f"expected ({count}, {channels}, PH, PW) or ({count}, PH, PW, {channels}) for the {boxes} "
        f"and {many(channels, 'channel')} of {source.path}::{source.dataset}"
    )


RELATIVE: Final = 1e-5
"""Tolerance relative to a channel's largest magnitude: the order of float32 sums."""

COORDINATE: Final = 2.0**-22
"""More tolerance per cell of the map's longer side: two units in a coordinate's last place."""

HALF: Final = 2.0**-10
"""Tolerance relative to a value stored as float16: a unit in its last place."""

_LEAST: Final = 1e-30  # for channels of zeros only


def allowance(features: Array) -> Array:
    """The tolerance (C,) of values pooled from a map (C, H, W), by each channel's magnitude."""
    flat = features.reshape(len(features), -1)
    kind = np.float64 if features.dtype == np.float64 else np.float32
    peaks: Array = np.maximum(flat.max(axis=1), -flat.min(axis=1)).astype(kind)
    for channel in np.flatnonzero(~np.isfinite(peaks)).tolist():
        finite = flat[channel][np.isfinite(flat[channel])]
        peaks[channel] = np.abs(finite).max(initial=0)
    share = RELATIVE + COORDINATE * max(features.shape[1:])
    allowed: Array = np.maximum(peaks * kind(share), kind(_LEAST))
    return allowed


def apart(pooled: Array, expected: Array) -> Array:
    """|pooled − expected| in float32 or float64, after rounding `expected` to the tensor's dtype.

    0 if both are NaN or the same infinity, and ∞ where only one is finite.
    """
    expected = expected.astype(pooled.dtype, copy=False)
    real = np.float64 if pooled.dtype == np.float64 else np.float32
    difference: Array = np.subtract(pooled, expected, dtype=real)
    np.abs(difference, out=difference)
    odd = ~np.isfinite(difference)
    if odd.any():
        same = (pooled == expected) | (np.isnan(pooled) & np.isnan(expected))
        difference[odd] = np.where(same, 0.0, np.inf)[odd]
    return difference


def in_tolerances(
    difference: Array, expected: Array, allowed: Array, stored: np.dtype[Any]
) -> Array:
    """Differences (…, C, PH, PW) in units of the tolerance: up to 1 is agreement.

    allowed: (C,) or (n, C), from `allowance`. stored: the tensor's dtype; float16 adds a unit in
    the last place.
    """
    units = allowed[..., None, None]
    if stored == np.float16:
        half = HALF * np.abs(expected.astype(np.float32))
        units = units + np.where(np.isfinite(half), half, np.float32(0))
    found: Array = difference / units
    return found
