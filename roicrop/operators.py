"""The operators on arrays: check the arguments, then call the core."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from roicrop import kernels, sampling
from roicrop.arguments import (
    CHANNELS_LAST,
    Array,
    Boxes,
    OutputSize,
    boxes_of,
    checked_corners,
    checked_features,
    checked_inputs,
    checked_levels,
    checked_out,
    checked_scale,
    checked_scales,
    checked_threads,
    helped_by,
    pair,
)
from roicrop.conventions import (
    DEFAULT,
    Convention,
    LevelRule,
    Mode,
    Operator,
    SamplingRatio,
    checked_bins,
    resolve,
)
from roicrop.conventions import level_rule as named_rule
from roicrop.errors import ArgumentError, BoxError
from roicrop.precision import coordinate_dtype
from roicrop.sampling import Int, Plan
from roicrop.text import printable

__all__ = [
    "WindowCrop",
    "assign_levels",
    "channels_of",
    "crop",
    "multiscale_roi_align",
    "plan",
    "ps_roi_align",
    "ps_roi_pool",
    "roi_align",
    "roi_align_rotated",
    "roi_pool",
]


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

    input: feature maps (N, C, H, W), or (N, H, W, C) with layout="NHWC"; one map (C, H, W) or
        (H, W, C) with layout="CHW" or "HWC". Anything with `__array__` or DLPack. float16, float32
        and float64 keep their dtype (float16 is summed in float32 and rounded once); other numbers
        become float32.
    boxes: (K, 5) rows of image index, x1, y1, x2, y2; or a list with one (L, 4) array per image; or
        (K, 4) if the input has one image. In image pixels and in the convention's own order
        ("tensorflow": y1, x1, y2, x2, as fractions).
    output_size: (PH, PW) bins, or one number for both.
    spatial_scale: cells per pixel; 1/16 for stride 16.
    sampling_ratio: samples per bin along each axis; ≤ 0 or "adaptive": as many as the bin has
        cells, rounded up; "exact": the integral over the bin. None means the convention's.
    aligned: True shifts samples by half a cell, to cell centres, and does not enlarge small boxes;
        False keeps the half-cell bias of the first implementations. None means the convention's.
    mode: "avg" or "max". None means the convention's.
    convention: the program to reproduce: a name from `roicrop.conventions.CONVENTIONS`, which also
        records the source of each definition, or a `Convention`.
    layout: "NCHW", "NHWC", "CHW" or "HWC", the order of the input's axes.
    threads: the number of threads; None means one per processor. It never changes the result.
    out: an array for the result, of its shape and dtype.

    Returns (K, C, PH, PW), or (K, PH, PW, C) for channels-last input.
    Raises ArgumentError and BoxError, both ValueError; the latter names the row.
    """
    row = resolve(convention, "align", sampling_ratio=sampling_ratio, aligned=aligned, mode=mode)
    return crop(input, boxes, output_size, spatial_scale, row, layout, threads, out)


