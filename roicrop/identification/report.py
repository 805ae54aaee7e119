"""The answer in words, and as JSON has it."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from roicrop import conventions
from roicrop.boxes import find_bad
from roicrop.conventions import Convention, effective
from roicrop.identification.confirm import COORDINATE, HALF, RELATIVE, Trial
from roicrop.identification.verdict import Alternative, Verdict
from roicrop.job import Job, command_line, convention_options, rules
from roicrop.text import headed

_MOST_OTHERS: Final = 12


def facts(verdict: Verdict, job: Job) -> dict[str, Any]:
    """Everything there is to say, of plain values."""
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
    """The lines of the answer."""
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
        alike = ", which compute the same" if len(best.hypothesis.rules.named) > 1 else ""
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
    yield "boxes", f"{best.hypothesis.reading}{_as_said(best, verdict)}, {_scale(best)}"
    if verdict.level_rules:
        alike = ", which put all boxes on the same levels" if len(verdict.level_rules) > 1 else ""
        yield "levels", f"by the rule of {_listed(verdict.level_rules, 'or')}{alike}"
    shape = "×".join(map(str, pooled.shape))
    yield "tensor", f"{shape} {pooled.dtype}, {best.hypothesis.layout}"
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
    """The names they go by, and the options that these need."""
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
    """Its names, and what it says of boxes and tensor where that is not what the best says."""
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


def _as_said(trial: Trial, verdict: Verdict) -> str:
    return "" if trial.hypothesis.reading == verdict.given else f" (not {verdict.given})"


def _scale(trial: Trial) -> str:
    scales = trial.job.scales
    if len(scales) != 1:
        return "each image's own scale"
    value, given = scales[0].value, trial.hypothesis.scale is None
    origin = f" ({scales[0].origin})" if given else " (not as given)"
    return f"scale {value:g}, stride {1 / value:g}{origin}"


def _agreement(trial: Trial, job: Job) -> str:
    return (
        f"{trial.agreeing:,} of {trial.compared:,} boxes on all {job.source.channels:,} channels; "
        f"largest difference {trial.largest:.2g}"
    )


def _command(trial: Trial, verdict: Verdict, job: Job) -> str:
    """The command line that makes the tensor, or what comes nearest to it."""
    hypothesis, asked = trial.hypothesis, job.request
    request = dataclasses.replace(
        asked,
        convention=_with_level_rule(trial.row, verdict),
        output_size=verdict.pooled.output_size(hypothesis.layout),
        box_format=hypothesis.reading.box_format if _box_format_said(trial, job) else None,
        normalized=hypothesis.reading.normalized,
        inclusive=hypothesis.reading.inclusive,
        spatial_scale=hypothesis.scale or asked.spatial_scale,
        on_bad_box=asked.on_bad_box if _has_bad(trial, job) else "error",
        threads=None,
    )
    words = command_line(request, "OUT.h5")
    if verdict.pooled.dtype != job.source.dtype:
        words += ["--dtype", str(verdict.pooled.dtype)]
    return shlex.join(words)


def _with_level_rule(row: Convention, verdict: Verdict) -> Convention:
    """The row, with a rule that the levels are by."""
    if not verdict.level_rules or row.level_rule in verdict.level_rules:
        return row
    return dataclasses.replace(row, level_rule=verdict.level_rules[0])


def _box_format_said(trial: Trial, job: Job) -> bool:
    """Whether the command has to say what order the coordinates are in."""
    return trial.job.table.box_format != job.table.box_format or job.request.box_format is not None


def _has_bad(trial: Trial, job: Job) -> bool:
    """Whether `align` would refuse a box that was let through here."""
    return job.bad > 0 or bool(find_bad(trial.job.corners).mask.any())
