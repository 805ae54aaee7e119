"""A page in a browser, and what roicrop gives for the boxes on it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import roicrop
from roicrop import job as jobs
from roicrop.conventions import PLAIN, resolve
from roicrop.explorer import Page as Made
from roicrop.explorer import explore
from roicrop.job import Request

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHANNELS, HEIGHT, WIDTH, STRIDE = 3, 10, 12, 8
BINS = (2, 3)
MAPS = np.random.default_rng(5).standard_normal((2, CHANNELS, HEIGHT, WIDTH), np.float32) * 20
HOSTILE = "<img src=x onerror=boom()>.png"  # which is a file name
LABEL = "</script><script>boom()</script>'\"&\u202e\x07"
BOXES = [  # image, then x, y, width and height
    (1, 8.0, 8.0, 40.0, 40.0),
    (1, 20.5, 3.25, 30.0, 51.0),
    (2, 0.0, 0.0, 96.0, 80.0),
    (2, 60.0, 40.0, 60.0, 60.0),
]


def page_of(request: Request | None = None, **asked: Any) -> Made:
    """A page of a request, by default of maps.h5 and boxes.csv."""
    if request is None:
        request = Request(features="maps.h5", boxes="boxes.csv", convention=resolve("mask-rcnn"))
    with jobs.open_job(request) as job:
        return explore(job, **asked)


def request(folder: Path, **changes: Any) -> Request:
    given = {
        "features": str(folder / "maps.h5"),
        "boxes": str(folder / "boxes.json"),
        "convention": PLAIN["detectron2"],
        "output_size": BINS,
    }
    return Request(**{**given, **changes})


def show(page: Page, address: str) -> None:
    page.evaluate("address => { location.hash = address; }", address or "#")
    settle(page)


def settle(page: Page) -> None:
    """Until what was asked for is drawn."""
    page.evaluate("() => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 30))")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def state(page: Page) -> dict[str, Any]:
    settle(page)
    found = page.evaluate("roicrop.state()")
    assert isinstance(found, dict)
    return found


def shown(page: Page, nth: int = 0) -> np.ndarray:
    """The pooled values in a table of the page, of which it tells seven digits."""
    labels = (
        page.locator(".grid")
        .nth(nth)
        .locator("td")
        .evaluate_all("cells => cells.map((cell) => cell.getAttribute('aria-label'))")
    )
    texts = [re.sub(r",? [\d.e−]+ % from.*", "", label).partition(": ")[2] for label in labels]
    return np.array([float(text.replace("−", "-")) for text in texts])


def expected(k: int, channel: int = 0, moved: Any = None, **options: Any) -> np.ndarray:
    """What roicrop gives for a box, row by row."""
    image, x, y, width, height = BOXES[k]
    corners = moved or (x, y, x + width, y + height)
    size = options.pop("output_size", BINS)
    function = options.pop("function", roicrop.roi_align)
    convention = options.pop("convention", "detectron2")
    boxes = np.array([[image - 1, *corners]])
    pooled = function(MAPS, boxes, size, 1 / STRIDE, convention=convention, **options)
    return np.asarray(pooled[0, channel]).ravel()


def close(found: np.ndarray, to: np.ndarray) -> None:
    np.testing.assert_allclose(found, to, rtol=1e-5, atol=1e-4)


def on_map(page: Page, y: float, x: float, nth: int = 0) -> tuple[float, float]:
    """The pixel of the window where index coordinates are on a map that shows the whole box."""
    place = page.locator("article canvas").nth(nth).bounding_box()
    assert place is not None
    middle_y, middle_x, cell = state(page)["view"]
    return (
        place["x"] + place["width"] / 2 + (x - middle_x) * cell,
        place["y"] + place["height"] / 2 + (y - middle_y) * cell,
    )


def choose(page: Page, name: str, value: str) -> None:
    page.get_by_role("combobox", name=name, exact=True).select_option(value)


def command(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """A command line in a shell, as it was copied."""
    folder.joinpath("roicrop").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m roicrop "$@"\n')
    folder.joinpath("roicrop").chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    root = str(Path(roicrop.__file__).parents[1])
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
