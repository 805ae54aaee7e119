"""Feature maps of an open file, one at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from roicrop.chunks import Pieces, Windows, count_of
from roicrop.errors import ArgumentError, FeatureError
from roicrop.features.datasets import Found, MapFile
from roicrop.features.pyramid import find_pyramid
from roicrop.features.stored import (
    KNOWN_LAYOUTS,
    Scale,
    StoredMap,
    decoder,
    input_scale_attribute,
    layout_attribute,
    parse_layout,
    scale_attribute,
    where_in,
)
from roicrop.files import hdf5, split_spec
from roicrop.files.npy import InMemory
from roicrop.precision import pooled_dtype

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["FeatureSource", "open_features"]

Features = NDArray[np.floating[Any]]
Kind = Literal["batch", "image", "group"]


def open_features(
    spec: str | os.PathLike[str] | InMemory,
    *,
    layout: str | None = None,
    spatial_scale: float | None = None,
    input_scale: tuple[float, float] | None = None,
    origin: str = "--spatial-scale",
    levels: Sequence[str] = (),
    strides: Sequence[float] = (),
    pyramids: bool = True,
    allow_external: bool = False,
    walked: dict[str, list[Found]] | None = None,
) -> FeatureSource:
    """Open `file.h5`, `file.h5::/path`, an `.npy` or `.npz` likewise, or arrays in memory.

    spec: a file that exists is taken whole, even with `::` in its name. A path is that of a dataset
        of rank 4 (a batch of images) or 3 (one image), or of a group of rank-3 datasets, one for
        each image, named by its path in the group, or by the group of its own that it is in;
        datasets of rank 2 or less beside them are ignored. `/*/name` is the dataset of that name in
        every group. Without a path: the only dataset that can be a feature map, or the only group
        of images.
    layout: one of `LAYOUTS`; the N is ignored. None: the `layout` attribute of the
        dataset, then of its group of images, then channels first.
    spatial_scale: cells per pixel of every image. None: the attributes `stride` or `spatial_scale`.
    input_scale: (sy, sx), how much the image was resized before the network saw it. None: the
        attribute `input_scale`, one number or sx and sy, as on the command line.
    origin: the option that `spatial_scale` came from, for messages and `Scale.origin`.
    levels: the names of a pyramid's levels in the group, finest first; see `features.pyramid`
        for what is one without names. strides: pixels per cell of each, instead of attributes.
    pyramids: whether a group that clearly is a pyramid is read as one without `levels`.
    allow_external: True to follow links out of the file's folder, and to read raw storage.
    walked: what a `MapFile` of the same file has found, so that it is not walked again.

    Raises FeatureError (one line: which file, dataset and remedy), and ArgumentError for an option
    that makes no sense.
    """
    if layout is not None and parse_layout(layout) is None:
        raise ArgumentError(f"layout {layout!r} is not known: choose {KNOWN_LAYOUTS}")
    if spatial_scale is not None and not hdf5.is_scale(spatial_scale):
        raise ArgumentError(f"{origin}: a scale of {spatial_scale} is not a positive number")
    if input_scale is not None and not all(map(hdf5.is_scale, input_scale)):
        raise ArgumentError(f"an input scale of {input_scale} is not positive numbers")
    path: str | InMemory
    if isinstance(spec, InMemory):
        path, inner = spec, ""
    else:
        path, inner = split_spec(os.fspath(spec))
    if not path:
        raise FeatureError(f"{spec!r} names no file: give file.h5 or file.h5::/path")
    file = MapFile(path, allow_external=allow_external, walked=walked)
    try:
        return FeatureSource(
            file,
            inner,
            layout=None if layout is None else parse_layout(layout),
            scale=None if spatial_scale is None else Scale(float(spatial_scale), origin),
            input_scale=input_scale,
            levels=levels,
            strides=strides,
            pyramids=pyramids,
        )
    except BaseException:
        file.close()
        raise


class FeatureSource:
    """Feature maps of one dataset, of one group of datasets, or of a pyramid; a context manager.

    path: the file, as given.
    dataset: the dataset, the group, or the pattern, in it.
    kind: "batch" (rank 4), "image" (rank 3) or "group" (rank 3 each).
    names: the images' names, for a group; None otherwise.
    level_names: of a pyramid's levels, finest first; None if each image has one map.
    channels: the same for every map.
    channels_last: whether maps are read as (H, W, C), not (C, H, W).
    stored_dtype: as in the file, the widest if a group has several.
    dtype: of what is read: float16, float32 or float64, native; float32 for integers.
    watched: the files that are read, as they were when they were opened.

    Maps are numbered from 0: those of image 0, finest first, then those of image 1, and so on.
    `len()` is how many there are. A map is checked when it is requested; FeatureError if it is
    not of the same kind as the first.
    """

    def __init__(
        self,
        file: MapFile,
        path: str,
        *,
        layout: str | None = None,
        scale: Scale | None = None,
        input_scale: tuple[float, float] | None = None,
        levels: Sequence[str] = (),
        strides: Sequence[float] = (),
        pyramids: bool = True,
    ) -> None:
        self.path = file.path
        self.watched = file.watched
        self._file = file
        self._layout = layout
        self._scale = scale
        self._input_scale = input_scale
        self._maps: dict[str, StoredMap] = {}
        self._said: dict[str, tuple[Scale, tuple[float, float]]] = {}
        self._of_group: dict[tuple[str, Callable[[Any, str], Any]], Any] = {}
        self._readers: set[ThreadPoolExecutor] = set()
        self._windows: dict[str, Windows] = {}
        self._open_ones: dict[str, Any] = {}
        with hdf5.named_errors(self.path):
            pyramid = find_pyramid(file, path, levels, layout, strides, unasked=pyramids)
            self._levels = [file.choose(path)] if pyramid is None else pyramid.levels
            first = self._levels[0].maps[0]
            if pyramid is None:
                self.dataset, self.level_names = self._levels[0].path, None
                if strides:
                    raise ArgumentError("--strides is for a pyramid: give --stride, or --levels")
            else:
                self.dataset, self.level_names = pyramid.group, pyramid.names
                if scale is not None:
                    raise ArgumentError(f"{scale.origin} is for one map: give --strides")
            self._strides = strides
            self.names = self._levels[0].names
            self.kind: Kind = (
                "group" if self.names is not None else "batch" if len(first.shape) == 4 else "image"
            )
            if self.kind != "group":
                for level in self._levels:
                    file.require(level.path)
                    # It stays open, for its chunk cache; a thousand of a group would each have one.
                    self._open_ones[level.path] = file.get(level.path)
            stored = self._map(0)
            if pyramid is not None:
                self._check_finest_first()
        self.channels, self.channels_last = stored.channels, stored.channels_last
        dtypes = {
            one.dtype for level in self._levels for one in level.maps if one.dtype is not None
        }
        self.stored_dtype = stored.dtype if len(dtypes) == 1 else np.result_type(*dtypes)
        self.dtype = np.result_type(*map(pooled_dtype, dtypes))

    @property
    def name(self) -> str:
        """`file.h5::/path`, or the file alone where it is all of it."""
        return self.path if self.dataset == "/" else f"{self.path}::{self.dataset}"

    @property
    def layout(self) -> str:
        """CHW, HWC, CWH or WHC: how each map lies in the file."""
        return self._map(0).axes

    def __len__(self) -> int:
        return self.images * len(self._levels)

    @property
    def images(self) -> int:
        """How many images there are."""
        maps = self._levels[0].maps
        return maps[0].shape[0] if self.kind == "batch" else len(maps)

    @property
    def levels(self) -> int:
        """How many maps each image has."""
        return len(self._levels)

    def __enter__(self) -> FeatureSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading ahead and close the file; may be called twice."""
        for reader in tuple(self._readers):
            reader.shutdown(wait=True, cancel_futures=True)
        self._file.close()

    def map_size(self, i: int) -> tuple[int, int]:
        """Height and width of map i, in cells."""
        return self._map(i).size

    def bytes(self, i: int) -> int:
        """The size of map i in bytes, as it is read."""
        return self._bytes(i, *self._whole(i))

    def dataset_of(self, i: int) -> str:
        """The path in the file of the dataset that holds map i."""
        return self._found(i)[0].path

    def scale(self, i: int) -> Scale:
        """Cells per pixel of map i: the option's, else from attributes of the dataset or group.

        FeatureError if an attribute is not a positive number, or if the two contradict each other.
        """
        return self._said_of(i)[0]

    def input_scale(self, i: int) -> tuple[float, float]:
        """(sy, sx) by which map i's image was resized for the network; else (1, 1)."""
        return self._said_of(i)[1]

    def picture(self, i: int) -> str | None:
        """What the attribute `picture` calls the image of map i, where it is of one image alone."""
        places = [self.dataset_of(i)] if self.kind != "batch" or self.images == 1 else []
        if self._group is not None and self.images == 1:
            places.append(self._group)
        with hdf5.named_errors(self.path):
            return next(filter(None, (_picture(self._open(place)) for place in places)), None)

    def odd(self, maps: Sequence[int]) -> list[str]:
        """What looks wrong in these maps and their storage, a line each."""
        from roicrop.features.oddities import odd_maps, odd_scale

        with hdf5.named_errors(self.path):
            numbers: dict[str, list[int]] = {}
            for i in maps:
                numbers.setdefault(self.dataset_of(i), []).append(i)
            found = [
                (path, text)
                for path, its in numbers.items()
                for text in (
                    *odd_maps(self._open(path), self._map(its[0]), self._numbers(its)),
                    *odd_scale(self.scale(its[0]), self._open(path), self._file.parent(path)),
                )
            ]
        times: dict[str, list[str]] = {}
        for path, text in found:
            times.setdefault(text, []).append(path)
        return [
            f"{where_in(self._file.file, paths[0])}"
            f"{f' and {len(paths) - 1:,} more' if len(paths) > 1 else ''}: {text}"
            for text, paths in times.items()
        ]

    def read(self, i: int, height: slice | None = None, width: slice | None = None) -> Features:
        """Map i, (C, H, W) or (H, W, C), the caller's to keep; or some rows and columns of it.

        It is contiguous, unless x comes before y in the file. Raises RoicropError if a file that is
        read has changed since it was opened.
        """
        rows, columns = self._whole(i)
        place = height or rows, width or columns
        with hdf5.named_errors(self.name):
            buffer = np.empty(self._bytes(i, *place), np.uint8)
        features = self._read_into(buffer, i, *place)
        self.watched.check()
        return features

    def windows(self, i: int) -> tuple[Windows, int]:
        """The maps of the dataset that map i is in, and its number among them.

        Windows of them are read in `dtype`, by any number of threads. FeatureError if the dataset
        cannot be read.
        """
        stored, (_, number) = self._map(i), self._found(i)
        found = self._windows.get(stored.path)
        if found is None:
            where = where_in(self._file.file, stored.path)
            with hdf5.named_errors(where):
                dataset = self._open(stored.path)
                pieces = Pieces(dataset, where, decoder(dataset))
            found = Windows(pieces, stored.layout, self.dtype, where)
            if self.kind == "group":
                self._windows.clear()  # of a thousand datasets each is needed once
            self._windows[stored.path] = found
        return found, number

    def read_ahead(self, indices: Sequence[int]) -> Generator[tuple[int, Features], None, None]:
        """(i, map) for each index in turn, the next being read while the caller works on this one.

        A map is valid only until the next is asked for: two buffers take turns, and no more than
        two maps are ever in memory. Errors of the reading thread are raised here, in their turn,
        and, with the last map, RoicropError if a file that was read has changed. Closing the
        generator, or the source, waits for that thread to end.
        """
        from concurrent.futures import ThreadPoolExecutor  # imports logging: not for everyone

        order = list(indices)
        if not order:
            return
        with hdf5.named_errors(self.name):
            most = max(map(self.bytes, order))
            buffers = [np.empty(most, np.uint8) for _ in order[:2]]

        def load(turn: int) -> Features:
            features = self._read_into(buffers[turn % 2], order[turn], *self._whole(order[turn]))
            if turn + 1 == len(order):
                self.watched.check()
            return features

        with ThreadPoolExecutor(1, "roicrop-read") as reader:
            self._readers.add(reader)
            try:
                coming = reader.submit(load, 0)
                for turn, i in enumerate(order):
                    features = coming.result()
                    if turn + 1 < len(order):
                        coming = reader.submit(load, turn + 1)
                    yield i, features
            finally:
                self._readers.discard(reader)

    def _whole(self, i: int) -> tuple[slice, slice]:
        height, width = self.map_size(i)
        return slice(0, height), slice(0, width)

    def _bytes(self, i: int, height: slice, width: slice) -> int:
        return math.prod((self.channels, count_of(height), count_of(width), self.dtype.itemsize))

    def _read_into(
        self, buffer: NDArray[np.uint8], i: int, height: slice, width: slice
    ) -> Features:
        windows, number = self.windows(i)
        image, channels = slice(number, number + 1), slice(0, self.channels)
        features: Features = windows.read(image, channels, height, width, buffer)[0]
        return features.transpose(1, 2, 0) if self.channels_last else features

    def _found(self, i: int) -> tuple[Found, int]:
        """The dataset that holds map i, and the map's number in it."""
        image, level = divmod(range(len(self))[i], len(self._levels))  # IndexError for no map
        maps = self._levels[level].maps
        return (maps[image], 0) if self.kind == "group" else (maps[0], image)

    def _numbers(self, maps: Sequence[int]) -> list[int]:
        """The numbers of these maps in the batch that they are in; none in a group."""
        return [self._found(i)[1] for i in maps] if self.kind == "batch" else []

    def _map(self, i: int) -> StoredMap:
        """The record of map i, or of the batch that it is in."""
        found, _ = self._found(i)
        path = found.path
        if path not in self._maps:
            if self.kind == "group":
                self._file.require(path)
            layout, origin = self._layout_of(path)
            assert found.dtype is not None
            stored = StoredMap(path, found.shape, found.dtype, (layout or "CHW")[-3:], origin)
            first = next(iter(self._maps.values()), stored)
            _check_alike(first, stored, where_in(self._file.file, path))
            self._maps[path] = stored
        return self._maps[path]

    def _check_finest_first(self) -> None:
        """FeatureError unless the first image's maps have scales that fall."""
        scales = [self.scale(i) for i in range(self.levels)]
        for i, scale in enumerate(scales):
            where = where_in(self._file.file, self.dataset_of(i))
            if scale.origin == "default":
                raise FeatureError(f"{where} has no stride: set the attribute, or give --strides")
            if i and scale.value >= scales[i - 1].value:
                raise FeatureError(
                    f"{where} has stride {1 / scale.value:g}, and the level before it "
                    f"{1 / scales[i - 1].value:g}: name the levels finest first with --levels"
                )

    def _layout_of(self, path: str) -> tuple[str | None, str]:
        """The layout of a dataset, if anything says it, and what does."""
        if self._layout:
            return self._layout, "--layout"
        if layout := layout_attribute(self._open(path), where_in(self._file.file, path)):
            return layout, "attribute layout"
        group = self._group
        if group is not None and (layout := self._read_at(group, layout_attribute)):
            return layout, f"attribute layout of {group}"
        return None, "default"

    @property
    def _group(self) -> str | None:
        """The group whose attributes are for all maps in it."""
        return self.dataset if self.level_names else self._levels[0].group

    def _open(self, path: str) -> Any:
        return self._open_ones.get(path) or self._file.get(path)

    def _said_of(self, i: int) -> tuple[Scale, tuple[float, float]]:
        """Scale and input scale: the caller's, else the dataset's, else its group's, else 1."""
        path = self.dataset_of(i)
        if path not in self._said:
            scale, input_scale = self._scale, self._input_scale
            if self._strides:
                scale = Scale(1 / self._strides[i % self.levels], "--strides")
            places = [path]
            if self._group is not None:
                places.append(self._group)
            for place in places:
                scale = scale or self._read_at(place, scale_attribute)
                input_scale = input_scale or self._read_at(place, input_scale_attribute)
            self._said[path] = scale or Scale(1.0, "default"), input_scale or (1.0, 1.0)
        return self._said[path]

    def _read_at(self, place: str, attribute: Callable[[Any, str], Any]) -> Any:
        """An attribute; that of the group is read only once, whatever the number of its images."""
        key = place, attribute
        if key not in self._of_group:
            where = where_in(self._file.file, place)
            with hdf5.named_errors(where):
                value = attribute(self._open(place), where)
            if place != self._group:
                return value
            self._of_group[key] = value
        return self._of_group[key]


def _picture(thing: Any) -> str | None:
    return hdf5.text_attribute(thing, "picture")


def _check_alike(first: StoredMap, other: StoredMap, where: str) -> None:
    if other.axes != first.axes:
        raise FeatureError(
            f"{where} is {other.axes}, but {first.path} is {first.axes}: "
            "all maps must have the same layout"
        )
    if other.channels != first.channels:
        raise FeatureError(
            f"{where} has {other.channels} channels, but {first.path} has {first.channels}: all "
            f"maps must have the same number (if they are not {first.axes}, "
            "give --layout)"
        )
