"""How far two tensors may be apart, and hypotheses tested so on every box and channel."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.errors import BoxError
from roicrop.identification.hypotheses import Hypothesis, Reading, reread
from roicrop.identification.pooled import Pooled
from roicrop.job import Job, OnMap, Rows
from roicrop.sampling import Plan

Array = NDArray[Any]

RELATIVE: Final = 1e-5
"""Of a channel's largest magnitude: what another order of float32 sums may change."""

COORDINATE: Final = 2.0**-22
"""The same for each cell of the map's longer side: two units in the last place of a coordinate."""

HALF: Final = 2.0**-10
"""Of a value stored as float16: a unit in its last place."""

_LEAST: Final = 1e-30  # for channels of nothing but zeros


def allowance(features: Array) -> Array:
    """(C,) how far pooled values of a map (C, H, W) may be apart, by each channel's magnitude."""
    flat = features.reshape(len(features), -1)
    kind = np.float64 if features.dtype == np.float64 else np.float32
    peaks: Array = np.maximum(flat.max(axis=1), -flat.min(axis=1)).astype(kind)
    for channel in np.flatnonzero(~np.isfinite(peaks)).tolist():
        finite = flat[channel][np.isfinite(flat[channel])]
        peaks[channel] = np.abs(finite).max(initial=0)
    share = RELATIVE + COORDINATE * max(features.shape[1:])
    allowed: Array = np.maximum(peaks * kind(share), kind(_LEAST))
    return allowed


def apart(pooled: Array, expected: Array) -> Array:
    """|pooled − expected| in float32 or float64: 0 where both are NaN or the same infinity.

    It is ∞ where only one of them is finite. What is expected is first rounded to the dtype of what
    there is.
    """
    expected = expected.astype(pooled.dtype, copy=False)
    real = np.float64 if pooled.dtype == np.float64 else np.float32
    difference: Array = np.subtract(pooled, expected, dtype=real)
    np.abs(difference, out=difference)
    odd = ~np.isfinite(difference)
    if odd.any():
        same = (pooled == expected) | (np.isnan(pooled) & np.isnan(expected))
        difference[odd] = np.where(same, 0.0, np.inf)[odd]
    return difference


def in_tolerances(
    difference: Array, expected: Array, allowed: Array, stored: np.dtype[Any]
) -> Array:
    """Differences (…, C, PH, PW) in units of what is allowed: up to 1 is agreement.

    allowed: (C,) or (n, C), from `allowance`. stored: the dtype of the tensor; float16 is allowed a
    unit in its last place besides.
    """
    units = allowed[..., None, None]
    if stored == np.float16:
        half = HALF * np.abs(expected.astype(np.float32))
        units = units + np.where(np.isfinite(half), half, np.float32(0))
    found: Array = difference / units
    return found


Adjust = Callable[[Array], Array]

_CHUNK_BYTES: Final = 16 << 20  # of pooled values that are compared at a time
_MOST_PLANNED: Final = 2048  # boxes at a time
_CLEARLY: Final = 1e5  # tolerances: as far apart as the largest feature is from 0
_MOST_CLASSES: Final = 24  # computations that differ; more there are only where nothing tells


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a plan says of all boxes, as digests: two that are equal stand for equal numbers.

    corners, sizes, counts: of the boxes, in cells and samples. voids: the bins that are empty.
    rows: cells and weights.
    """

    corners: bytes = b""
    sizes: bytes = b""
    counts: bytes = b""
    voids: bytes = b""
    rows: bytes = b""

    @classmethod
    def of(cls, plan: Plan) -> Fingerprint:
        """The fingerprint of one plan."""
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

    def then(self, other: Fingerprint) -> Fingerprint:
        """That of these boxes and those."""
        return Fingerprint(
            *(
                hashlib.blake2b(mine + theirs, digest_size=16).digest() if mine or theirs else b""
                for mine, theirs in (
                    (getattr(self, name), getattr(other, name)) for name in self.__slots__
                )
            )
        )


def _digest(*arrays: Array) -> bytes:
    state = hashlib.blake2b(digest_size=16)
    for array in arrays:
        state.update(np.ascontiguousarray(array).view(np.uint8).data)
    return state.digest()


@dataclass(slots=True)
class Trial:
    """A hypothesis and how it does.

    job: all boxes, as the hypothesis reads them.
    worst: (K,) the largest difference of each box in tolerances; NaN for those not compared.
    adjust: done to the tensor's values (n, C, PH, PW) before they are compared, or None.
    total: the sum of the differences in tolerances, each at most `_CLEARLY`. values: how many.
    largest: the largest absolute difference.
    fingerprint: of all plans. counts: the fewest and the most samples per bin.
    refused: why the hypothesis cannot be, if it refuses a box. dropped: whether nobody looked.
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
        """Its rules, by the first of their names."""
        return self.hypothesis.rules.convention

    def see(self, plan: Plan) -> Fingerprint:
        """Take in the plan of some boxes; its own fingerprint."""
        fingerprint = Fingerprint.of(plan)
        self.fingerprint = self.fingerprint.then(fingerprint)
        counts = np.concatenate([axis.count for axis in plan.axes])
        self.counts = min(self.counts[0], int(counts.min())), max(self.counts[1], int(counts.max()))
        return fingerprint

    def add(self, rows: Rows, difference: Array, tolerances: Array) -> None:
        """Take in how far these boxes (n, C, PH, PW) are apart."""
        self.worst[rows] = tolerances.max(axis=(1, 2, 3))
        self.total += float(np.minimum(tolerances, _CLEARLY).sum(dtype=np.float64))
        self.values += tolerances.size
        self.largest = max(self.largest, float(difference.max()))

    @property
    def compared(self) -> int:
        """How many boxes were compared."""
        return int((~np.isnan(self.worst)).sum())

    @property
    def agreeing(self) -> int:
        """How many of them agree."""
        return int((self.worst <= 1.0).sum())

    @property
    def fits(self) -> bool:
        """Whether all boxes that were compared agree."""
        looked = self.refused is None and not self.dropped
        return looked and 0 < self.agreeing == self.compared

    @property
    def exact(self) -> bool:
        """Whether it gives the tensor to the bit."""
        return self.fits and self.largest == 0.0

    @property
    def mean(self) -> float:
        """The mean difference, in tolerances."""
        return self.total / max(self.values, 1)


def trials_of(hypotheses: Iterable[Hypothesis], job: Job) -> list[Trial]:
    """A trial of each hypothesis on all boxes of a job."""
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
    """Compare every box and channel of a tensor with what each trial gives.

    Trials whose plans are equal are computed once. If there are too many that are not, the last of
    them are dropped.
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
        except BoxError as error:  # of boxes beyond the range of a float
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
    """The trials that nothing speaks against, those that give the same for these boxes together."""
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
