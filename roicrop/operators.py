"""RoIAlign and RoIPool on arrays: check the arguments, then hand them to the core."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from roicrop import kernels, sampling
from roicrop.conventions import DEFAULT, Convention, Mode, Operator, SamplingRatio, resolve
from roicrop.errors import ArgumentError, BoxError
from roicrop.precision import coordinate_dtype, pooled_dtype
from roicrop.sampling import SeparablePlan

__all__ = ["plan", "roi_align", "roi_pool"]

OutputSize = int | tuple[int, int]
Array = NDArray[Any]


def roi_align(
    input: Any,
    boxes: Any,
    output_size: OutputSize,
    spatial_scale: float = 1.0,
    sampling_ratio: SamplingRatio | None = None,
    aligned: bool | None = None,
    *,
    mode: Mode | None = None,
    convention: str | Convention = "mask-rcnn",
    layout: str = "NCHW",
    threads: int | None = None,
    out: Array | None = None,
) -> Array:
    """RoIAlign (He et al., Mask R-CNN, 2017): pool each box from bilinearly interpolated samples.

    input: (N, C, H, W) feature maps, or (N, H, W, C) with layout="NHWC"; (C, H, W) and (H, W, C)
        with layout="CHW" and "HWC" are one image. Anything with `__array__` or DLPack. float16,
        float32 and float64 are computed as they are (float16 with float32 sums, rounded once),
        other numbers as float32.
    boxes: (K, 5) rows of image number, x1, y1, x2, y2; or a list with one (L, 4) array for each
        image; or (K, 4) where the input has one image. In image pixels, in the convention's own
        order ("tensorflow": y1, x1, y2, x2, as fractions).
    output_size: (PH, PW), or one number for both.
    spatial_scale: cells a pixel; 1/16 for stride 16.
    sampling_ratio: samples a bin along each axis; ≤ 0 or "adaptive" lets the bin's size decide,
        "exact" integrates over the bin. None is the convention's.
    aligned: True samples cell centres and leaves small boxes small; False is the half-cell bias of
        the first implementations. None is the convention's.
    mode: "avg" or "max". None is the convention's.
    convention: a name from `roicrop.conventions.CONVENTIONS`, or a row of one's own.
    threads: how many threads; None is one for each processor. It never changes the result.
    out: where to put the result, of its shape and dtype.

    Returns (K, C, PH, PW), or (K, PH, PW, C) for channels-last input.
    Raises ArgumentError and BoxError, both ValueError; the latter names the row.
    """
    row = resolve(convention, "align", sampling_ratio=sampling_ratio, aligned=aligned, mode=mode)
    return _crop(input, boxes, output_size, spatial_scale, row, layout, threads, out)


def roi_pool(
    input: Any,
    boxes: Any,
    output_size: OutputSize,
    spatial_scale: float = 1.0,
    *,
    mode: Mode | None = None,
    convention: str | Convention = "fast-rcnn",
    layout: str = "NCHW",
    threads: int | None = None,
    out: Array | None = None,
) -> Array:
    """RoIPool (Girshick, Fast R-CNN, 2015): round each box to cells and pool what each bin covers.

    Arguments, result and errors as in `roi_align`. A bin that covers no cell gives 0. NaN never
    wins a maximum; a bin of nothing but NaN (or −∞) gives float32's lowest number, as in
    torchvision.
    """
    row = resolve(convention, "pool", mode=mode)
    return _crop(input, boxes, output_size, spatial_scale, row, layout, threads, out)


def plan(
    boxes: Any,
    map_size: tuple[int, int],
    output_size: OutputSize,
    spatial_scale: float = 1.0,
    sampling_ratio: SamplingRatio | None = None,
    aligned: bool | None = None,
    *,
    mode: Mode | None = None,
    convention: str | Convention | None = None,
    operator: Operator = "align",
    dtype: DTypeLike = np.float32,
) -> SeparablePlan:
    """What an operator would read, and with which weights: see `roicrop.sampling.Plan`.

    boxes: as in `roi_align`; image numbers play no part, since every map has this size.
    map_size: (H, W) in cells.
    dtype: that of the feature map; coordinates are float64 for float64, else float32.

    The other arguments, and the errors, are those of `roi_align`.
    """
    name = convention if convention is not None else DEFAULT[operator]
    row = resolve(name, operator, sampling_ratio=sampling_ratio, aligned=aligned, mode=mode)
    scale = _checked_scale(spatial_scale)
    coordinates = coordinate_dtype(dtype)
    given = _boxes_of(boxes)
    _, corners = given.some(0, given.count)
    return sampling.plan(
        _checked_corners(corners, row, scale, coordinates),
        map_size,
        pair(output_size),
        convention=row,
        spatial_scale=scale,
        dtype=coordinates,
    )


def pair(output_size: Any) -> tuple[int, int]:
    """(PH, PW), both at least 1."""
    try:
        both = np.asarray(output_size)
    except ValueError:  # a ragged list
        both = np.array("")
    if both.ndim == 0:
        both = both.repeat(2)
    if both.shape != (2,) or both.dtype.kind not in "iu" or (both < 1).any():
        raise ArgumentError(f"output_size is {output_size}: give H×W bins, each at least 1")
    return int(both[0]), int(both[1])


def default_threads() -> int:
    """One for each processor this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_CHANNELS_LAST: Final = {"NCHW": False, "CHW": False, "NHWC": True, "HWC": True}


