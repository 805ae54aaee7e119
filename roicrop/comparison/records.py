"""A comparison as JSON has it."""

from __future__ import annotations

from typing import Any

from roicrop.comparison.ablation import Reason
from roicrop.comparison.comparison import Comparison, Pair, WorstBox
from roicrop.job import Job

Record = dict[str, Any]


def as_record(comparison: Comparison, job: Job) -> Record:
    """Everything, in Python's own types; NaN and infinities are floats still.

    job: what was compared, for the names of boxes and images.
    """
    spread, tolerance = comparison.spread, comparison.tolerance
    return {
        "agree": comparison.agrees,
        "tolerance": {
            "given": tolerance.given,
            "least": tolerance.least,
            "most": tolerance.most,
        },
        "feature_values": {
            "finite": spread.count,
            "mean": spread.mean,
            "standard_deviation": spread.deviation,
            "largest_magnitude": spread.largest,
        },
        "refusals": [
            {"name": variant.name, "boxes": refusals.count, "messages": refusals.messages}
            for variant, refusals in zip(comparison.variants, comparison.refusals, strict=True)
        ],
        "pairs": [_pair(pair, comparison, job) for pair in comparison.pairs],
    }


def _pair(pair: Pair, comparison: Comparison, job: Job) -> Record:
    tally, relative = pair.tally, comparison.spread.relative
    return {
        "first": pair.first.name,
        "second": pair.second.name,
        "agree": pair.agrees,
        "boxes": tally.boxes,
        "boxes_beyond_tolerance": tally.differ,
        "boxes_unequal": tally.unequal,
        "boxes_refused_by_one": pair.refused,
        "values": tally.values,
        "incomparable_values": tally.incomparable,
        "largest": tally.largest,
        "mean": tally.mean,
        "largest_relative": relative(tally.largest),
        "mean_relative": relative(tally.mean),
        "why": [_reason(reason) for reason in pair.reasons],
        "why_of_boxes": pair.studied,
        "worst": [_worst(found, comparison, job) for found in pair.worst],
        "picture": pair.picture,
    }


def _reason(reason: Reason) -> Record:
    return {
        "cause": reason.cause,
        "fields": {name: list(both) for name, both in reason.fields.items()},
        "remains": reason.remains,
        "incomparable_remains": reason.incomparable_remains,
    }


def _worst(found: WorstBox, comparison: Comparison, job: Job) -> Record:
    box = found.box
    return {
        "box": int(job.table.source_index[box.row]),
        "where": job.where(box.row),
        "image": job.image_name(int(job.image_index[box.row])),
        "corners": job.corners[box.row].tolist(),
        "largest": box.largest,
        "largest_relative": comparison.spread.relative(box.largest),
        "mean": box.mean,
        "incomparable_values": box.incomparable,
        "bin": list(box.bin),
        "channel": box.channel,
        "values": list(box.values),
        "why": [_reason(reason) for reason in found.reasons],
        "contrasts": [
            {"what": c.what, "text": c.text, "first": c.first, "second": c.second}
            for c in found.contrasts
        ],
    }
