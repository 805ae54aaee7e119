"""The photograph that a map was computed from: finding it, and whether it fits the map."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import Image

from roicrop.errors import ArgumentError
from roicrop.files import split_spec
from roicrop.job.job import Job
from roicrop.job.on_map import Placed

_MOST_FILES: Final = 20_000  # to look through below a folder
_NO_IMAGE: Final = (OSError, ValueError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Photo:
    """A picture file that is known to fit its map."""

    path: Path

    @property
    def image(self) -> Image.Image:
        """The photograph in RGB; it must not be changed."""
        return _read(self.path)


@lru_cache(maxsize=4)
def _read(path: Path) -> Image.Image:
    with Image.open(path) as file:
        return file.convert("RGB")


class Photos:
    """The photographs of a job's images, each looked for once.

    named: the file that the user names. Without it a photograph is an image of a fitting size that
        the attribute `picture` or a COCO file names, in or below the folder of the features or of
        the boxes. A name never leads out of the folder, and below it counts only if exactly one
        file has it.
    """

    def __init__(self, named: str | None) -> None:
        self._named = named
        self._found: dict[int, Photo | None] = {}
        self._below: dict[Path, dict[str, list[Path]]] = {}

    def check(self, placed: Sequence[Placed]) -> None:
        """Look for the photographs of all these boxes, so that they count as inputs.

        ArgumentError if the named file is not an image, or not the image of all these boxes.
        """
        images = {each.image for each in placed}
        if self._named is not None and len(images) > 1:
            raise ArgumentError(
                f"--photo {self._named} is one image, and the boxes to draw are on "
                f"{len(images)}: choose boxes of one image"
            )
        for each in placed:
            self.of(each, int(each.rows[0]))

    def of(self, placed: Placed, row: int) -> Photo | None:
        """The photograph for the map of a box, if there is one.

        Raises ArgumentError if the named file is not an image, or does not fit the map.
        """
        if placed.map not in self._found:
            look = self._look_for if self._named is None else self._check_named
            photo = self._found[placed.map] = look(placed, row)
            placed.job.source.watched.add([str(photo.path)] if photo else [])
        return self._found[placed.map]

    def _check_named(self, placed: Placed, row: int) -> Photo:
        try:
            size = _read(Path(str(self._named))).size
        except _NO_IMAGE as error:
            said = getattr(error, "strerror", None) or "not an image that can be read"
            raise ArgumentError(f"--photo {self._named}: {said}; name the boxes' image") from None
        if not _fits(size, placed):
            height, width = _pixels(placed)
            raise ArgumentError(
                f"--photo {self._named} has {size[0]}×{size[1]} pixels (width × height), but the "
                f"map covers {width:.0f}×{height:.0f}: name the image that was fed to the network"
            )
        return Photo(Path(str(self._named)))

    def _look_for(self, placed: Placed, row: int) -> Photo | None:
        job = placed.job
        files = [
            job.source.path,
            *([] if job.table.source.path == "-" else [job.table.source.path]),
        ]
        folders = dict.fromkeys(Path(split_spec(file)[0]).parent.resolve() for file in files)
        for name in _names(job, placed.map, row):
            for folder in folders:
                for path in self._called(name, folder):
                    if _is_that_of(path, placed):
                        return Photo(path)
        return None

    def _called(self, name: str, folder: Path) -> Iterator[Path]:
        direct = (folder / name).resolve()
        if direct.is_relative_to(folder) and direct.is_file():
            yield direct
            return
        if folder not in self._below:
            self._below[folder] = _listed(folder)
        parts = Path(name).parts
        files = self._below[folder].get(Path(name).name, ())
        ending = [path for path in files if path.parts[-len(parts) :] == parts]
        yield from ending if len(ending) == 1 else ()


def _listed(folder: Path) -> dict[str, list[Path]]:
    """Name → the files below a folder with that name."""
    found: dict[str, list[Path]] = {}
    count = 0
    for place, _, files in os.walk(folder):
        for file in files:
            if not (path := Path(place, file)).is_symlink():
                found.setdefault(file, []).append(path)
        count += len(files)
        if count > _MOST_FILES:
            break
    return found


def _names(job: Job, map_: int, row: int) -> Iterator[str]:
    if name := job.source.picture(map_):
        yield name
    table = job.table
    if table.coco is not None and table.image is not None:
        image = table.coco.images.get(str(table.image[row]))
        yield (image.file_name if image else None) or str(table.image[row])


def _pixels(placed: Placed) -> tuple[float, float]:
    """Height and width of the area that the map covers."""
    (height, width), (y, x) = placed.job.source.map_size(placed.map), placed.cells_per_pixel
    return height / y, width / x


def _is_that_of(path: Path, placed: Placed) -> bool:
    """Whether a file is a whole image of a fitting size."""
    try:
        with Image.open(path) as file:
            fits = _fits(file.size, placed)
        return fits and bool(_read(path).size)
    except _NO_IMAGE:
        return False


def _fits(size: tuple[int, int], placed: Placed) -> bool:
    """Whether an image (width, height) in pixels covers the map, give or take a partial cell."""
    pairs = zip(reversed(size), _pixels(placed), placed.cells_per_pixel, strict=True)
    return all(abs(has - covers) * per_pixel <= 1.0 for has, covers, per_pixel in pairs)