def _crop(
    input: Any,
    boxes: Any,
    output_size: OutputSize,
    spatial_scale: float,
    convention: Convention,
    layout: str,
    threads: int | None,
    out: Array | None,
) -> Array:
    features = _checked_features(input, layout)
    channels_last = _CHANNELS_LAST[layout]
    images, channels = features.shape[:2]
    scale, most = _checked_scale(spatial_scale), _checked_threads(threads)
    given = _boxes_of(boxes, images)
    bins = pair(output_size)
    shape = (given.count, *bins, channels) if channels_last else (given.count, channels, *bins)
    pooled = _checked_out(out, shape, features, given)
    boxes_first = pooled.transpose(0, 3, 1, 2) if channels_last else pooled
    _apply(features, given, boxes_first, convention=convention, spatial_scale=scale, threads=most)
    return pooled


def crop_window(
    window: Array,
    boxes: Array,
    out: Array,
    *,
    convention: Convention,
    spatial_scale: float,
    threads: int,
    map_size: tuple[int, int],
    origin: tuple[int, int],
) -> None:
    """Pool boxes of one image from a window of its map, to the bit as from all of it.

    window: (C, h, w), with any strides; it begins at cell `origin` (y, x) of a map of `map_size`
        (H, W), and has all cells that the boxes read.
    boxes: (K, 4), in the convention's own order. out: (K, C, PH, PW), with any strides.

    Raises BoxError.
    """
    given = _boxes_of([boxes], 1)
    _apply(
        window[np.newaxis],
        given,
        out,
        convention=convention,
        spatial_scale=spatial_scale,
        threads=threads,
        map_size=map_size,
        origin=origin,
    )


def _apply(
    features: Array,
    given: _Boxes,
    out: Array,
    *,
    convention: Convention,
    spatial_scale: float,
    **how: Any,
) -> None:
    """Check the boxes and have the core pool them. features: (N, C, H, W); out: (K, C, PH, PW)."""
    bins = out.shape[2:]

    def blocks() -> Iterator[tuple[int, NDArray[np.int64], Array]]:
        dtype = coordinate_dtype(features.dtype)
        return _checked_blocks(given, bins, convention, spatial_scale, dtype)

    if given.count > _BOXES_AT_ONCE:
        for _ in blocks():  # so that a wrong box leaves `out` as it was
            pass
    for first, image_index, corners in blocks():
        kernels.crop(
            features,
            image_index,
            corners,
            out[first : first + len(corners)],
            convention=convention,
            spatial_scale=spatial_scale,
            **how,
        )


_BOXES_AT_ONCE: Final = 1 << 16  # checked and converted, which takes memory of its own


