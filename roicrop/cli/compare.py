"""`roicrop compare`."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from roicrop.cli import declaring, options, report, terminal
from roicrop.cli.terminal import answer
from roicrop.conventions import COMMANDS, DEFAULT, Operator
from roicrop.text import json_line

if TYPE_CHECKING:
    from roicrop.comparison import Variant

_DIFFER: Final = 3  # the exit status


@declaring.command(
    epilog="\b\nExample: roicrop compare maps.h5 boxes.json --with detectron2 "
    "--with onnx:sampling_ratio=2"
)
@options.FILES
@declaring.rule_option(
    "--with",
    "others",
    metavar="NAME|MODEL[:SETTING=VALUE,…]",
    multiple=True,
    required=True,
    shell_complete=declaring.complete_conventions(*COMMANDS),
    help="Convention (of RoIAlign or RoIPool) or exported model to compare; repeatable. May have "
    "its own settings: sampling_ratio=4, mode=max, aligned=false.",
)
@declaring.output_option(
    "--tolerance",
    type=declaring.TOLERANCE,
    help="Largest absolute difference between values that agree.  "
    "[default: 1e-5 × the largest |feature| of the map, at least 1e-5]",
)
@declaring.output_option(
    "--worst",
    type=declaring.COUNT,
    default="3",
    show_default=True,
    help="Describe the N boxes that differ most.",
)
@options.ALIGN
@options.READING
@declaring.picture_option(
    "--viz",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Draw the worst box of each pair in this folder, with both sampling grids.",
)
@declaring.picture_option(
    "--channel",
    metavar="N",
    type=declaring.CHANNEL,
    help="Channel to draw.  [default: the one that differs most]",
)
@options.OVERWRITE
@options.MEMORY
@options.RUNNING
def command(**params: Any) -> int:
    """Measure how far apart several conventions are on the same boxes, and find out why.

    Conventions are compared in pairs. --convention is included if it is given, or if there is only
    one --with. Options such as --sampling-ratio and --mode apply to all of them, unless a --with
    has its own setting. Boxes are converted to the order and units that a convention takes.

    To find causes, the rules in which two conventions differ are exchanged one at a time, on the
    boxes that differ most and on others from all over the file, to see how much of the difference
    remains; and the plans of the worst boxes are compared.

    The exit status is 0 if all agree within the tolerance, and 3 otherwise.
    """
    from roicrop import job as jobs
    from roicrop.comparison import (
        Gallery,
        as_record,
        choose,
        compare,
        in_words,
        split_variant,
    )
    from roicrop.outputs import room_for_pictures

    start = time.perf_counter()
    chosen = choose(partial(_names, params), params)
    names = [variant.name for variant in chosen.usual]
    params = jobs.with_model(params, *(split_variant(name)[0] for name in names))
    with (
        jobs.open_job(chosen.request(params)) as job,
        room_for_pictures(params["viz"]),
    ):
        jobs.require_scale(job)
        variants = chosen.of(job)
        gallery = None
        if params["viz"]:
            gallery = Gallery(
                job,
                params["viz"],
                variants,
                channel=params["channel"],
                overwrite=params["overwrite"],
            )
        with terminal.progress(len(job), quiet=params["quiet"]) as progress:
            comparison = compare(
                job,
                variants,
                tolerance=params["tolerance"],
                listed=params["worst"],
                gallery=gallery,
                progress=progress,
            )
        summary = report.RunSummary.of("compare", job, start)
        lines = list(in_words(comparison, job))
        if params["as_json"]:
            record = {
                **report.run_record(summary),
                "conventions": [_convention(variant) for variant in variants],
                **report.input_record(summary, jobs.input_parameters(job)),
                **as_record(comparison, job),
            }
            lines = [json_line(record)]
    report.show_warnings(summary)
    if not len(job):
        report.warn("there are no boxes, so nothing was compared")
    if not params["quiet"]:
        report.show_lines(report.input_lines(summary))
    answer(lines)
    return 0 if comparison.agrees else _DIFFER


def _names(params: options.Parameters, operator: Operator) -> list[str]:
    """The names of everything to compare, --convention first."""
    names = list(params["others"])
    if params["convention"] or len(names) == 1:
        names.insert(0, params["convention"] or DEFAULT[operator])
    return names


def _convention(variant: Variant) -> report.Record:
    from roicrop.job import rules

    row = variant.convention
    return {"as": variant.name, **report.convention_record(row), "rules": rules(row)}
