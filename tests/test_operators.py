"""The array API, with whichever core: what it computes, what it takes, and what it refuses."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import roicrop
from roicrop import operators
from roicrop.conventions import CONVENTIONS, LOWEST_FLOAT32, lookup, resolve
from roicrop.errors import ArgumentError, BoxError
from roicrop.operators import default_threads, pair
from roicrop.precision import coordinate_dtype
from tests.crops import STRIDES, Crop, crops

pytestmark = pytest.mark.core

Array = NDArray[Any]

MAP = np.random.default_rng(1).standard_normal((2, 19, 12, 15)).astype(np.float32)
BOXES = np.array(
    [
        [0, 1.5, 2.25, 9.0, 7.5],
        [1, -4.0, 3.0, 20.0, 9.9],
        [1, 6.0, 6.0, 6.0, 6.0],
        [0, 0.3, 0.1, 14.6, 11.9],
    ]
)
BOX = [[0.0, 1.0, 2.0, 9.0, 7.5]]


# What it computes.


@pytest.mark.parametrize("name", CONVENTIONS)
@given(data=st.data())
@settings(max_examples=settings().max_examples // 2)
def test_a_crop_is_what_the_definitions_give(name: str, data: st.DataObject) -> None:
    crop = data.draw(crops(name))
    before = crop.features.copy()
    channels = sorted({0, crop.features.shape[1] - 1})
    try:
        expected = crop.defined(channels)
    except BoxError:
        with pytest.raises(BoxError, match=r"^box \d+ is reversed"):
            crop.pooled()
        return
    pooled = crop.pooled()
    assert pooled.shape == (len(crop.boxes), crop.features.shape[1], *crop.output_size)
    crop.assert_agree(pooled[:, channels], expected)
    np.testing.assert_array_equal(crop.features, before)


def test_the_notebooks_example_has_its_samples_and_its_average_divided_by_their_number() -> None:
    features = np.arange(100, dtype=np.float32).reshape(2, 5, 5, 2)
    box = (1.0, 4.0, 4.0, 4.0)
    pooled = roicrop.roi_align(features, [[1, *box]], 4, sampling_ratio=2, layout="NHWC")
    assert pooled[0, 0, 0].tolist() == [92.75, 93.75]
    plan = roicrop.plan([box], (5, 5), 4, sampling_ratio=2)
    y, x = plan.y.samples(0).position.tolist(), plan.x.samples(0).position.tolist()
    assert y == [4.0625, 4.1875, 4.3125, 4.4375, 4.5625, 4.6875, 4.8125, 4.9375]
    assert x == [1.1875, 1.5625, 1.9375, 2.3125, 2.6875, 3.0625, 3.4375, 3.8125]


@pytest.mark.parametrize("name", CONVENTIONS)
@given(data=st.data())
@settings(max_examples=settings().max_examples // 4)
def test_a_cell_that_a_bin_does_not_weigh_never_contributes(name: str, data: st.DataObject) -> None:
    crop = data.draw(crops(name))
    crop = dataclasses.replace(crop, features=np.nan_to_num(crop.features.astype(np.float32)))
    k = data.draw(st.integers(0, len(crop.boxes) - 1))
    p, q = (data.draw(st.integers(0, bins - 1)) for bins in crop.output_size)
    poisoned = np.full_like(crop.features, np.nan)
    try:
        plan = crop.plan(np.float32)
    except BoxError:
        return
    cells_y, cells_x = (
        [cell for row in axis.bin_rows(k, b) for cell in axis.row_taps(row)[0]]
        for axis, b in ((plan.y, p), (plan.x, q))
    )
    for y, x in itertools.product(cells_y, cells_x):
        poisoned[crop.image[k], :, y, x] = crop.features[crop.image[k], :, y, x]
    poisoned_crop = dataclasses.replace(crop, features=poisoned)
    np.testing.assert_array_equal(
        poisoned_crop.pooled()[k, :, p, q], crop.pooled()[k, :, p, q], strict=True
    )


@pytest.mark.parametrize("name", ["mask-rcnn", "detectron2", "onnx", "prroi", "fast-rcnn"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_strides_do_not_change_a_bit(name: str, dtype: str) -> None:
    row = CONVENTIONS[name]
    crop = Crop(row, MAP.astype(dtype), "NCHW", BOXES[:, 0].astype(int), BOXES[:, 1:], (3, 5), 0.9)
    plain = crop.pooled()
    for layout in STRIDES:
        if (same := layout(crop.features)).shape == MAP.shape and (same == crop.features).all():
            other = dataclasses.replace(crop, features=same)
            assert other.pooled().tobytes() == plain.tobytes()


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_half_precision_is_single_precision_rounded_once(mode: Any) -> None:
    half = MAP.astype(np.float16)
    single = roicrop.roi_align(half.astype(np.float32), BOXES, 7, 0.5, mode=mode)
    pooled = roicrop.roi_align(half, BOXES, 7, 0.5, mode=mode)
    assert pooled.dtype == np.float16
    assert pooled.tobytes() == single.astype(np.float16).tobytes()


@pytest.mark.parametrize("dtype", ["i1", "u2", "i8", "?", ">i4", "g", ">f4", ">f8", ">f2"])
def test_other_numbers_are_pooled_as_the_floats_that_they_are(dtype: str) -> None:
    numbers = np.arange(MAP.size).reshape(MAP.shape) % 100
    features = numbers.astype(dtype)
    native = {">f8": np.float64, ">f2": np.float16}.get(dtype, np.float32)
    pooled = roicrop.roi_align(features, BOXES, 3)
    assert pooled.dtype == native
    assert pooled.tobytes() == roicrop.roi_align(features.astype(native), BOXES, 3).tobytes()


# RoIPool.


def test_in_roipool_nan_never_wins_and_a_bin_of_nothing_else_is_float32s_lowest() -> None:
    nan, inf = np.nan, np.inf
    features = np.array([[[[nan, 3, nan, nan, nan, -inf, inf, nan]]]], dtype=np.float32)
    pooled = roicrop.roi_pool(features, [[0, 0, 0, 7, 0]], (1, 4))
    assert pooled.ravel().tolist() == [3, LOWEST_FLOAT32, LOWEST_FLOAT32, inf]
    assert roicrop.roi_pool(features.astype("f8"), [[0, 2, 0, 3, 0]], 1) == LOWEST_FLOAT32
    assert roicrop.roi_pool(features.astype("f2"), [[0, 2, 0, 3, 0]], 1) == -inf


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_roipools_bins_without_cells_are_0(mode: Any) -> None:
    boxes = [[0, 100, 0, 120, 9], [0, -50, -50, -40, -40], [0, -9, 0, 3, 0]]
    pooled = roicrop.roi_pool(MAP, boxes, (2, 4), mode=mode)
    assert (pooled[:2] == 0).all()
    assert (pooled[2, ..., :2] == 0).all()
    assert (pooled[2, ..., 3] != 0).all()


# How it is called.


def test_no_boxes_give_no_rows() -> None:
    nothing: tuple[Any, ...] = ([], [[], []], np.empty((0, 5)), [np.empty((0, 4))] * 2)
    for boxes in nothing:
        for operator in (roicrop.roi_align, roicrop.roi_pool):
            assert operator(MAP, boxes, (2, 3)).shape == (0, 19, 2, 3)
            last = operator(MAP.transpose(0, 2, 3, 1), boxes, (2, 3), layout="NHWC")
            assert last.shape == (0, 2, 3, 19)
    assert len(roicrop.plan([], (4, 4), 7)) == 0
    assert roicrop.roi_align(MAP[:0], [], 7).shape == (0, 19, 7, 7)


def test_boxes_may_be_listed_by_image() -> None:
    rows = BOXES[np.argsort(BOXES[:, 0], kind="stable")]
    pooled = roicrop.roi_align(MAP, rows, 3)
    listed = [rows[rows[:, 0] == i, 1:] for i in (0, 1)]
    for same in (listed, tuple(listed), [each.tolist() for each in listed]):
        np.testing.assert_array_equal(roicrop.roi_align(MAP, same, 3), pooled)
    np.testing.assert_array_equal(roicrop.roi_align(MAP, [listed[0], []], 3), pooled[:2])
    np.testing.assert_array_equal(roicrop.roi_align(MAP, rows.tolist(), 3), pooled)


def test_boxes_are_pooled_alike_however_many_are_taken_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    corners = np.sort(rng.uniform(-2, 9, (100, 2, 2)), axis=1).reshape(-1, 4)
    image = np.sort(rng.integers(0, 2, len(corners)))
    rows = np.column_stack([image, corners])
    listed = [corners[image == 0], corners[image == 1]]
    pooled = roicrop.roi_align(MAP, rows, 1)
    for at_once in (1, 7, 40, 99, 100):
        monkeypatch.setattr(operators, "_BOXES_AT_ONCE", at_once)
        for same in (rows, listed):
            np.testing.assert_array_equal(roicrop.roi_align(MAP, same, 1), pooled)


class OnlyArray:
    def __init__(self, array: Array) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self.array


class OnlyDlpack:
    def __init__(self, array: Array) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("kind", [OnlyArray, OnlyDlpack, np.asfortranarray])
def test_arrays_of_other_kinds_are_taken(kind: Any) -> None:
    pooled = roicrop.roi_align(kind(MAP), kind(BOXES), 3)
    np.testing.assert_array_equal(pooled, roicrop.roi_align(MAP, BOXES, 3))


@pytest.mark.parametrize("dtype", ["f4", "i8", "u1", "f2", ">f8"])
def test_boxes_may_be_of_any_number_type(dtype: str) -> None:
    whole = np.array([[0, 1, 2, 9, 7], [1, 0, 3, 12, 9]])
    pooled = roicrop.roi_align(MAP, whole.astype(dtype), 3)
    np.testing.assert_array_equal(pooled, roicrop.roi_align(MAP, whole.astype(np.float64), 3))


def test_boxes_on_one_image_need_no_image_number() -> None:
    boxes = [[1, 2, 9, 8], [0, 0, 5, 5]]
    numbered = [[0, *box] for box in boxes]
    expected = roicrop.roi_align(MAP[:1], numbered, 3)
    for same in (boxes, np.array(boxes), [np.array(boxes)]):
        assert roicrop.roi_align(MAP[:1], same, 3).tobytes() == expected.tobytes()
    assert len(roicrop.plan(numbered, (12, 15), 3)) == len(roicrop.plan(boxes, (12, 15), 3)) == 2
    assert len(roicrop.plan([boxes, boxes], (12, 15), 3)) == 4


def test_one_image_needs_no_number_of_images() -> None:
    boxes = BOXES[BOXES[:, 0] == 0]
    expected = roicrop.roi_align(MAP[:1], boxes, 3)
    np.testing.assert_array_equal(roicrop.roi_align(MAP[0], boxes, 3, layout="CHW"), expected)
    last = roicrop.roi_align(MAP[0].transpose(1, 2, 0), boxes, 3, layout="HWC")
    np.testing.assert_array_equal(last.transpose(0, 3, 1, 2), expected)


def test_none_is_the_conventions_value_and_what_is_given_overrides_it() -> None:
    same = [
        ({"convention": "mask-rcnn"}, {}),
        ({"convention": "mask-rcnn"}, {"sampling_ratio": 2, "aligned": False, "mode": "avg"}),
        ({"convention": "detectron2"}, {"sampling_ratio": -1, "aligned": True}),
        ({"convention": "torchvision"}, {"sampling_ratio": "adaptive"}),
        ({"convention": resolve("onnx", mode="max")}, {"convention": "onnx", "mode": "max"}),
    ]
    for one, other in same:
        pooled = roicrop.roi_align(MAP, BOXES, 3, 0.5, **one)  # type: ignore[arg-type]
        again = roicrop.roi_align(MAP, BOXES, 3, 0.5, **other)  # type: ignore[arg-type]
        np.testing.assert_array_equal(pooled, again)


def test_output_size_is_one_number_or_two_of_any_integer_type() -> None:
    for given_size in (3, (3, 3), [3, 3], np.int32(3), np.array([3, 3]), (np.uint8(3), 3)):
        assert pair(given_size) == (3, 3)
    assert roicrop.roi_align(MAP, BOX, (2, 5)).shape[2:] == (2, 5)


def test_coordinates_are_float64_only_on_float64_maps() -> None:
    kinds = {"f2": "f4", "f4": "f4", "f8": "f8", "i8": "f4"}
    assert {kind: np.dtype(coordinate_dtype(kind)).str[1:] for kind in kinds} == kinds


def test_there_is_a_thread_for_each_processor_unless_told_otherwise() -> None:
    assert default_threads() >= 1


# `out`.


def strided_outs(shape: tuple[int, ...], dtype: str) -> list[Array]:
    """Arrays of that shape, (K, C, PH, PW), in memory of other shapes."""
    count, channels, height, width = shape
    itemsize = np.dtype(dtype).itemsize
    return [
        np.full(shape, 7, dtype),
        np.full((count, height, width, channels), 7, dtype).transpose(0, 3, 1, 2),
        np.full((count, height, width, channels + 13), 7, dtype).transpose(0, 3, 1, 2)[:, 5:-8],
        np.full((count, channels + 4, height, width), 7, dtype)[:, 3:-1],
        np.full((count + 2, channels, height, width + 1), 7, dtype)[1:-1, :, :, 1:],
        np.full((width, height, channels, count), 7, dtype).T.transpose(0, 1, 2, 3),
        np.full(shape, 7, dtype)[::-1, ::-1, ::-1, ::-1],
        np.zeros(np.prod(shape) * itemsize + 4, np.uint8)[4:].view(dtype).reshape(shape),
        np.zeros(np.prod(shape) * itemsize + 1, np.uint8)[1:].view(dtype).reshape(shape),
    ]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("size", [(7, 7), (1, 2)])
def test_out_is_filled_wherever_it_lies_and_nothing_around_it(
    dtype: str, size: tuple[int, int]
) -> None:
    features = np.random.default_rng(2).standard_normal((2, 35, 12, 15)).astype(dtype)
    expected = roicrop.roi_align(features, BOXES, size)
    for out in strided_outs(expected.shape, dtype):
        memory = out
        while isinstance(memory.base, np.ndarray):
            memory = memory.base
        before = memory.copy()
        assert roicrop.roi_align(features, BOXES, size, out=out) is out
        assert out.tobytes() == expected.tobytes()
        out[...] = 7 if before.dtype == dtype else 0
        np.testing.assert_array_equal(memory, before)


def test_out_takes_channels_last_results() -> None:
    last = MAP.transpose(0, 2, 3, 1)
    out = np.empty((len(BOXES), 3, 5, 19), np.float32)
    assert roicrop.roi_align(last, BOXES, (3, 5), layout="NHWC", out=out) is out
    expected = roicrop.roi_align(MAP, BOXES, (3, 5))
    assert out.transpose(0, 3, 1, 2).tobytes() == expected.tobytes()


def test_an_out_that_the_result_does_not_fit_is_refused() -> None:
    shape = (len(BOXES), 19, 3, 5)
    read_only = np.empty(shape, np.float32)
    read_only.flags.writeable = False
    whole = np.zeros((2, 19, 12, 15), np.float32)
    folded = np.lib.stride_tricks.as_strided(np.zeros(1000, np.float32), shape, (64, 4, 8, 4))
    outs: list[tuple[Array, Any, str]] = [
        (MAP, np.empty((4, 19, 5, 3), np.float32), "out is float32 (4, 19, 5, 3), and the result"),
        (MAP, np.empty(shape, np.float64), "out is float64 (4, 19, 3, 5), and the result float32"),
        (MAP, np.empty(shape, ">f4"), "out is >f4 (4, 19, 3, 5), and the result float32"),
        (MAP, read_only, "give a writable array of the result's shape and dtype"),
        (MAP, np.empty(shape, np.float32).tolist(), "out is a list: give a NumPy array"),
        (MAP, folded, "out holds some of its elements in the same memory"),
        (whole, whole.reshape(-1)[: np.prod(shape)].reshape(shape), "out lies in the memory of"),
    ]
    for features, out, complaint in outs:
        with pytest.raises(ArgumentError, match=re.escape(complaint)) as error:
            roicrop.roi_align(features, BOXES, (3, 5), out=out)
        assert "\n" not in str(error.value)


# What it refuses.


@pytest.mark.parametrize(
    ("boxes", "complaint"),
    [
        ([*BOX, [0, 1, np.nan, 3, 4]], "box 1 has corners 1, nan, 3, 4, which are not finite"),
        ([*BOX, *BOX, [0, 1, 2, np.inf, 4]], "box 2 has corners 1, 2, inf, 4, which are not"),
        ([[0, -1e18, 2, 3, 4]], "box 0 has corners -1e+18, 2, 3, 4, which are too far away"),
        ([*BOX, [2, 1, 2, 3, 4]], "box 1 is on image 2, and the input has 2, counted from 0"),
        ([[-1, 1, 2, 3, 4]], "box 0 is on image -1, and the input has 2, counted from 0"),
        ([*BOX, [0.5, 1, 2, 3, 4]], "box 1 is on image 0.5, and the input has 2"),
        ([[np.nan, 1, 2, 3, 4]], "box 0 is on image nan, and the input has 2"),
        ([[1, 2, 3, 4]], "boxes has shape (1, 4): give (K, 5), image number first"),
        (np.ma.masked_array(BOX, False), "boxes is a masked array: fill in its masked values"),
        ([0, 1, 2, 3, 4], "boxes has shape (5,): give (K, 5), image number first"),
        ([[[1, 2, 3, 4]]], "boxes lists 1 images, input has 2: give one array for each"),
        ([[[1, 2, 3, 4]], [[1, 2, 3]]], "boxes[1] has shape (1, 3): give (L, 4)"),
        ([[[1, 2, 3, 4]], [1, 2, 3, 4]], "boxes[1] has shape (4,): give (L, 4)"),
        ([[0, 1, 2, 3, 4], [0, 1]], "boxes is not an array (setting an array element"),
        ([[0, 1, 2, 3, "x"]], "boxes[0] holds <U"),
        (np.array([[0, 1, 2, 3, 4]], dtype=complex), "boxes holds complex128: give real numbers"),
        (np.array([[0, 1, 2, 3, None]]), "boxes holds object: give real numbers"),
    ],
)
def test_boxes_that_make_no_sense_are_refused_by_row(boxes: Any, complaint: str) -> None:
    for operator in (roicrop.roi_align, roicrop.roi_pool):
        with pytest.raises(ValueError, match="^" + re.escape(complaint)) as error:
            operator(MAP, boxes, 3)
        assert isinstance(error.value, ArgumentError | BoxError)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"layout": "nchw"}, "layout 'nchw' is not known: choose from NCHW, CHW, NHWC, HWC"),
        ({"layout": "CHW"}, "input has shape (2, 19, 12, 15), not CHW: name its layout"),
        ({"input": MAP + 1j}, "input holds complex64: give real numbers"),
        ({"input": MAP.astype(str)}, "input holds <U32: give real numbers"),
        ({"input": MAP[:, :0]}, "input has shape (2, 0, 12, 15) (N, C, H, W): it has no cells"),
        ({"input": MAP[:, :, :, :0]}, "input has shape (2, 19, 12, 0) (N, C, H, W): it has no"),
        (
            {"input": np.broadcast_to(np.uint8(0), (1, 1, 2**30 + 1, 1))},
            "input has shape (1, 1, 1073741825, 1) (N, C, H, W): give at most 1073741824 cells",
        ),
        ({"output_size": 0}, "output_size is 0: give H×W bins, each at least 1"),
        ({"output_size": (7, 0)}, "output_size is (7, 0): give H×W bins"),
        ({"output_size": (7, 7, 7)}, "output_size is (7, 7, 7): give H×W bins"),
        ({"output_size": 3.5}, "output_size is 3.5: give H×W bins"),
        ({"output_size": "77"}, "output_size is 77: give H×W bins"),
        ({"spatial_scale": 0}, "spatial_scale is 0: give cells per pixel, above 0"),
        ({"spatial_scale": -0.5}, "spatial_scale is -0.5: give cells per pixel"),
        ({"spatial_scale": np.nan}, "spatial_scale is nan: give cells per pixel"),
        ({"spatial_scale": np.inf}, "spatial_scale is inf: give cells per pixel"),
        ({"sampling_ratio": "some"}, "sampling_ratio 'some' is not a whole number, adaptive or"),
        ({"sampling_ratio": 1.5}, "sampling_ratio 1.5 is not a whole number, adaptive or exact"),
        ({"sampling_ratio": np.nan}, "sampling_ratio nan is not a whole number, adaptive or"),
        ({"sampling_ratio": 2, "convention": "tensorflow"}, "sampling_ratio does not apply to"),
        ({"aligned": True, "convention": "tensorflow"}, "aligned does not apply to"),
        ({"mode": "mean"}, "mode 'mean' is not known: choose avg or max"),
        ({"mode": "max", "sampling_ratio": "exact"}, "an exact integral has no maximum"),
        ({"convention": "detectron3"}, "convention 'detectron3' is not one of roi_align's"),
        ({"convention": "fast-rcnn"}, "convention 'fast-rcnn' is not one of roi_align's"),
        ({"threads": 0}, "threads is 0: give a whole number, at least 1"),
        ({"threads": "2"}, "threads is 2: give a whole number, at least 1"),
        ({"spatial_scale": "0.5x"}, "spatial_scale is 0.5x: give cells per pixel"),
        ({"output_size": [[1], [2, 3]]}, "output_size is [[1], [2, 3]]: give H×W bins"),
        ({"layout": ["NCHW"]}, "layout ['NCHW'] is not known"),
        ({"input": np.ma.masked_array(MAP, False)}, "input is a masked array: fill in"),
    ],
)
@pytest.mark.parametrize("boxes", [BOX, []], ids=["a box", "no boxes"])
def test_arguments_that_make_no_sense_are_refused(
    arguments: dict[str, Any], complaint: str, boxes: Any
) -> None:
    call: dict[str, Any] = {"input": MAP, "output_size": 3, **arguments}
    with pytest.raises(ArgumentError, match="^" + re.escape(complaint)) as error:
        roicrop.roi_align(boxes=boxes, **call)
    assert "\n" not in str(error.value)


def test_a_box_that_the_convention_refuses_is_named_however_many_there_are() -> None:
    boxes = np.tile(BOX, (5000, 1))
    boxes[4321, 1:] = 9, 2, 1, 7
    with pytest.raises(BoxError, match=r"^box 4321 is reversed along one axis only"):
        roicrop.roi_align(MAP, boxes, 1, convention="detectron2")
    with pytest.raises(BoxError, match=r"^box 4321 is reversed, which mmcv refuses"):
        roicrop.roi_align(MAP, boxes, 1, convention="mmcv", sampling_ratio=1)


def test_an_out_in_the_memory_of_the_boxes_is_refused() -> None:
    memory = np.zeros(1000, np.float32)
    out = memory[: 2 * 19].reshape(2, 19, 1, 1)
    table = memory[30:40].reshape(2, 5)
    listed = [memory[30:34].reshape(1, 4), memory[100:104].reshape(1, 4)]
    for boxes in (table, listed, listed[::-1]):
        with pytest.raises(ArgumentError, match=r"^out lies in the memory of boxes"):
            roicrop.roi_align(MAP.astype("f4"), boxes, 1, out=out)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ([7, 1, 1, 2, 2], "is on image 7, and the input has 2"),
        ([0, 1, 1, np.nan, 2], "has corners 1, 1, nan, 2, which are not finite"),
        ([0, 9, 2, 1, 7], "is reversed along one axis only"),
    ],
)
def test_a_wrong_box_is_named_and_nothing_is_pooled_however_many_come_before(
    wrong: list[float], complaint: str
) -> None:
    boxes = np.tile(BOX, (140_000, 1)).astype(np.float64)
    boxes[139_000] = wrong
    out = np.full((len(boxes), 1, 1, 1), 5, np.float32)
    with pytest.raises(BoxError, match=f"^box 139000 {complaint}"):
        roicrop.roi_align(MAP[:, :1].astype("f4"), boxes, 1, convention="detectron2", out=out)
    assert (out == 5).all()


def test_a_plan_is_refused_what_an_operator_is() -> None:
    for arguments, complaint in (
        ({"boxes": [[1, 2, 3]]}, "boxes has shape (1, 3): give (K, 5), image number first, (K, 4)"),
        ({"boxes": [[1, 2, 3, np.nan]]}, "box 0 has corners"),
        ({"boxes": [[1, 2, 3, 4]], "spatial_scale": np.nan}, "spatial_scale is nan"),
        ({"boxes": [[3, 2, 1, 4]], "convention": "detectron2"}, "box 0 is reversed"),
    ):
        with pytest.raises(ValueError, match="^" + re.escape(complaint)):
            roicrop.plan(**{"map_size": (5, 5), "output_size": 2, **arguments})  # type: ignore[arg-type]


def test_roi_pool_goes_by_the_name_of_every_framework_that_has_it() -> None:
    pooled = roicrop.roi_pool(MAP, BOXES, 3)
    for name in ("torchvision", "detectron2", "onnx", "paddle", "fast-rcnn"):
        assert lookup(name, "pool").name == "fast-rcnn"
        np.testing.assert_array_equal(roicrop.roi_pool(MAP, BOXES, 3, convention=name), pooled)
