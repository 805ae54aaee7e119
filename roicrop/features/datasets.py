"""Which datasets of a file can be feature maps, and which ones a path means."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import h5py
import numpy as np

from roicrop.errors import FeatureError
from roicrop.features.stored import type_name, where_in, why_no_map
from roicrop.files import Unchanged, hdf5, numpy_kind
from roicrop.files.npy import Archive, Array
from roicrop.files.origins import Home, Origins, origins_of
from roicrop.text import listing, printable


@dataclass(frozen=True, slots=True)
class Found:
    """A dataset in a file, or a link that is not followed.

    problem: why it cannot be a feature map, as what comes after its name; None if it can.
    is_link: whether it is a link that leads nowhere, or where nothing is read.
    identity: what all links to it have in common.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    problem: str | None
    is_link: bool = False
    identity: object = None

    def __str__(self) -> str:
        kind = "broken link" if self.is_link else type_name(self.dtype)
        return f"{printable(self.path)} {self.shape} {kind}"

    @property
    def parent(self) -> str:
        """The path of the group that it is in."""
        return self.path.rpartition("/")[0] or "/"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The datasets that a path means.

    path: of the one dataset, of the group, or a pattern such as /*/features.
    maps: one dataset, or one of rank 3 for each image.
    names: of the images of a group; None if there is one dataset.
    group: the path of the group, whose attributes are for all of its images.
    """

    path: str
    maps: Sequence[Found]
    names: list[str] | None = None
    group: str | None = None


class MapFile:
    """An open file that may hold feature maps; a context manager.

    path: as given, or the name of arrays in memory. file: h5py's, or the same for NumPy's
    formats. watched: the files that are read, as they were when they were opened.
    walked: path of a group → what was found in it and below it.
    """

    def __init__(
        self,
        path: str | Archive,
        *,
        allow_external: bool = False,
        walked: dict[str, list[Found]] | None = None,
    ) -> None:
        held = path if isinstance(path, Archive) else None
        self.path = held.filename if held else str(path)
        self.watched = Unchanged([] if held else [self.path])
        self._home = Home.of(self.path, external=allow_external)
        is_numpy = held is None and numpy_kind(self.path)
        self.file: Any = held or (Archive(self.path) if is_numpy else hdf5.open_file(self.path))
        self._opened = lru_cache(2)(hdf5.get)  # a dataset and its group, which several ask for
        self.walked = {} if walked is None else walked

    def __enter__(self) -> MapFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; may be called twice."""
        self.file.close()

    @property
    def is_hdf5(self) -> bool:
        """True if it is HDF5, False for NumPy's formats."""
        return not isinstance(self.file, Archive)

    @property
    def found(self) -> list[Found]:
        """Every dataset of the file, by every link to it, and broken links."""
        return self.found_in("/")

    def found_in(self, path: str) -> list[Found]:
        """What is in a group and below it, looked for only once: there may be millions."""
        if path not in self.walked:
            self.walked[path] = list(self._walk(path))
        return self.walked[path]

    def maps_in(self, path: str) -> list[Found]:
        """The datasets there that can be feature maps, each once, however many links lead to it."""
        maps = [one for one in self.found_in(path) if one.problem is None]
        return list({one.identity or one.path: one for one in reversed(maps)}.values())[::-1]

    def get(self, path: str) -> Any:
        """The object at a path that exists."""
        if not self.is_hdf5:
            return self.file.arrays.get(path, self.file)
        return self._opened(self.file, path)

    def holds(self, path: str) -> bool:
        """Whether there is a dataset or a group at a path."""
        return self._find("/" + path.strip("/")) is not None

    def is_dataset(self, path: str) -> bool:
        """Whether something other than a group is at a path; a pattern is neither."""
        thing = self._find("/" + path.strip("/"))
        return thing is None or not isinstance(thing, (h5py.Group, Archive))

    def parent(self, path: str) -> Any:
        """The group that a dataset is in."""
        return self.get(posixpath.dirname(path))

    def origins(self, path: str) -> Origins:
        """Where the values of a dataset are, and why they cannot be read; watches those files."""
        if not self.is_hdf5:
            self.file.verify(path)
            return Origins([self.path])
        origins = origins_of(self.get(path), self._home)
        self.watched.add(origins.files)
        return origins

    def require(self, path: str) -> None:
        """FeatureError if the values of a dataset are not all here."""
        if problem := self.origins(path).problem:
            raise FeatureError(f"{where_in(self.file, path)} {problem}")

    def choose(self, path: str) -> Chosen:
        """Find the datasets that a path means; FeatureError if it is ambiguous, or nothing.

        An empty path is the only dataset that can be a feature map, or the only group of images.
        """
        if not path:
            return self._only()
        full = "/" + path.strip("/")
        thing = self._find(full)
        if thing is None and "*" in full.split("/"):
            return self._pattern(full)
        if thing is None:
            where = where_in(self.file, full)
            raise FeatureError(f"{where} is not a dataset or group: {self._holds}")
        if isinstance(thing, (h5py.Group, Archive)):
            return self._group(full)
        found = _found(full, thing.id if self.is_hdf5 else thing)
        if found.problem:
            raise FeatureError(f"{where_in(self.file, full)} {found.problem}")
        return Chosen(full, [found])

    @property
    def _holds(self) -> str:
        return f"the file holds {listing(self.found) if self.found else 'no dataset'}"

    def _find(self, path: str) -> Any:
        if self.is_hdf5:
            return hdf5.find(self.file, path)
        return self.file.arrays.get(path, self.file if path == "/" else None)

    def _walk(self, path: str) -> Iterator[Found]:
        if not self.is_hdf5:
            yield from (_found(*one) for one in self.file.walk() if path == "/")
        elif isinstance(group := self._find(path), h5py.Group):
            for inner, dataset in hdf5.walk(group, path, self._home.why_not):
                if isinstance(dataset, str):
                    yield Found(inner, (), None, dataset, is_link=dataset != hdf5.CIRCLE)
                else:
                    yield _found(inner, dataset)

    def _only(self) -> Chosen:
        maps = self.maps_in("/")
        if len(maps) == 1:
            return Chosen(maps[0].path, maps)
        if not maps:
            raise FeatureError(
                f"{self.path} holds no dataset that can be a feature map (rank 3 or 4, real "
                f"numbers): {self._holds}"
            )
        if all(len(one.shape) == 3 for one in maps):
            self._refuse_several("/", maps)
            group = _common_group(maps)
            if group is not None:
                inside = f"{group.rstrip('/')}/"
                return self._group(group, [o for o in self.found if o.path.startswith(inside)])
        raise FeatureError(
            f"{self.path} holds {len(maps)} datasets that can be feature maps: name the levels of "
            "a pyramid with --levels, or choose one, as in "
            f"{where_in(self.file, maps[0].path)}: {listing(maps)}"
        )

    def _group(self, path: str, found: Iterable[Found] | None = None) -> Chosen:
        """The maps in a group of images. What has rank 2 or less, such as boxes, is passed over.

        found: what is in it, where that is known.
        """
        maps = []
        for one in self.found_in(path) if found is None else found:
            if one.is_link:
                raise FeatureError(f"{where_in(self.file, one.path)} {one.problem}")
            if len(one.shape) > 2:
                if problem := why_no_map(one.shape, one.dtype, (3,)):
                    raise FeatureError(f"{where_in(self.file, one.path)} {problem}")
                maps.append(one)
        if not maps:
            raise FeatureError(
                f"{where_in(self.file, path)} is a group without feature maps: a group of images "
                "holds one dataset of rank 3 (CHW or HWC) for each"
            )
        self._refuse_several(path, maps)
        return Chosen(path, maps, _names(path, maps), path)

    def _refuse_several(self, path: str, maps: Sequence[Found]) -> None:
        if patterns := patterns_of(path, maps):
            names = listing([pattern.rpartition("/")[2] for pattern in patterns])
            raise FeatureError(
                f"{where_in(self.file, path)} holds several maps per image: {names}: name the "
                "levels of a pyramid with --levels, or choose one of each, as in "
                f"{where_in(self.file, patterns[0])}, or one group, as in "
                f"{where_in(self.file, min(one.parent for one in maps))}"
            )

    def _pattern(self, path: str) -> Chosen:
        """One dataset of the same path in every group: "*" is the image."""
        before, _, after = (f"{path}/").partition("/*/")
        group, after = before or "/", after.rstrip("/")
        thing = self._find(group)
        maps, names = [], []
        for name in hdf5.links(thing) if isinstance(thing, h5py.Group) else []:
            inner = f"{before}/{name}/{after}".rstrip("/")
            dataset = self._find(inner) if after else None
            if isinstance(dataset, h5py.Dataset):
                one = _found(inner, dataset.id)
                if problem := why_no_map(one.shape, one.dtype, (3,)):
                    raise FeatureError(f"{where_in(self.file, inner)} {problem}")
                maps.append(one)
                names.append(_shown(name))
        if not maps:
            raise FeatureError(
                f"{where_in(self.file, path)}: no group in {printable(group)} has a dataset "
                f"{printable(after)}: {self._holds}"
            )
        return Chosen(path, maps, names, group)


