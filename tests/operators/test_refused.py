"""What the operators refuse."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import roicrop
from roicrop.conventions import lookup
from roicrop.errors import ArgumentError, BoxError
from tests.operators.maps import BOX, BOXES, MAP

pytestmark = pytest.mark.core

Array = NDArray[Any]


@pytest.mark.parametrize(
    ("boxes", "complaint"),
    [
        ([*BOX, [0, 1, np.nan, 3, 4]], "box 1 has corners 1, nan, 3, 4, which are not finite"),
        ([*BOX, *BOX, [0, 1, 2, np.inf, 4]], "box 2 has corners 1, 2, inf, 4, which are not"),
        ([[0, -1e18, 2, 3, 4]], "box 0 has corners -1e+18, 2, 3, 4, which are too far away"),
        (
            [*BOX, [2, 1, 2, 3, 4]],
            "box 1 is on image 2, and the input has 2 images, numbered from 0",
        ),
        ([[-1, 1, 2, 3, 4]], "box 0 is on image -1, and the input has 2 images"),
        ([*BOX, [0.5, 1, 2, 3, 4]], "box 1 is on image 0.5, and the input has 2"),
        ([[np.nan, 1, 2, 3, 4]], "box 0 is on image nan, and the input has 2"),
        ([[1, 2, 3, 4]], "boxes has shape (1, 4): give (K, 5), image index first"),
        (np.ma.masked_array(BOX, False), "boxes is a masked array: fill in its masked values"),
        ([0, 1, 2, 3, 4], "boxes has shape (5,): give (K, 5), image index first"),
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
        (
            {"convention": "detectron3"},
            "no convention 'detectron3' for roi_align: did you mean detectron2",
        ),
        (
            {"convention": "fast-rcnn"},
            "the convention fast-rcnn is for `pool`, not `align`: choose from ",
        ),
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
        with pytest.raises(ArgumentError, match=r"^out shares memory with boxes"):
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
        ({"boxes": [[1, 2, 3]]}, "boxes has shape (1, 3): give (K, 5), image index first, (K, 4)"),
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
