"""What an HDF5 file holds that can be a feature map, and what it is taken for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import h5py

from roicrop.errors import FeatureError
from roicrop.features import (
    Candidate,
    FeatureSource,
    Scale,
    StoredMap,
    datasets,
    hdf5,
    open_features,
    split_spec,
)
from roicrop.inspection.oddities import (
    MOST_UNPACKED,
    group_of,
    layout_name,
    odd_layout,
    odd_picture,
    odd_scale,
    odd_storage,
    odd_together,
)
from roicrop.inspection.reports import FeatureFile, MapDataset
from roicrop.inspection.sample import sample, unpacked_at_once
from roicrop.inspection.values import MOST_VALUES

if TYPE_CHECKING:
    from roicrop.job import Request

_MOST_VALUES_IN_ALL: Final = 32 * MOST_VALUES


def look_at_maps(spec: str, how: Request) -> FeatureFile:
    """Look into `file.h5`, or at what is below `file.h5::/path`, and sample the values.

    how: what the command line says of files; which ones it names does not matter.

    Raises FeatureError if the file cannot be read, or holds nothing at that path.
    """
    path, inner = split_spec(spec)
    with hdf5.open_file(path) as file, hdf5.named_errors(spec):
        found = list(_below(file, inner))
        taken = _taken(spec, how)
        sources = {spec: taken.group} if taken.words else _sources(path, found, how)
        groups = [group for group in sources.values() if group]
        most = min(MOST_VALUES, _MOST_VALUES_IN_ALL // max(1, len(found)))
        return FeatureFile(
            path=spec,
            size=Path(path).stat().st_size,
            taken_as=taken.words,
            problem=taken.problem,
            sources=tuple(sources),
            datasets=tuple(_look_at(file, one, how, groups, most) for one in found),
            odd=(*odd_together(found), *([] if inner else datasets.impossible_in(file))),
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
    found = datasets.candidates_in(file)
    if not inner:
        yield from found
        return
    full, thing = datasets.choose(file, inner)
    for one in found:
        is_it = hdf5.identity(file[one.path]) == hdf5.identity(thing)
        if is_it or one.path.startswith(f"{full.rstrip('/')}/"):
            yield one


def _look_at(
    file: h5py.File, found: Candidate, how: Request, groups: Sequence[str], most: int
) -> MapDataset:
    """One dataset; `most` is how many of its values to look at.

    groups: those that are groups of images.
    """
    dataset = file[found.path]
    group = next((one for one in groups if found.path.startswith(f"{one.rstrip('/')}/")), None)
    layout, layout_origin = _layout(file, found, how, group)
    stored = StoredMap(found.path, found.shape, found.dtype, (layout or "CHW").endswith("C"))
    scale = _scale(file, found, how, group)
    values, unreadable = None, None
    if found.readable and unpacked_at_once(dataset) <= MOST_UNPACKED:
        try:
            values = sample(dataset, f"{file.filename}::{found.path}", most)
        except FeatureError as error:
            unreadable = str(error)
    odd = (
        *found.odd,
        *odd_layout(found, stored, layout_origin),
        *odd_scale(scale, dataset, file[group_of(found)]),
        *odd_storage(dataset),
        *odd_picture(stored),
        *(values.odd() if values else ()),
    )
    return MapDataset(
        path=found.path,
        shape=found.shape,
        dtype=found.dtype.name,
        layout=layout_name(stored),
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
        odd=odd,
    )


def _layout(
    file: h5py.File, found: Candidate, how: Request, group: str | None
) -> tuple[str | None, str]:
    """The layout, if anything says it, and what does: an option, the dataset, or its group."""
    if how.layout:
        return how.layout, "--layout"
    if found.layout:
        return found.layout, "attribute layout"
    if group is not None:
        layout = datasets.layout_attribute(file[group], f"{file.filename}::{group}")
        if layout is not None:
            return layout, f"attribute layout of {group}"
    return None, "default"


def _scale(file: h5py.File, found: Candidate, how: Request, group: str | None) -> Scale | None:
    """The scale, if an option, the dataset or its group says it."""
    if how.spatial_scale:
        return Scale(how.spatial_scale, how.scale_origin)
    if found.stride:
        return Scale(1 / found.stride, "attribute stride")
    if found.spatial_scale:
        return Scale(found.spatial_scale, "attribute spatial_scale")
    if group is None:
        return None
    try:
        scale = datasets.scale_attribute(file[group], f"{file.filename}::{group}")
    except FeatureError:  # said wherever a command would say it: with boxes
        return None
    return None if scale is None else Scale(scale.value, f"{scale.origin} of {group}")


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a command takes a file for, in words, and the group, if it is one; or the problem."""

    words: str | None
    group: str | None
    problem: str | None


def _taken(spec: str, how: Request) -> _Taken:
    try:
        with opened(spec, how) as source:
            group = source.dataset if source.kind == "group" else None
            return _Taken(_in_words(source), group, None)
    except FeatureError as error:
        return _Taken(None, None, str(error))


def _in_words(source: FeatureSource) -> str:
    count = f"{len(source)} image{'s' * (len(source) > 1)} of {source.channels} channels"
    return {
        "batch": f"{source.dataset}, a batch of {count}",
        "image": f"{source.dataset}, one image of {source.channels} channels",
        "group": f"{source.dataset}, a group of {count}",
    }[source.kind]


def _sources(path: str, found: Sequence[Candidate], how: Request) -> dict[str, str | None]:
    """What in a file can be taken for features: source → the group that it is, if it is one.

    These are the groups of images, and the datasets that are in none.
    """
    together = Counter(group_of(one) for one in found if len(one.shape) == 3)
    groups = {
        group
        for group, count in together.items()
        if count > 1 and _taken(f"{path}::{group}", how).group
    }
    sources: dict[str, str | None] = {}
    for one in found:
        group = group_of(one) if len(one.shape) == 3 and group_of(one) in groups else None
        sources[f"{path}::{group or one.path}"] = group
    return sources
