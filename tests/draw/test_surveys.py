"""Figures of all boxes of an image."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roicrop import operators
from roicrop.conventions import PLAIN, Operator
from roicrop.draw import Shown, Subject
from roicrop.draw.surveys import Item, Survey, SurveyName
from roicrop.explanation import coverage
from tests.draw.boxes import BOXES, FEATURES, PHOTO, STRIDE, Box, assert_legible, crop, text_of


def survey(name: SurveyName, boxes: list[Box], *, photo: bool = True, score: bool = True) -> Survey:
    items, amount = [], np.zeros((24, 30))
    for n, box in enumerate(boxes):
        found = crop(box, 3, convention="torchvision", ratio=2)
        subject = Subject("page.h5::/stride8", "page", str(n), box, (1 / STRIDE, 1 / STRIDE))
        amount += coverage(found.plan, 0, FEATURES)
        items.append(Item(n, subject, found, n / 7 if score else None, None))
    shown, scale = Shown.of(FEATURES, None), (1 / STRIDE, 1 / STRIDE)
    picture = PHOTO if photo else None
    return Survey(name, shown, items, amount, scale, picture)


@pytest.mark.parametrize("name", ["overview", "sheet", "coverage"])
@settings(max_examples=15)
@given(boxes=st.lists(BOXES, min_size=1, max_size=30), photo=st.booleans(), score=st.booleans())
def test_nothing_overlaps_in_a_survey(
    name: SurveyName, boxes: list[Box], photo: bool, score: bool
) -> None:
    assert_legible(survey(name, boxes, photo=photo, score=score).compose())


def test_an_overview_names_each_box_with_its_score() -> None:
    said = text_of(survey("overview", [(10, 10, 60, 60), (100, 90, 160, 150)]).compose())
    for part in ("2 boxes of image page", "0: 0", "1: 0.14", "On the image", "On the map"):
        assert part in said


def test_an_overview_of_many_boxes_numbers_the_best_and_counts_the_rest() -> None:
    boxes: list[Box] = [(n % 31 * 7, n // 31 * 5, n % 31 * 7 + 20, n // 31 * 5 + 20)
                        for n in range(300)]  # fmt: skip
    sheet = survey("overview", boxes).compose()
    said = text_of(sheet)
    assert_legible(sheet)
    (numbered,) = map(int, re.findall(r"(\d+) of those with the highest scores, numbered", said))
    assert 5 <= numbered <= 20
    assert f"the other {300 - numbered} boxes" in said
    assert "299: 42.71" in said
    assert "0: 0 " not in said
    largest = text_of(survey("overview", boxes, score=False).compose())
    assert "of those that are largest, numbered" in largest


def test_a_sheet_says_which_boxes_it_leaves_out() -> None:
    boxes: list[Box] = [(10, 10, 60, 60)] * 49
    assert "These are the first 48 of 49" in text_of(survey("sheet", boxes).compose())


@pytest.mark.parametrize("convention", ["mask-rcnn", "detectron2", "prroi", "tensorflow"])
@given(box=BOXES)
@settings(max_examples=25)
def test_coverage_is_the_adjoint_of_an_average(convention: str, box: Box) -> None:
    """The sum of what is pooled from a map is the sum of the map, cell by cell, × coverage."""
    if convention == "detectron2" and (box[2] < box[0]) != (box[3] < box[1]):
        return
    if convention == "tensorflow":
        box = (0.1, 0.2, 0.1 + abs(box[2]) / 1000, 0.2 + abs(box[3]) / 1000)
    features = np.random.default_rng(3).normal(size=(1, 24, 30))
    found = crop(box, 3, convention=convention, features=features)
    if convention == "tensorflow" and found.void.any():
        return
    weights = coverage(found.plan, 0, features)
    assert found.values.sum() == pytest.approx((features[0] * weights).sum(), abs=1e-4)


@pytest.mark.parametrize("convention", ["fast-rcnn", "mask-rcnn"])
def test_coverage_of_a_maximum_is_that_of_the_winners(convention: str) -> None:
    row = PLAIN[convention]
    operator: Operator = row.operator
    boxes = np.array([[0, 20.0, 20, 90, 70]])
    plan = operators.plan(boxes[:, 1:], (24, 30), 3, 1 / STRIDE, 2 if operator == "align" else None,
                          mode="max", convention=convention, operator=operator)  # fmt: skip
    pool = operators.roi_pool if operator == "pool" else operators.roi_align
    batch = FEATURES[np.newaxis]
    pooled = pool(batch, boxes, 3, 1 / STRIDE, mode="max", convention=convention)[0]
    found = crop((20, 20, 90, 70), 3, convention=convention)
    found = type(found)(plan, 0, pooled.mean(axis=0), (0, 0))
    for channel in range(3):
        weights = coverage(found.plan, 0, FEATURES[[channel]])
        total = float((FEATURES[channel] * weights).sum())
        assert float(pooled[channel].sum()) == pytest.approx(total, rel=1e-5)
