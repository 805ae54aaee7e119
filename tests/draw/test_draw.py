"""Pictures show what the plan says, legibly, whatever the box."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from roicrop import operators
from roicrop.conventions import CONVENTIONS, Operator, SamplingRatio
from roicrop.draw import (
    Subject,
    both,
    marks,
    overlay,
    panel,
    pool_marks,
    sample_marks,
    save,
    write_points,
)
from roicrop.draw.brackets import MOST_DEPTH, Brackets
from roicrop.draw.brush import FINER, Brush, blank
from roicrop.draw.colour import (
    BOX,
    INFINITE,
    INK,
    LOST,
    MINUS_INFINITE,
    MOVED,
    NOT_A_NUMBER,
    OUTSIDE,
    POINT,
    Scale,
    readable_on,
    scale_of,
)
from roicrop.draw.font import clean, shorten, width, wrap
from roicrop.draw.heat import cells_in_sight, heat_map
from roicrop.draw.number import format_for, ticks, tidy
from roicrop.draw.overlay import compose_overlay
from roicrop.draw.pictures import compose_both, compose_panel
from roicrop.draw.points import CELL_COLUMNS, SAMPLE_COLUMNS
from roicrop.draw.sheet import Sheet
from roicrop.draw.subject import true_axes
from roicrop.draw.view import Span, View, fit, in_sight
from roicrop.errors import OutputError
from roicrop.sampling import Plan

Array = NDArray[Any]
Box = tuple[float, float, float, float]

_WIDEST = 1600
_STRIDE = 8.0
_FEATURES = np.random.default_rng(7).normal(size=(3, 24, 30)).astype(np.float32)
_SUBJECT = Subject("page.h5::/stride8", "page", "3")


def _crop(
    box: Box,
    bins: tuple[int, int] | int = 7,
    *,
    convention: str = "mask-rcnn",
    ratio: SamplingRatio | None = None,
    features: Array = _FEATURES,
    scale: float = 1 / _STRIDE,
) -> tuple[Plan, Array]:
    """The plan of one box, and what it pools."""
    boxes = np.array([box], dtype=np.float64)
    operator: Operator = CONVENTIONS[convention].operator
    plan = operators.plan(
        boxes,
        features.shape[1:],
        bins,
        scale,
        ratio,
        convention=convention,
        operator=operator,
        dtype=features.dtype,
    )
    rows = np.concatenate([np.zeros((1, 1)), boxes], axis=1)
    batch = features[np.newaxis]
    with np.errstate(invalid="ignore", over="ignore"):
        if operator == "pool":
            return plan, operators.roi_pool(batch, rows, bins, scale, convention=convention)[0]
        pooled = operators.roi_align(batch, rows, bins, scale, ratio, convention=convention)
    return plan, pooled[0]


def _panel(
    box: Box,
    bins: tuple[int, int] | int = 7,
    *,
    subject: Subject = _SUBJECT,
    channel: int | None = None,
    features: Array = _FEATURES,
    **options: Any,
) -> Sheet:
    plan, pooled = _crop(box, bins, features=features, **options)
    return compose_panel(features, plan, 0, pooled, subject=subject, channel=channel)


def _said(sheet: Sheet) -> str:
    return " ".join(p.text for p in sheet.placed if p.text)


def _assert_legible(sheet: Sheet) -> None:
    """Nothing lies on anything else, but for numbers within a raster, and all is on the paper."""
    texts = [p for p in sheet.placed if p.text]
    rasters = [p for p in sheet.placed if not p.text]
    edges = np.array([(p.left, p.top, p.right, p.bottom) for p in [*texts, *rasters]])
    assert edges[:, :2].min() >= 0
    assert edges[:, 2].max() <= _WIDEST
    common = np.minimum(edges[:, None, 2:], edges[None, :, 2:]) - np.maximum(
        edges[:, None, :2], edges[None, :, :2]
    )
    meet = np.argwhere(np.triu((common > 0.5).all(axis=-1), 1))
    for i, j in meet:
        one, other = (([*texts, *rasters])[n] for n in (i, j))
        assert one.text, "two rasters overlap"
        assert not other.text, (one, other)
        assert set(one.text) <= set("0123456789−–.e∞NaN"), (one, other)
        assert one.left >= other.left - 1, (one, other)
        assert one.right <= other.right + 1, (one, other)
        assert one.top >= other.top - 2, (one, other)
        assert one.bottom <= other.bottom + 2, (one, other)


_CORNER = st.floats(-400, 700, width=32)
_BOXES = st.tuples(_CORNER, _CORNER, _CORNER, _CORNER) | st.tuples(
    st.floats(0, 200), st.floats(0, 150), st.floats(0, 6), st.floats(0, 6)
).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
_BINS = st.tuples(st.integers(1, 14), st.integers(1, 14))
_ALIGN = st.sampled_from(["mask-rcnn", "torchvision-aligned", "openvino-half-pixel", "prroi"])


def _is_refused(box: Box) -> bool:
    """Whether an adaptive ratio refuses it: reversed along one axis only."""
    return (box[2] < box[0]) != (box[3] < box[1])


@settings(max_examples=60)
@given(box=_BOXES, bins=_BINS, convention=_ALIGN | st.just("fast-rcnn"))
def test_nothing_overlaps_in_a_panel(box: Box, bins: tuple[int, int], convention: str) -> None:
    ratio = 2 if _is_refused(box) and convention not in ("prroi", "fast-rcnn") else None
    _assert_legible(_panel(box, bins, convention=convention, ratio=ratio))


@settings(max_examples=30)
@given(box=_BOXES, bins=_BINS)
def test_nothing_overlaps_side_by_side(box: Box, bins: tuple[int, int]) -> None:
    align, pool = _crop(box, bins), _crop(box, bins, convention="fast-rcnn")
    sheet = compose_both(
        _FEATURES,
        (align[0], pool[0]),
        0,
        (align[1], pool[1]),
        subject=_SUBJECT,
        channel=None,
    )
    _assert_legible(sheet)


@settings(max_examples=30)
@given(box=_BOXES, bins=_BINS, name=_ALIGN | st.just("fast-rcnn"))
def test_nothing_overlaps_in_an_overlay(box: Box, bins: tuple[int, int], name: str) -> None:
    ratio = 1 if _is_refused(box) and name not in ("prroi", "fast-rcnn") else None
    one, other = _crop(box, bins, ratio=3), _crop(box, bins, convention=name, ratio=ratio)
    sheet = compose_overlay(
        _FEATURES,
        (one[0], other[0]),
        0,
        (one[1], other[1]),
        names=("mask-rcnn:sampling_ratio=3", name),
        subject=_SUBJECT,
        channel=None,
    )
    _assert_legible(sheet)


def _awkward() -> Iterator[Any]:
    constant = np.full((1, 24, 30), 3.5, np.float32)
    odd = _FEATURES.copy()
    odd[:, 4:7, 4:8], odd[:, 8, 4], odd[:, 8, 5] = np.nan, np.inf, -np.inf
    huge = np.random.default_rng(1).normal(size=(2, 200, 304)) * 1e300
    tiny = np.full((1, 1, 1), -2e-7, np.float16)
    cases: dict[str, tuple[Box, dict[str, Any]]] = {
        "half a cell": ((50, 60, 54, 64), {"bins": 14}),
        "no size": ((50, 60, 50, 60), {"convention": "detectron2"}),
        "reversed": ((90, 60, 50, 20), {"convention": "torchvision"}),
        "mirrored": ((90, 60, 50, 20), {"convention": "detectron2", "ratio": 2}),
        "partly outside": ((-40, -30, 60, 50), {"convention": "detectron2"}),
        "outside": ((300, 250, 350, 290), {}),
        "far outside": ((-1e6, 20, -9e5, 60), {}),
        "larger than the map": ((-1e5, -1e5, 1e5, 1e5), {"convention": "detectron2"}),
        "the whole of a large map": ((0, 0, 1216, 800), {"features": huge, "scale": 0.25}),
        "a map of one cell": ((0, 0, 1, 1), {"features": tiny, "scale": 1.0, "bins": 1}),
        "constant": ((20, 20, 90, 70), {"features": constant}),
        "not finite": ((20, 20, 90, 90), {"features": odd}),
        "a line of text": ((3, 46, 230, 55), {"bins": (7, 40)}),
        "more bins than pixels": ((20, 20, 90, 70), {"bins": (300, 700)}),
        "crop and resize": ((0.6, 0.5, 1.2, 0.7), {"convention": "tensorflow", "bins": 4}),
        "exact": ((-20, -20, 30, 40), {"convention": "prroi", "bins": 3}),
        "corner maximum": ((20, 20, 90, 70), {"convention": "onnx"}),
        "one channel": ((20, 20, 90, 70), {"channel": 2}),
    }
    for name, (box, options) in cases.items():
        yield pytest.param(box, options, id=name)


@pytest.mark.parametrize(("box", "options"), list(_awkward()))
@pytest.mark.parametrize("operator", ["align", "pool"])
def test_awkward_cases_are_drawn(box: Box, options: dict[str, Any], operator: str) -> None:
    if operator == "pool":
        options = {k: v for k, v in options.items() if k != "ratio"} | {"convention": "fast-rcnn"}
    sheet = _panel(box, **options)
    _assert_legible(sheet)
    assert sheet.finish().width <= _WIDEST


def test_long_and_foreign_names_are_shortened_to_one_line() -> None:
    subject = Subject("/very/long" * 30 + "/Ünïcode-файл.h5::/f\n", "Ж" * 200, "3 (id 70410000)")
    sheet = _panel((20, 20, 90, 70), subject=subject)
    _assert_legible(sheet)
    line = sheet.placed[1].text
    assert "файл.h5::/f\\n" in line
    assert line.count("…") == 2
    assert "ЖЖЖ     box 3 (id 70410000): x 20 to 90, y 20 to 70 pixels" in line
    sheet.finish()


def test_the_title_names_file_image_box_convention_and_parameters() -> None:
    said = _said(_panel((20, 20, 90, 70), 3, ratio=4)).replace("\u00a0", " ")
    for part in (
        "RoIAlign of box 3",
        "page.h5::/stride8     image page     box 3: x 20 to 90, y 20 to 70 pixels",
        "convention mask-rcnn",
        "3×3 bins",
        "average of 4×4 samples a bin",
        "not aligned",
        "boxes at least 1 cell",
        "spatial scale 0.125",
        "map of 24×30 cells",
    ):
        assert part in said


def test_the_public_functions_give_pictures() -> None:
    plan, pooled = _crop((20, 20, 90, 70))
    pool, maxima = _crop((20, 20, 90, 70), convention="fast-rcnn")
    one = panel(_FEATURES, plan, 0, pooled, subject=_SUBJECT)
    two = both(_FEATURES, (plan, pool), 0, (pooled, maxima), subject=_SUBJECT, channel=1)
    over = overlay(_FEATURES, (plan, pool), 0, (pooled, maxima), names=("a", "b"), subject=_SUBJECT)
    assert one.info["Title"] == "RoIAlign of box 3"
    assert two.info["Title"] == "RoIAlign and RoIPool of box 3"
    assert over.info["Title"] == "a and b on box 3"
    assert one.width < two.width <= _WIDEST


# Where things are drawn


def _view(rows: Span, columns: Span, height: int = 300, width: int = 400) -> View:
    return fit(rows, columns, (24, 30), height, width)


def test_every_cell_has_the_colour_of_its_value() -> None:
    view = _view(Span(-2, 6), Span(3, 12))
    cells = cells_in_sight(_FEATURES, view, channel=1)
    scale = Scale(-2.0, 2.0)
    image = heat_map(cells, view, scale).finish()
    for y, x in itertools.product(range(6), range(4, 12)):
        pixel = image.getpixel((round(view.x(x)), round(view.y(y))))
        assert pixel == tuple(scale.colours(_FEATURES[1, y, x]))
    assert image.getpixel((200, round(view.y(-1)))) in OUTSIDE


def test_the_mean_over_channels_is_shown_unless_one_is_asked_for() -> None:
    view = _view(Span(0, 6), Span(0, 8))
    shown = cells_in_sight(_FEATURES, view, channel=None)
    rows = slice(shown.first_row, shown.first_row + shown.values.shape[0])
    columns = slice(shown.first_column, shown.first_column + shown.values.shape[1])
    mean = _FEATURES.astype(np.float64).mean(axis=0)
    np.testing.assert_array_equal(shown.values, mean[rows, columns])
    one = cells_in_sight(_FEATURES, view, channel=2)
    np.testing.assert_array_equal(one.values, _FEATURES[2, rows, columns])


def test_every_sample_is_drawn_where_the_plan_has_it() -> None:
    plan, _ = _crop((20, 20, 90, 70), 3, ratio=2)
    view = _view(Span(1, 10), Span(1, 13))
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
    plan, _ = _crop((x1, y1, x2, y2), bins, convention="detectron2", ratio=1)
    spans = Span(-5, 3), Span(0, 12)
    view = _view(*(spans if vertical else spans[::-1]))
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
    plan, pooled = _crop((16, 24, 80, 88), 4, convention=convention)
    sheet = compose_panel(_FEATURES, plan, 0, pooled, subject=_SUBJECT, channel=None)
    left, top = (float(marks.edges(axis, 0)[0]) for axis in (plan.x, plan.y))
    assert (left, top) == (16 / 8 - 0.5 + shift, 24 / 8 - 0.5 + shift)
    assert ("half a cell (4 pixels) right of and below" in _said(sheet)) == bool(shift)
    assert ("They lie on the box." in _said(sheet)) == (convention == "detectron2")


def test_the_box_is_drawn_where_it_really_is() -> None:
    plan, _ = _crop((20, 28, 90, 70))
    true = Subject("f", "i", "0", corners=(10, 14, 45, 35), cells_per_pixel=(0.25, 0.25))
    view = _view(Span(1, 10), Span(1, 13))
    for subject in (_SUBJECT, true):
        brush = Brush(blank(view.height, view.width, (90, 90, 90)))
        marks.true_box(brush, view, *true_axes(subject, plan, 0))
        white = (np.asarray(brush.finish()) == BOX).all(axis=-1)
        rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
        assert abs(rows[0] - view.y(28 / 8 - 0.5)) < 3
        assert abs(rows[-1] - view.y(70 / 8 - 0.5)) < 3
        assert abs(columns[0] - view.x(20 / 8 - 0.5)) < 3
        assert abs(columns[-1] - view.x(90 / 8 - 0.5)) < 3


def test_pixels_are_the_users_own_when_the_network_saw_another_size() -> None:
    plan, pooled = _crop((40, 40, 80, 60), 2, convention="fast-rcnn")
    subject = Subject("f", "i", "0", corners=(20, 10, 40, 15), cells_per_pixel=(0.5, 0.25))
    said = _said(compose_panel(_FEATURES, plan, 0, pooled, subject=subject, channel=None))
    assert "box 0: x 20 to 40, y 10 to 15 pixels" in said
    assert "20 × 5 pixels, which is 5 × 2.5 cells" in said
    # The right edge: 10 cells, rounded to cell 10, whose far side is 11. Four pixels a cell.
    assert "1 cell outwards (4 pixels)" in said
    # The lower edge: 7.5 cells, rounded to cell 8, whose far side is 9. Two pixels a cell.
    assert "1.5 cells outwards (3 pixels)" in said


def test_roipool_says_how_far_each_edge_moved() -> None:
    sheet = _panel((30, 25, 101, 64), 3, convention="fast-rcnn")
    texts = [p.text for p in sheet.placed]
    start = texts.index("left")
    assert texts[start : start + 12] == [
        *("left", "3.75 → 4", "0.25 cells inwards (2 pixels)"),
        *("right", "12.62 → 14", "1.38 cells outwards (11 pixels)"),
        *("top", "3.12 → 3", "0.12 cells outwards (1 pixel)"),
        *("bottom", "8 → 9", "1 cell outwards (8 pixels)"),
    ]


def test_roipool_marks_the_cells_that_bins_share() -> None:
    plan, pooled = _crop((16, 16, 55, 39), (2, 4), convention="fast-rcnn")
    # Columns 2 to 7, rows 2 to 5: bins of 1.5 columns share columns 3 and 6; rows share none.
    view = _view(Span(0, 8), Span(0, 10))
    brush = Brush(blank(view.height, view.width, (90, 90, 90)))
    pool_marks.shared_cells(brush, view, plan, 0)
    image = np.asarray(brush.finish())
    for y, x in itertools.product(range(8), range(10)):
        top, left = round(view.y(y - 0.5)), round(view.x(x - 0.5))
        inner = image[top + 3 : top + int(view.cell) - 3, left + 3 : left + int(view.cell) - 3]
        assert (inner != 90).any() == (x in (3, 6) and 2 <= y <= 5)
    sheet = compose_panel(_FEATURES, plan, 0, pooled, subject=_SUBJECT, channel=None)
    assert "Taken by more than one bin: 8 of 24 cells." in _said(sheet)


@pytest.mark.parametrize("ratio", [3, 20, 60])
def test_every_sample_is_drawn_however_close_to_the_next(ratio: int) -> None:
    features = np.zeros((1, 200, 304), np.float32)
    plan, pooled = _crop(
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
    said = _said(compose_panel(features, plan, 0, pooled, subject=_SUBJECT, channel=None))
    assert ("each of the samples is a speck" in said) == (ratio == 20)
    assert ("a pale veil covers them all" in said) == (ratio == 60)


@given(width=st.integers(300, 700))
def test_samples_at_equal_distances_are_all_marks_or_all_specks(width: int) -> None:
    plan, _ = _crop((0, 0, 240, 192), 7, convention="detectron2", ratio=18)
    view = fit(Span(-0.5, 23.5), Span(-0.5, 29.5), (24, 30), width, width)
    drawn = sample_marks.drawn_samples(view, plan, 0)
    assert len({*drawn.rows.roomy.tolist()}) == len({*drawn.columns.roomy.tolist()}) == 1


def test_specks_have_the_colour_of_what_becomes_of_the_sample() -> None:
    features = np.zeros((1, 100, 100), np.float32)
    plan, _ = _crop(
        (-99, 0, 100, 100), convention="detectron2", features=features, scale=1, ratio=9
    )
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
    plan, pooled = _crop((50, 60, 50, 60), convention="detectron2", ratio=2)
    view = _view(Span(4, 9), Span(3, 9))
    drawn = sample_marks.drawn_samples(view, plan, 0)
    assert len(drawn.rows.gap) == len(drawn.columns.gap) == 1
    said = _said(compose_panel(_FEATURES, plan, 0, pooled, subject=_SUBJECT, channel=None))
    assert "Where samples coincide, one stands for them." in said


def test_bins_of_nothing_are_striped_and_keep_their_number() -> None:
    sheet = _panel((50, 60, 50, 60), 2, convention="detectron2")
    said = _said(sheet)
    assert "They have no samples." in said
    assert "Striped: a bin that has nothing to pool, which gives 0." in said
    assert [p.text for p in sheet.placed].count("0") >= 4


def test_a_box_far_away_is_named_with_its_distance() -> None:
    said = _said(_panel((8000, 16, 8040, 60), 2))
    assert "It is not in the picture (arrow): it lies" in said
    assert "cells to the right." in said
    assert "It goes on beyond the picture." in _said(_panel((-4000, 16, 100, 60), 2))


def test_an_overlay_says_where_the_two_differ_most() -> None:
    features = np.zeros((2, 24, 30), np.float32)
    plan, _ = _crop((16, 16, 80, 80), 2, features=features)
    one, other = np.zeros((2, 2, 2)), np.zeros((2, 2, 2))
    one[1, 0, 1], other[1, 0, 1] = 0.25, -1.5
    sheet = compose_overlay(
        features,
        (plan, plan),
        0,
        (one, other),
        names=("this", "that"),
        subject=_SUBJECT,
        channel=None,
    )
    assert (
        "They differ most in bin (0, 1) of channel 1, by −1.75: this gives 0.25, that −1.5."
        in _said(sheet)
    )


# Sampling points as numbers


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@settings(max_examples=40)
@given(box=_BOXES, bins=_BINS)
def test_the_csv_holds_the_plans_samples(
    tmp_path_factory: pytest.TempPathFactory, box: Box, bins: tuple[int, int]
) -> None:
    plan, _ = _crop(box, bins)
    path = tmp_path_factory.mktemp("points") / "points.csv"
    write_points(plan, 0, path, subject=_SUBJECT)
    lines = _table(path)
    y, x = plan.y.samples(0), plan.x.samples(0)
    assert len(lines) == len(y) * len(x)
    found = {
        tuple(int(line[c]) for c in SAMPLE_COLUMNS[:4]): (float(line["y"]), float(line["x"]))
        for line in lines
    }
    for i, j in itertools.product(range(len(y)), range(len(x))):
        key = (int(y.bin[i]), int(x.bin[j]), int(y.index[i]), int(x.index[j]))
        assert found[key] == (float(y.position[i]), float(x.position[j]))
    states = Counter(line["state"] for line in lines)
    assert states["outside"] == len(lines) - int(y.inside.sum()) * int(x.inside.sum())
    for line in lines:
        assert float(line["image_y"]) == (float(line["y"]) + 0.5) * _STRIDE
        read = line["read_y"], line["read_x"]
        if line["state"] == "outside":
            assert read == ("", "")
        elif line["state"] == "inside":
            assert read == (line["y"], line["x"])
        else:
            assert 0 <= float(read[0]) <= 23
            assert 0 <= float(read[1]) <= 29


def test_the_csv_of_roipool_holds_the_cells_of_each_bin(tmp_path: Path) -> None:
    plan, _ = _crop((16, 16, 39, 23), (1, 2), convention="fast-rcnn")
    write_points(plan, 0, tmp_path / "cells.csv", subject=_SUBJECT)
    lines = _table(tmp_path / "cells.csv")
    # Columns 2 to 5 in two bins of two, rows 2 and 3.
    assert tuple(lines[0]) == CELL_COLUMNS
    assert [tuple(int(line[c]) for c in CELL_COLUMNS[:4]) for line in lines] == [
        *((0, 0, y, x) for y in (2, 3) for x in (2, 3)),
        *((0, 1, y, x) for y in (2, 3) for x in (4, 5)),
    ]
    assert (lines[0]["image_y"], lines[0]["image_x"]) == ("20.0", "20.0")


def test_the_csv_of_roipool_counts_the_bins_that_share_a_cell(tmp_path: Path) -> None:
    plan, _ = _crop((16, 16, 55, 60), (5, 4), convention="fast-rcnn")
    write_points(plan, 0, tmp_path / "cells.csv", subject=_SUBJECT)
    lines = _table(tmp_path / "cells.csv")
    bins = Counter((line["cell_row"], line["cell_column"]) for line in lines)
    assert set(bins.values()) == {1, 2, 4}
    for line in lines:
        assert int(line["bins_with_this_cell"]) == bins[line["cell_row"], line["cell_column"]]


def test_a_box_of_too_many_samples_gives_those_in_range(tmp_path: Path) -> None:
    plan, _ = _crop((-1e5, -1e5, 1e5, 1e5), 1, convention="detectron2")
    write_points(plan, 0, tmp_path / "points.csv", subject=_SUBJECT)
    lines = _table(tmp_path / "points.csv")
    y, x = plan.y.samples(0), plan.x.samples(0)
    assert len(lines) == int(y.inside.sum()) * int(x.inside.sum())
    assert "outside" not in {line["state"] for line in lines}


@pytest.mark.parametrize("what", ["picture", "points"])
def test_a_file_that_exists_is_kept_unless_it_may_be_overwritten(tmp_path: Path, what: str) -> None:
    path = tmp_path / "there"
    path.write_text("mine")
    plan, _ = _crop((16, 16, 39, 23))

    def write(overwrite: bool) -> None:
        if what == "picture":
            save(Image.new("RGB", (4, 4)), path, overwrite=overwrite)
        else:
            write_points(plan, 0, path, subject=_SUBJECT, overwrite=overwrite)

    with pytest.raises(OutputError, match="there exists"):
        write(overwrite=False)
    assert path.read_text() == "mine"
    write(overwrite=True)
    assert path.read_bytes() != b"mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_saved_picture_says_what_it_is(tmp_path: Path) -> None:
    plan, pooled = _crop((16, 16, 39, 23))
    save(panel(_FEATURES, plan, 0, pooled, subject=_SUBJECT), tmp_path / "box.png")
    with Image.open(tmp_path / "box.png") as image:
        assert image.format == "PNG"
        assert image.info["Title"] == "RoIAlign of box 3"


# Colours, numbers, words, views


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
    features = _FEATURES.copy()
    features[:, 4:9, 4:9] = np.nan
    plan, pooled = _crop((32, 32, 100, 100), 5, convention="fast-rcnn", features=features)
    assert pooled.min() < -1e38
    sheet = compose_panel(features, plan, 0, pooled, subject=_SUBJECT, channel=0)
    assert "−3e38" in _said(sheet)
    assert "×10" not in _said(sheet)


def test_a_scale_of_nothing_finite_has_no_numbers() -> None:
    empty = scale_of([np.array([np.nan, np.inf])], (-1.0, 1.0))
    assert empty.is_empty
    np.testing.assert_array_equal(
        empty.colours(np.array([np.nan, np.inf, -np.inf])), [NOT_A_NUMBER, INFINITE, MINUS_INFINITE]
    )
    features = np.full((2, 24, 30), np.nan, np.float32)
    said = _said(_panel((32, 32, 100, 100), 2, convention="detectron2", features=features))
    assert "There is no number to colour." in said


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


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (-0.004, "0"), (3.0, "3"), (1e9, "1e+09"), (-12.5, "−12.5"), (np.inf, "∞")],
)
def test_numbers_in_sentences_are_short(value: float, text: str) -> None:
    assert tidy(value) == text


@settings(max_examples=50)
@given(st.text(max_size=80), st.floats(30, 400))
def test_shortened_texts_fit(text: str, room: float) -> None:
    text = clean(text)
    assert width(shorten(text, 14, room), 14) <= room
    assert all(width(line, 14) <= room for line in wrap(text, 14, room))


@given(
    st.lists(st.tuples(st.integers(-3, 40), st.integers(1, 9)), min_size=1, max_size=20),
    st.booleans(),
)
def test_brackets_never_cover_one_another(spans: list[tuple[int, int]], vertical: bool) -> None:
    cells = [Span(low - 0.5, low + size - 0.5) for low, size in spans]
    brackets = Brackets(cells, -0.5, 12.0, 400, vertical)
    sheet = Sheet()
    brackets.place(sheet, 50, 50)
    assert brackets.depth <= MOST_DEPTH
    if sheet.placed:
        _assert_legible(sheet)


@given(
    low=st.floats(-200, 200),
    size=st.floats(0, 300),
    other=st.floats(0, 60),
    cells=st.integers(1, 100),
)
def test_a_view_shows_what_it_has_to(low: float, size: float, other: float, cells: int) -> None:
    rows, columns = in_sight(Span(low, low + size), cells), in_sight(Span(0, other), 60)
    view = fit(rows, columns, (cells, 60), 300, 500)
    for shown, wanted in ((view.rows, rows), (view.columns, columns)):
        assert shown.low <= wanted.low + 1e-6 * abs(wanted.low) + 1e-9
        assert shown.high >= wanted.high - 1e-6 * abs(wanted.high) - 1e-9
    assert view.row_range(cells)
    on_the_map = Span(max(low, -0.5), min(low + size, cells - 0.5))
    if on_the_map.size > 0:
        assert view.rows.holds(on_the_map.low)
        assert view.rows.holds(on_the_map.high)


def test_lines_are_drawn_at_fractions_of_a_pixel() -> None:
    brush = Brush(blank(10, 10, (0, 0, 0)))
    assert FINER == 4
    brush.column(5.25, 0, 10, 1.0, (200, 200, 200))
    row = np.asarray(brush.finish())[5, :, 0]
    assert row.tolist() == [0, 0, 0, 0, 50, 150, 0, 0, 0, 0]
