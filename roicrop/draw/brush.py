"""Lines and marks at fractions of a pixel.

Everything is drawn on a canvas four times as fine in each direction, and averaged at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from roicrop.draw.colour import INK, Colour

FINER: Final = 4


@dataclass(frozen=True, slots=True)
class Specks:
    """Rectangles along one axis, in pixels.

    at, size: their middles and lengths.
    strength: of the paint, from 0 to 1.
    """

    at: NDArray[np.float64]
    size: NDArray[np.float64]
    strength: NDArray[np.float64]


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

    def dashed_column(self, x: float, y0: float, y1: float, width: float, colour: Colour) -> None:
        """A vertical line of dashes."""
        for a, b in self._dashes(y0, y1, self.height):
            self.column(x, a, b, width, colour)

    def dashed_row(self, y: float, x0: float, x1: float, width: float, colour: Colour) -> None:
        """A horizontal line of dashes."""
        for a, b in self._dashes(x0, x1, self.width):
            self.row(y, a, b, width, colour)

    @staticmethod
    def _dashes(begin: float, end: float, size: float) -> Iterator[tuple[float, float]]:
        on, off = 4.0, 3.0
        at = begin if begin >= 0 else begin % (on + off) - (on + off)
        while at < min(end, size):
            yield at, min(at + on, end)
            at += on + off

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

    def specks(self, layers: Sequence[tuple[Colour, Specks, Specks]]) -> None:
        """A rectangle around each point of a grid; at least a quarter of a pixel of it.

        layers: a colour, the grid's rows and its columns. Each grid is a part of the one before,
        which leaves that part out.
        """
        height, width = self._image.height, self._image.width
        inner: NDArray[np.float64] = np.zeros((height, width))
        for colour, down, across in reversed(layers):
            strength = np.multiply.outer(_covered(down, height), _covered(across, width))
            mask = (255 * (strength - inner)).astype(np.uint8)
            self._image.paste(colour[:3], mask=Image.fromarray(mask))
            inner = strength

    def arrow(self, x: float, y: float, along_x: float, along_y: float, colour: Colour) -> None:
        """An arrowhead at (x, y) in the direction of a vector of length 1, with an ink rim."""
        for size, paint in ((1.0, INK), (0.72, colour)):
            ahead, aside, behind = 12.0 * size, 8.0 * size, 7.0 * size
            corners = [
                (x + ahead * along_x, y + ahead * along_y),
                (x - behind * along_x - aside * along_y, y - behind * along_y + aside * along_x),
                (x - behind * along_x + aside * along_y, y - behind * along_y - aside * along_x),
            ]
            self._pen.polygon([self._fine(*corner) for corner in corners], fill=tuple(paint))

    def square(self, x: float, y: float, radius: float, colour: Colour, rim: float) -> None:
        """A square, with an ink rim."""
        for r, paint in ((radius + rim, INK), (radius, colour)):
            self.fill(x - r, y - r, x + r, y + r, paint)

    def cross(self, x: float, y: float, radius: float, colour: Colour, rim: float) -> None:
        """An ×, with an ink rim."""
        for extra, paint in ((rim, INK), (0.0, colour)):
            r, width = radius + extra / 2, 0.5 * radius + 2 * extra
            for slope in (1, -1):
                self.stroke(x - r, y - slope * r, x + r, y + slope * r, width, paint)

    def _fine(self, x: float, y: float) -> tuple[int, int]:
        # Pillow walks over every pixel of what lies outside, so nothing is let far outside.
        reach = 1000.0
        x = min(max(x, -reach), self.width + reach)
        y = min(max(y, -reach), self.height + reach)
        return round(x * FINER), round(y * FINER)

    def _around(self, x: float, y: float, radius: float) -> tuple[int, int, int, int]:
        left, top = self._fine(x - radius, y - radius)
        right, bottom = self._fine(x + radius, y + radius)
        return left, top, max(right - 1, left), max(bottom - 1, top)


def _covered(specks: Specks, length: int) -> NDArray[np.float64]:
    """(length,) along a finer axis: how strongly it is painted."""
    first = np.rint((specks.at - specks.size / 2) * FINER)
    last = np.maximum(np.rint((specks.at + specks.size / 2) * FINER), first + 1)
    steps = np.zeros(length + 1)
    np.add.at(steps, np.clip(first, 0, length).astype(np.int64), specks.strength)
    np.add.at(steps, np.clip(last, 0, length).astype(np.int64), -specks.strength)
    return np.clip(np.cumsum(steps[:-1]), 0.0, 1.0)


def blank(height: int, width: int, colour: Colour) -> NDArray[np.uint8]:
    """A canvas of one colour for a `Brush` of (height, width) pixels."""
    canvas = np.empty((height * FINER, width * FINER, 3), dtype=np.uint8)
    canvas[:] = colour[:3]
    return canvas