def patterns_of(path: str, maps: Sequence[Found]) -> list[str]:
    """Paths such as /*/p2, where groups hold maps of the same names: several of each image.

    path: of the group that holds them all.
    """
    parents, names = {one.parent for one in maps}, {_name(one): None for one in maps}
    in_a_grid = 2 * len(maps) > len(parents) * len(names)
    if min(len(parents), len(names)) < 2 or not in_a_grid or all(map(str.isdigit, names)):
        return []
    return [f"{path.rstrip('/')}/*/{name}" for name in names]


def _found(path: str, dataset: Any) -> Found:
    """dataset: h5py's id of one, or an `Array`."""
    dtype = hdf5.dtype_of(dataset)
    identity = None if isinstance(dataset, Array) else hdf5.identity(dataset)
    problem = why_no_map(dataset.shape, dtype)
    return Found(path, dataset.shape or (), dtype, problem, identity=identity)


def _common_group(maps: Sequence[Found]) -> str | None:
    """The one group whose images these are: they lie in it, or each in a group of its own there."""
    parents = {one.parent for one in maps}
    if len(parents) == 1:
        are_alike = any(len({one.shape[axis] for one in maps}) == 1 for axis in (0, -1))
        return parents.pop() if are_alike else None
    grand = {posixpath.dirname(parent) for parent in parents}
    are_alone = len(parents) == len(maps) and len({_name(one) for one in maps}) == 1
    return grand.pop() if are_alone and len(grand) == 1 and "/" not in parents else None


def _names(group: str, maps: Sequence[Found]) -> list[str]:
    """The names of images: of their datasets, or of groups with one dataset each."""
    paths = [one.path for one in maps]
    parents = [one.parent for one in maps]
    if len({_name(one) for one in maps}) == 1 < len(maps) and group not in parents:
        paths = parents
    return [_shown(path.removeprefix(group).lstrip("/")) for path in paths]


def _shown(name: str) -> str:
    """A name as text, whatever its bytes are in the file."""
    return name.encode("utf-8", "backslashreplace").decode()


def _name(found: Found) -> str:
    return found.path.rpartition("/")[2]
