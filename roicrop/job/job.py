"""Boxes on the maps of an open file: what every command works on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop import operators
from roicrop.boxes import BoxTable
from roicrop.conventions import Convention
from roicrop.errors import BoxError
from roicrop.features import FeatureSource, Scale
from roicrop.job.fitting import Fit, fit, stride_that_fits
from roicrop.job.frames import Frames, distinct_images
from roicrop.job.request import Request
from roicrop.precision import coordinate_dtype
from roicrop.sampling import SeparablePlan, plan

Features = NDArray[np.floating[Any]]
Corners = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Caution:
    """A warning; a `loud` one says that the result is most likely not what was wanted."""

    text: str
    loud: bool = False


class Job:
    """K boxes on the maps of an open file; a context manager, which closes it.

    Rows number the K boxes, in the order of their file. Images are numbered as `source` does.

    table: the boxes. image_index: (K,) the image of each, −1 for one that does not exist.
    corners: (K, 4) xyxy in pixels of the original image; NaN where fractions have no image.
    pooled: (K,) False for the bad boxes that are zeros instead.
    matched: how boxes were matched to images, in words.
    boxes_in_file, bad: how many boxes the file has, and how many of the chosen ones are bad.
    """

    def __init__(
        self,
        request: Request,
        source: FeatureSource,
        table: BoxTable,
        image_index: NDArray[np.int64],
        pooled: NDArray[np.bool_],
        matched: str,
        boxes_in_file: int,
        bad: int,
    ) -> None:
        self.request = request
        self.source = source
        self.table = table
        self.image_index = image_index
        self.pooled = pooled
        self.matched = matched
        self.boxes_in_file = boxes_in_file
        self.bad = bad
        self._frames = Frames(source, image_index, request.image_size)
        self._xyxy = table.xyxy(inclusive=request.inclusive)
        self.corners: Corners = self._xyxy
        if request.normalized:
            self.corners = self._xyxy * self._frames.pixels[self._frames.of_box][:, _XYXY]

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

    @property
    def convention(self) -> Convention:
        """The row that the job was asked to pool by."""
        return self.request.convention

    @property
    def reversed(self) -> int:
        """How many boxes that are pooled end before they begin."""
        corners = self.corners[self.pooled]
        return int((corners[:, 2:] < corners[:, :2]).any(axis=1).sum())

    @property
    def images_read(self) -> int:
        """How many images have a box that is pooled."""
        return len(distinct_images(self.image_index[self.pooled]))

    @property
    def map_sizes(self) -> list[tuple[int, int]]:
        """The distinct (H, W) of the maps that boxes are on, in cells."""
        return list(dict.fromkeys((int(h), int(w)) for h, w in self._frames.map_size[:-1]))

    @property
    def box_format_origin(self) -> str:
        """What said in which order a box's coordinates are."""
        if self.table.box_format_origin == "default" and self.table.box_format != "xyxy":
            return f"default of {self.convention.name}"
        return self.table.box_format_origin

    @property
    def scales(self) -> list[Scale]:
        """The distinct scales of the images that boxes are on."""
        return self._frames.scales

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

    def parameters(self) -> dict[str, object]:
        """Everything that the result depends on, under its option's name: enough to run it again.

        `rules` are the convention's, all of them. None is what nobody said. A scale that is not the
        same for every image is in `varying_scales` instead.
        """
        request, row = self.request, self.convention
        scales = set(self._frames.scale[:-1, 0].tolist())
        resized = set(map(tuple, self._frames.input_scale[:-1, ::-1].tolist()))
        return {
            "features": request.features,
            "dataset": self.source.dataset,
            "layout": self.layout,
            "boxes": request.boxes,
            "images": request.images,
            "box_format": self.table.box_format,
            "normalized": request.normalized,
            "image_size": request.image_size,
            "inclusive": request.inclusive,
            "min_score": request.min_score,
            "label": list(request.labels) or None,
            "top_k": request.top_k,
            "on_bad_box": request.on_bad_box,
            "output_size": request.output_size,
            "spatial_scale": scales.pop() if len(scales) == 1 else None,
            "input_scale": list(resized.pop()) if len(resized) == 1 else None,
            "operator": row.operator,
            "convention": row.name,
            "sampling_ratio": row.sampling_ratio,
            "mode": row.mode,
            "aligned": row.aligned,
            "rules": {name: getattr(row, name) for name in _RULES},
        }

    def varying_scales(self) -> dict[str, NDArray[np.float64]]:
        """Scales for each box, of the kinds that are not the same for every image.

        `spatial_scale` is (K,) and `input_scale` (K, 2), x first.
        """
        frames, given = self._frames, self.parameters()
        each = {"spatial_scale": frames.scale[:, 0], "input_scale": frames.input_scale[:, ::-1]}
        return {
            name: values[frames.of_box]
            for name, values in each.items()
            if len(frames) and given[name] is None
        }

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

    def by_image(self, rows: Rows | None = None) -> Iterator[tuple[int, Rows, Features]]:
        """(image, rows of boxes on it, its map) for every image that has a box that is pooled.

        rows: only these boxes. The map is (C, H, W) or (H, W, C) as stored, and valid until the
        next is asked for. Rows are ascending in each image.
        """
        rows = np.flatnonzero(self.pooled) if rows is None else rows[self.pooled[rows]]
        rows = np.sort(rows)
        order = rows[np.argsort(self.image_index[rows], kind="stable")]
        images = self.image_index[order]
        starts = np.flatnonzero(np.diff(images, prepend=-1))
        each = np.split(order, starts[1:])
        with closing(self.source.read_ahead(images[starts].tolist())) as maps:
            for (i, features), its_rows in zip(maps, each, strict=False):
                yield i, its_rows, features

    def cells_per_pixel(self, i: int) -> tuple[float, float]:
        """(along y, along x) from pixels of the original image i to cells of its map."""
        y, x = self._cells_per_pixel()[self._frames.number(i)].tolist()
        return y, x

    def plan_boxes(self, i: int, rows: Rows, convention: Convention | None = None) -> Corners:
        """(n, 4) xyxy as `sampling.plan` takes them: of the image that the network saw.

        Pixels, or fractions where the convention is normalised. Default: the job's convention.
        """
        row = convention or self.convention
        if row.normalized and self.request.normalized:
            return self._xyxy[rows]
        m = self._frames.number(i)
        boxes: Corners
        with np.errstate(
            over="ignore"
        ):  # what is infinite then is refused, by its place in the file
            if row.normalized:
                boxes = self.corners[rows] / self._frames.pixels[m, _XYXY]
            else:
                boxes = self.corners[rows] * self._frames.input_scale[m, _XYXY]
        return boxes

    def plan(
        self,
        i: int,
        rows: Rows,
        convention: Convention | None = None,
        output_size: tuple[int, int] | None = None,
    ) -> SeparablePlan:
        """Where boxes of image i sample its map. Default: the job's convention and output size."""
        with self._named(rows):
            return plan(
                self.plan_boxes(i, rows, convention),
                self.source.map_size(i),
                output_size or self.request.output_size,
                convention=convention or self.convention,
                spatial_scale=self.source.scale(i).value,
                dtype=coordinate_dtype(self.source.dtype),
            )

    def pool(
        self,
        i: int,
        rows: Rows,
        features: Features,
        convention: Convention | None = None,
        *,
        output_size: tuple[int, int] | None = None,
        out: Features | None = None,
    ) -> Features:
        """Pool boxes of image i from its map: (n, C, PH, PW), or (n, PH, PW, C) for channels last.

        Default: the job's convention and output size. BoxError names a box that the convention
        refuses.
        """
        row = convention or self.convention
        boxes = self.plan_boxes(i, rows, row)
        with self._named(rows):
            pooled: Features = _OPERATORS[row.operator](
                features,
                [boxes if row.order == "xyxy" else boxes[:, _YXYX]],
                output_size or self.request.output_size,
                self.source.scale(i).value,
                convention=row,
                layout=self.layout,
                threads=self.request.threads,
                out=out,
            )
        return pooled

    def fit(self) -> Fit:
        """How many boxes are of no size, or outside their map."""
        return fit(self._cells(), self._frames.map_size[self._frames.of_box])

    def cautions(self, fit: Fit) -> list[Caution]:
        """What a user may not have meant, from how the boxes lie on their maps."""
        if self.boxes_in_file and not len(self) and self.request.leaves_out:
            return [Caution(f"none of the {self.boxes_in_file:,} boxes was chosen", loud=True)]
        if not self.request.normalized and self._in_first_pixel():
            text = "every box lies in the first pixel of its image"
            return [Caution(f"{text}: if these are fractions of it, give --normalized", loud=True)]
        where = f"{fit.beyond} of {len(self)} boxes reach outside their map"
        many = 2 * fit.beyond > len(self)
        if not self._scale_matters():
            given = self.request.normalized and self.request.image_size is not None
            mend = "mend them" if given else "mend them, or --normalized and --image-size"
            return [Caution(f"{where}: {mend}", loud=True)] if many else []
        nobody_said = any(scale.origin == "default" for scale in self.scales)
        if nobody_said and any(scale.origin != "default" for scale in self.scales):
            return [self._half_said()]
        if not many and not (fit.beyond and nobody_said):
            text = "no stride was given and the file has none, so a cell is taken to be a pixel"
            return [Caution(f"{text}: --stride 1 says so")] if nobody_said else []
        stride = self.stride_that_fits()
        remedy = f"--stride {stride} would fit them" if stride else "no stride would fit them"
        taken = ", ".join(f"{scale.value:g} ({scale.origin})" for scale in self.scales[:3])
        why = "no stride was given and scale 1 was taken" if nobody_said else f"at scale {taken}"
        return [Caution(f"{why}: {where}; {remedy}", loud=True)]

    def _half_said(self) -> Caution:
        """Some of the images have a stride, and some have none."""
        source = self.source
        without = [
            source.dataset_of(i)
            for i in distinct_images(self.image_index[self.image_index >= 0]).tolist()
            if source.scale(i).origin == "default"
        ]
        more = f" and {len(without) - 1:,} more" if len(without) > 1 else ""
        return Caution(
            f"{source.path}::{without[0]}{more} {'have' if more else 'has'} no stride, where "
            "others have, and a cell is taken to be a pixel: set the attribute, or give --stride",
            loud=True,
        )

    def stride_that_fits(self) -> int | None:
        """The smallest power of two that puts every box on its map; None where none does."""
        if not self._scale_matters():
            return None
        return stride_that_fits(
            self.corners * self._frames.input_scale[self._frames.of_box][:, _XYXY],
            self._frames.map_size[self._frames.of_box],
        )

    def _in_first_pixel(self) -> bool:
        corners = self.corners[self.pooled]
        return bool(corners.size and corners.min() >= 0 and corners.max() <= 1)

    def _scale_matters(self) -> bool:
        """Whether another scale would put boxes elsewhere on their map."""
        if self.request.normalized:
            return self.request.image_size is not None and not self.convention.normalized
        return self.request.image_size is None or not self.convention.normalized

    def _cells(self) -> Corners:
        """(K, 4) xyxy in feature coordinates, under the job's convention."""
        with np.errstate(over="ignore"):
            cells: Corners = self.corners * self._cells_per_pixel()[self._frames.of_box][:, _XYXY]
        return cells

    def _cells_per_pixel(self) -> Corners:
        """(M + 1, 2) for each of the frames, y first."""
        frames = self._frames
        if self.convention.normalized:
            return frames.map_size / frames.pixels
        return frames.input_scale * frames.scale

    @contextmanager
    def _named(self, rows: Rows) -> Iterator[None]:
        """A BoxError about one of these rows names its place in the file."""
        try:
            yield
        except BoxError as error:
            if error.box is None:
                raise
            raise BoxError(f"{self.where(int(rows[error.box]))} {error.said}") from None


_RULES: Final = tuple(
    each.name
    for each in dataclasses.fields(Convention)
    if each.name not in ("name", "program", "surprise", "verified")
)
_OPERATORS: Final[dict[str, Any]] = {"align": operators.roi_align, "pool": operators.roi_pool}
_XYXY: Final = [1, 0, 1, 0]  # (y, x) as factors of x1, y1, x2, y2
_YXYX: Final = [1, 0, 3, 2]
