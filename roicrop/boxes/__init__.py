"""Files of boxes, read into one table.

Every format gives the same table, so that nothing outside this package depends on the format:

    CSV, text ──delimited.py──┐
    JSON(L) ────json_text.py──┼─▶ draft.py ──▶ BoxTable
    arrays ─────read.py───────┘
"""

from __future__ import annotations

from roicrop.boxes import names
from roicrop.boxes.read import BOX_SUFFIXES, FileFormat, boxes_in_memory, read_boxes
from roicrop.boxes.table import BOX_FORMATS, BadBoxes, BoxFormat, BoxTable, Coco, find_bad

__all__ = [
    "BOX_FORMATS",
    "BOX_SUFFIXES",
    "BadBoxes",
    "BoxFormat",
    "BoxTable",
    "Coco",
    "FileFormat",
    "boxes_in_memory",
    "find_bad",
    "names",
    "read_boxes",
]
