"""`roicrop explain`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import click

from roicrop.cli import declaring, options, report
from roicrop.cli.terminal import answer, warn
from roicrop.errors import ArgumentError

if TYPE_CHECKING:
    from roicrop.explanation import Explanation

_MOST_RECORDS: Final = 100_000


@declaring.command("explain maps.h5 boxes.json --box 3 --bin 0,2 --stride 16")
@options.FILES
@declaring.which_option(
    "--box boxes_explained",
    declaring.ROWS,
    "Indices of the boxes, counted from 0 in BOXES, as in 0,5,7-9.",
    default="0",
)
@declaring.which_option(
    "--bin", declaring.BIN, "Explain this bin in full.  [default: all bins, a line each]"
)
@declaring.which_option(
    "--channel", declaring.CHANNEL, "Channel whose values are explained.", default=0
)
@declaring.output_option(
    "--format form",
    click.Choice(["text", "json", "csv"]),
    "Text, JSON with everything, or CSV with a row per sample (RoIPool: per cell).  [default: "
    "text]",
)
@declaring.output_option(
    "--trace",
    declaring.FLAG,
    "List only samples: start, bin, bin size, samples per bin, sample, position; each y x.",
)
@declaring.output_option(
    "--limit",
    declaring.COUNT,
    "List at most N samples (or bins) per box.  "
    f"[default: 64 samples in text, else {_MOST_RECORDS:,}]",
)
@declaring.json_option("The same as --format json.")
@options.EITHER
@options.READING
@options.MEMORY
def explain(**params: Any) -> int:
    """Show where the values of a box come from: every rounding, sample and weight.

    For each box: its corners in the image and on the map, its bins, where each is sampled, and what
    is read there; and the sum in float64 beside the value that `align` or `pool` gives. The exit
    status is 1 if they disagree. JSON is one object, or a list of objects for several boxes; NaN
    and infinity are text: "nan", "inf", "-inf".
    """
    from roicrop import job as jobs
    from roicrop.explanation import explain

    form = _form(params)
    params = jobs.with_model(params)
    convention = jobs.convention_of(params, params["operator"])
    with jobs.open_job(jobs.request_of(params, convention)) as job:
        jobs.require_scale(job)
        boxes = chain.from_iterable(params["boxes_explained"])
        explanations = explain(job, boxes, params["channel"], params["bin"])
        cautions = jobs.cautions(job, job.fit())
    report.show_cautions(cautions)
    answer(_lines(explanations, form, params["bin"], params["limit"]))
    differ = [each for each in explanations if not each.agrees]
    for each in differ:
        warn(
            f"box {each.source.box}: the sums do not agree with what "
            f"{each.plan.convention.operator} gives",
            loud=True,
        )
    return 1 if differ else 0


def _form(params: options.Parameters) -> str:
    """The format to write: text, json, csv or trace."""
    asked = {params["form"], *(["json"] if params["as_json"] else [])} - {None}
    asked |= {"trace"} if params["trace"] else set()
    if len(asked) > 1:
        raise ArgumentError("--format, --json and --trace exclude each other: give only one")
    return str(asked.pop()) if asked else "text"


def _lines(
    explanations: list[Explanation], form: str, only: tuple[int, int] | None, most: int | None
) -> Iterator[str]:
    """The explanations in that format, with a warning if the limit leaves something out."""
    from roicrop.explanation import as_csv, as_json, as_trace, in_words

    if form == "text":
        for n, each in enumerate(explanations):
            yield from [""] * (n > 0)
            yield from in_words(each, only, most)
        return
    most = most or _MOST_RECORDS
    for each in explanations:
        if left_out := each.left_out(only, most):
            of = f" of box {each.source.box}" if len(explanations) > 1 else ""
            warn(f"{left_out:,} {each.terms}{of} are left out: raise --limit to list more")
    if form == "trace":
        yield from chain.from_iterable(as_trace(each, only, most) for each in explanations)
    else:
        yield from {"json": as_json, "csv": as_csv}[form](explanations, only, most)
