"""What an HDF5 file holds that can be a feature map, and what is odd about it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import h5py

from roicrop import _datasets, _hdf5
from roicrop._datasets import Candidate, StoredMap
from roicrop.errors import FeatureError
from roicrop.features import FeatureSource, Scale, open_features, split_spec
from roicrop.inspection.reports import FeatureFile, MapDataset
from roicrop.inspection.sample import sample, unpacked_at_once
from roicrop.inspection.values import MOST_VALUES

if TYPE_CHECKING:
    from roicrop.request import Request

_MOST_SAMPLED: Final = 200  # datasets
_MOST_VALUES_IN_ALL: Final = 32 * MOST_VALUES
_MOST_UNPACKED: Final = 256 << 20  # bytes, for one value
_LONGEST_SIDE: Final = 2  # of a map, in shorter sides, as far as most maps go
_CHANNELS_COME_IN: Final = 8


def look_at_maps(spec: str, how: Request) -> FeatureFile:
    """Look into `file.h5`, or at what is below `file.h5::/path`, and sample the values.

    how: what the command line says of files; which ones it names does not matter.

    Raises FeatureError if the file cannot be read, or holds nothing at that path.
    """
    path, inner = split_spec(spec)
    with _hdf5.open_file(path) as file, _hdf5.named_errors(spec):
        found = list(_below(file, inner))
        most = min(MOST_VALUES, _MOST_VALUES_IN_ALL // max(1, len(found)))
        impossible = [] if inner else _datasets.impossible_in(file)
        datasets = tuple(
            _look_at(file, one, how, most if n < _MOST_SAMPLED else None)
            for n, one in enumerate(found)
        )
    taken_as, problem = _taken_as(spec, how)
    return FeatureFile(
        path=spec,
        size=Path(path).stat().st_size,
        taken_as=taken_as,
        problem=problem,
        sources=(spec,) if taken_as else tuple(_sources(path, found, how)),
        datasets=datasets,
        odd=(*_odd_together(found), *impossible),
    )


def opened(spec: str, how: Request) -> FeatureSource:
    """The features as a command would open them."""
    return open_features(
        spec,
        layout=how.layout,
        spatial_scale=how.spatial_scale,
        input_scale=how.input_scale,
        origin=how.scale_origin,
    )


def _below(file: h5py.File, inner: str) -> Iterator[Candidate]:
    """The candidates at a path of a file, or below it."""
    found = _datasets.candidates_in(file)
    if not inner:
        yield from found
        return
    full, thing = _datasets.choose(file, inner)
    for one in found:
        is_it = _hdf5.identity(file[one.path]) == _hdf5.identity(thing)
        if is_it or one.path.startswith(f"{full.rstrip('/')}/"):
            yield one


def _look_at(file: h5py.File, found: Candidate, how: Request, most: int | None) -> MapDataset:
    """One dataset; `most` is how many of its values to look at, None for none of them."""
    dataset = file[found.path]
    layout, layout_origin = _layout(file, found, how)
    stored = StoredMap(found.path, found.shape, found.dtype, (layout or "CHW").endswith("C"))
    scale = _scale(file, found, how)
    values, unreadable = None, None
    if most is not None and unpacked_at_once(dataset) <= _MOST_UNPACKED:
        try:
            values = sample(dataset, f"{file.filename}::{found.path}", most)
        except FeatureError as error:
            unreadable = str(error)
    odd = [
        *found.odd,
        *_odd_layout(found, stored, layout_origin),
        *_odd_scale(scale, dataset),
        *_odd_storage(dataset),
        *_odd_picture(stored),
        *(values.odd() if values else ()),
    ]
    return MapDataset(
        path=found.path,
        shape=found.shape,
        dtype=found.dtype.name,
        layout=_named(stored),
        layout_origin=layout_origin,
        images=math.prod(found.shape[:-3]),
        channels=stored.channels,
        map_size=stored.size,
        stride=None if scale is None else 1 / scale.value,
        stride_origin=None if scale is None else scale.origin,
        input_scale=how.input_scale or found.input_scale,
        chunks=found.chunks,
        compression=found.compression,
        values=values,
        unreadable=unreadable,
        odd=tuple(odd),
    )


def _layout(file: h5py.File, found: Candidate, how: Request) -> tuple[str | None, str]:
    """The layout, if anything says it, and what says it: an option, it itself, or its group."""
    if how.layout:
        return how.layout, "--layout"
    if found.layout:
        return found.layout, "attribute layout"
    group = _group(found)
    try:
        of_group = _datasets.layout_attribute(file[group], f"{file.filename}::{group}")
    except FeatureError:
        of_group = None  # said where the file is taken for a group
    if of_group and len(found.shape) == 3:
        return of_group, f"attribute layout of {group}"
    return None, "default"


def _scale(file: h5py.File, found: Candidate, how: Request) -> Scale | None:
    """The scale, if anything says it."""
    if how.spatial_scale:
        return Scale(how.spatial_scale, how.scale_origin)
    if found.stride:
        return Scale(1 / found.stride, "attribute stride")
    if found.spatial_scale:
        return Scale(found.spatial_scale, "attribute spatial_scale")
    group = _group(found)
    try:
        of_group = _datasets.scale_attribute(file[group], f"{file.filename}::{group}")
    except FeatureError:
        of_group = None  # as above
    if of_group and len(found.shape) == 3:
        return Scale(of_group.value, f"{of_group.origin} of {group}")
    return None


def _group(found: Candidate) -> str:
    return found.path.rpartition("/")[0] or "/"


def _named(stored: StoredMap) -> str:
    return ("NHWC" if stored.channels_last else "NCHW")[-len(stored.shape) :]


def _odd_layout(found: Candidate, stored: StoredMap, origin: str) -> Iterator[str]:
    rank = len(found.shape)
    if found.layout and len(found.layout) != rank:
        yield (
            f"attribute layout is {found.layout}, of {len(found.layout)} axes, but the dataset has "
            f"{rank}"
        )
    other = StoredMap(stored.path, stored.shape, stored.dtype, not stored.channels_last)
    if origin != "--layout" and _is_likelier(other, stored):
        height, width = other.size
        why = "nothing says so" if origin == "default" else f"{origin} says {_named(stored)}"
        yield (
            f"looks like {_named(other)}, {other.channels} channels of {height}×{width} cells, but "
            f"{why}: --layout {_named(other)} takes it so"
        )


def _is_likelier(other: StoredMap, stored: StoredMap) -> bool:
    """Whether the other layout makes a more usual map: less oblong, and of 8·n channels."""
    if _oblong(other) >= _oblong(stored):
        return False
    if _oblong(other) == 1:
        return _oblong(stored) > _LONGEST_SIDE or not _is_usual(stored)
    return _oblong(other) <= _LONGEST_SIDE and _is_usual(other) and not _is_usual(stored)


def _oblong(stored: StoredMap) -> float:
    return max(stored.size) / min(stored.size)


def _is_usual(stored: StoredMap) -> bool:
    return stored.channels % _CHANNELS_COME_IN == 0


def _odd_scale(scale: Scale | None, dataset: h5py.Dataset) -> Iterator[str]:
    if scale is None and not {"stride", "spatial_scale"} & {*dataset.attrs}:
        yield "nothing says its stride, so a cell is taken to be a pixel: give --stride"
    if scale is not None and scale.value > 1 and scale.origin.startswith("attribute"):
        yield (
            f"{scale.origin} makes {scale.value:g} cells of a pixel: a map is seldom larger than "
            "its image, so are stride and spatial_scale mixed up?"
        )


def _odd_storage(dataset: h5py.Dataset) -> Iterator[str]:
    if (unpacked := unpacked_at_once(dataset)) > _MOST_UNPACKED:
        yield (
            f"{unpacked >> 20:,} MiB are unpacked for any value, so none was sampled: "
            "smaller chunks are faster"
        )
    if dataset.is_virtual or dataset.external:
        return
    if dataset.chunks is None:
        if dataset.id.get_storage_size() == 0:
            yield "was never written: it reads as its fill value"
        return
    chunks = math.prod(
        -(-length // size) for length, size in zip(dataset.shape, dataset.chunks, strict=True)
    )
    written = dataset.id.get_num_chunks()
    if written < chunks:
        yield f"{written:,} of {chunks:,} chunks were written: the others read as the fill value"


def _odd_picture(stored: StoredMap) -> Iterator[str]:
    if stored.dtype.name == "uint8" and stored.channels in (1, 3, 4):
        yield f"{stored.channels} channels of uint8 are a picture, most often, not features"


def _odd_together(found: Iterable[Candidate]) -> Iterator[str]:
    alone = [one for one in found if len(one.shape) == 4 and one.shape[0] == 1]
    for group, count in Counter(map(_group, alone)).items():
        if len({one.shape[1:] for one in alone if _group(one) == group}) == 1 < count:
            yield (
                f"{group} holds {count} datasets of one image each, but a group of images has "
                "datasets of rank 3: leave out their first axis to crop from all of them at once"
            )


def _taken_as(spec: str, how: Request) -> tuple[str | None, str | None]:
    """What a command takes it for, or what it says if it does not."""
    try:
        with opened(spec, how) as source:
            return _in_words(source), None
    except FeatureError as error:
        return None, str(error)


def _in_words(source: FeatureSource) -> str:
    count = f"{len(source)} image{'s' * (len(source) > 1)} of {source.channels} channels"
    return {
        "batch": f"{source.dataset}, a batch of {count}",
        "image": f"{source.dataset}, one image of {source.channels} channels",
        "group": f"{source.dataset}, a group of {count}",
    }[source.kind]


def _sources(path: str, found: Iterable[Candidate], how: Request) -> Iterator[str]:
    """What in a file can be taken for features: groups of images, and the datasets of no group."""
    images = [one for one in found if len(one.shape) == 3]
    groups = {
        group
        for group, count in Counter(map(_group, images)).items()
        if count > 1 and _taken_as(f"{path}::{group}", how)[0]
    }
    specs = (
        _group(one) if len(one.shape) == 3 and _group(one) in groups else one.path for one in found
    )
    for inner in dict.fromkeys(specs):
        yield f"{path}::{inner}"
