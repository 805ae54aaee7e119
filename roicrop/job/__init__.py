"""Boxes on their maps: what every command shares.

Request ──open_job──▶ Job ──by_map──▶ OnMap ──pool──▶ pooled rows ──crop──▶ a file
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from roicrop.job.asking import (
    Parameters,
    convention_of,
    operators_of,
    request_of,
    settings_of,
    with_model,
)
from roicrop.job.assign import ImageAssignment, assign_images
from roicrop.job.batch import Done, Outcome, Task, carry_out, run
from roicrop.job.cautions import (
    Caution,
    cautions,
    other_orders,
    placing_cautions,
    reading_cautions,
    require_scale,
)
from roicrop.job.command_line import (
    OPTIONS,
    command_line,
    convention_options,
    option_words,
    overriding_options,
    result_options,
)
from roicrop.job.destinations import INPUTS, Destination, destinations, make_room
from roicrop.job.fitting import NO_BOX, Fit, covers, fit, stride_that_covers, stride_that_fits
from roicrop.job.frames import Frames, distinct_images
from roicrop.job.job import SMALL_MAP, Job
from roicrop.job.ledger import Entry, Ledger, finished, inputs_of
from roicrop.job.manifest import REQUIRED, ManifestRow, match_files, read_manifest
from roicrop.job.memory import default_memory
from roicrop.job.on_map import Corners, Features, OnMap, Placed, Rows
from roicrop.job.parameters import input_parameters, parameters, rules
from roicrop.job.pipeline import Cropped, crop, names_levels, open_job
from roicrop.job.request import Request
from roicrop.job.subject import Subject, TrueBox

if TYPE_CHECKING:
    from roicrop.job.photos import Photo, Photos
else:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        # With Pillow, for figures only.
        return getattr(import_module("roicrop.job.photos"), name)


__all__ = [
    "INPUTS",
    "NO_BOX",
    "OPTIONS",
    "REQUIRED",
    "SMALL_MAP",
    "Caution",
    "Corners",
    "Cropped",
    "Destination",
    "Done",
    "Entry",
    "Features",
    "Fit",
    "Frames",
    "ImageAssignment",
    "Job",
    "Ledger",
    "ManifestRow",
    "OnMap",
    "Outcome",
    "Parameters",
    "Photo",
    "Photos",
    "Placed",
    "Request",
    "Rows",
    "Subject",
    "Task",
    "TrueBox",
    "assign_images",
    "carry_out",
    "cautions",
    "command_line",
    "convention_of",
    "convention_options",
    "covers",
    "crop",
    "default_memory",
    "destinations",
    "distinct_images",
    "finished",
    "fit",
    "input_parameters",
    "inputs_of",
    "make_room",
    "match_files",
    "names_levels",
    "open_job",
    "operators_of",
    "option_words",
    "other_orders",
    "overriding_options",
    "parameters",
    "placing_cautions",
    "read_manifest",
    "reading_cautions",
    "request_of",
    "require_scale",
    "result_options",
    "rules",
    "run",
    "settings_of",
    "stride_that_covers",
    "stride_that_fits",
    "with_model",
]
