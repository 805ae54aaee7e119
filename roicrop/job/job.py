"""Boxes on the maps of an open file: what every command works on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain, islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop import sampling
from roicrop.boxes import BoxTable
from roicrop.conventions import Convention, LevelRule
from roicrop.errors import ArgumentError, BoxError
from roicrop.features import FeatureSource, Scale
from roicrop.files import split_spec
from roicrop.files.columns import in_blocks, throughout, values_of
from roicrop.job.fitting import NO_BOX, Fit, fit, stride_that_fits
from roicrop.job.frames import Frames, distinct_images
from roicrop.job.levels import assign_levels, levels_on, rule_of
from roicrop.job.memory import default_memory
from roicrop.job.on_map import Corners, OnMap, Placed, Rows
from roicrop.job.parts import around
from roicrop.job.request import Request
from roicrop.operators import channels_of
from roicrop.text import many


@dataclass(frozen=True, eq=False)
class Job:
    """K boxes on the maps of an open file; a context manager, which closes it.

    Rows number the K boxes, in the order of their file. Maps are numbered as `source` does.

    table: the boxes. image_index: (K,) the image of each, −1 for one that does not exist.
    is_pooled: (K,) False for the boxes that are zeros instead: bad ones, and those on no level.
    matched: how boxes were matched to images, in words.
    boxes_in_file, bad: how many boxes the file has, and how many of the chosen ones are bad.
    given_level: (K,) the level of each box of a pyramid, in place of a rule; −1 for none.
    level: (K,) the level of each box's map, 0 the finest; −1 for none, or no image.
    map_index: (K,) the map of each box; −1 for a box on no image.
    frames: the sizes and scales of the maps that the boxes are on.
    """

    request: Request
    source: FeatureSource
    table: BoxTable
    image_index: NDArray[np.int64]
    is_pooled: NDArray[np.bool_]
    matched: str
    boxes_in_file: int
    bad: int
    given_level: NDArray[np.int64] | None = None
    level: NDArray[np.int64] = field(init=False)
    map_index: NDArray[np.int64] = field(init=False)
    frames: Frames = field(init=False)
    _under: dict[str, Job] = field(init=False, default_factory=dict)  # by level rule

    def __post_init__(self) -> None:
        nowhere = self.image_index < 0
        self._put_on(-nowhere.astype(np.int64) if nowhere.any() else throughout(0, len(self)))
        if self.source.level_names is not None:
            level = self._by_rule() if self.given_level is None else self.given_level
            self._put_on(level)
            object.__setattr__(self, "is_pooled", self.is_pooled & (level >= 0))

    def _by_rule(self) -> NDArray[np.int64]:
        rule, level = rule_of(self.request), np.empty(len(self), np.int64)
        for some in in_blocks(len(self)):
            boxes, where = self._in_input(self.corners_of(some), some), partial(self._at, some)
            images = self.image_index[some]
            level[some] = assign_levels(self.source, images, boxes, rule, where)
        return level

    def _at(self, rows: slice, row: int) -> str:
        return self.where(rows.start + row)

    def _put_on(self, level: NDArray[np.int64]) -> None:
        """Put boxes on maps of these levels."""
        index = self.image_index
        if self.source.levels > 1:
            first = self.image_index * self.source.levels
            index = np.where(self.image_index < 0, -1, first + np.maximum(level, 0))
        frames = Frames(self.source, index, self.scale, self.request.image_size)
        for name, value in (("level", level), ("map_index", index), ("frames", frames)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.table)

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()

    def take(self, rows: Rows) -> Job:
        """The job of some of the boxes, in any order, repeated or not, on the same open maps."""
        return dataclasses.replace(
            self,
            table=self.table.take(rows),
            image_index=self.image_index[rows],
            is_pooled=self.is_pooled[rows],
            given_level=None if self.given_level is None else self.given_level[rows],
        )

    def reread(self, request: Request) -> Job:
        """The job with its boxes read as another request says, on the same open maps."""
        box_format = request.box_format or self.table.box_format
        table = dataclasses.replace(self.table, box_format=box_format)
        return dataclasses.replace(self, request=request, table=table)

    def under(self, convention: Convention) -> Job:
        """The job with boxes on the levels of a convention's level rule."""
        rule = convention.level_rule
        if self.level_rule is None or rule == self.convention.level_rule:
            return self
        if rule not in self._under:
            row = dataclasses.replace(self.convention, level_rule=rule)
            self._under[rule] = self.reread(dataclasses.replace(self.request, convention=row))
        return self._under[rule]

    def moved_to(self, corners: Corners) -> Job:
        """The job with other corners for its boxes, (K, 4) xyxy in pixels."""
        table = dataclasses.replace(self.table, box_format="xyxy", coords=corners)
        request = dataclasses.replace(self.request, normalized=False, inclusive=False)
        return dataclasses.replace(self, request=request, table=table)

    @property
    def convention(self) -> Convention:
        """The convention to pool by."""
        return self.request.convention

    @property
    def memory(self) -> int:
        """The number of bytes that may be used."""
        return self.request.memory or default_memory()

    @property
    def reversed(self) -> int:
        """The number of pooled boxes that are reversed."""
        return self.count_reversed(of_pooled=True)

    def count_reversed(self, *, of_pooled: bool = False) -> int:
        """How many boxes end before they begin, of all or of those that are pooled."""
        count = 0
        for some in in_blocks(len(self)):
            corners = self.corners_of(some)
            is_reversed = (corners[:, 2:] < corners[:, :2]).any(axis=1)
            of = self.is_pooled[some] if of_pooled else np.isfinite(corners).all(axis=1)
            count += int((is_reversed & of).sum())
        return count

    @property
    def images_read(self) -> int:
        """The number of images with a pooled box."""
        return len(distinct_images(self.image_index, self.is_pooled))

    @property
    def level_rule(self) -> LevelRule | None:
        """The rule for levels; None if boxes name theirs, or each image has one map."""
        by_rule = self.source.level_names is not None and self.given_level is None
        return rule_of(self.request) if by_rule else None

    @property
    def on_levels(self) -> dict[str, int]:
        """Level of a pyramid → the number of boxes on it."""
        names = self.source.level_names or []
        return {name: int((self.level == i).sum()) for i, name in enumerate(names)}

    @property
    def on_no_level(self) -> int:
        """The number of boxes on an image but on no level of its pyramid."""
        return int(((self.level < 0) & (self.image_index >= 0)).sum())

    def why_on_level(self, row: int) -> sampling.Levels:
        """Why a box is on its level: `Levels` of one box."""
        boxes = self._in_input(self.corners_of([row]), [row])
        return levels_on(self.source, int(self.image_index[row]), boxes, rule_of(self.request))

    @property
    def map_sizes(self) -> list[tuple[int, int]]:
        """The distinct sizes (H, W), in cells, of the maps that boxes are on."""
        return list(dict.fromkeys((int(h), int(w)) for h, w in self.frames.map_size[:-1]))

    @property
    def box_format_origin(self) -> str:
        """The source of the box format."""
        if self.table.box_format_origin == "default" and self.table.box_format != "xyxy":
            return f"default of {self.convention.name}"
        return self.table.box_format_origin

    def xyxy_of(self, rows: Any) -> Corners:
        """(n, 4) corners in the unit of the table: pixels, or fractions where it is normalised."""
        return self.table.xyxy(rows, inclusive=self.request.inclusive)

    def corners_of(self, rows: Any) -> Corners:
        """(n, 4) xyxy in pixels of the original image; NaN where fractions have no image."""
        corners = self.xyxy_of(rows)
        if self.request.normalized:
            corners = corners * self.frames.pixels[self.frames.of_box[rows]][:, _XYXY]
        return corners

    @cached_property
    def corners(self) -> Corners:
        """(K, 4) the corners of all boxes; for millions, `corners_of` takes less memory."""
        return self.corners_of(slice(None))

    def _in_input(self, corners: Corners, rows: Any) -> Corners:
        """Corners in pixels of the images that the network saw."""
        moved: Corners = corners * self.frames.input_scale[self.frames.of_box[rows]][:, _XYXY]
        return moved

    @property
    def cells(self) -> Corners:
        """(K, 4) xyxy in feature coordinates, under the job's convention."""
        return self._cells_of(slice(None))

    def _cells_of(self, rows: Any) -> Corners:
        factors = self.frames.cells_per_pixel(self.convention)[self.frames.of_box[rows]]
        with np.errstate(over="ignore"):
            cells: Corners = self.hulls_of(rows) * factors[:, _XYXY]
        return cells

    def hulls_of(self, rows: Any) -> Corners:
        """(n, 4) xyxy of the upright rectangles around boxes, in pixels of the original image."""
        if self.table.angle is None:
            return self.corners_of(rows)
        corners, angle = self.corners_of(rows), self.table.angle[rows]
        first, last = corners[:, :2], corners[:, 2:]
        radians = np.deg2rad(angle) if self.convention.angle == "degrees" else angle
        with np.errstate(over="ignore", invalid="ignore"):  # those that are not finite are bad
            cos, sin = np.abs(np.cos(radians)), np.abs(np.sin(radians))
            width, height = np.abs(last - first).T / 2
            half = np.stack([width * cos + height * sin, width * sin + height * cos], axis=1)
            return np.concatenate([(first + last) / 2 - half, (first + last) / 2 + half], axis=1)

    @property
    def cells_per_pixel(self) -> NDArray[np.float64]:
        """Cells of the map per pixel of the original image for each box (K, 2), y first."""
        factors: Corners = self.frames.cells_per_pixel(self.convention)[self.frames.of_box]
        return factors

    @property
    def box_map_size(self) -> NDArray[np.float64]:
        """Height and width of each box's map in cells (K, 2)."""
        sizes: Corners = self.frames.map_size[self.frames.of_box]
        return sizes

    def scale(self, i: int) -> Scale:
        """Cells per pixel of map i, from the request or else the file."""
        if self.request.spatial_scale is not None:
            return Scale(self.request.spatial_scale, self.request.scale_origin)
        return self.source.scale(i)

    @property
    def scales(self) -> list[Scale]:
        """The distinct scales of the maps that boxes are on."""
        return self.frames.scales

    @property
    def input_scales(self) -> list[tuple[float, float]]:
        """The distinct (sy, sx) by which the images that boxes are on were resized."""
        return list(dict.fromkeys((y, x) for y, x in self.frames.input_scale[:-1].tolist()))

    @property
    def pooled_shape(self) -> tuple[int, int, int, int]:
        """(K, C, PH, PW), or (K, PH, PW, C) for channels last."""
        bins_y, bins_x = bins = self.request.output_size
        channels = channels_of(self.convention, self.source.channels, bins)
        if self.source.channels_last:
            return len(self), bins_y, bins_x, channels
        return len(self), channels, bins_y, bins_x

    @property
    def input_files(self) -> list[str]:
        """The files that the job reads, including those behind links."""
        return [
            *self.source.watched.paths,
            *filter(None, [self.table.source.path, self.request.images]),
            *([split_spec(self.request.model)[0]] if self.request.model else []),
        ]

    @property
    def leaves_out(self) -> bool:
        """True if a row of the output may not be the row of that number in the file of boxes."""
        return self.request.leaves_out or self.table.without_box > 0

    @property
    def layout(self) -> str:
        """The layout of maps in the file: CHW or HWC."""
        return "HWC" if self.source.channels_last else "CHW"

    def where(self, row: int) -> str:
        """The place of a box in its file: "boxes.csv line 12"."""
        return self.table.where(int(self.table.source_index[row]))

    def image_name(self, i: int) -> str:
        """The name of image i: its own in a group, its index in a batch."""
        return str(i) if self.source.names is None else self.source.names[i]

    def image_of(self, i: int) -> int:
        """The image of map i."""
        return i // self.source.levels

    def check_channel(self, channel: int | None) -> None:
        """Raise ArgumentError for a channel that does not exist."""
        channels = channels_of(self.convention, self.source.channels, self.request.output_size)
        if channel is not None and not 0 <= channel < channels:
            last = channels - 1
            raise ArgumentError(f"--channel {channel}: {self.source.path} has channels 0 to {last}")

    def check_bin(self, chosen: tuple[int, int] | None) -> None:
        """Raise ArgumentError for a bin that does not exist."""
        size = self.request.output_size
        if chosen is not None and not all(0 <= b < n for b, n in zip(chosen, size, strict=True)):
            bins = f"there are {size[0]}×{size[1]} bins, 0,0 to {size[0] - 1},{size[1] - 1}"
            raise ArgumentError(f"--bin {chosen[0]},{chosen[1]}: {bins}")

    def check_pair(self, conventions: Sequence[Convention]) -> None:
        """Raise ArgumentError for two conventions if only one can be shown."""
        own = self.convention
        if len(conventions) > 1 and (own.turned or own.position_sensitive):
            raise ArgumentError("RoIPool is drawn beside RoIAlign alone: leave out --both")

    def drawable(self, numbers: Sequence[range] | None, most: int | None) -> Rows:
        """The rows of the boxes with these numbers, or of the first `most` that are pooled.

        BoxError for a box that does not exist or is bad.
        """
        if numbers is None:
            return np.flatnonzero(self.is_pooled)[:most]
        # A range may end far beyond the last box: stop at the first that does not exist.
        some = islice(chain.from_iterable(numbers), self.boxes_in_file + 1)
        rows = self.rows_of(list(dict.fromkeys(some)))
        for row in rows[~self.is_pooled[rows]].tolist():
            raise BoxError(f"{self.where(row)} is bad and cannot be drawn: leave it out")
        return rows

    def rows_of(self, numbers: Iterable[int]) -> Rows:
        """The rows of the boxes with these numbers in the file; BoxError if one is not here."""
        wanted = list(numbers)
        row_of = dict.fromkeys(wanted, -1)
        for row, number in enumerate(values_of(self.table.source_index)):
            if number in row_of:
                row_of[number] = row
        for number in wanted:
            if row_of[number] < 0:
                raise BoxError(self._no_box(number))
        return np.array([row_of[number] for number in wanted], dtype=np.intp)

    def _no_box(self, number: int) -> str:
        name, count = self.table.source.name, many(len(self), "box", "boxes")
        if self.request.leaves_out:
            return f"box {number} is not among the {len(self):,} taken from {name}: choose another"
        numbered = f", numbered 0 to {len(self) - 1}" if len(self) > 1 else ", numbered 0"
        return f"no box {number}: {name} has {count}{numbered if len(self) else ''}"

    def by_map(
        self, rows: Rows | None = None, *, whole: int | None = None, beside: float = 0.0
    ) -> Iterator[OnMap]:
        """Every map with boxes that are pooled, together with these boxes in ascending rows.

        rows: only these boxes. One map is read ahead of the one that is in use.
        whole: bytes above which a map is not read whole, but in windows around some boxes at a
            time, and is yielded once for each window. beside: how much is read around a box, as a
            part of its longer side.

        BoxError if a box's window takes more than the request's memory.
        """
        placed = self.placed(rows)
        if whole is None or all(self.source.bytes(each.map) <= whole for each in placed):
            with closing(self.source.read_ahead([each.map for each in placed])) as maps:
                for each, (_, features) in zip(placed, maps, strict=False):
                    yield OnMap(self, each.map, each.rows, features)
            return
        for each in placed:
            if self.source.bytes(each.map) <= whole:
                yield OnMap(self, each.map, each.rows, self.source.read(each.map))
            else:
                yield from around(each, self.memory, beside)

    def placed(self, rows: Rows | None = None) -> list[Placed]:
        """As `by_map`, before any map is read."""
        rows = np.flatnonzero(self.is_pooled) if rows is None else rows[self.is_pooled[rows]]
        rows = np.sort(rows)
        order = rows[np.argsort(self.map_index[rows], kind="stable")]
        maps = self.map_index[order]
        starts = np.flatnonzero(np.diff(maps, prepend=-1))
        each = np.split(order, starts[1:])
        return [Placed(self, i, its) for i, its in zip(maps[starts].tolist(), each, strict=False)]

    def fit(self) -> Fit:
        """How many boxes have zero size or lie outside their map."""
        return self._fit

    @cached_property
    def _fit(self) -> Fit:
        sizes, of_box = self.frames.map_size, self.frames.of_box
        blocks = in_blocks(len(self))
        return sum((fit(self._cells_of(some), sizes[of_box[some]]) for some in blocks), NO_BOX)

    def stride_that_fits(self) -> int | None:
        """The smallest power of two that puts every box on its map; None if none does."""
        if not self.scale_matters:
            return None
        sizes, of_box = self.frames.map_size, self.frames.of_box
        return stride_that_fits(
            (self._in_input(self.hulls_of(some), some), sizes[of_box[some]])
            for some in in_blocks(len(self))
        )

    @property
    def scale_matters(self) -> bool:
        """True if another scale would move boxes on their map."""
        if self.request.normalized:
            return self.request.image_size is not None and not self.convention.normalized
        return self.request.image_size is None or not self.convention.normalized


SMALL_MAP: Final = 64 << 20
"""Bytes of a map up to which it is read whole, even if a part would do."""

_XYXY: Final = [1, 0, 1, 0]  # (y, x) as factors of x1, y1, x2, y2
