"""`python -m docs.make`: bring every document up to date with what the program does."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import click
from PIL import Image

from docs import documents
from docs.cli_page import cli_page
from docs.documents import ROOT
from docs.parts import PARTS

CLI_PAGE: Final = ROOT / "docs" / "cli.md"
DOCUMENTS: Final = tuple(
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/conventions.md",
        "docs/explorer.md",
        "docs/files.md",
        "docs/operators.md",
        "docs/pictures.md",
        "docs/pyramids.md",
        "docs/scale.md",
        "sample_data/README.md",
    )
)


@click.command()
def main() -> None:
    """Write what blocks print, the parts that are made, the pictures, and docs/cli.md."""
    _write(CLI_PAGE, cli_page())
    for path in DOCUMENTS:
        with tempfile.TemporaryDirectory() as folder:
            made = documents.make(path, Path(folder), PARTS)
            for picture, drawn in made.pictures.items():
                save_small(drawn, picture)
            _write(path, made.text)


def save_small(drawn: Path, picture: Path) -> None:
    """A picture in 256 colours, which the eye cannot tell from it, in a third of the bytes."""
    with Image.open(drawn) as image:
        image.quantize(256, kmeans=1).save(picture, optimize=True)


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")
        click.echo(f"{path.relative_to(ROOT)} has changed")


if __name__ == "__main__":
    main()
