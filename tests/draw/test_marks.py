"""Figures show what the plan says, where it is."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

from roicrop.draw import Shown, Subject, kinds, panel
from roicrop.draw.canvas import Brush, blank
from roicrop.draw.colour import BOX, FIRST, LOST, MOVED, OUTSIDE, POINT, SECOND, Scale
from roicrop.draw.drawing import Crop, Drawing
from roicrop.draw.map import heat_map
from roicrop.draw.view import Span, View, fit
from tests.draw.boxes import (
    FEATURES,
    STRIDE,
    SUBJECT,
    Box,
    assert_legible,
    crop,
    panel_of,
    text_of,
    view_of,
)

GREY = (90, 90, 90)
SHOWN = Shown.of(FEATURES, 0)


def drawn(
    found: Crop, view: View, shown: Shown = SHOWN, ground: tuple[int, int, int] = GREY, **look: Any
) -> Any:
    """The marks of a crop on a plain ground."""
    brush = Brush(blank(view.height, view.width, ground))
    drawing = Drawing(found, view, SUBJECT, shown, **look)
    kinds.ART[found.plan.kind].marks(drawing, brush)
    return brush.finish()


def test_every_cell_has_the_colour_of_its_value() -> None:
    view = view_of(Span(-2, 6), Span(3, 12))
    scale = Scale(-2.0, 2.0)
    image = heat_map(Shown.of(FEATURES, 1), view, scale).finish()
    for y, x in itertools.product(range(6), range(4, 12)):
        pixel = image.getpixel((round(view.x(x)), round(view.y(y))))
        assert pixel == tuple(scale.colours(FEATURES[1, y, x]))
    assert image.getpixel((200, round(view.y(-1)))) in OUTSIDE


def test_the_mean_over_channels_is_shown_unless_one_is_asked_for() -> None:
    mean = FEATURES.astype(np.float64).mean(axis=0)
    np.testing.assert_array_equal(Shown.of(FEATURES, None).values, mean)
    np.testing.assert_array_equal(Shown.of(FEATURES, 2).values, FEATURES[2])


@pytest.mark.parametrize("convention", ["mask-rcnn", "detectron2", "prroi", "tensorflow"])
def test_every_sample_is_drawn_where_the_plan_has_it(convention: str) -> None:
    box = (0.1, 0.1, 0.5, 0.5) if convention == "tensorflow" else (20, 20, 90, 70)
    found = crop(box, 3, convention=convention)
    view = view_of(Span(1, 12), Span(1, 15))
    image = np.asarray(drawn(found, view)).astype(int)
    for p, q in np.ndindex(3, 3):
        for term in found.plan.terms(0, p, q):
            y, x = int(view.y(float(term.y))), int(view.x(float(term.x)))
            assert (image[y - 1 : y + 2, x - 1 : x + 2].min(axis=2) > 150).any(), (p, q, term)


def test_the_one_bin_is_framed_and_its_samples_are_larger() -> None:
    found = crop((24, 24, 104, 104), 2, convention="detectron2", ratio=1, chosen=(0, 1))
    view = view_of(Span(1, 14), Span(1, 14), 400, 400)
    image = np.asarray(drawn(found, view, shown=SHOWN))
    (top, _), (_, right), *_ = found.plan.outline(0, 0, 1)
    frame = image[round(view.y(top)) + 1, round(view.x(right)) - 20]
    assert tuple(frame) == FIRST

    def white(p: int, q: int) -> int:
        (term,) = found.plan.terms(0, p, q)
        y, x = round(view.y(float(term.y))), round(view.x(float(term.x)))
        return int((image[y - 6 : y + 6, x - 6 : x + 6] == 255).all(axis=2).sum())

    assert white(0, 1) > 3 * max(white(0, 0), 1)


def test_lines_to_four_cells_are_as_thick_as_weights() -> None:
    """A sample a quarter of a cell right of and below the centre of a cell."""
    found = crop((30, 30, 46, 46), 1, convention="detectron2", ratio=1)
    term = found.shown_term
    assert term is not None
    assert [round(tap.weight, 4) for tap in term.taps] == [0.5625, 0.1875, 0.1875, 0.0625]
    view = view_of(Span(2, 7), Span(2, 7), 400, 400)
    image = np.asarray(drawn(found, view))
    y, x = view.y(float(term.y)), view.x(float(term.x))

    def thickness(row: int, column: int) -> int:
        """White pixels across the middle of the line to a cell's centre."""
        to_y, to_x = view.y(float(row)), view.x(float(column))
        along = np.array([to_y - y, to_x - x]) / np.hypot(to_y - y, to_x - x)
        middle = np.array([y, x]) + 0.75 * (np.array([to_y, to_x]) - (y, x))
        across = np.array([-along[1], along[0]])
        at = [middle + n * across for n in np.arange(-9, 9)]
        return sum(bool((image[int(a), int(b)] > 230).all()) for a, b in at)

    far, near = thickness(5, 5), thickness(4, 5)
    assert 0 < far < near


