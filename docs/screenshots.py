"""`python -m docs.screenshots`: the explorer as docs/explorer.md shows it; it takes a Chromium."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from docs.documents import ROOT
from docs.make import save_small
from roicrop.cli.main import main as roicrop

SHOWN = (
    *("sample_data/features.h5", "sample_data/boxes.json", "--channel", "4"),
    *("--convention", "detectron2", "--output-size", "5"),
)


def main() -> None:
    """Draw docs/screenshots/explorer.png."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder, "explore.html")
        roicrop(["show", *SHOWN, "-o", str(file), "--quiet"])
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1360, "height": 880})
        page.goto(f"{file.as_uri()}#box=1&bin=2,2")
        page.wait_for_function("globalThis.roicrop")
        page.wait_for_timeout(500)  # milliseconds, until the photograph is decoded
        page.screenshot(path=Path(folder, "page.png"))
        save_small(Path(folder, "page.png"), ROOT / "docs" / "screenshots" / "explorer.png")
        browser.close()


if __name__ == "__main__":
    main()
