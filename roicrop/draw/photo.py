"""The photograph that a map was computed from: where it lies, and whether it fits the map."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from PIL import Image

from roicrop.errors import ArgumentError

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

    def pixels_per_cell(self, cells_per_pixel_y: float, cells_per_pixel_x: float) -> tuple[float, float]:
        """Along y and along x."""
        return 1 / cells_per_pixel_y, 1 / cells_per_pixel_x


@lru_cache(maxsize=4)
def _read(path: Path) -> Image.Image:
    with Image.open(path) as file:
        return file.convert("RGB")


def given(path: str, map_size: tuple[int, int], cells_per_pixel: tuple[float, float]) -> Photo:
    """The photograph that the user names; ArgumentError unless it is one, of a size that fits."""
    try:
        with Image.open(path) as file:
            size = file.size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ArgumentError(f"--photo {path} cannot be read as an image: {_first(error)}") from None
    if not _fits(size, map_size, cells_per_pixel):
        height, width = (n / c for n, c in zip(map_size, cells_per_pixel, strict=True))
        raise ArgumentError(
            f"--photo {path} is {size[0]}×{size[1]} pixels (width × height), and the map is of "
            f"{width:.0f}×{height:.0f}: name the image that the map was computed from"
        )
    return Photo(Path(path), (size[1], size[0]))


def _first(error: Exception) -> str:
    return str(error).split(":")[0]


def find(
    names: Iterable[str],
    folders: Iterable[Path],
    map_size: tuple[int, int],
    cells_per_pixel: tuple[float, float],
) -> Photo | None:
    """The first of the names that is an image of a fitting size in a folder, or below it.

    A name never leads out of the folders; below them it counts only if one file is called so.
    """
    for name in names:
        for folder in folders:
            for path in _candidates(name, folder):
                if (size := _size(path)) and _fits(size, map_size, cells_per_pixel):
                    return Photo(path, (size[1], size[0]))
    return None


def _candidates(name: str, folder: Path) -> Iterator[Path]:
    folder = folder.resolve()
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
