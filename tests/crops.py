"""Random crops for Hypothesis, and the reference's results for them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import roicrop
from roicrop.conventions import PLAIN, Convention, Mode, SamplingRatio, resolve
from roicrop.errors import ArgumentError
from roicrop.sampling import SeparablePlan
from tests import reference

Array = NDArray[Any]

FAR: Final = 1e9
LAYOUTS: Final = ("NCHW", "NHWC", "CHW", "HWC")
DTYPES: Final = ("f4", "f8", "f2", "i2", "u1", ">f4", ">f8", ">f2", ">i4")


@dataclass(frozen=True)
class Crop:
    """A call of an operator: features (N, C, H, W) in `layout` and K boxes, xyxy in cells."""

    row: Convention
    features: Array
    layout: str
    image: Array
    boxes: Array
    output_size: tuple[int, int]
    spatial_scale: float

    def table(self) -> Array:
        """(K, 5), in the order of coordinates that the convention's framework takes."""
        columns = [1, 0, 3, 2] if self.row.order == "yxyx" else [0, 1, 2, 3]
        return np.column_stack([self.image, self.boxes[:, columns]])

    def pooled(self, **options: Any) -> Array:
        """(K, C, PH, PW), by roicrop."""
        operator = roicrop.roi_pool if self.row.operator == "pool" else roicrop.roi_align
        channels_last = self.layout.endswith("C")
        features = self.features.transpose(0, 2, 3, 1) if channels_last else self.features
        if len(self.layout) == 3:
            features = features[0]
        pooled: Array = operator(
            features,
            self.table(),
            self.output_size,
            self.spatial_scale,
            convention=self.row,
            layout=self.layout,
            **options,
        )
        return pooled.transpose(0, 3, 1, 2) if channels_last else pooled

    def plan(self, dtype: type[np.float32] | type[np.float64]) -> SeparablePlan:
        """Its plan on a map of that dtype."""
        height, width = self.features.shape[2:]
        plan = roicrop.plan(
            self.table()[:, 1:],
            (height, width),
            self.output_size,
            self.spatial_scale,
            convention=self.row,
            operator=self.row.operator,
            dtype=dtype,
        )
        assert isinstance(plan, SeparablePlan)
        return plan

    def defined(self, channels: list[int]) -> Array:
        """(K, channels, PH, PW), by the definitions."""
        operator = reference.roi_pool if self.row.operator == "pool" else reference.roi_align
        dtype = reference.coordinate_dtype(self.features)
        pooled = [
            operator(
                self.features[image, channels],
                box[None].astype(dtype),
                self.output_size,
                self.spatial_scale,
                self.row,
            )[0]
            for image, box in zip(self.image, self.boxes, strict=True)
        ]
        return np.array(pooled)

    def assert_agree(self, pooled: Array, expected: Array) -> None:
        """RoIPool's maximum to the bit, all else within the tolerance of the dtype."""
        with np.errstate(over="ignore"):
            expected = expected.astype(pooled.dtype)
        if self.row.operator == "pool" and self.row.mode == "max":
            np.testing.assert_array_equal(pooled, expected)
            return
        numbers = self.features[np.isfinite(self.features)].astype(np.float64)
        largest = max(1.0, float(np.abs(numbers).max(initial=0)))
        absolute = {2: 1e-5, 4: 1e-5, 8: 1e-12}[pooled.itemsize] * largest
        relative = 2.0**-10 if pooled.itemsize == 2 else 0.0  # one last bit: rounded once
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(pooled, expected, rtol=relative, atol=absolute)


def variants(name: str) -> list[Convention]:
    """A convention, and what may be asked of it instead of its own values."""
    ratios: tuple[SamplingRatio | None, ...] = (None, 1, 2, 3, "adaptive", "exact")
    modes: tuple[Mode, ...] = ("avg", "max")
    row, rows = PLAIN[name], []
    for ratio, mode in itertools.product(ratios, modes):
        try:
            rows.append(resolve(row, row.operator, sampling_ratio=ratio, mode=mode))
        except ArgumentError:
            continue
    if row.border == "extrapolate":
        rows += [dataclasses.replace(row, interpolation="nearest", void=-3.5) for row in rows]
    return rows


