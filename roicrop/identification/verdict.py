"""The search for a convention from start to end, and its result in words and for JSON."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from roicrop import conventions
from roicrop.boxes import find_bad
from roicrop.conventions import LEVEL_RULES, effective
from roicrop.errors import BoxError, RoicropError
from roicrop.identification.hypotheses import Reading, given_reading
from roicrop.identification.pooled import COORDINATE, HALF, RELATIVE, Pooled
from roicrop.identification.probe import choose
from roicrop.identification.residual import Residual, find_residual
from roicrop.identification.search import Found, search
from roicrop.identification.trials import (
    Alternative,
    Trial,
    alike,
    alternatives,
    confirm,
    ranked,
    trials_of,
)
from roicrop.job import Job, command_line, convention_options, rules
from roicrop.text import headed, many


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of an identification.

    pooled: the tensor. given: the reading of the boxes that files and options declare.
    fits: all trials that fit, the best first; some may compute the same.
    best: the best of them, with those that differ from it at most in last bits and empty bins, the
        best known first; if some are exact, only these.
    others: other trials that fit, and why they cannot be distinguished from the best.
    nearest, residual: if nothing fits, the nearest trial and how the tensor differs from it.
    tells: False if the tensor is constant.
    tried: the number of hypotheses. left_out: candidates not tested because too many fit.
    level_rules: for a pyramid, the rules that put every box on the level where it was found.
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


@np.errstate(all="ignore")  # the tensor may hold any values
def identify(job: Job, pooled: Pooled) -> Verdict:
    """Find the convention and parameters that made a tensor from the boxes of a job.

    All hypotheses are tried on a few boxes and channels, and those that fit on everything. A
    hypothesis fits if every value of every box is within the tolerance (see `allowance`).

    Raises BoxError if there is no box to compare, and the errors of reading the files.
    """
    start = time.perf_counter()
    best: Verdict | None = None
    for names, on_levels in _by_level_rule(job):
        found = dataclasses.replace(_identify(on_levels, pooled, start), level_rules=names)
        if best is None or _better(found, best):
            best = found
        if found.fits:
            break
    if best is None:
        raise BoxError(f"{job.table.source.name} has no box to compare with {pooled.path}")
    return best


def _by_level_rule(job: Job) -> Iterator[tuple[list[str], Job]]:
    """The job; for a pyramid, one with each set of levels, and the names of its level rules.

    The levels are those of the boxes as declared.
    """
    if job.level_rule is None:
        if job.is_pooled.any():
            yield [], job
        return
    named: dict[bytes, list[str]] = {}
    levels: dict[bytes, Job] = {}
    for name in dict.fromkeys([job.convention.level_rule, *LEVEL_RULES]):
        try:
            under = job.under(dataclasses.replace(job.convention, level_rule=name))
        except RoicropError:  # the rule refuses a box, or these strides
            continue
        if under.is_pooled.any():
            key = under.level.tobytes()
            named.setdefault(key, []).append(name)
            levels.setdefault(key, dataclasses.replace(under, given_level=under.level))
    for key, names in named.items():
        yield names, levels[key]


def _better(one: Verdict, other: Verdict) -> bool:
    """True if `one` fits, or comes nearer than `other`."""
    if one.nearest is None or other.nearest is None:
        return one.nearest is None
    first, second = ((v.nearest.agreeing, -v.nearest.mean) for v in (one, other) if v.nearest)
    return first > second


def _identify(job: Job, pooled: Pooled, start: float) -> Verdict:
    """The verdict for boxes on fixed levels."""
    given = given_reading(job)
    probe = choose(job, pooled)
    found = search(probe, pooled)
    trials = trials_of(found.fitting, job)
    confirm(job, pooled, trials)
    groups = ranked(trials, lambda trial: trial.hypothesis.cost(given, job.source.channels_last))
    fits = [trial for group in groups for trial in group]
    best = alike(groups[0]) if groups else None
    nearest = residual = None
    if not fits:
        likely = _nearest(job, pooled, found, trials)
        nearest, residual = find_residual(pooled, probe, likely)
    return Verdict(
        pooled=pooled,
        given=given,
        fits=fits,
        best=best,
        others=alternatives(best, groups) if best else [],
        nearest=nearest,
        residual=residual,
        tells=probe.tells,
        tried=found.tried,
        left_out=found.left_out + sum(trial.dropped for trial in trials),
        seconds=time.perf_counter() - start,
    )


def _nearest(job: Job, pooled: Pooled, found: Found, trials: Sequence[Trial]) -> Trial:
    """The trial that most boxes agree with; if none do, the one most like the probe's values."""
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
    "most boxes are off their maps in every format and at every scale tried: give --stride"
)


