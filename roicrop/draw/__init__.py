"""Pictures of a plan: where every pooled value came from.

Everything here draws what a `Plan` says and computes no sampling of its own. Coordinates in the
pictures are index coordinates: cell i is the square from i − ½ to i + ½. A box lies where it really
is, at feature coordinate − ½, so that a convention that samples elsewhere is seen to do so.
"""

from __future__ import annotations

from roicrop.draw.album import Album
from roicrop.draw.overlay import overlay
from roicrop.draw.pictures import both, panel
from roicrop.draw.points import write_points
from roicrop.draw.save import save
from roicrop.draw.subject import Subject

__all__ = [
    "Album",
    "Subject",
    "both",
    "overlay",
    "panel",
    "save",
    "write_points",
]
