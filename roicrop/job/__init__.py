"""Boxes on their maps: what every command shares.

Request ──open_job──▶ Job ──by_image──▶ image, rows, map ──pool──▶ pooled rows ──crop──▶ a file
"""

from __future__ import annotations

from roicrop.job.fitting import Fit, covers, fit, stride_that_covers, stride_that_fits
from roicrop.job.frames import Frames, distinct_images
from roicrop.job.job import Caution, Corners, Features, Job, Rows
from roicrop.job.manifest import Row, read_manifest
from roicrop.job.pipeline import Cropped, crop, open_job
from roicrop.job.request import Request

__all__ = [
    "Caution",
    "Corners",
    "Cropped",
    "Features",
    "Fit",
    "Frames",
    "Job",
    "Request",
    "Row",
    "Rows",
    "covers",
    "crop",
    "distinct_images",
    "fit",
    "open_job",
    "read_manifest",
    "stride_that_covers",
    "stride_that_fits",
]