_MOST_OTHERS: Final = 12


def facts(verdict: Verdict, job: Job) -> dict[str, Any]:
    """The verdict in plain values, for JSON."""
    pooled, source = verdict.pooled, job.source
    differs = {id(trial): one.differs for one in verdict.others for trial in one.trials}
    alike = {id(trial) for trial in verdict.best.trials} if verdict.best else set()
    return {
        "fits": bool(verdict.fits),
        "pooled": {"path": pooled.path, "shape": pooled.shape, "dtype": str(pooled.dtype)},
        "features": {"path": source.path, "dataset": source.dataset, "channels": source.channels},
        "boxes": {
            "path": job.table.source.path,
            "count": len(job),
            "compared": int(job.is_pooled.sum()),
        },
        "tolerance": {
            "of_largest_feature": RELATIVE,
            "of_largest_feature_for_each_cell": COORDINATE,
            "of_each_value": HALF if pooled.dtype.itemsize == 2 else 0.0,
        },
        "answers": [
            {
                **_answer(trial, verdict, job),
                "differs": differs.get(id(trial), {}),
                "alike": id(trial) in alike,
            }
            for trial in verdict.fits
        ],
        "nearest": _answer(verdict.nearest, verdict, job) if verdict.nearest else None,
        "residual": dataclasses.asdict(verdict.residual) if verdict.residual else None,
        "constant": not verdict.tells,
        "tried": verdict.tried,
        "left_out": verdict.left_out,
        "level_rules": list(verdict.level_rules),
        "seconds": round(verdict.seconds, 3),
    }


def in_words(verdict: Verdict, job: Job) -> Iterator[str]:
    """The verdict in lines of text."""
    for heading, text in _paragraphs(verdict, job):
        yield headed(heading, text)


def _answer(trial: Trial, verdict: Verdict, job: Job) -> dict[str, Any]:
    hypothesis, row = trial.hypothesis, trial.row
    height, width = verdict.pooled.output_size(hypothesis.layout)
    scales = [scale.value for scale in trial.job.scales]
    return {
        "convention": row.name,
        "also_called": hypothesis.rules.names[1:],
        "options": convention_options(row),
        "operator": row.operator,
        "sampling_ratio": row.sampling_ratio,
        "mode": row.mode,
        "aligned": row.aligned,
        "rules": rules(effective(row)),
        "box_format": hypothesis.reading.box_format,
        "normalized": hypothesis.reading.normalized,
        "inclusive": hypothesis.reading.inclusive,
        "spatial_scale": scales[0] if len(scales) == 1 else None,
        "scale_is_given": hypothesis.scale is None,
        "layout": str(hypothesis.layout),
        "output_size": (height, width),
        "agreeing": trial.agreeing,
        "largest_difference": trial.largest,
        "mean_in_tolerances": trial.mean,
        "command": _command(trial, verdict, job),
    }


