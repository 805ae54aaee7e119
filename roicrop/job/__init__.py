"""Boxes on their maps: what every command shares.

Request ──open_job──▶ Job ──by_map──▶ OnMap ──pool──▶ pooled rows ──crop──▶ a file
"""

from __future__ import annotations

from roicrop.job.assign import ImageAssignment, assign_images
from roicrop.job.cautions import Caution, cautions, other_orders, placing_cautions, require_scale
from roicrop.job.command_line import (
    OPTIONS,
    command_line,
    convention_options,
    overriding_options,
)
from roicrop.job.fitting import Fit, covers, fit, stride_that_covers, stride_that_fits
from roicrop.job.frames import Frames, distinct_images
from roicrop.job.job import Job
from roicrop.job.manifest import ManifestRow, read_manifest
from roicrop.job.on_map import Corners, Features, OnMap, Placed, Rows
from roicrop.job.parameters import input_parameters, parameters, rules
from roicrop.job.pipeline import Cropped, crop, names_levels, open_job
from roicrop.job.request import Request
from roicrop.job.subject import Subject

__all__ = [
    "OPTIONS",
    "Caution",
    "Corners",
    "Cropped",
    "Features",
    "Fit",
    "Frames",
    "ImageAssignment",
    "Job",
    "ManifestRow",
    "OnMap",
    "Placed",
    "Request",
    "Rows",
    "Subject",
    "assign_images",
    "cautions",
    "command_line",
    "convention_options",
    "covers",
    "crop",
    "distinct_images",
    "fit",
    "input_parameters",
    "names_levels",
    "open_job",
    "other_orders",
    "overriding_options",
    "parameters",
    "placing_cautions",
    "read_manifest",
    "require_scale",
    "rules",
    "stride_that_covers",
    "stride_that_fits",
]
