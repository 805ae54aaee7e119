"""Which feature map each box is cropped from."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
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
    key, coco = printable(table.image_key), table.coco
    warnings: Sequence[str] = ()
    if table.image_kind == "index" or ids_are_indices:
        how, index, missing = f"{key} is the image's index", *_by_number(table, features)
    elif table.image_kind == "position":
        how, index, missing = "images go by position", *_by_position(table, features)
        warnings = features.counted(table.entries or 0, table.source.name)
    elif features.names is not None:
        how, places = _in_group(_distinct(table), table, features.names, features)
        index, missing = _found(places, table)
    elif features.count == 1 and (image := _only(table)) is not None:
        listed = None if coco is None else coco.images.get(image)
        name = listed.file_name if listed is not None else None
        how = f"every box is on {quoted(name or image)}, the only image"
        index, missing = throughout(0, len(table)), {}
        warnings = () if coco is None else features.counted(len(coco.images), coco.path)
    elif coco is not None:
        how = f"{key} goes through the position in images of {printable(coco.path)}"
        places = {image: _listed(image, coco, features) for image in _distinct(table)}
        index, missing = _found(places, table)
        warnings = features.counted(len(coco.images), coco.path)
    else:
        warnings = _as_indices(_numbers(table, features), key, table, features)
        how, index, missing = f"{key} is the image's index", *_by_number(table, features)
    return ImageAssignment(index, how, missing, tuple(warnings))


def _distinct(table: BoxTable) -> list[str]:
    """The images that boxes name."""
    return [] if table.image is None else [*map(str, dict.fromkeys(values_of(table.image)))]


def _only(table: BoxTable) -> str | None:
    """The image of every box, if it is the same."""
    images = map(str, () if table.image is None else values_of(table.image))
    first = next(images, None)
    return first if all(image == first for image in images) else None


def _found(places: _Places, table: BoxTable) -> tuple[NDArray[np.int64], dict[str, str]]:
    """(K,) the index of each box's image, and why images have none."""
    missing = {image: place for image, place in places.items() if isinstance(place, str)}
    index_of = {image: -1 if image in missing else place for image, place in places.items()}
    images = () if table.image is None else values_of(table.image)
    return np.fromiter((index_of[str(image)] for image in images), np.int64, len(table)), missing


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
    images: NDArray[np.int64], key: str, table: BoxTable, features: _Features
) -> Sequence[str]:
    """Warn that ids are used as indices; raise BoxError if they are unlikely to be indices."""
    if not len(images) or (images.min() == 0 and images.max() < features.count):
        said = f"{table.source.name}: {key} was used as the image's index: {_REMEDIES}"
        return [said] if len(images) and key != "image" else []
    numbers = np.sort(images)
    numbers = numbers[np.append(True, numbers[1:] != numbers[:-1])]
    none_is_0 = "" if (images == 0).any() else ", and none is 0"
    raise BoxError(
        f"{table.source.name}: {key} is {listing(numbers)}{none_is_0}, which may not be the index "
        f"of an image ({features.holds}): {_REMEDIES}"
    )


def _numbers(table: BoxTable, features: _Features) -> NDArray[np.int64]:
    """(K,) the number that each box gives as its image; BoxError if one is a name."""
    if table.image is None or isinstance(table.image, np.ndarray):
        return np.empty(0, np.int64) if table.image is None else table.image
    for row, image in enumerate(table.image):
        if not _NUMBER.fullmatch(image):
            raise BoxError(
                f"{table.where(int(table.source_index[row]))}: {printable(table.image_key)} is "
                f"{quoted(image)}, but {features.holds}, without names: give each box an "
                "image_index, or --on-image for all"
            )
    return np.fromiter(map(int, table.image), np.int64, len(table))


def _by_number(table: BoxTable, features: _Features) -> tuple[NDArray[np.int64], dict[str, str]]:
    numbers = _numbers(table, features)
    is_there = (numbers >= 0) & (numbers < features.count)
    if table.image is None or is_there.all():
        return numbers, {}  # not copied: there may be millions
    missing = dict.fromkeys(map(str, values_of(table.image[~is_there])), features.holds)
    return np.where(is_there, numbers, -1), missing


def _by_position(table: BoxTable, features: _Features) -> tuple[NDArray[np.int64], dict[str, str]]:
    if features.names is not None:
        raise BoxError(
            f"{table.source.name} lists boxes without the names of their images, and "
            f"{features.path} has named ones: write an object by name, or give --ids-are-indices "
            f"if the order is {listing(features.names)}"
        )
    return _by_number(table, features)


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
