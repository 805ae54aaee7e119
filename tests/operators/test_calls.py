"""How the operators are called: kinds of arrays, arguments, and `out`."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import roicrop
from roicrop import operators
from roicrop.arguments import default_threads, pair
from roicrop.conventions import resolve
from roicrop.errors import ArgumentError
from roicrop.precision import coordinate_dtype
from tests.operators.maps import BOX, BOXES, MAP

pytestmark = pytest.mark.core

Array = NDArray[Any]


def test_no_boxes_give_no_rows() -> None:
    nothing: tuple[Any, ...] = ([], [[], []], np.empty((0, 5)), [np.empty((0, 4))] * 2)
    for boxes in nothing:
        for operator in (roicrop.roi_align, roicrop.roi_pool):
            assert operator(MAP, boxes, (2, 3)).shape == (0, 19, 2, 3)
            last = operator(MAP.transpose(0, 2, 3, 1), boxes, (2, 3), layout="NHWC")
            assert last.shape == (0, 2, 3, 19)
    for boxes in ([], [[]], [np.empty((0, 4))] * 2):
        assert len(roicrop.plan(boxes, (4, 4), 7)) == 0
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
        (MAP, folded, "elements of out overlap in memory"),
        (whole, whole.reshape(-1)[: np.prod(shape)].reshape(shape), "out shares memory with"),
    ]
    for features, out, complaint in outs:
        with pytest.raises(ArgumentError, match=re.escape(complaint)) as error:
            roicrop.roi_align(features, BOXES, (3, 5), out=out)
        assert "\n" not in str(error.value)
