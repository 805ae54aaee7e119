"""The explanation of a job's box: the map it is on, and what its command writes for it."""

from __future__ import annotations

from roicrop.errors import BoxError
from roicrop.explanation.account import Explanation
from roicrop.explanation.terms import LevelReason, Source
from roicrop.job import Job


def explain(job: Job, box: int, channel: int = 0) -> Explanation:
    """Where the pooled values of one box and one channel come from.

    box: its number in the file.

    Raises BoxError for a box that is not there or not pooled, and ArgumentError for a channel that
    the maps lack.
    """
    source = job.source
    job.check_channel(channel)
    rows = job.rows_of([box])
    for on_map in job.by_map(rows):
        features, pooled = map(on_map.channels_first, (on_map.features, on_map.pool()[0]))
        x1, y1, x2, y2 = job.corners[rows[0]].tolist()
        return Explanation(
            Source(
                file=on_map.file,
                image=job.image_name(on_map.image),
                box=box,
                corners=(x1, y1, x2, y2),
                input_scale=source.input_scale(on_map.map),
                level=_reason(job, int(rows[0])),
            ),
            on_map.plan(),
            0,
            channel,
            features[channel].copy(),  # the map itself is valid only here
            pooled[channel],
        )
    if job.image_index[rows[0]] >= 0 and job.level[rows[0]] < 0 and job.level_rule:
        raise BoxError(
            f"{job.where(rows[0])}: the level rule {job.level_rule.name} puts a box of this area "
            "on no level, and its values are zeros: choose another with --box"
        )
    raise BoxError(
        f"{job.where(rows[0])}: the box is bad and its values are zeros, which come from nowhere: "
        "choose another with --box"
    )


def _reason(job: Job, row: int) -> LevelReason | None:
    names = job.source.level_names
    if names is None or job.level_rule is None:
        return None
    return LevelReason(job.why_on_level(row), tuple(names))