@helped_by(roi_align)
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

    A bin that covers no cell gives 0. NaN never wins a maximum; a bin of only NaN (or −∞) gives
    float32's lowest number, as in torchvision.

    The other arguments, the result and the errors are those of `roi_align`.
    """
    row = resolve(convention, "pool", mode=mode)
    return crop(input, boxes, output_size, spatial_scale, row, layout, threads, out)


@helped_by(roi_align)
def roi_align_rotated(
    input: Any,
    boxes: Any,
    output_size: OutputSize,
    spatial_scale: float = 1.0,
    sampling_ratio: SamplingRatio | None = None,
    aligned: bool | None = None,
    clockwise: bool | None = None,
    *,
    convention: str | Convention = "detectron2",
    layout: str = "NCHW",
    threads: int | None = None,
    out: Array | None = None,
) -> Array:
    """RoIAlign of rotated boxes (detectron2, mmcv): the grid of samples is turned with the box.

    boxes: (K, 6) rows of image index, centre x, centre y, width, height and angle; or a list with
        one (L, 5) array per image; or (K, 5) if the input has one image. In image pixels.
    sampling_ratio: samples per bin along each of the box's own sides; ≤ 0 or "adaptive": as many as
        the bin has cells, rounded up. None means the convention's.
    clockwise: True if a positive angle turns the box clockwise on the screen, where y points down.
        None means the convention's.
    convention: "detectron2" or "mxnet" (angles in degrees), "mmcv" or "openvino" (radians), or a
        `Convention`.

    The other arguments, the result and the errors are those of `roi_align`.
    """
    row = resolve(
        convention,
        "align-rotated",
        sampling_ratio=sampling_ratio,
        aligned=aligned,
        clockwise=clockwise,
    )
    return crop(input, boxes, output_size, spatial_scale, row, layout, threads, out)


@helped_by(roi_align)
def ps_roi_align(
    input: Any,
    boxes: Any,
    output_size: OutputSize,
    spatial_scale: float = 1.0,
    sampling_ratio: SamplingRatio | None = None,
    *,
    convention: str | Convention = "torchvision",
    layout: str = "NCHW",
    threads: int | None = None,
    out: Array | None = None,
) -> Array:
    """Position-sensitive RoIAlign (Light-Head R-CNN): each bin reads its own channels.

    Bin (p, q) of output channel c is pooled from input channel (c · PH + p) · PW + q, so that the
    input has D · PH · PW channels and the result D.

    convention: "torchvision" or "mxnet", or a `Convention`.

    The other arguments and the errors are those of `roi_align`.
    Returns (K, D, PH, PW), or (K, PH, PW, D) for channels-last input.
    """
    row = resolve(convention, "ps-align", sampling_ratio=sampling_ratio)
    return crop(input, boxes, output_size, spatial_scale, row, layout, threads, out)


@helped_by(ps_roi_align)
def ps_roi_pool(
    input: Any,
    boxes: Any,
    output_size: OutputSize,
    spatial_scale: float = 1.0,
    *,
    convention: str | Convention = "torchvision",
    layout: str = "NCHW",
    threads: int | None = None,
    out: Array | None = None,
) -> Array:
    """Position-sensitive RoIPool (Dai et al., R-FCN, 2016): the average of the cells of each bin.

    Channels are as in `ps_roi_align`. A bin that covers no cell gives 0.

    convention: "torchvision", "r-fcn" (Caffe and Paddle) or "openvino", or a `Convention`.

    The other arguments, the result and the errors are those of `ps_roi_align`.
    """
    row = resolve(convention, "ps-pool")
    return crop(input, boxes, output_size, spatial_scale, row, layout, threads, out)


def crop(
    input: Any,
    boxes: Any,
    output_size: OutputSize,
    spatial_scale: float,
    convention: Convention,
    layout: str = "NCHW",
    threads: int | None = None,
    out: Array | None = None,
) -> Array:
    """Pool boxes by a convention, whichever operator it is of; arguments as in that function."""
    call = _Call.of(
        [checked_features(input, layout)], boxes, output_size, [spatial_scale], convention, layout
    )
    return call.crop(threads, out)


@helped_by(roi_align)
def multiscale_roi_align(
    inputs: Any,
    boxes: Any,
    output_size: OutputSize,
    spatial_scales: Sequence[float],
    sampling_ratio: SamplingRatio | None = None,
    aligned: bool | None = None,
    *,
    mode: Mode | None = None,
    convention: str | Convention = "mask-rcnn",
    level_rule: str | LevelRule | None = None,
    canonical_size: float | None = None,
    canonical_level: float | None = None,
    levels: Any = None,
    layout: str = "NCHW",
    threads: int | None = None,
    out: Array | None = None,
) -> Array:
    """RoIAlign from a feature pyramid (Lin et al., FPN, 2017): each box from one of the maps.

    inputs: a list of feature maps (N, C, H_l, W_l), finest first, each as in `roi_align`.
    spatial_scales: cells per pixel of each map.
    level_rule: the rule that chooses a box's map; see `assign_levels`. None means the convention's.
        A rule that depends on the image's size uses the size of the finest map / its scale.
    canonical_size, canonical_level: the rule's constants; None means the rule's own.
    levels: (K,) the map of each box, 0 for the finest, instead of a rule.

    The other arguments and the errors are those of `roi_align`.
    Returns (K, C, PH, PW) in the order of the boxes, or (K, PH, PW, C) for channels-last input; 0
    for a box that the rule puts on no map.
    """
    row = resolve(convention, "align", sampling_ratio=sampling_ratio, aligned=aligned, mode=mode)
    call = _Call.of(checked_inputs(inputs, layout), boxes, output_size, spatial_scales, row, layout)
    if levels is not None:
        said = (level_rule, canonical_size, canonical_level)
        if any(each is not None for each in said):
            raise ArgumentError("levels are given, and a rule that chooses them: leave one out")
        given = checked_levels(levels, call.boxes.count, len(call.maps))
        return call.crop(threads, out, lambda first, some: given[first : first + len(some)])
    if row.normalized:
        raise ArgumentError(
            f"boxes of the convention {row.name} are fractions, and level rules go by pixels: "
            "give levels"
        )
    rule = named_rule(
        row.level_rule if level_rule is None else level_rule,
        canonical_size=canonical_size,
        canonical_level=canonical_level,
    )
    height, width = (side / call.scales[0] for side in call.maps[0].shape[2:])
    return call.crop(
        threads,
        out,
        lambda _, some: sampling.assign(some, call.scales, rule, (height, width)).index,
    )


def assign_levels(
    boxes: Any,
    spatial_scales: Sequence[float],
    *,
    rule: str | LevelRule = "torchvision",
    canonical_size: float | None = None,
    canonical_level: float | None = None,
    image_size: tuple[int, int] | None = None,
) -> NDArray[np.int64]:
    """Choose the map of a feature pyramid for each box, by the rule of a program.

    boxes: (K, 4) xyxy in image pixels, or as in `roi_align`; converted to float32.
    spatial_scales: cells per pixel of each map, finest first.
    rule: a name from `roicrop.conventions.LEVEL_RULES`, or a `LevelRule`.
    canonical_size, canonical_level: a square box with sides of that many pixels is on that level;
        None means the rule's own.
    image_size: (H, W) in pixels, which the rule "matterport" needs.

    Returns (K,) the index of each box's map, 0 for the finest; −1 if the rule puts it on no map.
    Square roots and logarithms are correctly rounded; PyTorch's may be off by one bit, so that a
    box within rounding of a boundary may fall on its other side there.
    Raises ArgumentError and BoxError, both ValueError; the latter names the row.
    """
    chosen = named_rule(rule, canonical_size=canonical_size, canonical_level=canonical_level)
    scales = checked_scales(spatial_scales)
    given = boxes_of(boxes)
    _, corners = given.some(0, given.count)
    corners = checked_corners(corners, "xyxy", max(scales), np.float32)
    return sampling.assign(corners, scales, chosen, image_size).index


@helped_by(roi_align)
def plan(
    boxes: Any,
    map_size: tuple[int, int],
    output_size: OutputSize,
    spatial_scale: float = 1.0,
    sampling_ratio: SamplingRatio | None = None,
    aligned: bool | None = None,
    *,
    mode: Mode | None = None,
    clockwise: bool | None = None,
    convention: str | Convention | None = None,
    operator: Operator = "align",
    dtype: DTypeLike = np.float32,
) -> Plan:
    """Plan what an operator reads, and with which weights.

    operator: "align", "pool", "align-rotated", "ps-align" or "ps-pool".
    boxes: in any of the forms that the operator's function takes; image indices are ignored,
        because all maps have the same size.
    map_size: (H, W) in cells.
    clockwise: True if a positive angle turns a rotated box clockwise; None means the convention's.
    convention: a name or a `Convention`, as in the operator's function; None means its default.
    dtype: of the feature map; coordinates are float64 for float64, else float32.

    The other arguments and the errors are those of `roi_align`.
    Returns a `roicrop.sampling.Plan`.
    """
    if str(operator) not in DEFAULT:
        raise ArgumentError(f"operator is {printable(operator)}: choose {' or '.join(DEFAULT)}")
    name = convention if convention is not None else DEFAULT[operator]
    row = resolve(
        name,
        operator,
        sampling_ratio=sampling_ratio,
        aligned=aligned,
        mode=mode,
        clockwise=clockwise,
    )
    scale = checked_scale(spatial_scale)
    try:
        coordinates = coordinate_dtype(dtype)
    except Exception as error:  # an object's own attributes may raise anything
        raise ArgumentError(f"dtype is {printable(dtype)}: give that of the map") from error
    given = boxes_of(boxes, numbers=row.box_numbers)
    _, corners = given.some(0, given.count)
    return sampling.plan(
        checked_corners(corners, row.order, scale, coordinates),
        pair(map_size, "map_size", "cells"),
        checked_bins(row, pair(output_size)),
        convention=row,
        spatial_scale=scale,
        dtype=coordinates,
    )


class WindowCrop:
    """Boxes of one image, checked once, to be pooled from any windows of its map.

    The results are those from all of the map, to the last bit.
    """

    def __init__(
        self,
        boxes: Array,
        output_size: tuple[int, int],
        *,
        convention: Convention,
        spatial_scale: float,
        map_size: tuple[int, int],
        dtype: np.dtype[Any],
    ) -> None:
        """boxes: (K, 4), in the convention's own order, or (K, 5) with an angle.

        map_size: (H, W). dtype: of the windows. Raises BoxError.
        """
        given, no_map = boxes_of([boxes], 1, convention.box_numbers), np.empty((1, 0, 0, 0), dtype)
        self._call = _Call([no_map], [spatial_scale], given, output_size, convention, False)
        self._parts = list(chain.from_iterable(self._call.blocks()))
        self._map_size = map_size

    def pool(
        self,
        window: Array,
        out: Array,
        *,
        threads: int,
        origin: tuple[int, int] = (0, 0),
        places: tuple[NDArray[np.int32], NDArray[np.int32]] | None = None,
    ) -> None:
        """Pool the boxes from a window that has all cells which they read.

        window: (C, h, w), with any strides; it begins at cell `origin` (y, x) of the map. places:
        as in `kernels.crop`. out: (K, C, PH, PW), with any strides.
        """
        call = replace(self._call, maps=[window[np.newaxis]])
        size = self._map_size
        call.crop_parts(self._parts, out, threads, map_size=size, origin=origin, places=places)


def channels_of(row: Convention, channels: int, bins: tuple[int, int]) -> int:
    """How many channels the result has; ArgumentError if bins cannot share the map's."""
    each = row.own_channels(bins)
    if channels % each:
        raise ArgumentError(
            f"the input has {channels} channels, and position-sensitive pooling to {bins[0]}×"
            f"{bins[1]} bins takes a multiple of {each}: give another output_size"
        )
    return channels // each


