"""JSON and CSV of results: numbers as they are, and text for those that JSON lacks."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

from roicrop.text.names import printable


def plain(value: Any) -> Any:
    """The value in Python's own types, with text for NaN and the infinities."""
    if value is None or isinstance(value, (str, int)):
        return value
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def json_line(value: object) -> str:
    """JSON of a result, in one line; numbers that JSON lacks are text ("nan", "-inf").

    What a terminal would act on is escaped: JSON itself asks that only of the first 32 characters.
    """
    text = json.dumps(plain(value), ensure_ascii=False)
    return text if text.isprintable() else _UNPRINTABLE.sub(_escaped, text)


_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def json_lines(
    value: Mapping[str, Any] | Sequence[Mapping[str, Any]], listed: Collection[str]
) -> Iterator[str]:
    """The same over several lines: one for each entry, and one for each item of what is `listed`.

    value: a record, or a list of them.
    listed: the names of lists, in the record and in the items of such lists.
    """
    if isinstance(value, Mapping):
        yield from _object(value, listed, "")
    else:
        yield from ("[", *_items(value, listed, "  "), "]")


def csv_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """A line for each row; NumPy's numbers are written as the float64 that they equal."""
    writer = csv.writer(SimpleNamespace(write=str), lineterminator="")
    for row in rows:
        yield writer.writerow([_csv_value(value) for value in row])


def _csv_value(value: object) -> object:
    if isinstance(value, str):
        return printable(value, len(value))
    return value.tolist() if hasattr(value, "tolist") else value


def _object(record: Mapping[str, Any], listed: Collection[str], indent: str) -> Iterator[str]:
    inner, last = indent + "  ", len(record) - 1
    yield f"{indent}{{"
    for n, (name, value) in enumerate(record.items()):
        comma = "," * (n < last)
        if name in listed:
            yield f"{inner}{json.dumps(name)}: ["
            yield from _items(value, listed, inner + "  ")
            yield f"{inner}]{comma}"
        else:
            yield f"{inner}{json.dumps(name)}: {json_line(value)}{comma}"
    yield f"{indent}}}"


def _items(
    items: Sequence[Mapping[str, Any]], listed: Collection[str], indent: str
) -> Iterator[str]:
    for n, item in enumerate(items):
        lines = [indent + json_line(item)]
        if not item.keys().isdisjoint(listed):
            lines = list(_object(item, listed, indent))
        yield from lines[:-1]
        yield lines[-1] + "," * (n < len(items) - 1)
