"""What is odd about datasets of feature maps: what shapes, attributes and storage suggest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import h5py

from roicrop.features import Candidate, Scale, StoredMap
from roicrop.inspection.sample import unpacked_at_once

MOST_UNPACKED: Final = 256 << 20  # bytes, to read one value

_OBLONG: Final = 2  # the longer side over the shorter; few maps are more so
_CHANNELS_COME_IN: Final = 8


def odd_layout(found: Candidate, stored: StoredMap, origin: str) -> Iterator[str]:
    """Whether the shape speaks against the layout `stored` has, which `origin` says."""
    rank = len(found.shape)
    if found.layout and len(found.layout) != rank:
        yield (
            f"attribute layout is {found.layout}, of {len(found.layout)} axes, but the dataset has "
            f"{rank}"
        )
    other = StoredMap(stored.path, stored.shape, stored.dtype, not stored.channels_last)
    if origin != "--layout" and _is_likelier(other, stored):
        height, width = other.size
        why = "nothing says so" if origin == "default" else f"{origin} says {layout_name(stored)}"
        yield (
            f"looks like {layout_name(other)}, {other.channels} channels of {height}×{width} "
            f"cells, but {why}: --layout {layout_name(other)} takes it so"
        )


def odd_scale(scale: Scale | None, dataset: h5py.Dataset, group: h5py.Group) -> Iterator[str]:
    """Whether there is a scale, and it is one of a feature map; `scale` is None if it is not."""
    names = {"stride", "spatial_scale"}
    if scale is None and not names & {*dataset.attrs}:
        for name in names & {*group.attrs}:
            yield (
                f"attribute {name} of {group.name} says nothing of this dataset, which is not one "
                "of a group of images: set it on the dataset"
            )
        yield "nothing says its stride, so a cell is taken to be a pixel: give --stride"
    if scale is not None and scale.value > 1 and scale.origin.startswith("attribute"):
        yield (
            f"{scale.origin} makes {scale.value:g} cells of a pixel: a map is seldom larger than "
            "its image, so are stride and spatial_scale mixed up?"
        )


def odd_storage(dataset: h5py.Dataset) -> Iterator[str]:
    """Whether all of it was written, and it can be read in parts."""
    if (unpacked := unpacked_at_once(dataset)) > MOST_UNPACKED:
        yield (
            f"{unpacked >> 20:,} MiB are unpacked for any one value, so none was sampled: "
            "store it in smaller chunks"
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


def odd_picture(stored: StoredMap) -> Iterator[str]:
    """Whether it is an image and not what a network made of one."""
    if stored.dtype.name == "uint8" and stored.channels in (1, 3, 4):
        yield f"{stored.channels} channels of uint8 are a picture, most often, not features"


def odd_together(found: Sequence[Candidate]) -> Iterator[str]:
    """Whether datasets were meant as a group of images, and are none."""
    alone = [one for one in found if len(one.shape) == 4 and one.shape[0] == 1]
    shapes = Counter((group_of(one), one.shape) for one in alone)
    for (group, _), count in shapes.items():
        if count > 1:
            yield (
                f"{group} holds {count} datasets of one image each, but a group of images has "
                "datasets of rank 3: leave out their first axis to crop from all of them at once"
            )


def layout_name(stored: StoredMap) -> str:
    """The layout, with an N where there is one."""
    return ("NHWC" if stored.channels_last else "NCHW")[-len(stored.shape) :]


def group_of(found: Candidate) -> str:
    """The path of the group that a dataset is in."""
    return found.path.rpartition("/")[0] or "/"


def _is_likelier(other: StoredMap, stored: StoredMap) -> bool:
    """Whether the other layout makes a more usual map: less oblong, and of 8, 16, … channels."""
    if _oblong(other) >= _oblong(stored):
        return False
    if _oblong(other) == 1:
        return _oblong(stored) > _OBLONG or not _is_usual(stored)
    return _oblong(other) <= _OBLONG and _is_usual(other) and not _is_usual(stored)


def _oblong(stored: StoredMap) -> float:
    return max(stored.size) / min(stored.size)


def _is_usual(stored: StoredMap) -> bool:
    return stored.channels % _CHANNELS_COME_IN == 0
