"""A real browser, if there is one, and pages in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import pytest
from PIL import Image

from tests.explorer.using import (
    BOXES,
    HEIGHT,
    HOSTILE,
    LABEL,
    MAPS,
    STRIDE,
    WIDTH,
    page_of,
    request,
    show,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (  # a container has no sandbox, and no network that a browser could phone home to
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="NO BROWSER TESTS: playwright")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("NO BROWSER TESTS: there is no chromium on the path")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two maps, one with its photograph, a COCO file full of markup, and the page of both."""
    folder = tmp_path_factory.mktemp("it's a folder")
    with h5py.File(folder / "maps.h5", "w") as file:
        file["features"] = MAPS
        file["features"].attrs["stride"] = STRIDE
    Image.new("RGB", (WIDTH * STRIDE, HEIGHT * STRIDE), (255, 0, 0)).save(folder / HOSTILE)
    images = [
        {"id": 1, "file_name": HOSTILE, "width": WIDTH * STRIDE, "height": HEIGHT * STRIDE},
        {"id": 2, "file_name": "second.png", "width": WIDTH * STRIDE, "height": HEIGHT * STRIDE},
    ]
    annotations = [
        {"id": 70 + k, "image_id": i, "category_id": 1 + k % 2, "bbox": box, "score": 0.5}
        for k, (i, *box) in enumerate(BOXES)
    ]
    categories = [{"id": 1, "name": LABEL}, {"id": 2, "name": "cat"}]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "boxes.json").write_text(json.dumps(coco))
    page_of(request(folder)).save(folder / "page.html")
    return folder


@pytest.fixture(scope="session")
def opened(browser: Browser, folder: Path) -> Iterator[Page]:
    """One page for all tests, with whatever it complained of or asked for kept."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.on("pageerror", lambda error: page.evaluate("e => (errors = [...errors, e])", str(error)))
    asked: list[str] = []
    page.on("request", lambda each: asked.append(each.url))
    page.add_init_script("globalThis.errors = []; globalThis.boom = () => errors.push('boom')")
    page.goto((folder / "page.html").as_uri())
    page.wait_for_function("globalThis.roicrop")
    yield page
    assert page.evaluate("errors") == []
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "blob"}
    assert [url for url in asked if url.startswith("file:")] == [(folder / "page.html").as_uri()]
    page.close()


@pytest.fixture
def page(opened: Page) -> Page:
    """The page as it is at first."""
    show(opened, "#")
    opened.locator("#search").fill("")
    return opened
