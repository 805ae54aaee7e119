"""Datasets that can be feature maps: how a file is read, and a sample of its values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from roicrop.chunks import Pieces
from roicrop.errors import FeatureError
from roicrop.features import (
    FeatureSource,
    Found,
    MapFile,
    Scale,
    StoredMap,
    odd_maps,
    odd_scale,
    patterns_of,
    stored,
)
from roicrop.files import hdf5, split_spec
from roicrop.inspection.reports import FeatureFile, MapDataset, Values
from roicrop.text import many

if TYPE_CHECKING:
    from roicrop.job import Request


MOST_UNPACKED: Final = 256 << 20  # bytes, to read one value


def odd_unpacking(dataset: Any) -> Iterator[str]:
    """A line if it cannot be read in parts."""
    if (unpacked := unpacked_at_once(dataset)) > MOST_UNPACKED:
        yield (
            f"reading any value unpacks {unpacked >> 20:,} MiB, so none was sampled: store it in "
            "smaller chunks"
        )


def odd_together(found: Sequence[Found]) -> Iterator[str]:
    """A line for datasets that look like a group of images, but have the wrong rank."""
    alone = [one for one in found if len(one.shape) == 4 and one.shape[0] == 1]
    shapes = Counter((group_of(one), one.shape) for one in alone)
    for (group, _), count in shapes.items():
        if count > 1:
            yield (
                f"{group} holds {count} datasets of one image each, but a group of images has "
                "datasets of rank 3: leave out their first axis to crop from all of them at once"
            )


def group_of(found: Found) -> str:
    """The path of the group that a dataset is in."""
    return found.path.rpartition("/")[0] or "/"


MOST_VALUES: Final = 1 << 20  # in a sample
_MOST_VALUES_IN_ALL: Final = 32 * MOST_VALUES
_MOST_DATASETS: Final = 500  # that are described; the rest are only counted
_T = TypeVar("_T")


def look_at_maps(spec: str, how: Request) -> FeatureFile:
    """Report on `file.h5`, or on what is below `file.h5::/path`, and sample the values.

    how: the command line's options for reading files; the files that it names are ignored.

    Raises FeatureError if the file cannot be read, or holds nothing at that path.
    """
    path, inner = split_spec(spec)
    with MapFile(path, allow_external=how.allow_external) as file, hdf5.named_errors(spec):
        found = _below(file, inner)
        taken = _taken(file, inner, how)
        sources = {spec: taken.group} if taken.words else _sources(file, found, how)
        groups = [group for group in sources.values() if group]
        looked_at = found[:_MOST_DATASETS]
        most = min(MOST_VALUES, _MOST_VALUES_IN_ALL // max(1, len(looked_at)))
        return FeatureFile(
            path=spec,
            size=Path(path).stat().st_size,
            format="HDF5" if file.is_hdf5 else "NumPy",
            taken_as=taken.words,
            problem=taken.problem,
            sources=tuple(sources),
            datasets=tuple(_look_at(file, one, how, groups, most) for one in looked_at),
            more_datasets=len(found) - len(looked_at),
            odd=(*odd_together(found), *([] if inner else _impossible(file))),
        )


def _below(file: MapFile, inner: str) -> Sequence[Found]:
    """The datasets that can be maps, at a path of a file or below it."""
    if not inner:
        return file.maps
    try:
        return file.choose(inner).maps
    except FeatureError:
        below = [one for one in file.maps if one.path.startswith(f"/{inner.strip('/')}/")]
        if not below:
            raise
        return below


def _impossible(file: MapFile) -> Iterator[str]:
    """A line for each dataset with the rank of a map that cannot be one, and each broken link."""
    for found in file.found:
        if found.problem and (found.dtype is None or len(found.shape) in (3, 4)):
            yield f"{found.path} {found.problem}"


def _look_at(
    file: MapFile, found: Found, how: Request, groups: Sequence[str], most: int
) -> MapDataset:
    """Report on one dataset.

    groups: the paths of groups of images. most: the number of values to sample.
    """
    dataset, where = file.get(found.path), stored.where_in(file.file, found.path)
    group = next((one for one in groups if found.path.startswith(f"{one.rstrip('/')}/")), None)
    odd: list[str] = []

    def sound(attribute: Callable[[Any, str], _T | None], thing: Any = dataset) -> _T | None:
        """An attribute's value; None, and an oddity, if it makes no sense."""
        try:
            return None if thing is None else attribute(thing, where)
        except FeatureError as error:
            odd.append(str(error).removeprefix(f"{where}: "))
            return None

    home = None if group is None else file.get(group)
    scale, its_scale = sound(stored.scale_attribute), sound(stored.scale_attribute, home)
    if how.spatial_scale:
        scale = Scale(how.spatial_scale, how.scale_origin)
    elif scale is None and its_scale is not None:
        scale = Scale(its_scale.value, f"{its_scale.origin} of {group}")
    said, its_layout = sound(stored.layout_attribute), sound(stored.layout_attribute, home)
    layout, origin = next(
        (layout, origin)
        for layout, origin in (
            (how.layout, "--layout"),
            (said, "attribute layout"),
            (its_layout, f"attribute layout of {group}"),
            ("CHW", "default"),
        )
        if layout is not None
    )
    input_scale = how.input_scale or sound(stored.input_scale_attribute)
    assert found.dtype is not None
    it = StoredMap(found.path, found.shape, found.dtype, layout[-3:], origin)

    values: Values | None = None
    unreadable: str | None = None
    files: tuple[str, ...] = ()
    try:
        origins = file.origins(found.path)
        files = tuple(origins.files[1:] if origins.files[0] == file.path else origins.files)
        odd.extend(filter(None, [origins.problem]))
        if not origins.problem:
            odd.extend(odd_maps(dataset, it, range(it.shape[0] if dataset.ndim == 4 else 0)))
            odd.extend(odd_unpacking(dataset))
        if not origins.problem and unpacked_at_once(dataset) <= MOST_UNPACKED:
            values = sample(dataset, where, most)
    except FeatureError as error:
        unreadable = str(error)
    if scale is None and not {"stride", "spatial_scale"} & {*dataset.attrs}:
        odd.append("no stride is given, so a cell is taken to be a pixel: give --stride")
    return MapDataset(
        path=found.path,
        shape=found.shape,
        dtype=stored.number_type(dataset),
        layout=it.layout,
        layout_origin=origin,
        images=math.prod(found.shape[:-3]),
        channels=it.channels,
        map_size=it.size,
        stride=None if scale is None else 1 / scale.value,
        stride_origin=None if scale is None else scale.origin,
        input_scale=input_scale,
        chunks=dataset.chunks,
        compression=hdf5.compression_of(dataset),
        way=Pieces(dataset, where).way,
        files=files,
        values=values,
        unreadable=unreadable,
        odd=(
            *dict.fromkeys(odd),
            *odd_scale(scale, dataset, file.parent(found.path)),
            *(values.odd() if values else ()),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Taken:
    """How a command reads a file: in words, and its group if it is one; or the problem."""

    words: str | None
    group: str | None
    problem: str | None


def _taken(file: MapFile, inner: str, how: Request) -> _Taken:
    try:
        source = FeatureSource(
            file, inner, layout=how.layout, levels=how.levels, strides=how.strides
        )
    except FeatureError as error:
        return _Taken(None, None, str(error))
    is_group = source.kind == "group" or source.level_names is not None
    return _Taken(_in_words(source), source.dataset if is_group else None, None)


def _in_words(source: FeatureSource) -> str:
    count = f"{many(source.images, 'image')} of {source.channels} channels"
    if source.level_names:
        strides = ", ".join(
            f"{name} (stride {1 / source.scale(i).value:g})"
            for i, name in enumerate(source.level_names)
        )
        return f"{source.dataset}, a pyramid of {strides}, for {count}"
    return {
        "batch": f"{source.dataset}, a batch of {count}",
        "image": f"{source.dataset}, one image of {source.channels} channels",
        "group": f"{source.dataset}, a group of {count}",
    }[source.kind]


def _sources(file: MapFile, found: Sequence[Found], how: Request) -> dict[str, str | None]:
    """What a command can read from a file: source → its group, if it is one.

    These are the groups of images, and the datasets that are in none.
    """
    if patterns := patterns_of("/", [one for one in found if len(one.shape) == 3]):
        return {f"{file.path}::{pattern}": "/" for pattern in patterns}
    together = Counter(group_of(one) for one in found if len(one.shape) == 3)
    groups = {
        group for group, count in together.items() if count > 1 and _taken(file, group, how).group
    }
    sources: dict[str, str | None] = {}
    for one in found:
        group = group_of(one) if len(one.shape) == 3 and group_of(one) in groups else None
        sources[f"{file.path}::{group or one.path}"] = group
    return sources


_PIECE: Final = 1 << 16


def summarise(blocks: Iterable[NDArray[Any]], *, of: int) -> Values:
    """Summarise the values of blocks, out of `of` in all."""
    looked_at = nan = infinite = finite = 0
    total, low, high = 0.0, math.inf, -math.inf
    for values in _in_pieces(blocks):
        good = values[np.isfinite(values)]
        looked_at += values.size
        finite += good.size
        nan += int(np.isnan(values).sum())
        infinite += int(np.isinf(values).sum())
        with np.errstate(over="ignore"):
            total += float(good.sum())
        low = float(good.min(initial=low))
        high = float(good.max(initial=high))
    if not finite:
        return Values(looked_at, of, None, None, None, nan, infinite)
    return Values(looked_at, of, low, total / finite, high, nan, infinite)


def _in_pieces(blocks: Iterable[NDArray[Any]]) -> Iterator[NDArray[np.float64]]:
    """The values as float64, few at a time to bound the memory."""
    for block in blocks:
        flat = block.reshape(-1)
        for start in range(0, flat.size, _PIECE):
            with np.errstate(invalid="ignore"):  # signalling NaN
                values = flat[start : start + _PIECE].astype(np.float64)
            yield values


_MOST_BLOCKS: Final = 256
_PART: Final = 1 << 16  # values read at once from what can be read in parts
_GOLDEN: Final = (5**0.5 - 1) / 2


def sample(dataset: Any, where: str, most: int = MOST_VALUES) -> Values:
    """Summarise all values of a dataset if there are at most `most`, else blocks all over it.

    A block is a chunk if HDF5 must unpack it whole, else at most 64 Ki values of one. At least one
    is read, even if it has more than `most` values.

    Raises FeatureError if the values cannot be read.
    """
    with hdf5.named_errors(where):
        if dataset.size <= most:
            return summarise([stored.numbers_at(dataset, ())], of=dataset.size)
        block = _block(dataset)
        count = max(1, min(_MOST_BLOCKS, most // math.prod(block)))
        places = _spread(dataset.shape, block, count)
        return summarise((stored.numbers_at(dataset, place) for place in places), of=dataset.size)


def unpacked_at_once(dataset: Any) -> int:
    """The number of bytes unpacked to read one value; 0 if it can be read by itself."""
    if dataset.chunks is None or hdf5.compression_of(dataset) == "none":
        return 0
    unpacked: int = math.prod(dataset.chunks) * dataset.dtype.itemsize
    return unpacked


def _block(dataset: Any) -> tuple[int, ...]:
    """The shape of what is read at once: a chunk, or part of one if that can be read."""
    block = tuple(map(min, dataset.chunks or dataset.shape, dataset.shape))
    if unpacked_at_once(dataset):
        return block
    room = _PART
    part: tuple[int, ...] = ()
    for length in reversed(block):
        part = (max(1, min(length, room)), *part)
        room //= part[0]
    return part


def _spread(
    shape: tuple[int, ...], block: tuple[int, ...], count: int
) -> Iterator[tuple[slice, ...]]:
    """At most `count` blocks all over an array, including the first, in the order of the file.

    Golden-ratio steps avoid landing on the same channel of every image, as even steps would.
    """
    grid = [-(-length // size) for length, size in zip(shape, block, strict=True)]
    numbers = {int(i * _GOLDEN % 1 * math.prod(grid)) for i in range(count)}
    for number in sorted(numbers):
        index = map(int, np.unravel_index(number, grid))
        yield tuple(
            slice(i * size, min((i + 1) * size, length))
            for i, size, length in zip(index, block, shape, strict=True)
        )
