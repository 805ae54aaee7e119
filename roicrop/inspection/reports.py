"""What was found in files: plain values, for JSON and for words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Values:
    """What the values that were looked at are like.

    looked_at: how many, of how many there are.
    minimum, mean, maximum: of the finite ones; None where there is none.
    nan, infinite: how many are not.
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
        """Whether there are values that were not looked at."""
        return self.looked_at < self.of

    def odd(self) -> Iterator[str]:
        """What features seldom are: not finite, or all the same."""
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

    layout: of its axes, and where that is from: "--layout", "attribute layout", "attribute layout
        of /group" or "default".
    images, channels, map_size: what the layout makes of the shape; map_size is (H, W) in cells.
    stride: pixels a cell, and where that is from: "--stride", "attribute stride", …; None where
        nothing says it.
    input_scale: (sy, sx), the option's or the attribute's, if there is one.
    chunks: None if it is contiguous.
    compression: its filters in order, such as "none", "gzip:4" or "shuffle + lzf".
    way: how it is read, in words.
    files: others than the one named that its values are in.
    values: what a sample of its values is like; None if none was taken.
    unreadable: why its values cannot be read, in a line.
    odd: what a user may not have meant, a line each.
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
    """A file as a place of feature maps.

    path: as the user named it, `file.h5` or `file.h5::/path`.
    size: of the file, in bytes.
    format: "HDF5" or "NumPy".
    more_datasets: how many more there are than those in `datasets`.
    taken_as: what a command that is given `path` takes it for; None where it takes it for nothing,
        and `problem` is what it would say.
    sources: what can be given to a command instead: `path` itself, or else what is in it.
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

    attributes: every one, the format's defaults spelled out; defaulted: those that the file omits.
    convention: the one that computes the same, or the nearest where `differs` says how it differs.
    command: what crops as the node does; "" where no convention computes the same.
    stride: pixels per cell, of each level, finest first.
    surprises: what catches people out, a sentence each.
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
    convention: the name of the one that made it; None where the file does not say.
    changed: the rules in which it was not that convention: rule → (its own, the one that ran).
    parameters: all else that the file says of how it was made.
    columns: what stands beside the pooled rows: name → shape.
    values: what a sample of the pooled values is like.
    odd: what a user may not have meant, a line each.
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
    x, y: the least and the greatest corner; width, height: those of boxes; in the file's own units.
        None where no box is finite.
    not_finite, reversed, zero_size: how many boxes are so.
    outside_partly, outside_wholly: how many reach outside their image; of an image whose size is
        not known, only the left and the upper edge count.
    image_sizes: what says the sizes: a COCO file, "--image-size", "--normalized" or nothing.
    columns: what there is beside coordinates.
    image_key: the column that names images. images: how many boxes each has. file_names: of those
        ids that a COCO file knows.
    score: the least and the greatest; None without a column, or with nothing but NaN in it.
    labels: how many boxes each has. categories: the names of those that a COCO file knows.
    repeated: how many boxes have the image, the coordinates and the label of an earlier one.
    odd: what a user may not have meant, a line each.
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
    images: dict[str, int]
    file_names: dict[str, str]
    score: Range | None
    labels: dict[str, int]
    categories: dict[str, str]
    repeated: int
    odd: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Together:
    """K boxes on feature maps.

    features, boxes: what to give a command.
    fits: whether nothing that follows stands against it.
    problem: why no box finds its map; all that follows is then empty.
    matched: how boxes are matched to images, in words.
    images: how many there are. images_with_boxes: how many of them boxes are on.
    missing: the images that boxes name and that do not exist: name → why not.
    on_no_image: how many boxes are on those.
    scales: what is taken: {"stride", "spatial_scale", "origin"} each.
    count, on_map, outside_partly, outside_wholly: how many boxes there are, and where they lie;
        what is not finite, or on no image, lies nowhere. beyond: how many of those outside end more
        than a cell outside, so not by rounding.
    stride_that_fits: the smallest power of two that puts every box on its map, if one does.
    warnings: what the commands would warn of in how they lie; of the maps, see `MapDataset.odd`.
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
