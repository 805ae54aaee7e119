"""A few boxes and channels that tell candidates apart, for trying thousands of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.errors import BoxError
from roicrop.identification.agreement import allowance
from roicrop.identification.candidates import Layout, Reading
from roicrop.identification.pooled import Pooled
from roicrop.identification.variants import per_box, variant
from roicrop.job import Features, Job, Rows
from roicrop.precision import coordinate_dtype
from roicrop.sampling import check_reversed

Array = NDArray[Any]

_BOXES: Final = 8
_FEW: Final = 3
_CHANNELS: Final = 3
_IMAGES: Final = 3
_LOOKED_AT: Final = 256  # boxes of each image
_CELLS: Final = 1 << 14  # of a channel whose spread is estimated


@dataclass(frozen=True, slots=True)
class Probe:
    """n boxes of a job and c channels of their maps.

    rows: (n,) of the job. channels: (c,) the channels, or None for the mean of all.
    maps: the images that the boxes are on, the boxes on each (numbered 0 to n), and c channels of
        its map, in the job's layout.
    allowed: (n, c) how far values of the channels may be apart, from each box's map.
    stored: (n, …) the tensor's rows, with axes as they are in its file.
    tells: whether the tensor's values differ at all; where they do not, nearly all rules fit.
    telling: of the boxes, the few that tell most.
    reversed: whether the tensor's channels are taken from last to first.
    """

    job: Job
    rows: Rows
    channels: NDArray[np.intp] | None
    maps: tuple[tuple[int, Rows, Features], ...]
    allowed: Array
    stored: Array
    tells: bool
    telling: Rows
    reversed: bool = False

    def pooled(self, layout: Layout) -> Array:
        """(n, c, PH, PW) the values in question, if their axes are in that order."""
        values = self.stored.transpose(layout.axes)
        if self.reversed:
            values = values[:, ::-1]
        if self.channels is None:
            mean: Array = values.mean(axis=1, keepdims=True, dtype=np.float64)
            return mean.astype(_real(values.dtype))
        return values[:, self.channels]

    def variant(self, reading: Reading, scale: float | None) -> Job:
        """The boxes as a job of their own, read in that way at that scale."""
        return variant(self.job, reading, scale, self.rows, threads=1)

    def crop(self, job: Job, row: Convention, output_size: tuple[int, int]) -> Array:
        """(m·n, c, PH, PW) what boxes give by a convention, which refuses none of them.

        job: one that `variant` gave, or m of them stacked.
        """
        again = np.arange(0, len(job), len(self.rows))[:, None]
        out = np.empty((len(job), self.allowed.shape[1], *output_size), self.job.source.dtype)
        for i, its_rows, features in self.maps:
            rows = (again + its_rows).ravel()
            pooled = job.pool(i, rows, features, row, output_size=output_size)
            out[rows] = channels_first(pooled, job)
        return out

    def refused(self, job: Job, row: Convention, output_size: tuple[int, int]) -> bool:
        """Whether the convention refuses one of a job's boxes; it never does but reversed ones."""
        if not (job.corners[:, 2:] < job.corners[:, :2]).any():
            return False
        try:
            for i, rows, _ in self.maps:
                check_reversed(
                    job.plan_boxes(i, rows, row).astype(coordinate_dtype(job.source.dtype)),
                    output_size,
                    convention=row,
                    spatial_scale=job.source.scale(i).value,
                )
        except BoxError:
            return True
        return False

    def few(self) -> Probe:
        """The probe with the boxes alone that tell most."""
        few = self.telling
        maps = [
            (i, np.flatnonzero(np.isin(few, rows)), features) for i, rows, features in self.maps
        ]
        return dataclasses.replace(
            self,
            rows=self.rows[few],
            maps=tuple(each for each in maps if len(each[1])),
            allowed=self.allowed[few],
            stored=self.stored[few],
            telling=np.arange(len(few)),
        )

    def backwards(self) -> Probe:
        """The probe with the tensor's channels from last to first."""
        return dataclasses.replace(self, reversed=True)

    def averaged(self) -> Probe:
        """The probe with one channel, the mean of all: no order of channels matters to it."""
        return self._with(None, lambda features: _mean_channel(features, self.job))

    def with_all_channels(self) -> Probe:
        """The probe with every channel of its maps."""
        return self._with(np.arange(self.job.source.channels), np.copy)

    def with_maps(self, change: Callable[[Features], Features]) -> Probe:
        """The probe with its maps changed."""
        maps = tuple((i, its_rows, change(features)) for i, its_rows, features in self.maps)
        return dataclasses.replace(self, maps=maps)

    def _with(
        self, channels: NDArray[np.intp] | None, take: Callable[[Features], Features]
    ) -> Probe:
        maps = [
            (i, its_rows, take(features)) for i, its_rows, features in _maps(self.job, self.rows)
        ]
        allowed = _allowed(maps, len(self.rows), self.job)
        return dataclasses.replace(self, channels=channels, maps=tuple(maps), allowed=allowed)


