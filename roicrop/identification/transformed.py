"""Tensors one step from a known one: rows in another order, or boxes moved a little.

Rows may be in another order than the boxes, for instance sorted. The convention is unknown too, and
there are K! orders. But a channel's mean over a row's bins does not depend on the order of axes: a
hypothesis is unlikely if few boxes have a row with the same mean, and likely if most do.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.identification.hypotheses import (
    Hypothesis,
    Layout,
    Rules,
    all_rules,
    given_reading,
    moved,
    reread,
    stacked,
)
from roicrop.identification.pooled import HALF, Pooled, allowance, apart, in_tolerances
from roicrop.identification.probe import Probe
from roicrop.identification.search import crops_as_said
from roicrop.job import Job, Rows
from roicrop.text import brief, distance

Array = NDArray[Any]
Float = NDArray[np.float64]

_AT_ONCE: Final = 256  # rows of the tensor read at a time
_TRIED: Final = 8  # hypotheses compared with every row


def find_order(pooled: Pooled, probe: Probe) -> Iterator[tuple[Hypothesis, Rows]]:
    """Hypotheses under which most boxes have a matching row, with the row (K,) of each box.

    Boxes without a match get the remaining rows.
    """
    if probe.channels is None:
        return
    boxes = np.flatnonzero(probe.job.is_pooled)
    stored = _some_channels(pooled, boxes, probe.channels)
    likely = sorted(_likely(pooled, probe.few(), stored), key=lambda each: each.rules.simplicity)
    for hypothesis in likely[:_TRIED]:
        row_of = _assigned(stored[hypothesis.layout], *_expected(pooled, probe, hypothesis, boxes))
        found = row_of >= 0
        if 2 * found.sum() > len(boxes) and (row_of != np.arange(len(boxes))).any():
            row_of[~found] = np.setdiff1d(np.arange(len(boxes)), row_of)
            order = np.arange(len(probe.job))
            order[boxes] = boxes[row_of]
            yield hypothesis, order


def order_in_words(order: Rows, job: Job) -> str:
    """The order in words: what it is sorted by, or "row 0 is box 3, …"."""
    box_of_row = np.argsort(order)
    scores = job.table.score
    if scores is not None and np.array_equal(box_of_row, np.argsort(-scores, kind="stable")):
        return "the rows are in another order: by descending score"
    if np.array_equal(order, np.arange(len(order))[::-1]):
        return "the rows are in another order: from the last box to the first"
    moved = np.flatnonzero(box_of_row != np.arange(len(order)))
    numbers = job.table.source_index[box_of_row]
    shown = [f"row {row} is box {numbers[row]}" for row in moved[:_SHOWN].tolist()]
    more = ", …" if len(moved) > _SHOWN else ""
    return f"the rows are in another order: {', '.join(shown)}{more}"


_SHOWN: Final = 4


def _some_channels(pooled: Pooled, rows: Rows, channels: Rows) -> dict[Layout, Array]:
    """Some channels of some rows (n, c, PH, PW), for each possible layout of the tensor."""
    read: dict[Layout, list[Array]] = {layout: [] for layout in pooled.layouts}
    for start in range(0, len(rows), _AT_ONCE):
        stored = pooled.rows(rows[start : start + _AT_ONCE])
        for layout, values in read.items():
            values.append(stored.transpose(layout.axes)[:, channels])
    return {layout: np.concatenate(values) for layout, values in read.items()}


def _likely(pooled: Pooled, few: Probe, stored: dict[Layout, Array]) -> Iterator[Hypothesis]:
    """Hypotheses under which most of a few boxes have a row with the same means."""
    for layout, values in stored.items():
        means = _Means(values)
        for rules, reading, expected in crops_as_said(few, pooled.output_size(layout)):
            alike = [
                len(means.like(box, allowed)) > 0
                for box, allowed in zip(_mean(expected), few.allowed, strict=True)
            ]
            if 2 * sum(alike) > len(alike):
                yield Hypothesis(rules, reading, None, layout)


def _expected(
    pooled: Pooled, probe: Probe, hypothesis: Hypothesis, boxes: Rows
) -> tuple[Array, Array]:
    """The boxes pooled in the probe's channels (n, c, PH, PW), and their tolerance (n, c)."""
    job = reread(probe.job, hypothesis.reading, hypothesis.scale)
    size = pooled.output_size(hypothesis.layout)
    assert probe.channels is not None
    count = len(probe.channels)
    values = np.empty((len(job), count, *size), job.source.dtype)
    allowed = np.empty((len(job), count), job.source.dtype)
    for on_map in job.by_map(boxes):
        loud = on_map.with_channels(probe.channels)
        values[loud.rows] = loud.channels_first(loud.pool(hypothesis.rules.convention, size))
        allowed[loud.rows] = allowance(loud.channels_first(loud.features))
    return values[boxes], allowed[boxes]


