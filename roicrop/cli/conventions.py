"""`roicrop conventions`, `compare`, `identify`: list, measure, and find whose rules were used."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from roicrop.cli import declaring, options, report, terminal
from roicrop.cli.terminal import answer
from roicrop.conventions import (
    COMMANDS,
    CONVENTIONS,
    DEFAULT,
    LEVEL_RULES,
    PLAIN,
    Convention,
    LevelRule,
    Operator,
    in_words,
    lookup,
)
from roicrop.text import json_line, table

if TYPE_CHECKING:
    from roicrop.comparison import Variant

_DIFFER: Final = 3  # the exit status


@declaring.command("conventions --json")
@declaring.json_option("Print the whole table as JSON, with every rule.")
def conventions(as_json: bool) -> None:
    """List how each framework defines the operators and chooses levels of a pyramid."""
    rows, rules = list(CONVENTIONS.values()), list(LEVEL_RULES.values())
    if as_json:
        default = [row.operator if DEFAULT[row.operator] == row.name else None for row in rows]
        records = [
            {**dataclasses.asdict(row), "default_of": of}
            for row, of in zip(rows, default, strict=True)
        ]
        click.echo(json_line(records))
        return
    _list(in_words.TABLE_HEADER, {row: in_words.table_row(row) for row in rows})
    click.echo()
    header = ("level rule", *in_words.LEVEL_HEADER)
    _list(header, {rule: (rule.name, *in_words.level_row(rule)) for rule in rules})


def _list(
    header: Sequence[str],
    cells: Mapping[Convention, Sequence[str]] | Mapping[LevelRule, Sequence[str]],
) -> None:
    """Print a table of conventions or level rules, and what is remarkable about each."""
    click.echo("\n".join(table([header, *cells.values()], "l" * len(header))))
    for row in cells:
        name = in_words.named(row) if isinstance(row, Convention) else row.name
        click.echo(f"\n{name}: {row.program}")
        for text in (row.surprise, f"Verified: {row.verified}."):
            click.echo(click.wrap_text(text, 78, "  ", "  "))


@declaring.command("compare maps.h5 boxes.json --with detectron2 --with onnx:sampling_ratio=2")
@options.FILES
@declaring.rule_option(
    "--with others",
    str,
    "Convention (of RoIAlign or RoIPool) or exported model to compare; repeatable. May have its "
    "own settings: sampling_ratio=4, mode=max, aligned=false.",
    metavar="NAME|MODEL[:SETTING=VALUE,…]",
    multiple=True,
    required=True,
    shell_complete=declaring.complete_conventions(*COMMANDS),
)
@declaring.output_option(
    "--tolerance",
    declaring.TOLERANCE,
    "Largest absolute difference between values that agree.  [default: 1e-5 × the largest "
    "|feature| of the map, at least 1e-5]",
)
@declaring.output_option(
    "--worst", declaring.COUNT, "Describe the N boxes that differ most.", default="3"
)
@options.ALIGN
@options.READING
@declaring.picture_option(
    "--viz",
    click.Path(file_okay=False),
    "Draw the worst box of each pair in this folder, with both sampling grids.",
    metavar="DIR",
)
@declaring.picture_option(
    "--channel", declaring.CHANNEL, "Channel to draw.  [default: the one that differs most]"
)
@options.OVERWRITE
@options.MEMORY
@options.RUNNING
def compare(**params: Any) -> int:
    """Measure how far apart several conventions are on the same boxes, and find out why.

    Conventions are compared in pairs. --convention is included if it is given, or if there is only
    one --with. Options such as --sampling-ratio and --mode apply to all of them, unless a --with
    has its own setting. Boxes are converted to the order and units that a convention takes.

    To find causes, the rules in which two conventions differ are exchanged one at a time, on the
    boxes that differ most and on others from all over the file, to see how much of the difference
    remains; and the plans of the worst boxes are compared.

    The exit status is 0 if all agree within the tolerance, and 3 otherwise.
    """
    from roicrop import comparison
    from roicrop import job as jobs
    from roicrop.outputs import room_for_pictures

    start = time.perf_counter()
    chosen = comparison.choose(partial(_names, params), params)
    names = [variant.name for variant in chosen.usual]
    params = jobs.with_model(params, *(comparison.split_variant(name)[0] for name in names))
    with (
        jobs.open_job(chosen.request(params)) as job,
        room_for_pictures(params["viz"]),
    ):
        jobs.require_scale(job)
        variants = chosen.of(job)
        drawing = {"channel": params["channel"], "overwrite": params["overwrite"]}
        place = params["viz"]
        gallery = comparison.Gallery(job, place, variants, **drawing) if place else None
        with terminal.progress(len(job), quiet=params["quiet"]) as progress:
            measured = comparison.compare(
                job,
                variants,
                tolerance=params["tolerance"],
                listed=params["worst"],
                gallery=gallery,
                progress=progress,
            )
        summary = report.RunSummary("compare", job, start)
        lines = list(comparison.in_words(measured, job))
        if params["as_json"]:
            record = {
                **report.run_record(summary),
                "conventions": [_convention(variant) for variant in variants],
                **report.input_record(summary, jobs.input_parameters(job)),
                **comparison.as_record(measured, job),
            }
            lines = [json_line(record)]
    report.show_warnings(summary)
    if not len(job):
        terminal.warn("there are no boxes, so nothing was compared")
    if not params["quiet"]:
        report.show_lines(report.input_lines(summary))
    answer(lines)
    return 0 if measured.agrees else _DIFFER


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


@declaring.command("identify maps.h5 boxes.csv crops.npy --stride 16")
@options.FILES
@click.argument("pooled", shell_complete=declaring.complete_files)
@options.READING
@options.RUNNING
def identify(**params: Any) -> int:
    """Find the convention and parameters that made a pooled tensor.

    POOLED is a .npy, .npz or HDF5 file (file.h5 or file.h5::/path) with a row for each box,
    (K, C, PH, PW) or (K, PH, PW, C). All conventions are tried with every sampling ratio up to 4,
    adaptive and exact, with average and maximum, with boxes in every format and strides from 1 to
    64: first on a few boxes, then those that fit on all of them. Reversed boxes are accepted,
    because their format may not be what the file says.

    The exit status is 0 if something fits. If nothing fits it is 3, and the nearest convention is
    named, with how the tensor differs from it.
    """
    from roicrop import identification
    from roicrop import job as jobs

    any_convention = lookup(DEFAULT["align"], "align"), *PLAIN.values()
    request = jobs.request_of({**params, "output_size": (1, 1)}, *any_convention)
    with jobs.open_job(identification.leniently(request)) as job:
        with (
            terminal.progress(None, quiet=params["quiet"]) as progress,
            identification.open_pooled(params["pooled"], job, progress) as pooled,
        ):
            verdict = identification.identify(job, pooled)
        report.show_cautions(jobs.reading_cautions(job))
        if params["as_json"]:
            click.echo(json_line({"command": "identify", **identification.facts(verdict, job)}))
        else:
            answer(identification.in_words(verdict, job))
    return 0 if verdict.fits else 3
