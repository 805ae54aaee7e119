"""What `align`, `pool` and each row of `batch` do."""

from __future__ import annotations

import time
from contextlib import ExitStack

from roicrop.cli import options, report
from roicrop.cli.options import Parameters
from roicrop.conventions import Operator


def run(params: Parameters, operator: Operator) -> None:
    """Crop, and print what was done."""
    report.show(crop(params, operator), quiet=params["quiet"], as_json=params["as_json"])


def crop(params: Parameters, operator: Operator) -> report.RunSummary:
    """Pool the boxes of one file into another, draw the pictures asked for, return the summary."""
    from roicrop import job as jobs
    from roicrop.outputs import room_for_pictures

    start = time.perf_counter()
    params = options.with_model(params)
    convention = options.convention(params, operator)
    with (
        jobs.open_job(options.request(params, convention)) as job,
        room_for_pictures(params["viz"]),
        ExitStack() as undo,
    ):
        jobs.require_scale(job)
        album = None
        if params["viz"]:
            album = undo.enter_context(
                options.album(params, job, params["viz"], [convention], params["viz_boxes"])
            )
        pictures: list[str] = []

        def draw() -> None:
            if album:
                pictures.extend(album.draw())

        with report.progress(len(job), quiet=params["quiet"]) as progress:
            cropped = jobs.crop(
                job,
                params["output"],
                dtype=params["dtype"],
                compression=params["compression"],
                overwrite=params["overwrite"],
                progress=progress,
                finish=draw,
            )
        return report.RunSummary.of(operator, job, start, cropped=cropped, pictures=pictures)
