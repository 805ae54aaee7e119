"""Pictures are legible, whatever the box."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roicrop.draw import (
    Subject,
    both,
    overlay,
    panel,
)
from roicrop.draw.overlay import compose_overlay
from roicrop.draw.pictures import compose_both
from tests.draw.boxes import (
    BINS,
    BOXES,
    FEATURES,
    SUBJECT,
    WIDEST,
    Box,
    assert_legible,
    crop,
    panel_of,
    text_of,
)

_ALIGN = st.sampled_from(["mask-rcnn", "torchvision-aligned", "openvino-half-pixel", "prroi"])


def _is_refused(box: Box) -> bool:
    """Whether an adaptive ratio refuses it: reversed along one axis only."""
    return (box[2] < box[0]) != (box[3] < box[1])


@settings(max_examples=60)
@given(box=BOXES, bins=BINS, convention=_ALIGN | st.just("fast-rcnn"))
def test_nothing_overlaps_in_a_panel(box: Box, bins: tuple[int, int], convention: str) -> None:
    ratio = 2 if _is_refused(box) and convention not in ("prroi", "fast-rcnn") else None
    assert_legible(panel_of(box, bins, convention=convention, ratio=ratio))


@settings(max_examples=30)
@given(box=BOXES, bins=BINS)
def test_nothing_overlaps_side_by_side(box: Box, bins: tuple[int, int]) -> None:
    align, pool = crop(box, bins), crop(box, bins, convention="fast-rcnn")
    sheet = compose_both(
        FEATURES,
        (align[0], pool[0]),
        0,
        (align[1], pool[1]),
        subject=SUBJECT,
        channel=None,
    )
    assert_legible(sheet)


@settings(max_examples=30)
@given(box=BOXES, bins=BINS, name=_ALIGN | st.just("fast-rcnn"))
def test_nothing_overlaps_in_an_overlay(box: Box, bins: tuple[int, int], name: str) -> None:
    ratio = 1 if _is_refused(box) and name not in ("prroi", "fast-rcnn") else None
    one, other = crop(box, bins, ratio=3), crop(box, bins, convention=name, ratio=ratio)
    sheet = compose_overlay(
        FEATURES,
        (one[0], other[0]),
        0,
        (one[1], other[1]),
        names=("mask-rcnn:sampling_ratio=3", name),
        subject=SUBJECT,
        channel=None,
    )
    assert_legible(sheet)


def _awkward() -> Iterator[Any]:
    constant = np.full((1, 24, 30), 3.5, np.float32)
    odd = FEATURES.copy()
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
    sheet = panel_of(box, **options)
    assert_legible(sheet)
    assert sheet.finish().width <= WIDEST


def test_long_and_foreign_names_are_shortened_to_one_line() -> None:
    subject = Subject("/very/long" * 30 + "/Ünïcode-файл.h5::/f\n", "Ж" * 200, "3 (id 70410000)")
    sheet = panel_of((20, 20, 90, 70), subject=subject)
    assert_legible(sheet)
    line = sheet.placed[1].text
    assert "файл.h5::/f\\n" in line
    assert line.count("…") == 2
    assert "ЖЖЖ     box 3 (id 70410000): x 20 to 90, y 20 to 70 pixels" in line
    sheet.finish()


def test_the_title_names_file_image_box_convention_and_parameters() -> None:
    said = text_of(panel_of((20, 20, 90, 70), 3, ratio=4)).replace("\u00a0", " ")
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


def test_the_title_names_the_level_of_a_pyramid() -> None:
    level = "level p3 of p2, p3, by the rule of mmdet"
    subject = Subject("fpn.h5::/p3", "0", "3", level=level)
    sheet = panel_of((20, 20, 90, 70), subject=subject)
    assert_legible(sheet)
    assert level in text_of(sheet)


def test_the_public_functions_give_pictures() -> None:
    plan, pooled = crop((20, 20, 90, 70))
    pool, maxima = crop((20, 20, 90, 70), convention="fast-rcnn")
    one = panel(FEATURES, plan, 0, pooled, subject=SUBJECT)
    two = both(FEATURES, (plan, pool), 0, (pooled, maxima), subject=SUBJECT, channel=1)
    over = overlay(FEATURES, (plan, pool), 0, (pooled, maxima), names=("a", "b"), subject=SUBJECT)
    assert one.info["Title"] == "RoIAlign of box 3"
    assert two.info["Title"] == "RoIAlign and RoIPool of box 3"
    assert over.info["Title"] == "a and b on box 3"
    assert one.width < two.width <= WIDEST
