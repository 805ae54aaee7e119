"""Which hypotheses reproduce a probe: all of them tried roughly, the promising ones exactly.

Roughly: a hypothesis stays if it reproduces one of the few boxes that distinguish most, ignoring
rules that change only a few bins or last bits (empty bins, order of arithmetic). Exactly: it
reproduces all boxes.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention, coarse
from roicrop.identification.hypotheses import (
    SCALES,
    Hypothesis,
    Layout,
    Reading,
    Rules,
    all_rules,
    given_reading,
    readings,
    reread,
    stacked,
)
from roicrop.identification.pooled import Pooled, apart, in_tolerances
from roicrop.identification.probe import Probe
from roicrop.job import Job

Array = NDArray[Any]

_MOST: Final = 200  # hypotheses that fit the probe; more fit only if little is distinguishable


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search.

    fitting: the hypotheses that reproduce the whole probe, the simplest first.
    nearest: the hypotheses that come nearest, the nearest first.
    tried: how many were tried. left_out: candidates not checked exactly because too many fit.
    """

    fitting: list[Hypothesis]
    nearest: list[Hypothesis]
    tried: int
    left_out: int


@dataclass(frozen=True, slots=True)
class _Rough:
    """How well a family of rules fits.

    share: the share of boxes that agree. alike: the correlation of the values.
    """

    family: _Family
    reading: Reading
    scale: float | None
    layout: Layout
    share: float
    alike: float

    def hypotheses(self) -> Iterator[Hypothesis]:
        for rules in self.family.rules:
            yield Hypothesis(rules, self.reading, self.scale, self.layout)


def search(probe: Probe, pooled: Pooled) -> Found:
    """Find the hypotheses that fit a probe, or come nearest."""
    given, last = given_reading(probe.job), probe.job.source.channels_last

    def cost(hypothesis: Hypothesis) -> tuple[int, int, int]:
        return hypothesis.cost(given, last)

    few = probe.few()
    everything = [each for grid in _grids(few) for each in _try(few, pooled, grid)]
    promising = [c for rough in everything if rough.share > 0 for c in rough.hypotheses()]
    promising.sort(key=cost)
    fitting: list[Hypothesis] = []
    done = 0
    for hypothesis in promising:
        if len(fitting) == _MOST:
            break
        done += 1
        fitting += _exactly(probe, pooled, hypothesis)
    everything.sort(key=_nearness)
    near = [_again(probe, pooled, rough) for rough in everything[:_NEAR]]
    near.sort(key=_nearness)
    return Found(
        fitting,
        [min(rough.hypotheses(), key=cost) for rough in near[:_NEAREST]],
        sum(len(rough.family.rules) for rough in everything),
        len(promising) - done,
    )


def crops_as_said(probe: Probe, size: tuple[int, int]) -> Iterator[tuple[Rules, Reading, Array]]:
    """The probe's boxes, pooled roughly (n, c, PH, PW) at the declared scale.

    There is one for each family, with its simplest rules, and each possible reading.
    """
    for grid in itertools.islice(_grids(probe), 1):
        for family in grid.families:
            for reading, values in zip(*grid.crop(family.row, size), strict=True):
                yield min(family.rules, key=lambda rules: rules.simplicity), reading, values


_NEAR: Final = 24
_NEAREST: Final = 8


def _nearness(rough: _Rough) -> tuple[float, float]:
    return -rough.share, -rough.alike


def _again(probe: Probe, pooled: Pooled, rough: _Rough) -> _Rough:
    """The result for the same family on the whole probe; no match if it refuses a box."""
    job = probe.reread(rough.reading, rough.scale)
    size = pooled.output_size(rough.layout)
    if probe.refused(job, rough.family.row, size):
        return dataclasses.replace(rough, share=0.0, alike=-1.0)
    expected = probe.crop(job, rough.family.row, size)[None]
    values = probe.pooled(rough.layout)
    (share,), (alike,) = _shares(values, expected, probe), _correlations(values, expected)
    return dataclasses.replace(rough, share=float(share), alike=float(alike))


@dataclass(frozen=True, eq=False, slots=True)
class _Family:
    """Rules that are roughly the same, and the rough convention that they share."""

    row: Convention
    rules: tuple[Rules, ...]


@functools.cache
def _families() -> tuple[_Family, ...]:
    families: dict[str, list[Rules]] = {}
    for rules in all_rules():
        families.setdefault(repr(coarse(rules.convention)), []).append(rules)
    return tuple(_Family(coarse(same[0].convention), tuple(same)) for same in families.values())


@dataclass(frozen=True)
class _Grid:
    """The probe's boxes at one scale, in every possible reading."""

    probe: Probe
    jobs: dict[Reading, Job]
    scale: float | None
    families: tuple[_Family, ...]
    _stacks: dict[tuple[Reading, ...], Job] = field(default_factory=dict)
    _taken: dict[tuple[object, ...], tuple[Reading, ...]] = field(default_factory=dict)

    def crop(self, row: Convention, size: tuple[int, int]) -> tuple[tuple[Reading, ...], Array]:
        """The readings whose boxes the convention accepts, and their pooled values (R, n, …)."""
        key = (row.sampling_ratio, row.min_size, row.offset_before, row.offset_after, size)
        if key not in self._taken:
            self._taken[key] = tuple(
                each for each, job in self.jobs.items() if not self.probe.refused(job, row, size)
            )
        taken = self._taken[key]
        if not taken:
            return (), np.empty(0)
        if taken not in self._stacks:
            self._stacks[taken] = stacked([self.jobs[reading] for reading in taken])
        values = self.probe.crop(self._stacks[taken], row, size)
        return taken, values.reshape(len(taken), -1, *values.shape[1:])


