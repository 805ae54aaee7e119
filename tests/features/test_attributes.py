"""Which layout and scale are used, and where they come from."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest

from roicrop.errors import ArgumentError
from roicrop.features import Scale, open_features
from tests.features.files import BATCH, MAP, message_of, write

# Layout


@pytest.mark.parametrize(
    ("layout", "last"),
    [("NCHW", False), ("CHW", False), ("NHWC", True), ("HWC", True), ("nhwc", True)],
)
@pytest.mark.parametrize("data", [MAP, BATCH], ids=["rank 3", "rank 4"])
@pytest.mark.parametrize("form", [str, str.encode, np.bytes_, lambda text: [text], None])
def test_layout_comes_from_the_option_or_any_form_of_the_attribute(
    path: str, layout: str, last: bool, data: Any, form: Any
) -> None:
    write(path, {"x": data}, layout="CHW" if form is None else form(layout))
    with open_features(path, layout=layout if form is None else None) as source:
        assert source.channels_last is last
        assert source.channels == (4 if last else 2)
        assert source.map_size(0) == ((2, 3) if last else (3, 4))
        assert source.read(0).shape == (2, 3, 4)


def test_a_layout_that_is_none_is_refused(path: str) -> None:
    write(path, {"x": BATCH}, layout="NVHC")
    message = message_of(path)
    assert message.startswith(f"{path}::/x: attribute layout is 'NVHC', not NCHW")
    with open_features(path, layout="NCHW") as source:
        assert source.channels == 2
    with pytest.raises(ArgumentError, match="layout 'NC' is not known: choose NCHW"):
        open_features(path, layout="NC")


# Scale


@pytest.mark.parametrize(
    ("attributes", "scale"),
    [
        ({"stride": 16}, Scale(0.0625, "attribute stride")),
        ({"stride": np.float32(16)}, Scale(0.0625, "attribute stride")),
        ({"stride": [8, 8]}, Scale(0.125, "attribute stride")),
        ({"stride": "4"}, Scale(0.25, "attribute stride")),
        ({"stride": b"4"}, Scale(0.25, "attribute stride")),
        ({"spatial_scale": 0.125}, Scale(0.125, "attribute spatial_scale")),
        ({"stride": 3, "spatial_scale": np.float32(1 / 3)}, Scale(1 / 3, "attribute stride")),
        ({"stride": h5py.Empty("f4")}, Scale(1.0, "default")),
        ({}, Scale(1.0, "default")),
    ],
)
def test_scale_comes_from_the_attributes(
    path: str, attributes: dict[str, Any], scale: Scale
) -> None:
    write(path, {"x": BATCH}, **attributes)
    with open_features(path) as source:
        assert source.scale(0) == source.scale(4) == scale


def test_the_option_goes_before_the_attribute_and_says_its_name(path: str) -> None:
    write(path, {"x": MAP}, stride="nonsense")
    with open_features(path, spatial_scale=0.5, origin="--stride") as source:
        assert source.scale(0) == Scale(0.5, "--stride")


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"stride": 0}, "attribute stride is 0, not a positive number"),
        ({"stride": -4.0}, "attribute stride is -4.0"),
        ({"stride": np.nan}, "attribute stride is nan"),
        ({"spatial_scale": np.inf}, "attribute spatial_scale is inf"),
        ({"stride": "wide"}, "attribute stride is 'wide'"),
        ({"stride": []}, "attribute stride is []"),
        ({"stride": [8, 16]}, "attribute stride is (8.0, 16.0), but must be the same on both axes"),
        ({"stride": 8, "spatial_scale": 0.25}, "stride is 8, but spatial_scale is 0.25, which is"),
        ({"input_scale": 0}, "attribute input_scale is 0"),
        ({"input_scale": [1, 2, 3]}, "attribute input_scale is (1.0, 2.0, 3.0)"),
    ],
)
def test_an_attribute_that_makes_no_sense_is_named(
    path: str, attributes: dict[str, Any], reason: str
) -> None:
    write(path, {"x": MAP}, **attributes)
    message = message_of(path)
    assert message.startswith(f"{path}::/x: ")
    assert reason in message


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_an_option_that_makes_no_sense_is_refused(path: str, scale: float) -> None:
    write(path, {"x": MAP})
    with pytest.raises(ArgumentError, match="--stride: a scale of"):
        open_features(path, spatial_scale=scale, origin="--stride")
    with pytest.raises(ArgumentError, match="input scale"):
        open_features(path, input_scale=(1.0, scale))


def test_input_scale_is_x_then_y_in_the_file_and_y_then_x_in_python(path: str) -> None:
    write(path, {"x": MAP}, input_scale=[0.5, 0.25])
    with open_features(path) as source:
        assert source.input_scale(0) == (0.25, 0.5)
    with open_features(path, input_scale=(2.0, 3.0)) as source:
        assert source.input_scale(0) == (2.0, 3.0)
    write(path, {"x": MAP})
    with open_features(path) as source:
        assert source.input_scale(0) == (1.0, 1.0)
