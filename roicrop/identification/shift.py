"""Whether a tensor was cropped from boxes that lie a little elsewhere, and by how much."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.identification.agreement import HALF
from roicrop.identification.hypotheses import Hypothesis, Rules, all_rules
from roicrop.identification.pooled import Pooled
from roicrop.identification.probe import Probe
from roicrop.identification.rereading import given_reading, moved, stacked
from roicrop.job import Job
from roicrop.text import brief, distance

Array = NDArray[Any]
Float = NDArray[np.float64]

_STEPS: Final = (-1.0, -0.5, 0.0, 0.5, 1.0)  # cells, to start from
_LIKELY: Final = 2.0  # times the least error there, from which to go on
_UNLIKE: Final = 0.75  # of the values' own spread; from so far off nothing is found
_ROUNDS: Final = 12
_PROBED: Final = 0.01  # cells, for the slope
_PROBES: Final = tuple(np.eye(4) * _PROBED)
_LONGEST: Final = 0.5  # cells, of one step
_FRACTIONS: Final = 64  # of a cell: half a pixel, up to a stride of 32
_SLACK: Final = 0.002  # cells


@dataclass(frozen=True, slots=True)
class Shift:
    """A hypothesis whose boxes are moved: corners x1, y1, x2, y2 by so many cells, (4,)."""

    hypothesis: Hypothesis
    by: Float

    @property
    def details(self) -> dict[str, object]:
        """The move in numbers, as JSON has it."""
        return {"cells": dict(zip(("x1", "y1", "x2", "y2"), self.by.tolist(), strict=True))}

    def text(self, job: Job) -> str:
        """In words; a job with such boxes says how large a pixel is."""
        y, x = job.cells_per_pixel[job.is_pooled][0].tolist()
        first, last = (_way(dx, dy, x, y) for dx, dy in self.by.reshape(2, 2).tolist())
        if first == last:
            return f"the boxes lie {first}"
        return f"the corners x1, y1 lie {first}; x2, y2 {last}"


def find_shift(pooled: Pooled, probe: Probe, nearest: Hypothesis) -> Iterator[Shift]:
    """Moves by which most of the probe's boxes come to what the tensor holds, the simplest first.

    The boxes are read as they were said to be, then as the nearest hypothesis reads them.
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
    """How far the probe is from what its boxes give, moved."""

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
        """The sum of squares of the values themselves, about their mean."""
        values = self._values[np.isfinite(self._values)]
        scale = float(np.square(1.0 / self._units).mean())
        return float(np.square(values - values.mean()).sum()) * scale if len(values) else 0.0

    def starts(self) -> dict[Rules, tuple[float, Float]]:
        """The best of the steps by each rule that refuses no box, and its squared error."""
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
        """The corners' move of least squares near `by`, by Gauss and Newton's method."""
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
        """Whether most boxes are within the tolerance."""
        each = self._at(row, by).reshape(len(self._values), -1)
        return bool(2 * (np.abs(each).max(axis=1) <= 1.0).sum() > len(each))

    def _at(self, row: Convention, by: Float) -> Float:
        """The differences of the moved boxes; infinite if one is then refused."""
        job = moved(self._job, by)
        if self._probe.refused(job, row, self._size):
            return np.full(self._values.size, np.inf)
        return self._apart(job, row).ravel()

    def _apart(self, job: Job, row: Convention) -> Float:
        """(m, n, c, PH, PW) differences in tolerances, 0 where one is not finite."""
        expected = self._probe.crop(job, row, self._size)
        each = expected.reshape(-1, *self._values.shape)
        apart: Float = (self._values - each) / self._units
        return np.where(np.isfinite(apart), apart, 0.0)


def _way(dx: float, dy: float, cells_x: float, cells_y: float) -> str:
    """How far, and in which direction."""
    parts = [
        f"{distance(cells, per_pixel, lambda v: brief(v, 4))} further {words[cells < 0]}"
        for cells, per_pixel, words in (
            (dx, cells_x, ("right", "left")),
            (dy, cells_y, ("down", "up")),
        )
        if cells
    ]
    return " and ".join(parts) or "where they should"
