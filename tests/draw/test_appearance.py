"""Colours, numbers, words and views of the figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from roicrop.draw.canvas import FINER, Brush, blank, clean, shorten, text_width, wrap
from roicrop.draw.colour import (
    INFINITE,
    MINUS_INFINITE,
    NOT_A_NUMBER,
    Scale,
    readable_on,
    scale_of,
)
from roicrop.draw.map import BRACKETS, _brackets, _fitting
from roicrop.draw.sheet import Sheet
from roicrop.draw.view import MOST_STRETCH, Span, fit, in_sight
from roicrop.text import format_for, ticks
from tests.draw.boxes import FEATURES, assert_legible, crop, panel_of, text_of


def test_what_has_no_place_on_the_scale_has_a_colour_of_its_own() -> None:
    values = np.array([np.nan, np.inf, -np.inf])
    found = [tuple(c) for c in Scale(0.0, 1.0).colours(values).tolist()]
    assert found == [NOT_A_NUMBER, INFINITE, MINUS_INFINITE]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, unique=True))
def test_larger_values_are_never_darker(values: list[float]) -> None:
    values.sort()
    rgb = Scale(values[0], values[-1]).colours(np.array(values)).astype(np.float64)
    light = rgb @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(light) >= -1.5).all()


def test_what_a_maximum_over_nothing_gives_does_not_stretch_the_scale() -> None:
    features = FEATURES.copy()
    features[:, 4:9, 4:9] = np.nan
    options = {"convention": "fast-rcnn", "features": features, "channel": 0}
    assert crop((32, 32, 100, 100), 5, **options).values.min() < -1e38  # type: ignore[arg-type]
    sheet = panel_of((32, 32, 100, 100), 5, **options)  # type: ignore[arg-type]
    assert "−3e38" in text_of(sheet)
    assert "×10" not in text_of(sheet)


def test_a_scale_of_nothing_finite_has_no_numbers() -> None:
    empty = scale_of([np.array([np.nan, np.inf])], (-1.0, 1.0))
    assert empty.is_empty
    np.testing.assert_array_equal(
        empty.colours(np.array([np.nan, np.inf, -np.inf])), [NOT_A_NUMBER, INFINITE, MINUS_INFINITE]
    )
    features = np.full((2, 24, 30), np.nan, np.float32)
    said = text_of(panel_of((32, 32, 100, 100), 2, convention="detectron2", features=features))
    assert "no number to colour" in said


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_numbers_stand_out_from_their_background(red: int, green: int, blue: int) -> None:
    ink = readable_on(np.array([red, green, blue], np.uint8))

    def luminance(*colour: int) -> float:
        linear = [((v / 255 + 0.055) / 1.055) ** 2.4 if v > 10 else v / 3294.6 for v in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(red, green, blue), luminance(*ink[:3])))
    assert (light + 0.05) / (dark + 0.05) > 4


@given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30))
def test_ticks_lie_within_their_bounds(one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = ticks(low, high, 6)
    slack = 1e-6 * (high - low)
    assert all(low - slack <= v <= high + slack for v in found)
    assert len(found) <= 6


@given(st.floats(-1e12, 1e12).filter(lambda v: abs(v) > 1e-12))
def test_written_numbers_can_be_read_back(value: float) -> None:
    written = format_for(min(value, 0.0), max(value, 0.0))
    read = float(written(value).replace("−", "-")) * 10.0**written.exponent
    assert abs(read - value) <= 0.006 * abs(value)


_RAMP = np.linspace(-2.0, 2.0, 49)


@pytest.mark.parametrize(
    ("values", "room", "expected"),
    [
        (_RAMP, 60, "−2.00"),
        (_RAMP, 40, "−2.0"),
        (_RAMP, 30, None),  # −1, 0 and 1 would be all that is left
        (_RAMP / 4, 40, "−.50"),
        (40 * _RAMP, 40, "−80"),
        (1000 + _RAMP / 100, 60, None),
        (np.append(_RAMP, 1e6), 60, None),
        (np.full(9, 3.5), 40, "3.50"),
        (np.arange(10.0), 12, None),
        (np.arange(10.0), 30, "0"),
    ],
)
def test_numbers_are_left_out_where_they_would_not_tell_cells_apart(
    values: NDArray[np.float64], room: float, expected: str | None
) -> None:
    written = _fitting(Scale(float(values.min()), float(values.max())), values, room)
    assert (written and written(float(values[0]))) == expected


@pytest.mark.parametrize(
    ("values", "room", "expected"),
    [
        (np.append(_RAMP / 10, 9), 40, "−0.2"),
        (1000 + _RAMP / 100, 90, "999.980"),
        (1000 + _RAMP / 1e9, 60, "1000"),
    ],
)
def test_pooled_values_have_numbers_however_close_they_are(
    values: NDArray[np.float64], room: float, expected: str
) -> None:
    scale = Scale(float(values.min()), float(values.max()))
    written = _fitting(scale, values, room, close=True)
    assert written
    assert written(float(values[0])) == expected


@settings(max_examples=50)
@given(st.text(max_size=80), st.floats(30, 400))
def test_shortened_texts_fit(text: str, room: float) -> None:
    text = clean(text)
    assert text_width(shorten(text, 14, room), 14) <= room
    assert all(text_width(line, 14) <= room for line in wrap(text, 14, room))


@given(
    st.lists(st.tuples(st.integers(-3, 40), st.integers(1, 9)), min_size=1, max_size=20),
    st.booleans(),
)
def test_brackets_never_cover_one_another(spans: list[tuple[int, int]], vertical: bool) -> None:
    cells = [Span(low - 0.5, low + size - 0.5) for low, size in spans]
    brackets = _brackets(cells, -0.5, 12.0, 400, vertical=vertical)
    sheet = Sheet()
    brackets.place(sheet, 50, 50)
    assert min(brackets.width, brackets.height) <= BRACKETS
    if sheet.placed:
        assert_legible(sheet)


@given(
    low=st.floats(-200, 200),
    size=st.floats(0, 300),
    other=st.floats(0, 60),
    cells=st.integers(1, 100),
)
def test_a_view_shows_what_it_has_to(low: float, size: float, other: float, cells: int) -> None:
    rows, columns = in_sight(Span(low, low + size), cells), in_sight(Span(0, other), 60)
    view = fit(rows, columns, (cells, 60), 500, (200, 400))
    assert 1 / MOST_STRETCH <= view.cell_y / view.cell_x * (1 + 1e-9) <= MOST_STRETCH * (1 + 2e-9)
    for shown, wanted in ((view.rows, rows), (view.columns, columns)):
        assert shown.low <= wanted.low + 1e-6 * abs(wanted.low) + 1e-9
        assert shown.high >= wanted.high - 1e-6 * abs(wanted.high) - 1e-9
    assert view.ranges((cells, 60))[0]
    on_the_map = Span(max(low, -0.5), min(low + size, cells - 0.5))
    if on_the_map.size > 0:
        assert view.rows.holds(on_the_map.low)
        assert view.rows.holds(on_the_map.high)


def test_lines_are_drawn_at_fractions_of_a_pixel() -> None:
    brush = Brush(blank(10, 10, (0, 0, 0)))
    assert FINER == 4
    brush.line(5.25, 0, 5.25, 10, 1.0, (200, 200, 200))
    row = np.asarray(brush.finish())[5, :, 0]
    assert row.tolist() == [0, 0, 0, 0, 50, 150, 0, 0, 0, 0]
