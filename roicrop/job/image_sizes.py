"""Whether the sizes of images, where they are known, agree with their maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from roicrop.job.fitting import stride_that_covers
from roicrop.job.job import Job
from roicrop.text import printable

_SLACK: Final = 1.0  # cells: a map's size is rounded up or down


@dataclass(frozen=True, slots=True)
class _Sized:
    """An image with boxes whose size is known: its (H, W) in pixels and in cells, and its map's."""

    said: str
    stride: float
    origin: str
    pixels: tuple[int, int]
    cells: tuple[float, float]
    map_size: tuple[int, int]

    @property
    def is_larger(self) -> bool:
        """Whether it reaches beyond its map, which no padding of a batch explains."""
        return any(n > m + _SLACK for n, m in zip(self.cells, self.map_size, strict=True))

    @property
    def factors(self) -> tuple[float, float]:
        """The least and the greatest factor by which it would cover its map."""
        pairs = list(zip(self.cells, self.map_size, strict=True))
        return max((m - _SLACK) / n for n, m in pairs), min((m + _SLACK) / n for n, m in pairs)


def against_sizes(job: Job) -> str | None:
    """What the images' sizes say against the stride that is taken; None where they do not.

    A map may be larger than its image, for a batch is padded to its largest; but not smaller, and
    one factor that fits all images means another stride, or images that were resized.
    """
    if job.request.normalized or not (sized := list(_sized(job))):
        return None
    low = max(one.factors[0] for one in sized)
    high = min(one.factors[1] for one in sized)
    larger = [one for one in sized if one.is_larger]
    if not larger and (low >= high or low < 1 < high):
        return None
    first = (larger or sized)[0]
    height, width = first.cells
    taken = f"at stride {first.stride:g} ({first.origin})"
    if first.origin == "default":
        taken = "where a cell is taken to be a pixel, for nothing says a stride,"
    more = f", and likewise {len(larger) - 1:,} others" if len(larger) > 1 else ""
    remedy = "no one scale would fit them all: set the attributes of each map"
    if low < high:
        factor = float(f"{(low * high) ** 0.5:.3g}")
        factor = factor if low < factor < high else (low * high) ** 0.5
        pixels = height * first.stride, width * first.stride
        stride = stride_that_covers(pixels, first.map_size) or first.stride / factor
        remedy = f"--stride {stride:.6g} would fit, or --input-scale {factor:.6g}"
        if len({one.stride for one in sized}) > 1:
            remedy = f"--input-scale {factor:.6g} would fit"
    return (
        f"{first.said} {first.pixels[0]}×{first.pixels[1]} pixels, {taken} "
        f"{height:.4g}×{width:.4g} cells, but its map has "
        f"{first.map_size[0]}×{first.map_size[1]}{more}: {remedy}"
    )


def _sized(job: Job) -> Iterator[_Sized]:
    """Images with boxes whose (H, W) in pixels is known."""
    if job.table.coco is None or job.table.image is None:
        return
    names = map(str, job.table.image.tolist())
    for name, i in dict(zip(names, job.image_index.tolist(), strict=True)).items():
        entry = job.table.coco.images.get(name)
        if i >= 0 and entry is not None and entry.height and entry.width:
            scale, (y, x) = job.scale(i), job.source.input_scale(i)
            yield _Sized(
                said=f"{job.table.coco.path} says that image {printable(name)} has",
                stride=1 / scale.value,
                origin=scale.origin,
                pixels=(entry.height, entry.width),
                cells=(entry.height * y * scale.value, entry.width * x * scale.value),
                map_size=job.source.map_size(i),
            )