@st.composite
def crops(draw: st.DrawFn, name: str) -> Crop:
    """Crops of the convention of that name or of a variant of it."""
    row = draw(st.sampled_from(variants(name)))
    layout = draw(st.sampled_from(LAYOUTS))
    shape = (
        1 if len(layout) == 3 else draw(st.integers(1, 3)),
        draw(st.sampled_from((1, 2, 3, 15, 16, 17, 33))),
        draw(st.integers(1, 20)),
        draw(st.integers(1, 20)),
    )
    output_size = draw(st.integers(1, 4)), draw(st.sampled_from((1, 2, 3, 5, 9)))
    scale = 1.0 if row.normalized else draw(st.sampled_from((1.0, 0.0625, 0.37)))
    count = draw(st.integers(1, 4))
    image = draw(st.lists(st.integers(0, shape[0] - 1), min_size=count, max_size=count))
    edges = [
        draw(_edges(row, size, max(size - 1, 1) if row.normalized else scale))
        for _ in range(count)
        for size in (shape[3], shape[2])
    ]
    boxes = np.array(edges).reshape(count, 2, 2).transpose(0, 2, 1).reshape(count, 4)
    features = draw(_features(shape, finite=row.border == "continue"))
    return Crop(row, features, layout, np.array(image), boxes, output_size, scale)


@st.composite
def _edges(draw: st.DrawFn, row: Convention, size: int, cells: float) -> tuple[float, float]:
    """Where a box begins and ends along an axis of `size` cells, in units of 1/cells cells."""
    awkward = (-1.0, -0.5, 0.0, 0.5, size - 1.0, size - 0.5, float(size), size + 0.5, FAR, -FAR)
    place = st.one_of(
        st.sampled_from(awkward),
        st.integers(-8, 4 * size + 8).map(lambda quarter: quarter / 4),
        # A weight so small that half of it is 0 would tell an infinite cell from none.
        st.floats(-3, size + 3, width=32).map(lambda v: v if abs(v) > 1e-30 else 0.0),
    )
    # The reference counts every sample: where their number grows with the box, boxes are small.
    lengths = st.one_of(st.sampled_from((0.0, 1e-3, 1.0)), st.floats(0, 12, width=32))
    begin = draw(place)
    end = begin + draw(lengths) if row.sampling_ratio == "adaptive" else draw(place)
    if row.sampling_ratio != "adaptive" and draw(st.booleans()):
        begin, end = min(begin, end), max(begin, end)
    elif draw(st.integers(0, 9)) == 0:
        begin, end = end, begin
    return begin / cells, end / cells


@st.composite
def _features(draw: st.DrawFn, shape: tuple[int, int, int, int], *, finite: bool) -> Array:
    """finite: where samples may weigh a cell with both signs, for cores add the weights first."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    features = rng.uniform(-50, 50, shape) if dtype.kind != "u" else rng.uniform(0, 100, shape)
    if dtype.kind == "f" and not finite and draw(st.integers(0, 3)) == 0:
        where = rng.random(shape) < 0.1
        features[where] = rng.choice([np.nan, np.inf, -np.inf], np.count_nonzero(where))
    return draw(st.sampled_from(STRIDES))(features.astype(dtype))


def _sliced(features: Array) -> Array:
    images, channels, height, width = features.shape
    larger = np.zeros((images, channels + 3, 2 * height, 3 * width), features.dtype)
    view = larger[:, 2:-1, ::2, 1::3]
    view[...] = features
    return view


def _unaligned(features: Array) -> Array:
    memory = np.zeros(features.nbytes + 1, np.uint8)
    view = memory[1:].view(features.dtype).reshape(features.shape)
    view[...] = features
    return view


def _read_only(features: Array) -> Array:
    features = features.copy()
    features.flags.writeable = False
    return features


def _channels_last(features: Array) -> Array:
    return np.ascontiguousarray(features.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


# The same numbers, laid out otherwise.
STRIDES: Final[tuple[Callable[[Array], Array], ...]] = (
    np.ascontiguousarray,
    np.asfortranarray,
    _channels_last,
    _sliced,
    _unaligned,
    _read_only,
    lambda features: features[::-1, ::-1, ::-1, ::-1],
    lambda features: features.swapaxes(2, 3).copy().swapaxes(2, 3),
)
