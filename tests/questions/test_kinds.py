"""Arguments of wrong types are refused by name, in one line, before anything is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import roicrop
from roicrop.errors import ArgumentError, RoicropError
from tests.fuzz import api


@pytest.mark.parametrize(
    ("function", "name", "value"),
    [
        ("show", "photo", {}), ("show", "k", "0"), ("show", "both", np.array([[0, 1]])),
        ("show", "figure", ["box"]), ("explore", "operator", "x"), ("explore", "bin", iter([1])),
        ("explore", "max_size", b"1"), ("explain", "channel", 1.5), ("explain", "layout", {1}),
        ("explain", "columns", [object()]), ("explain", "on_image", len),
        ("explain", "input", "\0"), ("explore", "input", "\ud800"), ("explain", "k", None),
        ("explain", "channel", None),
        ("show", "k", (1,)), ("explore", "operator", np.array([1.5, 2])),
        ("explain", "images", object), ("explain", "input_scale", np.datetime64("NaT")),
        ("explain", "stride", "8"), ("explain", "normalized", "no"), ("explain", "levels", "p2"),
        ("compare", "conventions", "detectron2"), ("compare", "tolerance", {"a": 1}),
        ("compare", "worst", ["a"]), ("compare", "top_k", range(3)), ("compare", "min_score", 1j),
        ("identify", "boxes", "a\0"), ("identify", "spatial_scale", np.array(3)),
        ("identify", "label_column", np.zeros((0, 4))), ("identify", "image_size", (1, 2, 3)),
        ("compare", "image_size", (0, 0)), ("compare", "worst", np.timedelta64(1)),
        ("explain", "channel", np.timedelta64(1)),
    ],
)  # fmt: skip
def test_an_argument_of_a_wrong_type_is_refused_by_name(
    function: str, name: str, value: Any
) -> None:
    given = {**api.GOOD[function], name: value}
    with pytest.raises(ArgumentError, match=f"^{name} is .*: give ") as refused:
        getattr(roicrop, function)(**given)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("function", api.GOOD)
def test_what_an_error_quotes_is_printable_and_short(function: str) -> None:
    given = {**api.GOOD[function]}
    first = next(iter(given))
    for junk in ("\x1b[31m\n", np.array([object()]), "x" * 100_000, {"\x1b": 1}):
        with pytest.raises(RoicropError) as refused:
            getattr(roicrop, function)(**{**given, first: junk})
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 3000


def test_calls_with_arguments_of_any_type_give_a_result_or_an_error_of_one_line() -> None:
    assert api.run(["api", "2"]) == 0
