"""Files of feature maps: how a command reads one, what looks wrong, and a sample of the values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

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
from roicrop.text import many

if TYPE_CHECKING:
    from roicrop.job import Request

_T = TypeVar("_T")
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Values:
    """A summary of values, or of a sample.

    looked_at: the number summarised, out of `of` in all.
    minimum, mean, maximum: of the finite values; None if there are none.
    nan, infinite: the number of such values.
    """

    looked_at: int
    of: int
    minimum: float | None
    mean: float | None
    maximum: float | None
    nan: int
    infinite: int

    @property
    def is_sample(self) -> bool:
        """True if some values were left out."""
        return self.looked_at < self.of

    def odd(self) -> Iterator[str]:
        """What is unusual for features: values that are not finite, or all equal."""
        sampled = " sampled" * self.is_sample
        for count, what in ((self.nan, "NaN"), (self.infinite, "infinite")):
            if count:
                verb = "is" if count == 1 else "are"
                yield f"{count:,} of {self.looked_at:,} values{sampled} {verb} {what}"
        if self.looked_at > 1 and self.minimum is not None and self.minimum == self.maximum:
            yield f"every finite value{sampled} is {self.minimum:g}"


@dataclass(frozen=True, slots=True)
class MapDataset:
    """A dataset that can be a feature map.

    layout, layout_origin: the order of its axes, and its source: "--layout", "attribute layout",
        "attribute layout of /group" or "default".
    images, channels, map_size: the shape under that layout; map_size: (H, W) in cells.
    stride, stride_origin: pixels per cell, and its source; None if it is unknown.
    input_scale: (sy, sx), from the option or the attribute, if there is one.
    chunks: None if contiguous.
    compression: its filters in order, such as "none", "gzip:4" or "shuffle + lzf".
    way: how it is read, in words.
    files: other files that hold its values.
    values: a summary of a sample; None if none was taken.
    unreadable: why its values cannot be read, in one line.
    odd: what may be a mistake, a line each.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    layout_origin: str
    images: int
    channels: int
    map_size: tuple[int, int]
    stride: float | None
    stride_origin: str | None
    input_scale: tuple[float, float] | None
    chunks: tuple[int, ...] | None
    compression: str
    way: str
    files: tuple[str, ...]
    values: Values | None
    unreadable: str | None
    odd: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """A file of feature maps.

    path: as the user named it, `file.h5` or `file.h5::/path`.
    size: of the file in bytes.
    format: "HDF5" or "NumPy".
    more_datasets: the number of datasets not in `datasets`.
    taken_as: how a command reads `path`; None if it cannot, with the reason in `problem`.
    sources: what to give to a command: `path` itself, or else parts of the file.
    """

    kind: ClassVar[str] = "features"

    path: str
    size: int
    format: str
    taken_as: str | None
    problem: str | None
    sources: tuple[str, ...]
    datasets: tuple[MapDataset, ...]
    more_datasets: int
    odd: tuple[str, ...]

    @property
    def unreadable(self) -> list[str]:
        """Why some datasets cannot be read, a line each."""
        return [dataset.unreadable for dataset in self.datasets if dataset.unreadable]


MOST_VALUES: Final = 1 << 20  # in a sample
_MOST_VALUES_IN_ALL: Final = 32 * MOST_VALUES
_MOST_DATASETS: Final = 500  # that are described; the rest are only counted
_MOST_UNPACKED: Final = 256 << 20  # bytes, to read one value


def look_at_maps(file: MapFile, spec: str, how: Request) -> FeatureFile:
    """Report on an open file, or on what is below its path in `file.h5::/path`.

    how: the command line's options for reading files; the files that it names are ignored.

    Raises FeatureError if the file cannot be read, or holds nothing at that path.
    """
    path, inner = split_spec(spec)
    with hdf5.named_errors(spec):
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
            odd=(*_odd_together(found), *([] if inner else _odd_alone(file))),
        )


def _below(file: MapFile, inner: str) -> Sequence[Found]:
    """The datasets that can be maps, at a path of a file or below it."""
    try:
        return file.choose(inner).maps if inner else file.maps_in("/")
    except FeatureError:
        if below := file.maps_in(f"/{inner.strip('/')}"):
            return below
        raise


def _odd_together(found: Sequence[Found]) -> Iterator[str]:
    """A line for datasets that look like a group of images, but have the wrong rank."""
    alone = [one for one in found if len(one.shape) == 4 and one.shape[0] == 1]
    for (group, _), count in Counter((one.parent, one.shape) for one in alone).items():
        if count > 1:
            yield (
                f"{group} holds {count} datasets of one image each, but a group of images has "
                "datasets of rank 3: leave out their first axis to crop from all of them at once"
            )


