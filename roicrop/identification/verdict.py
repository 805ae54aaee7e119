"""The question from one end to the other."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from roicrop.conventions import LEVEL_RULES, SamplingRatio, coarse, effective
from roicrop.errors import BoxError, RoicropError
from roicrop.identification.confirm import Trial, confirm, trials_of
from roicrop.identification.hypotheses import Reading, given_reading
from roicrop.identification.pooled import Pooled
from roicrop.identification.probe import Probe, choose
from roicrop.identification.residual import Residual, find_residual
from roicrop.identification.search import Found, search
from roicrop.job import Job
from roicrop.text import measure, minus

_ALIKE: Final = (2.0, 0.02)  # mean differences, as a factor and in tolerances, that say nothing


@dataclass(frozen=True, slots=True)
class Alternative:
    """Trials that fit, and differ from one another in last bits and empty bins at most.

    differs: what sets all of them apart from the best → why that does not show.
    """

    trials: Sequence[Trial]
    differs: dict[str, str]


Cost = Callable[[Trial], tuple[int, int, int]]


def ranked(trials: Sequence[Trial], cost: Cost) -> list[list[Trial]]:
    """Those that fit, each with those that differ from it in last bits and empty bins at most.

    The closest group comes first, and of those that are as close the simplest. In a group, what
    gives the values to the bit comes first, then the simplest, then the best known.
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
    """The best of a group; if it does not give the tensor to the bit, all of the group."""
    best = group[0]
    trials = [trial for trial in group if trial.exact == best.exact]
    return Alternative(trials, {k: v for each in trials for k, v in _differs(best, each).items()})


def alternatives(best: Alternative, groups: Sequence[Sequence[Trial]]) -> list[Alternative]:
    """What else fits, without what differs only in what several others differ in.

    groups: all that fit, ranked. A convention that fits as it is always stays. What no framework
    computes does not, unless the best is such too.
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
    found = {
        aspect: why(best, other)
        for aspect, (fields, why) in _ASPECTS.items()
        if any(_field(best, name) != _field(other, name) for name in fields)
    }
    if "reduction" in found:
        found.pop("start of the maximum", None)
    if mine.reading != theirs.reading:
        found["box format"] = _by(best.fingerprint.corners == other.fingerprint.corners, _SAME_BOX)
    if mine.scale != theirs.scale:
        found["scale"] = _by(best.fingerprint.corners == other.fingerprint.corners, _SAME_BOX)
    if mine.layout != theirs.layout:
        found["layout"] = "the values are the same in both orders"
    return found


def _field(trial: Trial, name: str) -> str:
    return repr(getattr(effective(trial.row), name))  # NaN is itself, in text


def _by(holds: bool, reason: str) -> str:
    return reason if holds else _FEATURES


_FEATURES: Final = "these features cannot tell"
_SAME_BOX: Final = "the boxes come to the same"


def _why_ratio(best: Trial, other: Trial) -> str:
    both: tuple[SamplingRatio, ...] = (best.row.sampling_ratio, other.row.sampling_ratio)
    fewest, most = best.counts
    if best.fingerprint.counts != other.fingerprint.counts or "adaptive" not in both:
        return _by(best.fingerprint.rows == other.fingerprint.rows, "they read the same")
    fixed = next((ratio for ratio in both if ratio != "adaptive"), most)
    if fixed == "exact":
        return _FEATURES
    if fewest == most:
        samples = measure(str(fixed), "sample")
        return f"the boxes are too small: adaptive takes {samples} a bin on each of them"
    return f"the boxes are too small: adaptive takes {fewest} to {most} samples per bin"


def _why_minimum(best: Trial, other: Trial) -> str:
    same = best.fingerprint.sizes == other.fingerprint.sizes
    return _by(same, "no box is smaller than a cell")


def _why_void(best: Trial, other: Trial) -> str:
    return _by(not (best.fingerprint.voids or other.fingerprint.voids), "no bin is empty")


def _why_border(best: Trial, other: Trial) -> str:
    return _by(best.fingerprint.rows == other.fingerprint.rows, "no sample is off the map")


def _why_start(best: Trial, other: Trial) -> str:
    start = max(effective(best.row).max_start, effective(other.row).max_start)
    return f"no maximum is below {minus(f'{start:g}')}"


def _why_rounding(best: Trial, other: Trial) -> str:
    both = {best.row.rounding, other.row.rounding}
    same = best.fingerprint.rows == other.fingerprint.rows
    if same and "none" not in both:
        return "no box has a corner half-way between cells whose rounding changes it"
    return _by(same, "they read the same")


def _why_features(best: Trial, other: Trial) -> str:
    return _by(best.fingerprint.rows == other.fingerprint.rows, "they read the same")


_Why = Callable[[Trial, Trial], str]
_ASPECTS: Final[dict[str, tuple[tuple[str, ...], _Why]]] = {
    "operator": (("operator",), _why_features),
    "shift": (("offset_before", "offset_after"), _why_features),
    "end corner": (("added_pixel", "added_cell"), _why_features),
    "clipped boxes": (("clipped",), _why_features),
    "rounding of corners": (("rounding",), _why_rounding),
    "smallest box": (("min_size",), _why_minimum),
    "sampling ratio": (("sampling_ratio",), _why_ratio),
    "samples of small boxes": (("min_samples",), _why_features),
    "place of a sample": (("sample_at", "shared"), _why_features),
    "order of arithmetic": (("positions",), lambda *_: "only last bits differ"),
    "border": (("border",), _why_border),
    "reduction": (("mode", "max_over"), _why_features),
    "start of the maximum": (("max_start",), _why_start),
    "empty bins": (("void", "void_max"), _why_void),
    "interpolation": (("interpolation",), _why_features),
    "coordinates": (("normalized", "inner"), _why_features),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer.

    pooled: the tensor. given: what file and options say of the boxes.
    fits: all that fit, the best first; some may compute the same.
    best: of these, the best and what differs from it in last bits and empty bins at most, the best
        known first; where some give the tensor to the bit, these alone.
    others: of the rest, the ways in which the best cannot be told from another.
    nearest, residual: where nothing fits, what comes nearest and what is left.
    tells: whether the tensor's values differ at all.
    tried: how many hypotheses there were. left_out: how many that may fit were not confirmed,
        because too many did.
    seconds: how long it took.
    level_rules: those that put every box on the level where it was found, for a pyramid.
    """

    pooled: Pooled
    given: Reading
    fits: Sequence[Trial]
    best: Alternative | None
    others: Sequence[Alternative]
    nearest: Trial | None
    residual: Residual | None
    tells: bool
    tried: int
    left_out: int
    seconds: float
    level_rules: Sequence[str] = ()


