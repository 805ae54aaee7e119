"""Pyramids: groups whose datasets are the levels of one feature pyramid.

A group holds a dataset (a batch, or one image) for each level, or a group for each image with its
levels, or a group for each level with its images. `--levels` names the levels. Without it, a group
is read as a pyramid only if everything agrees: names are numbered (p2, p3, …), stride attributes
double from level to level, and stride × size agree within a coarse cell; and if boxes do not name
the datasets.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from roicrop.errors import ArgumentError, FeatureError
from roicrop.features.datasets import Chosen, Found, MapFile
from roicrop.features.stored import StoredMap, layout_attribute, scale_attribute, where_in
from roicrop.text import listing


@dataclass(frozen=True, slots=True)
class FoundPyramid:
    """The levels of a group, finest first, and their names in it."""

    group: str
    names: list[str]
    levels: list[Chosen]


def find_pyramid(
    file: MapFile,
    path: str,
    names: Sequence[str],
    layout: str | None,
    strides: Sequence[float],
    *,
    unasked: bool,
) -> FoundPyramid | None:
    """The pyramid that a path means: of the named levels, or else one that is clearly a pyramid.

    Raises FeatureError for names that are not levels of one pyramid.
    """
    if names:
        if len(set(names)) < len(names):
            raise ArgumentError(f"--levels names one twice: {', '.join(names)}")
        if strides and len(strides) != len(names):
            raise ArgumentError(f"--strides gives {len(strides)}, and --levels {len(names)}")
        return _named(file, "/" + path.strip("/"), names)
    seen = plain_pyramid(file, path, layout) if unasked else None
    if seen is not None and strides and len(strides) != len(seen.names):
        raise ArgumentError(
            f"--strides gives {len(strides)}, and {where_in(file.file, seen.group)} has levels "
            f"{listing(seen.names)}"
        )
    return seen


def plain_pyramid(file: MapFile, path: str, layout: str | None = None) -> FoundPyramid | None:
    """The group at a path, or the file without a path, as a pyramid if it clearly is one."""
    if path and file.is_dataset(path):
        return None
    of_parent: dict[str, dict[str, Found]] = {}
    for one in file.maps_in("/" + path.strip("/")):
        of_parent.setdefault(one.parent, {})[posixpath.basename(one.path)] = one
    parents, each = list(of_parent), list(of_parent.values())
    if not each or any(some.keys() != each[0].keys() for some in each):
        return None
    names = _counted(list(each[0]))
    if names is None:
        return None
    if len(parents) > 1 and len({posixpath.dirname(parent) for parent in parents}) > 1:
        return None
    if not _doubles(file, [[some[name] for name in names] for some in each], layout):
        return None
    group = parents[0] if len(parents) == 1 else posixpath.dirname(parents[0])
    return _named(file, group, names)


def _named(file: MapFile, group: str, names: Sequence[str]) -> FoundPyramid:
    """The levels of these names in a group, or as batches in the only group below that has them."""
    if not file.holds(f"{group.rstrip('/')}/{names[0]}"):
        batches = [one.path for one in file.maps_in(group) if len(one.shape) == 4]
        below = [path for path in batches if posixpath.basename(path) == names[0]]
        if len(below) == 1:
            group = posixpath.dirname(below[0])
    levels = []
    for name in names:
        path = f"{group.rstrip('/')}/{name}"
        levels.append(file.choose(path if file.holds(path) else f"{group.rstrip('/')}/*/{name}"))
    first = levels[0]
    for name, level in zip(names[1:], levels[1:], strict=True):
        if level.names != first.names:
            lacking = {*(first.names or ())} ^ {*(level.names or ())}
            raise FeatureError(
                f"{where_in(file.file, group)}: levels {names[0]} and {name} have different "
                f"images{': only one has ' + listing(sorted(lacking)) if lacking else ''}"
            )
        ours, theirs = first.maps[0].shape, level.maps[0].shape
        if len(ours) != len(theirs) or (len(ours) == 4 and ours[0] != theirs[0]):
            raise FeatureError(
                f"{where_in(file.file, group)}: level {names[0]} is {ours} and {name} is "
                f"{theirs}: the levels of a pyramid must have the same images"
            )
    return FoundPyramid(group, list(names), levels)


_NUMBERED: Final = re.compile(r"(\D*)(\d{1,2})")


def _counted(names: list[str]) -> list[str] | None:
    """The names by their numbers, where they count by ones and are otherwise the same."""
    parts = [_NUMBERED.fullmatch(name) for name in names]
    if len(names) < 2 or None in parts or len({part[1] for part in parts if part}) > 1:
        return None
    numbers = {int(part[2]): name for name, part in zip(names, parts, strict=True) if part}
    ordered = sorted(numbers)
    if len(ordered) < len(names) or ordered != list(range(ordered[0], ordered[0] + len(names))):
        return None
    if not parts[0] or not parts[0][1]:
        return None  # bare numbers are images
    return [numbers[number] for number in ordered]


def _doubles(file: MapFile, each: list[list[Found]], layout: str | None) -> bool:
    """Whether strides double, and stride × size agrees: the attributes are the first image's."""
    strides, axes = [], []
    for one in each[0]:
        where, dataset = where_in(file.file, one.path), file.get(one.path)
        scale = scale_attribute(dataset, where)
        if scale is None:
            return False
        strides.append(1 / scale.value)
        axes.append((layout or layout_attribute(dataset, where) or "CHW")[-3:])
    if not all(math.isclose(b, 2 * a, rel_tol=1e-6) for a, b in pairwise(strides)):
        return False
    for maps in each:
        sizes = []
        for one, stride, its in zip(maps, strides, axes, strict=True):
            assert one.dtype is not None
            height, width = StoredMap(one.path, one.shape, one.dtype, its).size
            sizes.append((height * stride, width * stride, stride))
        tall, wide, _ = sizes[0]
        if any(max(abs(h - tall), abs(w - wide)) > s for h, w, s in sizes):
            return False
    return True
