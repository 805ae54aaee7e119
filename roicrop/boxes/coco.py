"""The part of a COCO file that says what its ids stand for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from roicrop.errors import BoxError, TextError
from roicrop.files.text import opened, parse_json, read_text, shown
from roicrop.text import printable


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One of `images`: its place in that list (from 0), and what the file says of it."""

    position: int
    file_name: str | None
    height: int | None
    width: int | None


@dataclass(frozen=True, slots=True)
class Coco:
    """The images and categories of a COCO file, by their id as text (7 is "7").

    path: the file, for messages.
    categories: id → name.
    """

    path: str
    images: dict[str, CocoImage]
    categories: dict[str, str]

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """(height, width) of the images that have both, by their id."""
        each = {identity: (image.height, image.width) for identity, image in self.images.items()}
        return {identity: (h, w) for identity, (h, w) in each.items() if h and w}

    def add(self, other: Coco) -> None:
        """The images of another one, where they are new, after its own."""
        for identity, image in other.images.items():
            position = len(self.images)
            self.images.setdefault(identity, dataclasses.replace(image, position=position))


def read_coco(path: str) -> Coco:
    """The images and categories of a COCO instances file, or of any JSON that has `images`."""
    name = printable(path)
    try:
        with opened(path, name) as stream:
            value = parse_json(read_text(stream, name), name)
    except TextError as error:
        raise BoxError(str(error)) from error
    coco = coco_of(value, path) if isinstance(value, dict) else None
    if coco is None:
        raise BoxError(f"{path} has no list of images: give a COCO instances file")
    return coco


def coco_of(value: dict[str, object], path: str) -> Coco | None:
    """The images and categories of a COCO object; None when it has no `images`."""
    if "images" not in value:
        return None
    images: dict[str, CocoImage] = {}
    for position, entry in enumerate(_entries(value, "images", path)):
        identity = _identity(entry, f"{path}: images[{position}]")
        if identity in images:
            raise BoxError(
                f"{path}: images[{position}] has id {identity}, "
                f"as images[{images[identity].position}] has: an id must be one image's"
            )
        images[identity] = CocoImage(
            position,
            file_name_of(entry),
            _size(entry.get("height")),
            _size(entry.get("width")),
        )
    categories = {
        _identity(entry, f"{path}: categories[{position}]"): str(entry.get("name", ""))
        for position, entry in enumerate(_entries(value, "categories", path))
    }
    return Coco(path, images, categories)


def file_name_of(entry: dict[str, object]) -> str | None:
    """The name of an image's file; LVIS has the last part of an address instead."""
    for key in ("file_name", "coco_url", "filename", "image_name", "image"):
        name = entry.get(key)
        if isinstance(name, str) and name:
            return name.rpartition("/")[2] if key == "coco_url" else name
    return None


def _entries(value: dict[str, object], key: str, path: str) -> list[dict[str, object]]:
    entries = value.get(key, [])
    if not isinstance(entries, list):
        raise BoxError(f"{path}: {key} is {shown(entries)}, not a list")
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise BoxError(f"{path}: {key}[{position}] is {shown(entry)}, not an object")
    return entries


def _identity(entry: dict[str, object], where: str) -> str:
    identity = entry.get("id")
    if isinstance(identity, float) and identity.is_integer():
        identity = int(identity)
    if isinstance(identity, (int, str)):
        return str(identity)
    raise BoxError(f"{where} has no id that is a whole number or text")


def _size(value: object) -> int | None:
    return value if isinstance(value, int) else None
