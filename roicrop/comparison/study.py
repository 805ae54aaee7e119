"""Why two conventions differ: the second look, at few boxes and one at a time."""

from __future__ import annotations

from typing import Final

import numpy as np

from roicrop.comparison.ablation import Ablation, Reason
from roicrop.comparison.comparison import Pair, WorstBox
from roicrop.comparison.contrast import contrasts
from roicrop.comparison.gallery import Gallery
from roicrop.comparison.tally import Tally
from roicrop.comparison.variants import Variant
from roicrop.errors import BoxError
from roicrop.job import Job, OnMap, Rows

_EVERYWHERE: Final = 32  # boxes that are looked at beside the worst


class Study:
    """Two variants of a job: which rules make them differ, and what the worst boxes look like.

    rows: the boxes to look at: the worst, and some from all over the file; none where no box
        differs.
    """

    def __init__(self, job: Job, first: Variant, second: Variant, tally: Tally) -> None:
        self._first, self._second = first, second
        self._tally = tally
        self._ablation = Ablation(first.convention, second.convention)
        self._worst = {worst.row: worst for worst in tally.worst}
        self._found: dict[int, WorstBox] = {}
        self._picture: str | None = None
        self.rows: Rows = np.array(list(self._worst), dtype=np.intp)
        if self._worst:
            self.rows = np.union1d(self.rows, _everywhere(job))

    def look(self, on_map: OnMap, gallery: Gallery | None) -> None:
        """Look at boxes on their map, of those in `rows`."""
        for row in on_map.rows.tolist():
            one = on_map.take(np.array([row], dtype=np.intp))
            try:
                reasons = self._ablation.add(one.pool)
            except BoxError:  # one of the two refuses it
                continue
            if row in self._worst:
                self._found[row] = self._describe(row, one, reasons)
            if gallery is not None and row == next(iter(self._worst)):
                self._picture = gallery.draw(one, self._worst[row], self._first, self._second)

    def _describe(self, row: int, one: OnMap, reasons: list[Reason]) -> WorstBox:
        first, second = (one.plan(v.convention) for v in (self._first, self._second))
        names = self._first.name, self._second.name
        idle = {reason.cause for reason in reasons if reason.is_idle}
        found = contrasts((first, second), 0, names, one.cells_per_pixel)
        telling = [contrast for contrast in found if contrast.what not in idle]
        return WorstBox(self._worst[row], telling, reasons)

    def pair(self, refused: int) -> Pair:
        """All that is known of the two; `refused`: boxes that only one of them takes."""
        return Pair(
            self._first,
            self._second,
            self._tally,
            refused,
            self._ablation.boxes,
            self._ablation.reasons,
            [self._found[row] for row in self._worst],
            self._picture,
        )


def _everywhere(job: Job) -> Rows:
    """Boxes that are pooled, evenly spaced."""
    rows = np.flatnonzero(job.is_pooled)
    at = np.linspace(0, len(rows) - 1, min(len(rows), _EVERYWHERE)).astype(np.intp)
    return rows[at]
