"""Keeping a view as an address, a command or a picture; and the page's accessibility."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from PIL import Image

from tests.explorer.using import BINS, HOSTILE, close, command, settle, show, shown, state

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def test_an_address_restores_a_view(page: Page, browser: Browser, folder: Path) -> None:
    address = (
        "#box=2&bin=1,0&convention=mask-rcnn,fast-rcnn&channel=1&bins=2x2&ratio=3&aligned=true"
        "&mode=max&fade=0.6&corners=1,2,30.5,40&view=2.5,3.5,22"
    )
    page.goto((folder / "page.html").as_uri() + address)
    settle(page)
    assert state(page) == {
        "box": 2,
        "bin": [1, 0],
        "conventions": ["mask-rcnn", "fast-rcnn"],
        "channel": 1,
        "bins": [2, 2],
        "ratio": 3,
        "aligned": True,
        "mode": "max",
        "fade": 0.6,
        "moved": [1, 2, 30.5, 40],
        "angle": None,
        "view": [2.5, 3.5, 22],
    }
    assert page.url.partition("#")[2] == address[1:]
    page.mouse.move(5, 5)
    show(page, "#box=99&bin=9,9&convention=none,prroi&channel=x&bins=0x7&view=1,1,-4&ratio=1e9")
    found = state(page)
    assert (found["box"], found["bin"], found["bins"]) == (0, None, list(BINS))
    assert found["conventions"] == ["prroi"]
    assert (found["view"], found["ratio"]) == (None, None)


@pytest.mark.parametrize(
    ("address", "pictures"),
    [
        ("#box=3&bin=1,1&convention=detectron2,fast-rcnn&channel=2&ratio=3", 2),
        ("#box=1&corners=20.25,3.5,55,60.125&convention=tensorflow&bins=3x3", 1),
    ],
)
def test_the_copied_command_draws_what_is_seen(
    page: Page, folder: Path, address: str, pictures: int
) -> None:
    show(page, address)
    found = state(page)
    values = shown(page)
    page.get_by_role("button", name="Copy the command").click()
    settle(page)
    line = page.get_by_label("The command", exact=True).input_value()
    assert len(re.findall("roicrop show", line)) == pictures
    done = command(folder, line)
    names = re.findall(r"-o (\S+)", line)
    assert len(names) == pictures
    for name in names:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
        (folder / name).unlink()
    assert "warning" not in done.stderr.lower()
    page.get_by_role("button", name="Copy as roicrop explain").first.click()
    settle(page)
    line = page.get_by_label("The command", exact=True).input_value()
    record = json.loads(command(folder, f"{line} --json").stdout)
    p, q = np.unravel_index(int(values.argmax()), found["bins"])
    chosen = found["bin"] or [int(p), int(q)]
    (bin_,) = record["bins"]
    assert bin_["bin"] == chosen
    close(np.array(bin_["value"]), values.reshape(found["bins"])[tuple(chosen)])


def test_what_is_seen_is_saved_as_png(page: Page) -> None:
    show(page, "#box=0&convention=detectron2,fast-rcnn")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the view").click()
    with Image.open(io.BytesIO(download.value.path().read_bytes())) as picture:
        assert download.value.suggested_filename == "box-0.png"
        assert picture.width > 600
        assert picture.height > 700
        colours = picture.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 200
    assert {(255, 96, 32), (104, 205, 255)} <= {colour for _, colour in colours}


def test_names_are_data_and_never_markup(page: Page) -> None:
    show(page, "#box=0")
    text = page.inner_text("#list")
    assert r"</script><script>boom()</script>'\"&\u202e\x07".replace('\\"', '"') in text
    assert HOSTILE in text
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert page.evaluate("errors") == []


def test_every_control_has_a_name_for_a_screen_reader(page: Page) -> None:
    show(page, "#box=0&convention=detectron2,prroi&corners=1,2,30,40")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, [tabindex]")]
          .filter((each) => !each.closest("[aria-hidden=true]") && each.ariaHidden !== "true")
          .filter((each) => !(each.ariaLabel || each.closest("label")?.innerText || each.innerText))
          .map((each) => each.outerHTML)"""
    )
    assert nameless == []
    assert str(page.locator("td").first.get_attribute("aria-label")).startswith("bin 0,0: ")


def test_the_page_is_light_or_dark_as_its_reader_has_it_and_fits_a_telephone(page: Page) -> None:
    grounds = {}
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        settle(page)
        grounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert grounds["light"] == "rgb(255, 255, 255)"
    assert grounds["dark"] != grounds["light"]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 420, "height": 900})
    show(page, "#box=1&convention=detectron2,fast-rcnn")
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    page.set_viewport_size({"width": 1400, "height": 1000})
