"""Where pictures go: a directory, created if needed, or a single PNG."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from roicrop.errors import ArgumentError, OutputError


@contextmanager
def room_for_pictures(place: str | None) -> Iterator[None]:
    """A directory for pictures, made if needed, unless the place is itself a picture or None.

    A directory that was made is removed again if the work fails and it is still empty.
    OutputError if it cannot be made.
    """
    directory = None if place is None or is_picture(Path(place)) else Path(place)
    if directory is None or directory.is_dir():
        yield
        return
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{directory} cannot be made: {error.strerror}; name a folder for the pictures"
        ) from error
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for each in missing:
                each.rmdir()
        raise


def is_picture(place: Path) -> bool:
    """Whether the name is a picture's; ArgumentError for a picture in another format."""
    if place.suffix.lower() == ".png":
        return True
    if (mimetypes.guess_type(place.name)[0] or "").startswith("image/"):
        raise ArgumentError(
            f"{place}: pictures are PNG: name a file that ends in .png, or a folder"
        )
    return False


def is_page(place: str) -> bool:
    """Whether the name is an HTML page's."""
    return Path(place).suffix.lower() in _PAGES


_PAGES: Final = (".html", ".htm")