def _assigned(stored: Array, expected: Array, allowed: Array) -> NDArray[np.intp]:
    """The matching row of `stored` for each box (n,), used only once; −1 if there is none."""
    means, free = _Means(stored), np.ones(len(stored), dtype=np.bool_)
    row_of = np.full(len(expected), -1)
    for k, (box, mean) in enumerate(zip(expected, _mean(expected), strict=True)):
        rows = means.like(mean, allowed[k])
        rows = rows[free[rows]]
        if len(rows):
            difference = apart(stored[rows], box[None])
            units = in_tolerances(difference, box[None], allowed[k], stored.dtype)
            rows = rows[units.max(axis=(1, 2, 3)) <= 1.0]
        if len(rows):
            row_of[k] = k if k in rows else rows[0]
            free[row_of[k]] = False
    return row_of


class _Means:
    """A lookup of rows by the mean of each channel over their bins."""

    def __init__(self, values: Array) -> None:
        """values: (R, c, PH, PW)."""
        self._means, self._is_half = _mean(values), values.dtype == np.float16
        self._by_first = np.argsort(self._means[:, 0], kind="stable")
        self._first = self._means[self._by_first, 0]

    def like(self, means: Float, allowed: Array) -> Rows:
        """The rows with these means (c,), within a tolerance (c,)."""
        within = allowed + HALF * np.abs(means) if self._is_half else allowed.astype(np.float64)
        low = np.searchsorted(self._first, means[0] - within[0], "left")
        high = np.searchsorted(self._first, means[0] + within[0], "right")
        some = self._by_first[low:high]
        found: Rows = some[(np.abs(self._means[some] - means) <= within).all(axis=1)]
        return found


def _mean(values: Array) -> Float:
    """The mean (n, c) of the bins that are finite."""
    finite = np.isfinite(values)
    total = np.where(finite, values, 0).sum(axis=(-2, -1), dtype=np.float64)
    mean: Float = total / np.maximum(finite.sum(axis=(-2, -1)), 1)
    return mean


_STEPS: Final = (-1.0, -0.5, 0.0, 0.5, 1.0)  # cells, the starting points
_LIKELY: Final = 2.0  # times the smallest error: starting points worth refining
_UNLIKE: Final = 0.75  # of the values' own spread: too far off to refine
_ROUNDS: Final = 12
_PROBED: Final = 0.01  # cells, to estimate slopes
_PROBES: Final = tuple(np.eye(4) * _PROBED)
_LONGEST: Final = 0.5  # cells, the longest step
_FRACTIONS: Final = 64  # of a cell: half a pixel, up to a stride of 32
_SLACK: Final = 0.002  # cells


@dataclass(frozen=True, slots=True)
class Shift:
    """A hypothesis whose boxes are moved; by: (4,) the move of x1, y1, x2, y2 in cells."""

    hypothesis: Hypothesis
    by: Float

    @property
    def details(self) -> dict[str, object]:
        """The move in numbers, for JSON."""
        return {"cells": dict(zip(("x1", "y1", "x2", "y2"), self.by.tolist(), strict=True))}

    def text(self, job: Job) -> str:
        """The move in words; job: a job with these boxes, for the size of a pixel."""
        y, x = job.cells_per_pixel[job.is_pooled][0].tolist()
        first, last = (_way(dx, dy, x, y) for dx, dy in self.by.reshape(2, 2).tolist())
        if first == last:
            return f"the boxes lie {first}"
        return f"the corners x1, y1 lie {first}; x2, y2 {last}"


