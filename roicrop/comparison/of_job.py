"""A job's boxes under several conventions: pool them all once, then look at where they differ.

The first pass goes through every box and keeps running sums. The second goes back to few boxes, the
worst of each pair and some from all over the file, and tries which rules make the difference there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from roicrop.comparison.comparison import TOLERANCE, Comparison, Pair, Refusals, Tolerance
from roicrop.comparison.gallery import Gallery
from roicrop.comparison.study import Study
from roicrop.comparison.tally import Spread, Tally
from roicrop.comparison.variants import Variant
from roicrop.conventions import overrides
from roicrop.errors import ArgumentError, BoxError
from roicrop.job import Job, OnMap

Bool = NDArray[np.bool_]


def compare(
    job: Job,
    variants: Sequence[Variant],
    *,
    tolerance: float | None = None,
    listed: int = 3,
    gallery: Gallery | None = None,
    progress: Callable[[int], object] = lambda boxes: None,
) -> Comparison:
    """Pool every box of a job under each variant, and compare each two of them.

    float16 maps are pooled in float32: their own rounding would hide what differs.

    tolerance: the largest absolute difference of values that agree; None is as in `Tolerance`.
    listed: how many of the worst boxes of each pair are named, at least 1.
    gallery: where the worst box of each pair is drawn.
    progress: called with the number of boxes that have been pooled since it was called last.

    Raises ArgumentError for a tolerance that is not a finite number from 0 on, and OutputError for
    a picture that cannot be written.
    """
    if tolerance is not None and not 0 <= tolerance < np.inf:
        raise ArgumentError(f"--tolerance {tolerance}: give a number from 0 on")
    for variant in variants:
        if job.source.level_names is None and "level_rule" in overrides(variant.convention):
            raise ArgumentError(
                f"{variant.name}: a level rule is for a pyramid, and {job.source.name} is not one: "
                "leave it out, or name its levels with --levels"
            )
    first_pass = _FirstPass(job, variants, tolerance, listed)
    first_pass.run(progress)
    return Comparison(
        list(variants),
        first_pass.refusals,
        first_pass.spread,
        first_pass.tolerance,
        _second_pass(job, variants, first_pass, gallery),
    )


_CHUNK_BYTES: Final = 64 << 20  # of pooled values and their differences at a time
_TEMPORARIES: Final = 4  # arrays of differences and what is made of them, in float64
_MESSAGES: Final = 5  # refused boxes whose reasons are kept


class _FirstPass:
    """Every box under every variant. tallies and refused_by_one are for each two of them."""

    def __init__(
        self, job: Job, variants: Sequence[Variant], given: float | None, listed: int
    ) -> None:
        self._job = job
        self._variants = variants
        self._given = given
        self._tolerances: list[float] = []
        self.spread = Spread()
        self.refusals = [Refusals() for _ in variants]
        self.tallies = [Tally(listed) for _ in _pairs(variants)]
        self.refused_by_one = [0 for _ in _pairs(variants)]
        values = int(np.prod(job.pooled_shape[1:]))
        self._most = max(1, _CHUNK_BYTES // (8 * values * (len(variants) + _TEMPORARIES)))

    @property
    def tolerance(self) -> Tolerance:
        """What was used for the maps so far."""
        used = self._tolerances or [TOLERANCE if self._given is None else self._given]
        return Tolerance(self._given, min(used), max(used))

    def run(self, progress: Callable[[int], object]) -> None:
        """Go through all boxes."""
        for on_map in map(_at_least_float32, self._job.by_map()):
            largest = self.spread.add(on_map.features)
            given = self._given
            self._tolerances.append(TOLERANCE * max(1.0, largest) if given is None else given)
            for start in range(0, len(on_map), self._most):
                chunk = on_map.take(on_map.rows[start : start + self._most])
                self._add(chunk)
                progress(len(chunk))

    def _add(self, on_map: OnMap) -> None:
        rows = on_map.rows
        takes = [self._takes(on_map, n) for n in range(len(self._variants))]
        pooled = [
            on_map.take(rows[its]).pool(variant.convention)
            for its, variant in zip(takes, self._variants, strict=True)
        ]
        for n, (a, b) in enumerate(_pairs(self._variants)):
            both = takes[a] & takes[b]
            self.refused_by_one[n] += int((takes[a] != takes[b]).sum())
            self.tallies[n].add(
                rows[both],
                pooled[a][both[takes[a]]],
                pooled[b][both[takes[b]]],
                self._tolerances[-1],
                channels_last=self._job.source.channels_last,
            )

    def _takes(self, on_map: OnMap, n: int) -> Bool:
        """(n,) the boxes that a variant does not refuse. Only reversed ones ever are."""
        convention, refusals, rows = self._variants[n].convention, self.refusals[n], on_map.rows
        x1, y1, x2, y2 = self._job.corners[rows].T
        takes = np.ones(len(rows), dtype=np.bool_)
        for k in np.flatnonzero((x2 < x1) | (y2 < y1)).tolist():
            try:
                on_map.take(rows[k : k + 1]).check_reversed(convention)
            except BoxError as error:
                takes[k] = False
                refusals.count += 1
                if len(refusals.messages) < _MESSAGES:
                    refusals.messages.append(error.said)
        return takes


def _second_pass(
    job: Job, variants: Sequence[Variant], first_pass: _FirstPass, gallery: Gallery | None
) -> list[Pair]:
    """The boxes that tell most, again."""
    studies = [
        Study(job, variants[a], variants[b], tally)
        for (a, b), tally in zip(_pairs(variants), first_pass.tallies, strict=True)
    ]
    rows = np.unique(np.concatenate([study.rows for study in studies]))
    for on_map in map(_at_least_float32, job.by_map(rows)):
        for study in studies:
            its_rows = on_map.rows[np.isin(on_map.rows, study.rows)]
            study.look(on_map.take(its_rows), gallery)
    return [
        study.pair(refused)
        for study, refused in zip(studies, first_pass.refused_by_one, strict=True)
    ]


def _pairs(variants: Sequence[Variant]) -> list[tuple[int, int]]:
    return list(combinations(range(len(variants)), 2))


def _at_least_float32(on_map: OnMap) -> OnMap:
    if on_map.features.dtype.itemsize >= 4:
        return on_map
    return on_map.with_features(on_map.features.astype(np.float32))
