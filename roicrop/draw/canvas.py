"""Lines and marks at fractions of a pixel.

Everything is drawn on a canvas four times as fine in each direction, and averaged at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from roicrop.draw.colour import INK, OUTSIDE, Colour

FINER: Final = 4


class Brush:
    """Draws on a canvas of (height, width) pixels. Coordinates and widths are in pixels."""

    def __init__(self, canvas: NDArray[np.uint8]) -> None:
        """canvas: (height × FINER, width × FINER, 3)."""
        self._image = Image.fromarray(canvas)
        self._pen = ImageDraw.Draw(self._image, "RGBA")

    @property
    def width(self) -> float:
        """In pixels."""
        return self._image.width / FINER

    @property
    def height(self) -> float:
        """In pixels."""
        return self._image.height / FINER

    def finish(self) -> Image.Image:
        """What has been drawn, at its proper size."""
        return self._image.reduce(FINER)

    def fill(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled rectangle; at least a quarter of a pixel of it."""
        left, top = self._fine(x0, y0)
        right, bottom = self._fine(x1, y1)
        self._pen.rectangle(
            (left, top, max(right - 1, left), max(bottom - 1, top)), fill=tuple(colour)
        )

    def column(self, x: float, y0: float, y1: float, width: float, colour: Colour) -> None:
        """A vertical line."""
        self.fill(x - width / 2, y0, x + width / 2, y1, colour)

    def row(self, y: float, x0: float, x1: float, width: float, colour: Colour) -> None:
        """A horizontal line."""
        self.fill(x0, y - width / 2, x1, y + width / 2, colour)

    def frame(
        self, x0: float, y0: float, x1: float, y1: float, width: float, colour: Colour
    ) -> None:
        """A rectangle's outline, its middle on the rectangle."""
        half = width / 2
        for y in (y0, y1):
            self.fill(x0 - half, y - half, x1 + half, y + half, colour)
        for x in (x0, x1):
            self.fill(x - half, y0 + half, x + half, y1 - half, colour)

    def polygon(
        self,
        corners: Sequence[tuple[float, float]],
        width: float,
        colour: Colour,
        *,
        dashed: bool = False,
    ) -> None:
        """The outline through those (x, y), closed, its middle on them."""
        half = width / 2
        for (x0, y0), (x1, y1) in pairwise([*corners, corners[0]]):
            if dashed:
                self.dash(x0, y0, x1, y1, width, colour)
            elif x0 == x1 or y0 == y1:  # with square ends, so that corners are whole
                (left, right), (top, bottom) = sorted((x0, x1)), sorted((y0, y1))
                self.fill(left - half, top - half, right + half, bottom + half, colour)
            else:
                self.stroke(x0, y0, x1, y1, width, colour)

    def dash(
        self, x0: float, y0: float, x1: float, y1: float, width: float, colour: Colour
    ) -> None:
        """A straight line of dashes."""
        (x0, y0), (x1, y1) = self._near(x0, y0), self._near(x1, y1)
        length = math.hypot(x1 - x0, y1 - y0)
        for n in range(math.ceil(length / 8.0)):
            a, b = 8.0 * n / length, min((8.0 * n + 4.5) / length, 1.0)
            ends = (x0 + a * (x1 - x0), y0 + a * (y1 - y0), x0 + b * (x1 - x0), y0 + b * (y1 - y0))
            self.stroke(*ends, width, colour)

    def stroke(
        self, x0: float, y0: float, x1: float, y1: float, width: float, colour: Colour
    ) -> None:
        """A straight line in any direction."""
        self._pen.line(
            (*self._fine(x0, y0), *self._fine(x1, y1)),
            fill=tuple(colour),
            width=max(round(width * FINER), 1),
        )

    def hatch(
        self, x0: float, y0: float, x1: float, y1: float, gap: float, width: float, colour: Colour
    ) -> None:
        """Diagonal lines in a rectangle; those of neighbouring rectangles join."""
        if min(x1 - x0, y1 - y0) < 3:
            self.fill(x0, y0, x1, y1, (*colour[:3], 110))
            return
        first, last = int((x0 + y0) // gap) + 1, int((x1 + y1) // gap)
        for i in range(first, last + 1):
            total = i * gap
            xa, xb = max(x0, total - y1), min(x1, total - y0)
            self.stroke(xa, total - xa, xb, total - xb, width, colour)

    def dot(self, x: float, y: float, radius: float, colour: Colour, rim: float = 0.0) -> None:
        """A disc, with an ink rim of that width around it."""
        for r, paint in ((radius + rim, INK), (radius, colour)) if rim else ((radius, colour),):
            self._pen.ellipse(self._around(x, y, r), fill=tuple(paint))

    def ring(self, x: float, y: float, radius: float, width: float, colour: Colour) -> None:
        """A circle."""
        self._pen.ellipse(
            self._around(x, y, radius + width / 2),
            outline=tuple(colour),
            width=max(round(width * FINER), 1),
        )

    def diamond(self, x: float, y: float, radius: float, colour: Colour, rim: float) -> None:
        """A square on its corner, with an ink rim."""
        for r, paint in ((radius + 1.4 * rim, INK), (radius, colour)):
            corners = [(x - r, y), (x, y - r), (x + r, y), (x, y + r)]
            self._pen.polygon([self._fine(*corner) for corner in corners], fill=tuple(paint))

    def specks(
        self,
        y: NDArray[np.float64],
        x: NDArray[np.float64],
        colours: NDArray[np.uint8],
        size: float,
        strength: float,
    ) -> None:
        """A square of that size around each point: for more points than anybody could draw.

        colours: (n, 3). strength: of the paint, from 0 to 1.
        """
        canvas = np.array(self._image)
        side = max(round(size * FINER), 1)
        top, left = (np.rint(at * FINER - side / 2).astype(np.int64) for at in (y, x))
        seen = (top >= 0) & (left >= 0)
        seen &= (top < len(canvas) - side) & (left < canvas.shape[1] - side)
        top, left, paint = top[seen], left[seen], strength * colours[seen]
        before = canvas.copy()
        for i, j in np.ndindex(side, side):
            under = before[top + i, left + j]
            canvas[top + i, left + j] = (paint + (1 - strength) * under).astype(np.uint8)
        self._image.paste(Image.fromarray(canvas))

    def arrow(
        self, x0: float, y0: float, x1: float, y1: float, head: float, colour: Colour
    ) -> None:
        """An arrow to (x1, y1), with an ink rim; its head is no longer than all of it."""
        far = math.hypot(x1 - x0, y1 - y0)
        along_x, along_y = (x1 - x0) / far, (y1 - y0) / far
        head = min(far, head)
        base_x, base_y = x1 - head * along_x, y1 - head * along_y
        for width, side, paint in ((5.0, 0.6 * head + 2.0, INK), (2.6, 0.6 * head, colour)):
            if far > head:
                self.stroke(x0, y0, base_x, base_y, width, paint)
            wings = [
                (x1, y1),
                (base_x - side * along_y, base_y + side * along_x),
                (base_x + side * along_y, base_y - side * along_x),
            ]
            self._pen.polygon([self._fine(*corner) for corner in wings], fill=tuple(paint))

    def cross(self, x: float, y: float, radius: float, colour: Colour, rim: float) -> None:
        """An ×, with an ink rim."""
        for extra, paint in ((rim, INK), (0.0, colour)):
            r, width = radius + extra / 2, 0.5 * radius + 2 * extra
            for slope in (1, -1):
                self.stroke(x - r, y - slope * r, x + r, y + slope * r, width, paint)

    def _fine(self, x: float, y: float) -> tuple[int, int]:
        x, y = self._near(x, y)
        return round(x * FINER), round(y * FINER)

    def _near(self, x: float, y: float) -> tuple[float, float]:
        # Pillow walks over every pixel of what lies outside, so nothing is let far outside.
        reach = 1000.0
        return (
            min(max(x, -reach), self.width + reach),
            min(max(y, -reach), self.height + reach),
        )

    def _around(self, x: float, y: float, radius: float) -> tuple[int, int, int, int]:
        left, top = self._fine(x - radius, y - radius)
        right, bottom = self._fine(x + radius, y + radius)
        return left, top, max(right - 1, left), max(bottom - 1, top)


def blank(height: int, width: int, colour: Colour) -> NDArray[np.uint8]:
    """A canvas of one colour for a `Brush` of (height, width) pixels."""
    canvas = np.empty((height * FINER, width * FINER, 3), dtype=np.uint8)
    canvas[:] = colour[:3]
    return canvas


def centres(pixels: int) -> NDArray[np.float64]:
    """The middles of a canvas's fine pixels along one side, in pixels."""
    return (np.arange(pixels * FINER) + 0.5) / FINER


def enlarged(
    cells: NDArray[Any], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[Any]:
    """(len(rows), len(columns), …): for each fine pixel what its cell has."""
    return cells.take(columns, axis=1).take(rows, axis=0)


def stripes(height: int, width: int) -> NDArray[np.uint8]:
    """A canvas of pale stripes, which stand for nothing: off the map, or no samples."""
    phase = np.arange((height + width) * FINER) // (7 * FINER) % 2
    line = np.array(OUTSIDE, dtype=np.uint8)[phase]
    diagonal = sliding_window_view(line, (width * FINER, 3))[: height * FINER, 0]
    return np.ascontiguousarray(diagonal)
