"""Explanations of a job's boxes: the maps they are on, and what its command writes for them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from roicrop.errors import BoxError
from roicrop.explanation.account import Explanation
from roicrop.explanation.terms import LevelReason, Source
from roicrop.job import Job


def explain(job: Job, boxes: Iterable[int], channel: int = 0) -> list[Explanation]:
    """Where the pooled values of one channel of each of these boxes come from.

    boxes: their numbers in the file.

    Raises BoxError for a box that does not exist or is not pooled, and ArgumentError for a channel
    that the maps lack.
    """
    job.check_channel(channel)
    rows = job.rows_of(boxes)
    for row in rows.tolist():
        _require_pooled(job, row)
    found: dict[int, Explanation] = {}
    for on_map in job.by_map(rows):
        # The channel, or those of each of its bins; copied, because others overwrite it.
        bins = math.prod(job.request.output_size) if job.convention.position_sensitive else 1
        features = on_map.channels_first(on_map.features)[channel * bins : (channel + 1) * bins]
        features = features.copy()
        pooled = on_map.channels_first(on_map.pool())
        plan = on_map.plan()
        for k, row in enumerate(on_map.rows.tolist()):
            x1, y1, x2, y2 = job.corners[row].tolist()
            source = Source(
                file=on_map.file,
                image=job.image_name(on_map.image),
                box=int(job.table.source_index[row]),
                corners=(x1, y1, x2, y2),
                input_scale=job.source.input_scale(on_map.map),
                level=_reason(job, row),
            )
            found[row] = Explanation(source, plan, k, channel, features, pooled[k, channel])
    return [found[row] for row in rows.tolist()]


def _require_pooled(job: Job, row: int) -> None:
    if job.is_pooled[row]:
        return
    why = "the box is bad, so its values are zeros that come from nowhere"
    if job.image_index[row] >= 0 and job.level[row] < 0 and job.level_rule:
        why = f"the level rule {job.level_rule.name} puts a box of this size on no level, so its "
        why += "values are zeros"
    raise BoxError(f"{job.where(row)}: {why}: choose another with --box")


def _reason(job: Job, row: int) -> LevelReason | None:
    names = job.source.level_names
    if names is None or job.level_rule is None:
        return None
    return LevelReason(job.why_on_level(row), tuple(names))
