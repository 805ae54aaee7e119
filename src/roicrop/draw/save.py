"""Writing a picture or its points whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

from roicrop.errors import OutputError


def save(image: Image, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a picture as PNG, its title in the file's metadata.

    Raises OutputError if the file exists and `overwrite` is not set, or cannot be written.
    """
    metadata = PngInfo()
    for key, text in image.info.items():
        if isinstance(key, str) and isinstance(text, str):
            metadata.add_itxt(key, text)
    with replacing(path, overwrite=overwrite) as temporary:
        image.save(temporary, format="PNG", pnginfo=metadata)


@contextmanager
def replacing(path: str | Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends without an error."""
    target = Path(path)
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists: choose another name, or allow it to be overwritten")
    try:
        handle, name = tempfile.mkstemp(".tmp", f".{target.name[:64]}.", target.parent)
        os.close(handle)
    except OSError as error:
        raise _cannot_write(target, error) from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _cannot_write(target: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{target} cannot be written ({error.strerror or error}): choose another place"
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
