"""Pictures of the boxes that differ most: where they go is settled before the work."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from roicrop.comparison.tally import Worst
from roicrop.comparison.variants import Variant
from roicrop.job import Job, OnMap
from roicrop.outputs import refuse_unfit


class Gallery:
    """One picture for each two variants: both sampling grids over one another, and the difference.

    place: a directory that is there.
    channel: the one that is shown; None is the one in which a box differs most.

    Raises ArgumentError for a channel that the maps lack, and OutputError for a place that cannot
    be used.
    """

    def __init__(
        self,
        job: Job,
        place: str,
        variants: Sequence[Variant],
        *,
        channel: int | None = None,
        overwrite: bool = False,
    ) -> None:
        job.check_channel(channel)
        self._place = Path(place)
        self._channel = channel
        self._overwrite = overwrite
        for pair in combinations(variants, 2):
            refuse_unfit(self._file(*pair), overwrite=overwrite, inputs=job.input_files)

    def draw(self, one: OnMap, worst: Worst, first: Variant, second: Variant) -> str:
        """Draw the one box on its map; the file that was written."""
        from roicrop import draw
        from roicrop.job import Photos

        rows = first.convention, second.convention
        one = one.under(rows[0])
        pooled = [one.channels_first(one.pool(row))[0] for row in rows]
        plans = [one.plan(row) for row in rows]
        channel = worst.channel if self._channel is None else self._channel
        crops = [
            draw.Crop(plan, 0, np.asarray(values[channel], np.float64), (0, 0))
            for plan, values in zip(plans, pooled, strict=True)
        ]
        apart = np.abs(crops[1].values - crops[0].values)
        features, bin_ = one.channels_first(one.features), draw.default_bin(apart)
        shown = draw.Shown.of_bin(features, channel, plans[0], bin_)
        picture = draw.overlay(
            shown,
            (crops[0], crops[1]),
            names=(first.name, second.name),
            subject=one.subject(worst.row),
            photo=Photos(None).of(one, worst.row),
        )
        path = self._file(first, second)
        draw.save(picture, path, overwrite=self._overwrite)
        return str(path)

    def _file(self, first: Variant, second: Variant) -> Path:
        # Windows has no files with colons; no convention has an underscore in its name.
        name = f"{first.name}-vs-{second.name}.png".replace(":", "_")
        return self._place / name
