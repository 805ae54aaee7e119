"""`roicrop identify`."""

from __future__ import annotations

from typing import Any

import click

from roicrop.cli import declaring, options, terminal
from roicrop.cli.terminal import answer
from roicrop.conventions import DEFAULT, PLAIN, lookup
from roicrop.text import json_line


@declaring.command(epilog="\b\nExample: roicrop identify maps.h5 boxes.csv crops.npy --stride 16")
@options.FILES
@click.argument("pooled", shell_complete=declaring.complete_files)
@options.READING
@options.RUNNING
def command(**params: Any) -> int:
    """Say which convention and parameters made a pooled tensor.

    POOLED is a .npy, .npz or HDF5 file (file.h5 or file.h5::/path) that holds a row for each box,
    (K, C, PH, PW) or (K, PH, PW, C). All conventions are tried, with every sampling ratio up to 4,
    adaptive and exact, under both reductions, with the boxes read in every format and at strides
    from 1 to 64; first on a few boxes, then what fits on all of them. Reversed boxes are no errors
    here: they may be in another format than their file says.

    The exit status is 0 when something fits and 3 when nothing does; then the nearest is named, and
    what is left of the tensor without it.
    """
    from roicrop import identification as identify
    from roicrop import job as jobs
    from roicrop.cli import report

    any_convention = lookup(DEFAULT["align"], "align"), *PLAIN.values()
    request = jobs.request_of({**params, "output_size": (1, 1)}, *any_convention)
    with jobs.open_job(identify.leniently(request)) as job:
        with (
            terminal.progress(None, quiet=params["quiet"]) as progress,
            identify.open_pooled(params["pooled"], job, progress) as pooled,
        ):
            verdict = identify.identify(job, pooled)
        report.show_cautions(jobs.reading_cautions(job))
        if params["as_json"]:
            click.echo(json_line({"command": "identify", **identify.facts(verdict, job)}))
        else:
            answer(identify.in_words(verdict, job))
    return 0 if verdict.fits else 3
