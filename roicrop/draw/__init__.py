"""Figures of a plan: where every pooled value came from.

Everything here draws from a `Plan` and computes no sampling of its own.

    canvas, colour      lines, marks and letters
    sheet               blocks on a page, its legend and its colour bar
    view, map           which part of a map is shown; the map, the photograph, and pooled values
    drawing, kinds      a box under a plan; the marks of each kind of plan, with their legend
    figures, surveys    figures of one box; of all boxes of an image
    album               which figures a job has, and where they go
"""

from __future__ import annotations

from roicrop.draw import colour
from roicrop.draw.album import Album, Options
from roicrop.draw.drawing import Crop, default_bin
from roicrop.draw.figures import both, overlay, panel
from roicrop.draw.sheet import save
from roicrop.draw.surveys import SurveyName
from roicrop.draw.view import Shown
from roicrop.job import Subject

__all__ = [
    "Album", "Crop", "Options", "Shown", "Subject", "SurveyName",
    "both", "colour", "default_bin", "overlay", "panel", "save",
]  # fmt: skip
