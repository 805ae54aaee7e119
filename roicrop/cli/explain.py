"""`roicrop explain`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from roicrop.cli import options, report
from roicrop.cli.failures import answer
from roicrop.errors import ArgumentError

if TYPE_CHECKING:
    from roicrop.explanation import Explanation

_MOST_RECORDS: Final = 100_000


@click.command(
    epilog="\b\nExample: roicrop explain maps.h5 boxes.json --box 3 --bin 0,2 --stride 16"
)
@options.FILES
@click.option(
    "--box",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The box, by its number in BOXES.",
)
@click.option(
    "--bin",
    "only",
    type=options.BIN,
    help="This bin, with every number behind it.  [default: all, a line each]",
)
@click.option(
    "--channel",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The channel whose values are explained.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    help="Words; everything; or a row for each sample (for RoIPool: each cell).  [default: text]",
)
@click.option(
    "--trace",
    is_flag=True,
    help="Only list the samples: start, bin, bin size, samples in it, sample, place; each y x.",
)
@click.option(
    "--limit",
    type=options.COUNT,
    help="List at most so many samples, or bins.  "
    f"[default: 64 samples in text, else {_MOST_RECORDS:,}]",
)
@options.EITHER
@options.READING
def command(**params: Any) -> int:
    """Show how the values of a box come about: every rounding, every sample, every weight.

    The box in the image and on the map, its bins, where each is sampled and what is read there; and
    the sum in float64, beside the value that `align` or `pool` gives. The exit status is 1 should
    the two not agree. Numbers that JSON lacks are text: "nan", "inf", "-inf".
    """
    from roicrop import job as jobs
    from roicrop.explanation import explain

    if params["trace"] and params["form"] is not None:
        raise ArgumentError("--trace is a format of its own: leave out --format")
    params = options.with_model(params)
    convention = options.convention(params, params["operator"])
    with jobs.open_job(options.request(params, convention)) as job:
        jobs.require_scale(job)
        explanation = explain(job, params["box"], params["channel"])
        cautions = jobs.cautions(job, job.fit())
    explanation.check_bin(params["only"])
    report.show_cautions(cautions)
    answer(_lines(explanation, params))
    if explanation.agrees:
        return 0
    report.warn(f"the values do not add up to what {convention.operator} gives", loud=True)
    return 1


def _lines(explanation: Explanation, params: options.Parameters) -> Iterator[str]:
    """What was asked for, with a warning where it leaves out what words would have said."""
    from roicrop.explanation import as_csv, as_json, as_trace, in_words

    only, most = params["only"], params["limit"]
    if not params["trace"] and params["form"] in (None, "text"):
        return in_words(explanation, only, most)
    write = as_trace if params["trace"] else {"json": as_json, "csv": as_csv}[params["form"]]
    most = most or _MOST_RECORDS
    lines = write(explanation, only, most)
    if left_out := explanation.left_out(only, most):
        report.warn(f"{left_out:,} {explanation.terms} are left out: --limit allows more")
    return lines
