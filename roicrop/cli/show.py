"""`roicrop show`."""

from __future__ import annotations

import time
from typing import Any

import click

from roicrop.cli import options, report
from roicrop.conventions import DEFAULT, Convention, lookup
from roicrop.errors import ArgumentError


@click.command(
    epilog="\b\nExample: roicrop show maps.h5 boxes.json -o box5.png --viz-boxes 5 --both"
)
@options.FILES
@click.option(
    "-o",
    "--output",
    "place",
    metavar="PLACE",
    required=True,
    help="A directory, or for one box a file that ends in .png.",
)
@options.EITHER
@click.option("--both", is_flag=True, help="RoIAlign and RoIPool of each box, side by side.")
@options.DRAWING
@options.READING
@options.OVERWRITE
@options.RUNNING
def command(**params: Any) -> None:
    """Draw where the values of a box come from; pool nothing else.

    Each picture has the feature map around the box, the box where it really is, the bins, every
    sampling point (for RoIPool: how the box was rounded, and the cells of each bin), and the pooled
    result beside it.
    """
    from roicrop import job as jobs
    from roicrop.outputs import room_for_pictures

    start = time.perf_counter()
    params = options.with_model(params)
    conventions = [options.convention(params, "align" if params["both"] else params["operator"])]
    if params["both"]:
        conventions.append(_pool_beside(conventions[0]))
    with (
        jobs.open_job(options.request(params, conventions[0])) as job,
        room_for_pictures(params["place"]),
    ):
        jobs.require_scale(job)
        with options.album(params, job, params["place"], conventions) as album:
            pictures = album.draw()
        beside = conventions[1] if params["both"] else None
        summary = report.RunSummary.of("show", job, start, pictures=pictures, beside=beside)
    report.show(summary, quiet=params["quiet"], as_json=params["as_json"])


def _pool_beside(align: Convention) -> Convention:
    """The RoIPool of the same framework, or the one that there is."""
    try:
        return lookup(align.name, "pool")
    except ArgumentError:
        return lookup(DEFAULT["pool"], "pool")
