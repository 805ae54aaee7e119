"""Boxes on their maps: what every command shares.

Request ──open_job──▶ Job ──by_image──▶ OnMap ──pool──▶ pooled rows ──crop──▶ a file
"""

from __future__ import annotations

from roicrop.job.cautions import Caution, cautions
from roicrop.job.fitting import Fit, covers, fit, stride_that_covers, stride_that_fits
from roicrop.job.frames import Frames, distinct_images
from roicrop.job.job import Job
from roicrop.job.manifest import Row, read_manifest
from roicrop.job.on_map import Corners, Features, OnMap, Placed, Rows
from roicrop.job.pipeline import Cropped, crop, open_job
from roicrop.job.request import Request
from roicrop.job.subject import Subject

__all__ = [
    "Caution",
    "Corners",
    "Cropped",
    "Features",
    "Fit",
    "Frames",
    "Job",
    "OnMap",
    "Placed",
    "Request",
    "Row",
    "Rows",
    "Subject",
    "cautions",
    "covers",
    "crop",
    "distinct_images",
    "fit",
    "open_job",
    "read_manifest",
    "stride_that_covers",
    "stride_that_fits",
]
