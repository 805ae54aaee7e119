"""What a command line asks of the pipeline."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from roicrop.boxes import BoxFormat, BoxTable, FileFormat, boxes_in_memory, read_boxes
from roicrop.conventions import CONVENTIONS, DEFAULT, Convention, checked_bins
from roicrop.errors import ArgumentError
from roicrop.features import FeatureSource, open_features
from roicrop.files.npy import InMemory

OnBadBox = Literal["error", "keep", "zero", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a command line asks for, whichever command it is.

    features, boxes, images: as on the command line.
    convention: the row, with the values that options override.
    angle_is_said: whether an option gives the unit of angles.
    turned: the row for boxes with an angle, or why there is none; None is the default.
    model: the node of an exported model that the convention, the output size and the scale come
        from, unless options say otherwise; None if there is none.
    output_size: (PH, PW).
    spatial_scale: cells per pixel; None means what the file says. scale_origin: its option.
    input_scale: (sy, sx), from a box's pixels to those of the image that the network saw.
    allow_external: whether an HDF5 file may refer to files outside its folder, and to raw storage.
    image_size: (H, W), in a box's pixels, of the image that normalised coordinates refer to; None
        means the map's size / scale.
    levels: names of a pyramid's levels, finest first; () means what the file says.
    strides: pixels per cell of each level; () means what the file says.
    canonical_size, canonical_level: of the convention's level rule; None means the rule's own.
    columns: names of all columns of the boxes. image_column, score_column, label_column and
        level_column: the names of these columns. on_image: the image of every box.
        ids_are_indices: whether whatever names an image is its index.
    threads: None means one per processor. memory: bytes; None means `default_memory`.
    maps, given: feature maps and boxes in memory, instead of the files `features` and `boxes`,
        which are then names for messages; see `boxes_in_memory`.
    """

    features: str
    boxes: str
    convention: Convention
    angle_is_said: bool = field(default=False, repr=False)
    turned: Convention | ArgumentError | None = field(default=None, repr=False)
    model: str | None = None
    output_size: tuple[int, int] = (7, 7)
    spatial_scale: float | None = None
    scale_origin: str = "--spatial-scale"
    input_scale: tuple[float, float] | None = None
    layout: str | None = None
    allow_external: bool = False
    box_format: BoxFormat | None = None
    boxes_format: FileFormat | None = None
    images: str | None = None
    columns: Sequence[str] | None = None
    image_column: str | None = None
    score_column: str | None = None
    label_column: str | None = None
    level_column: str | None = None
    on_image: str | None = None
    ids_are_indices: bool = False
    normalized: bool = False
    image_size: tuple[int, int] | None = None
    inclusive: bool = False
    min_score: float | None = None
    labels: Sequence[str] = ()
    top_k: int | None = None
    on_bad_box: OnBadBox = "error"
    levels: Sequence[str] = ()
    strides: Sequence[float] = ()
    canonical_size: float | None = None
    canonical_level: float | None = None
    threads: int | None = None
    memory: int | None = None
    maps: InMemory | None = None
    given: Any = None

    def __post_init__(self) -> None:
        if self.inclusive and self.normalized:
            raise ArgumentError("--inclusive is for pixels, --normalized for fractions: give one")
        checked_bins(self.convention, self.output_size)

    def of_boxes(self, table: BoxTable) -> Request:
        """The request with the convention for these boxes, which may have an angle.

        Raises ArgumentError if the convention is for the other kind of boxes.
        """
        row = self.convention
        if table.angle is None:
            if row.turned:
                raise ArgumentError(
                    f"{table.source.name} has no angle, and the convention {row.name} is for boxes "
                    "with one: name its column angle, or choose another --convention"
                )
            return self
        if self.normalized or self.inclusive:
            raise ArgumentError(
                "boxes with an angle are in pixels: leave out --normalized and --inclusive"
            )
        if row.turned:
            return self
        if isinstance(self.turned, ArgumentError):
            raise ArgumentError(f"{table.source.name} has boxes with an angle: {self.turned}")
        turned = self.turned or CONVENTIONS["align-rotated", DEFAULT["align-rotated"]]
        return dataclasses.replace(self, convention=turned)

    def open_features(self, spec: str, **how: Any) -> FeatureSource:
        """The features that a text names, opened as the request says; see `open_features`."""
        return open_features(
            self.maps or spec,
            layout=self.layout,
            spatial_scale=self.spatial_scale,
            input_scale=self.input_scale,
            origin=self.scale_origin,
            levels=self.levels,
            strides=self.strides,
            allow_external=self.allow_external,
            **how,
        )

    def read_boxes(self, path: str, count: int | None = None) -> BoxTable:
        """The boxes of a file, read as the request says; see `boxes.read_boxes`."""
        if self.given is not None:
            return boxes_in_memory(self.given, count, self.box_format)
        return read_boxes(
            path,
            format=self.boxes_format,
            box_format=self.box_format,
            images=self.images,
            columns=self.columns,
            image_column=self.image_column,
            score_column=self.score_column,
            label_column=self.label_column,
            level_column=self.level_column,
            count=count,
            allow_external=self.allow_external,
        )

    @property
    def leaves_out(self) -> bool:
        """True if a row of the output may not be the box of that number in the file."""
        selects = self.min_score is not None or self.top_k is not None or bool(self.labels)
        return selects or self.on_bad_box == "drop"