@pytest.mark.parametrize("vertical", [False, True])
def test_samples_off_the_map_are_marked_by_what_becomes_of_them(vertical: bool) -> None:
    # Across, at −3.5, −2.5, −1.5, −0.5 and 0.5; along the other axis, in the middle of the map.
    across, along = (-28, 12), (40, 80)
    (x1, x2), (y1, y2) = (along, across) if vertical else (across, along)
    bins, chosen = ((5, 1), (4, 0)) if vertical else ((1, 5), (0, 4))
    found = crop((x1, y1, x2, y2), bins, convention="detectron2", ratio=1, chosen=chosen)
    spans = Span(-5, 3), Span(0, 12)
    view = view_of(*(spans if vertical else spans[::-1]))
    image = drawn(found, view)

    def at(index: float) -> Any:
        y, x = (index, 7.0) if vertical else (7.0, index)
        return image.getpixel((int(view.x(x)), int(view.y(y))))

    assert [at(v) for v in (-3.5, -2.5, -1.5, -0.5, 0.5)] == [LOST] * 3 + [MOVED, POINT]
    said = text_of(panel_of((x1, y1, x2, y2), bins, convention="detectron2", ratio=1))
    assert "beyond the outermost cell centres (1): moved to the end of its line" in said
    assert "too far outside (3): counts as 0" in said


@pytest.mark.parametrize(
    ("convention", "shift"), [("mask-rcnn", 0.5), ("detectron2", 0.0), ("fast-rcnn", 0.0)]
)
def test_the_half_cell_bias_is_seen(convention: str, shift: float) -> None:
    """A box on cell borders: bins and box coincide unless the convention moves them."""
    found = crop((16, 24, 80, 88), 4, convention=convention)
    top, left = found.whole.min(axis=0)
    assert (left, top) == (16 / 8 - 0.5 + shift, 24 / 8 - 0.5 + shift)
    said = text_of(panel_of((16, 24, 80, 88), 4, convention=convention))
    assert ("0.5 cells (4 pixels) right of and below the box (not aligned" in said) == bool(shift)


def test_the_box_is_drawn_where_it_really_is() -> None:
    found = crop((20, 28, 90, 70))
    true = Subject("f", "i", "0", corners=(10, 14, 45, 35), cells_per_pixel=(0.25, 0.25))
    view = view_of(Span(1, 10), Span(1, 13))
    for subject in (SUBJECT, true):
        brush = Brush(blank(view.height, view.width, GREY))
        Drawing(found, view, subject, SHOWN).box(brush)
        white = (np.asarray(brush.finish()) == BOX).all(axis=-1)
        rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
        assert abs(rows[0] - view.y(28 / 8 - 0.5)) < 4
        assert abs(rows[-1] - view.y(70 / 8 - 0.5)) < 4
        assert abs(columns[0] - view.x(20 / 8 - 0.5)) < 4
        assert abs(columns[-1] - view.x(90 / 8 - 0.5)) < 4


