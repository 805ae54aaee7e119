"""`roicrop show`."""

from __future__ import annotations

import time
from typing import Any

import click

from roicrop.cli import declaring, options, report
from roicrop.conventions import pool_beside
from roicrop.errors import ArgumentError


@declaring.command(epilog="\b\nExample: roicrop show maps.h5 boxes.json -o box5.png --box 5 --both")
@options.FILES
@declaring.output_option(
    "-o",
    "--output",
    "place",
    metavar="PLACE",
    default=".",
    shell_complete=declaring.complete_files,
    help="Folder, or a .png file for a single picture.  [default: the current folder]",
)
@declaring.picture_option(
    "--figure",
    type=click.Choice(["box", "overview", "sheet", "coverage"]),
    default="box",
    show_default=True,
    help="Draw one figure per box; or one per image: all boxes on it, their pooled values, or the "
    "cells they read.",
)
@declaring.which_option(
    "--box",
    "boxes_drawn",
    type=options.ROWS,
    help="Numbers of the boxes, counted from 0 in BOXES, as in 0,5,7-9.  "
    "[default: the first 8; for one figure per image, all]",
)
@options.EITHER
@declaring.picture_option(
    "--both", is_flag=True, help="Draw RoIAlign and RoIPool of each box side by side."
)
@options.DRAWING
@options.READING
@options.OVERWRITE
@options.RUNNING
def command(**params: Any) -> None:
    """Draw where the values of a box come from; write no tensor.

    A figure has three steps: the box on the image, the feature map with the bins and what one of
    them reads, and the pooled values. The image is --photo, or a file in the folder of FEATURES or
    BOXES, or below it, that the attribute `picture` or a COCO file names; without an image there
    are two steps. Pictures that roicrop drew are replaced; other files only with --overwrite.
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
    params = jobs.with_model(params)
    conventions = [jobs.convention_of(params, "align" if params["both"] else params["operator"])]
    if params["both"]:
        conventions.append(pool_beside(conventions[0]))
    with (
        jobs.open_job(jobs.request_of(params, conventions[0])) as job,
        room_for_pictures(params["place"]),
    ):
        jobs.require_scale(job)
        survey = None if params["figure"] == "box" else params["figure"]
        drawing = params["place"], conventions, params["boxes_drawn"], survey
        with (
            options.album(params, job, *drawing, replace_own=True) as album,
            report.progress(len(album), quiet=params["quiet"], unit="figures") as progress,
        ):
            pictures = album.draw(progress)
        beside = conventions[1] if params["both"] else None
        summary = report.RunSummary.of("show", job, start, pictures=pictures, beside=beside)
    report.show(summary, quiet=params["quiet"], as_json=params["as_json"])
