"""The answer in words, and as JSON has it."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from typing import Any, Final

from roicrop.boxes import find_bad
from roicrop.identification.agreement import COORDINATE, HALF, RELATIVE
from roicrop.identification.alternatives import Alternative
from roicrop.identification.candidates import effective, options
from roicrop.identification.confirm import Trial
from roicrop.identification.verdict import Verdict
from roicrop.job import Job
from roicrop.text import minus

_MOST_OTHERS: Final = 12


def facts(verdict: Verdict, job: Job) -> dict[str, Any]:
    """Everything there is to say, of plain values."""
    pooled, source = verdict.pooled, job.source
    others = {id(one.trial): one.differs for one in verdict.others}
    return {
        "fits": bool(verdict.fits),
        "pooled": {"path": pooled.path, "shape": pooled.shape, "dtype": str(pooled.dtype)},
        "features": {"path": source.path, "dataset": source.dataset, "channels": source.channels},
        "boxes": {"path": job.table.path, "count": len(job), "compared": int(job.is_pooled.sum())},
        "tolerance": {
            "of_largest_feature": RELATIVE,
            "of_largest_feature_for_each_cell": COORDINATE,
            "of_each_value": HALF if pooled.dtype.itemsize == 2 else 0.0,
        },
        "answers": [
            {**_answer(trial, verdict, job), "differs": others.get(id(trial), {})}
            for trial in verdict.fits
        ],
        "nearest": _answer(verdict.nearest, verdict, job) if verdict.nearest else None,
        "residual": dataclasses.asdict(verdict.residual) if verdict.residual else None,
        "constant": not verdict.tells,
        "tried": verdict.tried,
        "left_out": verdict.left_out,
        "seconds": round(verdict.seconds, 3),
    }


def in_words(verdict: Verdict, job: Job) -> Iterator[str]:
    """The lines of the answer."""
    for heading, text in _paragraphs(verdict, job):
        yield f"{heading:<11} {text}"


def _answer(trial: Trial, verdict: Verdict, job: Job) -> dict[str, Any]:
    candidate, row = trial.candidate, trial.row
    height, width = verdict.pooled.output_size(candidate.layout)
    scales = [scale.value for scale in trial.job.scales]
    rules = dataclasses.asdict(effective(row))
    return {
        "convention": row.name,
        "also_called": candidate.rules.names[1:],
        "options": options(row),
        "operator": row.operator,
        "sampling_ratio": row.sampling_ratio,
        "mode": row.mode,
        "aligned": row.aligned,
        "rules": {key: value for key, value in rules.items() if key not in _WORDS},
        "box_format": candidate.reading.box_format,
        "normalized": candidate.reading.normalized,
        "inclusive": candidate.reading.inclusive,
        "spatial_scale": scales[0] if len(scales) == 1 else None,
        "scale_is_given": candidate.scale is None,
        "layout": str(candidate.layout),
        "output_size": (height, width),
        "agreeing": trial.agreeing,
        "largest_difference": trial.largest,
        "mean_in_tolerances": trial.mean,
        "command": _command(trial, verdict, job),
    }


_WORDS: Final = ("name", "program", "surprise", "verified")


def _paragraphs(verdict: Verdict, job: Job) -> Iterator[tuple[str, str]]:
    pooled = verdict.pooled
    if verdict.fits:
        best = verdict.fits[0]
        alike = ", which compute the same" if len(best.candidate.rules.names) > 1 else ""
        yield "identify", f"{pooled.path} is {_names(best)}{alike}"
    else:
        assert verdict.nearest is not None
        assert verdict.residual is not None
        best = verdict.nearest
        if verdict.residual.kind == "unlike":
            yield "identify", f"{pooled.path} fits nothing: {verdict.residual.text}"
            return
        yield "identify", f"{pooled.path} fits nothing; nearest is {_names(best)}"
        yield "difference", verdict.residual.text
        if verdict.residual.kind in ("factor", "channels", "shift"):
            yield "with that", _agreement(best, job)
    yield "rules", _rules(best)
    yield "boxes", f"{best.candidate.reading}{_as_said(best, verdict)}, {_scale(best)}"
    shape = "×".join(map(str, pooled.shape))
    yield "tensor", f"{shape} {pooled.dtype}, {best.candidate.layout}"
    if verdict.fits:
        yield "agreement", _agreement(best, job)
    command = _command(best, verdict, job)
    if command:
        yield "command", command
    if not verdict.tells:
        yield "but", "the tensor is one value throughout, which tells little"
    for one in verdict.others[:_MOST_OTHERS]:
        reasons = [f"{aspect} ({why})" for aspect, why in one.differs.items()]
        yield "or", f"{_name_apart(one)}: the same but for {_listed(reasons, 'and')}"
    more = len(verdict.others[_MOST_OTHERS:]) + verdict.left_out
    if more:
        yield "or", f"one of {more:,} more, which these data do not tell apart"


def _names(trial: Trial) -> str:
    """The names it goes by, and the options that they need."""
    said = " ".join(f"{option} {value}".strip() for option, value in options(trial.row).items())
    return _listed(trial.candidate.rules.names, "or") + (f" with {said}" if said else "")


def _name_apart(one: Alternative) -> str:
    """Its names, and what it says of boxes and tensor where that is not what the best says."""
    trial = one.trial
    said = {
        "box format": f"boxes {trial.candidate.reading}",
        "scale": _scale(trial),
        "layout": f"axes {trial.candidate.layout}",
    }
    return ", ".join([_names(trial), *(said[key] for key in said if key in one.differs)])


def _listed(texts: Sequence[str], last: str) -> str:
    return f" {last} ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _rules(trial: Trial) -> str:
    row = trial.row
    if row.operator == "pool":
        return f"RoIPool, {row.mode}: {row.program}"
    ratio = str(row.sampling_ratio)
    taken = {"adaptive": "as many samples as a bin has cells", "exact": "the exact integral"}
    samples = taken.get(ratio, f"{ratio}×{ratio} samples a bin")
    moves = []
    if row.offset_before:
        moves.append(f"{_signed(row.offset_before)} pixels before scaling")
    if row.offset_after:
        moves.append(f"{_signed(row.offset_after)} cells{' after it' if moves else ''}")
    moved = f", corners moved {' and '.join(moves)}" if moves else ""
    return f"{samples}, {row.mode}{moved}: {row.program}"


def _signed(offset: float) -> str:
    return minus(f"{offset:+g}")


def _as_said(trial: Trial, verdict: Verdict) -> str:
    return "" if trial.candidate.reading == verdict.given else f" (not {verdict.given})"


def _scale(trial: Trial) -> str:
    scales = trial.job.scales
    if len(scales) != 1:
        return "each image's own scale"
    value, given = scales[0].value, trial.candidate.scale is None
    origin = f" ({scales[0].origin})" if given else " (not as given)"
    return f"scale {value:g}, stride {1 / value:g}{origin}"


def _agreement(trial: Trial, job: Job) -> str:
    return (
        f"{trial.agreeing:,} of {trial.compared:,} boxes on all {job.source.channels:,} channels; "
        f"largest difference {trial.largest:.2g}"
    )


def _command(trial: Trial, verdict: Verdict, job: Job) -> str | None:
    """The command line that makes the tensor; None where no options say so."""
    row, candidate, request = trial.row, trial.candidate, job.request
    if trial.adjust is not None:
        return None
    height, width = verdict.pooled.output_size(candidate.layout)
    scale = trial.job.scales[0].value if candidate.scale is not None else request.spatial_scale
    said: dict[str, object] = {
        "--convention": row.name,
        **options(row),
        "--output-size": f"{height}x{width}",
        "--box-format": candidate.reading.box_format if _box_format_said(trial, job) else None,
        "--normalized": "" if candidate.reading.normalized else None,
        "--inclusive": "" if candidate.reading.inclusive else None,
        "--spatial-scale": scale,
        "--layout": request.layout,
        "--boxes-format": request.boxes_format,
        "--images": request.images,
        "--image-size": _joined(request.image_size, "x"),
        "--input-scale": _joined(request.input_scale and request.input_scale[::-1], ","),
        "--min-score": request.min_score,
        "--top-k": request.top_k,
        "--on-bad-box": request.on_bad_box if _has_bad(trial, job) else None,
        "--dtype": str(dtype) if (dtype := verdict.pooled.dtype) != job.source.dtype else None,
    }
    words = ["roicrop", row.operator, request.features, request.boxes, "-o", "OUT.h5"]
    for option, value in said.items():
        if value is not None:
            words += [option, *([str(value)] if value != "" else [])]
    for label in request.labels:
        words += ["--label", label]
    return shlex.join(words)


def _box_format_said(trial: Trial, job: Job) -> bool:
    """Whether the command has to say what order the coordinates are in."""
    return trial.job.table.box_format != job.table.box_format or job.request.box_format is not None


def _has_bad(trial: Trial, job: Job) -> bool:
    """Whether `align` would refuse a box that was let through here."""
    return job.bad > 0 or bool(find_bad(trial.job.corners).mask.any())


def _joined(pair: Sequence[object] | None, by: str) -> str | None:
    return None if pair is None else by.join(map(str, pair))
