"""`roicrop show`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from roicrop.cli import declaring, options, report, terminal
from roicrop.conventions import Convention, pool_beside
from roicrop.errors import ArgumentError

if TYPE_CHECKING:
    from roicrop.cli.report import SavedPage
    from roicrop.job import Job


@declaring.command(epilog="\b\nExample: roicrop show maps.h5 boxes.json -o box5.png --box 5 --both")
@options.FILES
@declaring.output_option(
    "-o",
    "--output",
    "place",
    metavar="PLACE",
    default=".",
    shell_complete=declaring.complete_files,
    help="Folder, a .png file for a single picture, or an .html file for an interactive page.  "
    "[default: the current folder]",
)
@declaring.picture_option(
    "--figure",
    type=click.Choice(["box", "overview", "sheet", "coverage"]),
    default="box",
    show_default=True,
    help="Draw one figure per box, or one per image: all boxes on it (overview), their pooled "
    "values (sheet), or the cells they read (coverage).",
)
@declaring.which_option(
    "--box",
    "boxes_drawn",
    type=declaring.ROWS,
    help="Indices of the boxes, counted from 0 in BOXES, as in 0,5,7-9.  "
    "[default: the first 8; all for a figure per image or a page]",
)
@options.EITHER
@declaring.picture_option(
    "--both", is_flag=True, help="Draw RoIAlign and RoIPool of each box side by side."
)
@options.DRAWING
@declaring.picture_option(
    "--max-size",
    type=declaring.MEMORY_SIZE,
    help="Largest size of a page, as in 5MB; channels are left out first, then photographs, then "
    "images.  [default: 20MB]",
)
@options.READING
@options.OVERWRITE
@options.MEMORY
@options.RUNNING
def show(**params: Any) -> None:
    """Draw where the values of a box come from, without writing a tensor.

    A figure has three parts: the box on the image, the feature map with the bins and what one of
    them reads, and the pooled values. The image is --photo, or one in or below the folder of
    FEATURES or BOXES that the attribute `picture` or a COCO file names; without an image, the first
    part is left out. Pictures that roicrop drew are replaced; other files only with --overwrite.

    A page (-o PAGE.html) is a single file that works offline: choose a box, a channel and one or
    two conventions, move the box, and see each sum worked out.
    """
    from roicrop import job as jobs
    from roicrop.outputs import is_page, room_for_pictures

    start = time.perf_counter()
    page = is_page(params["place"])
    if page and (params["figure"] != "box" or params["points"]):
        option = "--points" if params["points"] else "--figure"
        raise ArgumentError(f"{option} is for pictures, but {params['place']} is a page")
    if params["max_size"] is not None and not page:
        raise ArgumentError(
            f"--max-size is for a page, but {params['place']} does not end in .html"
        )
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
    pictures: list[str] = []
    explored = None
    with (
        jobs.open_job(jobs.request_of(params, conventions[0])) as job,
        room_for_pictures(None if page else params["place"]),
    ):
        jobs.require_scale(job)
        beside = conventions[1] if params["both"] else None
        if page:
            explored = _explore(params, job, beside)
        else:
            pictures = _draw(params, job, conventions)
        summary = report.RunSummary.of(
            "show", job, start, pictures=pictures, page=explored, beside=beside
        )
    report.show(summary, quiet=params["quiet"], as_json=params["as_json"])


def _draw(params: dict[str, Any], job: Job, conventions: Sequence[Convention]) -> list[str]:
    survey = None if params["figure"] == "box" else params["figure"]
    drawing = params["place"], conventions, params["boxes_drawn"], survey
    with (
        options.album(params, job, *drawing, replace_own=True) as album,
        terminal.progress(len(album), quiet=params["quiet"], unit="figures") as progress,
    ):
        return album.draw(progress)


def _explore(params: dict[str, Any], job: Job, beside: Convention | None) -> SavedPage:
    from roicrop import explorer
    from roicrop.outputs import refuse_unfit

    place = params["place"]
    own = explorer.is_own
    refuse_unfit(place, overwrite=params["overwrite"], is_own=own, inputs=job.input_files)
    overwrite = os.path.exists(place)
    asked = explorer.Options(
        channel=params["channel"],
        bin=params["bin_"],
        photo=params["photo"],
        boxes=params["boxes_drawn"],
    )
    with terminal.progress(None, quiet=params["quiet"], unit="maps") as progress:
        page = explorer.explore(
            job,
            beside,
            asked,
            max_size=params["max_size"] or explorer.MAX_SIZE,
            progress=progress,
        )
    page.save(place, overwrite=overwrite, inputs=job.input_files)
    return report.SavedPage(place, page)
