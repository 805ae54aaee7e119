"""What was pooled: one coloured square for each bin, with its number where that fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from roicrop.draw import font
from roicrop.draw.brush import Brush
from roicrop.draw.colour import INK, MUTED, PAPER, RULE, Scale, readable_on
from roicrop.draw.heat import centres, enlarged, stripes
from roicrop.draw.number import Format, format_for
from roicrop.draw.sheet import Sheet

_LARGEST: Final = 60.0  # pixels a bin
_WIDEST: Final = 2.2  # bins, in their heights
_MARGIN: Final = 5  # around a number
_HEAD: Final = 17
_SIDE: Final = 22
_LEAST_BORDER: Final = 4.0


@dataclass(frozen=True)
class ResultBlock:
    """Pooled values as a heat map.

    values: (PH, PW).
    void: (PH, PW), the bins that had nothing to pool.
    room: the width that it may have, most_height the height; a grid of few bins is smaller.
    """

    values: NDArray[np.float64]
    void: NDArray[np.bool_]
    scale: Scale
    room: int
    most_height: int
    title: str

    @cached_property
    def _bin(self) -> tuple[float, float]:
        """(height, width) of a bin in pixels."""
        rows, columns = self.values.shape
        width = min((self.room - _SIDE) / columns, _LARGEST)
        height = min((self.most_height - _HEAD) / rows, width)
        return height, min(width, height * _WIDEST)

    @cached_property
    def _format(self) -> Format | None:
        """The format with the most digits that fits into every bin."""
        height, width = self._bin
        if height < font.line_height(font.TICK):
            return None
        on_scale = (self.values >= self.scale.low) & (self.values <= self.scale.high)
        low = float(self.values[on_scale].min(initial=self.scale.high))
        high = float(self.values[on_scale].max(initial=self.scale.low))
        exponent = format_for(self.scale.low, self.scale.high).exponent
        for digits in (3, 2):
            written = format_for(low, high, digits, exponent=exponent)
            widest = max(font.width(written(v), font.TICK) for v in self.values.flat)
            if widest + _MARGIN <= width:
                return written
        return None

    @property
    def _heading(self) -> str:
        remark = self._format.factor if self._format else "no room for numbers"
        return font.clean(f"{self.title} ({remark})" if remark else self.title)

    @cached_property
    def _grid(self) -> tuple[int, int]:
        rows, columns = self.values.shape
        return max(round(rows * self._bin[0]), 1), max(round(columns * self._bin[1]), 1)

    @property
    def _title_lines(self) -> list[str]:
        return font.wrap(self._heading, font.NORMAL, self.room)

    @property
    def _title_height(self) -> int:
        return font.line_height(font.NORMAL) * len(self._title_lines) + 4

    @property
    def width(self) -> int:
        """Bin numbers and grid, or title."""
        title = max(font.width(line, font.NORMAL) for line in self._title_lines)
        return max(_SIDE + self._grid[1], int(title) + 1)

    @property
    def height(self) -> int:
        """Title, bin numbers, grid."""
        return self._title_height + _HEAD + self._grid[0]

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """Title, bin numbers, grid, values."""
        for n, line in enumerate(self._title_lines):
            sheet.text(x, y + n * font.line_height(font.NORMAL), line, font.NORMAL)
        left, top = x + _SIDE, y + self._title_height + _HEAD
        sheet.raster(left, top, self._grid[1], self._grid[0], self._draw)
        self._place_bin_numbers(sheet, left, top)
        if (written := self._format) is not None:
            self._place_values(sheet, left, top, written)

    def _place_bin_numbers(self, sheet: Sheet, left: int, top: int) -> None:
        height, width = self._bin
        line = font.line_height(font.TICK)
        rows, columns = self.values.shape
        if width >= font.width(str(columns - 1), font.TICK) + 4:
            for q in range(columns):
                sheet.text(left + (q + 0.5) * width, top - line - 1, str(q), font.TICK, MUTED, 0.5)
        if height >= line:
            for p in range(rows):
                y = top + (p + 0.5) * height - line / 2
                sheet.text(left - 5, y, str(p), font.TICK, MUTED, 1.0)

    def _place_values(self, sheet: Sheet, left: int, top: int, written: Format) -> None:
        height, width = self._bin
        rgb = self.scale.colours(self.values)
        for p, q in np.ndindex(self.values.shape):
            colour = INK if self.void[p, q] else readable_on(rgb[p, q])
            y = top + (p + 0.5) * height - font.line_height(font.TICK) / 2
            text = written(float(self.values[p, q]))
            sheet.text(left + (q + 0.5) * width, y, text, font.TICK, colour, 0.5)

    def _draw(self) -> Image.Image:
        (pixels_y, pixels_x), (height, width) = self._grid, self._bin
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
        return brush.finish()
