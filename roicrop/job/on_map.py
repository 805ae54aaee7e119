"""Boxes on one map: where they sample it, what they pool, and what they are called."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from roicrop import operators, sampling
from roicrop.arguments import checked_corners, checked_threads
from roicrop.conventions import Convention
from roicrop.errors import ArgumentError, BoxError
from roicrop.job.subject import Subject
from roicrop.precision import coordinate_dtype

if TYPE_CHECKING:
    from roicrop.job.job import Job

Features = NDArray[np.floating[Any]]
Corners = NDArray[np.float64]
Rows = NDArray[np.intp]


_P = TypeVar("_P", bound="Placed")


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Boxes of a job that are on one map; the map need not have been read.

    map: the map's number. rows: (n,) the boxes' rows in the job, in any order.

    Where a method takes a convention or an output size, None is the job's own.
    """

    job: Job
    map: int
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def image(self) -> int:
        """The number of the map's image."""
        return self.job.image_of(self.map)

    @property
    def file(self) -> str:
        """Where the map came from: "page.h5::/features", and for a pyramid the level's dataset."""
        source = self.job.source
        dataset = source.dataset_of(self.map) if source.level_names else source.dataset
        return f"{source.path}::{dataset}"

    @property
    def level(self) -> str | None:
        """The map's level in its pyramid, and whose rule puts boxes on it; None without one."""
        names, rule = self.job.source.level_names, self.job.level_rule
        if names is None:
            return None
        by = f"the rule of {rule.name}" if rule else "its column"
        return f"level {names[self.map % len(names)]} of {', '.join(names)}, by {by}"

    @property
    def spatial_scale(self) -> float:
        """Cells per pixel of the image that the network saw."""
        return self.job.scale(self.map).value

    @property
    def cells_per_pixel(self) -> tuple[float, float]:
        """(along y, along x) from pixels of the original image to cells of the map."""
        frames = self.job.frames
        y, x = frames.cells_per_pixel(self.job.convention)[frames.number(self.map)].tolist()
        return y, x

    def boxes(self, convention: Convention | None = None) -> Corners:
        """(n, 4) xyxy as `sampling.plan` takes them: on the image that the network saw.

        Pixels, or fractions where the convention is normalised; (n, 5) for boxes with an angle.
        """
        job, convention = self.job, convention or self.job.convention
        if convention.normalized and job.request.normalized:
            return job.xyxy_of(self.rows)
        m = job.frames.number(self.map)
        corners = job.corners_of(self.rows)
        boxes: Corners
        with np.errstate(over="ignore"):  # an infinite one is refused, by its place in the file
            if convention.normalized:
                boxes = (corners - _INNER * convention.inner) / (
                    job.frames.pixels[m, _XYXY] - convention.inner
                )
            else:
                boxes = corners * job.frames.input_scale[m, _XYXY]
        if convention.turned:
            return self._turned(boxes, convention)
        return boxes

    def _turned(self, boxes: Corners, convention: Convention) -> Corners:
        """(n, 5) centre, size and angle of boxes given by the corners they have before turning.

        The file's angles are in the unit of the job's own convention.
        """
        angle = self.job.table.angle
        assert angle is not None
        if convention.angle != self.job.convention.angle:
            angle = (np.deg2rad if convention.angle == "radians" else np.rad2deg)(angle)
        scale_y, scale_x = self.job.frames.input_scale[self.job.frames.number(self.map)].tolist()
        if abs(scale_y - scale_x) > _UNEVEN * scale_x:
            raise ArgumentError(
                f"boxes with an angle are not rectangles at an input scale of {scale_x:g} along x "
                f"and {scale_y:g} along y: give --input-scale one number"
            )
        first, last = boxes[:, :2], boxes[:, 2:]
        return np.column_stack([(first + last) / 2, last - first, angle[self.rows]])

    def plan(
        self, convention: Convention | None = None, output_size: tuple[int, int] | None = None
    ) -> sampling.Plan:
        """Where the boxes sample the map. BoxError names a box beyond the range of a float."""
        with self._named():
            return sampling.plan(
                self.boxes(convention),
                self.job.source.map_size(self.map),
                output_size or self.job.request.output_size,
                convention=convention or self.job.convention,
                spatial_scale=self.spatial_scale,
                dtype=self._dtype,
            )

    def take(self: _P, rows: Rows) -> _P:
        """The same map with some of these boxes, by their rows in the job."""
        return dataclasses.replace(self, rows=rows)

    def window_crop(
        self,
        convention: Convention | None = None,
        output_size: tuple[int, int] | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> operators.WindowCrop:
        """The crop that pools the boxes from windows; BoxError names a box that is refused.

        dtype: of the windows; None means the dtype of maps as they are read.
        """
        row = convention or self.job.convention
        boxes = self.boxes(row)
        with self._named():
            return operators.WindowCrop(
                boxes if row.order == "xyxy" else boxes[:, _YXYX],
                output_size or self.job.request.output_size,
                convention=row,
                spatial_scale=self.spatial_scale,
                map_size=self.job.source.map_size(self.map),
                dtype=dtype or self.job.source.dtype,
            )

    def check_range(self) -> None:
        """BoxError names a box too far away for coordinates of the map's precision."""
        with self._named():
            checked_corners(self.boxes(), "xyxy", self.spatial_scale, self._dtype)

    def check_reversed(
        self, convention: Convention | None = None, output_size: tuple[int, int] | None = None
    ) -> None:
        """BoxError names the first reversed box that the convention refuses."""
        with self._named():
            sampling.check_reversed(
                self.boxes(convention).astype(self._dtype),
                output_size or self.job.request.output_size,
                convention=convention or self.job.convention,
                spatial_scale=self.spatial_scale,
            )

    def subject(self, row: int) -> Subject:
        """What to call one of the boxes, by its row in the job, and where it is."""
        table = self.job.table
        ((x1, y1, x2, y2),) = self.job.corners_of([row]).tolist()
        number = str(table.source_index[row])
        return Subject(
            file=self.file,
            image=self.job.image_name(self.image),
            box=number if table.id is None else f"{number} (id {table.id[row]})",
            corners=(x1, y1, x2, y2),
            cells_per_pixel=self.cells_per_pixel,
            level=self.level,
        )

    @property
    def _dtype(self) -> type[np.float32] | type[np.float64]:
        return coordinate_dtype(self.job.source.dtype)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Make a BoxError about one of the boxes name its place in the file."""
        try:
            yield
        except BoxError as error:
            if error.box is None:
                raise
            where = self.job.where(int(self.rows[error.box]))
            raise BoxError(f"{where} {error.said}") from None


@dataclass(frozen=True, slots=True, eq=False)
class OnMap(Placed):
    """Boxes of a job with the map that they are on, or with a window of it around them.

    features: (C, H, W) or (H, W, C), as the file has it; valid until the next map is read.
    origin: the row and column of the map at which they begin; None if they are the whole map.
    """

    features: Features
    origin: tuple[int, int] | None = None

    @property
    def cells(self) -> Features | sampling.Cells:
        """(C, H, W) the features, indexed by their place on the map."""
        first = self.channels_first(self.features)
        if self.origin is None:
            return first
        return sampling.Cells(first, self.origin, self.job.source.map_size(self.map))

    def of(self, job: Job, rows: Rows | None = None) -> OnMap:
        """The same map with boxes of another job on the same features; by default the same rows."""
        return dataclasses.replace(self, job=job, rows=self.rows if rows is None else rows)

    def with_features(self, features: Features) -> OnMap:
        """The same boxes on other features, in the same layout."""
        return dataclasses.replace(self, features=features)

    def with_channels(self, channels: NDArray[np.intp]) -> OnMap:
        """The same boxes on some channels of the map."""
        axis = -1 if self.job.source.channels_last else 0
        return self.with_features(np.ascontiguousarray(self.features.take(channels, axis=axis)))

    def pool(
        self,
        convention: Convention | None = None,
        output_size: tuple[int, int] | None = None,
        out: Features | None = None,
    ) -> Features:
        """Pool the boxes: (n, C, PH, PW), or (n, PH, PW, C) for channels last.

        BoxError names a box that the convention refuses.
        """
        convention = convention or self.job.convention
        size = output_size or self.job.request.output_size
        job = self.job.under(convention)
        if job is not self.job:
            return self._pool_under(job, convention, size, out)
        channels = operators.channels_of(
            convention, self.channels_first(self.features).shape[0], size
        )
        last = self.job.source.channels_last
        shape = (len(self), *size, channels) if last else (len(self), channels, *size)
        pooled = np.empty(shape, self.features.dtype) if out is None else out
        here = self._holding(convention, size)
        here.window_crop(convention, size, self.features.dtype).pool(
            here.channels_first(here.features),
            here.channels_first(pooled),
            threads=checked_threads(self.job.request.threads),
            origin=here.origin or (0, 0),
        )
        return pooled

    def _holding(self, convention: Convention, size: tuple[int, int]) -> OnMap:
        """The same boxes, with every cell that they read under a convention."""
        if self.origin is None:
            return self
        top, bottom, left, right = hull(self.plan(convention, size).bounds())
        height, width = self.channels_first(self.features).shape[1:]
        y, x = top - self.origin[0], left - self.origin[1]
        if min(y, x) >= 0 and bottom - top <= height - y and right - left <= width - x:
            return self
        return self._read_around(convention, size)

    def _read_around(self, convention: Convention, size: tuple[int, int]) -> OnMap:
        """The same boxes, with the cells that they read under a convention, and a margin."""
        source = self.job.source
        bounds = with_margin(self.plan(convention, size).bounds(), source.map_size(self.map), 0.5)
        top, bottom, left, right = hull(bounds)
        part = source.read(self.map, slice(top, bottom), slice(left, right))
        part = part.astype(self.features.dtype, copy=False)
        return dataclasses.replace(self, features=part, origin=(top, left))

    def under(self, convention: Convention) -> OnMap:
        """The same boxes on the one map that a convention's level rule takes them all from."""
        job = self.job.under(convention)
        return self if job is self.job else self._moved(job, self.rows)

    def _moved(self, job: Job, rows: Rows) -> OnMap:
        """Boxes on the map that another job has them on, which is read if it differs."""
        other = int(job.map_index[rows[0]])
        there = dataclasses.replace(self, job=job, map=other, rows=rows)
        if other == self.map:
            return there
        if self.origin is not None:
            return there._read_around(job.convention, job.request.output_size)
        return there.with_features(job.source.read(other).astype(self.features.dtype, copy=False))

    def _pool_under(
        self,
        job: Job,
        convention: Convention,
        size: tuple[int, int],
        out: Features | None,
    ) -> Features:
        """Pool boxes from the levels that another rule chooses; zeros for a box on no level."""
        channels = operators.channels_of(convention, self.job.source.channels, size)
        last = self.job.source.channels_last
        shape = (len(self), *size, channels) if last else (len(self), channels, *size)
        pooled = np.zeros(shape, self.features.dtype) if out is None else out
        pooled[...] = 0
        maps = np.where(job.level[self.rows] < 0, -1, job.map_index[self.rows])
        for i in dict.fromkeys(maps[maps >= 0].tolist()):
            here = np.flatnonzero(maps == i)
            pooled[here] = self._moved(job, self.rows[here]).pool(convention, size)
        return pooled

    def channels_first(self, values: NDArray[Any]) -> NDArray[Any]:
        """(…, C, H, W): a view of a map, or of pooled boxes, in the job's layout."""
        return np.moveaxis(values, -1, -3) if self.job.source.channels_last else values


def with_margin(
    bounds: NDArray[np.int64], map_size: tuple[int, int], beside: float
) -> NDArray[np.int64]:
    """(n, 4) `Plan.bounds`, widened by a few cells and by a part of the longer side."""
    sides = np.maximum(bounds[:, 1] - bounds[:, 0], bounds[:, 3] - bounds[:, 2])
    more = (_FEW + beside * sides).astype(np.int64)[:, np.newaxis]
    height, width = map_size
    moved: NDArray[np.int64] = np.clip(
        bounds + more * [[-1, 1, -1, 1]], 0, [height, height, width, width]
    )
    return moved


def hull(bounds: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """The bounds that enclose all of these."""
    (top, left), (bottom, right) = bounds[:, ::2].min(axis=0), bounds[:, 1::2].max(axis=0)
    return int(top), int(bottom), int(left), int(right)


_FEW: Final = 4  # cells by which conventions may differ in what they read for a box
_UNEVEN: Final = 0.01  # how far the two input scales may differ because sizes are whole pixels
_INNER: Final = np.array([[0.0, 0.0, 1.0, 1.0]])  # pixels that end corners are moved by
_XYXY: Final = [1, 0, 1, 0]  # (y, x) as factors of x1, y1, x2, y2
_YXYX: Final = [1, 0, 3, 2]
