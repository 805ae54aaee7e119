"""Whether a tensor's rows are in another order than the boxes, as after a sort.

Nobody knows yet by which convention the tensor was made, and there are K! orders. But the mean of a
channel over a row's bins is one number, whatever the order of its axes: a box that gives the mean
of no row at all speaks against a hypothesis, and a few that give one each speak for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.identification.agreement import HALF, allowance, apart, in_tolerances
from roicrop.identification.hypotheses import Hypothesis, Layout
from roicrop.identification.pooled import Pooled
from roicrop.identification.probe import Probe
from roicrop.identification.rereading import reread
from roicrop.identification.search import crops_as_said
from roicrop.job import Job, Rows

Array = NDArray[Any]
Float = NDArray[np.float64]

_AT_ONCE: Final = 256  # rows of the tensor that are read at a time
_TRIED: Final = 8  # hypotheses that are held against every row


def find_order(pooled: Pooled, probe: Probe) -> Iterator[tuple[Hypothesis, Rows]]:
    """Hypotheses under which most boxes have a row of their own, and (K,) which.

    A box without one has a row that is left.
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


def in_words(order: Rows, job: Job) -> str:
    """The order in words: "row 0 is box 3, …", and what it is sorted by."""
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
    """Some channels of some rows, (n, c, PH, PW), by what the order of the tensor's axes may be."""
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
    """(n, c, PH, PW) what it gives in the probe's channels, and (n, c) how far that may be off."""
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
    """(n,) the row of `stored` that each box has for itself, −1 where there is none."""
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
    """The mean of each channel over the bins of every row, to be looked up."""

    def __init__(self, values: Array) -> None:
        """values: (R, c, PH, PW)."""
        self._means, self._is_half = _mean(values), values.dtype == np.float16
        self._by_first = np.argsort(self._means[:, 0], kind="stable")
        self._first = self._means[self._by_first, 0]

    def like(self, means: Float, allowed: Array) -> Rows:
        """The rows whose means (c,) are these, as far as (c,) is allowed."""
        within = allowed + HALF * np.abs(means) if self._is_half else allowed.astype(np.float64)
        low = np.searchsorted(self._first, means[0] - within[0], "left")
        high = np.searchsorted(self._first, means[0] + within[0], "right")
        some = self._by_first[low:high]
        found: Rows = some[(np.abs(self._means[some] - means) <= within).all(axis=1)]
        return found


def _mean(values: Array) -> Float:
    """(n, c) of the bins that are finite."""
    finite = np.isfinite(values)
    total = np.where(finite, values, 0).sum(axis=(-2, -1), dtype=np.float64)
    mean: Float = total / np.maximum(finite.sum(axis=(-2, -1)), 1)
    return mean
