"""Which feature map each box is cropped from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from roicrop.boxes.columns import INDEX_KEYS
from roicrop.boxes.table import BoxTable
from roicrop.errors import BoxError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roicrop.boxes.coco import Coco

Kind = Literal["batch", "image", "group"]

# Of each image that boxes name: its index, or why it has none.
_Places: TypeAlias = "dict[str, int | str]"

# The ".5" of "scan_1.5" is not one.
_EXTENSION: Final = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, eq=False, slots=True)
class ImageAssignment:
    """The image of each box.

    index: (K,) int64, the image's index; −1 where there is no such image.
    how: a sentence, without its full stop, that says how images were found.
    missing: for each image that boxes name (as text) and that does not exist, why not.
    """

    index: NDArray[np.int64]
    how: str
    missing: dict[str, str] = field(default_factory=dict)


def assign_images(
    table: BoxTable, *, names: Sequence[str] | None, count: int, kind: Kind, path: str
) -> ImageAssignment:
    """The image, of `count`, that each box lies in.

    names: of the datasets of a group, in order of their indices; None for a batch or one image.
    path: the features, as messages name them.

    `image_index` and `batch_index` are indices. `image` and `image_id` are ids where a COCO file's
    `images` came with the boxes: then the image's file name says the dataset of a group, and its
    position in that list the index in a batch. Without, they are themselves names or indices. A
    file name may have a folder and an extension that the dataset's name lacks.

    Raises BoxError when boxes do not say which of several images is theirs, or two names that they
    use could both be one dataset.
    """
    features = _Features(path, count, names if kind == "group" else None)
    if table.image is None:
        return _assign_unnamed(table, features)
    texts = list(map(str, table.image.tolist()))
    images = list(dict.fromkeys(texts))
    key = table.image_key
    if key in INDEX_KEYS:
        how = f"{key} is the image's index"
        places = _by_index({image: int(image) for image in images}, features)
    elif table.coco is not None:
        how = f"{key} goes {_through(table.coco, features)}"
        places = _by_id(images, table, table.coco, features)
    elif features.names is not None:
        how = f"{key} is the name of the image's dataset"
        places = _by_name({image: image for image in images}, table, features.names, path)
    elif count == 1 and len(images) == 1 and not _NUMBER.fullmatch(images[0]):
        how = f"every box is of {images[0]!r}, and there is one image"
        places = {images[0]: 0}
    else:
        how = f"{key} is the image's index"
        places = _by_number(images, texts, table, features)
    index_of = {image: -1 if isinstance(place, str) else place for image, place in places.items()}
    return ImageAssignment(
        index=np.fromiter(map(index_of.__getitem__, texts), np.int64, len(texts)),
        how=how,
        missing={image: place for image, place in places.items() if isinstance(place, str)},
    )


@dataclass(frozen=True, slots=True)
class _Features:
    """What messages say of the features; `names` is None unless they are a group."""

    path: str
    count: int
    names: Sequence[str] | None

    @property
    def holds(self) -> str:
        """The images that there are, by index."""
        last = self.count - 1
        return f"{self.path} holds " + (f"images 0 to {last}" if last > 0 else "one image, 0")


def _assign_unnamed(table: BoxTable, features: _Features) -> ImageAssignment:
    if features.count > 1 and len(table):
        raise BoxError(
            f"{table.source.name} names no images, and {features.path} holds {features.count}: "
            "give each box an image_index, or the image's name as image"
        )
    how = "boxes name no image, and there is one" if features.count == 1 else "there are no boxes"
    return ImageAssignment(np.zeros(len(table), np.int64), how)


def _through(coco: Coco, features: _Features) -> str:
    """The way from an id to an image, and what is odd about it."""
    if features.names is not None:
        return f"through the file_name in images of {coco.path} to the dataset of that name"
    way = f"through the position in images of {coco.path}"
    listed = len(coco.images)
    return way if listed == features.count else f"{way}, which lists {listed} for {features.count}"


def _by_id(images: Iterable[str], table: BoxTable, coco: Coco, features: _Features) -> _Places:
    known = {image: coco.images[image] for image in images if image in coco.images}
    places: _Places = dict.fromkeys(images, f"{coco.path} lists no image of that id")
    if features.names is None:
        for image, entry in known.items():
            exists = entry.position < features.count
            fault = f"{coco.path} lists it at position {entry.position}, but {features.holds}"
            places[image] = entry.position if exists else fault
        return places
    places |= dict.fromkeys(known, f"{coco.path} gives it no file_name")
    file_names = {image: entry.file_name for image, entry in known.items() if entry.file_name}
    return places | _by_name(file_names, table, features.names, features.path)


def _by_number(
    images: Iterable[str], texts: list[str], table: BoxTable, features: _Features
) -> _Places:
    for image in images:
        if not _NUMBER.fullmatch(image):
            where = table.where(int(table.source_index[texts.index(image)]))
            raise BoxError(
                f"{where}: {table.image_key} is {image!r}, but {features.holds}, without names: "
                "give each box an image_index"
            )
    return _by_index({image: int(image) for image in images}, features, _advice(table))


def _advice(table: BoxTable) -> str:
    """What to do about ids that nothing says the meaning of."""
    if table.image_key != "image_id" or table.coco is not None:
        return ""
    return ": if these are ids, --images says what they stand for"


def _by_index(wanted: Mapping[str, int], features: _Features, advice: str = "") -> _Places:
    fault = features.holds + advice
    return {image: n if 0 <= n < features.count else fault for image, n in wanted.items()}


def _by_name(
    file_names: Mapping[str, str], table: BoxTable, names: Sequence[str], path: str
) -> _Places:
    index_of = {name: index for index, name in enumerate(names)}
    places: _Places = {}
    taken: dict[int, str] = {}
    for image, file_name in file_names.items():
        index = next((index_of[n] for n in _spellings(file_name) if n in index_of), None)
        if index is None:
            near = _namesake(file_name, names)
            is_there = f", but {near!r}" if near else ""
            places[image] = f"{path} has no dataset named {file_name!r}{is_there}{_advice(table)}"
        elif taken.setdefault(index, file_name) != file_name:
            raise BoxError(
                f"{table.source.name}: images {taken[index]!r} and {file_name!r} could both be "
                f"the dataset {names[index]!r} of {path}: rename one of them"
            )
        else:
            places[image] = index
    return places


def _namesake(file_name: str, names: Sequence[str]) -> str | None:
    """A dataset in another folder, or with another extension."""
    wanted = {*_spellings(file_name)}
    return next((name for name in names if wanted & {*_spellings(name)}), None)


def _spellings(file_name: str) -> Iterator[str]:
    """What the dataset of a file may be called, the likeliest first."""
    for name in (file_name, file_name.rpartition("/")[2]):
        yield name
        yield _EXTENSION.sub("", name)
