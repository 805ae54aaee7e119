"""The part of a COCO file that says what its ids stand for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from roicrop.errors import BoxError
from roicrop.files.text import opened, parse_json, read_text, shown
from roicrop.text import printable


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One of `images`: its place in that list (from 0), its name, and (height, width) if said."""

    position: int
    file_name: str | None
    size: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Coco:
    """The images and categories of a COCO file, by their id as text (7 is "7").

    path: the file, for messages. categories: id → name.
    """

    path: str
    images: dict[str, CocoImage]
    categories: dict[str, str]

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """(height, width) of the images that have both, by their id."""
        return {identity: image.size for identity, image in self.images.items() if image.size}

    def add(self, other: Coco) -> None:
        """The images of another one, where they are new, after its own."""
        for identity, image in other.images.items():
            position = len(self.images)
            self.images.setdefault(identity, dataclasses.replace(image, position=position))


def read_coco(path: str) -> Coco:
    """The images and categories of a COCO instances file, or of any JSON that has `images`."""
    name = printable(path)
    with opened(path, name) as stream:
        value = parse_json(read_text(stream, name), name)
    if not isinstance(value, dict) or "images" not in value:
        raise BoxError(f"{path} has no list of images: give a COCO instances file")
    return coco_of(value, path)


def coco_of(value: dict[str, Any], path: str) -> Coco:
    """The images and categories of a COCO object."""
    images: dict[str, CocoImage] = {}
    for position, (identity, entry) in enumerate(_entries(value, "images", path)):
        if identity in images:
            raise BoxError(
                f"{path}: images[{position}] has id {identity}, "
                f"as images[{images[identity].position}] has: an id must be one image's"
            )
        height, width = entry.get("height"), entry.get("width")
        has_size = isinstance(height, int) and isinstance(width, int) and height * width
        size: Any = (height, width) if has_size else None
        images[identity] = CocoImage(position, _file_name(entry), size)
    categories = {i: str(entry.get("name", "")) for i, entry in _entries(value, "categories", path)}
    return Coco(path, images, categories)


def _file_name(entry: dict[str, Any]) -> str | None:
    """The name of an image's file; LVIS has the last part of an address instead."""
    for key in ("file_name", "coco_url", "filename", "image_name", "image"):
        name = entry.get(key)
        if isinstance(name, str) and name:
            return name.rpartition("/")[2] if key == "coco_url" else name
    return None


def _entries(value: dict[str, Any], key: str, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries under a key, each with its id."""
    entries = value.get(key, [])
    if not isinstance(entries, list):
        raise BoxError(f"{path}: {key} is {shown(entries)}, not a list")
    for position, entry in enumerate(entries):
        where = f"{path}: {key}[{position}]"
        if not isinstance(entry, dict):
            raise BoxError(f"{where} is {shown(entry)}, not an object")
        identity = entry.get("id")
        if isinstance(identity, float) and identity.is_integer():
            identity = int(identity)
        if not isinstance(identity, (int, str)):
            raise BoxError(f"{where} has no id that is a whole number or text")
        yield str(identity), entry
