"""A list of jobs: a CSV, TSV, JSON or JSON Lines file with a row for each job."""

from __future__ import annotations

import csv
import glob
import io
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from roicrop.errors import ManifestError
from roicrop.text import printable, quoted

REQUIRED: Final = ("features", "boxes")


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One job.

    where: its place, for messages: "jobs.csv line 3", or "jobs.json row 2", counted from 0.
    values: column → value, without the empty ones: a text, number, boolean, or list of these.
    fault: why it cannot be done, "" if it can.
    folder: where its output goes, in the directory of the batch, if the row does not say.
    """

    where: str
    values: Mapping[str, object]
    fault: str = ""
    folder: str = ""


def read_manifest(path: str, columns: Sequence[str]) -> list[ManifestRow]:
    """The rows of a manifest.

    columns: the names that are known; case, and - for _, do not matter.

    Raises ManifestError for a file that cannot be read, an unknown column, and a row
    without features or boxes.
    """
    reader = _READERS.get(Path(path).suffix.lower())
    if reader is None:
        raise ManifestError(f"{path}: unknown extension; use one of {', '.join(_READERS)}")
    try:
        text = Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8"
        ) from error
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
                f"{where}: no option is called {quoted(name)}: choose from {', '.join(columns)}"
            )
    for name in REQUIRED:
        if not isinstance(named.get(name), str):
            raise ManifestError(f"{where} names no {name}: give each row a file")
    return ManifestRow(where, named, _fault(named))


def _fault(values: Mapping[str, object]) -> str:
    """Why these cannot be the values of options; "" if they can."""
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, (Mapping, list)) or each is None:
                return f"{name} must be text, a number, or a list of these"
            if isinstance(each, str):
                try:
                    os.fsencode(each)
                except UnicodeEncodeError:
                    return f"{name} {printable(each)} is not text: it has half a surrogate pair"
                if "\0" in each:
                    return f"{name} {printable(each)} has a NUL in it: no file name can have one"
        if name in REQUIRED and value == "-":
            return f"{name} cannot be standard input: give a file"
    return ""


def match_files(features: str, boxes: str) -> list[ManifestRow]:
    """A row for each file that matches a pattern, with the file of boxes that goes with it.

    Outputs keep the folders that the pattern leaves open, so that files of the same name do not
    collide: with maps/**/*.h5, an output goes to the folder that its file has within maps.

    features: a pattern as in a shell, with ** for any folders, and `::` and a path after it if
        needed. boxes: the name of the file of boxes, with {stem} for the name of the file of
        features without its suffix, {name} for the whole name, and {parent} for its folder.

    Raises ManifestError if nothing matches, or if braces hold another word.
    """
    pattern, colons, inside = features.partition("::")
    files = sorted(glob.glob(pattern, recursive=True))
    if not files:
        raise ManifestError(
            f"--features {pattern}: no file matches: give a pattern in quotes, as 'maps/*.h5'"
        )
    fixed = list(itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    rows = []
    for file in files:
        given = {"features": file + colons + inside, "boxes": _BRACES.sub(_part_of(file), boxes)}
        folder = Path(*Path(file).parent.parts[len(fixed) :])
        rows.append(replace(_checked(file, given, REQUIRED), folder=str(folder)))
    return rows


def _part_of(file: str) -> Callable[[re.Match[str]], str]:
    path = Path(file)

    def part(found: re.Match[str]) -> str:
        if found[1] not in ("stem", "name", "parent"):
            raise ManifestError(
                f"--boxes: {found[0]} is not one of {{stem}}, {{name}}, {{parent}}: use these"
            )
        return str(getattr(path, found[1]))

    return part


_BRACES: Final = re.compile(r"\{(\w*)\}")


def _delimited(path: str, text: str) -> Iterator[tuple[str, object]]:
    header = text.partition("\n")[0]
    delimiter = max(",\t;", key=header.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in rows:
            where = f"{path} line {rows.line_num}"
            names = rows.fieldnames or ()
            if None in row:  # more fields than the header has
                raise ManifestError(
                    f"{where} has {len(names) + len(row[None])} fields, and the header "
                    f"{len(names)}: quote a field that contains the separator"
                )
            if any(row.values()):
                yield where, {name: (value or "").strip() for name, value in row.items()}
    except csv.Error as error:
        raise ManifestError(f"{path} line {rows.line_num}: {error}") from error


def _json(path: str, text: str) -> Iterator[tuple[str, object]]:
    rows = _parsed(path, text)
    if not isinstance(rows, list):
        raise ManifestError(f"{path} is not a JSON list: write a list of objects")
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
    except RecursionError:
        raise ManifestError(f"{where} is nested too deeply: give a flat object for a row") from None


_READERS: Final = {
    ".csv": _delimited,
    ".tsv": _delimited,
    ".json": _json,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
}
