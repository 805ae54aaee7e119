"""Why two conventions differ: the second look, at few boxes and one at a time."""

from __future__ import annotations

from typing import Final

import numpy as np

from roicrop.comparison.ablation import Ablation, Reason
from roicrop.comparison.comparison import Pair, WorstBox
from roicrop.comparison.contrast import Contrast, contrasts
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
        self._ablation = Ablation(
            first.convention, second.convention, pyramid=job.source.level_names is not None
        )
        self._worst = {worst.row: worst for worst in tally.worst}
        self._found: dict[int, WorstBox] = {}
        self._picture: str | None = None
        self.rows: Rows = np.array(list(self._worst), dtype=np.intp)
        if self._worst:
            self.rows = np.union1d(self.rows, _everywhere(job))
        self._drawn = next(
            (row for row in self._worst if _on_one_map(job, row, first, second)), None
        )

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
            if gallery is not None and row == self._drawn:
                self._picture = gallery.draw(one, self._worst[row], self._first, self._second)

    def _describe(self, row: int, one: OnMap, reasons: list[Reason]) -> WorstBox:
        names = self._first.name, self._second.name
        placed = [one.under(v.convention) for v in (self._first, self._second)]
        if placed[0].map != placed[1].map:
            return WorstBox(self._worst[row], [_levels_apart(row, placed, names)], reasons)
        first, second = (
            on_map.plan(v.convention)
            for on_map, v in zip(placed, (self._first, self._second), strict=True)
        )
        idle = {reason.cause for reason in reasons if reason.is_idle}
        found = contrasts((first, second), 0, names, placed[0].cells_per_pixel)
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


def _on_one_map(job: Job, row: int, first: Variant, second: Variant) -> bool:
    levels = {int(job.under(v.convention).level[row]) for v in (first, second)}
    return len(levels) == 1


def _levels_apart(row: int, placed: list[OnMap], names: tuple[str, str]) -> Contrast:
    """Two rules take the box from different maps of a pyramid, or one of them from none."""
    taken = []
    for on_map in placed:
        level = int(on_map.job.level[row])
        taken.append("no level" if level < 0 else (on_map.job.source.level_names or [])[level])
    text = f"{names[0]} takes the box from {taken[0]}, {names[1]} from {taken[1]}"
    return Contrast("level", text, *taken)


def _everywhere(job: Job) -> Rows:
    """Boxes that are pooled, evenly spaced."""
    rows = np.flatnonzero(job.is_pooled)
    at = np.linspace(0, len(rows) - 1, min(len(rows), _EVERYWHERE)).astype(np.intp)
    return rows[at]