def find_shift(pooled: Pooled, probe: Probe, nearest: Hypothesis) -> Iterator[Shift]:
    """Moves after which most of the probe's boxes match the tensor, the simplest first.

    The boxes are read as declared, then as the nearest hypothesis reads them.
    """
    for reading in dict.fromkeys((given_reading(probe.job), nearest.reading)):
        where = dataclasses.replace(nearest, reading=reading)
        few, fitting = _Fitting(pooled, probe.few(), where), _Fitting(pooled, probe, where)
        starts = few.starts()
        least = min(error for error, _ in starts.values())
        if least > _UNLIKE * few.spread:
            continue
        likely = [rules for rules, (error, _) in starts.items() if error <= _LIKELY * least]
        for rules in sorted(likely, key=lambda rules: rules.simplicity):
            by = fitting.closer(rules.convention, starts[rules][1])
            rounded = np.round(by * _FRACTIONS) / _FRACTIONS
            for each in (rounded, by) if np.abs(rounded - by).max() < _SLACK else (by,):
                if fitting.agrees(rules.convention, each):
                    yield Shift(dataclasses.replace(where, rules=rules), each)
                    break


class _Fitting:
    """The distance between the probe's values and those of its boxes when moved."""

    def __init__(self, pooled: Pooled, probe: Probe, hypothesis: Hypothesis) -> None:
        self._probe = probe
        self._job = probe.reread(hypothesis.reading, hypothesis.scale)
        self._size = pooled.output_size(hypothesis.layout)
        stored = probe.pooled(hypothesis.layout)
        self._values = stored.astype(np.float64)
        self._units = probe.allowed[..., None, None].astype(np.float64)
        if stored.dtype == np.float16:
            self._units = self._units + HALF * np.nan_to_num(np.abs(self._values))

    @property
    def spread(self) -> float:
        """The values' sum of squares about their mean."""
        values = self._values[np.isfinite(self._values)]
        scale = float(np.square(1.0 / self._units).mean())
        return float(np.square(values - values.mean()).sum()) * scale if len(values) else 0.0

    def starts(self) -> dict[Rules, tuple[float, Float]]:
        """The best starting move and its squared error, for rules that refuse no box."""
        moves = [np.array([dx, dy, dx, dy]) for dx, dy in itertools.product(_STEPS, _STEPS)]
        job = stacked([moved(self._job, by) for by in moves])
        found = {}
        for rules in all_rules():
            if not self._probe.refused(self._job, rules.convention, self._size):
                apart = self._apart(job, rules.convention)
                errors = np.square(apart).reshape(len(moves), -1).sum(axis=1)
                found[rules] = float(errors.min()), moves[int(errors.argmin())]
        return found

    def closer(self, row: Convention, by: Float) -> Float:
        """The least-squares move of the corners near `by`, by the Gauss-Newton method."""
        for _ in range(_ROUNDS):
            here, *beside = (self._at(row, by + step) for step in (np.zeros(4), *_PROBES))
            if not np.isfinite([here, *beside]).all():
                break
            slopes = np.stack([(each - here) / _PROBED for each in beside], 1)
            step = np.clip(-np.linalg.lstsq(slopes, here, rcond=None)[0], -_LONGEST, _LONGEST)
            shorter = [by + step / 2**halved for halved in range(4)]
            errors = [float(np.square(self._at(row, each)).sum()) for each in shorter]
            if min(errors) >= float(here @ here):
                break
            by = shorter[int(np.argmin(errors))]
        return by

    def agrees(self, row: Convention, by: Float) -> bool:
        """True if most boxes are within the tolerance."""
        each = self._at(row, by).reshape(len(self._values), -1)
        return bool(2 * (np.abs(each).max(axis=1) <= 1.0).sum() > len(each))

    def _at(self, row: Convention, by: Float) -> Float:
        """The differences of the moved boxes; infinite if one of them is refused."""
        job = moved(self._job, by)
        if self._probe.refused(job, row, self._size):
            return np.full(self._values.size, np.inf)
        return self._apart(job, row).ravel()

    def _apart(self, job: Job, row: Convention) -> Float:
        """Differences (m, n, c, PH, PW) in tolerances, 0 if a value is not finite."""
        expected = self._probe.crop(job, row, self._size)
        each = expected.reshape(-1, *self._values.shape)
        apart: Float = (self._values - each) / self._units
        return np.where(np.isfinite(apart), apart, 0.0)


def _way(dx: float, dy: float, cells_x: float, cells_y: float) -> str:
    """Distance and direction in words."""
    parts = [
        f"{distance(cells, per_pixel, lambda v: brief(v, 4))} further {words[cells < 0]}"
        for cells, per_pixel, words in (
            (dx, cells_x, ("right", "left")),
            (dy, cells_y, ("down", "up")),
        )
        if cells
    ]
    return " and ".join(parts) or "where they should be"
