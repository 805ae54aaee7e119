"""A map may be a window of a larger one: the result is the whole map's, to the bit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from roicrop import kernels
from roicrop.conventions import PLAIN
from roicrop.errors import BoxError
from roicrop.kernels import numpy_core
from roicrop.precision import coordinate_dtype, pooled_dtype
from tests.crops import Crop, crops

pytestmark = pytest.mark.core

Array = NDArray[Any]
Window = tuple[slice, slice]

CORES = {core.NAME: core.crop for core in (kernels, numpy_core)}
each_core = pytest.mark.parametrize("core", CORES)


def crop(core: str, crop: Crop, features: Array, **options: Any) -> Array:
    """What a core makes of a crop's boxes on other features."""
    dtype = coordinate_dtype(features.dtype)
    out = np.empty(
        (len(crop.boxes), features.shape[1], *crop.output_size), pooled_dtype(features.dtype)
    )
    if crop.layout.endswith("C"):
        out = np.ascontiguousarray(out.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    CORES[core](
        features,
        np.asarray(crop.image, np.int64),
        np.ascontiguousarray(crop.boxes, dtype),
        out,
        convention=crop.row,
        spatial_scale=crop.spatial_scale,
        threads=2,
        **options,
    )
    return out


def cells_read(crop: Crop) -> tuple[Array, Array]:
    """The cells along y and x that some box which reads any names."""
    plan = crop.plan(coordinate_dtype(crop.features.dtype))
    named: tuple[list[int], list[int]] = [], []
    for k in range(len(crop.boxes)):
        of_box = [
            [
                cell
                for p in range(axis.bins)
                for row in axis.bin_rows(k, p)
                for cell in axis.row_taps(row)[0]
            ]
            for axis in (plan.y, plan.x)
        ]
        if all(of_box):
            for all_cells, cells in zip(named, of_box, strict=True):
                all_cells += cells
    return np.unique(named[0]).astype(int), np.unique(named[1]).astype(int)


@each_core
def test_large_boxes_are_summed_alike_from_few_of_their_rows(core: str) -> None:
    features = np.random.default_rng(0).standard_normal((1, 3, 1500, 1400), np.float32)
    row = PLAIN["mask-rcnn"]
    box = np.array([[3.0, 5, 1390, 1490]])
    case = Crop(row, features, "NCHW", np.array([0]), box, (7, 7), 1.0)
    some, places = lines_of(features, cells_read(case))
    assert some[0, 0].size == 28 * 28
    found = crop(core, case, some, map_size=(1500, 1400), places=places)
    np.testing.assert_array_equal(found, crop(core, case, features))


def lines_of(features: Array, cells: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
    """Some rows and columns of a map, without those between, and where each of the map's is."""
    named = [each if len(each) else np.array([0]) for each in cells]
    some = np.ascontiguousarray(features[:, :, named[0]][..., named[1]])
    places = []
    for size, each in zip(features.shape[2:], named, strict=True):
        places.append(np.full(size, -1, np.int32))
        places[-1][each] = np.arange(len(each))
    return some, (places[0], places[1])


def windowed(features: Array, window: Window) -> Array:
    """The window of a map, in memory of its own whose surroundings are poisoned."""
    view = features[:, :, window[0], window[1]]
    poison = np.nan if features.dtype.kind == "f" else np.iinfo(features.dtype).max
    axes = (0, 2, 3, 1) if features.strides[1] < features.strides[3] else (0, 1, 2, 3)
    shape = [size + 4 for size in view.shape]
    around = np.full([shape[a] for a in axes], poison, features.dtype).transpose(np.argsort(axes))
    inside = around[2:-2, 2:-2, 2:-2, 2:-2]
    inside[...] = view
    return inside


@each_core
@pytest.mark.parametrize("name", PLAIN)
@given(data=st.data())
@settings(max_examples=settings().max_examples // 5)
def test_a_window_that_has_the_cells_that_boxes_read_gives_the_same_bits(
    core: str, name: str, data: st.DataObject
) -> None:
    case = data.draw(crops(name))
    try:
        cells = cells_read(case)
    except BoxError:
        return
    edges = []
    for named, size in zip(cells, case.features.shape[2:], strict=True):
        low, high = (named[0], named[-1] + 1) if len(named) else (0, 1)
        begin = data.draw(st.integers(0, int(low)))
        edges.append(slice(begin, data.draw(st.integers(int(high), size))))
    window = edges[0], edges[1]
    map_size = case.features.shape[2], case.features.shape[3]
    expected = crop(core, case, case.features)
    for features in (windowed(case.features, window), case.features[:, :, window[0], window[1]]):
        origin = window[0].start, window[1].start
        found = crop(core, case, features, map_size=map_size, origin=origin)
        assert found.tobytes() == expected.tobytes()
    some, places = lines_of(case.features, cells)
    found = crop(core, case, some, map_size=map_size, places=places)
    assert found.tobytes() == expected.tobytes()


@each_core
@pytest.mark.parametrize("name", ["mask-rcnn", "detectron2", "onnx", "prroi", "fast-rcnn"])
@given(data=st.data())
@settings(max_examples=settings().max_examples // 5)
def test_a_window_that_lacks_a_cell_that_a_box_reads_is_an_error(
    core: str, name: str, data: st.DataObject
) -> None:
    case = data.draw(crops(name))
    try:
        cells = cells_read(case)
    except BoxError:
        return
    map_size = case.features.shape[2], case.features.shape[3]
    for axis in (0, 1):
        for lacks_first in (True, False):
            if not len(cells[axis]):
                return
            begin, end = (
                (int(cells[axis][0]) + 1, map_size[axis])
                if lacks_first
                else (0, int(cells[axis][-1]))
            )
            if begin >= end:
                continue
            window = [slice(0, size) for size in map_size]
            window[axis] = slice(begin, end)
            features = case.features[:, :, window[0], window[1]]
            with pytest.raises(ValueError, match="outside the window"):
                crop(
                    core,
                    case,
                    features,
                    map_size=map_size,
                    origin=(window[0].start, window[1].start),
                )


@each_core
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_window_of_a_large_box_gives_the_same_bits(core: str, layout: str) -> None:
    row = dataclasses.replace(PLAIN["detectron2"])
    features = np.random.default_rng(0).standard_normal((1, 20, 300, 420)).astype(np.float32)
    if layout == "NHWC":
        features = np.ascontiguousarray(features.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    boxes = np.array([[60.0, 20, 400, 290], [70.5, 31, 90, 60]])
    case = Crop(row, features, layout, np.zeros(2, int), boxes, (3, 5), 1.0)
    expected = crop(core, case, features)
    found = crop(core, case, features[:, :, 15:, 50:], map_size=(300, 420), origin=(15, 50))
    assert found.tobytes() == expected.tobytes()
