"""The page as a person uses it, with pointer and keys, in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import roicrop
from tests.explorer.using import (
    BINS,
    MAPS,
    STRIDE,
    choose,
    close,
    command,
    expected,
    on_map,
    settle,
    show,
    shown,
    state,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

OPTIONS = "--convention detectron2 --output-size 2x3"


def test_boxes_are_listed_with_pictures_and_found_by_image_id_and_label(page: Page) -> None:
    items = page.locator("#list li")
    assert [text.split(" (")[0] for text in items.locator("b").all_inner_texts()] == [
        f"Box {k}" for k in range(4)
    ]
    colours = items.locator("canvas").evaluate_all(
        "all => all.map((one) => [...one.getContext('2d').getImageData(60, 60, 1, 1).data])"
    )
    assert colours[0] == [254, 0, 0, 255]  # of the photograph
    assert colours[2] != colours[0]  # of the map
    assert colours[2][3] == 255
    search = page.locator("#search")
    for words, found in (("73", [3]), ("CAT", [1, 3]), ("second", [2, 3]), ("cat second", [3])):
        search.fill(words)
        assert items.locator("b").all_inner_texts() == [f"Box {k} (id {70 + k})" for k in found]
    assert state(page)["box"] == 3
    search.fill("nothing")
    assert "No box" in page.inner_text("#more")


def test_arrow_keys_choose_boxes_and_bins(page: Page) -> None:
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowDown")
    assert state(page)["box"] == 1
    page.keyboard.press("ArrowUp")
    page.locator("#list").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert state(page)["box"] == 2
    page.keyboard.press("ArrowUp")
    assert state(page)["box"] == 1
    assert page.locator("#list [aria-selected=true]").inner_text().startswith("Box 1")
    page.locator(".grid td[tabindex='0']").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert state(page)["bin"] == [0, 0]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert state(page)["bin"] == [1, 1]
    assert page.locator("h3").inner_text().startswith("Bin 1,1 by detectron2")
    close(shown(page), expected(1))


def test_a_bin_is_worked_through_as_explain_does(page: Page, folder: Path) -> None:
    show(page, "#box=0&bin=1,2")
    sums = page.locator(".sum")
    terms = sums.locator(".terms tbody tr").all_inner_texts()
    asked = json.loads(
        command(
            folder, f"roicrop explain maps.h5 boxes.json --json --box 0 --bin 1,2 {OPTIONS}"
        ).stdout
    )
    (bin_,) = asked["bins"]
    cells = [each for sample in bin_["listed"] for each in sample["cells"]]
    assert len(terms) == len(cells)
    for text, cell in zip(terms, cells, strict=True):
        assert f"[{cell['cell'][0]}, {cell['cell'][1]}]" in text
        numbers = [float(n) for n in re.findall(r"-?\d+\.\d+", text.replace("−", "-"))]
        np.testing.assert_allclose(
            numbers[:3], [cell["weight"], cell["feature"], cell["product"]], rtol=1e-5
        )
    said = sums.locator(".result").inner_text().replace("−", "-")
    close(np.array([float(said.split("= ")[1])]), np.array([bin_["value"]]))
    assert f"/ ({bin_['y']['edges'] and 3} × 2)" in said


def test_pointing_at_a_cell_says_which_bins_it_feeds_and_how_much(page: Page) -> None:
    show(page, "#box=0&view=3,3,40")
    page.mouse.move(*on_map(page, 3, 4))
    settle(page)
    said = page.inner_text("#cell")
    assert said.startswith(f"Cell [3, 4] is {MAPS[0, 0, 3, 4]:.6g}".replace("-", "−")[:16])
    fed = {
        (int(p), int(q)): float(share)
        for p, q, share in re.findall(r"bin (\d),(\d) with ([\d.e−]+\d)", said)
    }
    one = np.zeros_like(MAPS)
    one[0, 0, 3, 4] = 1
    corners = np.array([[0, 8, 8, 48, 48.0]])
    shares = roicrop.roi_align(one, corners, BINS, 1 / STRIDE, convention="detectron2")[0, 0]
    assert fed.keys() == {tuple(at) for at in np.argwhere(shares).tolist()}
    for at, share in fed.items():
        assert share == pytest.approx(float(shares[at]), rel=0.01)
    framed = page.locator("td.fed").count()
    assert framed == len(fed)


def test_the_keyboard_points_at_cells_and_zooms_and_pans(page: Page) -> None:
    show(page, "#box=0")
    page.locator("article canvas").focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    first = page.inner_text("#cell")
    page.keyboard.press("ArrowDown")
    settle(page)
    assert re.match(r"Cell \[\d+, \d+\]", first)
    assert page.inner_text("#cell") != first
    page.keyboard.press("Enter")
    assert state(page)["bin"] is not None
    page.keyboard.press("+")
    nearer = state(page)["view"]
    page.keyboard.press("-")
    assert state(page)["view"][2] < nearer[2]
    page.keyboard.press("Shift+ArrowRight")
    assert state(page)["view"][1] == nearer[1] + 1
    page.keyboard.press("0")
    assert state(page)["view"] is None


def test_dragging_moves_by_fractions_of_a_cell_where_align_glides_and_pool_jumps(
    page: Page,
) -> None:
    show(page, "#box=0&convention=detectron2,fast-rcnn&view=3,3,40")
    before = shown(page), shown(page, 1)
    corner = on_map(page, 5.5, 5.5)
    page.mouse.move(*corner)
    page.mouse.down()
    page.mouse.move(corner[0] + 4, corner[1] + 8, steps=2)  # a tenth of a cell, and a fifth
    page.mouse.up()
    moved = state(page)["moved"]
    assert moved == pytest.approx([8, 8, 48.8, 49.6], abs=0.02)
    close(shown(page), expected(0, moved=moved))
    assert np.abs(shown(page) - before[0]).max() > 1e-3
    np.testing.assert_array_equal(shown(page, 1), before[1])
    page.mouse.move(*on_map(page, 3, 3))
    page.mouse.down()
    page.mouse.move(*np.add(on_map(page, 3, 3), (24, 0)), steps=2)
    page.mouse.up()
    moved = state(page)["moved"]
    assert moved == pytest.approx([12.8, 8, 53.6, 49.6], abs=0.02)
    pool: dict[str, Any] = {"function": roicrop.roi_pool, "convention": "fast-rcnn"}
    close(shown(page, 1), expected(0, moved=moved, **pool))
    assert np.abs(shown(page, 1) - before[1]).max() > 1e-3
    page.get_by_role("button", name="Reset the box").click()
    assert state(page)["moved"] is None
    np.testing.assert_array_equal(shown(page, 1), before[1])
    page.get_by_label("x2 in pixels").fill("60")
    page.keyboard.press("Enter")
    assert state(page)["moved"] == [8, 8, 60, 48]
    page.keyboard.press("ArrowUp")
    assert state(page)["moved"] == [8, 8, 60.8, 48]


def test_what_is_chosen_is_pooled_anew(page: Page) -> None:
    show(page, "#box=2")
    choose(page, "Channel", "2")
    page.get_by_role("textbox", name="Bins").fill("3")
    page.keyboard.press("Enter")
    settle(page)
    close(shown(page), expected(2, channel=2, output_size=3))
    choose(page, "Samples per bin", "1")
    choose(page, "Aligned", "false")
    settle(page)
    asked: dict[str, Any] = {"sampling_ratio": 1, "aligned": False}
    close(shown(page), expected(2, channel=2, output_size=3, **asked))
    choose(page, "Each bin takes", "max")
    settle(page)
    close(shown(page), expected(2, channel=2, output_size=3, mode="max", **asked))
    choose(page, "Convention", "paddle")
    choose(page, "Compare with", "prroi")
    settle(page)
    asked |= {"mode": "max", "convention": "paddle"}
    close(shown(page), expected(2, channel=2, output_size=3, **asked))
    close(shown(page, 1), expected(2, channel=2, output_size=3, convention="prroi"))
    said = page.locator("article").nth(1).inner_text()
    assert "It takes no other number of samples" in said
    assert "an integral" in said
