"""Which feature map each box is cropped from."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from roicrop.boxes import BoxTable, Coco
from roicrop.errors import BoxError
from roicrop.features import FeatureSource
from roicrop.files.columns import throughout, values_of
from roicrop.text import listing, many, printable, quoted

# Name of an image → its index, or why it has none.
_Places: TypeAlias = "dict[str, int | str]"

# The ".5" in "scan_1.5" is not an extension.
_EXTENSION: Final = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")
_REMEDIES: Final = (
    "give --images FILE (COCO) to look up ids, or --ids-are-indices if they are indices"
)


@dataclass(frozen=True, eq=False, slots=True)
class ImageAssignment:
    """The image of each box.

    index: (K,) int64, the image's index; −1 if there is no such image.
    how: a sentence, without its full stop, that says how images were found.
    missing: each image that boxes name but that does not exist → why.
    warnings: about possible mistakes.
    """

    index: NDArray[np.int64]
    how: str
    missing: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def assign_images(
    table: BoxTable,
    source: FeatureSource,
    *,
    on_image: str | None = None,
    ids_are_indices: bool = False,
) -> ImageAssignment:
    """Find the image of each box.

    on_image: the image, by name or index, for every box; overrides the file.
    ids_are_indices: True if the file gives images by index.

    Indices and positions in a list are indices. Other names are looked up among the datasets of a
    group, by file name if that finds every image, else by the id as a number; in a batch, a COCO
    file's id stands for the position in its `images`. A single name on a single map always matches.

    Raises BoxError if boxes do not tell which of several images is theirs, or if two rules or two
    names contradict each other.
    """
    features = _Features(source.name, source.images, source.names)
    if on_image is not None:
        return _all_on(on_image, table, features)
    if table.image is None:
        return _assign_unnamed(table, features)
    images = list(map(str, dict.fromkeys(values_of(table.image))))
    key, coco = printable(table.image_key), table.coco
    warnings: Sequence[str] = ()
    if table.image_kind == "index" or ids_are_indices:
        how, places = f"{key} is the image's index", _by_number(images, table, features)
    elif table.image_kind == "position":
        how, places = "images go by position", _by_position(images, table, features)
        warnings = features.counted(table.entries or 0, table.source.name)
    elif features.names is not None:
        how, places = _in_group(images, table, features.names, features)
    elif features.count == 1 and len(images) == 1:
        listed = None if coco is None else coco.images.get(images[0])
        name = listed.file_name if listed is not None else None
        how, places = f"every box is on {quoted(name or images[0])}, the only image", {images[0]: 0}
        warnings = () if coco is None else features.counted(len(coco.images), coco.path)
    elif coco is not None:
        how = f"{key} goes through the position in images of {printable(coco.path)}"
        places = {image: _listed(image, coco, features) for image in images}
        warnings = features.counted(len(coco.images), coco.path)
    else:
        how, places = f"{key} is the image's index", _by_number(images, table, features)
        warnings = _as_indices(images, key, table, features)
    index_of = {image: -1 if isinstance(place, str) else place for image, place in places.items()}
    indices = (index_of[str(image)] for image in values_of(table.image))
    index: NDArray[Any] = np.fromiter(indices, np.int64, len(table))
    if table.image.dtype == np.int64 and (index == table.image).all():
        index = table.image  # not copied: there may be millions
    return ImageAssignment(
        index=index,
        how=how,
        missing={image: place for image, place in places.items() if isinstance(place, str)},
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, slots=True)
class _Features:
    """The features, for messages; `names` is None unless they are a group."""

    path: str
    count: int
    names: Sequence[str] | None

    @property
    def holds(self) -> str:
        """The range of image indices, in words."""
        last = self.count - 1
        return f"{self.path} holds " + (f"images 0 to {last}" if last > 0 else "one image, 0")

    def counted(self, listed: int, by: str) -> list[str]:
        """A warning if a file lists a different number of images."""
        if listed == self.count:
            return []
        path, images = printable(by), many(listed, "image")
        return [
            f"{path} lists {images}, but {self.path} holds {self.count:,}: images are matched by "
            "their position in the list"
        ]


def _all_on(image: str, table: BoxTable, features: _Features) -> ImageAssignment:
    """Put every box on the image that the command line names."""
    place = None if features.names is None else _ByName(features).find(image)
    if not isinstance(place, int) and _NUMBER.fullmatch(image) and 0 <= int(image) < features.count:
        place = int(image)
    if not isinstance(place, int):
        there = listing(features.names) if features.names is not None else features.holds
        raise BoxError(f"--on-image: no image {quoted(image)}: {place or there}")
    return ImageAssignment(throughout(place, len(table)), f"--on-image {printable(image)}")


def _assign_unnamed(table: BoxTable, features: _Features) -> ImageAssignment:
    name = f"{table.source.name} names no images"
    warnings: tuple[str, ...] = ()
    if features.count > 1 and len(table):
        raise BoxError(
            f"{name}, but {features.path} holds {features.count}{table.holds}; name their column "
            "with --image-column, or put all boxes on one with --on-image"
        )
    how = "boxes do not name an image; the file has one"
    if table.unexplained and len(table) > 1:
        differs = f"{listing(table.unexplained)} differ{'s' * (len(table.unexplained) == 1)}"
        warnings = (
            f"{name}, but {differs} from row to row{table.holds}; name their column with "
            "--image-column, or give --on-image 0 if all boxes are on one image",
        )
    return ImageAssignment(throughout(0, len(table)), how, warnings=warnings)


def _as_indices(
    images: Sequence[str], key: str, table: BoxTable, features: _Features
) -> Sequence[str]:
    """Warn that ids are used as indices; raise BoxError if they are unlikely to be indices."""
    numbers = sorted(map(int, images))
    if not numbers or (numbers[0] == 0 and numbers[-1] < features.count):
        said = f"{table.source.name}: {key} was used as the image's index: {_REMEDIES}"
        return [said] if numbers and key != "image" else []
    none_is_0 = "" if 0 in numbers else ", and none is 0"
    raise BoxError(
        f"{table.source.name}: {key} is {listing(numbers)}{none_is_0}, which may not be the index "
        f"of an image ({features.holds}): {_REMEDIES}"
    )


def _by_number(images: Sequence[str], table: BoxTable, features: _Features) -> _Places:
    for image in images:
        if not _NUMBER.fullmatch(image):
            there = () if table.image is None else values_of(table.image)
            row = next(n for n, its in enumerate(there) if str(its) == image)
            raise BoxError(
                f"{table.where(int(table.source_index[row]))}: {printable(table.image_key)} is "
                f"{quoted(image)}, but {features.holds}, without names: give each box an "
                "image_index, or --on-image for all"
            )
    return {i: int(i) if 0 <= int(i) < features.count else features.holds for i in images}


def _by_position(images: Sequence[str], table: BoxTable, features: _Features) -> _Places:
    if features.names is not None:
        raise BoxError(
            f"{table.source.name} lists boxes without the names of their images, and "
            f"{features.path} has named ones: write an object by name, or give --ids-are-indices "
            f"if the order is {listing(features.names)}"
        )
    return _by_number(images, table, features)


def _listed(image: str, coco: Coco, features: _Features) -> int | str:
    """The position of an image in a COCO file, or why it has none."""
    entry = coco.images.get(image)
    if entry is None:
        return f"{printable(coco.path)} lists no image with that id"
    if entry.position < features.count:
        return entry.position
    where = f"{printable(coco.path)} lists it at position {entry.position}"
    return f"{where}, but {features.holds}"


def _in_group(
    images: Sequence[str], table: BoxTable, names: Sequence[str], features: _Features
) -> tuple[str, _Places]:
    """Look up images in a group: all by file name if that finds every image, else by id."""
    key, coco = printable(table.image_key), table.coco
    file_names = {image: image for image in images}
    unlisted: _Places = {}
    if coco is not None:
        path = printable(coco.path)
        file_names = {i: coco.images[i].file_name or "" for i in images if i in coco.images}
        unlisted = {i: f"{path} lists no image with that id" for i in images if i not in file_names}
    by_name = _named_places(file_names, table, names, features)
    by_id = _numbered_places(file_names, names, coco is not None)
    by_rule = table.by_id
    if by_rule is None:
        for image, place in by_name.items():
            other = by_id[image]
            if isinstance(place, int) and isinstance(other, int) and place != other:
                raise BoxError(
                    f"{table.source.name}: image {quoted(image)} is {quoted(names[place])} by its "
                    f"file name and {quoted(names[other])} by its id in {features.path}: choose "
                    "with --image-column file_name or --image-column image_id"
                )
        missing = [
            {i for i, p in places.items() if isinstance(p, str)} for places in (by_name, by_id)
        ]
        by_rule = bool(missing[0]) and not missing[1]
    if by_rule:
        return f"{key} is the number that names the image's dataset", unlisted | by_id
    if coco is None:
        return f"{key} is the name of the image's dataset", by_name
    how = f"{key} goes through the file_name in images of {path} to the dataset of that name"
    return how, unlisted | by_name


def _named_places(
    file_names: Mapping[str, str], table: BoxTable, names: Sequence[str], features: _Features
) -> _Places:
    finder = _ByName(features)
    places: _Places = {}
    taken: dict[int, str] = {}
    for image, file_name in file_names.items():
        place = finder.find(file_name) if file_name else None
        if isinstance(place, int) and taken.setdefault(place, file_name) != file_name:
            raise BoxError(
                f"{table.source.name}: images {quoted(taken[place])} and {quoted(file_name)} could "
                f"both be the dataset {quoted(names[place])} of {features.path}: rename one of them"
            )
        if place is None and table.coco is not None and not file_name:
            place = f"{printable(table.coco.path)} gives it no file_name"
        elif place is None:
            are_ids = table.coco is None and _NUMBER.fullmatch(image)
            remedy = f"if these are ids or indices, {_REMEDIES}" if are_ids else listing(names)
            place = f"{features.path} has no dataset named {quoted(file_name)}: {remedy}"
        places[image] = place
    return places


def _numbered_places(file_names: Mapping[str, str], names: Sequence[str], are_ids: bool) -> _Places:
    """Look up images by their id as a number; without COCO, the name itself may be one."""
    numbers: dict[int, list[int]] = {}
    for index, name in enumerate(names):
        for spelling in {*_spellings(name), *_spellings(name.rpartition("/")[0])}:
            if _NUMBER.fullmatch(spelling):
                numbers.setdefault(int(spelling), []).append(index)
    places: _Places = {}
    for image in file_names:
        spellings = [image] if are_ids else list(_spellings(image))
        number = next((int(s) for s in spellings if _NUMBER.fullmatch(s)), None)
        indices = sorted(set(numbers.get(number, []))) if number is not None else []
        places[image] = indices[0] if len(indices) == 1 else f"no dataset is named {image}"
    return places


class _ByName:
    """A lookup of an image's dataset by name, with or without folder and extension."""

    def __init__(self, features: _Features) -> None:
        self._path = features.path.partition("::")[0]
        self._names = features.names or ()
        # The likeliest first: the name itself, a group that holds only this map, its last part.
        self._ways: list[dict[str, list[int]]] = [{} for _ in range(6)]
        for index, name in enumerate(self._names):
            folder, _, last = name.rpartition("/")
            spellings = (name, folder, last)
            for n, spelling in enumerate([*spellings, *(_EXTENSION.sub("", s) for s in spellings)]):
                self._ways[n].setdefault(spelling, []).append(index)

    def find(self, image: str) -> int | str | None:
        """The index; a message if several datasets fit; None if none does."""
        for spelling, way in itertools.product(dict.fromkeys(_spellings(image)), self._ways):
            found = way.get(spelling) if spelling else None
            if found:
                return found[0] if len(found) == 1 else self._several(found)
        return None

    def _several(self, found: Sequence[int]) -> str:
        names = [self._names[index] for index in found]
        last = names[0].rpartition("/")[2]
        return (
            f"{many(len(names), 'map')} could belong to that image: {listing(names)}: "
            f"choose one, as in {self._path}::/*/{printable(last)}"
        )


def _spellings(file_name: str) -> Iterator[str]:
    """Possible names of a file's dataset, the likeliest first."""
    last = file_name.replace("\\", "/").rpartition("/")[2]
    for name in (file_name, last, unquote(last), unquote(last.partition("?")[0])):  # may be a URL
        yield name
        yield _EXTENSION.sub("", name)
