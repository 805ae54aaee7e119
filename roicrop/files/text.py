"""From bytes to text, and from text to JSON values, with errors that say where."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO, Final

from roicrop.errors import TextError
from roicrop.text import printable

MOST_UNPACKED: Final = 1 << 30  # bytes that a .gz may hold: a small file can unpack to anything

_BLOCK: Final = 1 << 18
_FEW: Final = 1 << 20  # characters; a text this short may be all brackets
_START: Final = 64  # bytes that tell what a file is
_LONGEST_SHOWN: Final = 60
_BOM: Final = b"\xef\xbb\xbf"
# How a file that does not hold boxes as text begins, in lower case → what it is, and what to do.
_OTHERS: Final = (
    (b"pk\x03\x04", "a ZIP or Excel file: save the sheet as CSV"),
    (b"\x89hdf", "HDF5: name the dataset of boxes, as in {name}::/boxes"),
    (b"\x93numpy", "NumPy's .npy: give it that extension"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: run git lfs pull"),
    (b"\x80", "a Python pickle: write its boxes as JSON or CSV"),
    (b"<!doctype html", "a web page: download the file itself"),
    (b"<html", "a web page: download the file itself"),
    (
        b"<",
        "XML (Pascal VOC?), which is not read: write a CSV of filename,xmin,ymin,xmax,ymax,name",
    ),
)


@contextmanager
def opened(path: str, name: str) -> Iterator[BinaryIO]:
    """The bytes of a file, or of standard input where the path is "-": UTF-8, without its BOM.

    gzip is unpacked as it is read. Raises TextError for a file that cannot be read or is not text.
    """
    if path == "-" and sys.stdin is None:
        raise TextError(f"{name} is closed: pipe boxes into it, or name a file")
    with ExitStack() as files, _named(name):
        raw = sys.stdin.buffer if path == "-" else files.enter_context(open(path, "rb"))
        stream = files.enter_context(_kept_open(io.BufferedReader(raw)))  # type: ignore[arg-type]
        if stream.peek(2).startswith(b"\x1f\x8b"):
            stream = io.BufferedReader(_Bounded(fileobj=stream))
        start = stream.peek(_START)[:_START]
        for magic, what in _OTHERS:
            if start.lstrip(_BOM + b" \t\r\n").lower().startswith(magic):
                raise TextError(f"{name} is {what.format(name=name)}")
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            yield io.BytesIO(_all(stream).decode("utf-16").encode())
        else:
            stream.read(len(_BOM) if start.startswith(_BOM) else 0)
            yield stream


def read_text(stream: BinaryIO, name: str) -> str:
    """The rest of the stream, to be parsed as JSON."""
    return _decoded(_all(stream), name, 1)


def blocks(stream: BinaryIO, name: str, longest: int) -> Iterator[tuple[int, list[str]]]:
    """The lines, each with its newline, a few at a time, with the number of the first of them.

    A carriage return ends a line too. Raises TextError for a line over `longest` characters.
    """
    rest, line, ends = b"", 1, False
    while not ends:
        chunk = stream.read(_BLOCK)
        rest, ends = rest + chunk, len(chunk) < _BLOCK
        cut = len(rest)
        if not ends:  # a carriage return at the very end may be the first half of "\r\n"
            cut = max(rest.rfind(b"\n"), rest.rfind(b"\r", 0, -1)) + 1
            if not cut and len(rest) > 4 * longest:
                raise TextError(f"{name} line {line} is longer than {longest:,} characters")
        text, rest = _decoded(rest[:cut], name, line), rest[cut:]
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if text:
            lines = [f"{each}\n" for each in text.removesuffix("\n").split("\n")]
            if max(map(len, lines)) > longest:
                line += next(n for n, each in enumerate(lines) if len(each) > longest)
                raise TextError(f"{name} line {line} is longer than {longest:,} characters")
            yield line, lines
            line += len(lines)


def parse_json(text: str, name: str, line: int | None = None) -> object:
    """The value that JSON text holds; NaN, Infinity and -Infinity are numbers too.

    Mere brackets, without boxes, are refused.
    """
    if len(text) > _FEW and 6 * (text.count("[") + text.count("{")) > len(text):
        raise TextError(f"{name} holds little except brackets: a box takes four numbers")
    try:
        return _decode(text)
    except (ValueError, RecursionError) as error:
        raise _json_error(error, name, line) from error


def json_parts(
    text: str, size: int, split: Collection[str] = ()
) -> Iterator[list[Any] | dict[str, Any]]:
    """The values of a long JSON list or object, those of some `size` characters at a time.

    split: keys of an object whose lists may come in parts, too.
    Raises ValueError for anything else.
    """
    if not (begins := re.match(r"\s*[\[{]\s*", text)):
        raise ValueError("not a list or an object")
    after, begin, members = begins, begins.end(), dict[str, Any]()
    if begins[0].strip() == "[":
        for part, ends in _list_parts(text, begin, size):
            after = ends
            yield part
    while after[0].strip() in ("{", ","):
        key, at = _decode_at(text, after.end())
        at = _found(_COLON, text, at).end()
        if key in split and text[at] == "[":
            for part, ends in _list_parts(text, at + 1, size):
                yield {**members, key: part}
                members, begin, at = {}, ends.end(), ends.end()
        else:
            members[key], at = _decode_at(text, at)
        after = _found(_AFTER, text, at)
        if members and (after.end() > begin + size or after[0].strip() == "}"):
            yield members
            members, begin = {}, after.end()
    if after.end() < len(text) or (after[0].strip() == "]") != (begins[0].strip() == "["):
        raise ValueError("not closed by its bracket")


_BETWEEN: Final = re.compile(r"[\]}]\s*(,)\s*(?=[\[{])")
_COLON: Final = re.compile(r"\s*:\s*")
_AFTER: Final = re.compile(r"\s*([,\]}])\s*")


def _list_parts(text: str, at: int, size: int) -> Iterator[tuple[list[Any], re.Match[str]]]:
    """The values of a list that begins there, and what follows each part: a comma or a bracket.

    A list is cut between two objects or lists: what lies between two cuts is whole if it can be
    decoded. Else values are decoded one by one.
    """
    while True:
        part: list[Any] = []
        after = _BETWEEN.search(text, at + size)
        if after:
            with contextlib.suppress(ValueError):
                part = _decode(f"[{text[at : after.start() + 1]}]")
        end = at + size
        while not part or after is None:
            value, at = _decode_at(text, at)
            part.append(value)
            found = _found(_AFTER, text, at)
            if found[1] == "}":
                raise ValueError("not closed by its bracket")
            at = found.end()
            after = found if found[1] != "," or at > end else None
        yield part, after
        if after[1] != ",":
            return
        at = after.end()


def _found(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    if not (found := pattern.match(text, at)):
        raise ValueError("not JSON")
    return found


def parse_json_lines(texts: Sequence[str], name: str, lines: Iterable[int]) -> list[object]:
    """The JSON value of each text, which is the line with that number."""
    with contextlib.suppress(ValueError, RecursionError):
        values: list[object] = _decode(f"[{','.join(texts)}]")  # all at once: a third faster
        if len(values) == len(texts):
            return values
    return [parse_json(text, name, line) for text, line in zip(texts, lines, strict=True)]


def shown(value: object) -> str:
    """A JSON value as a message quotes it: on one line and not too long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = "…"
    return printable(text, _LONGEST_SHOWN)


