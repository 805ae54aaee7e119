"""The tensor in question: from .npy, .npz or HDF5, read a few rows at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roicrop.errors import ArgumentError, PooledError
from roicrop.identification.hypotheses import Layout
from roicrop.job import Job, Rows
from roicrop.outputs import POOLED, Stored, StoredArray, open_stored
from roicrop.precision import pooled_dtype

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Pooled:
    """The pooled tensor of a file that is open.

    path: the file and, where it has several, the array in it.
    shape: of its four axes. dtype: of what is read: float16, float32 or float64, native.
    layouts: the orders that its axes may have, the features' own first.
    progress: called with how many more boxes have been compared with it.
    order: (K,) the row that holds each box; None where that is the row of its number.
    """

    path: str
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    layouts: tuple[Layout, ...]
    progress: Callable[[int], object]
    _read: Callable[[slice], Array]
    order: Rows | None = None

    def rows(self, rows: Rows) -> Array:
        """(n, …) the values of these boxes, in the order of axes of the file."""
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
        """(PH, PW), were the axes in that order."""
        _, _, y, x = layout.axes
        return self.shape[y], self.shape[x]


@contextmanager
def open_pooled(
    spec: str | Array, job: Job, progress: Callable[[int], object] = lambda boxes: None
) -> Iterator[Pooled]:
    """The tensor that `spec` names or is, which holds a row for each of the job's boxes.

    spec: a .npy, .npz or HDF5 file, or the file, `::` and a path in it. Of several arrays it is
        the one that is called `pooled`, else the only one whose shape fits.

    Raises PooledError if there is none, or if its shape does not fit the boxes and maps, and
    FeatureError if the file cannot be read.
    """
    if job.convention.turned:
        raise ArgumentError(
            f"identify tries operators of boxes along the axes, and {job.table.source.name} has "
            "boxes with an angle: compare conventions instead"
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
            raise PooledError(f"{stored.path} has no array {stored.inner}: name one that it has")
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
        raise PooledError(f"{array.where} holds {dtype}: give the pooled numbers")
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
    return (
        f"expected ({count}, {channels}, PH, PW) or ({count}, PH, PW, {channels}) for the "
        f"{count} boxes of {job.table.source.name} and the {channels} channels of "
        f"{source.path}::{source.dataset}"
    )