def _paragraphs(verdict: Verdict, job: Job) -> Iterator[tuple[str, str]]:
    pooled = verdict.pooled
    if verdict.best:
        best = verdict.best.trials[0]
        alike = ", which are equivalent" if len(best.hypothesis.rules.named) > 1 else ""
        if len(verdict.best.trials) > 1:
            alike = ", which these values cannot distinguish"
        yield "identify", f"{pooled.path} is {_names(verdict.best.trials)}{alike}"
    else:
        assert verdict.nearest is not None
        assert verdict.residual is not None
        best = verdict.nearest
        if verdict.residual.kind == "unlike":
            yield "identify", f"{pooled.path} matches no convention: {verdict.residual.text}"
            return
        yield "identify", f"{pooled.path} matches no convention; nearest is {_names([best])}"
        yield "difference", verdict.residual.text
        if verdict.residual.kind in ("factor", "rows", "channels", "shift"):
            yield "with that", _agreement(best, job)
    yield "rules", conventions.in_words.rules(best.row)
    reading = best.hypothesis.reading
    instead = "" if reading == verdict.given else f" (not {verdict.given})"
    yield "boxes", f"{reading}{instead}, {_scale(best)}"
    if verdict.level_rules:
        alike = ", which put all boxes on the same levels" if len(verdict.level_rules) > 1 else ""
        yield "levels", f"by the rule of {_listed(verdict.level_rules, 'or')}{alike}"
    yield "tensor", f"{'×'.join(map(str, pooled.shape))} {pooled.dtype}, {best.hypothesis.layout}"
    if verdict.fits:
        yield "agreement", _agreement(best, job)
    yield "command", _command(best, verdict, job)
    if verdict.best and verdict.best.differs:
        yield "they differ", f"in {_reasons(verdict.best.differs)}"
    if not verdict.tells:
        yield "but", "constant tensor; it cannot distinguish conventions"
    for one in verdict.others[:_MOST_OTHERS]:
        yield "or", f"{_name_apart(one)}: the same except for {_reasons(one.differs)}"
    more = len(verdict.others[_MOST_OTHERS:]) + verdict.left_out
    if more:
        yield "or", f"one of {more:,} more, which these data cannot distinguish"


def _names(trials: Sequence[Trial]) -> str:
    """The conventions' names, with the options that they need."""
    names: dict[str, list[str]] = {}
    for trial in trials:
        for row in trial.hypothesis.rules.named:
            options = convention_options(row).items()
            said = " ".join(f"{option} {value}".strip() for option, value in options)
            names.setdefault(said, []).append(row.name)
    with_options = [
        _listed(each, "or") + (f" with {said}" if said else "") for said, each in names.items()
    ]
    return _listed(with_options, "or")


def _name_apart(one: Alternative) -> str:
    """Its names, and its boxes, scale and layout where they differ from the best."""
    trial = one.trials[0]
    said = {
        "box format": f"boxes {trial.hypothesis.reading}",
        "scale": _scale(trial),
        "layout": f"axes {trial.hypothesis.layout}",
    }
    return ", ".join([_names(one.trials), *(said[key] for key in said if key in one.differs)])


def _reasons(differs: Mapping[str, str]) -> str:
    return _listed([f"{aspect} ({why})" for aspect, why in differs.items()], "and")


def _listed(texts: Sequence[str], last: str) -> str:
    return f" {last} ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _scale(trial: Trial) -> str:
    scales = trial.job.scales
    if len(scales) != 1:
        return "each image's own scale"
    value, given = scales[0].value, trial.hypothesis.scale is None
    origin = f" ({scales[0].origin})" if given else " (not as given)"
    return f"scale {value:g}, stride {1 / value:g}{origin}"


def _agreement(trial: Trial, job: Job) -> str:
    channels = job.source.channels
    where = f"on all {channels:,} channels" if channels > 1 else "on the only channel"
    agreeing = f"{trial.agreeing:,} of {many(trial.compared, 'box', 'boxes')}"
    return f"{agreeing} {where}; largest difference {trial.largest:.2g}"


def _command(trial: Trial, verdict: Verdict, job: Job) -> str:
    """The command line that makes the tensor, or the nearest to it."""
    hypothesis, asked, row = trial.hypothesis, job.request, trial.row
    box_format = hypothesis.reading.box_format
    if verdict.level_rules and row.level_rule not in verdict.level_rules:
        row = dataclasses.replace(row, level_rule=verdict.level_rules[0])
    is_bad = job.bad > 0 or bool(find_bad(trial.job.corners).mask.any())
    is_usual = asked.box_format is None and box_format == job.table.box_format
    request = dataclasses.replace(
        asked,
        convention=row,
        output_size=verdict.pooled.output_size(hypothesis.layout),
        box_format=None if is_usual else box_format,
        normalized=hypothesis.reading.normalized,
        inclusive=hypothesis.reading.inclusive,
        spatial_scale=hypothesis.scale or asked.spatial_scale,
        on_bad_box=asked.on_bad_box if is_bad else "error",
        threads=None,
    )
    words = command_line(request, "OUT.h5")
    if verdict.pooled.dtype != job.source.dtype:
        words += ["--dtype", str(verdict.pooled.dtype)]
    return shlex.join(words)
