"""Where the rows of a batch go: each to its own files, all inside one directory."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roicrop.errors import ManifestError, OutputError
from roicrop.files import split_spec
from roicrop.job.manifest import ManifestRow
from roicrop.text import printable

INPUTS: Final = ("features", "boxes", "images", "photo")
"""Columns that name a file to read."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one row goes.

    output: relative to the directory. pictures: their directory, None for none.
    """

    output: str
    pictures: str | None = None


def destinations(
    rows: Sequence[ManifestRow],
    directory: Path,
    *,
    base: str,
    viz: str | None = None,
    others: Mapping[str, str | None],
) -> list[Destination | ManifestError]:
    """The place of each row, or the error that it leads out of the directory.

    base: the folder that the inputs of rows are relative to. viz: where the pictures of a row go
    if it does not say. others: other files that are read: what each is → its name.

    Raises ManifestError if two rows write one file, or one writes what another reads, and
    OutputError if the directory cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        folds = _folds_case(directory)
    except OSError as error:
        raise OutputError(f"{directory} cannot be made: {error.strerror}") from error
    root = os.path.realpath(directory)
    places = [_destination(row, directory, root, viz) for row in rows]
    reads: dict[str, str] = {}
    for use, name in others.items():
        if name is not None:
            reads[_key(name, folds)] = f"is {use}"
    for row in rows:
        for column in INPUTS if not row.fault else ():
            if column in row.values:
                file, _ = split_spec(os.path.join(base, str(row.values[column])))
                reads.setdefault(_key(file, folds), f"{row.where} reads")
    writes: dict[str, tuple[str, str]] = {}
    for row, place in zip(rows, places, strict=True):
        if isinstance(place, ManifestError):
            continue
        for path in filter(None, [str(directory / place.output), place.pictures]):
            key = _key(path, folds)
            if key in writes:
                where, written = writes[key]
                raise ManifestError(
                    f"{where} writes {written}, as another row does ({row.where}): give each its "
                    "own, in the column output of a manifest"
                )
            if key in reads:
                raise ManifestError(
                    f"{row.where} writes {path}, which {reads[key]}: choose another name or folder"
                )
            writes[key] = row.where, path
    return places


def _destination(
    row: ManifestRow, directory: Path, root: str, viz: str | None
) -> Destination | ManifestError:
    if row.fault:
        return ManifestError(row.fault)
    output = str(row.values.get("output") or _name_for(row))
    inside = [("output", output)]
    pictures = None if viz is None else Path(viz, output).with_suffix("")
    if "viz" in row.values:
        own = str(row.values["viz"])
        pictures = Path(directory, own, output).with_suffix("")
        inside += [("viz", own), *(("viz", name) for name in _links(pictures, directory))]
    for column, name in inside:
        if why := _why_outside(name, root):
            return ManifestError(
                f"{column} {printable(name)} {why}: a batch writes only inside {directory}"
            )
    return Destination(os.path.normpath(output), None if pictures is None else str(pictures))


def _links(pictures: Path, directory: Path) -> list[str]:
    """The directory of pictures and any links in it, relative to the batch's directory."""
    links = [each for each in pictures.glob("*") if each.is_symlink()]
    return [os.path.relpath(each, directory) for each in (pictures, *links)]


def _why_outside(name: str, root: str) -> str:
    path = Path(name)
    if path.is_absolute() or path.drive:
        return "is an absolute path"
    if ".." in path.parts:
        return "has .. in it"
    if os.path.commonpath([root, os.path.realpath(os.path.join(root, name))]) != root:
        return "leads out by a link"
    return ""


def _name_for(row: ManifestRow) -> str:
    """The output's name if the manifest gives none: maps.h5::/stride4/p2 → maps-stride4-p2.h5."""
    file, _, dataset = str(row.values["features"]).partition("::")
    inner = [part for part in dataset.split("/") if part not in ("", ".", "..")]
    return str(Path(row.folder, "-".join([Path(file).stem, *inner]) + ".h5"))


def _key(path: str | os.PathLike[str], folds: bool) -> str:
    """A key that all names of a file share."""
    real = os.path.realpath(path)
    return unicodedata.normalize("NFC", real).casefold() if folds else os.path.normcase(real)


def _folds_case(directory: Path) -> bool:
    """True if the file system ignores case."""
    real = Path(os.path.realpath(directory))
    other = real.with_name(real.name.swapcase())
    return other != real and other.exists() and other.samefile(real)


def make_room(paths: Iterable[Path]) -> None:
    """Make the directories of these files; OutputError if one cannot be made."""
    for directory in {path.parent for path in paths}:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{directory} cannot be made: {error.strerror}") from error
