"""The page as a person uses it: pointer, keys, address, picture and command, in a real browser."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import h5py
import numpy as np
import pytest
from PIL import Image

import roicrop
from roicrop.conventions import CONVENTIONS
from roicrop.job import Request
from tests.explorer.conftest import page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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


@pytest.fixture(scope="module")
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


def request(folder: Path, **changes: Any) -> Request:
    given = {
        "features": str(folder / "maps.h5"),
        "boxes": str(folder / "boxes.json"),
        "convention": CONVENTIONS["detectron2"],
        "output_size": BINS,
    }
    return Request(**{**given, **changes})


@pytest.fixture(scope="module")
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


OPTIONS = "--convention detectron2 --output-size 2x3"


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
    page.get_by_role("button", name="Put the box back").click()
    assert state(page)["moved"] is None
    np.testing.assert_array_equal(shown(page, 1), before[1])
    page.get_by_label("x2 in pixels").fill("60")
    page.keyboard.press("Enter")
    assert state(page)["moved"] == [8, 8, 60, 48]
    page.keyboard.press("ArrowUp")
    assert state(page)["moved"] == [8, 8, 60.8, 48]


def choose(page: Page, name: str, value: str) -> None:
    page.get_by_role("combobox", name=name, exact=True).select_option(value)


def test_what_is_chosen_is_pooled_anew(page: Page) -> None:
    show(page, "#box=2")
    choose(page, "Channel", "2")
    page.get_by_role("textbox", name="Bins").fill("3")
    page.keyboard.press("Enter")
    settle(page)
    close(shown(page), expected(2, channel=2, output_size=3))
    choose(page, "Samples a bin", "1")
    choose(page, "Aligned", "false")
    settle(page)
    asked: dict[str, Any] = {"sampling_ratio": 1, "aligned": False}
    close(shown(page), expected(2, channel=2, output_size=3, **asked))
    choose(page, "A bin takes", "max")
    settle(page)
    close(shown(page), expected(2, channel=2, output_size=3, mode="max", **asked))
    choose(page, "Convention", "paddle")
    choose(page, "Beside it", "prroi")
    settle(page)
    asked |= {"mode": "max", "convention": "paddle"}
    close(shown(page), expected(2, channel=2, output_size=3, **asked))
    close(shown(page, 1), expected(2, channel=2, output_size=3, convention="prroi"))
    said = page.locator("article").nth(1).inner_text()
    assert "It takes no other number of samples" in said
    assert "an integral" in said


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
        page.get_by_role("button", name="Save what is seen").click()
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
