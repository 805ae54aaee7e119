"""The page: modules joined into one script, the style, and the content, in one document."""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from roicrop.conventions import Convention
from roicrop.explorer.content import Content, Options
from roicrop.explorer.fitting import MAX_SIZE, LeftOut, fitted
from roicrop.job import Job
from roicrop.outputs import replacing, written


@dataclass(frozen=True, slots=True)
class Page:
    """A page on which the boxes of a job are explored; a notebook shows it in a frame.

    html: the document. boxes, images, channels: how many it has. left_out: what it lacks.
    """

    html: str
    boxes: int
    images: int
    channels: int
    left_out: LeftOut

    @property
    def size(self) -> int:
        """The size of the page in bytes."""
        return len(self.html.encode())

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        inputs: Sequence[str] = (),
    ) -> None:
        """Write the page to a file, whole or not at all; OutputError as for any output."""
        with (
            replacing(path, overwrite=overwrite, inputs=inputs) as temporary,
            written(path),
        ):
            temporary.write_bytes(self.html.encode())

    def _repr_html_(self) -> str:
        document = html.escape(self.html)
        frame = "width: 100%; height: 850px; border: 0"
        return f'<iframe title="roicrop" style="{frame}" srcdoc="{document}"></iframe>'


def is_own(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a page that roicrop made."""
    try:
        with open(path, "rb") as file:
            return _MARK in file.read(1000)
    except OSError:
        return False


_MARK: Final = b'<meta name="generator" content="roicrop">'


def explore(
    job: Job,
    beside: Convention | None = None,
    options: Options | None = None,
    *,
    max_size: int = MAX_SIZE,
    progress: Callable[[int], object] = lambda maps: None,
) -> Page:
    """A page on which to explore the boxes of a job.

    beside: a convention that the page first shows beside the job's own.
    max_size: bytes of the page. What does not fit is left out: channels, then photographs, then
        images with their boxes.
    progress: called with the number of maps read since the last call.

    Raises ArgumentError and BoxError for anything that cannot be shown, and FeatureError.
    """
    content = Content(job, beside, options or Options())
    around = len(_document("").encode())
    found = fitted(content, max_size - around, max_size, progress)
    return Page(
        _document(found.text), found.boxes, found.images, len(found.channels), found.left_out
    )


def _document(content: str) -> str:
    """The template, filled in."""
    script, style = _script(), _read("page.css")
    parts = {
        "policy": f"default-src 'none'; img-src data: blob:; script-src {_hash(script)}; "
        f"style-src {_hash(style)}; base-uri 'none'; form-action 'none'",
        "style": style,
        "script": script,
        "content": content,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _read("page.html"))


@cache
def _script() -> str:
    """All modules in one script, each after those that it imports."""
    texts: dict[str, str] = {}

    def add(name: str) -> None:
        if name in texts:
            return
        texts[name] = ""
        text = _read(name)
        for imported in _IMPORT.findall(text):
            add(imported)
        del texts[name]
        texts[name] = _EXPORT.sub("", _IMPORT.sub("", text)).strip()

    add(_FIRST)
    return "\n\n".join(texts.values())


_FIRST: Final = "main.js"
_IMPORT: Final = re.compile(r'^import\s[^;]*?from "\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export ", re.MULTILINE)


@cache
def _read(name: str) -> str:
    return resources.files("roicrop.explorer").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"