def _checked_blocks(
    given: _Boxes,
    bins: tuple[int, int],
    convention: Convention,
    spatial_scale: float,
    dtype: type[np.float32] | type[np.float64],
) -> Iterator[tuple[int, NDArray[np.int64], Array]]:
    """Of some boxes at a time: the first's number, their images, corners as a core takes them."""
    for first in range(0, given.count, _BOXES_AT_ONCE):
        try:
            image_index, corners = given.some(first, min(first + _BOXES_AT_ONCE, given.count))
            corners = _checked_corners(corners, convention, spatial_scale, dtype)
            sampling.check_reversed(
                corners, bins, convention=convention, spatial_scale=spatial_scale
            )
        except BoxError as error:
            raise BoxError(error.said, first + (error.box or 0)) from None
        yield first, image_index, corners


def _checked_features(input: Any, layout: Any) -> Array:
    """The input as (N, C, H, W), a view of its own numbers."""
    if not isinstance(layout, str) or layout not in _CHANNELS_LAST:
        known = ", ".join(_CHANNELS_LAST)
        raise ArgumentError(f"layout {layout!r} is not known: choose from {known}")
    features = _numbers(input, "input")
    if features.ndim != len(layout):
        raise ArgumentError(f"input has shape {features.shape}, not {layout}: name its layout")
    if len(layout) == 3:
        features = features[np.newaxis]
    if _CHANNELS_LAST[layout]:
        features = features.transpose(0, 3, 1, 2)
    if 0 in features.shape[1:]:
        raise ArgumentError(f"input has shape {features.shape} (N, C, H, W): it has no cells")
    if max(features.shape[2:]) > _MOST_CELLS:
        raise ArgumentError(
            f"input has shape {features.shape} (N, C, H, W): give at most {_MOST_CELLS} cells "
            "along an axis"
        )
    return features


_MOST_CELLS: Final = 2**30  # so that the cores may count them, and their neighbours, in 32 bits


def _numbers(value: Any, name: str) -> Array:
    """The argument of that name as an array of real numbers."""
    try:
        numbers = _as_array(value)
    except (ValueError, TypeError, BufferError, RuntimeError) as error:
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


class _Boxes(Protocol):
    """The boxes of a call."""

    arrays: list[Array]

    @property
    def count(self) -> int: ...

    def some(self, first: int, end: int) -> tuple[NDArray[np.int64], Array]:
        """Those from one to before another: (L,) image numbers and (L, 4) corners."""


def _boxes_of(boxes: Any, images: int | None = None) -> _Boxes:
    """The boxes of any of the forms; `images` is None where their numbers play no part."""
    if isinstance(boxes, Sequence):
        each = [_numbers(some, f"boxes[{i}]") for i, some in enumerate(boxes)]
        if any(some.ndim == 2 for some in each):
            return _BoxesByImage(each, images)
    return _BoxTable(_numbers(boxes, "boxes"), images)


class _BoxTable:
    """(K, 5), image number first; or (K, 4), all on one image."""

    def __init__(self, table: Array, images: int | None) -> None:
        if table.size == 0:
            table = table.reshape(0, 5)
        columns = (4, 5) if images in (1, None) else (5,)
        if table.ndim != 2 or table.shape[1] not in columns:
            one = ", (K, 4)" if 4 in columns else ""
            raise ArgumentError(
                f"boxes has shape {table.shape}: give (K, 5), image number first{one}, "
                "or a list of one (L, 4) for each image"
            )
        self.arrays = [table]
        self._images = images

    @property
    def count(self) -> int:
        return len(self.arrays[0])

    def some(self, first: int, end: int) -> tuple[NDArray[np.int64], Array]:
        table = self.arrays[0][first:end]
        if self._images is None or table.shape[1] == 4:
            return np.zeros(len(table), np.int64), table[:, -4:]
        with np.errstate(invalid="ignore"):
            index = table[:, 0].astype(np.int64)
        wrong = (index != table[:, 0]) | (index < 0) | (index >= self._images)
        if wrong.any():
            k = int(np.argmax(wrong))
            raise BoxError(
                f"is on image {table[k, 0]:g}, and the input has {self._images}, "
                "counted from 0: mend its first column",
                k,
            )
        return index, table[:, 1:]


