"""A comparison in words and for JSON: how far apart each pair is, why, and on which boxes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

from roicrop.comparison.comparison import TOLERANCE, Comparison, Pair, WorstBox
from roicrop.comparison.differences import Reason, Spread
from roicrop.conventions import Convention, effective
from roicrop.job import Job
from roicrop.text import INDENT, brief, exact, headed, many, table


def in_words(comparison: Comparison, job: Job) -> Iterator[str]:
    """Describe a comparison in lines of text; job: for the names of boxes."""
    alike, pairs = _distinct(comparison, job)
    if len(pairs) > 1:
        yield from _overview(pairs, comparison)
        yield ""
    for names, pair in alike:
        yield f"{', '.join(names[:-1])} and {names[-1]} {_verdict(pair, comparison)}"
        yield ""
    for pair in pairs:
        yield from _pair(pair, comparison, job)
        yield ""
    for variant, refusals in zip(comparison.variants, comparison.refusals, strict=True):
        if refusals.count:
            yield f"{variant.name} refuses {_boxes(refusals.count)}:"
            yield from (f"{INDENT}{message}" for message in refusals.messages)
            if more := refusals.count - len(refusals.messages):
                yield f"{INDENT}and {more:,} more"
            yield ""
    yield from _terms(comparison, job)


_DIGITS: Final = 4
_LAST: Final = 0.001  # shares below this are not given in digits


def _distinct(comparison: Comparison, job: Job) -> tuple[list[tuple[list[str], Pair]], list[Pair]]:
    """Groups of variants with the same rules, each with one of its pairs; and all other pairs.

    Where pairs differ only in which member of a group they name, the first represents them all.
    """
    alike: dict[str, tuple[list[str], Pair]] = {}
    pairs: dict[object, Pair] = {}
    for pair in comparison.pairs:
        first, second = (_rules(each.convention, job) for each in (pair.first, pair.second))
        tally = pair.tally
        if first == second and not tally.unequal and not pair.refused and tally.boxes:
            names, _ = alike.setdefault(first, ([], pair))
            names += [v.name for v in (pair.first, pair.second) if v.name not in names]
        else:
            figures = tally.differ, tally.boxes, tally.largest, pair.refused
            pairs.setdefault((frozenset((first, second)), figures), pair)
    return list(alike.values()), list(pairs.values())


def _rules(row: Convention, job: Job) -> str:
    """Everything that determines a convention's results for the boxes of a job."""
    level_rule = row.level_rule if job.source.level_names else None
    x1, y1, x2, y2 = job.corners.T
    reversed_boxes = row.reversed_boxes if ((x2 < x1) | (y2 < y1)).any() else None
    return repr((effective(row), reversed_boxes, level_rule))


def _overview(pairs: Sequence[Pair], comparison: Comparison) -> Iterator[str]:
    """A table with a line per pair."""
    rows = [["first", "second", "boxes that differ", "largest", "", "mean", "", ""]]
    for pair in pairs:
        tally = pair.tally
        rows.append(
            [
                pair.first.name,
                pair.second.name,
                f"{tally.differ:,} of {tally.boxes:,}",
                *_both(tally.largest, comparison.spread),
                *_both(tally.mean, comparison.spread),
                "agree" if pair.agrees else "DIFFER",
            ]
        )
    yield from table(rows, "llrrrrrl")


def _pair(pair: Pair, comparison: Comparison, job: Job) -> Iterator[str]:
    yield f"{pair.first.name} and {pair.second.name} {_verdict(pair, comparison)}"
    tally, spread = pair.tally, comparison.spread
    if pair.refused:
        yield _line("refused", f"{_boxes(pair.refused)} by only one of the two")
    if not tally.unequal:
        if pair.reasons and tally.boxes:
            rules = ", ".join(reason.cause for reason in pair.reasons)
            yield _line("idle rules", f"they differ in {rules}, which has no effect here")
        return
    if tally.largest:
        yield _line("largest", " = ".join(filter(None, _both(tally.largest, spread))))
        yield _line("mean", " = ".join(filter(None, _both(tally.mean, spread))))
    if tally.incomparable:
        yield _line("not finite", f"{many(tally.incomparable, 'value')} in only one of the two")
    if pair.picture:
        yield _line("picture", pair.picture)
    yield from _why(pair)
    for found in pair.worst if not pair.agrees else pair.worst[:1]:
        yield from _worst(found, pair, comparison, job)


def _line(heading: str, text: str) -> str:
    return INDENT + headed(heading, text, 12)


def _verdict(pair: Pair, comparison: Comparison) -> str:
    tally, tolerance = pair.tally, comparison.tolerance
    if not tally.boxes:
        return "accept no box in common" if pair.refused else "have no box to compare"
    if tally.differ:
        return f"DIFFER on {tally.differ:,} of {_boxes(tally.boxes)}"
    verdict = f"agree on all {_boxes(tally.boxes)}" if tally.boxes > 1 else "agree on the one box"
    if pair.refused:
        verdict = f"DIFFER, but {verdict} that both accept"
    if not tally.unequal:
        return f"{verdict}, to the last bit"
    return f"{verdict}, within {_number(tolerance.most)}"


