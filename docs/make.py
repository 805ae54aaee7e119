"""`python -m docs.make`: bring every document up to date with what the program does."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import BinaryIO, Final

import click
import numpy as np
from PIL import Image, ImageChops

from docs import documents, notebooks
from docs.cli_page import cli_page
from docs.documents import ROOT
from docs.parts import PARTS

CLI_PAGE: Final = ROOT / "docs" / "cli.md"
NOTEBOOK: Final = ROOT / "docs" / "notebook.ipynb"
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
        "docs/python.md",
        "docs/pyramids.md",
        "docs/scale.md",
        "sample_data/README.md",
    )
)


@click.command()
def main() -> None:
    """Write what blocks and cells print, the made parts, the pictures, and docs/cli.md."""
    _write(CLI_PAGE, cli_page())
    _write(NOTEBOOK, notebooks.text_of(notebooks.run(notebooks.read(NOTEBOOK), look_alike)))
    for path in DOCUMENTS:
        with tempfile.TemporaryDirectory() as folder:
            made = documents.make(path, Path(folder), PARTS)
            for picture, drawn in made.pictures.items():
                if not picture.exists() or difference(picture, drawn) > _KEPT:
                    save_small(drawn, picture)
            _write(path, made.text)


def look_alike(one: bytes, other: bytes) -> bool:
    """Whether two pictures look the same."""
    return difference(io.BytesIO(one), io.BytesIO(other)) < MOST_DIFFERENCE


def difference(one: Path | BinaryIO, other: Path | BinaryIO) -> float:
    """The largest mean difference, out of 255, of two pictures over any 16 × 16 pixels.

    Letters may differ by a little between releases of the font's renderer.
    """
    with Image.open(one) as first, Image.open(other) as second:
        if first.size != second.size:
            return 255.0
        size = first.width // 16, first.height // 16
        thumbnails = [
            picture.convert("RGB").resize(size, Image.Resampling.BOX) for picture in (first, second)
        ]
    return float(np.asarray(ImageChops.difference(*thumbnails)).max())


MOST_DIFFERENCE: Final = 20.0
_KEPT: Final = 5.0  # more than reducing to 256 colors changes


def save_small(drawn: Path, picture: Path) -> None:
    """A picture in 256 colours, which looks the same in a third of the bytes."""
    with Image.open(drawn) as image:
        few = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1)
        few.save(picture, optimize=True)


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")
        click.echo(f"{path.relative_to(ROOT)} has changed")


if __name__ == "__main__":
    main()
