"""A box's name and its true place: what a plan does not know about the box."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roicrop.sampling import Plan


@dataclass(frozen=True, slots=True)
class Subject:
    """The box in a picture or an explanation, as the user sees it.

    file: where the features came from, for example "page.h5::/stride4".
    image: the image's name or number.
    box: the box's number, with its id where it has one, for example "12" or "12 (id 7041)".
    corners: x1, y1, x2, y2 in pixels of the image, as the user has them. None: the plan's box.
    level: which level of a pyramid the box is on, and whose rule says so; None without a pyramid.
    cells_per_pixel: (along y, along x) from those pixels to cells: spatial scale × input scale.
        None: the plan's spatial scale.
    """

    file: str
    image: str
    box: str
    corners: tuple[float, float, float, float] | None = None
    cells_per_pixel: tuple[float, float] | None = None
    level: str | None = None

    def true_box(self, plan: Plan, k: int) -> TrueBox:
        """The true place of a plan's box, whatever its convention does with it."""
        y, x = self.cells_per_pixel or (plan.spatial_scale, plan.spatial_scale)
        x1, y1, x2, y2 = self.corners or _own_corners(plan, k)
        if self.corners is None and plan.convention.normalized:
            # Fractions of the image, which the map covers.
            height, width = plan.map_size[0] / y, plan.map_size[1] / x
            x1, y1, x2, y2 = x1 * width, y1 * height, x2 * width, y2 * height
        corners = np.array([(y1, x1), (y1, x2), (y2, x2), (y2, x1)]) * (y, x) - 0.5
        if turn := plan.turn(k):
            centre = corners.mean(axis=0)
            corners = replace(turn, y=centre[0], x=centre[1]).of((corners - centre).tolist())
        return TrueBox(corners, ((y2 - y1) * y, (x2 - x1) * x), (y, x))


def _own_corners(plan: Plan, k: int) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 of the plan's own box, before any rotation."""
    first, second, third, fourth = (float(v) for v in plan.boxes[k, :4])
    if plan.turn(k) is None:
        return first, second, third, fourth
    return first - third / 2, second - fourth / 2, first + third / 2, second + fourth / 2


@dataclass(frozen=True, slots=True)
class TrueBox:
    """The true place of a box, with which conventions are compared.

    outline: (4, 2) its corners (y, x), in order around it, in index coordinates.
    cells: its height and width in cells, negative where it is reversed.
    per_pixel: cells per pixel of the image, along y and along x.
    """

    outline: NDArray[np.float64]
    cells: tuple[float, float]
    per_pixel: tuple[float, float]

    def pixel_of(self, y: float, x: float) -> tuple[float, float]:
        """The y and x in the image under index coordinates."""
        return (y + 0.5) / self.per_pixel[0], (x + 0.5) / self.per_pixel[1]
