"""The map in its frame: heat map, marks, cell numbers, and a bracket for each bin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from PIL import Image

from roicrop.draw import font
from roicrop.draw.brackets import Brackets
from roicrop.draw.brush import Brush
from roicrop.draw.colour import INK, MUTED, Scale
from roicrop.draw.heat import Cells, heat_map
from roicrop.draw.number import round_step
from roicrop.draw.sheet import Sheet
from roicrop.draw.view import Span, View

GUTTER: Final = 44  # for the row numbers
_FOOT: Final = 38  # for the column numbers and their name
_GAP: Final = 4


@dataclass(frozen=True)
class MapBlock:
    """A view of the map.

    marks: draws on the finished heat map.
    row_spans, column_spans: the bins, in index coordinates; None for one that covers no cell.
    least_head: pixels above the map, so that two maps can stand side by side.
    """

    view: View
    cells: Cells
    scale: Scale
    marks: Callable[[Brush], None]
    row_spans: Sequence[Span | None]
    column_spans: Sequence[Span | None]
    least_head: int = 0

    @cached_property
    def _above(self) -> Brackets:
        view = self.view
        return Brackets(self.column_spans, view.left, view.cell, view.width, vertical=False)

    @cached_property
    def _beside(self) -> Brackets:
        view = self.view
        return Brackets(self.row_spans, view.top, view.cell, view.height, vertical=True)

    @property
    def bracketed(self) -> bool:
        """Whether there are brackets along both sides."""
        return bool(self._above.depth and self._beside.depth)

    @property
    def numbered(self) -> bool:
        """Whether those have numbers."""
        return self._above.numbered and self._beside.numbered

    @property
    def head(self) -> int:
        """Pixels above the map."""
        return max(self._above.depth + _GAP, font.line_height(font.TICK), self.least_head)

    @property
    def width(self) -> int:
        """Row numbers, map, brackets."""
        return GUTTER + self.view.width + _GAP + self._beside.depth

    @property
    def height(self) -> int:
        """Brackets, map, column numbers."""
        return self.head + self.view.height + _FOOT

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """Frame, numbers, brackets."""
        view, left, top = self.view, x + GUTTER, y + self.head
        sheet.raster(left, top, view.width, view.height, self._draw)
        self._above.place(sheet, left, top - _GAP - self._above.depth)
        self._beside.place(sheet, left + view.width + _GAP, top)
        self._place_numbers(sheet, left, top)

    def _draw(self) -> Image.Image:
        brush = heat_map(self.cells, self.view, self.scale)
        self.marks(brush)
        return brush.finish()

    def _place_numbers(self, sheet: Sheet, left: int, top: int) -> None:
        view, (height, width) = self.view, self.cells.map_size
        line = font.line_height(font.TICK)
        rows, columns = view.row_range(height), view.column_range(width)
        widest = font.width(str(columns.stop), font.TICK)
        for i in _labelled(columns, view.cell, widest + 12):
            if widest / 2 <= view.x(i) <= view.width - widest / 2:
                at = left + view.x(i)
                sheet.text(at, top + view.height + 2, str(i), font.TICK, INK, align=0.5)
        for i in _labelled(rows, view.cell, line + 6):
            if line / 2 <= view.y(i) <= view.height - line / 2:
                at = top + view.y(i) - line / 2
                sheet.text(left - 6, at, str(i), font.TICK, INK, align=1.0)
        sheet.text(left - 6, top - line, "row", font.TICK, MUTED, align=1.0)
        sheet.text(left, top + view.height + 2 + line, "column of cells", font.TICK, MUTED)


def _labelled(cells: range, cell: float, room: float) -> range:
    step = max(int(round_step(room / cell)), 1)
    return range(-(-cells.start // step) * step, cells.stop, step)
