"""`roicrop show`."""

from __future__ import annotations

import time
from typing import Any

import click

from roicrop.cli import options, report
from roicrop.conventions import DEFAULT, Convention, lookup
from roicrop.errors import ArgumentError


@click.command(epilog="\b\nExample: roicrop show maps.h5 boxes.json -o box5.png --box 5 --both")
@options.FILES
@click.option(
    "-o",
    "--output",
    "place",
    metavar="PLACE",
    required=True,
    help="A directory, or for one box a file that ends in .png.",
)
@click.option(
    "--figure",
    type=click.Choice(["box", "overview", "sheet", "coverage"]),
    default="box",
    show_default=True,
    help="One figure a box; or one an image: all boxes on it, their pooled values, the cells read.",
)
@click.option(
    "--box",
    "boxes_drawn",
    type=options.ROWS,
    help="The boxes to draw, by their number in BOXES, as in 0,5,7-9.  "
    "[default: the first 8, for one figure an image all]",
)
@options.EITHER
@click.option("--both", is_flag=True, help="RoIAlign and RoIPool of each box, side by side.")
@options.DRAWING
@options.READING
@options.OVERWRITE
@options.RUNNING
def command(**params: Any) -> None:
    """Draw where the values of a box come from; pool nothing else.

    A figure has three steps: the box on the image, the feature map with the bins and what one of
    them reads, and the pooled values. The image is --photo, or a file in the folder of FEATURES or
    BOXES, or below it, that the attribute `picture` or a COCO file names; without it there are two
    steps.
    """
    from roicrop import job as jobs
    from roicrop.outputs import room_for_pictures

    start = time.perf_counter()
    if params["figure"] != "box":
        for name in ("both", "points", "bin_"):
            if params[name]:
                option = name.strip("_")
                raise ArgumentError(
                    f"--{option} is for figures of a box, not --figure {params['figure']}"
                )
    params = options.with_model(params)
    conventions = [options.convention(params, "align" if params["both"] else params["operator"])]
    if params["both"]:
        conventions.append(_pool_beside(conventions[0]))
    with (
        jobs.open_job(options.request(params, conventions[0])) as job,
        room_for_pictures(params["place"]),
    ):
        jobs.require_scale(job)
        survey = None if params["figure"] == "box" else params["figure"]
        drawing = params["place"], conventions, params["boxes_drawn"], survey
        with (
            options.album(params, job, *drawing) as album,
            report.progress(len(album), quiet=params["quiet"], unit="figures") as progress,
        ):
            pictures = album.draw(progress)
        beside = conventions[1] if params["both"] else None
        summary = report.RunSummary.of("show", job, start, pictures=pictures, beside=beside)
    report.show(summary, quiet=params["quiet"], as_json=params["as_json"])


def _pool_beside(align: Convention) -> Convention:
    """The RoIPool of the same framework, or the one that there is."""
    try:
        return lookup(align.name, "pool")
    except ArgumentError:
        return lookup(DEFAULT["pool"], "pool")
