"""What looks wrong in feature maps, by their shapes, attributes and storage.

`roicrop inspect` reports it for every dataset, the other commands for the maps that they read.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import h5py
import numpy as np

from roicrop.features.stored import Scale, StoredMap, floats_of, number_type
from roicrop.files import hdf5
from roicrop.files.written import written
from roicrop.text import listing

_OBLONG: Final = 2  # the longer side over the shorter; few maps are more so
_CHANNELS_COME_IN: Final = 8
_MOST_REGIONS: Final = 100  # of an image, in files of vectors that were pooled already
_SHORTEST_VECTOR: Final = 512
_FLOATS: Final = (2.0**-24, 2.0**24)  # magnitudes that features have
_MOST_SAMPLED: Final = 1 << 16


def odd_maps(dataset: Any, stored: StoredMap, images: Sequence[int]) -> Iterator[str]:
    """Possible mistakes, to be written after the name of a dataset and a colon.

    images: those of a batch that matter.
    """
    yield from _odd_layout(dataset, stored)
    yield from _odd_numbers(dataset, stored, images)
    yield from _odd_storage(dataset, images)


def odd_scale(scale: Scale | None, dataset: Any, group: Any) -> Iterator[str]:
    """Whether a scale is plausible, and whether one is stored in the wrong place.

    scale: None if it is unknown. group: the one that the dataset is in.
    """
    names = {"stride", "spatial_scale"}
    if (scale is None or scale.origin == "default") and not names & {*dataset.attrs}:
        for name in sorted(names & {*group.attrs}):
            yield (
                f"attribute {name} of its group does not apply to this dataset, which is not one "
                "of a group of images: set it on the dataset"
            )
    if scale is not None and scale.value > 1 and scale.origin.startswith("attribute"):
        yield (
            f"{scale.origin} gives {scale.value:g} cells per pixel, but a map is seldom larger "
            "than its image: are stride and spatial_scale swapped?"
        )


def _odd_layout(dataset: Any, stored: StoredMap) -> Iterator[str]:
    said = hdf5.text_attribute(dataset, "layout")
    if said and stored.origin == "attribute layout" and len(said) != len(stored.shape):
        yield (
            f"attribute layout is {said}, of {len(said)} axes, but the dataset has "
            f"{len(stored.shape)}"
        )
    is_silent = stored.origin == "default"
    regions, length = stored.shape[-2:]
    if is_silent and len(stored.shape) == 3 and regions <= _MOST_REGIONS and _is_vector(length):
        yield (
            f"looks like region vectors, {regions} of {length} numbers for each image, "
            "already pooled: there is no map to crop; if it is a map, give --layout HWC or CHW"
        )
        return
    if is_silent and "MATLAB_class" in dataset.attrs:
        layout = stored.layout.replace("HW", "WH")
        yield (
            f"MATLAB wrote it, and most MATLAB files have x before y: give --layout {layout} if "
            f"this one does, else --layout {stored.layout}"
        )
    last = stored.channels_last
    other = dataclasses.replace(stored, axes="CHW" if last else "HWC")
    if stored.origin != "--layout" and _is_likelier(other, stored):
        height, width = other.size
        why = "nothing says so" if is_silent else f"{stored.origin} says {stored.layout}"
        yield (
            f"looks like {other.layout}, {other.channels} channels of {height}×{width} "
            f"cells, but {why}: give --layout {other.layout} if it is"
        )


def _odd_numbers(dataset: Any, stored: StoredMap, images: Sequence[int]) -> Iterator[str]:
    """Whether values look like a picture's, or like floats stored as integers."""
    if stored.dtype.name == "uint8" and stored.channels in (1, 3, 4):
        yield f"{stored.channels} channels of uint8 are usually a picture, not features"
    if stored.dtype.kind not in "iu" or stored.dtype.itemsize != 2:
        return
    if number_type(dataset) != stored.dtype.name:
        return
    index = tuple(images[:1])
    shape = stored.shape[len(index) :]
    start = shape[0] // 2
    stop = start + max(1, _MOST_SAMPLED // math.prod(shape[1:]))
    size = np.abs(floats_of(dataset[(*index, slice(start, stop))], "bfloat16"))
    size = size[size != 0]
    if size.size and np.mean((size >= _FLOATS[0]) & (size <= _FLOATS[1])) > 0.95:
        yield (
            f"{stored.dtype.name} values look like the bits of bfloat16, and are read as whole "
            'numbers: set the attribute dtype of the dataset to "bfloat16"'
        )


def _odd_storage(dataset: Any, images: Sequence[int]) -> Iterator[str]:
    """Whether all of it was written, and is read once."""
    if not isinstance(dataset, h5py.Dataset):
        return
    together = min(dataset.chunks[0], dataset.shape[0]) if dataset.chunks else 1
    if dataset.ndim == 4 and together > 1 and hdf5.compression_of(dataset) != "none":
        yield f"a chunk holds {together} images, so each is decompressed {together} times"
    shares = written(dataset, images if dataset.ndim == 4 else range(dataset.shape[0]))
    none = [row for row, share in shares.items() if share == 0]
    part = [row for row, share in shares.items() if 0 < share < 1]
    if len(none) == dataset.shape[0]:
        yield "was never written: it reads as its fill value"
    elif dataset.ndim == 3 and none + part:
        yield "was written in part: the rest reads as its fill value"
    elif none:
        yield f"image {listing(none)} was never written: it reads as the fill value"
    if dataset.ndim == 4 and part:
        yield f"image {listing(part)} was written in part: the rest reads as the fill value"


def _is_vector(length: int) -> bool:
    return length >= _SHORTEST_VECTOR and length & (length - 1) == 0


def _is_likelier(other: StoredMap, stored: StoredMap) -> bool:
    """True if the other layout gives a more usual map: less oblong, with 8, 16, … channels."""
    if _oblong(other) >= _oblong(stored):
        return False
    is_odd = _oblong(stored) > _OBLONG * _oblong(other) or not _is_usual(stored)
    return is_odd and (_oblong(other) == 1 or (_oblong(other) <= _OBLONG and _is_usual(other)))


def _oblong(stored: StoredMap) -> float:
    return max(stored.size) / min(stored.size)


def _is_usual(stored: StoredMap) -> bool:
    return stored.channels % _CHANNELS_COME_IN == 0
