"""Numbers in text are exact, or rounded to be short."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.text import brief, exact, in_column, tidy


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_exact_numbers_give_the_number_back(value: float) -> None:
    text = exact(np.float32(value)).replace("−", "-")
    assert np.float32(text) == np.float32(value)
    assert len(text) <= 22


def test_numbers_are_as_short_as_they_may_be() -> None:
    assert exact(np.float32(0.1)) == "0.1"
    assert exact(0.1 + 0.2) == "0.30000000000000004"
    assert brief(0.1 + 0.2) == "0.3"
    assert exact(-2.5) == "−2.5"
    assert exact(-0.0) == "0"
    assert exact(1e-7) == "1e-7"
    assert exact(-(10**3)) == "−1000"
    assert brief(2 / 3) == "0.6666667"
    assert brief(math.inf) == "∞"


def test_a_column_has_its_points_under_one_another() -> None:
    assert in_column([1.5, 10.25, 3, None]) == ["1.5 ", "10.25", "3   ", "   "]
    assert in_column([]) == []
    assert in_column([math.nan, 2.0]) == ["NaN", "2"]
    assert in_column([1e20, 1.0]) == ["1e+20", "1"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (-0.004, "0"), (3.0, "3"), (1e9, "1e+09"), (-12.5, "−12.5"), (math.inf, "∞")],
)
def test_numbers_in_sentences_are_short(value: float, text: str) -> None:
    assert tidy(value) == text