@np.errstate(all="ignore")  # the numbers in question may be any
def identify(job: Job, pooled: Pooled) -> Verdict:
    """Say which convention and parameters made a tensor from the boxes of a job.

    All hypotheses are tried on a few boxes and channels, and those that fit on everything. A
    hypothesis fits if every value of every box is within the tolerance (see `agreement.py`).

    Raises BoxError if there is no box to compare, and what reading the files raises.
    """
    start = time.perf_counter()
    best: Verdict | None = None
    for rules, on_levels in _by_level_rule(job):
        found = dataclasses.replace(_identify(on_levels, pooled, start), level_rules=rules)
        if best is None or _better(found, best):
            best = found
        if found.fits:
            break
    if best is None:
        raise BoxError(f"{job.table.source.name} has no box to compare {pooled.path} by")
    return best


def _by_level_rule(job: Job) -> Iterator[tuple[list[str], Job]]:
    """The job, and for a pyramid with boxes on the levels of each rule; which rules those are.

    The levels are those of the boxes as they are said to be read.
    """
    if job.level_rule is None:
        if job.is_pooled.any():
            yield [], job
        return
    rules: dict[bytes, list[str]] = {}
    levels: dict[bytes, Job] = {}
    for name in dict.fromkeys([job.convention.level_rule, *LEVEL_RULES]):
        try:
            under = job.under(dataclasses.replace(job.convention, level_rule=name))
        except RoicropError:  # it refuses a box, or these strides
            continue
        if under.is_pooled.any():
            key = under.level.tobytes()
            rules.setdefault(key, []).append(name)
            levels.setdefault(key, dataclasses.replace(under, given_level=under.level))
    for key, names in rules.items():
        yield names, levels[key]


def _better(one: Verdict, other: Verdict) -> bool:
    """Whether it fits, or comes nearer."""
    if one.nearest is None or other.nearest is None:
        return one.nearest is None
    first, second = ((v.nearest.agreeing, -v.nearest.mean) for v in (one, other) if v.nearest)
    return first > second


def _identify(job: Job, pooled: Pooled, start: float) -> Verdict:
    """The verdict with boxes on the maps that they are on."""
    given = given_reading(job)
    probe = choose(job, pooled)
    found = search(probe, pooled)
    trials = trials_of(found.fitting, job)
    confirm(job, pooled, trials)
    groups = ranked(trials, lambda trial: trial.hypothesis.cost(given, job.source.channels_last))
    fits = [trial for group in groups for trial in group]
    best = alike(groups[0]) if groups else None
    nearest: Trial | None = None
    residual: Residual | None = None
    if not fits:
        nearest, residual = find_residual(
            pooled, probe, _nearest(job, pooled, probe, found, trials)
        )
    return Verdict(
        pooled,
        given,
        fits,
        best,
        alternatives(best, groups) if best else [],
        nearest,
        residual,
        probe.tells,
        found.tried,
        found.left_out + sum(trial.dropped for trial in trials),
        time.perf_counter() - start,
    )


def _nearest(
    job: Job, pooled: Pooled, probe: Probe, found: Found, trials: Sequence[Trial]
) -> Trial:
    """What gives most boxes; where nothing gives any, what is most like the probe's values."""
    likely = trials_of(found.nearest[:_LIKELY], job)
    confirm(job, pooled, likely)
    both = (*trials, *likely)
    whole = [trial for trial in both if trial.refused is None and not trial.dropped]
    if not whole:
        why = next((trial.refused for trial in both if trial.refused), _NOTHING_LIKELY)
        raise BoxError(f"{job.table.source.name}: {why}")
    most = max(whole, key=lambda trial: (trial.agreeing, -trial.mean))
    return most if most.agreeing else next((each for each in likely if each in whole), most)


_LIKELY: Final = 3
_NOTHING_LIKELY: Final = (
    "read in any way, at any scale that was tried, most boxes are off their maps: give --stride"
)
