"""The documents are true: blocks run and print what is shown, links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docs import documents, notebooks
from docs.cli_page import cli_page
from docs.documents import PICTURES, ROOT, Block, Made
from docs.make import (
    CLI_PAGE,
    DOCUMENTS,
    MOST_DIFFERENCE,
    NOTEBOOK,
    difference,
    look_alike,
)
from docs.parts import PARTS
from roicrop import roi_align
from roicrop.cli.main import COMMANDS
from tests.command_line import run, write_boxes, write_maps

README = ROOT / "README.md"
PROJECT = ROOT / "pyproject.toml"
EVERYTHING = (*DOCUMENTS, CLI_PAGE, ROOT / "benchmarks" / "README.md")
every_page = pytest.mark.parametrize("path", EVERYTHING, ids=lambda p: str(p.relative_to(ROOT)))


@pytest.fixture(scope="module", params=DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def document(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Made]:
    """A document, and what it should be."""
    path: Path = request.param
    return path, documents.make(path, tmp_path_factory.mktemp("document"), PARTS)


def test_a_document_shows_what_its_blocks_print_and_its_parts_are_up_to_date(
    document: tuple[Path, Made],
) -> None:
    path, made = document
    assert path.read_text("utf-8") == made.text, "`make docs` brings it up to date"


def test_a_documents_pictures_are_those_that_its_blocks_draw(
    document: tuple[Path, Made],
) -> None:
    """To the eye: letters may differ by a little between releases of the font's renderer."""
    _, made = document
    for committed, drawn in made.pictures.items():
        assert difference(committed, drawn) < MOST_DIFFERENCE, committed.name


def test_a_mark_that_is_missing_is_a_difference(tmp_path: Path) -> None:
    """An arrow of RoIPool, of 40 × 20 pixels."""
    committed = PICTURES / "pool.png"
    with Image.open(committed) as picture:
        changed = picture.convert("RGB")
    changed.paste((38, 130, 142), (870, 292, 910, 312))
    changed.save(tmp_path / "changed.png")
    assert difference(committed, committed) == 0
    assert difference(committed, tmp_path / "changed.png") > MOST_DIFFERENCE


def test_every_picture_is_shown_and_small() -> None:
    shown = {picture for path in DOCUMENTS for picture in documents.pictures(path)}
    assert set(PICTURES.iterdir()) == shown
    assert max(picture.stat().st_size for picture in shown) < 300_000


def test_the_page_of_the_command_line_is_made_from_the_commands() -> None:
    assert CLI_PAGE.read_text("utf-8") == cli_page(), "`make docs` brings it up to date"


def test_the_notebook_shows_what_its_cells_give() -> None:
    text = NOTEBOOK.read_text("utf-8")
    made = notebooks.text_of(notebooks.run(notebooks.read(NOTEBOOK), look_alike))
    assert text == made, "`make docs` brings it up to date"


@every_page
def test_links_lead_to_files_and_headings_that_are_there(path: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", prose(path)):
        file, _, heading = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not heading or heading in headings(target), link


def prose(path: Path) -> str:
    """The document without its blocks."""
    lines = path.read_text("utf-8").split("\n")
    for block in documents.blocks("\n".join(lines)):
        lines[block.lines] = [""] * (block.lines.stop - block.lines.start)
    return "\n".join(lines)


def headings(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def blocks_of(path: Path) -> list[Block]:
    return list(documents.blocks(path.read_text("utf-8")))


def set_up_lines() -> Iterator[list[str]]:
    for path in DOCUMENTS:
        for block in blocks_of(path):
            if block.sets_up:
                lines = block.content.replace(" && ", "\n").splitlines()
                yield from (shlex.split(line, comments=True) for line in lines)


def test_a_block_that_sets_things_up_does_not_run_and_no_other_can(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\npip --version\npython -c 'print(1)'\n```\n\n```text\nas it was\n```\n")
    assert documents.make(page, new(tmp_path / "a"), {}).text == page.read_text()
    for command in ("pip --version", "make --version", "git --version"):
        page.write_text(f"```sh\ncd .\n{command}\n```\n")
        with pytest.raises(RuntimeError, match="begin the block with it"):
            documents.make(page, new(tmp_path / command), {})


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_what_is_not_run_names_targets_and_extras_that_are_there() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for program, *words in filter(None, set_up_lines()):
        if program == "make":
            assert {word for word in words if "=" not in word} <= {*targets}
        if program == "pip":
            for extra in re.findall(r"\[(\w+)\]", " ".join(words)):
                assert f"\n{extra} = [" in PROJECT.read_text("utf-8")


def test_the_readme_starts_with_the_demo_and_what_lands_is_tested_as_it_says() -> None:
    commands = [block.content.strip() for block in blocks_of(README) if block.sets_up]
    assert commands[0] == blocks_of(README)[0].content.strip()
    assert commands[0].startswith("make demo && . .venv-user/bin/activate")
    landing = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert {"make demo", "make test"} <= {*landing}
    assert "make test" in commands


def test_the_readme_is_read_in_minutes() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 200


def test_the_readme_shows_every_command() -> None:
    text = README.read_text("utf-8")
    assert [name for name in COMMANDS if f"roicrop {name}" not in text] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_in_a_commands_help_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten boxes on a map of stride 16, under the names that the examples use."""
    monkeypatch.chdir(tmp_path)
    maps = np.random.default_rng(5).standard_normal((1, 4, 32, 32), dtype=np.float32)
    write_maps("maps.h5", maps, stride=16)
    boxes = [(0, 40 * k, 30, 40 * k + 90, 30 + 45 * k + 20) for k in range(10)]
    write_boxes("boxes.csv", boxes)
    Path("boxes.json").write_text(json.dumps([list(corners) for _, *corners in boxes]))
    Path("jobs.csv").write_text("features,boxes\nmaps.h5,boxes.csv\n")
    np.save("crops.npy", roi_align(maps, np.array(boxes), 7, 1 / 16, convention="detectron2"))

    if name == "index":
        assert run("batch", "jobs.csv", "-o", "crops").status == 0

    (example,) = re.findall(r"Example: roicrop (.*)", run(name, "--help").out)
    result = run(*shlex.split(example))
    assert result.status == (3 if name == "compare" else 0), result.err


def test_the_package_has_the_readme_as_its_description() -> None:
    assert f'\nreadme = "{README.name}"\n' in PROJECT.read_text("utf-8")