def _grids(probe: Probe) -> Iterator[_Grid]:
    """A grid for every scale, with its possible readings."""
    said = {scale.value for scale in probe.job.scales}
    has_image_size = probe.job.request.image_size is not None
    for scale in (None, *SCALES) if probe.job.source.levels == 1 else (None,):
        if {scale} == said:
            continue
        jobs = {}
        for reading in readings(given_reading(probe.job)):
            if scale is not None and reading.normalized and not has_image_size:
                continue  # fractions of the map do not depend on the scale
            job = probe.reread(reading, scale)
            if _may_be(probe, job):
                jobs[reading] = job
        families = _families()
        if scale is not None and has_image_size:
            families = tuple(family for family in families if not family.row.normalized)
        if jobs:
            yield _Grid(probe, jobs, scale, families)


def _may_be(probe: Probe, job: Job) -> bool:
    """True if enough boxes are on their maps, and none is too far away for any operator."""
    off_map = job.fit().wholly if probe.tells else 0
    return bool(np.abs(job.corners).max() < _FAR) and off_map <= _OFF_MAP * len(job)


_FAR: Final = 1e16  # pixels
_OFF_MAP: Final = 0.75  # of a probe's boxes; at most half were chosen because they are empty


def _try(probe: Probe, pooled: Pooled, grid: _Grid) -> Iterator[_Rough]:
    """Try every family of rules on a grid, with every layout."""
    sizes: dict[tuple[int, int], list[Layout]] = {}
    for layout in pooled.layouts:
        sizes.setdefault(pooled.output_size(layout), []).append(layout)
    for size, layouts in sizes.items():
        for start in range(0, len(grid.families), _AT_ONCE):
            families = grid.families[start : start + _AT_ONCE]
            crops = [(family, *grid.crop(family.row, size)) for family in families]
            tried = [(family, reading) for family, taken, _ in crops for reading in taken]
            if not tried:
                continue
            expected = np.concatenate([values for _, taken, values in crops if taken])
            for layout in layouts:
                pooled.progress(len(expected) * len(probe.boxes))
                values = probe.pooled(layout)
                shares = _shares(values, expected, probe).tolist()
                alike = _correlations(values, expected).tolist()
                for (family, reading), share, likeness in zip(tried, shares, alike, strict=True):
                    yield _Rough(family, reading, grid.scale, layout, share, likeness)


_AT_ONCE: Final = 16  # families compared at a time, which bounds the memory


def _shares(values: Array, expected: Array, probe: Probe) -> Array:
    """The share (R,) of boxes (n, …) that each of (R, n, …) reproduces, ignoring its NaN."""
    open_ = np.isnan(expected)
    tolerances = in_tolerances(apart(values, expected), expected, probe.allowed, values.dtype)
    agrees = np.where(open_, 0.0, tolerances).max(axis=(2, 3, 4)) <= 1.0
    real = ~open_.all(axis=(2, 3, 4))
    count = real.sum(axis=1)
    # Rules that leave every bin empty may have made a tensor with one value in every box.
    share: Array = np.where(
        count, (agrees & real).sum(axis=1) / np.maximum(count, 1), not probe.tells
    )
    return share


def _correlations(values: Array, expected: Array) -> Array:
    """The correlations (R,) of values (n, …) with each of (R, n, …); −1 if too few are finite."""
    one, other = values.reshape(1, -1), expected.reshape(len(expected), -1)
    there = np.isfinite(one) & np.isfinite(other)
    count = np.maximum(there.sum(axis=1), 1)[:, None]
    one, other = (np.where(there, each, 0.0) for each in (one, other))
    one, other = (each - there * (each.sum(axis=1)[:, None] / count) for each in (one, other))
    squares = np.einsum("ri,ri->r", one, one) * np.einsum("ri,ri->r", other, other)
    found: Array = np.einsum("ri,ri->r", one, other) / np.sqrt(squares)
    found[~np.isfinite(found) | (2 * count[:, 0] < one.shape[1])] = -1.0
    return found


def _exactly(probe: Probe, pooled: Pooled, hypothesis: Hypothesis) -> Sequence[Hypothesis]:
    """The hypothesis if it reproduces the whole probe, with the extrapolation value it needs."""
    if hypothesis.rules.convention.border == "extrapolate":
        hypothesis = _with_value_outside(probe.job, pooled, hypothesis)
    job = probe.reread(hypothesis.reading, hypothesis.scale)
    size, row = pooled.output_size(hypothesis.layout), hypothesis.rules.convention
    if probe.refused(job, row, size):
        return []
    values, expected = probe.pooled(hypothesis.layout), probe.crop(job, row, size)
    difference = apart(values, expected)
    fits = in_tolerances(difference, expected, probe.allowed, values.dtype).max() <= 1.0
    return [hypothesis] if fits else []


def _with_value_outside(job: Job, pooled: Pooled, hypothesis: Hypothesis) -> Hypothesis:
    """The hypothesis with the tensor's own value where samples are off the map."""
    rows = np.flatnonzero(job.is_pooled)[:_PLANNED]
    size = pooled.output_size(hypothesis.layout)
    for placed in reread(job, hypothesis.reading, hypothesis.scale).placed(rows):
        plan = placed.plan(hypothesis.rules.convention, size)
        k = int(np.argmax(plan.has_void()))
        if plan.void(k).any():
            values = pooled.rows(placed.rows[k : k + 1]).transpose(hypothesis.layout.axes)[0, 0]
            void = float(values[plan.void(k)][0])
            names = hypothesis.rules.conventions
            rules = Rules(tuple(dataclasses.replace(row, void=void) for row in names))
            return dataclasses.replace(hypothesis, rules=rules)
    return hypothesis


_PLANNED: Final = 4096  # boxes to look through for one that is partly off the map
