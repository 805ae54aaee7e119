"""From bytes to text, and from text to JSON values, with errors that say where."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from roicrop.errors import BoxError


def read_text(path: str, name: str) -> str:
    """All of a UTF-8 file, or of standard input where the path is "-", without its BOM."""
    if path == "-" and sys.stdin is None:
        raise BoxError(f"{name} is closed: give it the boxes, or name a file of them")
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise BoxError(f"{name} cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BoxError(f"{name} line {line}: not UTF-8 text: save it as UTF-8") from error


def parse_json(text: str, name: str) -> object:
    """The value that JSON text holds; NaN, Infinity and -Infinity are numbers too."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _json_error(error, name) from error


def parse_json_lines(text: str, name: str) -> tuple[list[object], list[int]]:
    """The value of every line that is not blank, and its line, from 1."""
    values: list[object] = []
    lines: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line and not line.isspace():
            try:
                values.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise _json_error(error, name, number) from error
            lines.append(number)
    return values, lines


def shown(value: object) -> str:
    """A JSON value as a message quotes it: on one line and not too long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


_LONGEST_SHOWN = 60


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