def test_the_white_box_is_seen_under_bins_that_lie_on_it() -> None:
    found = crop((24, 24, 104, 104), 2, convention="detectron2")
    view = view_of(Span(1, 14), Span(1, 14), 400, 400)
    brush = Brush(blank(view.height, view.width, GREY))
    drawing = Drawing(found, view, SUBJECT, SHOWN)
    drawing.box(brush)
    kinds.ART[found.plan.kind].marks(drawing, brush)
    image = np.asarray(brush.finish())
    column = image[round(view.y(11.0)) - 5, : round(view.x(4.0))]
    assert (column == BOX).all(axis=1).any()
    assert (column == FIRST).all(axis=1).any()


def test_where_bins_coincide_both_colours_are_seen() -> None:
    found = crop((24, 24, 104, 104), 3, convention="detectron2", chosen=(1, 1))
    view = view_of(Span(1, 14), Span(1, 14), 400, 400)
    brush = Brush(blank(view.height, view.width, GREY))
    for colour, dashed in ((FIRST, False), (SECOND, True)):
        drawing = Drawing(found, view, SUBJECT, SHOWN, colour, dashed)
        kinds.ART[found.plan.kind].marks(drawing, brush)
    image = np.asarray(brush.finish()).astype(int)
    for outline in (found.whole, found.own):  # all bins, and the one that is framed
        (top, left), (_, right) = outline[0], outline[1]
        row = image[round(view.y(top)), round(view.x(left)) : round(view.x(right))]
        for colour in (FIRST, SECOND):
            assert (np.abs(row - colour).max(axis=1) < 70).any()


def test_pixels_are_the_users_own_when_the_network_saw_another_size() -> None:
    found = crop((40, 40, 80, 60), 2, convention="fast-rcnn", channel=0)
    subject = Subject("f", "i", "0", corners=(20, 10, 40, 15), cells_per_pixel=(0.5, 0.25))
    said = text_of(panel(SHOWN, found, subject=subject))
    assert "box 0: x 20 to 40, y 10 to 15 pixels" in said


def test_the_winning_cell_of_roipool_is_marked() -> None:
    found = crop((16, 16, 79, 79), 2, convention="fast-rcnn", channel=0)
    rows, columns = found.cells(*found.bin)
    winner = found.winner(SHOWN, *found.bin)
    assert winner is not None
    assert winner[0] in rows
    assert winner[1] in columns
    assert FEATURES[0][winner] == found.values[found.bin]
    view = view_of(Span(0, 12), Span(0, 12), 400, 400)
    image = np.asarray(drawn(found, view))
    y, x = round(view.y(winner[0] - 0.5)), round(view.x(winner[1] - 0.5))
    assert (image[y : y + 12, x + 12] == POINT).all(axis=1).any()


def test_the_mean_of_maxima_has_no_winning_cell() -> None:
    found = crop((16, 16, 79, 79), 2, convention="fast-rcnn")
    assert found.winner(Shown.of(FEATURES, None), *found.bin) is None
    assert "its cell with the highest value" not in text_of(
        panel_of((16, 16, 79, 79), 2, convention="fast-rcnn")
    )


def test_cells_of_several_bins_are_hatched_where_they_are_the_smaller_part() -> None:
    # Two bins of two cells, one shared: hatched; 5 bins on 3 cells: nearly all are shared.
    few = crop((16, 16, 95, 95), 3, convention="fast-rcnn", channel=0)
    many = crop((16, 16, 39, 39), 5, convention="fast-rcnn", channel=0)
    view = view_of(Span(0, 12), Span(0, 12), 400, 400)
    for found, expected in ((few, True), (many, False)):
        legend = kinds.ART["cell"].legend(Drawing(found, view, SUBJECT, SHOWN))
        counted = np.zeros((24, 30), int)
        for p, q in np.ndindex(found.plan.output_size):
            rows, columns = found.cells(p, q)
            counted[rows.start : rows.stop, columns.start : columns.stop] += 1
        shared = 0 < 2 * (counted > 1).sum() < (counted > 0).sum()
        assert shared == expected
        assert ("taken by several bins" in {entry.text for entry in legend}) == expected