def _odd_alone(file: MapFile) -> Iterator[str]:
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
    layouts = {
        "--layout": how.layout,
        "attribute layout": sound(stored.layout_attribute),
        f"attribute layout of {group}": sound(stored.layout_attribute, home),
        "default": "CHW",
    }
    origin, layout = next((origin, text) for origin, text in layouts.items() if text)
    input_scale = how.input_scale or sound(stored.input_scale_attribute)
    assert found.dtype is not None
    it = StoredMap(found.path, found.shape, found.dtype, layout[-3:], origin)

    values: Values | None = None
    unreadable: str | None = None
    files: tuple[str, ...] = ()
    try:
        origins = file.origins(found.path)
        files = tuple(origins.files[1:] if origins.files[0] == file.path else origins.files)
        if origins.problem:
            odd.append(origins.problem)
        else:
            odd.extend(odd_maps(dataset, it, range(it.shape[0] if dataset.ndim == 4 else 0)))
            if (unpacked := _unpacked_at_once(dataset)) <= _MOST_UNPACKED:
                values = sample(dataset, where, most)
            else:
                odd.append(
                    f"reading any value unpacks {unpacked >> 20:,} MiB, so none was sampled: store "
                    "it in smaller chunks"
                )
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

    words: str | None = None
    group: str | None = None
    problem: str | None = None


def _taken(file: MapFile, inner: str, how: Request) -> _Taken:
    try:
        source = FeatureSource(
            file, inner, layout=how.layout, levels=how.levels, strides=how.strides
        )
    except FeatureError as error:
        return _Taken(problem=str(error))
    channels = many(source.channels, "channel")
    count = f"{many(source.images, 'image')} of {channels}"
    if source.level_names:
        strides = ", ".join(
            f"{name} (stride {1 / source.scale(i).value:g})"
            for i, name in enumerate(source.level_names)
        )
        words = f"a pyramid of {strides}, for {count}"
    elif source.kind == "image":
        words = f"one image of {channels}"
    else:
        words = f"a {source.kind} of {count}"
    is_group = source.kind == "group" or source.level_names
    return _Taken(f"{source.dataset}, {words}", source.dataset if is_group else None)


def _sources(file: MapFile, found: Sequence[Found], how: Request) -> Mapping[str, str | None]:
    """What a command can read from a file: source → its group, if it is one.

    These are the groups of images, and the datasets that are in none.
    """
    images = [one for one in found if len(one.shape) == 3]
    if patterns := patterns_of("/", images):
        return {f"{file.path}::{pattern}": "/" for pattern in patterns}
    counts = Counter(one.parent for one in images)
    groups = {path for path, count in counts.items() if count > 1 and _taken(file, path, how).group}
    sources: dict[str, str | None] = {}
    for one in found:
        group = one.parent if len(one.shape) == 3 and one.parent in groups else None
        sources[f"{file.path}::{group or one.path}"] = group
    return sources


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


_MOST_BLOCKS: Final = 256
_PART: Final = 1 << 16  # values read at once from what can be read in parts, and summarised at once
_GOLDEN: Final = (5**0.5 - 1) / 2


def summarise(blocks: Iterable[NDArray[Any]], *, of: int) -> Values:
    """Summarise the values of blocks, out of `of` in all."""
    looked_at = nan = finite = 0
    total, low, high = 0.0, math.inf, -math.inf
    for flat in (block.reshape(-1) for block in blocks):
        for start in range(0, flat.size, _PART):
            with np.errstate(invalid="ignore", over="ignore"):  # signalling NaN
                values = flat[start : start + _PART].astype(np.float64)
                good = values[np.isfinite(values)]
                total += float(good.sum())
            looked_at += values.size
            finite += good.size
            nan += int(np.isnan(values).sum())
            low, high = float(good.min(initial=low)), float(good.max(initial=high))
    infinite = looked_at - finite - nan
    if not finite:
        return Values(looked_at, of, None, None, None, nan, infinite)
    return Values(looked_at, of, low, total / finite, high, nan, infinite)


def _unpacked_at_once(dataset: Any) -> int:
    """The number of bytes unpacked to read one value; 0 if it can be read by itself."""
    if dataset.chunks is None or hdf5.compression_of(dataset) == "none":
        return 0
    unpacked: int = math.prod(dataset.chunks) * dataset.dtype.itemsize
    return unpacked


def _block(dataset: Any) -> tuple[int, ...]:
    """The shape of what is read at once: a chunk, or part of one if that can be read."""
    block = tuple(map(min, dataset.chunks or dataset.shape, dataset.shape))
    if _unpacked_at_once(dataset):
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
