"""Hypotheses tested on every box and channel, and a ranking of those that fit."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention, SamplingRatio, coarse, effective
from roicrop.errors import BoxError
from roicrop.identification.hypotheses import Hypothesis, Reading, reread
from roicrop.identification.pooled import Pooled, allowance, apart, in_tolerances
from roicrop.job import Job, OnMap, Rows
from roicrop.sampling import Plan
from roicrop.text import measure, minus

Array = NDArray[Any]

Adjust = Callable[[Array], Array]

_CHUNK_BYTES: Final = 16 << 20  # of pooled values compared at a time
_MOST_PLANNED: Final = 2048  # boxes at a time
_CLEARLY: Final = 1e5  # tolerances: as large as the largest feature
_MOST_CLASSES: Final = 24  # different computations; more only if little is distinguishable


class Fingerprint(NamedTuple):
    """Digests of plans: equal digests stand for equal numbers.

    corners, sizes, counts: of the boxes, in cells and samples. voids: the empty bins, if any.
    rows: cells and weights.
    """

    corners: bytes = b""
    sizes: bytes = b""
    counts: bytes = b""
    voids: bytes = b""
    rows: bytes = b""

    @classmethod
    def of(cls, plan: Plan) -> Fingerprint:
        """The fingerprint of a plan."""
        axes, rows = plan.axes, plan.matrices
        return cls(
            corners=_digest(*(v for a in axes for v in (a.begin, a.end))),
            sizes=_digest(*(a.length for a in axes)),
            counts=_digest(*(a.count for a in axes)),
            voids=_digest(*(r.void for r in rows)) if any(r.void.any() for r in rows) else b"",
            rows=_digest(
                *(v for r in rows for v in (r.bin_ptr, r.row_ptr, r.cells, r.weights, r.zero))
            ),
        )


def _digest(*arrays: Array) -> bytes:
    state = hashlib.blake2b(digest_size=16)
    for array in arrays:
        state.update(np.ascontiguousarray(array).view(np.uint8).data)
    return state.digest()


@dataclass(slots=True)
class Trial:
    """A hypothesis and how well it fits.

    job: all boxes, as the hypothesis reads them.
    worst: (K,) the largest difference of each box in tolerances; NaN for boxes not compared.
    adjust: applied to the tensor's values (n, C, PH, PW) before comparison, or None.
    total: the sum of differences in tolerances, each at most `_CLEARLY`. values: their number.
    largest: the largest absolute difference.
    fingerprint: of all plans, one after another.
    counts: the smallest and the largest number of samples per bin.
    refused: why the hypothesis is impossible, if it refuses a box. dropped: True if not tested.
    """

    hypothesis: Hypothesis
    job: Job
    worst: Array
    adjust: Adjust | None = None
    total: float = 0.0
    values: int = 0
    largest: float = 0.0
    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    counts: tuple[int, int] = (1 << 31, 0)
    refused: str | None = None
    dropped: bool = False

    @property
    def row(self) -> Convention:
        """The convention under the first of its names."""
        return self.hypothesis.rules.convention

    def see(self, plan: Plan) -> Fingerprint:
        """Add the plan for some boxes; returns its fingerprint."""
        fingerprint = Fingerprint.of(plan)
        self.fingerprint = Fingerprint(*map(operator.add, self.fingerprint, fingerprint))
        counts = np.concatenate([axis.count for axis in plan.axes])
        self.counts = min(self.counts[0], int(counts.min())), max(self.counts[1], int(counts.max()))
        return fingerprint

    def add(self, rows: Rows, difference: Array, tolerances: Array) -> None:
        """Add the differences (n, C, PH, PW) of some boxes."""
        self.worst[rows] = tolerances.max(axis=(1, 2, 3))
        self.total += float(np.minimum(tolerances, _CLEARLY).sum(dtype=np.float64))
        self.values += tolerances.size
        self.largest = max(self.largest, float(difference.max()))

    @property
    def compared(self) -> int:
        """The number of boxes compared."""
        return int((~np.isnan(self.worst)).sum())

    @property
    def agreeing(self) -> int:
        """The number of boxes that agree."""
        return int((self.worst <= 1.0).sum())

    @property
    def fits(self) -> bool:
        """True if all boxes compared agree."""
        tested = self.refused is None and not self.dropped
        return tested and 0 < self.agreeing == self.compared

    @property
    def exact(self) -> bool:
        """True if it reproduces the tensor to the last bit."""
        return self.fits and self.largest == 0.0

    @property
    def mean(self) -> float:
        """The mean difference in tolerances."""
        return self.total / max(self.values, 1)


def trials_of(hypotheses: Iterable[Hypothesis], job: Job) -> list[Trial]:
    """Trials of hypotheses on all boxes of a job, not yet run."""
    jobs: dict[tuple[Reading, float | None], Job] = {}
    trials = []
    for hypothesis in hypotheses:
        key = hypothesis.reading, hypothesis.scale
        if key not in jobs:
            jobs[key] = reread(job, *key)
        worst = np.full(len(job), np.nan, np.float32)
        trials.append(Trial(hypothesis, jobs[key], worst))
    return trials


def confirm(job: Job, pooled: Pooled, trials: Sequence[Trial]) -> None:
    """Compare every box and channel of a tensor with each trial.

    Trials with equal plans are computed once. If too many differ, the last are dropped.
    """
    most = max(1, _CHUNK_BYTES // (int(np.prod(pooled.shape[1:])) * pooled.dtype.itemsize))
    most = min(most, _MOST_PLANNED)
    for on_map in job.by_map():
        allowed = allowance(on_map.channels_first(on_map.features))
        for start in range(0, len(on_map), most):
            chunk = on_map.take(on_map.rows[start : start + most])
            _compare(chunk, allowed, pooled, trials)


def _compare(on_map: OnMap, allowed: Array, pooled: Pooled, trials: Sequence[Trial]) -> None:
    stored = pooled.rows(on_map.rows)
    for number, members in enumerate(_alike(trials, on_map, pooled)):
        if number >= _MOST_CLASSES:
            for trial in members:
                trial.dropped = True
            continue
        first = members[0]
        size = pooled.output_size(first.hypothesis.layout)
        try:
            given = on_map.of(first.job).pool(first.row, size)
        except BoxError as error:  # boxes beyond the range of a float
            for trial in members:
                trial.refused = str(error)
            continue
        expected = on_map.channels_first(given)
        for layout in dict.fromkeys(trial.hypothesis.layout for trial in members):
            values = stored.transpose(layout.axes)
            difference = apart(first.adjust(values) if first.adjust else values, expected)
            tolerances = in_tolerances(difference, expected, allowed, pooled.dtype)
            for trial in members:
                if trial.hypothesis.layout == layout:
                    trial.add(on_map.rows, difference, tolerances)
            pooled.progress(len(on_map))


def _alike(trials: Sequence[Trial], on_map: OnMap, pooled: Pooled) -> Iterable[Sequence[Trial]]:
    """The trials still possible, grouped by equal results on these boxes."""
    classes: dict[tuple[object, ...], list[Trial]] = {}
    for trial in trials:
        if trial.refused is None and not trial.dropped:
            size = pooled.output_size(trial.hypothesis.layout)
            try:
                plan = on_map.of(trial.job).plan(trial.row, size)
            except BoxError as error:
                trial.refused = str(error)
                continue
            fingerprint = trial.see(plan)
            void = repr(trial.row.void_value) if fingerprint.voids else ""
            reduction = (trial.row.kind == "cell", trial.row.reduction, trial.row.max_start)
            key = (size, fingerprint.rows, fingerprint.voids, void, reduction, trial.adjust)
            classes.setdefault(key, []).append(trial)
    return classes.values()


_ALIKE: Final = (2.0, 0.02)  # insignificant mean differences: as a factor, and in tolerances


@dataclass(frozen=True, slots=True)
class Alternative:
    """Trials that fit and differ from each other at most in last bits and empty bins.

    differs: each aspect in which all of them differ from the best → why that is not visible.
    """

    trials: Sequence[Trial]
    differs: dict[str, str]


def ranked(
    trials: Sequence[Trial], cost: Callable[[Trial], tuple[int, int, int]]
) -> list[list[Trial]]:
    """Trials that fit, in groups that differ at most in last bits and empty bins.

    The closest group comes first, then the simplest. Within a group, exact trials come first, then
    the simplest, then the best known.
    """
    groups: dict[object, list[Trial]] = {}
    for trial in trials:
        if trial.fits:
            mine = trial.hypothesis
            key = mine.reading, mine.scale, mine.layout, repr(coarse(trial.row))
            groups.setdefault(key, []).append(trial)
    means = {key: min(trial.mean for trial in group) for key, group in groups.items()}
    close = _ALIKE[0] * min(means.values(), default=0.0) + _ALIKE[1]
    order = sorted(groups, key=lambda key: (means[key] > close, min(map(cost, groups[key]))))
    return [sorted(groups[key], key=lambda trial: (not trial.exact, cost(trial))) for key in order]


def alike(group: Sequence[Trial]) -> Alternative:
    """The trials of a group that are as exact as the best."""
    best = group[0]
    trials = [trial for trial in group if trial.exact == best.exact]
    return Alternative(trials, {k: v for each in trials for k, v in _differs(best, each).items()})


def alternatives(best: Alternative, groups: Sequence[Sequence[Trial]]) -> list[Alternative]:
    """The other groups that fit, without those that merely combine the differences of others.

    groups: all that fit, ranked. A convention that fits without options always stays. Rules that
    no framework computes are left out, unless the best is such a rule itself.
    """
    known = {id(trial) for trial in best.trials}
    nobodys = best.trials[0].hypothesis.rules.is_nobodys
    each = []
    for group in groups:
        of_frameworks = (t for t in group if nobodys or not t.hypothesis.rules.is_nobodys)
        trials = [trial for trial in of_frameworks if id(trial) not in known]
        if trials:
            all_differ = [_differs(best.trials[0], trial) for trial in trials]
            common = set(all_differ[0]).intersection(*all_differ)
            shown = {what: why for what, why in all_differ[0].items() if what in common}
            each.append(Alternative(trials, shown))
    each = [one for one in each if one.differs]
    kept = []
    for one in each:
        smaller = [set(o.differs) for o in each if set(o.differs) < set(one.differs)]
        plain = any(trial.hypothesis.rules.is_plain for trial in one.trials)
        as_read = _OF_THE_FILES.isdisjoint(one.differs)
        if (plain and as_read) or set().union(*smaller) != set(one.differs):
            kept.append(one)
    return kept


_OF_THE_FILES: Final = frozenset(("box format", "scale", "layout"))


def _differs(best: Trial, other: Trial) -> dict[str, str]:
    mine, theirs = best.hypothesis, other.hypothesis
    one, two = effective(best.row), effective(other.row)
    found = {
        aspect: why(best, other)
        for aspect, (fields, why) in _ASPECTS.items()
        # As text, because NaN does not equal itself.
        if any(repr(getattr(one, name)) != repr(getattr(two, name)) for name in fields)
    }
    if "reduction" in found:
        found.pop("start of the maximum", None)
    same_boxes = _why(best, other, "corners", "the boxes are the same")
    if mine.reading != theirs.reading:
        found["box format"] = same_boxes
    if mine.scale != theirs.scale:
        found["scale"] = same_boxes
    if mine.layout != theirs.layout:
        found["layout"] = "the values are the same in both orders"
    return found


_FEATURES: Final = "these features cannot distinguish them"
_SAME_CELLS: Final = "they read the same cells with the same weights"


def _why(best: Trial, other: Trial, digest: str = "rows", reason: str = _SAME_CELLS) -> str:
    """The reason, if these digests of both are equal."""
    one, two = (getattr(trial.fingerprint, digest) for trial in (best, other))
    return reason if one == two else _FEATURES


def _why_ratio(best: Trial, other: Trial) -> str:
    both: tuple[SamplingRatio, ...] = (best.row.sampling_ratio, other.row.sampling_ratio)
    fewest, most = best.counts
    if best.fingerprint.counts != other.fingerprint.counts or "adaptive" not in both:
        return _why(best, other)
    fixed = next((ratio for ratio in both if ratio != "adaptive"), most)
    if fixed == "exact":
        return _FEATURES
    if fewest == most:
        samples = measure(str(fixed), "sample")
        return f"the boxes are too small: adaptive takes {samples} per bin on each of them"
    return f"the boxes are too small: adaptive takes {fewest} to {most} samples per bin"


def _why_void(best: Trial, other: Trial) -> str:
    are_empty = best.fingerprint.voids or other.fingerprint.voids
    return _FEATURES if are_empty else "no bin is empty"


def _why_start(best: Trial, other: Trial) -> str:
    start = max(effective(best.row).max_start, effective(other.row).max_start)
    return f"no maximum is below {minus(f'{start:g}')}"


def _why_rounding(best: Trial, other: Trial) -> str:
    halfway = "no box has a corner halfway between cells whose rounding matters"
    neither = "none" not in (best.row.rounding, other.row.rounding)
    return _why(best, other, "rows", halfway if neither else _SAME_CELLS)


_ASPECTS: Final[dict[str, tuple[tuple[str, ...], Callable[[Trial, Trial], str]]]] = {
    "operator": (("operator",), _why),
    "shift": (("offset_before", "offset_after"), _why),
    "end corner": (("added_pixel", "added_cell"), _why),
    "clipped boxes": (("clipped",), _why),
    "rounding of corners": (("rounding",), _why_rounding),
    "smallest box": (
        ("min_size",),
        partial(_why, digest="sizes", reason="no box is smaller than a cell"),
    ),
    "sampling ratio": (("sampling_ratio",), _why_ratio),
    "samples of small boxes": (("min_samples",), _why),
    "place of a sample": (("sample_at", "shared"), _why),
    "order of arithmetic": (("positions",), lambda *_: "only the last bits differ"),
    "border": (("border",), partial(_why, reason="no sample is off the map")),
    "reduction": (("mode", "max_over"), _why),
    "start of the maximum": (("max_start",), _why_start),
    "empty bins": (("void", "void_max"), _why_void),
    "interpolation": (("interpolation",), _why),
    "coordinates": (("normalized", "inner"), _why),
}
"""Name → fields of a convention, and why a difference in these is not visible."""
