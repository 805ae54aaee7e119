"""What a box is called and where it really is: all that a plan does not know of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """The box that a picture or an explanation is of, as the user sees it.

    file: where the features came from, for example "page.h5::/stride4".
    image: the image's name or number.
    box: the box's number, with its id where it has one, for example "12" or "12 (id 7041)".
    corners: x1, y1, x2, y2 in pixels of the image, as the user has them. None is the plan's box.
    level: which level of a pyramid the box is on, and whose rule says so; None where there is none.
    cells_per_pixel: (along y, along x) from those pixels to cells: spatial scale × input scale.
        None is the plan's spatial scale.
    """

    file: str
    image: str
    box: str
    corners: tuple[float, float, float, float] | None = None
    cells_per_pixel: tuple[float, float] | None = None
    level: str | None = None
