"""Which datasets of a file can be feature maps, which are meant, and what their attributes say."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import h5py
import numpy as np

from roicrop.errors import FeatureError
from roicrop.features import hdf5

LAYOUTS: Final = "NCHW, NHWC, CHW or HWC"
_CHANNELS_LAST: Final = {"NCHW": False, "CHW": False, "NHWC": True, "HWC": True}
_LISTED: Final = 200
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Scale:
    """Feature cells for each image pixel, and who said so.

    origin: "--stride" or "--spatial-scale", "attribute stride" or "attribute spatial_scale", or
        "default".
    """

    value: float
    origin: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A dataset that can be a feature map, as `roicrop inspect` shows it.

    path: where it is in the file.
    layout, stride, spatial_scale, input_scale: its attributes; None where it has none, or none that
        makes sense, which `odd` then tells. input_scale is (sy, sx).
    chunks: None if it is contiguous.
    compression: its filters in order, such as "none", "gzip:4" or "shuffle + lzf".
    readable: whether all that it takes to read its values is here; if not, `odd` tells.
    odd: what is wrong with it, or slow about it: a line each.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    layout: str | None
    stride: float | None
    spatial_scale: float | None
    input_scale: tuple[float, float] | None
    chunks: tuple[int, ...] | None
    compression: str
    readable: bool
    odd: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredMap:
    """What is known of a feature map, or a batch of them, before any of it is read."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    channels_last: bool

    @property
    def map_shape(self) -> tuple[int, ...]:
        """The shape of one image's map, as stored."""
        return self.shape[-3:]

    @property
    def channels(self) -> int:
        """How many channels it has."""
        return self.shape[-1 if self.channels_last else -3]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in cells."""
        height, width = self.shape[-3:-1] if self.channels_last else self.shape[-2:]
        return height, width


def choose(file: h5py.File, path: str) -> tuple[str, h5py.Dataset | h5py.Group]:
    """The dataset or group that a path means, with its full path; FeatureError if it is not clear.

    An empty path is the only dataset that can be a feature map, or the root as a group of images.
    """
    if path:
        full = "/" + path.strip("/")
        thing = hdf5.find(file, full)
        if thing is None:
            raise FeatureError(
                f"{file.filename}::{full} is no dataset or group: {_holds(_survey(file))}"
            )
        return full, thing
    found = _survey(file)
    maps = [one for one in found if one.problem is None]
    if len(maps) == 1:
        return maps[0].path, file[maps[0].path]
    if maps and _is_group_of_images(file, found):
        return "/", file["/"]
    if not maps:
        raise FeatureError(
            f"{file.filename} holds no dataset that can be a feature map (rank 3 or 4, real "
            f"numbers): {_holds(found)}"
        )
    parent = posixpath.commonpath([posixpath.dirname(one.path) for one in maps])
    are_images = all(len(one.shape) == 3 for one in maps)
    group = f", or {file.filename}::{parent} for a group of images" * are_images
    raise FeatureError(
        f"{file.filename} holds {len(maps)} datasets that can be feature maps: choose one, as in "
        f"{file.filename}::{maps[0].path}{group}: {_listing(maps)}"
    )


def stored_map(
    path: str, dataset: h5py.Dataset, layout: str | None, where: str, *, rank: int | None = None
) -> StoredMap:
    """The map in a dataset; FeatureError if there can be none. No layout is channels first."""
    dtype = hdf5.dtype_of(dataset)
    problem = _problem(dataset.shape, dtype, (3, 4) if rank is None else (rank,))
    if problem is None:
        problem = hdf5.missing(dataset)
    if problem is not None or dtype is None:
        raise FeatureError(f"{where} {problem}")
    return StoredMap(path, dataset.shape, dtype, _CHANNELS_LAST[layout or "CHW"])


def images_of(group: h5py.Group, path: str, layout: str | None, file: h5py.File) -> list[StoredMap]:
    """The maps in a group of images, which must be of one kind; FeatureError names what differs.

    Datasets of rank 2 or less, which may say things about the images, are passed over.
    """
    layout_of_group = layout or layout_attribute(group, f"{file.filename}::{path}")
    images: list[StoredMap] = []
    for inner, dataset in hdf5.walk(group, path):
        where = f"{file.filename}::{inner}"
        if dataset is None:
            raise FeatureError(hdf5.broken_link(file, inner))
        if dataset.ndim > 2:
            its_layout = layout or layout_attribute(dataset, where) or layout_of_group
            images.append(stored_map(inner, dataset, its_layout, where, rank=3))
            _check_alike(images[0], images[-1], where)
    if not images:
        raise FeatureError(
            f"{file.filename}::{path} is a group without feature maps: a group of images holds one "
            "dataset of rank 3 (CHW or HWC) for each"
        )
    return images


def candidates_in(file: h5py.File) -> list[Candidate]:
    """Every dataset that can be a feature map, once, however many links lead to it."""
    return [_candidate(file, found) for found in _survey(file) if found.problem is None]


def impossible_in(file: h5py.File) -> list[str]:
    """What has the rank of a feature map and cannot be one, and broken links: a line each."""
    return [
        f"{found.path} {found.problem}"
        for found in _survey(file)
        if found.problem and (found.is_link or len(found.shape) in (3, 4))
    ]


def parse_layout(text: str) -> str | None:
    """A layout in capitals, or None if it is not one."""
    layout = text.upper()
    return layout if layout in _CHANNELS_LAST else None


def layout_attribute(thing: h5py.Dataset | h5py.Group, where: str) -> str | None:
    """The attribute `layout`; FeatureError if it is not a layout."""
    text = hdf5.text_attribute(thing, "layout")
    if text is None:
        return None
    layout = parse_layout(text)
    if layout is None:
        raise FeatureError(
            f"{where}: attribute layout is {text!r}, not {LAYOUTS}: mend it or give --layout"
        )
    return layout


def scale_attribute(thing: h5py.Dataset | h5py.Group, where: str) -> Scale | None:
    """The attribute `stride` or `spatial_scale`; FeatureError if they make no sense together."""
    stride = _stride_attribute(thing, where)
    scale = _spatial_scale_attribute(thing, where)
    if stride is None:
        return None if scale is None else Scale(scale, "attribute spatial_scale")
    if scale is not None and not math.isclose(stride * scale, 1, rel_tol=1e-6):
        raise FeatureError(
            f"{where}: attribute stride is {stride:g}, but spatial_scale is {scale:g}, which is a "
            f"stride of {1 / scale:g}: give --stride"
        )
    return Scale(1 / stride, "attribute stride")


def input_scale_attribute(
    thing: h5py.Dataset | h5py.Group, where: str
) -> tuple[float, float] | None:
    """The attribute `input_scale`, one number or (sx, sy), as (sy, sx)."""
    numbers = hdf5.number_attribute(thing, "input_scale", where)
    if numbers is None:
        return None
    if len(numbers) > 2:
        raise FeatureError(f"{where}: attribute input_scale is {numbers}: one number or x and y")
    return numbers[-1], numbers[0]


def _stride_attribute(thing: h5py.Dataset | h5py.Group, where: str) -> float | None:
    return _one_number(thing, "stride", where)


def _spatial_scale_attribute(thing: h5py.Dataset | h5py.Group, where: str) -> float | None:
    return _one_number(thing, "spatial_scale", where)


def _one_number(thing: h5py.Dataset | h5py.Group, name: str, where: str) -> float | None:
    numbers = hdf5.number_attribute(thing, name, where)
    if numbers is None:
        return None
    if len(set(numbers)) > 1:
        raise FeatureError(
            f"{where}: attribute {name} is {numbers}, but must be the same on both axes"
        )
    return numbers[0]


@dataclass(frozen=True, slots=True)
class _Found:
    """A dataset, or a link that leads nowhere, met on a walk through the file."""

    path: str
    shape: tuple[int, ...]
    type_name: str
    problem: str | None
    is_link: bool = False

    def __str__(self) -> str:
        return f"{self.path} {self.shape} {self.type_name}"


def _survey(file: h5py.File) -> list[_Found]:
    found = []
    met: set[tuple[int, int]] = set()
    for path, dataset in hdf5.walk(file, "/"):
        if dataset is None:
            found.append(_Found(path, (), "broken link", "is a broken link", is_link=True))
        elif hdf5.identity(dataset) not in met:
            met.add(hdf5.identity(dataset))
            dtype = hdf5.dtype_of(dataset)
            problem = _problem(dataset.shape, dtype, (3, 4))
            found.append(_Found(path, dataset.shape or (), _type_name(dtype), problem))
    return found


def _is_group_of_images(file: h5py.File, found: Sequence[_Found]) -> bool:
    """Whether the root holds nothing but maps of rank 3; a broken link is one that went missing."""
    return len(found) == len(file) and all(
        one.path.count("/") == 1 and (one.is_link or (one.problem is None and len(one.shape) == 3))
        for one in found
    )


def _problem(
    shape: tuple[int, ...] | None, dtype: np.dtype[Any] | None, ranks: tuple[int, ...]
) -> str | None:
    """Why a dataset cannot be a feature map, as what comes after its name."""
    if shape is None or len(shape) not in ranks:
        wanted = " or ".join({3: "3 (CHW or HWC)", 4: "4 (NCHW or NHWC)"}[rank] for rank in ranks)
        return f"has rank {len(shape or ())}, shape {shape or ()}: its rank must be {wanted}"
    if dtype is None or not (dtype.kind in "iub" or (dtype.kind == "f" and dtype.itemsize <= 8)):
        return f"holds {_type_name(dtype)}: it must hold float16, float32, float64 or integers"
    if 0 in shape:
        return f"is empty: its shape is {shape}"
    return None


def _type_name(dtype: np.dtype[Any] | None) -> str:
    if dtype is None:
        return "a type that NumPy lacks"
    return {"V": "compound", "O": "objects", "S": "bytes"}.get(dtype.kind, dtype.name)


def _check_alike(first: StoredMap, other: StoredMap, where: str) -> None:
    if other.channels_last != first.channels_last:
        raise FeatureError(
            f"{where} is {_layout_name(other)}, but {first.path} is {_layout_name(first)}: "
            "all images of a group must have the same layout"
        )
    if other.channels != first.channels:
        raise FeatureError(
            f"{where} has {other.channels} channels, but {first.path} has {first.channels}: all "
            f"images of a group must have the same number (if they are not {_layout_name(first)}, "
            "give --layout)"
        )


def _layout_name(stored: StoredMap) -> str:
    return "HWC" if stored.channels_last else "CHW"


def _holds(found: Sequence[_Found]) -> str:
    return f"the file holds {_listing(found)}" if found else "the file holds no dataset"


def _listing(found: Sequence[_Found]) -> str:
    shown = ", ".join(map(str, found[:_LISTED]))
    more = len(found) - _LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def _candidate(file: h5py.File, found: _Found) -> Candidate:
    dataset = file[found.path]
    where = f"{file.filename}::{found.path}"
    odd: list[str] = []

    def sound(attribute: Callable[[h5py.Dataset, str], _T]) -> _T | None:
        try:
            return attribute(dataset, where)
        except FeatureError as error:
            odd.append(str(error).removeprefix(f"{where}: "))
            return None

    sound(scale_attribute)
    layout = sound(layout_attribute)
    stride = sound(_stride_attribute)
    spatial_scale = sound(_spatial_scale_attribute)
    input_scale = sound(input_scale_attribute)
    compression = hdf5.compression_of(dataset)
    missing = hdf5.missing(dataset)
    if missing:
        odd.append(missing)
    together = min(dataset.chunks[0], dataset.shape[0]) if dataset.chunks else 1
    if dataset.ndim == 4 and together > 1 and compression != "none":
        odd.append(f"a chunk holds {together} images, so each is decompressed {together} times")
    return Candidate(
        path=found.path,
        shape=dataset.shape,
        dtype=dataset.dtype,
        layout=layout,
        stride=stride,
        spatial_scale=spatial_scale,
        input_scale=input_scale,
        chunks=dataset.chunks,
        compression=compression,
        readable=missing is None,
        odd=tuple(dict.fromkeys(odd)),
    )
