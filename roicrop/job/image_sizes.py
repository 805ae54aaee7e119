"""Whether known sizes of images agree with their maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from roicrop.job.fitting import stride_that_covers
from roicrop.job.job import Job
from roicrop.text import many, printable

_SLACK: Final = 1.0  # cells: a map's size is rounded up or down
_DIVISOR: Final = 32  # pixels: sides are padded to whole multiples of it, for a network's levels


@dataclass(frozen=True, slots=True)
class _Sized:
    """An image of known size: (H, W) in pixels and in cells, and the size of its map."""

    said: str
    stride: float
    origin: str
    pixels: tuple[int, int]
    cells: tuple[float, float]
    map_size: tuple[int, int]

    @property
    def is_larger(self) -> bool:
        """True if it extends outside its map, which padding cannot explain."""
        return any(n > m + _SLACK for n, m in zip(self.cells, self.map_size, strict=True))

    @property
    def may_be_padded(self) -> bool:
        """True if its map is no larger than padding of the image explains."""
        most = _DIVISOR / self.stride + _SLACK
        return all(m - n < most for n, m in zip(self.cells, self.map_size, strict=True))

    @property
    def factors(self) -> tuple[float, float]:
        """The smallest and largest factor by which it would cover its map."""
        pairs = list(zip(self.cells, self.map_size, strict=True))
        return max((m - _SLACK) / n for n, m in pairs), min((m + _SLACK) / n for n, m in pairs)


def against_sizes(job: Job) -> str | None:
    """A warning if the images' sizes contradict the stride, else None.

    A map may be larger than its image, because a batch is padded to its largest image and images to
    multiples of 32 pixels, but not smaller; and a factor that fits all images suggests another
    stride, or resized images.
    """
    if job.request.normalized or not (sized := list(_sized(job))):
        return None
    low = max(one.factors[0] for one in sized)
    high = min(one.factors[1] for one in sized)
    larger = [one for one in sized if one.is_larger]
    if not larger and (low >= high or low < 1 < high or all(one.may_be_padded for one in sized)):
        return None
    first = (larger or sized)[0]
    height, width = first.cells
    taken = f"at stride {first.stride:g} ({first.origin})"
    if first.origin == "default":
        taken = "where, without a stride, a cell is taken to be a pixel,"
    more = f", and likewise {many(len(larger) - 1, 'other')}" if len(larger) > 1 else ""
    remedy = "no one scale would fit them all: set the attributes of each map"
    if low < high:
        pixels = height * first.stride, width * first.stride
        whole = stride_that_covers(pixels, first.map_size)
        ratios = [m / n for n, m in zip(first.cells, first.map_size, strict=True)]
        middle = (ratios[0] * ratios[1]) ** 0.5
        factor = first.stride / whole if whole else middle
        factor = factor if low < factor < high else (low * high) ** 0.5
        remedy = f"--stride {first.stride / factor:.4g} would fit, or --input-scale {factor:.4g}"
        if len({one.stride for one in sized}) > 1:
            remedy = f"--input-scale {factor:.4g} would fit"
    return (
        f"{first.said} {first.pixels[0]}×{first.pixels[1]} pixels, {taken} "
        f"{height:.4g}×{width:.4g} cells, but its map has "
        f"{first.map_size[0]}×{first.map_size[1]}{more}: {remedy}"
    )


def _sized(job: Job) -> Iterator[_Sized]:
    """Images with boxes whose (H, W) in pixels is known."""
    table = job.table
    if table.image is None or not table.image_sizes:
        return
    path = table.source.name if table.coco is None else table.coco.path
    names = map(str, table.image.tolist())
    for name, i in dict(zip(names, job.image_index.tolist(), strict=True)).items():
        if i < 0 or name not in table.image_sizes:
            continue
        height, width = table.image_sizes[name]
        finest = i * job.source.levels
        scale, (y, x) = job.scale(finest), job.source.input_scale(finest)
        if height > 0 and width > 0:
            yield _Sized(
                said=f"{path} says that image {printable(name)} has",
                stride=1 / scale.value,
                origin=scale.origin,
                pixels=(height, width),
                cells=(height * y * scale.value, width * x * scale.value),
                map_size=job.source.map_size(finest),
            )
