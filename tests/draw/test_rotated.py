"""Boxes with an angle and position-sensitive bins, drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import roicrop
from roicrop.draw import Crop, Shown, Subject
from roicrop.draw.drawing import Drawing
from roicrop.draw.view import Span, fit
from tests.command_line import run, write_maps

MAP = np.random.default_rng(2).standard_normal((18, 20, 30))
BOX = [12.0, 9, 10, 4, 30]
SUBJECT = Subject("maps.h5", "0", "0")


def drawing(box: list[float] = BOX, **options: Any) -> Drawing:
    plan = roicrop.plan([box], (20, 30), (2, 3), 1.0, 2, operator="align-rotated", **options)
    view = fit(Span(-0.5, 19.5), Span(-0.5, 35), (20, 30), 700, (300, 640))
    values = np.zeros((2, 3))
    return Drawing(Crop(plan, 0, values, (0, 1)), view, SUBJECT, Shown.of(MAP, 0))


def test_the_box_and_its_bins_are_turned_about_the_centre() -> None:
    found = drawing()
    for outline in (found.true.outline, found.crop.whole):
        assert outline.mean(axis=0) == pytest.approx([8.5, 11.5])
        down, across = outline[3] - outline[0], outline[1] - outline[0]
        assert np.hypot(*across) == pytest.approx(10)
        assert np.hypot(*down) == pytest.approx(4)
        # Counter-clockwise on the screen: the box's right is up.
        assert np.degrees(np.arctan2(-across[0], across[1])) == pytest.approx(30)
    bins = [found.crop.plan.outline(0, p, q) for p, q in np.ndindex(2, 3)]
    assert np.mean(bins, axis=(0, 1)) == pytest.approx([8.5, 11.5])


def test_the_box_stays_where_it_is_whatever_the_convention_makes_of_it() -> None:
    plan = drawing(convention="mxnet").crop.plan
    assert SUBJECT.true_box(plan, 0).outline.mean(axis=0) == pytest.approx([8.5, 11.5])
    assert drawing(convention="mxnet").crop.whole.mean(axis=0) == pytest.approx([9, 12])


def test_every_sample_is_marked_where_the_plan_has_it() -> None:
    found = drawing([28, 9, 10, 4, 30.0])
    y, x = found.crop.plan.samples(0)
    them = found.points
    assert len(them.y) == 24
    assert np.array_equal(them.y, y.position.astype(np.float64))
    assert np.array_equal(them.x, x.position.astype(np.float64))
    assert {0, 1, 2} == {*them.state.tolist()}
    assert ((them.state == 2) == ~y.inside).all()


@pytest.mark.usefixtures("work")
def test_pictures_of_rotated_and_position_sensitive_boxes_are_drawn() -> None:
    write_maps(Path("turned.h5"))
    Path("turned.csv").write_text("image_index,cx,cy,w,h,angle\n0,60,50,60,30,30\n")
    for words in (
        ["turned.csv", "-o", "one.png"],
        ["turned.csv", "-o", "all.png", "--figure", "overview"],
        ["turned.csv", "-o", "cells.png", "--figure", "coverage"],
        ["boxes.csv", "-o", "ps.png", "--position-sensitive", "--output-size", "1x2", "--box", "0"],
    ):
        result = run("show", "turned.h5", *words)
        assert result.status == 0, result.error
    assert run("show", "turned.h5", "turned.csv", "-o", "both.png", "--both").status == 2
