"""A few boxes and channels that tell hypotheses apart, for trying thousands of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.errors import BoxError
from roicrop.identification.confirm import allowance
from roicrop.identification.hypotheses import Layout, Reading, reread
from roicrop.identification.pooled import Pooled
from roicrop.job import Features, Job, OnMap, Rows

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

    job: all boxes. boxes: these n, as a job of their own.
    channels: (c,) the channels, or None for the mean of all.
    maps: the n boxes on their maps, of which there are only the c channels.
    allowed: (n, c) how far values of the channels may be apart, from each box's map.
    stored: (n, …) the tensor's rows, with axes as they are in its file.
    tells: whether the tensor's values differ at all; where they do not, nearly all rules fit.
    telling: of the boxes, the few that tell most.
    reversed: whether the tensor's channels are taken from last to first.
    """

    job: Job
    boxes: Job
    channels: NDArray[np.intp] | None
    maps: tuple[OnMap, ...]
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

    def reread(self, reading: Reading, scale: float | None) -> Job:
        """The n boxes, read in that way at that scale."""
        return reread(self.boxes, reading, scale)

    def crop(self, job: Job, row: Convention, output_size: tuple[int, int]) -> Array:
        """(m·n, c, PH, PW) what boxes give by a convention, which refuses none of them.

        job: one that `reread` gave, or m of them stacked.
        """
        again = np.arange(0, len(job), len(self.boxes))[:, None]
        out = np.empty((len(job), self.allowed.shape[1], *output_size), job.source.dtype)
        for on_map in self.maps:
            its = on_map.of(job, (again + on_map.rows).ravel())
            out[its.rows] = its.channels_first(its.pool(row, output_size))
        return out

    def refused(self, job: Job, row: Convention, output_size: tuple[int, int]) -> bool:
        """Whether the convention refuses one of a job's boxes; it never does but reversed ones."""
        if not (job.corners[:, 2:] < job.corners[:, :2]).any():
            return False
        try:
            for on_map in self.maps:
                on_map.of(job).check_reversed(row, output_size)
        except BoxError:
            return True
        return False

    def few(self) -> Probe:
        """The probe with the boxes alone that tell most."""
        few = self.telling
        boxes = self.boxes.take(few)
        maps = [each.of(boxes, np.flatnonzero(np.isin(few, each.rows))) for each in self.maps]
        return dataclasses.replace(
            self,
            boxes=boxes,
            maps=tuple(each for each in maps if len(each)),
            allowed=self.allowed[few],
            stored=self.stored[few],
            telling=np.arange(len(few)),
        )

    def backwards(self) -> Probe:
        """The probe with the tensor's channels from last to first."""
        return dataclasses.replace(self, reversed=True)

    def averaged(self) -> Probe:
        """The probe with one channel, the mean of all: no order of channels matters to it."""
        return self._with(None, _mean_channel)

    def with_all_channels(self) -> Probe:
        """The probe with every channel of its maps."""
        every = np.arange(self.job.source.channels)
        return self._with(every, lambda on_map: on_map.features.copy())

    def with_maps(self, change: Callable[[Features], Features]) -> Probe:
        """The probe with its maps changed."""
        maps = tuple(each.with_features(change(each.features)) for each in self.maps)
        return dataclasses.replace(self, maps=maps)

    def _with(self, channels: NDArray[np.intp] | None, take: Callable[[OnMap], Features]) -> Probe:
        maps = tuple(each.with_features(take(each)) for each in self.boxes.by_map())
        allowed = _allowed(maps, len(self.boxes))
        return dataclasses.replace(self, channels=channels, maps=maps, allowed=allowed)


def choose(job: Job, pooled: Pooled) -> Probe:
    """The boxes and channels of a job that tell most: boxes of all sizes, at borders, off cells."""
    among, stored, telling = _look(job, pooled)
    chosen = _varied(job, among, np.flatnonzero(telling))
    # What is left empty tells something too, where there is little else.
    others = _varied(job, among, np.flatnonzero(~telling))
    room = min(_BOXES - len(chosen), len(chosen) or _BOXES)
    chosen = np.concatenate([chosen, others[:room]])
    first, chosen = chosen[:_FEW], np.sort(chosen)
    boxes = job.take(among[chosen]).reread(dataclasses.replace(job.request, threads=1))
    channels: NDArray[np.intp] | None = None
    maps = []
    for on_map in boxes.by_map():
        if channels is None:
            channels = _loud_channels(on_map.channels_first(on_map.features))
        maps.append(on_map.with_channels(channels))
    allowed = _allowed(maps, len(boxes))
    few = np.flatnonzero(np.isin(chosen, first))
    tells = bool(telling.any())
    return Probe(job, boxes, channels, tuple(maps), allowed, stored[chosen], tells, few)


def _real(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def _channel_axis(job: Job) -> int:
    return -1 if job.source.channels_last else 0


def _mean_channel(on_map: OnMap) -> Features:
    features = on_map.features
    mean = features.mean(axis=_channel_axis(on_map.job), keepdims=True, dtype=np.float64)
    return np.ascontiguousarray(mean.astype(_real(features.dtype)))


def _allowed(maps: Sequence[OnMap], count: int) -> Array:
    """(n, c) the allowance of each box's map."""
    shares = [allowance(each.channels_first(each.features)) for each in maps]
    out = np.empty((count, len(shares[0])), shares[0].dtype)
    for on_map, share in zip(maps, shares, strict=True):
        out[on_map.rows] = share
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
    rows = np.flatnonzero(job.is_pooled)
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
    cells, sizes = job.cells[rows], job.box_map_size[rows]
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
