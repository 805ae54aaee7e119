"""Writing a picture whole or not at all."""

from __future__ import annotations

from pathlib import Path

from PIL.Image import Image


def save(image: Image, path: str | Path, *, overwrite: bool = False) -> None:
    """Write `image` as PNG; OutputError if the file exists and `overwrite` is not set."""
    raise NotImplementedError
