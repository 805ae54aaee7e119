"""Boxes with an angle on the page: sampled to the bit, moved, turned, and given as commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import roicrop
from roicrop import job as jobs
from roicrop.conventions import CONVENTIONS, Convention
from roicrop.explanation import Explanation, Source
from roicrop.explorer import explore
from roicrop.job import Job, Request
from tests.explorer.using import close, command, settle, show, shown, state

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BOXES, BINS, STRIDE = 200, (2, 3), 8
MAP = np.random.default_rng(3).standard_normal((1, 2, 12, 15), np.float32) * 30
TURNED = [row for row in CONVENTIONS.values() if row.turned]

ASK = """(key) => JSON.stringify(roicrop.content.boxes.map((_, k) => {
  const pooling = roicrop.pool(k, key);
  const { plan } = pooling;
  const [height, width] = pooling.bins;
  const pairs = [];
  for (let p = 0; p < height; p++) {
    for (let q = 0; q < width; q++) pairs.push(...pooling.pairs(p, q));
  }
  const side = (n) => pairs.map((pair) => pair[n]).map((s) => [
    s.index, s.position, s.weightLow, s.weightHigh, Number(s.inside),
  ]);
  return { refused: plan.refused, y: side(0), x: side(1), values: pooling.values() };
}))"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("turned")
    random = np.random.default_rng(8)
    boxes = random.uniform((-20, -20, 0, 0, -400), (140, 120, 90, 60, 400), (BOXES, 5))
    boxes[:10, 4] = np.arange(10) * 45 - 90
    boxes[10:14, 2:4] = 0
    with h5py.File(folder / "maps.h5", "w") as file:
        file["features"] = MAP
        file["features"].attrs["stride"] = STRIDE
    lines = ["cx,cy,w,h,angle", *(",".join(map(repr, row)) for row in boxes.tolist())]
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def opened(browser: Browser, folder: Path) -> Iterator[tuple[Job, Page]]:
    request = Request(
        features=str(folder / "maps.h5"),
        boxes=str(folder / "boxes.csv"),
        convention=CONVENTIONS["align-rotated", "detectron2"],
        output_size=BINS,
    )
    with jobs.open_job(request) as job:
        explore(job).save(folder / "page.html")
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        errors: list[Any] = []
        page.on("pageerror", lambda error: errors.append(error))
        page.goto((folder / "page.html").as_uri())
        page.wait_for_function("globalThis.roicrop")
        yield job, page
        assert errors == []
        page.close()


@pytest.mark.parametrize("convention", TURNED, ids=lambda row: row.name)
def test_turned_boxes_are_sampled_to_the_bit_and_summed_as_explain_does(
    opened: tuple[Job, Page], convention: Convention
) -> None:
    job, page = opened
    answers = json.loads(page.evaluate(ASK, convention.name))
    (on_map,) = job.by_map()
    plan, features = on_map.plan(convention), on_map.features[0].copy()
    most = max(1.0, float(np.abs(features).max()))
    nothing = np.zeros(BINS, np.float32)
    assert len(answers) == BOXES
    for k, answer in enumerate(answers):
        assert not answer["refused"]
        samples = plan.samples(k)
        inside = samples[0].inside
        for s, listed in zip(samples, (answer["y"], answer["x"]), strict=True):
            columns = np.array(listed, np.float64).reshape(-1, 5).T
            names = ("index", "position", "weight_low", "weight_high", "inside")
            for name, column in zip(names, columns, strict=True):
                expected = getattr(s, name).astype(np.float64)
                if name.startswith("weight"):
                    expected = expected * inside
                np.testing.assert_array_equal(column, expected, err_msg=f"box {k} {name}")
        account = Explanation(Source("", "", 0), plan, k, 0, features, nothing)
        values = np.array([bin_.value for bin_ in account.bins()]).reshape(BINS)
        np.testing.assert_allclose(answer["values"], values, rtol=0, atol=1e-6 * most)


def test_only_conventions_of_turned_boxes_are_offered(opened: tuple[Job, Page]) -> None:
    _, page = opened
    assert page.evaluate("roicrop.conventions") == [row.name for row in TURNED]


def test_a_turned_box_is_dragged_and_turned_and_its_commands_run(
    opened: tuple[Job, Page], folder: Path
) -> None:
    _, page = opened
    show(page, "#box=20&corners=30,20,90,60&angle=30&bin=1,2&view=4.5,7,30")

    def expected(angle: float, center: tuple[float, float] = (60, 40)) -> np.ndarray:
        boxes = np.array([[0, *center, 60, 40, angle]])
        pooled = roicrop.roi_align_rotated(MAP, boxes, BINS, 1 / STRIDE)
        return np.asarray(pooled[0, 0]).ravel()

    close(shown(page), expected(30))
    page.get_by_label("angle").fill("75.5")
    page.keyboard.press("Enter")
    settle(page)
    close(shown(page), expected(75.5))
    place = page.locator("article canvas").bounding_box()
    assert place is not None
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2  # the box's center
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 15, y - 9, steps=2)  # half a cell, and three tenths
    page.mouse.up()
    moved = state(page)["moved"]
    assert moved == pytest.approx([34, 17.6, 94, 57.6], abs=0.02)
    center = (moved[0] + moved[2]) / 2, (moved[1] + moved[3]) / 2
    close(shown(page), expected(75.5, center))
    page.mouse.move(5, 5)
    settle(page)
    page.get_by_role("button", name="Copy as roicrop explain").click()
    settle(page)
    line = page.get_by_label("The command", exact=True).input_value()
    (bin_,) = json.loads(command(folder, f"{line} --json").stdout)["bins"]
    close(np.array(bin_["value"]), shown(page)[5])
    show(page, "#box=7&convention=openvino&bin=1,1")
    page.get_by_role("button", name="Copy as roicrop explain").click()
    settle(page)
    line = page.get_by_label("The command", exact=True).input_value()
    assert "--angle degrees" in line
    (bin_,) = json.loads(command(folder, f"{line} --json").stdout)["bins"]
    close(np.array(bin_["value"]), shown(page)[4])
    page.get_by_role("button", name="Copy the command").click()
    settle(page)
    line = page.get_by_label("The command", exact=True).input_value()
    (name,) = re.findall(r"-o (\S+)", line)
    command(folder, line)
    assert (folder / name).read_bytes().startswith(b"\x89PNG")
