"""What was pooled: one coloured square for each bin, with its number where that fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from roicrop.draw import lettering
from roicrop.draw.canvas import Brush, centres, enlarged, stripes
from roicrop.draw.colour import INK, MUTED, PAPER, RULE, Colour, Scale, readable_on
from roicrop.draw.lettering import Format
from roicrop.draw.map import fitting
from roicrop.draw.sheet import Sheet

_LARGEST: Final = 92.0  # pixels a bin
_WIDEST: Final = 2.2  # bins, in their heights
_MARGIN: Final = 4  # beside a number
_HEAD: Final = lettering.line_height(lettering.TICK)
_SIDE: Final = 24
_LEAST_BORDER: Final = 4.0


@dataclass(frozen=True)
class Grid:
    """Pooled values as a heat map.

    values: (PH, PW).
    void: (PH, PW), the bins that had nothing to pool.
    room, most_height: the width and height that it may have; a grid of few bins is smaller.
    framed, colours: the one bin that is brought out, if one is, and in which colours.
    bare: without numbers of bins beside it.
    """

    values: NDArray[np.float64]
    void: NDArray[np.bool_]
    scale: Scale
    room: int
    most_height: int
    framed: tuple[int, int] | None
    colours: Sequence[Colour]
    bare: bool = False

    @cached_property
    def _bin(self) -> tuple[float, float]:
        """(height, width) of a bin in pixels."""
        rows, columns = self.values.shape
        width = min((self.room - self._side - 3) / columns, _LARGEST)
        height = min((self.most_height - self._head) / rows, width)
        return height, min(width, height * _WIDEST)

    @property
    def _side(self) -> int:
        return 0 if self.bare else _SIDE

    @property
    def _head(self) -> int:
        return 0 if self.bare else _HEAD

    @cached_property
    def written(self) -> Format | None:
        """How numbers are written in the bins; None where there is no room."""
        height, width = self._bin
        if height < lettering.line_height(lettering.TICK):
            return None
        return fitting(self.scale, self.values, width - _MARGIN)

    @property
    def factor(self) -> str:
        """The power of ten that the numbers share, or nothing."""
        return self.written.factor if self.written else ""

    @cached_property
    def _size(self) -> tuple[int, int]:
        rows, columns = self.values.shape
        return max(round(rows * self._bin[0]), 1), max(round(columns * self._bin[1]), 1)

    @property
    def width(self) -> int:
        """Bin numbers and squares."""
        return self.room

    @property
    def height(self) -> int:
        """Bin numbers and squares."""
        return self._head + self._size[0]

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """Bin numbers, squares, values."""
        left, top = x + self._side, y + self._head
        sheet.raster(left, top, self._size[1], self._size[0], self._draw)
        if not self.bare:
            self._place_bin_numbers(sheet, left, top)
        if (written := self.written) is not None:
            self._place_values(sheet, left, top, written)

    def _place_bin_numbers(self, sheet: Sheet, left: int, top: int) -> None:
        height, width = self._bin
        line, size = lettering.line_height(lettering.TICK), lettering.TICK
        rows, columns = self.values.shape
        if width >= lettering.width(str(columns - 1), size) + 4:
            for q in range(columns):
                sheet.text(left + (q + 0.5) * width, top - line - 1, str(q), size, MUTED, 0.5)
        if height >= line:
            for p in range(rows):
                y = top + (p + 0.5) * height - line / 2
                sheet.text(left - 5, y, str(p), size, MUTED, 1.0)

    def _place_values(self, sheet: Sheet, left: int, top: int, written: Format) -> None:
        height, width = self._bin
        rgb = self.scale.colours(self.values)
        for p, q in np.ndindex(self.values.shape):
            colour = INK if self.void[p, q] else readable_on(rgb[p, q])
            y = top + (p + 0.5) * height - lettering.line_height(lettering.TICK) / 2
            text = written(float(self.values[p, q]))
            sheet.text(left + (q + 0.5) * width, y, text, lettering.TICK, colour, 0.5)

    def _draw(self) -> Image.Image:
        (pixels_y, pixels_x), (height, width) = self._size, self._bin
        row = (centres(pixels_y) / height).astype(np.int64).clip(max=self.values.shape[0] - 1)
        column = (centres(pixels_x) / width).astype(np.int64).clip(max=self.values.shape[1] - 1)
        canvas = enlarged(self.scale.colours(self.values), row, column)
        if self.void.any():
            nothing = self.void.take(column, axis=1).take(row, axis=0)
            canvas[nothing] = stripes(pixels_y, pixels_x)[nothing]
        brush = Brush(canvas)
        if min(height, width) >= _LEAST_BORDER:
            for q in range(1, self.values.shape[1]):
                brush.column(q * width, 0, pixels_y, 1.0, (*PAPER, 200))
            for p in range(1, self.values.shape[0]):
                brush.row(p * height, 0, pixels_x, 1.0, (*PAPER, 200))
        brush.frame(0, 0, pixels_x, pixels_y, 2.0, RULE)
        for n, colour in enumerate(self.colours if self.framed else ()):
            p, q = self.framed or (0, 0)
            inset = 2.0 + 4.5 * n
            box = q * width + inset, p * height + inset
            end = max((q + 1) * width - inset, box[0]), max((p + 1) * height - inset, box[1])
            brush.frame(*box, *end, 5.0, INK)
            brush.frame(*box, *end, 4.0, colour)
        return brush.finish()
