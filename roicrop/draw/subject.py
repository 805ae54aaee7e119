"""The box of a picture as it really is, along each axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from roicrop.draw.view import Span
from roicrop.job import Subject
from roicrop.sampling import Plan

__all__ = ["HALF_CELL", "Subject", "TrueAxis", "true_axes"]

HALF_CELL: Final = 0.5


@dataclass(frozen=True, slots=True)
class TrueAxis:
    """One axis of the box as it really is: the truth that conventions are held against.

    low, high: its two corners in image pixels, in the box's own order.
    cells_per_pixel: from those to feature coordinates, in which cell i covers [i, i + 1).
    """

    low: float
    high: float
    cells_per_pixel: float

    @property
    def cells(self) -> tuple[float, float]:
        """The corners in feature coordinates."""
        return self.low * self.cells_per_pixel, self.high * self.cells_per_pixel

    @property
    def index(self) -> tuple[float, float]:
        """The corners in index coordinates, where the picture has them."""
        low, high = self.cells
        return low - HALF_CELL, high - HALF_CELL

    @property
    def span(self) -> Span:
        """Those, the smaller first."""
        return Span(*sorted(self.index))

    def pixels(self, cells: float) -> float:
        """A length in cells, in image pixels."""
        return cells / self.cells_per_pixel

    def pixel_of(self, index: float) -> float:
        """The image coordinate under an index coordinate."""
        return (index + HALF_CELL) / self.cells_per_pixel


def true_axes(subject: Subject, plan: Plan, k: int) -> tuple[TrueAxis, TrueAxis]:
    """Box k as it really is, along y and along x."""
    per_pixel = subject.cells_per_pixel or (plan.spatial_scale, plan.spatial_scale)
    if subject.corners is not None:
        x1, y1, x2, y2 = subject.corners
    else:
        x1, y1, x2, y2 = (float(v) for v in plan.boxes[k])
        if plan.convention.normalized:
            # Fractions of the image, which the map covers.
            height, width = (n / s for n, s in zip(plan.map_size, per_pixel, strict=True))
            x1, y1, x2, y2 = x1 * width, y1 * height, x2 * width, y2 * height
    return TrueAxis(y1, y2, per_pixel[0]), TrueAxis(x1, x2, per_pixel[1])
