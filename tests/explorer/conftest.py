"""A real browser, where there is one, and pages in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from roicrop import job as jobs
from roicrop.conventions import resolve
from roicrop.explorer import Page, explore
from roicrop.job import Request

if TYPE_CHECKING:
    from playwright.sync_api import Browser

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
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for pages."""
    return tmp_path_factory.mktemp("pages")


def page_of(request: Request | None = None, **asked: Any) -> Page:
    """A page of a request, by default of maps.h5 and boxes.csv."""
    if request is None:
        request = Request(features="maps.h5", boxes="boxes.csv", convention=resolve("mask-rcnn"))
    with jobs.open_job(request) as job:
        return explore(job, **asked)
