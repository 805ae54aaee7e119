"""A job's boxes under several conventions: pool all of them, then study where they differ.

The first pass pools every box and keeps running sums. The second returns to a few boxes, the worst
of each pair and some from all over the file, and finds the rules that make the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from roicrop.comparison.contrast import Contrast, contrasts
from roicrop.comparison.differences import Ablation, Reason, Spread, Tally, Worst
from roicrop.comparison.variants import Variant
from roicrop.conventions import overrides
from roicrop.errors import ArgumentError, BoxError
from roicrop.job import Job, OnMap, Rows
from roicrop.outputs import refuse_unfit

TOLERANCE: Final = 1e-5
"""Largest difference of values that agree, for features of magnitude up to 1."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The largest difference of values that agree.

    given: the user's, if any. least, most: the range used over all maps: without `given`, TOLERANCE
        times the larger of 1 and the map's largest |feature|.
    """

    given: float | None
    least: float
    most: float


@dataclass(slots=True)
class Refusals:
    """The boxes that a convention refuses. messages: the reasons for the first few."""

    count: int = 0
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WorstBox:
    """A box on which two conventions differ: how its plans differ, and the rules responsible."""

    box: Worst
    contrasts: list[Contrast]
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two conventions on all boxes.

    tally: how far apart they are. refused: the number of boxes that only one of them accepts.
    studied: the number of boxes on which the reasons were found.
    reasons: the causes of the difference, largest first. worst: the boxes that differ most.
    picture: the file that shows the worst box, if it was drawn.
    """

    first: Variant
    second: Variant
    tally: Tally
    refused: int
    studied: int
    reasons: list[Reason]
    worst: list[WorstBox]
    picture: str | None

    @property
    def agrees(self) -> bool:
        """True if both accept the same boxes and no value differs by more than the tolerance."""
        return self.tally.differ == 0 and self.refused == 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of comparing. refusals: one for each variant, in the same order."""

    variants: list[Variant]
    refusals: list[Refusals]
    spread: Spread
    tolerance: Tolerance
    pairs: list[Pair]

    @property
    def agrees(self) -> bool:
        """True if every pair of conventions agrees."""
        return all(pair.agrees for pair in self.pairs)


_EVERYWHERE: Final = 32  # boxes studied besides the worst


class Study:
    """Two variants of a job: which rules make them differ, and how, on the worst boxes.

    rows: the boxes to study: the worst, and some from all over the file; empty if no box differs.
    """

    def __init__(self, job: Job, first: Variant, second: Variant, tally: Tally) -> None:
        self._first, self._second = first, second
        self._tally = tally
        self._ablation = Ablation(
            first.convention, second.convention, pyramid=job.source.level_names is not None
        )
        self._worst = {worst.row: worst for worst in tally.worst}
        self._found: dict[int, WorstBox] = {}
        self._picture: str | None = None
        self.rows: Rows = np.array(list(self._worst), dtype=np.intp)
        if self._worst:
            self.rows = np.union1d(self.rows, _everywhere(job))
        self._drawn = next(
            (row for row in self._worst if _on_one_map(job, row, first, second)), None
        )

    def look(self, on_map: OnMap, gallery: Gallery | None) -> None:
        """Study boxes on their map, which are some of `rows`."""
        for row in on_map.rows.tolist():
            one = on_map.take(np.array([row], dtype=np.intp))
            try:
                reasons = self._ablation.add(one.pool)
            except BoxError:  # one of the variants refuses it
                continue
            if row in self._worst:
                self._found[row] = self._describe(row, one, reasons)
            if gallery is not None and row == self._drawn:
                self._picture = gallery.draw(one, self._worst[row], self._first, self._second)

    def _describe(self, row: int, one: OnMap, reasons: list[Reason]) -> WorstBox:
        names = self._first.name, self._second.name
        placed = [one.under(v.convention) for v in (self._first, self._second)]
        if placed[0].map != placed[1].map:
            return WorstBox(self._worst[row], [_levels_apart(row, placed, names)], reasons)
        first, second = (
            on_map.plan(v.convention)
            for on_map, v in zip(placed, (self._first, self._second), strict=True)
        )
        idle = {reason.cause for reason in reasons if reason.is_idle}
        found = contrasts((first, second), 0, names, placed[0].cells_per_pixel)
        telling = [contrast for contrast in found if contrast.what not in idle]
        return WorstBox(self._worst[row], telling, reasons)

    def pair(self, refused: int) -> Pair:
        """Everything found about the two; refused: the number of boxes that only one accepts."""
        return Pair(
            self._first,
            self._second,
            self._tally,
            refused,
            self._ablation.boxes,
            self._ablation.reasons,
            [self._found[row] for row in self._worst],
            self._picture,
        )


def _on_one_map(job: Job, row: int, first: Variant, second: Variant) -> bool:
    levels = {int(job.under(v.convention).level[row]) for v in (first, second)}
    return len(levels) == 1


def _levels_apart(row: int, placed: list[OnMap], names: tuple[str, str]) -> Contrast:
    """The contrast of rules that put the box on different levels of a pyramid, or on none."""
    taken = []
    for on_map in placed:
        level = int(on_map.job.level[row])
        taken.append("no level" if level < 0 else (on_map.job.source.level_names or [])[level])
    text = f"{names[0]} takes the box from {taken[0]}, {names[1]} from {taken[1]}"
    return Contrast("level", text, *taken)


def _everywhere(job: Job) -> Rows:
    """Some of the boxes that are pooled, evenly spaced."""
    rows = np.flatnonzero(job.is_pooled)
    at = np.linspace(0, len(rows) - 1, min(len(rows), _EVERYWHERE)).astype(np.intp)
    return rows[at]


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
    """Pool every box of a job under each variant, and compare the variants in pairs.

    float16 maps are pooled in float32, because rounding to float16 would hide differences.

    tolerance: the largest absolute difference of values that agree; None: see `Tolerance`.
    listed: the number of worst boxes to describe for each pair, at least 1.
    gallery: draws the worst box of each pair.
    progress: called with the number of boxes pooled since the last call.

    Raises ArgumentError for a tolerance that is negative or not finite, and OutputError for a
    picture that cannot be written.
    """
    if tolerance is not None and not 0 <= tolerance < np.inf:
        raise ArgumentError(f"--tolerance {tolerance}: give a finite number, 0 or above")
    for variant in variants:
        if job.source.level_names is None and "level_rule" in overrides(variant.convention):
            raise ArgumentError(
                f"{variant.name}: a level rule needs a pyramid, and {job.source.name} is not one: "
                "leave the rule out, or name the levels with --levels"
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


_CHUNK_BYTES: Final = 64 << 20  # of pooled values and differences at a time
_TEMPORARIES: Final = 4  # float64 arrays of differences and intermediate results
_MESSAGES: Final = 5  # refused boxes whose reasons are kept


class _FirstPass:
    """Every box under every variant. tallies, refused_by_one: an entry for each pair."""

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
        """The tolerances used so far."""
        used = self._tolerances or [TOLERANCE if self._given is None else self._given]
        return Tolerance(self._given, min(used), max(used))

    def run(self, progress: Callable[[int], object]) -> None:
        """Pool every box under every variant, and tally the differences."""
        for on_map in map(_at_least_float32, self._job.by_map(whole=self._job.memory // 2)):
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
        """Mask (n,) of the boxes that a variant accepts. Only reversed boxes are ever refused."""
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
    """Study the worst boxes of each pair, and some others."""
    studies = [
        Study(job, variants[a], variants[b], tally)
        for (a, b), tally in zip(_pairs(variants), first_pass.tallies, strict=True)
    ]
    rows = np.unique(np.concatenate([study.rows for study in studies]))
    on_maps = job.by_map(rows, whole=job.memory // 2, beside=0.5 if gallery else 0.0)
    for on_map in map(_at_least_float32, on_maps):
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


class Gallery:
    """One picture per pair of variants: both sampling grids overlaid, and the difference.

    place: an existing directory.
    channel: the channel to show; None means the one that differs most.

    Raises ArgumentError for a channel that does not exist, and OutputError for a place that cannot
    be written to.
    """

    def __init__(
        self,
        job: Job,
        place: str,
        variants: Sequence[Variant],
        *,
        channel: int | None = None,
        overwrite: bool = False,
    ) -> None:
        job.check_channel(channel)
        self._place = Path(place)
        self._channel = channel
        self._overwrite = overwrite
        for pair in combinations(variants, 2):
            refuse_unfit(self._file(*pair), overwrite=overwrite, inputs=job.input_files)

    def draw(self, one: OnMap, worst: Worst, first: Variant, second: Variant) -> str:
        """Draw one box on its map; returns the file that was written."""
        from roicrop import draw
        from roicrop.job import Photos

        rows = first.convention, second.convention
        one = one.under(rows[0])
        pooled = [one.channels_first(one.pool(row))[0] for row in rows]
        plans = [one.plan(row) for row in rows]
        channel = worst.channel if self._channel is None else self._channel
        crops = [
            draw.Crop(plan, 0, np.asarray(values[channel], np.float64), (0, 0))
            for plan, values in zip(plans, pooled, strict=True)
        ]
        apart = np.abs(crops[1].values - crops[0].values)
        features, bin_ = one.cells, draw.default_bin(apart)
        shown = draw.Shown.of_bin(features, channel, plans[0], bin_)
        picture = draw.overlay(
            shown,
            (crops[0], crops[1]),
            names=(first.name, second.name),
            subject=one.subject(worst.row),
            photo=Photos(None).of(one, worst.row),
        )
        path = self._file(first, second)
        draw.save(picture, path, overwrite=self._overwrite)
        return str(path)

    def _file(self, first: Variant, second: Variant) -> Path:
        # Windows forbids colons in file names; no convention has an underscore in its name.
        name = f"{first.name}-vs-{second.name}.png".replace(":", "_")
        return self._place / name
