"""A job's boxes read another way: in another format, at another scale, or moved."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from roicrop.boxes import BoxTable
from roicrop.features import FeatureSource, Scale
from roicrop.identification.candidates import Reading
from roicrop.job import Corners, Job, Request, Rows, distinct_images


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
    corners = job.corners + by / per_box(job, job.cells_per_pixel)[:, [1, 0, 1, 0]]
    return _in_pixels(job, np.arange(len(job)), corners)


def stacked(jobs: Sequence[Job]) -> Job:
    """The boxes of several jobs at one scale as one job, those of the first job first."""
    rows = np.tile(np.arange(len(jobs[0])), len(jobs))
    return _in_pixels(jobs[0], rows, np.concatenate([job.corners for job in jobs]))


def per_box(job: Job, of: Callable[[int], tuple[float, float]]) -> NDArray[np.float64]:
    """(K, 2) what `of` says of each box's image, y before x; NaN where a box is on none."""
    images = distinct_images(job.image_index)
    values = np.array([*map(of, images.tolist()), (np.nan, np.nan)], dtype=np.float64)
    return values[np.where(job.image_index < 0, -1, np.searchsorted(images, job.image_index))]


def _in_pixels(job: Job, rows: Rows, corners: Corners) -> Job:
    """These rows of a job, with other corners, xyxy in pixels."""
    table = dataclasses.replace(job.table.take(rows), box_format="xyxy", coords=corners)
    request = dataclasses.replace(job.request, normalized=False, inclusive=False)
    return _job(job, rows, table, request, job.source)


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
