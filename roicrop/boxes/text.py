"""From bytes to text, and from text to JSON values, with errors that say where."""

from __future__ import annotations

import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from roicrop.errors import BoxError
from roicrop.text import printable

MOST_UNPACKED: Final = 1 << 30  # bytes that a .gz may hold: a small file can unpack to anything

_GZIP: Final = b"\x1f\x8b"
_BLOCK: Final = 4 << 20
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
# What begins so is no text of boxes, and what to do about it.
_OTHERS: Final = (
    (b"PK\x03\x04", "a ZIP or Excel file: save the sheet as CSV"),
    (b"\x89HDF\r\n", "HDF5: name the dataset of boxes, as in {name}::/boxes"),
    (b"\x93NUMPY", "NumPy's .npy: call it that"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: git lfs pull"),
    (b"\x80", "a pickle of Python: write its boxes as JSON or CSV"),
    (b"<!doctype html", "a web page: download the file itself"),
    (b"<html", "a web page: download the file itself"),
    (
        b"<",
        "XML (Pascal VOC?), which is not read: write a CSV of filename,xmin,ymin,xmax,ymax,name, "
        "or export COCO",
    ),
)


def read_bytes(path: str, name: str) -> bytes:
    """All of a file, or of standard input where the path is "-", unpacked if it is gzip."""
    if path == "-" and sys.stdin is None:
        raise BoxError(f"{name} is closed: give it the boxes, or name a file of them")
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a ValueError is a NUL in the path
        raise BoxError(f"{name} cannot be read: {getattr(error, 'strerror', error)}") from error
    if content.startswith(_GZIP):
        content = _unpacked(content, name)
    start = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for magic, what in _OTHERS:
        if start.startswith(magic.lower()):
            raise BoxError(f"{name} is {what.format(name=name)}")
    if content.startswith(_UTF16):
        try:
            content = content.decode("utf-16").encode()
        except UnicodeError as error:
            raise BoxError(f"{name}: not the UTF-16 it begins as: save it as UTF-8") from error
    return content.removeprefix(b"\xef\xbb\xbf")


def read_text(path: str, name: str) -> str:
    """All of a file as text: UTF-8, or UTF-16 by its byte order mark."""
    return decoded(read_bytes(path, name), name)


def decoded(content: bytes, name: str, line: int = 1) -> str:
    """UTF-8 text; `line` is the number of its first line."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line += content.count(b"\n", 0, error.start)
        begin = content.rfind(b"\n", 0, error.start) + 1
        piece = content[max(begin, error.start - 20) : error.start + 20].split(b"\n")[0]
        guess = printable(piece.decode("cp1252", "replace").strip())
        raise BoxError(
            f"{name} line {line}: not UTF-8 text (in Windows-1252 it would be {guess!r}): "
            "save it as UTF-8"
        ) from error


def blocks(content: bytes, name: str) -> Iterator[list[str]]:
    """The lines, each with a newline, a few megabytes at a time; a carriage return ends one too."""
    place, line = 0, 1
    while place < len(content):
        end = place + _BLOCK
        if end < len(content):
            end = max(content.rfind(b"\n", place, end), content.rfind(b"\r", place, end)) + 1
            if end <= place:
                raise BoxError(f"{name} line {line} is longer than {_BLOCK:,} bytes: is it CSV?")
            end += content[end - 1 : end + 1] == b"\r\n"
        text = decoded(content[place:end], name, line)
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = [f"{each}\n" for each in text.removesuffix("\n").split("\n")]
        yield lines
        place, line = end, line + len(lines)


def parse_json(text: str, name: str, line: int | None = None) -> object:
    """The value that JSON text holds; NaN, Infinity and -Infinity are numbers too."""
    try:
        return _decode(text)
    except (ValueError, RecursionError) as error:
        raise _json_error(error, name, line) from error


def parse_json_lines(texts: Sequence[str], name: str, lines: Sequence[int]) -> list[object]:
    """The value of each text, which is the line of that number."""
    try:
        return [*map(_decode, texts)]
    except (ValueError, RecursionError):
        return [parse_json(text, name, line) for text, line in zip(texts, lines, strict=True)]


def shown(value: object) -> str:
    """A JSON value as a message quotes it: on one line and not too long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = "…"
    return printable(text, _LONGEST_SHOWN)


_LONGEST_SHOWN = 60
_decode = json.JSONDecoder().decode


def _unpacked(content: bytes, name: str) -> bytes:
    """What gzip holds, up to a bound."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            unpacked = stream.read(MOST_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BoxError(f"{name}: damaged gzip data ({error}): copy the file again") from error
    if len(unpacked) > MOST_UNPACKED:
        raise BoxError(f"{name} unpacks to more than {MOST_UNPACKED:,} bytes: unpack it yourself")
    return unpacked


def _json_error(error: Exception, name: str, line: int | None = None) -> BoxError:
    """What is wrong with JSON text, or with one line of many."""
    if not isinstance(error, json.JSONDecodeError):
        where = name if line is None else f"{name} line {line}"
        deep = isinstance(error, RecursionError)
        return BoxError(f"{where}: " + ("nested too deeply" if deep else "a number is too long"))
    if not error.doc.strip():
        return BoxError(f"{name} is empty: [] is an empty list of boxes")
    where = f"{name} line {line or error.lineno} column {error.colno}"
    advice = ""
    if error.msg == "Extra data" and line is None:
        advice = " (where each line is a value of its own, say --boxes-format jsonl)"
    return BoxError(f"{where}: not JSON: {error.msg}{advice}")
