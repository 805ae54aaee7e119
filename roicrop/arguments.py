"""Checks of the arguments of operators on arrays."""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import CoordinateOrder
from roicrop.errors import ArgumentError, BoxError
from roicrop.precision import pooled_dtype
from roicrop.text import many, printable

OutputSize = int | tuple[int, int]
Array = NDArray[Any]
_F = TypeVar("_F", bound=Callable[..., Any])


def pair(value: Any, name: str = "output_size", unit: str = "bins") -> tuple[int, int]:
    """(H, W), both at least 1; one number is both."""
    try:
        both = np.asarray(value)
    except Exception:  # a ragged list, and whatever an object's own conversion raises
        both = np.array("")
    if both.ndim == 0:
        both = both.repeat(2)
    if both.shape != (2,) or both.dtype.kind not in "iu" or (both < 1).any():
        raise ArgumentError(f"{name} is {printable(value)}: give H×W {unit}, each at least 1")
    return int(both[0]), int(both[1])


def helped_by(model: Callable[..., Any]) -> Callable[[_F], _F]:
    """Complete a function's help from another's: arguments that both take, result and errors.

    They replace the sentence that refers to the other.
    """

    def complete(function: _F) -> _F:
        own, others = inspect.getdoc(function), inspect.getdoc(model)
        if own and others:  # python -OO keeps neither
            text = [part.strip() for part in _PART.split(own) if not _NAMED.match(part)]
            entries = {**_entries(others), **_entries(own)}
            order = [*inspect.signature(function).parameters, "Returns", "Raises"]
            listed = dict.fromkeys(entries[name] for name in order if name in entries)
            text = [part for part in text if part and not part.startswith("The other arguments")]
            function.__doc__ = "\n\n".join([*text, "\n".join(listed)])
        return function

    return complete


_PART: Final = re.compile(r"\n(?=\w+(?:, \w+)*: |Returns |Raises |\n)")
_NAMED: Final = re.compile(r"\w+(?:, \w+)*(?=: )|Returns|Raises")


def _entries(text: str) -> dict[str, str]:
    """Argument, "Returns" or "Raises" → what a docstring says of it."""
    found = ((part, _NAMED.match(part)) for part in _PART.split(text))
    return {name: part for part, named in found if named for name in named[0].split(", ")}


