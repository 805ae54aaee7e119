"""What was pooled: one coloured square for each bin, with its number where that fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from roicrop.draw.canvas import FINER, Brush, rectangle, stripes
from roicrop.draw.colour import INK, MUTED, PAPER, RULE, Colour, Scale, readable_on
from roicrop.draw.lettering import TICK, line_height, text_width
from roicrop.draw.map import fitting
from roicrop.draw.sheet import Block, Sheet

_LARGEST: Final = 92.0  # pixels a bin
_WIDEST: Final = 2.2  # bins, in their heights
_LINE: Final = line_height(TICK)
_SIDE: Final = 24
_LEAST_BORDER: Final = 4.0


def grid(
    values: NDArray[np.float64],
    void: NDArray[np.bool_],
    scale: Scale,
    room: int,
    most_height: int,
    framed: tuple[int, int] = (0, 0),
    colours: Sequence[Colour] = (),
    *,
    bare: bool = False,
) -> tuple[Block, str]:
    """Pooled values as a heat map, and the power of ten that their numbers share.

    values, void: (PH, PW), and which bins had nothing to pool.
    room, most_height: the width and height that it may have; a grid of few bins is smaller.
    framed: the bin that is brought out, in one of the colours or in dashes of two.
    bare: without numbers of bins beside it.
    """
    rows, columns = values.shape
    side, above = (0, 0) if bare else (_SIDE, _LINE)
    width = min((room - side - 3) / columns, _LARGEST)
    height = min((most_height - above) / rows, width)
    width = min(width, height * _WIDEST)
    pixels_y, pixels_x = max(round(rows * height), 1), max(round(columns * width), 1)
    written = fitting(scale, values, width - 4) if height >= _LINE else None

    def draw() -> Image.Image:
        size = pixels_x * FINER, pixels_y * FINER
        canvas = Image.fromarray(scale.colours(values)).resize(size, Image.Resampling.NEAREST)
        nothing = Image.fromarray(void).resize(size, Image.Resampling.NEAREST)
        canvas.paste(Image.fromarray(stripes(pixels_y, pixels_x)), mask=nothing)
        brush = Brush(np.asarray(canvas))
        if min(height, width) >= _LEAST_BORDER:
            for q in range(1, columns):
                brush.line(q * width, 0, q * width, pixels_y, 1.0, (*PAPER, 200))
            for p in range(1, rows):
                brush.line(0, p * height, pixels_x, p * height, 1.0, (*PAPER, 200))
        brush.outline(rectangle(0, 0, pixels_x, pixels_y), 2.0, RULE)
        x, y = framed[1] * width + 2, framed[0] * height + 2
        corners = rectangle(x, y, max(x + width - 4, x), max(y + height - 4, y))
        if colours:
            brush.outline(corners, 5.0, INK)
        for n, colour in enumerate(colours):
            brush.outline(corners, 4.0, colour, dashed=n > 0)
        return brush.finish()

    def place(sheet: Sheet, x: int, y: int) -> None:
        left, top = x + side, y + above
        sheet.raster(left, top, pixels_x, pixels_y, draw)
        if not bare and width >= text_width(str(columns - 1), TICK) + 4:
            for q in range(columns):
                sheet.text(left + (q + 0.5) * width, y - 1, str(q), TICK, MUTED, 0.5)
        if not bare and height >= _LINE:
            for p in range(rows):
                at = top + (p + 0.5) * height - _LINE / 2
                sheet.text(left - 5, at, str(p), TICK, MUTED, 1.0)
        rgb = scale.colours(values)
        for p, q in np.ndindex(values.shape) if written else ():
            text = written(float(values[p, q])) if written else ""
            colour = INK if void[p, q] else readable_on(rgb[p, q])
            at = top + (p + 0.5) * height - _LINE / 2
            sheet.text(left + (q + 0.5) * width, at, text, TICK, colour, 0.5)

    return Block(room, above + pixels_y, place), written.factor if written else ""