def choose(job: Job, pooled: Pooled) -> Probe:
    """The boxes and channels of a job that tell most: boxes of all sizes, at borders, off cells."""
    among, stored, telling = _look(job, pooled)
    chosen = _varied(job, among, np.flatnonzero(telling))
    # What is left empty tells something too, where there is little else.
    others = _varied(job, among, np.flatnonzero(~telling))
    room = min(_BOXES - len(chosen), len(chosen) or _BOXES)
    chosen = np.concatenate([chosen, others[:room]])
    first, chosen = chosen[:_FEW], np.sort(chosen)
    rows = among[chosen]
    channels: NDArray[np.intp] | None = None
    maps = []
    for i, its_rows, features in _maps(job, rows):
        if channels is None:
            channels = _loud_channels(channels_first(features, job))
        axis = -1 if job.source.channels_last else 0
        maps.append((i, its_rows, np.ascontiguousarray(features.take(channels, axis=axis))))
    allowed = _allowed(maps, len(rows), job)
    few = np.flatnonzero(np.isin(chosen, first))
    tells = bool(telling.any())
    return Probe(job, rows, channels, tuple(maps), allowed, stored[chosen], tells, few)


def channels_first(values: Array, job: Job) -> Array:
    """A view of maps (C, H, W) or pooled boxes (n, C, PH, PW), in whatever layout the job's are."""
    return np.moveaxis(values, -1, -3) if job.source.channels_last else values


def _real(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def _maps(job: Job, rows: Rows) -> Iterator[tuple[int, Rows, Features]]:
    """Each image that these rows are on, which of them are, and its map."""
    for i, its_rows, features in job.by_image(rows):
        yield i, np.searchsorted(rows, its_rows), features


def _mean_channel(features: Features, job: Job) -> Features:
    axis = -1 if job.source.channels_last else 0
    mean = features.mean(axis=axis, keepdims=True, dtype=np.float64)
    return np.ascontiguousarray(mean.astype(_real(features.dtype)))


def _allowed(maps: Sequence[tuple[int, Rows, Features]], count: int, job: Job) -> Array:
    each = [(its_rows, allowance(channels_first(features, job))) for _, its_rows, features in maps]
    out = np.empty((count, len(each[0][1])), each[0][1].dtype)
    for its_rows, its_share in each:
        out[its_rows] = its_share
    return out


def _look(job: Job, pooled: Pooled) -> tuple[Rows, Array, NDArray[np.bool_]]:
    """Rows, their values, and which of them were not left empty; none where all values are one."""
    first: tuple[Rows, Array, NDArray[np.bool_]] | None = None
    for rows in _looked_at(job):
        stored = pooled.rows(rows)
        flat = stored.reshape(len(stored), -1)
        telling = np.fmax.reduce(flat, axis=1) > np.fmin.reduce(flat, axis=1)
        if not telling.any():
            values, times = np.unique(flat[:, 0], return_counts=True)
            telling = np.isfinite(flat[:, 0]) & (flat[:, 0] != values[times.argmax()])
        if telling.any():
            return rows, stored, telling
        first = first or (rows, stored, telling)
    assert first is not None  # there are boxes
    return first


def _looked_at(job: Job) -> Iterator[Rows]:
    """Some rows of the images with most boxes; then, for those who want more, all."""
    rows = np.flatnonzero(job.pooled)
    images = job.image_index[rows]
    some: list[Rows] = []
    for i in np.argsort(-np.bincount(images), kind="stable")[:_IMAGES].tolist():
        its_rows = rows[images == i]
        if sum(map(len, some)) < _BOXES and len(its_rows):
            some.append(its_rows[:: -(-len(its_rows) // _LOOKED_AT)])
    yield np.sort(np.concatenate(some))
    for start in range(0, len(rows), _LOOKED_AT):
        yield rows[start : start + _LOOKED_AT]


def _varied(job: Job, among: Rows, these: Rows) -> Rows:
    """At most `_BOXES` of these numbers in `among`: in turn the next by each of several orders."""
    rows = among[these]
    cells = job.corners[rows] * per_box(job, job.cells_per_pixel)[rows][:, [1, 0, 1, 0]]
    sizes = per_box(job, job.source.map_size)[rows]
    low, high = np.minimum(cells[:, :2], cells[:, 2:]), np.maximum(cells[:, :2], cells[:, 2:])
    smaller_side = (high - low).min(axis=1)
    beyond = np.maximum(-low, high - sizes[:, ::-1]).max(axis=1)
    off_cells = np.abs(cells - np.round(cells)).min(axis=1)
    from_middle = np.abs(np.argsort(np.argsort(smaller_side)) - len(rows) // 2)
    keys = (from_middle, -smaller_side, smaller_side, -beyond, -off_cells)
    turns = np.stack([np.argsort(key) for key in keys], axis=1).ravel().tolist()
    return these[list(dict.fromkeys(turns))[:_BOXES]]


def _loud_channels(features: Array) -> NDArray[np.intp]:
    """The channels (C, H, W) that vary most, relative to their largest magnitude, ascending."""
    channels, height, width = features.shape
    step = max(1, int((height * width / _CELLS) ** 0.5))
    sample = features[:, ::step, ::step].reshape(channels, -1).astype(np.float64)
    spread = sample.std(axis=1) / np.abs(sample).max(axis=1)
    order = np.argsort(-np.where(np.isfinite(spread), spread, -1.0), kind="stable")
    return np.sort(order[:_CHANNELS])
