"""`roicrop align` and `roicrop pool`, and the task of each row of `roicrop batch`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from roicrop.cli import declaring, options, report, terminal
from roicrop.cli.options import Parameters
from roicrop.conventions import Operator

if TYPE_CHECKING:
    from roicrop.job import Task


@declaring.command("align maps.h5 boxes.csv -o crops.h5 --stride 16 --sampling-ratio 2")
@options.FILES
@options.OUTPUT
@options.ALIGN
@options.CROPPING
def align(**params: Any) -> None:
    """Pool every box to a fixed grid by RoIAlign.

    Each bin is the average, or the maximum, of bilinear samples of the feature map. Row k of the
    output is box k of BOXES. Options that are not given come from the dataset's attributes (stride
    or spatial_scale, layout, input_scale), then from the convention.
    """
    _run(params, "align")


@declaring.command("pool maps.h5 boxes.json -o crops.h5 --output-size 7x7")
@options.FILES
@options.OUTPUT
@options.POOL
@options.CROPPING
def pool(**params: Any) -> None:
    """Pool every box to a fixed grid by RoIPool.

    Each box is rounded to cells, and each bin is the maximum, or the average, of the cells that it
    covers. Row k of the output is box k of BOXES. Options that are not given come from the
    dataset's attributes (stride or spatial_scale, layout, input_scale), then from the convention.
    """
    _run(params, "pool")


def _run(params: Parameters, operator: Operator) -> None:
    """Crop, and print a summary."""
    from roicrop.job import run

    made = task(params, operator, partial(report.RunSummary, operator))
    progress = partial(terminal.progress, quiet=params["quiet"])
    summary = run(made, progress).said
    report.show(summary, quiet=params["quiet"], as_json=params["as_json"])


def task(params: Parameters, operator: Operator, describe: Callable[..., Any]) -> Task:
    """The task of pooling the boxes of one file and drawing the pictures asked for."""
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
        album=partial(options.album, params, boxes=params["viz_boxes"]),
        describe=describe,
    )
