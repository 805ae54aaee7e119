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
    """Find the convention and parameters that made a pooled tensor.

    POOLED is a .npy, .npz or HDF5 file (file.h5 or file.h5::/path) with a row for each box,
    (K, C, PH, PW) or (K, PH, PW, C). All conventions are tried with every sampling ratio up to 4,
    adaptive and exact, with average and maximum, with boxes in every format and strides from 1 to
    64: first on a few boxes, then those that fit on all of them. Reversed boxes are accepted,
    because their format may not be what the file says.

    The exit status is 0 if something fits. If nothing fits it is 3, and the nearest convention is
    named, with how the tensor differs from it.
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