@pytest.mark.parametrize("ratio", [3, 20, 60])
def test_every_sample_has_a_mark_near_it_however_close_to_the_next(ratio: int) -> None:
    features = np.zeros((1, 200, 304), np.float32)
    found = crop(
        (-40, -30, 304, 200), convention="detectron2", features=features, scale=1.0, ratio=ratio
    )
    view = fit(Span(-30.5, 199.5), Span(-40.5, 303.5), (200, 304), 688, (460, 460))
    brush = Brush(blank(view.height, view.width, (0, 0, 0)))
    drawing = Drawing(found, view, SUBJECT, Shown.of(features, 0))
    kinds.small(drawing, brush)
    painted: Any = np.asarray(brush.finish()).any(axis=-1)
    y, x = (
        to_pixels(axis.position.astype(np.float64)).astype(int)
        for to_pixels, axis in zip((view.y, view.x), found.plan.samples(0), strict=True)
    )
    assert len(y) == len(x) == 7 * ratio
    reach = 8 if drawing.points.thinned else 1
    for axis, length in ((0, len(painted)), (1, painted.shape[1])):
        near = [painted.take(np.clip(np.arange(length) + n, 0, length - 1), axis)
                for n in range(-reach, reach + 1)]  # fmt: skip
        painted = np.stack(near).any(axis=0)
    assert painted[np.ix_(y, x)].all()
    said = text_of(panel_of((-40, -30, 304, 200), convention="detectron2", features=features,
                            scale=1.0, ratio=ratio))  # fmt: skip
    assert ("some of the samples" in said) == drawing.points.thinned == (ratio > 3)


def test_centres_of_cells_are_marked_where_a_bin_is_smaller_than_a_cell() -> None:
    assert "centres of cells" in text_of(panel_of((50, 60, 53, 62)))
    assert "centres of cells" not in text_of(panel_of((20, 20, 90, 70)))


def test_a_sample_of_large_cells_is_written_as_values_times_weights() -> None:
    """A box of three by two pixels: why 49 samples inside one flat square differ."""
    found = crop((50, 60, 53, 62), channel=0)
    assert found.shown_term is not None
    said = text_of(panel_of((50, 60, 53, 62), channel=0))
    products = re.findall(r"(−?[\d.]+) × ([\d.]+)", said)
    assert len(found.shown_term.taps) == 4
    total = sum(float(v.replace("−", "-")) * float(weight) for v, weight in products[:4])
    assert total == pytest.approx(found.values[found.bin], abs=0.02)


@pytest.mark.parametrize("convention", ["detectron2", "prroi"])
@pytest.mark.parametrize("box", [(2, 96, 238, 100), (100, 4, 102, 190)])
def test_a_bin_too_thin_to_be_seen_is_enlarged_in_an_inset(convention: str, box: Box) -> None:
    found = crop(box, convention=convention)
    sheet = panel_of(box, convention=convention)
    assert_legible(sheet)
    assert re.search("enlarged: (part of )?bin {},{}".format(*found.bin), text_of(sheet))
    assert "enlarged" not in text_of(panel_of((20, 20, 90, 70), convention=convention))


