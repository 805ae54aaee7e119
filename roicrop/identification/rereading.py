"""A job's boxes read another way: in another format, at another scale, or moved."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roicrop.identification.hypotheses import Reading
from roicrop.job import Job, Request


def leniently(request: Request) -> Request:
    """The request, with reversed boxes let through: they may be in another format than they say."""
    if request.on_bad_box != "error":
        return request
    return dataclasses.replace(request, on_bad_box="keep")


def given_reading(job: Job) -> Reading:
    """What the files and options say that the boxes' numbers are."""
    return Reading(job.table.box_format, job.request.normalized, job.request.inclusive)


def reread(job: Job, reading: Reading, scale: float | None) -> Job:
    """The boxes read in that way; scale: cells per pixel, None for what file or options say."""
    request = dataclasses.replace(
        job.request,
        box_format=reading.box_format,
        normalized=reading.normalized,
        inclusive=reading.inclusive,
    )
    if scale is not None:
        request = dataclasses.replace(request, spatial_scale=scale, scale_origin="tried")
    return job.reread(request)


def moved(job: Job, by: NDArray[np.float64]) -> Job:
    """The job with the corners x1, y1, x2, y2 of all boxes moved by so many cells, (4,)."""
    return job.moved_to(job.corners + by / job.cells_per_pixel[:, [1, 0, 1, 0]])


def stacked(jobs: Sequence[Job]) -> Job:
    """The boxes of several jobs at one scale as one job, those of the first job first."""
    rows = np.tile(np.arange(len(jobs[0])), len(jobs))
    return jobs[0].take(rows).moved_to(np.concatenate([job.corners for job in jobs]))
