"""A list of jobs: a CSV, TSV, JSON or JSON Lines file with a row for each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roicrop.errors import ManifestError

REQUIRED: Final = ("features", "boxes")


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One job.

    where: its place, for messages: "jobs.csv line 3", or "jobs.json row 2", counted from 0.
    values: column → value, without the empty ones; text, or what JSON holds.
    """

    where: str
    values: Mapping[str, object]


def read_manifest(path: str, columns: Sequence[str]) -> list[ManifestRow]:
    """The rows of a manifest.

    columns: the names that are known; case, and - for _, do not matter.

    Raises ManifestError for a file that cannot be read, a column that is not known, and a row
    without features or boxes.
    """
    reader = _READERS.get(Path(path).suffix.lower())
    if reader is None:
        raise ManifestError(f"{path}: a manifest is one of {', '.join(_READERS)}: name it so")
    try:
        text = Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8 (byte {error.start}): save it as that") from error
    return [_checked(where, values, columns) for where, values in reader(path, text)]


def _checked(where: str, values: object, columns: Sequence[str]) -> ManifestRow:
    if not isinstance(values, Mapping):
        raise ManifestError(f"{where} is not an object: give one with features and boxes")
    named = {
        str(name).strip().lower().replace("-", "_"): value
        for name, value in values.items()
        if value not in (None, "")
    }
    for name in named:
        if name not in columns:
            raise ManifestError(
                f"{where}: no option is called {name!r}: choose from {', '.join(columns)}"
            )
    for name in REQUIRED:
        if not isinstance(named.get(name), str):
            raise ManifestError(f"{where} names no {name}: give each row a file")
    return ManifestRow(where, named)


def _delimited(path: str, text: str) -> Iterator[tuple[str, object]]:
    header = text.partition("\n")[0]
    delimiter = max(",\t;", key=header.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in rows:
            where = f"{path} line {rows.line_num}"
            names = rows.fieldnames or ()
            if None in row:  # the fields beyond the header's
                raise ManifestError(
                    f"{where} has {len(names) + len(row[None])} fields, and the header "
                    f"{len(names)}: quote them"
                )
            if any(row.values()):
                yield where, {name: (value or "").strip() for name, value in row.items()}
    except csv.Error as error:
        raise ManifestError(f"{path} line {rows.line_num}: {error}") from error


def _json(path: str, text: str) -> Iterator[tuple[str, object]]:
    rows = _parsed(path, text)
    if not isinstance(rows, list):
        raise ManifestError(f"{path} is not a list of objects: make it one")
    for number, row in enumerate(rows):
        yield f"{path} row {number}", row


def _json_lines(path: str, text: str) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{path} line {number}"
            yield where, _parsed(where, line)


def _parsed(where: str, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ManifestError(f"{where} is not JSON: {error}") from error


_READERS: Final = {
    ".csv": _delimited,
    ".tsv": _delimited,
    ".json": _json,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
}