def _why(pair: Pair) -> Iterator[str]:
    """The causes, each with the difference remaining if this rule matched."""
    part = [reason for reason in pair.reasons if not reason.is_idle]
    idle = [reason.cause for reason in pair.reasons if reason.is_idle]
    columns = [
        ["why", *(INDENT + reason.cause for reason in part)],
        ["", *map(_changes, part)],
    ]
    if pair.tally.largest:
        left = [_percent(reason.remains) for reason in part]
        columns.append(["difference remaining if this rule matched", *left])
    if pair.tally.incomparable:
        left = [_percent(reason.incomparable_remains) for reason in part]
        columns.append(["non-finite values remaining", *left])
    if part:
        yield from table(list(zip(*columns, strict=True)), "l" * len(columns), INDENT)
    if idle:
        yield f"{INDENT}no effect: {', '.join(idle)}"


def _changes(reason: Reason) -> str:
    return ", ".join(
        f"{name} {_value(one)} → {_value(other)}" for name, (one, other) in reason.fields.items()
    )


def _value(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "none" if value is None else str(value)
    return brief(value)


def _percent(part: float | None) -> str:
    if part is None:
        return "unknown"
    if part in (0, 1):
        return "all of it" if part else "nothing"
    if part < _LAST:
        return f"under {100 * _LAST:g} %"
    return f"{100 * part:.3g} %" if part < 10 else f"{part:.3g} times as much"


def _worst(found: WorstBox, pair: Pair, comparison: Comparison, job: Job) -> Iterator[str]:
    """A box: where and how much it differs, and the contrasts of its plans."""
    box, number = found.box, job.table.source_index[found.box.row]
    place = job.where(box.row)
    said = []
    if box.incomparable:
        said.append(f"{many(box.incomparable, 'value')} finite in only one of the two")
    if box.largest:
        apart = ", ".join(filter(None, _both(box.largest, comparison.spread)))
        said.append(f"up to {apart}, mean {_number(box.mean)}")
    said.append(
        f"{' and '.join(map(brief, box.values))} in bin {box.bin[0]},{box.bin[1]} "
        f"of channel {box.channel}"
    )
    where = "" if place.endswith(f"box {number}") else f" ({place})"
    yield f"{INDENT}box {number}{where}: {'; '.join(said)}"
    if found.reasons and pair.reasons and found.reasons[0].cause != pair.reasons[0].cause:
        yield f"{INDENT * 2}main cause here: {found.reasons[0].cause}"
    for contrast in found.contrasts:
        yield f"{INDENT * 2}{contrast.text}"


def _terms(comparison: Comparison, job: Job) -> Iterator[str]:
    """The definitions of σ and of the tolerance, and how the conventions were run."""
    spread, tolerance = comparison.spread, comparison.tolerance
    if spread.deviation:
        features = "a sample of the features" if spread.is_sample else "the features"
        yield f"σ = {_number(spread.deviation)}: the standard deviation of {features}"
    span = _number(tolerance.least)
    if tolerance.least != tolerance.most:
        span += f" to {_number(tolerance.most)}"
    if tolerance.given is None:
        of = "a sample of the map" if spread.is_sample else "the map"
        span += f": {exact(TOLERANCE)} × max(1, largest |feature| of {of})"
    yield f"tolerance = {span}"
    if job.source.dtype.itemsize < 4:
        yield f"{job.source.dtype} features were pooled in float32, without rounding the result"
    for variant in comparison.variants:
        row = variant.convention
        if row.normalized:
            yield f"{variant.name} received the same boxes as {row.order} fractions of the image"


def _both(difference: float, spread: Spread) -> tuple[str, str]:
    """A difference, as it is and in standard deviations."""
    relative = spread.relative(difference)
    return _number(difference), "" if relative is None else f"{_number(relative)} σ"


def _number(value: float) -> str:
    return brief(value, _DIGITS)


def _boxes(count: int) -> str:
    return many(count, "box", "boxes")


Record = dict[str, Any]


def as_record(comparison: Comparison, job: Job) -> Record:
    """The whole comparison in plain Python values, where NaN and infinity are floats.

    job: for the names of boxes and images.
    """
    spread = comparison.spread
    return {
        "agree": comparison.agrees,
        "tolerance": dataclasses.asdict(comparison.tolerance),
        "feature_values": {
            "finite": spread.count,
            "mean": spread.mean,
            "standard_deviation": spread.deviation,
            "largest_magnitude": spread.largest,
            "sampled": spread.is_sample,
        },
        "refusals": [
            {"name": variant.name, "boxes": refusals.count, "messages": refusals.messages}
            for variant, refusals in zip(comparison.variants, comparison.refusals, strict=True)
        ],
        "pairs": [_pair_record(pair, comparison, job) for pair in comparison.pairs],
    }


def _pair_record(pair: Pair, comparison: Comparison, job: Job) -> Record:
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
        "why": [_reason_record(reason) for reason in pair.reasons],
        "why_of_boxes": pair.ablation.boxes,
        "worst": [_worst_record(found, comparison, job) for found in pair.worst],
        "picture": pair.picture,
    }


def _reason_record(reason: Reason) -> Record:
    fields = {name: list(both) for name, both in reason.fields.items()}
    return {**dataclasses.asdict(reason), "fields": fields}


def _worst_record(found: WorstBox, comparison: Comparison, job: Job) -> Record:
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
        "why": [_reason_record(reason) for reason in found.reasons],
        "contrasts": [dataclasses.asdict(contrast) for contrast in found.contrasts],
    }
