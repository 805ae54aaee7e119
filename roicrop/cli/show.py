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
    from roicrop.explorer import Page
    from roicrop.job import Job


@declaring.command("show maps.h5 boxes.json -o box5.png --box 5 --both")
@options.FILES
@declaring.place_option(
    "PLACE",
    "Folder, a .png file for a single picture, or an .html file for an interactive page.  "
    "[default: the current folder]",
    "place",
    default=".",
    show_default=False,
)
@declaring.picture_option(
    "--figure",
    click.Choice(["box", "overview", "sheet", "coverage"]),
    "Draw one figure per box, or one per image: all boxes on it (overview), their pooled values "
    "(sheet), or the cells they read (coverage).",
    default="box",
)
@declaring.which_option(
    "--box boxes_drawn",
    declaring.ROWS,
    "Indices of the boxes, counted from 0 in BOXES, as in 0,5,7-9.  [default: the first 8; all "
    "for a figure per image or a page]",
)
@options.EITHER
@declaring.picture_option(
    "--both", declaring.FLAG, "Draw RoIAlign and RoIPool of each box side by side."
)
@options.DRAWING
@declaring.picture_option(
    "--max-size",
    declaring.MEMORY_SIZE,
    "Largest size of a page, as in 5MB; channels are left out first, then photographs, then "
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
    from roicrop.outputs import room_for_pictures

    start = time.perf_counter()
    page = _is_page(params)
    params = jobs.with_model(params)
    row = jobs.convention_of(params, "align" if params["both"] else params["operator"])
    beside = pool_beside(row) if params["both"] else None
    with (
        jobs.open_job(jobs.request_of(params, row)) as job,
        room_for_pictures(None if page else params["place"]),
    ):
        jobs.require_scale(job)
        summary = report.RunSummary(
            "show",
            job,
            start,
            pictures=[] if page else _draw(params, job, [row, *([beside] if beside else [])]),
            page=_explore(params, job, beside) if page else None,
            beside=beside,
        )
    report.show(summary, quiet=params["quiet"], as_json=params["as_json"])


def _is_page(params: options.Parameters) -> bool:
    """Whether to write a page; ArgumentError for options that do not apply to what is drawn."""
    from roicrop.outputs import is_page

    figure, place = params["figure"], params["place"]
    page = is_page(place)
    if page and (figure != "box" or params["points"]):
        option = "--points" if params["points"] else "--figure"
        raise ArgumentError(f"{option} is for pictures, but {place} is a page")
    if params["max_size"] is not None and not page:
        raise ArgumentError(f"--max-size is for a page, but {place} does not end in .html")
    for name in ("both", "points", "bin") if figure != "box" else ():
        if params[name]:
            raise ArgumentError(f"--{name} is for figures of a box, not --figure {figure}")
    return page


def _draw(params: options.Parameters, job: Job, conventions: Sequence[Convention]) -> list[str]:
    with (
        options.album(
            params,
            job,
            params["place"],
            conventions,
            boxes=params["boxes_drawn"],
            survey=None if params["figure"] == "box" else params["figure"],
            overwrite=params["overwrite"],
            replace_own=True,
        ) as album,
        terminal.progress(len(album), quiet=params["quiet"], unit="figures") as progress,
    ):
        return album.draw(progress)


def _explore(params: options.Parameters, job: Job, beside: Convention | None) -> tuple[Page, str]:
    from roicrop import explorer
    from roicrop.outputs import refuse_unfit

    place, replace = params["place"], params["overwrite"]
    refuse_unfit(place, overwrite=replace, is_own=explorer.is_own, inputs=job.input_files)
    own = os.path.exists(place)
    shown = (params[name] for name in ("channel", "bin", "photo", "boxes_drawn"))
    asked, most = explorer.Options(*shown), params["max_size"] or explorer.MAX_SIZE
    with terminal.progress(None, quiet=params["quiet"], unit="maps") as progress:
        page = explorer.explore(job, beside, asked, max_size=most, progress=progress)
    page.save(place, overwrite=own, inputs=job.input_files)
    return page, place
