"""Reports on files: plain values, for JSON and for words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Values:
    """A summary of values, or of a sample.

    looked_at: the number summarised, out of `of` in all.
    minimum, mean, maximum: of the finite values; None if there are none.
    nan, infinite: the number of such values.
    """

    looked_at: int
    of: int
    minimum: float | None
    mean: float | None
    maximum: float | None
    nan: int
    infinite: int

    @property
    def is_sample(self) -> bool:
        """True if some values were left out."""
        return self.looked_at < self.of

    def odd(self) -> Iterator[str]:
        """What is unusual for features: values that are not finite, or all equal."""
        sampled = " sampled" * self.is_sample
        for count, what in ((self.nan, "NaN"), (self.infinite, "infinite")):
            if count:
                verb = "is" if count == 1 else "are"
                yield f"{count:,} of {self.looked_at:,} values{sampled} {verb} {what}"
        if self.looked_at > 1 and self.minimum is not None and self.minimum == self.maximum:
            yield f"every finite value{sampled} is {self.minimum:g}"


@dataclass(frozen=True, slots=True)
class MapDataset:
    """A dataset that can be a feature map.

    layout, layout_origin: the order of its axes, and its source: "--layout", "attribute layout",
        "attribute layout of /group" or "default".
    images, channels, map_size: the shape under that layout; map_size: (H, W) in cells.
    stride, stride_origin: pixels per cell, and its source; None if nothing says it.
    input_scale: (sy, sx), from the option or the attribute, if there is one.
    chunks: None if contiguous.
    compression: its filters in order, such as "none", "gzip:4" or "shuffle + lzf".
    way: how it is read, in words.
    files: other files that hold its values.
    values: a summary of a sample; None if none was taken.
    unreadable: why its values cannot be read, in one line.
    odd: what may be a mistake, a line each.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    layout_origin: str
    images: int
    channels: int
    map_size: tuple[int, int]
    stride: float | None
    stride_origin: str | None
    input_scale: tuple[float, float] | None
    chunks: tuple[int, ...] | None
    compression: str
    way: str
    files: tuple[str, ...]
    values: Values | None
    unreadable: str | None
    odd: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """A file of feature maps.

    path: as the user named it, `file.h5` or `file.h5::/path`.
    size: of the file in bytes.
    format: "HDF5" or "NumPy".
    more_datasets: the number of datasets not in `datasets`.
    taken_as: how a command reads `path`; None if it cannot, with the reason in `problem`.
    sources: what to give to a command: `path` itself, or else parts of the file.
    """

    kind: ClassVar[str] = "features"

    path: str
    size: int
    format: str
    taken_as: str | None
    problem: str | None
    sources: tuple[str, ...]
    datasets: tuple[MapDataset, ...]
    more_datasets: int
    odd: tuple[str, ...]

    @property
    def unreadable(self) -> list[str]:
        """Why some datasets cannot be read, a line each."""
        return [dataset.unreadable for dataset in self.datasets if dataset.unreadable]


@dataclass(frozen=True, slots=True)
class ModelNode:
    """An RoI operator in an exported model.

    attributes: all of them, including the format's defaults; defaulted: those the file omits.
    convention: the one that computes the same, or the nearest where `differs` says how it differs.
    command: a command line that crops like the node; "" if no convention computes the same.
    stride: pixels per cell of each level, finest first.
    surprises: common pitfalls, a sentence each.
    """

    name: str
    operator: str
    opset: int
    attributes: Mapping[str, object]
    defaulted: tuple[str, ...]
    convention: str
    differs: str
    command: str
    stride: tuple[float, ...]
    surprises: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """An exported model: ONNX, or OpenVINO's model.xml."""

    kind: ClassVar[str] = "model"

    path: str
    size: int
    program: str
    nodes: tuple[ModelNode, ...]


@dataclass(frozen=True, slots=True)
class PooledFile:
    """A file of pooled boxes.

    size: in bytes. shape, dtype: of the pooled array.
    convention: the name of the convention that made it; None if the file does not say.
    changed: the rules that were overridden: rule → (the convention's, the one used).
    parameters: everything else the file records about how it was made.
    columns: the arrays beside the pooled rows: name → shape.
    values: a summary of a sample of the pooled values.
    odd: what may be a mistake, a line each.
    """

    kind: ClassVar[str] = "pooled"

    path: str
    size: int
    shape: tuple[int, ...]
    dtype: str
    convention: str | None
    changed: dict[str, tuple[object, object]]
    parameters: dict[str, object]
    columns: dict[str, tuple[int, ...]]
    values: Values
    odd: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BoxFile:
    """A file of boxes.

    path: as the user named it. size: in bytes; None for standard input.
    format, box_format, box_format_origin: as in `BoxTable`.
    x, y, width, height: the range of corners and of sizes, in the file's own units; None if no box
        is finite.
    not_finite, reversed, zero_size: the number of such boxes.
    outside_partly, outside_wholly: the number of boxes that extend outside their image; if its size
        is unknown, only past the left and upper edges.
    image_sizes: the source of the sizes: a COCO file, "--image-size" or "--normalized"; or None.
    columns: the columns besides coordinates.
    image_key: the column that names images. images: image → number of boxes. file_names: image id →
        file name, where a COCO file lists it.
    score: the range; None without such a column, or if it holds only NaN.
    labels: label → number of boxes. categories: label → name, where a COCO file lists it.
    repeated: the number of boxes with the image, coordinates and label of an earlier one.
    odd: what may be a mistake, a line each.
    """

    kind: ClassVar[str] = "boxes"

    path: str
    size: int | None
    format: str
    box_format: str
    box_format_origin: str
    count: int
    x: Range | None
    y: Range | None
    width: Range | None
    height: Range | None
    not_finite: int
    reversed: int
    zero_size: int
    outside_partly: int
    outside_wholly: int
    image_sizes: str | None
    columns: tuple[str, ...]
    image_key: str | None
    images: Mapping[str, int]
    file_names: dict[str, str]
    score: Range | None
    labels: Mapping[str, int]
    categories: dict[str, str]
    repeated: int
    odd: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Together:
    """Whether K boxes fit feature maps.

    features, boxes: the arguments for a command.
    fits: True if none of the following speaks against it.
    problem: why boxes and maps cannot be matched; everything below is then empty.
    matched: how boxes are matched to images, in words.
    images, images_with_boxes: the number of images, and of those that have boxes.
    missing: images that boxes name but that do not exist: name → why.
    on_no_image: the number of boxes on missing images.
    scales: those used, each {"stride", "spatial_scale", "origin"}.
    count, on_map, outside_partly, outside_wholly: the number of boxes, and where they lie, except
        those that are not finite or on no image. beyond: of those outside, the number that extend
        more than a cell outside, which rounding cannot explain.
    stride_that_fits: the smallest power of two that puts every box on its map, if any.
    warnings: the commands' warnings about positions; for the maps, see `MapDataset.odd`.
    """

    features: str
    boxes: str
    fits: bool
    problem: str | None = None
    matched: str | None = None
    images: int = 0
    images_with_boxes: int = 0
    missing: Mapping[str, str] = field(default_factory=dict)
    on_no_image: int = 0
    scales: tuple[Mapping[str, object], ...] = ()
    count: int = 0
    on_map: int = 0
    outside_partly: int = 0
    outside_wholly: int = 0
    beyond: int = 0
    stride_that_fits: int | None = None
    warnings: tuple[str, ...] = ()