def default_threads() -> int:
    """One for each processor this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


CHANNELS_LAST: Final = {"NCHW": False, "CHW": False, "NHWC": True, "HWC": True}


def checked_inputs(inputs: Any, layout: str) -> list[Array]:
    """Maps of the same images and channels, (N, C, H, W) each, a view of their own numbers."""
    if not isinstance(inputs, Sequence) or not inputs:
        raise ArgumentError("inputs is not a list of maps: give one for each level, finest first")
    maps = [checked_features(each, layout, f"inputs[{i}]") for i, each in enumerate(inputs)]
    first = maps[0]
    for i, other in enumerate(maps):
        if other.shape[:2] != first.shape[:2]:
            raise ArgumentError(
                f"inputs[{i}] has {other.shape[0]} images of {other.shape[1]} channels, inputs[0] "
                f"{first.shape[0]} of {first.shape[1]}: give maps of one pyramid"
            )
        if pooled_dtype(other.dtype) != pooled_dtype(first.dtype):
            raise ArgumentError(
                f"inputs[{i}] is {other.dtype} and inputs[0] {first.dtype}: give maps of one dtype"
            )
    return maps


def checked_features(input: Any, layout: Any, name: str = "input") -> Array:
    """The input as (N, C, H, W), a view of its own numbers."""
    if not isinstance(layout, str) or layout not in CHANNELS_LAST:
        known = ", ".join(CHANNELS_LAST)
        raise ArgumentError(f"layout {layout!r} is not known: choose from {known}")
    features = numbers_of(input, name)
    if features.ndim != len(layout):
        raise ArgumentError(f"{name} has shape {features.shape}, not {layout}: name its layout")
    if len(layout) == 3:
        features = features[np.newaxis]
    if CHANNELS_LAST[layout]:
        features = features.transpose(0, 3, 1, 2)
    if 0 in features.shape[1:]:
        raise ArgumentError(f"{name} has shape {features.shape} (N, C, H, W): it has no cells")
    if max(features.shape[2:]) > _MOST_CELLS:
        raise ArgumentError(
            f"{name} has shape {features.shape} (N, C, H, W): give at most {_MOST_CELLS} cells "
            "along an axis"
        )
    return features


_MOST_CELLS: Final = 2**30  # so that the cores may count them, and their neighbours, in 32 bits


def numbers_of(value: Any, name: str) -> Array:
    """The argument of that name as an array of real numbers."""
    try:
        numbers = _as_array(value)
    except Exception as error:  # whatever an object's own conversion raises
        reason = " ".join(str(error).split())
        raise ArgumentError(f"{name} is not an array ({reason})") from error
    if hasattr(numbers, "mask"):
        raise ArgumentError(f"{name} is a masked array: fill in its masked values, or drop them")
    if numbers.dtype.kind not in "fiub":
        raise ArgumentError(f"{name} holds {numbers.dtype}: give real numbers")
    return numbers


def _as_array(value: Any) -> Array:
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value)
    return np.asarray(value)


class Boxes(Protocol):
    """The boxes of a call."""

    arrays: list[Array]

    @property
    def count(self) -> int:
        """The number of boxes."""

    def some(self, first: int, end: int) -> tuple[NDArray[np.int64], Array]:
        """Those from one to before another: (L,) image indices and (L, 4) corners, or (L, 5)."""


def boxes_of(boxes: Any, images: int | None = None, numbers: int = 4) -> Boxes:
    """The boxes of any of the forms; `images` is None if image indices are ignored.

    numbers: how many a box has.
    """
    if isinstance(boxes, Sequence):
        each = [numbers_of(some, f"boxes[{i}]") for i, some in enumerate(boxes)]
        if any(some.ndim == 2 for some in each):
            return _BoxesByImage(each, images, numbers)
    return _BoxTable(numbers_of(boxes, "boxes"), images, numbers)


class _BoxTable:
    """(K, 5), image index first; or (K, 4), all on one image. One more with an angle."""

    def __init__(self, table: Array, images: int | None, numbers: int) -> None:
        if table.size == 0:
            table = table.reshape(0, numbers + 1)
        columns = (numbers, numbers + 1) if images in (1, None) else (numbers + 1,)
        if table.ndim != 2 or table.shape[1] not in columns:
            one = f", (K, {numbers})" if numbers in columns else ""
            raise ArgumentError(
                f"boxes has shape {table.shape}: give (K, {numbers + 1}), image index first{one}, "
                f"or a list of one (L, {numbers}) for each image"
            )
        self.arrays = [table]
        self._images, self._numbers = images, numbers

    @property
    def count(self) -> int:
        return len(self.arrays[0])

    def some(self, first: int, end: int) -> tuple[NDArray[np.int64], Array]:
        table = self.arrays[0][first:end]
        if self._images is None or table.shape[1] == self._numbers:
            return np.zeros(len(table), np.int64), table[:, -self._numbers :]
        with np.errstate(invalid="ignore"):
            index = table[:, 0].astype(np.int64)
        wrong = (index != table[:, 0]) | (index < 0) | (index >= self._images)
        if wrong.any():
            k = int(np.argmax(wrong))
            raise BoxError(
                f"is on image {table[k, 0]:g}, and the input has {many(self._images, 'image')}, "
                "numbered from 0: fix its first column",
                k,
            )
        return index, table[:, 1:]


class _BoxesByImage:
    """One (L, 4) array, or an empty one, for each image; (L, 5) with an angle."""

    def __init__(self, each: list[Array], images: int | None, numbers: int) -> None:
        if len(each) != (images or len(each)):
            raise ArgumentError(
                f"boxes lists {len(each)} images, input has {images}: give one array for each"
            )
        for i, some in enumerate(each):
            if some.size and (some.ndim != 2 or some.shape[1] != numbers):
                raise ArgumentError(f"boxes[{i}] has shape {some.shape}: give (L, {numbers})")
        self.arrays = [some.reshape(-1, numbers) for some in each]
        self._ends = np.cumsum([len(some) for some in self.arrays])

    @property
    def count(self) -> int:
        return int(self._ends[-1])

    def some(self, first: int, end: int) -> tuple[NDArray[np.int64], Array]:
        last = int(np.searchsorted(self._ends, end, "left"))
        images = range(min(int(np.searchsorted(self._ends, first, "right")), last), last + 1)
        begins = [int(self._ends[i]) - len(self.arrays[i]) for i in images]
        parts = [
            self.arrays[i][max(first - begin, 0) : end - begin]
            for i, begin in zip(images, begins, strict=True)
        ]
        index = np.array(images, np.int64).repeat([len(part) for part in parts])
        return index, np.concatenate(parts)


_TOO_FAR: Final = 1e18  # times the number of cells or samples, still a float32


def checked_corners(
    corners: Array,
    order: CoordinateOrder,
    spatial_scale: float,
    dtype: type[np.float32] | type[np.float64],
) -> Array:
    """(K, 4) contiguous xyxy in the dtype of the coordinates, and within what it can hold.

    (K, 5) where boxes have an angle: centre, size and it.
    """
    if order == "yxyx":
        corners = corners[:, [1, 0, 3, 2]]
    with np.errstate(invalid="ignore", over="ignore"):
        fine = np.abs(corners) < _TOO_FAR / max(spatial_scale, 1.0)
    if not fine.all():
        k = int(np.argmin(fine.all(axis=1)))
        what = "too far away" if np.isfinite(corners[k]).all() else "not finite"
        raise BoxError(
            f"has {'corners' if corners.shape[1] == 4 else 'centre, size and angle'} "
            f"{', '.join(f'{v:g}' for v in corners[k])}, which are {what}: "
            "fix it or leave it out",
            k,
        )
    return np.require(corners, dtype, ["C_CONTIGUOUS", "ALIGNED"])


def checked_scale(spatial_scale: Any) -> float:
    """Check that a scale, in cells per pixel, is a positive number."""
    try:
        scale = float(spatial_scale)
    except (TypeError, ValueError, OverflowError):
        scale = math.nan
    if not 0 < scale < math.inf:
        raise ArgumentError(f"spatial_scale is {spatial_scale}: give cells per pixel, above 0")
    return scale


def checked_scales(spatial_scales: Any, maps: int | None = None) -> list[float]:
    """The spatial scales of a pyramid, one for each map."""
    if not np.iterable(spatial_scales):
        raise ArgumentError(f"spatial_scales is {spatial_scales}: give a list, one for each map")
    scales = [checked_scale(scale) for scale in spatial_scales]
    if not scales or len(scales) != (maps or len(scales)):
        raise ArgumentError(
            f"spatial_scales has {len(scales)} numbers{f', inputs {maps} maps' if maps else ''}: "
            "give one for each map, finest first"
        )
    return scales


def checked_levels(levels: Any, count: int, maps: int) -> NDArray[np.int64]:
    """(K,) the map of each box; −1 is none."""
    index = numbers_of(levels, "levels")
    if index.shape != (count,) or (index.dtype.kind not in "iu" and count):
        raise ArgumentError(
            f"levels is {index.dtype} {index.shape}, and there are {count} boxes: "
            "give a whole number for each"
        )
    wrong = (index < -1) | (index >= maps)
    if wrong.any():
        k = int(np.argmax(wrong))
        raise BoxError(f"is on level {index[k]}, and there are {maps} maps: fix levels", k)
    return index.astype(np.int64)


_MOST_THREADS: Final = 1024  # more than any machine has use for


def checked_threads(threads: Any) -> int:
    """Check the number of threads."""
    if threads is None:
        return default_threads()
    if not isinstance(threads, (int, np.integer)) or threads < 1:
        raise ArgumentError(f"threads is {threads}: give a whole number, at least 1")
    return min(int(threads), _MOST_THREADS)


def checked_out(
    out: Array | None, shape: tuple[int, ...], maps: list[Array], boxes: Boxes
) -> Array:
    """The array for the result: a new one, or the given one if it fits."""
    dtype = pooled_dtype(maps[0].dtype)
    if out is None:
        return np.empty(shape, dtype=dtype)
    if not isinstance(out, np.ndarray):
        raise ArgumentError(f"out is a {type(out).__name__}: give a NumPy array")
    if _overlaps_itself(out):
        raise ArgumentError("elements of out overlap in memory: give another array")
    if out.shape != shape or out.dtype != dtype or not out.flags.writeable:
        raise ArgumentError(
            f"out is {out.dtype} {out.shape}, and the result {dtype} {shape}: "
            "give a writable array of the result's shape and dtype"
        )
    for name, arrays in (("input", maps), ("boxes", boxes.arrays)):
        if any(np.may_share_memory(out, array) for array in arrays):
            raise ArgumentError(f"out shares memory with {name}: give another array")
    return out


def _overlaps_itself(array: Array) -> bool:
    """Whether elements may share memory: axes must step over all that finer axes span."""
    steps = sorted(
        (abs(step), length)
        for step, length in zip(array.strides, array.shape, strict=True)
        if length > 1
    )
    span = array.itemsize
    for step, length in steps:
        if step < span:
            return True
        span += step * (length - 1)
    return False