_decode, _decode_at = json.JSONDecoder().decode, json.JSONDecoder().raw_decode


@contextmanager
def _kept_open(stream: io.BufferedReader) -> Iterator[io.BufferedReader]:
    """The stream; leaving keeps the one below it open, which may be standard input."""
    try:
        yield stream
    finally:
        stream.detach()


class _Bounded(gzip.GzipFile):
    """The unpacked content of a gzip file, up to a limit."""

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        if self.tell() > MOST_UNPACKED:
            raise OSError(f"it unpacks to more than {MOST_UNPACKED:,} bytes; unpack it yourself")
        return content


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except TextError:
        raise
    except UnicodeError as error:
        raise TextError(f"{name}: begins as UTF-16 but is not: save it as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or printable(error)
        raise TextError(f"{name} cannot be read: {why}") from error


def _all(stream: BinaryIO) -> bytes:
    return b"".join(iter(lambda: stream.read(_BLOCK), b""))


def _decoded(content: bytes, name: str, line: int) -> str:
    """UTF-8 text; `line` is the number of its first line."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line += content.count(b"\n", 0, error.start)
        begin = max(content.rfind(b"\n", 0, error.start) + 1, error.start - 20)
        piece = content[begin : error.start + 20].partition(b"\n")[0]
        guess = printable(piece.decode("cp1252", "replace").strip())
        raise TextError(
            f"{name} line {line}: not UTF-8 text (in Windows-1252 it would be {guess!r}): "
            "save it as UTF-8"
        ) from error


def _json_error(error: Exception, name: str, line: int | None = None) -> TextError:
    """What is wrong with JSON text, or with one line of many."""
    if not isinstance(error, json.JSONDecodeError):
        where = name if line is None else f"{name} line {line}"
        deep = isinstance(error, RecursionError)
        return TextError(f"{where}: " + ("nested too deeply" if deep else "a number is too long"))
    if not error.doc.strip():
        return TextError(f"{name} is empty: [] is an empty list of boxes")
    where = f"{name} line {line or error.lineno} column {error.colno}"
    advice = ""
    if error.msg == "Extra data" and line is None:
        advice = " (if each line is a value of its own, give --boxes-format jsonl)"
    return TextError(f"{where}: not JSON: {error.msg}{advice}")
