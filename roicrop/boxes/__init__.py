"""Files of boxes, read into one table.

Every format gives the same table, so nothing outside this package knows which one it was:

    CSV, text ──delimited.py──┐
    JSON(L) ────json_text.py──┼─▶ records.py ──▶ Draft ──columns.py──▶ BoxTable
    arrays ─────read.py───────┘
"""

from __future__ import annotations

from roicrop.boxes import names
from roicrop.boxes.coco import Coco, CocoImage
from roicrop.boxes.geometry import BOX_FORMATS, BadBoxes, BoxFormat, find_bad, to_xyxy
from roicrop.boxes.read import BOX_SUFFIXES, FILE_FORMATS, FileFormat, read_boxes
from roicrop.boxes.table import BoxTable

__all__ = [
    "BOX_FORMATS",
    "BOX_SUFFIXES",
    "FILE_FORMATS",
    "BadBoxes",
    "BoxFormat",
    "BoxTable",
    "Coco",
    "CocoImage",
    "FileFormat",
    "find_bad",
    "names",
    "read_boxes",
    "to_xyxy",
]
