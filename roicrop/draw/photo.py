"""The photograph that a map was computed from: where it lies, and whether it fits the map."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from PIL import Image

from roicrop.errors import ArgumentError
from roicrop.files import split_spec
from roicrop.job import Job, Placed

_MOST_FILES: Final = 20_000  # that are looked through below a folder


@dataclass(frozen=True)
class Photo:
    """A picture file, and the size of the image that boxes are in, in pixels.

    size: (height, width), as the map has it.
    """

    path: Path
    size: tuple[float, float]

    @cached_property
    def image(self) -> Image.Image:
        """RGB; never changed."""
        return _read(self.path)


@lru_cache(maxsize=4)
def _read(path: Path) -> Image.Image:
    with Image.open(path) as file:
        return file.convert("RGB")


def photo_of(placed: Placed, row: int, named: str | None) -> Photo | None:
    """The photograph that a box of a job lies on: the named one, or the one that the files name.

    That is an image of a fitting size which the attribute `picture` or a COCO file names, in the
    folder of the features or of the boxes, or below it. A name never leads out of the folder, and
    below it counts only if one file is called so.

    Raises ArgumentError for a named one that is no image, or does not fit the map.
    """
    map_size, per_pixel = placed.job.source.map_size(placed.map), placed.cells_per_pixel
    if named is not None:
        return _given(named, map_size, per_pixel)
    job = placed.job
    files = [job.source.path, *([] if job.table.source.path == "-" else [job.table.source.path])]
    folders = dict.fromkeys(Path(split_spec(file)[0]).parent.resolve() for file in files)
    for name in _names(job, placed.map, row):
        for folder in folders:
            for path in _candidates(name, folder):
                if (size := _size(path)) and _fits(size, map_size, per_pixel):
                    return Photo(path, (size[1], size[0]))
    return None


def _names(job: Job, map_: int, row: int) -> Iterator[str]:
    if name := job.source.picture(map_):
        yield name
    table = job.table
    if table.coco is not None and table.image is not None:
        image = table.coco.images.get(str(table.image[row]))
        yield (image.file_name if image else None) or str(table.image[row])


def _given(path: str, map_size: tuple[int, int], cells_per_pixel: tuple[float, float]) -> Photo:
    try:
        with Image.open(path) as file:
            size = file.size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        said = getattr(error, "strerror", None) or "it is no image that can be read"
        raise ArgumentError(f"--photo {path}: {said}; name the image of the boxes") from None
    if not _fits(size, map_size, cells_per_pixel):
        height, width = (n / c for n, c in zip(map_size, cells_per_pixel, strict=True))
        raise ArgumentError(
            f"--photo {path} has {size[0]}×{size[1]} pixels (width × height), but the map covers "
            f"{width:.0f}×{height:.0f}: name the image that the features were computed from"
        )
    return Photo(Path(path), (size[1], size[0]))


def _candidates(name: str, folder: Path) -> Iterator[Path]:
    direct = (folder / name).resolve()
    if direct.is_relative_to(folder) and direct.is_file():
        yield direct
        return
    parts = Path(name).parts
    found = [p for p in _below(folder).get(Path(name).name, ()) if p.parts[-len(parts) :] == parts]
    if len(found) == 1:
        yield found[0]


@lru_cache(maxsize=8)
def _below(folder: Path) -> dict[str, list[Path]]:
    """The files below a folder, by name."""
    found: dict[str, list[Path]] = {}
    count = 0
    for place, _, files in os.walk(folder):
        for file in files:
            found.setdefault(file, []).append(Path(place, file))
        count += len(files)
        if count > _MOST_FILES:
            break
    return found


@lru_cache(maxsize=1024)
def _size(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path) as file:
            return file.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _fits(
    size: tuple[int, int], map_size: tuple[int, int], cells_per_pixel: tuple[float, float]
) -> bool:
    """Whether so many pixels (width, height) make so many cells, but for one that is begun."""
    pairs = zip(reversed(size), map_size, cells_per_pixel, strict=True)
    return all(abs(pixels * per_pixel - cells) <= 1.0 for pixels, cells, per_pixel in pairs)
