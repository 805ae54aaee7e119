"""Columns of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

INDENT: Final = "  "
_GAP: Final = "  "


def table(rows: Sequence[Sequence[str]], sides: str, indent: str = "") -> Iterator[str]:
    """Rows as lines. `sides` has an l or r for each column: the side that it is flush with."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            text.ljust(width) if side == "l" else text.rjust(width)
            for text, width, side in zip(row, widths, sides, strict=True)
        )
        yield (indent + _GAP.join(cells)).rstrip()


def headed(heading: str, text: str, width: int = 11) -> str:
    """A line of a summary: its subject, and the text about it."""
    return f"{heading:<{width}} {text}"
