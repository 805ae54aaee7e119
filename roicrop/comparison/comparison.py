"""A job's boxes under several conventions: pool all of them, then study where they differ.

The first pass pools every box and keeps running sums. The second returns to a few boxes, the worst
of each pair and some from all over the file, and finds the rules that make the difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from roicrop.comparison.contrast import Contrast, contrasts
from roicrop.comparison.differences import Ablation, Reason, Spread, Tally, Worst
from roicrop.comparison.variants import Variant
from roicrop.conventions import overrides
from roicrop.errors import ArgumentError, BoxError
from roicrop.job import SMALL_MAP, Job, OnMap, Rows
from roicrop.outputs import refuse_unfit

TOLERANCE: Final = 1e-5
"""Largest difference of values that agree, for features of magnitude up to 1."""


@dataclass(slots=True)
class Tolerance:
    """The largest difference of values that agree.

    given: the user's, if any. least, most: the range used over all maps: without `given`, TOLERANCE
        times the larger of 1 and the map's largest |feature|.
    """

    given: float | None
    least: float = math.inf
    most: float = 0.0

    def on(self, largest: float) -> float:
        """The tolerance on a map with this largest |feature|."""
        used = TOLERANCE * max(1.0, largest) if self.given is None else self.given
        self.least, self.most = min(self.least, used), max(self.most, used)
        return used


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


@dataclass(slots=True)
class Pair:
    """Two conventions on all boxes.

    tally: how far apart they are. refused: the number of boxes that only one of them accepts.
    ablation: the reasons, on the boxes studied.
    described: row → what was found on it, for the boxes that differ most.
    picture: the file that shows the worst box, if it was drawn.
    """

    first: Variant
    second: Variant
    tally: Tally
    ablation: Ablation
    refused: int = 0
    described: dict[int, WorstBox] = field(default_factory=dict)
    picture: str | None = None

    @property
    def agrees(self) -> bool:
        """True if both accept the same boxes and no value differs by more than the tolerance."""
        return self.tally.differ == 0 and self.refused == 0

    @property
    def reasons(self) -> list[Reason]:
        """The causes of the difference, largest first."""
        return self.ablation.reasons

    @property
    def worst(self) -> list[WorstBox]:
        """The boxes that differ most, worst first."""
        return [self.described[worst.row] for worst in self.tally.worst]


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
    is_pyramid = job.source.level_names is not None
    for variant in variants:
        if not is_pyramid and "level_rule" in overrides(variant.convention):
            raise ArgumentError(
                f"{variant.name}: a level rule needs a pyramid, and {job.source.name} is not one: "
                "leave the rule out, or name the levels with --levels"
            )
    pairs = [
        Pair(a, b, Tally(listed), Ablation(a.convention, b.convention, pyramid=is_pyramid))
        for a, b in combinations(variants, 2)
    ]
    refusals = [Refusals() for _ in variants]
    found = Comparison(list(variants), refusals, Spread(), Tolerance(tolerance), pairs)
    _measure(job, found, progress)
    _study(job, pairs, gallery)
    return found


_CHUNK_BYTES: Final = 64 << 20  # of pooled values and differences at a time
_TEMPORARIES: Final = 4  # float64 arrays of differences and intermediate results
_MESSAGES: Final = 5  # refused boxes whose reasons are kept


def _measure(job: Job, found: Comparison, progress: Callable[[int], object]) -> None:
    """Pool every box under every variant, and tally the differences."""
    values = math.prod(job.pooled_shape[1:])
    most = max(1, _CHUNK_BYTES // (8 * values * (len(found.variants) + _TEMPORARIES)))
    latest, tolerance = -1, found.tolerance.on(0.0) if not job.is_pooled.any() else 0.0
    for on_map in _maps(job):
        if on_map.map != latest:  # a large map comes in several windows
            largest = max(map(found.spread.add, _features_of(on_map, found.spread)))
            latest, tolerance = on_map.map, found.tolerance.on(largest)
        for start in range(0, len(on_map), most):
            chunk = on_map.take(on_map.rows[start : start + most])
            _tally(chunk, found, tolerance)
            progress(len(chunk))


def _tally(on_map: OnMap, found: Comparison, tolerance: float) -> None:
    """Add boxes to the tally of each pair whose variants both accept them."""
    pooled = []
    for variant, refusals in zip(found.variants, found.refusals, strict=True):
        takes = _takes(on_map, variant, refusals)
        pooled.append((takes, on_map.take(on_map.rows[takes]).pool(variant.convention)))
    for pair, ((a, first), (b, second)) in zip(found.pairs, combinations(pooled, 2), strict=True):
        pair.refused += int((a != b).sum())
        pair.tally.add(
            on_map.rows[a & b],
            first[b[a]],
            second[a[b]],
            tolerance,
            channels_last=on_map.job.source.channels_last,
        )


def _takes(on_map: OnMap, variant: Variant, refusals: Refusals) -> NDArray[np.bool_]:
    """Mask (n,) of the boxes that a variant accepts. Only reversed boxes are ever refused."""
    x1, y1, x2, y2 = on_map.job.corners[on_map.rows].T
    takes = np.ones(len(on_map), dtype=np.bool_)
    for k in np.flatnonzero((x2 < x1) | (y2 < y1)).tolist():
        try:
            on_map.take(on_map.rows[k : k + 1]).check_reversed(variant.convention)
        except BoxError as error:
            takes[k] = False
            refusals.count += 1
            if len(refusals.messages) < _MESSAGES:
                refusals.messages.append(error.said)
    return takes


_BLOCK: Final = 1 << 20  # features at a time
_SPOTS: Final = 8  # along each side of a large map, of which a sample is taken
_SPOT: Final = 16  # cells, the side of each


def _features_of(on_map: OnMap, spread: Spread) -> Iterator[NDArray[np.floating]]:
    """The features of a map (C, h, w), a few at a time; of a map over SMALL_MAP bytes, a sample.

    The sample is the same whether the map is read whole or, for lack of memory, in windows.
    """
    source = on_map.job.source
    height, width = source.map_size(on_map.map)
    if source.bytes(on_map.map) <= SMALL_MAP:
        rows = max(1, _BLOCK // (source.channels * width))
        size, starts = (rows, width), (range(0, height, rows), [0])
    else:
        spread.is_sample = True
        side = max(1, min(_SPOT, math.isqrt(_BLOCK // source.channels)))
        last = max(0, height - side), max(0, width - side)
        size = side, side
        starts = tuple(np.linspace(0, end, _SPOTS, dtype=int).tolist() for end in last)
    for y, x in product(*starts):
        place = slice(y, min(y + size[0], height)), slice(x, min(x + size[1], width))
        if on_map.origin is None:
            yield on_map.channels_first(on_map.features)[(slice(None), *place)]
        else:
            yield on_map.channels_first(source.read(on_map.map, *place))


def _maps(job: Job, rows: Rows | None = None, beside: float = 0.0) -> Iterator[OnMap]:
    """As `Job.by_map`, in windows if two maps do not fit in memory; float16 becomes float32."""
    for on_map in job.by_map(rows, whole=job.memory // 2, beside=beside):
        if on_map.features.dtype.itemsize >= 4:
            yield on_map
        else:
            yield on_map.with_features(on_map.features.astype(np.float32))


_EVERYWHERE: Final = 32  # boxes studied besides the worst


def _study(job: Job, pairs: Sequence[Pair], gallery: Gallery | None) -> None:
    """Find the rules that make each pair differ, on its worst boxes and on some others."""
    pooled = np.flatnonzero(job.is_pooled)
    everywhere = pooled[np.linspace(0, len(pooled) - 1, min(len(pooled), _EVERYWHERE)).astype(int)]
    its_rows = []
    for pair in pairs:
        worst = np.array([worst.row for worst in pair.tally.worst], dtype=np.intp)
        its_rows.append(np.union1d(worst, everywhere) if len(worst) else worst)
    rows = np.unique(np.concatenate(its_rows))
    for on_map in _maps(job, rows, beside=0.5 if gallery else 0.0):
        for pair, its in zip(pairs, its_rows, strict=True):
            for row in on_map.rows[np.isin(on_map.rows, its)].tolist():
                _look_at(on_map.take(np.array([row], dtype=np.intp)), row, pair, gallery)


def _look_at(one: OnMap, row: int, pair: Pair, gallery: Gallery | None) -> None:
    """Find the reasons on one box; describe it if it is among the worst, and draw the first."""
    try:
        reasons = pair.ablation.add(one.pool)
    except BoxError:  # one of the variants refuses it
        return
    worst = next((worst for worst in pair.tally.worst if worst.row == row), None)
    if worst is None:
        return
    names = pair.first.name, pair.second.name
    placed = [one.under(variant.convention) for variant in (pair.first, pair.second)]
    if placed[0].map != placed[1].map:
        pair.described[row] = WorstBox(worst, [_levels_apart(row, placed, names)], reasons)
        return
    first, second = placed[0].plan(pair.first.convention), placed[1].plan(pair.second.convention)
    idle = {reason.cause for reason in reasons if reason.is_idle}
    found = contrasts((first, second), 0, names, placed[0].cells_per_pixel)
    telling = [contrast for contrast in found if contrast.what not in idle]
    pair.described[row] = WorstBox(worst, telling, reasons)
    if gallery is not None and row == _drawn(pair, one.job):
        pair.picture = gallery.draw(one, worst, pair.first, pair.second)


def _drawn(pair: Pair, job: Job) -> int | None:
    """The worst of the boxes that both conventions read from the same level."""
    levels = [job.under(variant.convention).level for variant in (pair.first, pair.second)]
    same = (w.row for w in pair.tally.worst if levels[0][w.row] == levels[1][w.row])
    return next(same, None)


def _levels_apart(row: int, placed: list[OnMap], names: tuple[str, str]) -> Contrast:
    """The contrast of rules that put the box on different levels of a pyramid, or on none."""
    taken = []
    for on_map in placed:
        level = int(on_map.job.level[row])
        taken.append("no level" if level < 0 else (on_map.job.source.level_names or [])[level])
    text = f"{names[0]} takes the box from {taken[0]}, {names[1]} from {taken[1]}"
    return Contrast("level", text, *taken)


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
