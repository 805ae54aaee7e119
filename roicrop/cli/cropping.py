"""What `align`, `pool` and each row of `batch` do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from roicrop.cli import bars, options, report
from roicrop.cli.options import Parameters
from roicrop.conventions import Operator

if TYPE_CHECKING:
    from roicrop.job import Task


def run(params: Parameters, operator: Operator) -> None:
    """Crop, and print what was done."""
    from roicrop.job import run as carry_out

    made = task(params, operator, partial(report.RunSummary.of, operator))
    progress = partial(bars.progress, quiet=params["quiet"])
    summary = carry_out(made, progress).said
    report.show(summary, quiet=params["quiet"], as_json=params["as_json"])


def task(params: Parameters, operator: Operator, describe: Callable[..., Any]) -> Task:
    """Pooling the boxes of one file into another, and drawing the pictures asked for."""
    from roicrop import job as jobs

    params = jobs.with_model(params)
    return jobs.Task(
        request=jobs.request_of(params, jobs.convention_of(params, operator)),
        output=params["output"],
        dtype=params["dtype"],
        compression=params["compression"],
        reduce=params["reduce"],
        overwrite=params["overwrite"],
        viz=params["viz"],
        album=partial(options.album, options.drawing(params), boxes=params["viz_boxes"]),
        describe=describe,
    )
