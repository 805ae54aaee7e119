"""A job's boxes read another way: in another format, at another scale, or moved."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roicrop.boxes import BoxTable
from roicrop.features import FeatureSource, Scale
from roicrop.identify.candidates import Reading
from roicrop.job import Job, Rows
from roicrop.request import Request


def given_reading(job: Job) -> Reading:
    """What the files and options say that the boxes' numbers are."""
    return Reading(job.table.box_format, job.request.normalized, job.request.inclusive)


def variant(
    job: Job, reading: Reading, scale: float | None, rows: Rows, *, threads: int | None = None
) -> Job:
    """These rows of a job as another job on the same open maps, which the first one closes."""
    return _job(
        job,
        rows,
        dataclasses.replace(job.table.take(rows), box_format=reading.box_format),
        dataclasses.replace(
            job.request,
            normalized=reading.normalized,
            inclusive=reading.inclusive,
            threads=threads or job.request.threads,
        ),
        job.source if scale is None else _Rescaled(job.source, scale),
    )


def moved(job: Job, by: NDArray[np.float64]) -> Job:
    """The job with the corners x1, y1, x2, y2 of all boxes moved by so many cells, (4,)."""
    cells = np.array([job.cells_per_pixel(i) for i in job.image_index.tolist()]).reshape(-1, 2)
    return _job(
        job,
        np.arange(len(job)),
        dataclasses.replace(
            job.table, box_format="xyxy", coords=job.corners + by / cells[:, [1, 0, 1, 0]]
        ),
        dataclasses.replace(job.request, normalized=False, inclusive=False),
        job.source,
    )


def stacked(jobs: Sequence[Job]) -> Job:
    """The boxes of several jobs at one scale as one job, those of the first job first."""
    first, rows = jobs[0], np.tile(np.arange(len(jobs[0])), len(jobs))
    corners = np.concatenate([job.corners for job in jobs])
    table = dataclasses.replace(first.table.take(rows), box_format="xyxy", coords=corners)
    request = dataclasses.replace(first.request, normalized=False, inclusive=False)
    return _job(first, rows, table, request, first.source)


def _job(job: Job, rows: Rows, table: BoxTable, request: Request, source: FeatureSource) -> Job:
    return Job(
        request,
        source,
        table,
        job.image_index[rows],
        job.pooled[rows],
        job.matched,
        job.boxes_in_file,
        job.bad,
    )


class _Rescaled(FeatureSource):
    """Maps that another source has open, under a scale that their file does not name."""

    def __init__(self, source: FeatureSource, scale: float) -> None:
        self.__dict__.update(source.__dict__)
        self._guess = Scale(scale, "tried")

    def scale(self, i: int) -> Scale:
        """The same for every image."""
        return self._guess
