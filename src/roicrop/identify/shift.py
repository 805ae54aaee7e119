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
from roicrop.identify.candidates import Candidate, Rules, all_rules
from roicrop.identify.pooled import Pooled
from roicrop.identify.probe import Probe
from roicrop.identify.variants import moved
from roicrop.job import Job

Array = NDArray[Any]
Float = NDArray[np.float64]

_STEPS: Final = (-1.0, -0.5, 0.0, 0.5, 1.0)  # cells, to start from
_TURNS: Final = 3
_ROUNDS: Final = 12
_PROBED: Final = 0.01  # cells, for the slope
_LONGEST: Final = 0.5  # cells, of one step
_FRACTIONS: Final = 64  # of a cell: half a pixel, up to a stride of 32
_SLACK: Final = 0.002  # cells


@dataclass(frozen=True, slots=True)
class Shift:
    """A candidate whose boxes are moved: corners x1, y1, x2, y2 by so many cells, (4,)."""

    candidate: Candidate
    by: Float

    @property
    def details(self) -> dict[str, object]:
        """The numbers."""
        return {"cells": dict(zip(("x1", "y1", "x2", "y2"), self.by.tolist(), strict=True))}

    def text(self, job: Job) -> str:
        """In words; a job with such boxes says how large a pixel is."""
        y, x = job.cells_per_pixel(int(job.image_index[0]))
        first, last = (_way(dx, dy, x, y) for dx, dy in self.by.reshape(2, 2).tolist())
        if first == last:
            return f"the boxes lie {first}"
        return f"the corners x1, y1 lie {first}; x2, y2 {last}"


def find_shift(pooled: Pooled, probe: Probe, nearest: Candidate) -> Iterator[Shift]:
    """The moves that bring boxes closest to the tensor: in round numbers, then as they are."""
    fitting = _Fitting(pooled, probe, nearest)
    row = nearest.rules.convention
    by = min(
        (np.array([dx, dy, dx, dy]) for dx, dy in itertools.product(_STEPS, _STEPS)),
        key=lambda each: fitting.error(row, each),
    )
    for _ in range(_TURNS):
        by = fitting.closer(row, by)
        before = row
        row = min((row, *_other_rows()), key=lambda each: fitting.error(each, by))
        if row == before:
            break
    candidate = dataclasses.replace(nearest, rules=_rules(row))
    rounded = np.round(by * _FRACTIONS) / _FRACTIONS
    if np.abs(rounded - by).max() < _SLACK:
        yield Shift(candidate, rounded)
    yield Shift(candidate, by)


class _Fitting:
    """How far the probe is from what its boxes give, moved."""

    def __init__(self, pooled: Pooled, probe: Probe, candidate: Candidate) -> None:
        self._probe = probe
        self._job = probe.variant(candidate.reading, candidate.scale)
        self._size = pooled.output_size(candidate.layout)
        self._values = probe.pooled(candidate.layout).astype(np.float64)
        self._units = probe.allowed[..., None, None].astype(np.float64)

    def error(self, row: Convention, by: Float) -> float:
        """The sum of squared differences; infinite if the convention refuses a box."""
        apart = self._apart(row, by)
        return float(apart @ apart) if apart is not None else np.inf

    def closer(self, row: Convention, by: Float) -> Float:
        """The corners' move of least squares near `by`, by Gauss and Newton's method."""
        for _ in range(_ROUNDS):
            here = self._apart(row, by)
            beside = [self._apart(row, by + step) for step in np.eye(4) * _PROBED]
            if here is None or any(each is None for each in beside):
                break
            slopes = np.stack([(each - here) / _PROBED for each in beside if each is not None], 1)
            step = np.clip(-np.linalg.lstsq(slopes, here, rcond=None)[0], -_LONGEST, _LONGEST)
            shorter = [by + step / 2**halved for halved in range(4)]
            better = min(shorter, key=lambda each: self.error(row, each))
            if self.error(row, better) >= float(here @ here):
                break
            by = better
        return by

    def _apart(self, row: Convention, by: Float) -> Float | None:
        job = moved(self._job, by)
        if self._probe.refused(job, row, self._size):
            return None
        expected = self._probe.crop(job, row, self._size)
        with np.errstate(all="ignore"):
            apart: Float = ((self._values - expected) / self._units).ravel()
        return np.where(np.isfinite(apart), apart, 0.0)


def _other_rows() -> list[Convention]:
    return [rules.convention for rules in all_rules()]


def _rules(row: Convention) -> Rules:
    return next((rules for rules in all_rules() if row in rules.conventions), Rules((row,)))


def _way(dx: float, dy: float, cells_x: float, cells_y: float) -> str:
    """How far, and in which direction."""
    parts = [
        f"{abs(cells):.4g} cells ({abs(cells) / per_pixel:.4g} pixels) further {words[cells < 0]}"
        for cells, per_pixel, words in (
            (dx, cells_x, ("right", "left")),
            (dy, cells_y, ("down", "up")),
        )
        if cells
    ]
    return " and ".join(parts) or "where they are"
