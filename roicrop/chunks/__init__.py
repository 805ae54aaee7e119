"""Reading parts of any dataset into memory, in any number of threads.

    a dataset ──Pieces──▶ the chunks that are wanted ──Windows──▶ (N, C, h, w)

`pieces` reads chunks as they are stored, `filters` undoes their filters, with `unpacking/` where
the interpreter's lock would be in the way, and `windows` puts the axes in order.
"""

from __future__ import annotations

from roicrop.chunks.pieces import Pieces
from roicrop.chunks.windows import Lines, Windows, count_of

__all__ = ["Lines", "Pieces", "Windows", "count_of"]
