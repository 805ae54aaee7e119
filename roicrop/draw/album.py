"""Pictures of a job's boxes: which, and where they go, is settled before the work; then drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np

from roicrop.conventions import Convention
from roicrop.errors import ArgumentError, BoxError
from roicrop.job import Job, OnMap, Rows
from roicrop.outputs import is_picture, refuse_unfit

BY_DEFAULT: Final = 8  # pictures, if nobody says which boxes to draw


class Album:
    """A picture for each of some boxes of a job, under one convention or two side by side.

    place: a directory that is there (see `room_for_pictures`); or, for one box, a file that ends
        in .png.
    boxes: numbers of boxes in their file; None is the first few.
    channel: the one that is shown; None is the mean over all.
    points: whether the sampling points go beside each picture, as CSV.

    As a context manager, it takes back the files that it made when the work fails.

    Raises BoxError for a box that is not there or cannot be drawn, ArgumentError for a channel that
    the maps lack, and OutputError for a place that cannot be used.
    """

    def __init__(
        self,
        job: Job,
        place: str,
        conventions: Sequence[Convention],
        *,
        boxes: Sequence[range] | None = None,
        channel: int | None = None,
        points: bool = False,
        overwrite: bool = False,
    ) -> None:
        job.check_channel(channel)
        self._job = job
        self._conventions = conventions
        self._channel = channel
        self._points = points
        self._overwrite = overwrite
        self._rows = _drawable(job, boxes)
        self._files = self._name_files(Path(place))
        self._made: list[Path] = []

    def __enter__(self) -> Album:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for path in self._made if kind else ():
            path.unlink(missing_ok=True)

    def draw(self) -> list[str]:
        """Draw them all; the files that were written, pictures first."""
        written: dict[int, list[Path]] = {}
        for on_map in self._job.by_map(self._rows):
            for row, paths in self._draw_boxes(on_map):
                written[row] = paths
        by_box = [written[row] for row in self._rows.tolist()]
        return [str(path) for kind in zip(*by_box, strict=True) for path in kind]

    def _draw_boxes(self, on_map: OnMap) -> Iterator[tuple[int, list[Path]]]:
        from roicrop import draw

        plans = [on_map.plan(row) for row in self._conventions]
        pooled = [on_map.channels_first(on_map.pool(row)) for row in self._conventions]
        shown = on_map.channels_first(on_map.features)
        for k, row in enumerate(on_map.rows.tolist()):
            subject = on_map.subject(row)
            if len(plans) == 1:
                picture = draw.panel(
                    shown, plans[0], k, pooled[0][k], subject=subject, channel=self._channel
                )
            else:
                picture = draw.both(
                    shown,
                    (plans[0], plans[1]),
                    k,
                    (pooled[0][k], pooled[1][k]),
                    subject=subject,
                    channel=self._channel,
                )
            png, *tables = self._files[row]
            with self._making(png):
                draw.save(picture, png, overwrite=self._overwrite)
            for path, plan in zip(tables, plans, strict=False):
                with self._making(path):
                    draw.write_points(plan, k, path, subject=subject, overwrite=self._overwrite)
            yield row, self._files[row]

    @contextmanager
    def _making(self, path: Path) -> Iterator[None]:
        """Remember a file that is written inside, unless it replaces one."""
        new = not path.exists()
        yield
        if new:
            self._made.append(path)

    def _name_files(self, place: Path) -> dict[int, list[Path]]:
        """Row → its picture, and its tables of points."""
        operators = [row.operator for row in self._conventions]
        kind = operators[0] if len(operators) == 1 else "both"
        numbers = self._job.table.source_index
        if is_picture(place):
            if len(self._rows) != 1:
                raise ArgumentError(
                    f"{place} is one picture, and there are {len(self._rows)} boxes to draw: "
                    "choose one with --viz-boxes, or name a directory"
                )
            pictures = {int(self._rows[0]): place}
        else:
            pictures = {
                row: place / f"{kind}-box-{numbers[row]}.png" for row in self._rows.tolist()
            }
        files = {row: [png, *self._tables(png, operators)] for row, png in pictures.items()}
        for path in chain.from_iterable(files.values()):
            refuse_unfit(path, overwrite=self._overwrite, inputs=self._job.input_files)
        return files

    def _tables(self, png: Path, operators: Sequence[str]) -> list[Path]:
        if not self._points:
            return []
        if len(operators) == 1:
            return [png.with_suffix(".csv")]
        return [png.with_name(f"{png.stem}-{operator}.csv") for operator in operators]


def _drawable(job: Job, boxes: Sequence[range] | None) -> Rows:
    if boxes is None:
        return np.flatnonzero(job.is_pooled)[:BY_DEFAULT]
    # A range may end far beyond the last box: look no further than the first that is not there.
    numbers = list(islice(chain.from_iterable(boxes), job.boxes_in_file + 1))
    rows = job.rows_of(list(dict.fromkeys(numbers)))
    for row in rows[~job.is_pooled[rows]].tolist():
        raise BoxError(f"{job.where(row)} is bad and cannot be drawn: leave it out of --viz-boxes")
    return rows
