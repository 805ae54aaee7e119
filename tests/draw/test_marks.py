"""Pictures show what the plan says, where it is."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.draw import (
    Subject,
    marks,
    pool_marks,
    sample_marks,
)
from roicrop.draw.brush import Brush, blank
from roicrop.draw.colour import (
    BOX,
    INK,
    LOST,
    MOVED,
    OUTSIDE,
    POINT,
    Scale,
)
from roicrop.draw.heat import cells_in_sight, heat_map
from roicrop.draw.overlay import compose_overlay
from roicrop.draw.pictures import compose_panel
from roicrop.draw.subject import true_axes
from roicrop.draw.view import Span, fit
from tests.draw.boxes import (
    FEATURES,
    SUBJECT,
    crop,
    panel_of,
    text_of,
    view_of,
)


def test_every_cell_has_the_colour_of_its_value() -> None:
    view = view_of(Span(-2, 6), Span(3, 12))
    cells = cells_in_sight(FEATURES, view, channel=1)
    scale = Scale(-2.0, 2.0)
    image = heat_map(cells, view, scale).finish()
    for y, x in itertools.product(range(6), range(4, 12)):
        pixel = image.getpixel((round(view.x(x)), round(view.y(y))))
        assert pixel == tuple(scale.colours(FEATURES[1, y, x]))
    assert image.getpixel((200, round(view.y(-1)))) in OUTSIDE


def test_the_mean_over_channels_is_shown_unless_one_is_asked_for() -> None:
    view = view_of(Span(0, 6), Span(0, 8))
    shown = cells_in_sight(FEATURES, view, channel=None)
    rows = slice(shown.first_row, shown.first_row + shown.values.shape[0])
    columns = slice(shown.first_column, shown.first_column + shown.values.shape[1])
    mean = FEATURES.astype(np.float64).mean(axis=0)
    np.testing.assert_array_equal(shown.values, mean[rows, columns])
    one = cells_in_sight(FEATURES, view, channel=2)
    np.testing.assert_array_equal(one.values, FEATURES[2, rows, columns])


def test_every_sample_is_drawn_where_the_plan_has_it() -> None:
    plan, _ = crop((20, 20, 90, 70), 3, ratio=2)
    view = view_of(Span(1, 10), Span(1, 13))
    drawn = sample_marks.drawn_samples(view, plan, 0)
    brush = Brush(blank(view.height, view.width, (0, 0, 0)))
    sample_marks.samples(brush, view, drawn, sample_marks.PLAIN)
    light = np.asarray(brush.finish())[..., 0].astype(np.float64)
    expected = list(itertools.product(plan.y.samples(0).position, plan.x.samples(0).position))
    assert len(expected) == 36
    for y, x in expected:
        at_y, at_x = view.y(float(y)), view.x(float(x))
        top, left = round(at_y) - 7, round(at_x) - 7
        patch = light[top : top + 14, left : left + 14]
        ys, xs = np.mgrid[top : top + 14, left : left + 14] + 0.5
        assert abs((ys * patch).sum() / patch.sum() - at_y) < 0.2
        assert abs((xs * patch).sum() / patch.sum() - at_x) < 0.2
        light[top : top + 14, left : left + 14] = 0
    assert light.max() == 0


@pytest.mark.parametrize("vertical", [False, True])
def test_samples_off_the_map_are_marked_by_what_becomes_of_them(vertical: bool) -> None:
    # Across, at −3.5, −2.5, −1.5, −0.5 and 0.5; along the other axis, in the middle of the map.
    across, along = (-28, 12), (40, 80)
    (x1, x2), (y1, y2) = (along, across) if vertical else (across, along)
    bins = (5, 1) if vertical else (1, 5)
    plan, _ = crop((x1, y1, x2, y2), bins, convention="detectron2", ratio=1)
    spans = Span(-5, 3), Span(0, 12)
    view = view_of(*(spans if vertical else spans[::-1]))
    brush = Brush(blank(view.height, view.width, (90, 90, 90)))
    sample_marks.samples(brush, view, sample_marks.drawn_samples(view, plan, 0), sample_marks.PLAIN)
    image = brush.finish()

    def at(index: float) -> Any:
        y, x = (index, 7.0) if vertical else (7.0, index)
        return image.getpixel((int(view.x(x)), int(view.y(y))))

    assert [at(v) for v in (-3.5, -2.5, -1.5, -0.5, 0.5)] == [LOST] * 3 + [MOVED, POINT]
    assert at(0.0) == INK, "where the one at −0.5 is read"


@pytest.mark.parametrize(
    ("convention", "shift"), [("mask-rcnn", 0.5), ("detectron2", 0.0), ("fast-rcnn", 0.0)]
)
def test_the_half_cell_bias_is_seen(convention: str, shift: float) -> None:
    """A box on cell borders: bins and box coincide unless the convention moves them."""
    plan, pooled = crop((16, 24, 80, 88), 4, convention=convention)
    sheet = compose_panel(FEATURES, plan, 0, pooled, subject=SUBJECT, channel=None)
    left, top = (float(axis.lines(0)[0]) for axis in (plan.x, plan.y))
    assert (left, top) == (16 / 8 - 0.5 + shift, 24 / 8 - 0.5 + shift)
    assert ("half a cell (4 pixels) right of and below" in text_of(sheet)) == bool(shift)
    assert ("They lie on the box." in text_of(sheet)) == (convention == "detectron2")


def test_the_box_is_drawn_where_it_really_is() -> None:
    plan, _ = crop((20, 28, 90, 70))
    true = Subject("f", "i", "0", corners=(10, 14, 45, 35), cells_per_pixel=(0.25, 0.25))
    view = view_of(Span(1, 10), Span(1, 13))
    for subject in (SUBJECT, true):
        brush = Brush(blank(view.height, view.width, (90, 90, 90)))
        marks.true_box(brush, view, *true_axes(subject, plan, 0))
        white = (np.asarray(brush.finish()) == BOX).all(axis=-1)
        rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
        assert abs(rows[0] - view.y(28 / 8 - 0.5)) < 3
        assert abs(rows[-1] - view.y(70 / 8 - 0.5)) < 3
        assert abs(columns[0] - view.x(20 / 8 - 0.5)) < 3
        assert abs(columns[-1] - view.x(90 / 8 - 0.5)) < 3


def test_pixels_are_the_users_own_when_the_network_saw_another_size() -> None:
    plan, pooled = crop((40, 40, 80, 60), 2, convention="fast-rcnn")
    subject = Subject("f", "i", "0", corners=(20, 10, 40, 15), cells_per_pixel=(0.5, 0.25))
    said = text_of(compose_panel(FEATURES, plan, 0, pooled, subject=subject, channel=None))
    assert "box 0: x 20 to 40, y 10 to 15 pixels" in said
    assert "20 × 5 pixels, which is 5 × 2.5 cells" in said
    # The right edge: 10 cells, rounded to cell 10, whose far side is 11. Four pixels a cell.
    assert "1 cell outwards (4 pixels)" in said
    # The lower edge: 7.5 cells, rounded to cell 8, whose far side is 9. Two pixels a cell.
    assert "1.5 cells outwards (3 pixels)" in said


def test_roipool_says_how_far_each_edge_moved() -> None:
    sheet = panel_of((30, 25, 101, 64), 3, convention="fast-rcnn")
    texts = [p.text for p in sheet.placed]
    start = texts.index("left")
    assert texts[start : start + 12] == [
        *("left", "3.75 → 4", "0.25 cells inwards (2 pixels)"),
        *("right", "12.62 → 14", "1.38 cells outwards (11 pixels)"),
        *("top", "3.12 → 3", "0.12 cells outwards (1 pixel)"),
        *("bottom", "8 → 9", "1 cell outwards (8 pixels)"),
    ]


def test_roipool_marks_the_cells_that_bins_share() -> None:
    plan, pooled = crop((16, 16, 55, 39), (2, 4), convention="fast-rcnn")
    # Columns 2 to 7, rows 2 to 5: bins of 1.5 columns share columns 3 and 6; rows share none.
    view = view_of(Span(0, 8), Span(0, 10))
    brush = Brush(blank(view.height, view.width, (90, 90, 90)))
    pool_marks.shared_cells(brush, view, plan, 0)
    image = np.asarray(brush.finish())
    for y, x in itertools.product(range(8), range(10)):
        top, left = round(view.y(y - 0.5)), round(view.x(x - 0.5))
        inner = image[top + 3 : top + int(view.cell) - 3, left + 3 : left + int(view.cell) - 3]
        assert (inner != 90).any() == (x in (3, 6) and 2 <= y <= 5)
    sheet = compose_panel(FEATURES, plan, 0, pooled, subject=SUBJECT, channel=None)
    assert "Taken by more than one bin: 8 of 24 cells." in text_of(sheet)


@pytest.mark.parametrize("ratio", [3, 20, 60])
def test_every_sample_is_drawn_however_close_to_the_next(ratio: int) -> None:
    features = np.zeros((1, 200, 304), np.float32)
    plan, pooled = crop(
        (-40, -30, 304, 200), convention="detectron2", features=features, scale=1.0, ratio=ratio
    )
    view = fit(Span(-30.5, 199.5), Span(-40.5, 303.5), (200, 304), 460, 688)
    canvas = blank(view.height, view.width, (0, 0, 0))
    brush = Brush(canvas)
    drawn = sample_marks.drawn_samples(view, plan, 0)
    sample_marks.samples(brush, view, drawn, sample_marks.PLAIN)
    painted = np.asarray(brush.finish()).any(axis=-1)
    y, x = (
        to_pixels(axis.samples(0).position.astype(np.float64)).astype(int)
        for to_pixels, axis in ((view.y, plan.y), (view.x, plan.x))
    )
    assert len(y) == len(x) == 7 * ratio
    around = list(itertools.product((-1, 0, 1), repeat=2))
    near = np.any([np.roll(painted, shift, (0, 1)) for shift in around], axis=0)
    assert near[np.ix_(y, x)].all()
    said = text_of(compose_panel(features, plan, 0, pooled, subject=SUBJECT, channel=None))
    assert ("each of the samples is a speck" in said) == (ratio == 20)
    assert ("a pale veil covers them all" in said) == (ratio == 60)


@given(width=st.integers(300, 700))
def test_samples_at_equal_distances_are_all_marks_or_all_specks(width: int) -> None:
    plan, _ = crop((0, 0, 240, 192), 7, convention="detectron2", ratio=18)
    view = fit(Span(-0.5, 23.5), Span(-0.5, 29.5), (24, 30), width, width)
    drawn = sample_marks.drawn_samples(view, plan, 0)
    assert len({*drawn.rows.roomy.tolist()}) == len({*drawn.columns.roomy.tolist()}) == 1


def test_specks_have_the_colour_of_what_becomes_of_the_sample() -> None:
    features = np.zeros((1, 100, 100), np.float32)
    plan, _ = crop((-99, 0, 100, 100), convention="detectron2", features=features, scale=1, ratio=9)
    view = fit(Span(-0.5, 99.5), Span(-99.5, 99.5), (100, 100), 200, 400)
    brush = Brush(blank(view.height, view.width, (0, 0, 0)))
    drawn = sample_marks.drawn_samples(view, plan, 0)
    assert drawn.specks
    assert not drawn.marks
    sample_marks.samples(brush, view, drawn, sample_marks.PLAIN)
    image = np.asarray(brush.finish()).astype(np.float64)
    off, on = image[20:180, :190].sum(axis=(0, 1)), image[20:180, 210:].sum(axis=(0, 1))
    np.testing.assert_allclose(off / off.max(), np.array(LOST) / max(LOST), atol=0.02)
    np.testing.assert_allclose(on / on.max(), np.array(POINT) / max(POINT), atol=0.02)


def test_samples_at_one_place_have_one_mark_and_it_is_said() -> None:
    plan, pooled = crop((50, 60, 50, 60), convention="detectron2", ratio=2)
    view = view_of(Span(4, 9), Span(3, 9))
    drawn = sample_marks.drawn_samples(view, plan, 0)
    assert len(drawn.rows.gap) == len(drawn.columns.gap) == 1
    said = text_of(compose_panel(FEATURES, plan, 0, pooled, subject=SUBJECT, channel=None))
    assert "Where samples coincide, one stands for them." in said


def test_bins_of_nothing_are_striped_and_keep_their_number() -> None:
    sheet = panel_of((50, 60, 50, 60), 2, convention="detectron2")
    said = text_of(sheet)
    assert "They have no samples." in said
    assert "Striped: a bin that has nothing to pool, which gives 0." in said
    assert [p.text for p in sheet.placed].count("0") >= 4


def test_a_box_far_away_is_named_with_its_distance() -> None:
    said = text_of(panel_of((8000, 16, 8040, 60), 2))
    assert "It is not in the picture (arrow): it lies" in said
    assert "cells to the right." in said
    assert "It goes on beyond the picture." in text_of(panel_of((-4000, 16, 100, 60), 2))


def test_an_overlay_says_where_the_two_differ_most() -> None:
    features = np.zeros((2, 24, 30), np.float32)
    plan, _ = crop((16, 16, 80, 80), 2, features=features)
    one, other = np.zeros((2, 2, 2)), np.zeros((2, 2, 2))
    one[1, 0, 1], other[1, 0, 1] = 0.25, -1.5
    sheet = compose_overlay(
        features,
        (plan, plan),
        0,
        (one, other),
        names=("this", "that"),
        subject=SUBJECT,
        channel=None,
    )
    assert (
        "They differ most in bin (0, 1) of channel 1, by −1.75: this gives 0.25, that −1.5."
        in text_of(sheet)
    )
