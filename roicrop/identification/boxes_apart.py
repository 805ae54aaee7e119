"""Which boxes do not agree, and what they have in common."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.identification.confirm import Trial
from roicrop.job import distinct_images
from roicrop.text import printable

Mask = NDArray[np.bool_]

_NAMED: Final = 5
_NEARLY: Final = 1e-6  # cells
_LISTED: Final = 1000


def boxes_apart(trial: Trial) -> tuple[str, dict[str, object]]:
    """A sentence, and the boxes' numbers in their file, for a trial that some boxes agree with."""
    job = trial.job
    compared = ~np.isnan(trial.worst)
    bad = compared & ~(trial.worst <= 1.0)
    rows = np.flatnonzero(bad)
    named = [job.where(row) for row in rows[:_NAMED].tolist()]
    if len(rows) > _NAMED:
        named.append(f"and {len(rows) - _NAMED:,} more")
    text = f"some boxes only: {len(rows):,} of {trial.compared:,} do not agree ({', '.join(named)})"
    common = _in_common(trial, bad, compared & ~bad)
    numbers: list[Any] = job.table.source_index[rows[:_LISTED]].tolist()
    details = {"count": len(rows), "boxes": numbers, "in_common": common}
    return text + "".join(f"; {words}" for words in common), details


def _in_common(trial: Trial, bad: Mask, good: Mask) -> list[str]:
    """What is true of all boxes that do not agree, and of hardly any that do."""
    found = []
    for words, trait in _traits(trial):
        others = int((trait & good).sum())
        if trait[bad].all() and 4 * others <= int(good.sum()):
            found.append(f"all of them {words}, and {others or 'none'} of the others")
    return found


def _traits(trial: Trial) -> list[tuple[str, Mask]]:
    job, cells, sizes = trial.job, trial.job.cells, trial.job.box_map_size[:, ::-1]
    sides = cells[:, 2:] - cells[:, :2]
    outside = (cells.min(axis=1) < 0) | (cells[:, 2:] > sizes).any(axis=1)
    traits = [
        ("are reversed", (sides < 0).any(axis=1)),
        ("are of no size", (sides == 0).any(axis=1)),
        ("are smaller than a cell", (sides < 1).any(axis=1)),
        ("reach outside their map", outside),
    ]
    if trial.row.kind == "cell":
        halves = (np.abs(cells - np.floor(cells) - 0.5) < _NEARLY).any(axis=1)
        traits.append(
            ("have a corner half-way between cells, which may be rounded up or down", halves)
        )
    images = distinct_images(job.image_index)
    if len(images) > 1:
        traits += [
            (f"are on image {printable(job.image_name(i))}", job.image_index == i)
            for i in images.tolist()
        ]
    return traits
