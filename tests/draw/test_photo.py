"""`roicrop show` finds the photograph of a map, and draws what options ask for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import pytest
from PIL import Image

from roicrop import job as jobs
from roicrop.cli import terminal
from roicrop.conventions import PLAIN
from roicrop.draw import Album, Crop, Options, Shown, album, panel
from roicrop.draw.sheet import Sheet
from roicrop.job import Photos, Request
from tests.command_line import MAPS, STRIDE, run, write_boxes, write_maps

pytestmark = pytest.mark.usefixtures("work")

HEIGHT, WIDTH = (int(n * STRIDE) for n in MAPS.shape[2:])


def picture(path: str, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 100, 50)).save(path)
    return Path(path).resolve()


def one_image(name: str | None = None, folder: str = "maps") -> None:
    """One map, in a folder of its own, with the attribute `picture`."""
    Path(folder).mkdir()
    write_maps(f"{folder}/maps.h5", MAPS[:1], stride=STRIDE)
    if name is not None:
        with h5py.File(f"{folder}/maps.h5", "r+") as file:
            next(iter(file.values())).attrs["picture"] = name


def coco(name: str) -> None:
    image = {"id": 1, "file_name": name, "width": WIDTH, "height": HEIGHT}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, 20, 20]}
    Path("boxes").mkdir(exist_ok=True)
    Path("boxes/coco.json").write_text(json.dumps({"images": [image], "annotations": [box]}))


def found(boxes: str = "boxes.csv", photo: str | None = None) -> Path | None:
    if boxes == "boxes.csv":
        write_boxes(boxes=[(0, 8, 8, 28, 28)])
    request = Request(features="maps/maps.h5", boxes=boxes, convention=PLAIN["mask-rcnn"])
    with jobs.open_job(request) as job:
        (placed,) = job.placed()
        photograph = Photos(photo).of(placed, 0)
    return photograph.path if photograph else None


def test_the_attribute_names_a_file_beside_the_maps_or_below() -> None:
    one_image("page.png")
    assert found() is None
    below = picture("maps/images/page.png")
    assert found() == below


def test_a_file_of_another_size_is_not_the_photograph() -> None:
    one_image("page.png")
    picture("maps/page.png", (WIDTH, HEIGHT + int(3 * STRIDE)))
    assert found() is None


@pytest.mark.parametrize("name", ["../secret.png", "secret.png", "{here}/secret.png"])
def test_a_name_never_leads_out_of_the_folder(name: str) -> None:
    one_image(name.format(here=Path.cwd()))
    Path("maps/secret.png").symlink_to(picture("secret.png"))
    write_boxes(boxes=[(0, 8, 8, 28, 28)])
    shutil.copy("boxes.csv", "maps/boxes.csv")
    assert found("maps/boxes.csv") is None


def test_half_an_image_is_not_the_photograph() -> None:
    one_image("page.png")
    whole = picture("maps/page.png").read_bytes()
    Path("maps/page.png").write_bytes(whole[: len(whole) - 40])
    assert found() is None
    show = ["show", "maps/maps.h5", "boxes.csv", "-o", "figure.png", "--photo", "maps/page.png"]
    refused = run(*show)
    assert refused.status == 2
    assert "--photo maps/page.png: not an image that can be read" in refused.error


def test_a_coco_file_names_a_file_beside_itself() -> None:
    one_image()
    coco("train/page.png")
    beside = picture("boxes/train/page.png")
    assert found("boxes/coco.json") == beside


def test_the_named_photograph_comes_first_and_must_fit() -> None:
    one_image("page.png")
    picture("maps/page.png")
    other = picture("other.png")
    assert found(photo="other.png") == Path("other.png")
    assert other.exists()
    write_boxes(boxes=[(0, 8, 8, 28, 28)])
    show = ["show", "maps/maps.h5", "boxes.csv", "-o", "figure.png", "--photo"]
    assert run(*show, "other.png").status == 0
    picture("small.png", (9, 9))
    refused = run(*show, "small.png", "--overwrite")
    assert refused.status == 2
    assert f"has 9×9 pixels (width × height), but the map covers {WIDTH}×{HEIGHT}" in refused.error
    Path("no.png").write_text("no image")
    assert "no.png: not an image" in run(*show, "no.png", "--overwrite").error


def test_one_photograph_is_not_that_of_several_images() -> None:
    picture("page.png")
    refused = run("show", "maps.h5", "boxes.csv", "-o", "out", "--photo", "page.png")
    assert refused.status == 2
    assert "is one image, and the boxes to draw are on" in refused.error


@pytest.mark.parametrize("name", ["overview", "sheet", "coverage"])
def test_a_survey_is_one_figure_an_image(name: str) -> None:
    result = run("show", "maps.h5", "boxes.csv", "-o", "out", "--figure", name, "--json")
    images = sorted({line.split(",")[0] for line in Path("boxes.csv").read_text().split()[1:]})
    expected = [f"out/{name}-{image}.png" for image in images]
    assert sorted(result.json["pictures"]) == expected
    assert sorted(map(str, Path("out").iterdir())) == expected


@pytest.mark.parametrize("option", [["--both"], ["--points"], ["--bin", "0,0"]])
def test_options_of_a_figure_of_a_box_are_refused_for_a_survey(option: list[str]) -> None:
    asked = ["show", "maps.h5", "boxes.csv", "-o", "out", "--figure", "sheet", *option]
    assert run(*asked).status == 2
    assert not Path("out").exists()


def test_a_bin_that_is_not_there_is_refused() -> None:
    refused = run("show", "maps.h5", "boxes.csv", "-o", "out", "--bin", "7,0")
    assert refused.status == 2
    assert "--bin 7,0: there are 7×7 bins, 0,0 to 6,6" in refused.error


def test_many_figures_are_drawn_by_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    write_boxes(boxes=[(0, 2 + k, 2, 30 + k, 30) for k in range(6)])
    show = ["show", "maps.h5", "boxes.csv", "--box", "0-5", "--threads", "2"]
    assert run(*show, "-o", "one").status == 0
    monkeypatch.setattr(album, "_WORTH_WORKERS", 4)
    assert progress("several", 6, threads=2) == [1] * 6
    assert [p.name for p in sorted(Path("several").iterdir())] == [
        f"align-box-{k}.png" for k in range(6)
    ]
    for path in Path("one").iterdir():
        assert path.read_bytes() == Path("several", path.name).read_bytes()
    # A file that is in the way ends it all, and what was drawn is taken back.
    shutil.rmtree("several")
    Path("several").mkdir()
    Path("several", "align-box-4.png").mkdir()
    assert run(*show, "-o", "several", "--overwrite").status == 1
    assert [p.name for p in Path("several").iterdir()] == ["align-box-4.png"]


def test_progress_is_told_of_every_figure() -> None:
    write_boxes(boxes=[(0, 2 + k, 2, 30 + k, 30) for k in range(3)])
    assert progress("figures", 3) == [1] * 3


def test_figures_beside_an_output_have_a_bar_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    @contextmanager
    def bar(total: int, unit: str, *, quiet: bool) -> Iterator[Callable[[int], None]]:
        yield lambda done: told.append((unit, total, done))

    monkeypatch.setattr(terminal, "progress", bar)
    align = ["align", "maps.h5", "boxes.csv", "-o", "pooled.h5"]
    assert run(*align, "--viz", "figures", "--viz-boxes", "0-2").status == 0
    assert told.count(("figures", 3, 1)) == 3


def progress(place: str, count: int, threads: int = 1) -> list[int]:
    row, done = PLAIN["mask-rcnn"], list[int]()
    Path(place).mkdir()
    request = Request(features="maps.h5", boxes="boxes.csv", convention=row, threads=threads)
    with (
        jobs.open_job(request) as job,
        Album(job, place, [row], Options(), boxes=[range(count)]) as figures,
    ):
        assert len(figures.draw(done.append)) == len(figures) == count
    return done


def test_a_maximum_is_drawn_on_the_channel_of_the_largest_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = []

    def noted(shown: Shown, crop: Crop, **options: Any) -> Sheet:
        words.append(shown.words)
        return panel(shown, crop, **options)

    monkeypatch.setattr(album, "panel", noted)
    show = ["show", "maps.h5", "boxes.csv", "--box", "0", "--overwrite", "-o"]
    assert run(*show, "a.png").status == run(*show, "b.png", "--op", "pool").status == 0
    assert words[0] == f"mean of {MAPS.shape[1]} channels"
    assert words[1].startswith("channel ")