_Choose = Callable[[int, Array], Int]  # from the number of a first box, and corners: their maps
_Part = tuple[int, Int, NDArray[np.int64], Array]  # a map; its boxes, images, corners


@dataclass(frozen=True, slots=True)
class _Call:
    """The checked arguments of a call: one map or several, (N, C, H, W) each."""

    maps: list[Array]
    scales: list[float]
    boxes: Boxes
    bins: tuple[int, int]
    convention: Convention
    channels_last: bool

    @classmethod
    def of(
        cls,
        maps: list[Array],
        boxes: Any,
        output_size: OutputSize,
        spatial_scales: Sequence[float],
        convention: Convention,
        layout: str,
    ) -> _Call:
        """With all but the maps still to be checked."""
        bins = checked_bins(convention, pair(output_size))
        channels_of(convention, maps[0].shape[1], bins)
        return cls(
            maps,
            checked_scales(spatial_scales, len(maps)),
            boxes_of(boxes, len(maps[0]), convention.box_numbers),
            bins,
            convention,
            CHANNELS_LAST[layout],
        )

    def crop(self, threads: int | None, out: Array | None, choose: _Choose | None = None) -> Array:
        """Pool every box from its map; without a choice there is one map."""
        most = checked_threads(threads)
        count = self.boxes.count
        channels = channels_of(self.convention, self.maps[0].shape[1], self.bins)
        last = self.channels_last
        shape = (count, *self.bins, channels) if last else (count, channels, *self.bins)
        pooled = checked_out(out, shape, self.maps, self.boxes)
        self.crop_into(pooled.transpose(0, 3, 1, 2) if last else pooled, most, choose)
        return pooled

    def crop_into(self, out: Array, threads: int, choose: _Choose | None = None) -> None:
        """Pool every box into `out`, (K, C, PH, PW)."""
        if self.boxes.count > _BOXES_AT_ONCE:
            for _ in self.blocks(choose):  # so that a wrong box leaves `out` as it was
                pass
        self.crop_parts(chain.from_iterable(self.blocks(choose)), out, threads)

    def crop_parts(self, parts: Iterable[_Part], out: Array, threads: int, **window: Any) -> None:
        """The same of boxes that are checked; window: what the core is told of it."""
        for level, rows, image_index, corners in parts:
            if level < 0:
                out[rows] = 0
                continue
            for some in self._pieces(level, corners, **window):
                kernels.crop(
                    self.maps[level],
                    image_index[some],
                    corners[some],
                    out,
                    convention=self.convention,
                    spatial_scale=self.scales[level],
                    threads=threads,
                    rows=rows[some],
                    **window,
                )

    def _pieces(
        self, level: int, corners: Array, map_size: tuple[int, int] | None = None, **_: Any
    ) -> Iterator[slice]:
        """Boxes that take less than a second together, so that Ctrl-C is heard in between."""
        height, width = map_size or self.maps[level].shape[2:]
        channels, ratio = self.maps[level].shape[1], self.convention.sampling_ratio
        work = math.prod(self.bins) * _BIN
        if self.convention.mode == "max" and isinstance(ratio, int):
            work = max(work, math.prod(self.bins) * ratio**2)
        if len(corners) * channels * (work + height * width) <= kernels.WORK_AT_ONCE:
            yield slice(None)
            return
        # Beside that, the cells that a box covers, whatever the number of samples.
        turned = self.convention.turned
        sides = corners[:, 2:4] if turned else corners[:, 2:] - corners[:, :2]
        sides = np.abs(sides) * self.scales[level]
        cells = np.minimum(sides[:, 0], width) * np.minimum(sides[:, 1], height)
        total = np.cumsum((work + cells) * float(channels), dtype=np.float64)
        first = 0
        while first < len(corners):
            done = total[first - 1] if first else 0.0
            end = max(first + 1, int(np.searchsorted(total, done + kernels.WORK_AT_ONCE, "right")))
            yield slice(first, end)
            first = end

    def blocks(self, choose: _Choose | None = None) -> Iterator[list[_Part]]:
        """Some boxes at a time, checked, by the map that they are on."""
        dtype = coordinate_dtype(self.maps[0].dtype)
        for first in range(0, self.boxes.count, _BOXES_AT_ONCE):
            block = np.arange(first, min(first + _BOXES_AT_ONCE, self.boxes.count))
            with _among(block):
                image_index, corners = self.boxes.some(first, first + len(block))
                corners = checked_corners(corners, self.convention.order, max(self.scales), dtype)
                levels = choose(first, corners) if choose else np.zeros(len(block), np.int64)
            parts: list[_Part] = []
            for level in range(-1, len(self.maps)):
                here = np.flatnonzero(levels == level)
                if not len(here):
                    continue
                if level >= 0:
                    with _among(block[here]):
                        sampling.check_reversed(
                            corners[here],
                            self.bins,
                            convention=self.convention,
                            spatial_scale=self.scales[level],
                        )
                parts.append((level, block[here], image_index[here], corners[here]))
            yield parts


_BOXES_AT_ONCE: Final = 1 << 16  # checked and converted, which takes memory of its own
_BIN: Final = 8  # of these, for what each bin takes beside


@contextlib.contextmanager
def _among(rows: Int) -> Iterator[None]:
    """A wrong box's number is its row in the call, not among these."""
    try:
        yield
    except BoxError as error:
        raise BoxError(error.said, int(rows[error.box or 0])) from None
