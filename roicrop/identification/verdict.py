"""The question from one end to the other."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from roicrop.conventions import LEVEL_RULES
from roicrop.errors import BoxError, RoicropError
from roicrop.identification.alternatives import Alternative, alike, alternatives, ranked
from roicrop.identification.confirm import Trial, confirm, trials_of
from roicrop.identification.hypotheses import Reading
from roicrop.identification.pooled import Pooled
from roicrop.identification.probe import Probe, choose
from roicrop.identification.rereading import given_reading
from roicrop.identification.residual import Residual, find_residual
from roicrop.identification.search import Found, search
from roicrop.job import Job


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
