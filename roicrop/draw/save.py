"""Writing a picture whole or not at all."""

from __future__ import annotations

from pathlib import Path

from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

from roicrop.outputs import replacing, written


def save(image: Image, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a picture as PNG, its title in the file's metadata.

    Raises OutputError if the file exists and `overwrite` is not set, or cannot be written.
    """
    metadata = PngInfo()
    metadata.add_itxt("Title", str(image.info.get("Title", "")))
    with replacing(path, overwrite=overwrite) as temporary, written(path):
        image.save(temporary, format="PNG", pnginfo=metadata)
