"""A small table of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from roicrop.draw import font
from roicrop.draw.colour import INK, MUTED
from roicrop.draw.sheet import Sheet


@dataclass(frozen=True)
class Table:
    """Lines of cells of text below a heading, each column as wide as it needs."""

    heading: tuple[str, ...]
    lines: Sequence[tuple[str, ...]]
    gap: int = 18

    @cached_property
    def _widths(self) -> list[int]:
        columns = zip(self.heading, *self.lines, strict=True)
        return [int(max(font.width(t, font.SMALL) for t in column)) + 1 for column in columns]

    @property
    def width(self) -> int:
        """All columns and the gaps between them."""
        return sum(self._widths) + self.gap * (len(self._widths) - 1)

    @property
    def height(self) -> int:
        """The heading and the lines."""
        return (len(self.lines) + 1) * font.line_height(font.SMALL)

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """The heading muted, the lines in ink."""
        for line in (self.heading, *self.lines):
            left = x
            for text, width in zip(line, self._widths, strict=True):
                colour = MUTED if line is self.heading else INK
                sheet.text(left, y, text, font.SMALL, colour)
                left += width + self.gap
            y += font.line_height(font.SMALL)
