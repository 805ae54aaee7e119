"""Figures are legible for any box, and say what they show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from roicrop.draw import Crop, Shown, Subject, both, overlay, panel, save
from roicrop.errors import OutputError
from tests.draw.boxes import (
    BINS,
    BOXES,
    FEATURES,
    PHOTO,
    SUBJECT,
    WIDEST,
    Box,
    assert_legible,
    crop,
    panel_of,
    text_of,
)

_ALIGN = st.sampled_from(["mask-rcnn", "torchvision-aligned", "openvino-half-pixel", "prroi"])
SHOWN = Shown.of(FEATURES, None)


def _is_refused(box: Box) -> bool:
    """Whether an adaptive ratio refuses it: reversed along one axis only."""
    return (box[2] < box[0]) != (box[3] < box[1])


@settings(max_examples=200)
@given(box=BOXES, bins=BINS, convention=_ALIGN | st.just("fast-rcnn"), photo=st.booleans())
def test_nothing_overlaps_in_a_panel(
    box: Box, bins: tuple[int, int], convention: str, photo: bool
) -> None:
    ratio = 2 if _is_refused(box) and convention not in ("prroi", "fast-rcnn") else None
    shown = PHOTO if photo else None
    sheet = panel_of(box, bins, channel=0, photo=shown, convention=convention, ratio=ratio)
    assert_legible(sheet)


@settings(max_examples=25)
@given(box=BOXES, bins=BINS, photo=st.booleans())
def test_nothing_overlaps_side_by_side(box: Box, bins: tuple[int, int], photo: bool) -> None:
    pair = crop(box, bins), crop(box, bins, convention="fast-rcnn")
    shown = PHOTO if photo else None
    assert_legible(both(Shown.of(FEATURES, 1), pair, subject=SUBJECT, photo=shown))


@settings(max_examples=25)
@given(box=BOXES, bins=BINS, name=_ALIGN | st.just("fast-rcnn"))
def test_nothing_overlaps_in_an_overlay(box: Box, bins: tuple[int, int], name: str) -> None:
    ratio = 1 if _is_refused(box) and name not in ("prroi", "fast-rcnn") else None
    pair = crop(box, bins, ratio=3), crop(box, bins, convention=name, ratio=ratio)
    names = "mask-rcnn:sampling_ratio=3", name
    assert_legible(overlay(SHOWN, pair, names=names, subject=SUBJECT))


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


def test_long_and_foreign_names_are_shortened() -> None:
    subject = Subject("/very/long" * 30 + "/Ünïcode-файл.h5::/f\n", "Ж" * 200, "3 (id 70410000)")
    sheet = panel_of((20, 20, 90, 70), subject=subject)
    assert_legible(sheet)
    said = text_of(sheet)
    assert "файл.h5::/f\\n" in said
    assert said.count("…") == 2
    assert "ЖЖЖ · box 3 (id 70410000): x 20 to 90, y 20 to 70 pixels" in said
    sheet.finish()


def test_a_figure_names_file_image_box_convention_and_parameters() -> None:
    said = text_of(panel_of((20, 20, 90, 70), 3, ratio=4))
    for part in (
        "RoIAlign of box 3",
        "page.h5::/stride8 · image page · box 3: x 20 to 90, y 20 to 70 pixels",
        "convention mask-rcnn",
        "3×3 bins",
        "average of 4×4 samples per bin",
        "not aligned",
        "boxes at least 1 cell",
        "spatial scale 0.125",
        "map of 24×30 cells",
    ):
        assert part in said


def test_a_figure_names_the_level_of_a_pyramid() -> None:
    level = "level p3 of p2, p3, by the rule of mmdet"
    subject = Subject("fpn.h5::/p3", "0", "3", level=level)
    sheet = panel_of((20, 20, 90, 70), subject=subject)
    assert_legible(sheet)
    assert level in text_of(sheet)


def test_there_are_three_steps_with_a_photograph_and_two_without() -> None:
    with_photo = text_of(panel_of((20, 20, 90, 70), photo=PHOTO))
    without = text_of(panel_of((20, 20, 90, 70)))
    assert "1  The box on the image one square is one cell: 8×8 pixels" in with_photo
    assert "2  RoIAlign reads between the cells" in with_photo
    assert "3  Their average" in with_photo
    assert "1  RoIAlign reads between the cells" in without
    assert "2  Their average" in without


@pytest.mark.parametrize(
    ("convention", "box", "step"),
    [
        ("mask-rcnn", (20, 20, 90, 70), "framed: bin 1,2 (2×2 samples)"),
        ("prroi", (20, 20, 90, 70), "framed: bin 1,2 (3×4 pieces)"),
        ("fast-rcnn", (20, 20, 90, 70), "framed: bin 1,2 (3×3 cells)"),
        ("tensorflow", (0.1, 0.1, 0.5, 0.5), "framed: bin 1,2 (1 sample)"),
    ],
)
def test_the_bin_that_is_asked_for_is_named_with_what_it_is_made_of_and_its_value(
    convention: str, box: Box, step: str
) -> None:
    found = crop(box, 3, convention=convention, channel=0, chosen=(1, 2))
    said = text_of(panel_of(box, 3, convention=convention, channel=0, chosen=(1, 2)))
    assert step in said
    assert f"bin 1,2 is {found.values[1, 2]:.4g}".replace("-", "−") in said


def test_without_being_asked_the_bin_of_the_largest_value_is_framed() -> None:
    found = crop((20, 20, 90, 70), 5)
    assert found.values[found.bin] == found.values.max()


def test_roipool_says_by_how_much_each_edge_moved() -> None:
    # Cells 2.5 to 11.25 and 2.5 to 8.75 become 3 to 12 and 3 to 10, the end cell included.
    said = text_of(panel_of((20, 20, 90, 70), 3, convention="fast-rcnn", channel=0))
    for moved in ("−0.5 cells", "+0.75 cells", "+1.25 cells"):
        assert moved in said


def test_an_overlay_says_where_the_two_differ_most() -> None:
    features = np.zeros((2, 24, 30), np.float32)
    plan = crop((16, 16, 80, 80), 2, features=features).plan
    one, other = np.zeros((2, 2)), np.zeros((2, 2))
    one[0, 1], other[0, 1] = 0.25, -1.5
    pair = Crop(plan, 0, one, (0, 0)), Crop(plan, 0, other, (0, 0))
    shown = Shown.of(features, 1)
    said = text_of(overlay(shown, pair, names=("this", "that"), subject=SUBJECT))
    assert "They differ most in bin 0,1 of channel 1, by −1.75: this gives 0.25, that −1.5." in said


def test_no_arrow_is_without_its_number() -> None:
    pool = crop((20, 20, 90, 70), convention="fast-rcnn", channel=0)
    pair = crop((20, 20, 90, 70), channel=0), pool
    arrows = "how far an edge moved"
    assert arrows in text_of(panel(SHOWN, pool, subject=SUBJECT))
    assert arrows in text_of(both(SHOWN, pair, subject=SUBJECT))
    assert arrows not in text_of(overlay(SHOWN, pair, names=("a", "b"), subject=SUBJECT))


def test_bins_too_small_for_a_number_each_have_some() -> None:
    sheet = panel_of((20, 20, 90, 70), 14)
    row = [p for p in sheet.placed if p.text in map(str, range(0, 14, 2))]
    tops = [p.top for p in row]
    assert max(map(tops.count, tops)) == 7


def test_the_public_functions_give_pictures() -> None:
    align, pool = crop((20, 20, 90, 70)), crop((20, 20, 90, 70), convention="fast-rcnn")
    one = panel(SHOWN, align, subject=SUBJECT)
    two = both(SHOWN, (align, pool), subject=SUBJECT)
    over = overlay(SHOWN, (align, pool), names=("a", "b"), subject=SUBJECT)
    assert one.title == "RoIAlign of box 3"
    assert two.title == "RoIAlign and RoIPool of box 3"
    assert over.title == "a and b on box 3"
    assert one.finish().width < two.finish().width <= WIDEST


def test_a_figure_is_written_with_its_title_and_replaces_nothing_unasked(tmp_path: Path) -> None:
    figure, path = panel(SHOWN, crop((16, 16, 39, 23)), subject=SUBJECT), tmp_path / "box.png"
    path.write_text("mine")
    with pytest.raises(OutputError, match=r"box\.png exists"):
        save(figure, path)
    assert path.read_text() == "mine"
    save(figure, path, overwrite=True)
    assert list(tmp_path.iterdir()) == [path]
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.info["Title"] == "RoIAlign of box 3"
