"""Boxes on the maps of an open file: what every command works on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from roicrop.boxes import BoxTable
from roicrop.conventions import Convention
from roicrop.errors import ArgumentError, BoxError
from roicrop.features import FeatureSource, Scale
from roicrop.job.fitting import Fit, fit, stride_that_fits
from roicrop.job.frames import Frames, distinct_images
from roicrop.job.on_map import Corners, OnMap, Placed, Rows
from roicrop.job.request import Request


@dataclass(frozen=True, eq=False)
class Job:
    """K boxes on the maps of an open file; a context manager, which closes it.

    Rows number the K boxes, in the order of their file. Images are numbered as `source` does.

    table: the boxes. image_index: (K,) the image of each, −1 for one that does not exist.
    is_pooled: (K,) False for the bad boxes that are zeros instead.
    matched: how boxes were matched to images, in words.
    boxes_in_file, bad: how many boxes the file has, and how many of the chosen ones are bad.
    frames: the sizes and scales of the images that the boxes are on.
    """

    request: Request
    source: FeatureSource
    table: BoxTable
    image_index: NDArray[np.int64]
    is_pooled: NDArray[np.bool_]
    matched: str
    boxes_in_file: int
    bad: int
    frames: Frames = field(init=False)

    def __post_init__(self) -> None:
        frames = Frames(self.source, self.image_index, self.scale, self.request.image_size)
        object.__setattr__(self, "frames", frames)

    def __len__(self) -> int:
        return len(self.table)

    def __enter__(self) -> Job:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.source.close()

    def take(self, rows: Rows) -> Job:
        """Some of the boxes, in any order and any number of times, on the same open maps."""
        return dataclasses.replace(
            self,
            table=self.table.take(rows),
            image_index=self.image_index[rows],
            is_pooled=self.is_pooled[rows],
        )

    def reread(self, request: Request) -> Job:
        """The same boxes on the same open maps, with their numbers read as another request says."""
        box_format = request.box_format or self.table.box_format
        table = dataclasses.replace(self.table, box_format=box_format)
        return dataclasses.replace(self, request=request, table=table)

    def moved_to(self, corners: Corners) -> Job:
        """The same boxes with other corners, (K, 4) xyxy in pixels."""
        table = dataclasses.replace(self.table, box_format="xyxy", coords=corners)
        request = dataclasses.replace(self.request, normalized=False, inclusive=False)
        return dataclasses.replace(self, request=request, table=table)

    @property
    def convention(self) -> Convention:
        """The row that the job was asked to pool by."""
        return self.request.convention

    @property
    def reversed(self) -> int:
        """How many boxes that are pooled end before they begin."""
        corners = self.corners[self.is_pooled]
        return int((corners[:, 2:] < corners[:, :2]).any(axis=1).sum())

    @property
    def images_read(self) -> int:
        """How many images have a box that is pooled."""
        return len(distinct_images(self.image_index[self.is_pooled]))

    @property
    def map_sizes(self) -> list[tuple[int, int]]:
        """The distinct (H, W) of the maps that boxes are on, in cells."""
        return list(dict.fromkeys((int(h), int(w)) for h, w in self.frames.map_size[:-1]))

    @property
    def box_format_origin(self) -> str:
        """What said in which order a box's coordinates are."""
        if self.table.box_format_origin == "default" and self.table.box_format != "xyxy":
            return f"default of {self.convention.name}"
        return self.table.box_format_origin

    @cached_property
    def xyxy(self) -> Corners:
        """(K, 4) corners in the unit of the table: pixels, or fractions where it is normalised."""
        return self.table.xyxy(inclusive=self.request.inclusive)

    @cached_property
    def corners(self) -> Corners:
        """(K, 4) xyxy in pixels of the original image; NaN where fractions have no image."""
        if self.request.normalized:
            return self.xyxy * self.frames.pixels[self.frames.of_box][:, _XYXY]
        return self.xyxy

    @property
    def cells(self) -> Corners:
        """(K, 4) xyxy in feature coordinates, under the job's convention."""
        with np.errstate(over="ignore"):
            cells: Corners = self.corners * self.cells_per_pixel[:, _XYXY]
        return cells

    @property
    def cells_per_pixel(self) -> NDArray[np.float64]:
        """(K, 2) from pixels of each box's original image to cells of its map, y first."""
        return self.frames.cells_per_pixel(self.convention)[self.frames.of_box]

    @property
    def box_map_size(self) -> NDArray[np.float64]:
        """(K, 2) height and width of each box's map, in cells."""
        return self.frames.map_size[self.frames.of_box]

    def scale(self, i: int) -> Scale:
        """Cells per pixel of image i: what the request says, else the file."""
        if self.request.spatial_scale is not None:
            return Scale(self.request.spatial_scale, self.request.scale_origin)
        return self.source.scale(i)

    @property
    def scales(self) -> list[Scale]:
        """The distinct scales of the images that boxes are on."""
        return self.frames.scales

    @property
    def input_scales(self) -> list[tuple[float, float]]:
        """The distinct (sy, sx) by which the images that boxes are on were resized."""
        return list(dict.fromkeys((y, x) for y, x in self.frames.input_scale[:-1].tolist()))

    @property
    def pooled_shape(self) -> tuple[int, int, int, int]:
        """(K, C, PH, PW), or (K, PH, PW, C) for channels last."""
        (bins_y, bins_x), channels = self.request.output_size, self.source.channels
        if self.source.channels_last:
            return len(self), bins_y, bins_x, channels
        return len(self), channels, bins_y, bins_x

    @property
    def input_files(self) -> list[str]:
        """The files that the job reads, as they were named."""
        return [self.source.path, self.table.path, *filter(None, [self.request.images])]

    @property
    def leaves_out(self) -> bool:
        """Whether a row of the output need not be the row of that number in the file of boxes."""
        return self.request.leaves_out or self.table.without_box > 0

    @property
    def layout(self) -> str:
        """CHW or HWC: how each map lies in the file."""
        return "HWC" if self.source.channels_last else "CHW"

    def where(self, row: int) -> str:
        """The place of a box in its file: "boxes.csv line 12"."""
        return self.table.where(int(self.table.source_index[row]))

    def image_name(self, i: int) -> str:
        """What to call image i: its name in a group, its number in a batch."""
        return str(i) if self.source.names is None else self.source.names[i]

    def check_channel(self, channel: int | None) -> None:
        """ArgumentError for a channel that the maps lack."""
        if channel is not None and channel >= self.source.channels:
            last = self.source.channels - 1
            raise ArgumentError(f"--channel {channel}: {self.source.path} has channels 0 to {last}")

    def rows_of(self, numbers: Sequence[int]) -> Rows:
        """The rows of boxes of these numbers in the file; BoxError for one that is not here."""
        row_of = {int(number): row for row, number in enumerate(self.table.source_index)}
        for number in numbers:
            if number not in row_of:
                raise BoxError(
                    f"box {number} is not one of the {len(self)} boxes of {self.table.source.name}"
                    f"{' that were chosen' if self.request.leaves_out else ''}: "
                    "they are counted from 0"
                )
        return np.array([row_of[number] for number in numbers], dtype=np.intp)

    def by_image(self, rows: Rows | None = None) -> Iterator[OnMap]:
        """Every map with boxes that are pooled, and which these are, in ascending rows.

        rows: only these boxes. One map is read ahead of the one that is in use.
        """
        placed = self.placed(rows)
        with closing(self.source.read_ahead([each.image for each in placed])) as maps:
            for each, (_, features) in zip(placed, maps, strict=False):
                yield OnMap(self, each.image, each.rows, features)

    def placed(self, rows: Rows | None = None) -> list[Placed]:
        """The same before any map is read."""
        rows = np.flatnonzero(self.is_pooled) if rows is None else rows[self.is_pooled[rows]]
        rows = np.sort(rows)
        order = rows[np.argsort(self.image_index[rows], kind="stable")]
        images = self.image_index[order]
        starts = np.flatnonzero(np.diff(images, prepend=-1))
        each = np.split(order, starts[1:])
        return [Placed(self, i, its) for i, its in zip(images[starts].tolist(), each, strict=False)]

    def fit(self) -> Fit:
        """How many boxes have zero size, or lie outside their map."""
        return fit(self.cells, self.box_map_size)

    def stride_that_fits(self) -> int | None:
        """The smallest power of two that puts every box on its map; None where none does."""
        if not self.scale_matters:
            return None
        return stride_that_fits(
            self.corners * self.frames.input_scale[self.frames.of_box][:, _XYXY],
            self.box_map_size,
        )

    @property
    def scale_matters(self) -> bool:
        """Whether another scale would put boxes elsewhere on their map."""
        if self.request.normalized:
            return self.request.image_size is not None and not self.convention.normalized
        return self.request.image_size is None or not self.convention.normalized


_XYXY: Final = [1, 0, 1, 0]  # (y, x) as factors of x1, y1, x2, y2
