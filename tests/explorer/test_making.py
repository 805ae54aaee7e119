"""What `roicrop show -o PAGE.html` writes: within a size, for any maps and boxes."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from PIL import Image

import roicrop
from roicrop import job as jobs
from roicrop.conventions import PLAIN
from roicrop.errors import ArgumentError, OutputError
from roicrop.explorer import Page as Made
from roicrop.explorer import explore
from roicrop.job import Request
from tests.command_line import MAPS, STRIDE, run, write_boxes, write_maps
from tests.explorer.using import page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.usefixtures("work")

SAMPLES = Path(__file__).parents[2] / "sample_data"


def content(page: Made) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page.html)
    assert found is not None
    value = json.loads(found[1])
    assert isinstance(value, dict)
    return value


def limited(max_size: int) -> Made:
    page = page_of(max_size=max_size)
    assert page.size <= max_size
    return page


def test_what_does_not_fit_is_left_out_channels_first_then_photographs_then_images() -> None:
    random = np.random.default_rng(2)
    with h5py.File("maps.h5", "w") as file:
        for name in ("one", "two"):
            noise = random.integers(0, 256, (80, 96, 3), np.uint8)
            Image.fromarray(noise).save(f"{name}.png")
            file[name] = random.standard_normal((256, 10, 12), np.float32)
            file[name].attrs.update({"stride": STRIDE, "picture": f"{name}.png"})
    rows = ["image,x1,y1,x2,y2", "two,8,8,40,40", "one,0,0,96,80", "two,20,3,30,70"]
    Path("boxes.csv").write_text("\n".join(rows) + "\n")
    whole = page_of()
    assert (whole.images, whole.boxes, whole.channels, str(whole.left_out)) == (2, 3, 256, "")
    assert len(content(whole)["maps"][0]["channels"]) == 256

    some = limited(whole.size - 1)
    assert (some.images, some.left_out.photographs) == (2, 0)
    assert some.channels in (254, 255)
    channel = 10 * 12 * 4 * 2  # bytes of both maps, before they are text
    few = limited(whole.size - 250 * channel)
    assert 1 <= few.channels < 90
    assert (few.images, few.left_out.photographs) == (2, 0)
    assert content(few)["left_out"] == f"{256 - few.channels} channels"

    photo = len(content(whole)["images"][0]["photo"])
    one = next(
        page
        for size in range(few.size, 0, -photo // 4)
        if (page := limited(size)).left_out.photographs
    )
    assert (one.images, one.left_out.images) == (2, 0)
    assert [each["photo"] is None for each in content(one)["images"]] == [False, True]

    least = int(re.sub(r"\D", "", re.findall(r"a page of ([\d,]+)", refusal(1))[0]))
    tiny = limited(least + 100)
    assert (tiny.images, tiny.channels) == (1, 1)
    assert str(tiny.left_out).endswith("1 image with 1 box")
    assert len(content(tiny)["boxes"]) == tiny.boxes == 2


def refusal(max_size: int) -> str:
    with pytest.raises(ArgumentError) as caught:
        page_of(max_size=max_size)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_channel_that_is_shown_first_is_kept() -> None:
    write_maps(maps=np.tile(MAPS, (1, 64, 1, 1)))
    shown = ["show", "maps.h5", "boxes.csv", "-o", "page.html", "--channel", "200"]
    said = run(*shown, "--max-size", "250kB", "--json")
    assert said.status == 0
    page = said.json["page"]
    assert page["bytes"] == Path("page.html").stat().st_size <= 250_000
    assert page["left_out"]["channels"] == 256 - page["channels"] > 0
    assert f"left out: {page['left_out']['channels']} channels (--max-size)" in said.err
    assert '"channels":[0,' in Path("page.html").read_text("utf-8")
    assert ",200]" in Path("page.html").read_text("utf-8")


def test_two_hundred_boxes_on_one_map_are_a_small_page() -> None:
    random = np.random.default_rng(1)
    write_maps(maps=random.standard_normal((1, 8, 64, 64), np.float32))
    corners = random.uniform(0, 400, (200, 2))
    write_boxes(boxes=[(0, x, y, x + 80, y + 60) for x, y in corners.tolist()])
    assert page_of().size < 3_000_000


def test_a_page_replaces_a_page_and_nothing_else() -> None:
    shown = ["show", "maps.h5", "boxes.csv", "-o", "page.html"]
    assert run(*shown).status == 0
    assert run(*shown, "--box", "1").status == 0
    assert len(json.loads(re.findall(r'"boxes":(\[.*?\]),"images"', html())[0])) == 1
    Path("page.html").write_text("<p>somebody's</p>")
    assert "page.html exists" in run(*shown).error
    assert html() == "<p>somebody's</p>"
    assert run(*shown, "--overwrite").status == 0


def html() -> str:
    return Path("page.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--figure", "sheet"], "--figure is for pictures"),
        (["--points"], "--points is for pictures"),
        (["--output-size", "33"], "at most 32 bins"),
        (["--channel", "4"], "has channels 0 to 3"),
        (["--bin", "7,0"], "--bin 7,0"),
        (["--box", "3"], "no box 3"),
        (["--photo", "boxes.csv", "--box", "1"], "--photo boxes.csv"),
        (["--max-size", "1kB"], "--max-size 1,000: the first image takes"),
    ],
)
def test_what_a_page_cannot_show_is_said_in_a_line(options: list[str], said: str) -> None:
    result = run("show", "maps.h5", "boxes.csv", "-o", "page.html", *options)
    assert said in result.error
    assert not Path("page.html").exists()


def test_what_the_page_does_not_know_is_refused_in_a_line() -> None:
    asked = ["--position-sensitive", "--output-size", "2"]
    said = run("show", "maps.h5", "boxes.csv", "-o", "page.html", *asked).error
    assert said.startswith("a page does not support Position-sensitive RoIAlign: draw pictures")


def test_a_maximum_size_is_for_pages() -> None:
    assert (
        "--max-size is for a page"
        in run("show", "maps.h5", "boxes.csv", "-o", "box.png", "--max-size", "1MB").error
    )


def test_the_document_holds_no_markup_of_files() -> None:
    """Whatever a label is, the element that holds it ends where the page says so."""
    label = "</script><!--<script>&quot;"
    Path("boxes.csv").write_text(f"image_index,x1,y1,x2,y2,label\n0,8,8,40,40,{label}\n")
    page = page_of()
    assert content(page)["boxes"][0]["label"] == label
    assert page.html.count("</script>") == 2
    assert page.html.count("<!--") == 0


def test_a_page_is_shown_in_a_notebook_and_saved() -> None:
    page = page_of()
    assert page._repr_html_().startswith("<iframe ")
    assert "<script" not in page._repr_html_()
    page.save("page.html")
    assert html() == page.html
    with pytest.raises(OutputError, match="exists"):
        page.save("page.html")


def test_python_makes_the_page_that_the_command_writes() -> None:
    assert run("show", "maps.h5", "boxes.csv", "-o", "page.html", "--both").status == 0
    page = roicrop.explore("maps.h5", "boxes.csv", both=True)
    assert page.html == html()


def test_arrays_are_explored_without_commands(browser: Browser) -> None:
    boxes = np.array([[0, 8, 8, 40, 40.0], [1, 3, 4, 50, 60]])
    made = roicrop.explore(MAPS, boxes, (2, 2), 1 / STRIDE, convention="paddle", channel=1)
    made.save("page.html")
    wanted = roicrop.roi_align(MAPS, boxes, (2, 2), 1 / STRIDE, convention="paddle")[:, 1]
    page = browser.new_page()
    page.goto(Path("page.html").absolute().as_uri())
    for k in range(2):
        values = page.evaluate("k => roicrop.pool(k, 'paddle').values()", k)
        np.testing.assert_allclose(values, wanted[k], atol=1e-5)
    assert page.get_by_role("button", name="Save the view").count() == 1
    assert page.get_by_role("button", name="Copy").count() == 0
    page.close()


def test_boxes_of_a_pyramid_are_on_their_level_under_each_rule(browser: Browser) -> None:
    boxes = [(0, 10, 10, 40, 50), (0, 20, 20, 200, 180), (0, 0, 0, 470, 470)]
    write_boxes(boxes=boxes)
    request = Request(
        features=str(SAMPLES / "pyramid.h5"),
        boxes="boxes.csv",
        convention=PLAIN["detectron2"],
        output_size=(2, 2),
        levels=("stride16", "stride32"),
    )
    with jobs.open_job(request) as job:
        explore(job).save("page.html")
        wanted = {}
        for name in ("detectron2", "mmcv", "matterport"):
            row = PLAIN[name]
            pooled = np.zeros((len(boxes), 2, 2))
            for on_map in job.under(row).by_map():
                pooled[on_map.rows] = on_map.channels_first(on_map.pool(row))[:, 0]
            wanted[name] = pooled
        levels = {int(level) for level in job.level}
    assert len(levels) > 1
    page = browser.new_page()
    page.goto(Path("page.html").absolute().as_uri())
    for name, pooled in wanted.items():
        for k in range(len(boxes)):
            found = page.evaluate("([k, name]) => roicrop.pool(k, name).values()", [k, name])
            np.testing.assert_allclose(found, pooled[k], rtol=1e-3, atol=1e-2)  # of float16
    page.close()


def test_fractions_and_resized_images_are_placed_as_the_job_has_them(browser: Browser) -> None:
    lines = ["x1,y1,x2,y2", "0.1,0.2,0.7,0.93", "0.031,0.04,0.2,0.51"]
    Path("boxes.csv").write_text("\n".join(lines) + "\n")
    write_maps(maps=MAPS[:1])
    request = Request(
        features="maps.h5",
        boxes="boxes.csv",
        convention=PLAIN["mask-rcnn"],
        normalized=True,
        input_scale=(0.5, 0.25),
        output_size=(3, 3),
    )
    for asked in (request, dataclasses.replace(request, image_size=(170, 390))):
        page_of(asked).save("page.html", overwrite=True)
        page = browser.new_page()
        page.goto(Path("page.html").absolute().as_uri())
        for name in ("mask-rcnn", "tensorflow", "matterport", "fast-rcnn"):
            with jobs.open_job(asked) as job:
                (on_map,) = job.by_map()
                pooled = on_map.pool(PLAIN[name])[:, 0]
            for k in range(2):
                found = page.evaluate("([k, name]) => roicrop.pool(k, name).values()", [k, name])
                np.testing.assert_allclose(found, pooled[k], atol=1e-5)
        page.close()
