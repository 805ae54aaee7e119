"""Figures of a job's boxes: which ones, and where they go, is decided before any are drawn."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from roicrop.conventions import Convention
from roicrop.crews import Processes
from roicrop.draw.drawing import Crop, default_bin
from roicrop.draw.figures import both, panel
from roicrop.draw.sheet import Sheet, is_own
from roicrop.draw.surveys import Item, Survey, SurveyName
from roicrop.draw.view import Shown, over_channels
from roicrop.errors import ArgumentError
from roicrop.explanation import coverage, is_points, write_points
from roicrop.job import SMALL_MAP, Job, OnMap, Photos, Placed
from roicrop.outputs import is_picture, refuse_unfit

BY_DEFAULT: Final = 8  # figures, by default
_BESIDE: Final = 0.5  # of a box's longer side is visible around it
_WORTH_WORKERS: Final = 24  # figures; for fewer, starting processes takes longer than drawing


@dataclass(frozen=True)
class Options:
    """What a figure of a box shows.

    channel: the channel shown. None means the mean over all, or, for a maximum, whose winning
        cells a mean does not have, the channel with the largest pooled value.
    bin: the bin that is highlighted; None means the one with the largest value.
    photo: the image's file, instead of the one named in the files.
    points: whether the sampling points go beside each figure, as CSV.
    overwrite: whether existing files are replaced; replace_own: only those that roicrop drew.
    """

    channel: int | None = None
    bin: tuple[int, int] | None = None
    photo: str | None = None
    points: bool = False
    overwrite: bool = False
    replace_own: bool = False


@dataclass(frozen=True)
class Figure:
    """One figure to draw, with all it needs: other processes have neither job nor maps.

    sheet: lays it out. files: the figure and its tables. tables: each writes a table to a path.
    """

    sheet: Callable[[], Sheet]
    files: Sequence[Path]
    overwrite: bool
    tables: Sequence[Callable[..., None]] = ()

    def draw(self) -> list[Path]:
        """Write the files; returns those that are new. A failure leaves none of them."""
        from roicrop import draw

        made: list[Path] = []
        try:
            writers: list[Callable[..., None]] = [partial(draw.save, self.sheet()), *self.tables]
            for path, write in zip(self.files, writers, strict=False):
                new = not path.exists()
                write(path=path, overwrite=self.overwrite)
                made += [path] if new else []
        except BaseException:
            remove(made)
            raise
        return made


def remove(files: Sequence[Path]) -> None:
    """Remove files that were made."""
    for path in files:
        path.unlink(missing_ok=True)


class Album:
    """Figures of some boxes of a job: one for each, or one for all on an image.

    place: an existing directory (see `room_for_pictures`); or, for one figure, a file that ends
        in .png; or None for `images`.
    conventions: one, or two that are drawn side by side.
    boxes: indices of boxes in their file; None means the first few, or all for a survey.
    survey: "overview", "sheet" or "coverage" for one figure per image; None for one per box.

    As a context manager, it removes the files that it made if the work fails.

    Raises BoxError for a box that does not exist or cannot be drawn, ArgumentError for a channel, a
    bin or a photograph that does not exist, and OutputError for a place that cannot be used.
    """

    def __init__(
        self,
        job: Job,
        place: str | None,
        conventions: Sequence[Convention],
        options: Options,
        *,
        boxes: Sequence[range] | None = None,
        survey: SurveyName | None = None,
    ) -> None:
        job.check_channel(options.channel)
        job.check_bin(options.bin)
        self._job = job
        self._conventions = [job.convention, *conventions[1:]]  # the first as its boxes need it
        job.check_pair(conventions)
        self._options = options
        self._survey = survey
        self._rows = job.drawable(boxes, BY_DEFAULT if survey is None else None)
        self._photos = Photos(options.photo)
        self._photos.check(job.placed(self._rows))
        self._files = {} if place is None else self._name_files(Path(place))
        self._overwrite = options.overwrite or options.replace_own  # foreign files were refused
        self._made: list[Path] = []

    def __enter__(self) -> Album:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error:
            remove(self._made)

    def __len__(self) -> int:
        return len(self._files)

    def images(self) -> Iterator[Image]:
        """Each figure as an RGB image, in the order of the maps."""
        with closing(self._surveys() if self._survey else self._figures()) as figures:
            yield from (figure.sheet().finish() for figure in figures)

    def draw(self, progress: Callable[[int], object] = lambda done: None) -> list[str]:
        """Draw all figures, on all cores if there are many; returns the files, pictures first.

        progress: called with the number of figures drawn since the last call.
        """
        with closing(self._surveys() if self._survey else self._figures()) as figures:
            for made in _drawn(figures, len(self._files), self._job.request.threads):
                self._made += made
                progress(1)
        files = self._files.values()
        return [str(path) for kind in zip(*files, strict=True) for path in kind]

    def _figures(self) -> Generator[Figure]:
        options = self._options
        for on_map in self._job.by_map(self._rows, whole=SMALL_MAP, beside=_BESIDE):
            features = on_map.cells
            pooled = [on_map.channels_first(on_map.pool(row)) for row in self._conventions]
            mean = None if options.channel is not None else Shown.of(features, None)
            for k, row in enumerate(on_map.rows.tolist()):
                one = on_map.take(np.array([row], dtype=np.intp))
                channel = self._channel([values[k] for values in pooled])
                crops, chosen = [], options.bin
                for convention, values in zip(self._conventions, pooled, strict=True):
                    values_shown = over_channels(values[k], channel)
                    chosen = chosen or default_bin(values_shown)
                    crops.append(Crop(one.plan(convention), 0, values_shown, chosen))
                one_map = channel is None and not self._conventions[0].position_sensitive
                of_bin = partial(Shown.of_bin, features, channel, crops[0].plan, crops[0].bin)
                shown = mean if mean and one_map else of_bin()
                layout = partial(panel, shown, crops[0])
                if len(crops) == 2:
                    layout = partial(both, shown, (crops[0], crops[1]))
                subject, photo = on_map.subject(row), self._photos.of(one, row)
                yield Figure(
                    partial(layout, subject=subject, photo=photo),
                    self._files.get(row, ()),
                    self._overwrite,
                    [partial(write_points, crop.plan, 0, subject=subject) for crop in crops],
                )

    def _surveys(self) -> Generator[Figure]:
        job = self._job
        for placed in job.placed(self._rows):
            size = job.source.bytes(placed.map)
            if size > job.memory // 2:  # the next map is read while one is drawn
                raise ArgumentError(
                    f"--figure {self._survey} shows a whole map; that of image "
                    f"{job.image_name(placed.image)} takes {size:,} bytes, but only "
                    f"{job.memory // 2:,} are left: give --memory {2 * size}, or draw each box"
                )
        on_maps = self._job.by_map(self._rows)
        for key, its in groupby(on_maps, lambda on_map: self._key(on_map.map)):
            survey: Survey | None = None
            for on_map in its:
                survey = self._added(on_map, survey)
            assert survey is not None
            yield Figure(survey.compose, self._files.get(key, ()), self._overwrite)

    def _added(self, on_map: OnMap, survey: Survey | None) -> Survey:
        """The survey, or a new one for None, with the boxes of one more map."""
        table, names = self._job.table, self._job.source.level_names
        convention, channel = self._conventions[0], self._options.channel
        features = on_map.channels_first(on_map.features)
        if survey is None:
            shown, photo = Shown.of(features, channel), self._photos.of(on_map, int(on_map.rows[0]))
            name, amount = self._survey or "overview", np.zeros(shown.map_size)
            survey = Survey(name, shown, [], amount, on_map.cells_per_pixel, photo)
        pooled = on_map.channels_first(on_map.pool(convention))
        plan = on_map.plan(convention)
        for k, row in enumerate(on_map.rows.tolist()):
            crop = Crop(plan, k, over_channels(pooled[k], channel), (0, 0))
            if survey.name == "coverage":
                of = features if channel is None else features[[channel]]
                survey.amount[...] += coverage(plan, k, of)
            score = None if table.score is None else float(table.score[row])
            level = None if names is None else names[int(self._job.level[row])]
            survey.items.append(Item(row, on_map.subject(row), crop, score, level))
        return survey

    def _channel(self, pooled: Sequence[NDArray[Any]]) -> int | None:
        if self._options.channel is not None or len(pooled[0]) == 1:
            return self._options.channel or 0
        for convention, values in zip(self._conventions, pooled, strict=True):
            if convention.mode == "max":
                return default_bin(values.reshape(len(values), -1))[0]
        return None

    def _key(self, map_: int) -> int:
        """What a survey is for: an image, or, if cells are counted, a map."""
        return map_ if self._survey == "coverage" else self._job.image_of(map_)

    def _name_files(self, place: Path) -> dict[int, list[Path]]:
        """Row, or for surveys image or map → its figure, and its tables of points."""
        operators = [row.operator for row in self._conventions]
        kind = self._survey or (operators[0] if len(operators) == 1 else "both")
        names = {row: f"box-{self._job.table.source_index[row]}" for row in self._rows.tolist()}
        if self._survey:
            names = {
                self._key(each.map): self._name_of(each) for each in self._job.placed(self._rows)
            }
        if is_picture(place):
            if len(names) != 1:
                what = f"{self._survey}s" if self._survey else "boxes"
                raise ArgumentError(
                    f"{place} is one picture, and there are {len(names)} {what} to draw: "
                    "choose one with --box, or name a folder"
                )
            figures = dict.fromkeys(names, place)
        else:
            figures = {key: place / f"{kind}-{name}.png" for key, name in names.items()}
        listed = self._options.points and not self._survey
        ends = [".csv"] if len(operators) == 1 else [f"-{name}.csv" for name in operators]
        files = {
            key: [png, *(png.with_name(png.stem + end) for end in ends if listed)]
            for key, png in figures.items()
        }
        asked, inputs = self._options, self._job.input_files
        for path in chain.from_iterable(files.values()):
            own = (is_points if path.suffix == ".csv" else is_own) if asked.replace_own else None
            refuse_unfit(path, overwrite=asked.overwrite, is_own=own, inputs=inputs)
        return files

    def _name_of(self, placed: Placed) -> str:
        """The name of an image, and for coverage its level, made fit for a file name."""
        name = self._job.image_name(placed.image)
        levels = self._job.source.level_names
        if levels and self._survey == "coverage":
            name += f"-{levels[placed.map % len(levels)]}"
        plain = re.sub(r"[^\w.-]+", "_", name)
        return plain if plain == name else f"{plain}-{placed.image}"


def _drawn(figures: Iterator[Figure], count: int, threads: int | None) -> Iterator[list[Path]]:
    """Draw figures; yields the files that each made, in any order."""
    workers = min(threads or os.cpu_count() or 1, count // (_WORTH_WORKERS // 2))
    if workers < 2:
        yield from (figure.draw() for figure in figures)
        return
    Processes.prepare(["roicrop.draw"])
    crew, waiting = Processes(workers), set[Future[list[Path]]]()
    try:
        with crew.executor() as pool:
            for figure in figures:
                waiting.add(pool.submit(figure.draw))
                if len(waiting) >= 3 * workers:
                    done = crew.wait(waiting)
                    waiting -= done
                    yield from (future.result() for future in done)
            yield from (future.result() for future in waiting)
    except BaseException:
        for future in waiting:
            if future.done() and not future.cancelled() and not future.exception():
                remove(future.result())
        raise