def test_an_arrow_begins_on_the_edge_that_moved() -> None:
    """Of a box so small that it lies beside the cells that it becomes, too."""
    tiny, large = (Span(6, 9), Span(5, 9)), (Span(0, 12), Span(0, 14))
    for box, spans in (((50, 60, 53, 62), tiny), ((20, 20, 90, 70), large)):
        found = crop(box, convention="fast-rcnn", channel=0)
        view = view_of(*spans, 400, 480)
        moves = kinds._moves(Drawing(found, view, SUBJECT, SHOWN))
        assert len(moves) >= 3
        (left, top), (right, bottom) = (
            (view.x(x / STRIDE - 0.5), view.y(y / STRIDE - 0.5)) for x, y in (box[:2], box[2:])
        )
        for (x, y, *_), _ in moves:
            assert left - 1e-6 <= x <= right + 1e-6
            assert top - 1e-6 <= y <= bottom + 1e-6


def test_every_edge_that_moved_has_its_arrow_though_arrows_cross() -> None:
    found = crop((50, 50, 53, 52), convention="fast-rcnn", channel=0)
    view = view_of(Span(4.6, 7.6), Span(4.6, 7.6), 400, 400)
    assert len(kinds._moves(Drawing(found, view, SUBJECT, SHOWN))) == 4


def test_a_line_ends_in_a_mark_smaller_than_a_sample_whatever_its_weight() -> None:
    found = crop((33, 33, 47, 47), 1, convention="detectron2", ratio=1)
    term = found.shown_term
    assert term is not None
    view = view_of(Span(2, 7), Span(2, 7), 400, 400)
    image = np.asarray(drawn(found, view))

    def marked(y: float, x: float) -> int:
        y, x = round(view.y(y)), round(view.x(x))
        return int((image[y - 7 : y + 7, x - 7 : x + 7] == POINT).all(axis=2).sum())

    ends = [marked(tap.row, tap.column) for tap in term.taps if tap.weight < 0.5]
    assert max(ends) < marked(float(term.y), float(term.x))


def test_a_figure_says_why_values_repeat() -> None:
    for box, bins, expected in (
        ((49, 57, 50, 58), 7, "All 49 bins are this one cell."),
        ((16, 16, 39, 39), 5, "Bins share most of these cells"),
        ((16, 16, 95, 95), 3, "taken by several bins"),
    ):
        assert expected in text_of(panel_of(box, bins, convention="fast-rcnn", channel=0))


@pytest.mark.parametrize("convention", ["detectron2", "fast-rcnn", "prroi"])
def test_a_box_wholly_outside_is_said_to_read_nothing(convention: str) -> None:
    said = text_of(panel_of((300, 250, 350, 290), convention=convention))
    assert "finds nothing to read" in said
    assert "finds nothing to read" not in text_of(panel_of((20, 20, 90, 70), convention=convention))


def test_brackets_are_explained_where_they_are_drawn_and_only_there() -> None:
    large = np.zeros((1, 200, 304), np.float32)
    for box, bins, features, expected in (
        ((16, 16, 95, 95), 3, FEATURES, True),
        ((16, 16, 72, 72), 2, FEATURES, False),  # bins do not overlap
        ((0, 0, 2432, 1600), 60, large, False),  # there is no room
    ):
        found = panel_of(box, bins, convention="fast-rcnn", channel=0, features=features)
        assert ("the rows or columns of a bin" in text_of(found)) == expected


def test_bins_of_nothing_are_striped_and_keep_their_number() -> None:
    sheet = panel_of((50, 60, 50, 60), 2, convention="detectron2")
    said = text_of(sheet)
    assert "(no samples)" in said
    assert "a bin with nothing to pool, which gives 0" in said
    assert [p.text for p in sheet.placed].count("0") >= 4


def test_a_box_far_away_is_named_with_its_distance() -> None:
    said = text_of(panel_of((8000, 16, 8040, 60), 2))
    assert "out of sight (arrow):" in said
    assert "cells to the right" in said
    assert "goes on beyond the picture" in text_of(panel_of((-4000, 16, 100, 60), 2))


def test_a_thin_box_has_cells_that_are_stretched() -> None:
    assert "times as high as wide" in text_of(panel_of((4, 90, 236, 100)))
    assert "Cells are drawn" not in text_of(panel_of((20, 20, 90, 70)))
