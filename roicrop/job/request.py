"""What a command line asks of the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from roicrop.boxes import BoxFormat, FileFormat
from roicrop.conventions import Convention
from roicrop.errors import ArgumentError

OnBadBox = Literal["error", "keep", "zero", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a command line asks for, whichever command it is.

    features, boxes, images: as on the command line.
    convention: the row, with what options put in place of its own values.
    output_size: (PH, PW).
    spatial_scale: cells a pixel; None is what the file says. scale_origin: the option it came by.
    input_scale: (sy, sx), from a box's pixels to those of the image that the network saw.
    image_size: (H, W), in a box's pixels, of what normalised coordinates are fractions of; None is
        the map's size / scale.
    threads: None is one for each processor. memory: bytes; None is what `default_memory` says.
    """

    features: str
    boxes: str
    convention: Convention
    output_size: tuple[int, int] = (7, 7)
    spatial_scale: float | None = None
    scale_origin: str = "--spatial-scale"
    input_scale: tuple[float, float] | None = None
    layout: str | None = None
    box_format: BoxFormat | None = None
    boxes_format: FileFormat | None = None
    images: str | None = None
    normalized: bool = False
    image_size: tuple[int, int] | None = None
    inclusive: bool = False
    min_score: float | None = None
    labels: Sequence[str] = ()
    top_k: int | None = None
    on_bad_box: OnBadBox = "error"
    threads: int | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.inclusive and self.normalized:
            raise ArgumentError("--inclusive counts pixels and --normalized has none: give one")

    @property
    def leaves_out(self) -> bool:
        """Whether a row of the output need not be the box of that number in the file."""
        selects = self.min_score is not None or self.top_k is not None or bool(self.labels)
        return selects or self.on_bad_box == "drop"