class _BoxesByImage:
    """One (L, 4) array, or an empty one, for each image."""

    def __init__(self, each: list[Array], images: int | None) -> None:
        if len(each) != (images or len(each)):
            raise ArgumentError(
                f"boxes lists {len(each)} images, input has {images}: give one array for each"
            )
        for i, some in enumerate(each):
            if some.size and (some.ndim != 2 or some.shape[1] != 4):
                raise ArgumentError(f"boxes[{i}] has shape {some.shape}: give (L, 4)")
        self.arrays = [some.reshape(-1, 4) for some in each]
        self._ends = np.cumsum([len(some) for some in self.arrays])

    @property
    def count(self) -> int:
        return int(self._ends[-1])

    def some(self, first: int, end: int) -> tuple[NDArray[np.int64], Array]:
        images = range(
            int(np.searchsorted(self._ends, first, "right")),
            int(np.searchsorted(self._ends, end, "left")) + 1,
        )
        begins = [int(self._ends[i]) - len(self.arrays[i]) for i in images]
        parts = [
            self.arrays[i][max(first - begin, 0) : end - begin]
            for i, begin in zip(images, begins, strict=True)
        ]
        index = np.array(images, np.int64).repeat([len(part) for part in parts])
        return index, np.concatenate(parts)


_TOO_FAR: Final = 1e18  # times the number of cells or samples, still a float32


def _checked_corners(
    corners: Array,
    convention: Convention,
    spatial_scale: float,
    dtype: type[np.float32] | type[np.float64],
) -> Array:
    """(K, 4) contiguous xyxy in the dtype of the coordinates, and within what it can hold."""
    if convention.order == "yxyx":
        corners = corners[:, [1, 0, 3, 2]]
    with np.errstate(invalid="ignore", over="ignore"):
        fine = np.abs(corners) < _TOO_FAR / max(spatial_scale, 1.0)
    if not fine.all():
        k = int(np.argmin(fine.all(axis=1)))
        what = "too far away" if np.isfinite(corners[k]).all() else "not finite"
        raise BoxError(
            f"has corners {', '.join(f'{v:g}' for v in corners[k])}, which are {what}: "
            "mend it or leave it out",
            k,
        )
    return np.require(corners, dtype, ["C_CONTIGUOUS", "ALIGNED"])


def _checked_scale(spatial_scale: Any) -> float:
    try:
        scale = float(spatial_scale)
    except (TypeError, ValueError, OverflowError):
        scale = math.nan
    if not 0 < scale < math.inf:
        raise ArgumentError(f"spatial_scale is {spatial_scale}: give cells per pixel, above 0")
    return scale


_MOST_THREADS: Final = 1024  # more than any machine has use for


def _checked_threads(threads: Any) -> int:
    if threads is None:
        return default_threads()
    if not isinstance(threads, (int, np.integer)) or threads < 1:
        raise ArgumentError(f"threads is {threads}: give a whole number, at least 1")
    return min(int(threads), _MOST_THREADS)


def _checked_out(
    out: Array | None, shape: tuple[int, ...], features: Array, boxes: _Boxes
) -> Array:
    dtype = pooled_dtype(features.dtype)
    if out is None:
        return np.empty(shape, dtype=dtype)
    if not isinstance(out, np.ndarray):
        raise ArgumentError(f"out is a {type(out).__name__}: give a NumPy array")
    if _overlaps_itself(out):
        raise ArgumentError("out holds some of its elements in the same memory: give another array")
    if out.shape != shape or out.dtype != dtype or not out.flags.writeable:
        raise ArgumentError(
            f"out is {out.dtype} {out.shape}, and the result {dtype} {shape}: "
            "give a writable array of the result's shape and dtype"
        )
    for name, arrays in (("input", [features]), ("boxes", boxes.arrays)):
        if any(np.may_share_memory(out, array) for array in arrays):
            raise ArgumentError(f"out lies in the memory of {name}: give another array")
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
