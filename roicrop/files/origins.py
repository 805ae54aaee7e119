"""Where the bytes of a dataset are: in other files, by links, virtual sources and raw storage.

HDF5 silently follows all of these to any file on this machine, and reads the fill value in place
of values that are missing. Here all of them are found first, at every depth.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, TypeAlias

import h5py

from roicrop.files import hdf5
from roicrop.text import printable

# File and dataset → for each part that is used, how many values it has and where it ends.
_Parts: TypeAlias = "dict[tuple[str, str], list[tuple[int, tuple[int, ...]]]]"
_REMEDY: Final = "--allow-external reads it"


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of the file that a user named: files that it names are read in and below it.

    external: whether files elsewhere, and raw storage, are read too.
    """

    file: str
    folders: tuple[str, str]
    external: bool

    @classmethod
    def of(cls, path: str, *, external: bool) -> Home:
        """The home of a file: the folder in which it was named, and, for a link, where it leads."""
        own = os.path.dirname(os.path.abspath(path)), os.path.dirname(os.path.realpath(path))
        return cls(path, (os.path.realpath(own[0]), own[1]), external)

    def why_not(self, file: str, named: str) -> str | None:
        """Why a file that another one names is not opened; None if it is opened or missing."""
        place = os.path.realpath(beside(file, named))
        inside = any(place.startswith(folder.rstrip(os.sep) + os.sep) for folder in self.folders)
        if self.external or inside or not os.path.exists(place):
            return None
        return f"outside the folder of its file: {_REMEDY}"


@dataclass(slots=True)
class Origins:
    """The files that hold a dataset's values, and what is missing or refused, if anything."""

    files: list[str] = field(default_factory=list)
    problem: str | None = None


def origins_of(dataset: h5py.Dataset, home: Home) -> Origins:
    """Where the values of a dataset are; it stops at the first problem."""
    found = Origins()
    found.problem = next(_problems(dataset, home, found.files, set()), None)
    return found


def beside(file: str, name: str) -> str:
    """Where HDF5 finds a file that another names: at that path, or in the other's directory."""
    directory = os.path.dirname(os.path.realpath(file))
    prefix = _prefix("HDF5_VDS_PREFIX", file)
    places = [os.path.join(prefix, name)] if prefix else []
    places += [os.path.join(directory, name), name, os.path.join(directory, os.path.basename(name))]
    return next(filter(os.path.exists, places), name)


def _prefix(variable: str, file: str) -> str:
    directory = os.path.dirname(os.path.realpath(file))
    return os.environ.get(variable, "").replace("${ORIGIN}", directory)


def _problems(
    dataset: h5py.Dataset, home: Home, files: list[str], above: set[tuple[int, int]]
) -> Iterator[str]:
    own = dataset.file.filename
    if own != home.file and (refused := home.why_not(own, os.path.abspath(own))):
        yield f"is in {printable(own)}, {refused}"
    if own not in files:
        files.append(own)
    if lacking := hdf5.missing_filter(dataset):
        yield lacking
    if dataset.external:
        yield from _raw(dataset, home, files)
    if dataset.is_virtual:
        if hdf5.identity(dataset.id) in above:
            yield "is virtual, and made of itself"
            return
        yield from _virtual(dataset, home, files, {*above, hdf5.identity(dataset.id)})


def _raw(dataset: h5py.Dataset, home: Home, files: list[str]) -> Iterator[str]:
    """Raw storage, which HDF5 looks for from the current directory."""
    names = ", ".join(printable(name) for name, _, _ in dataset.external[:3])
    if not home.external:
        yield f"is stored as raw bytes in {names}: {_REMEDY}"
    due = dataset.size * dataset.dtype.itemsize
    for name, offset, size in dataset.external:
        place = os.path.join(_prefix("HDF5_EXTFILE_PREFIX", dataset.file.filename), name)
        size = min(size, due)
        if not os.path.exists(place):
            yield f"is stored in {printable(name)}, which does not exist: restore it"
        elif os.path.getsize(place) < offset + size:
            yield f"is stored in {printable(name)}, which ends before its values do"
        files.append(place)
        due -= size
    if due:
        yield f"is stored in {names}, which lack {due:,} bytes of its values"


def _virtual(
    dataset: h5py.Dataset, home: Home, files: list[str], above: set[tuple[int, int]]
) -> Iterator[str]:
    own = dataset.file.filename
    parts: _Parts = {}
    for source in dataset.virtual_sources():
        parts.setdefault((source.file_name, source.dset_name), []).append(_needed(source))
    with ExitStack() as opened:
        for (name, path), all_needed in sorted(_existing(parts, own).items()):
            what = "::".join(filter(None, ["" if name == "." else name, path]))
            made = f"is virtual, and {printable(what)}, which it is made of,"
            if name != "." and (refused := home.why_not(own, name)):
                yield f"{made} is {refused}"
            try:
                file = dataset.file
                if name != ".":
                    file = opened.enter_context(hdf5.open_as_it_is(beside(own, name)))
                part = hdf5.get(file, path)
            except hdf5.H5PY_ERRORS:
                part = None
            if not isinstance(part, h5py.Dataset):
                yield f"{made} does not exist: restore it"
                return
            if any(_is_short(part, *needed) for needed in all_needed):
                yield f"{made} is too small: its shape is {part.shape}"
            for problem in _problems(part, home, files, above):
                yield f"{made} {problem}"
            opened.close()


def _needed(source: Any) -> tuple[int, tuple[int, ...]]:
    """How many values, and one past the last index on each axis; 0 and () for an open selection."""
    space = source.src_space
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return source.vspace.get_select_npoints(), ()
    try:
        return 0, tuple(last + 1 for last in space.get_select_bounds()[1])
    except hdf5.H5PY_ERRORS:  # a selection without an end
        return 0, ()


def _is_short(part: h5py.Dataset, count: int, end: tuple[int, ...]) -> bool:
    return part.size < count or any(e > s for e, s in zip(end, part.shape, strict=False))


def _existing(parts: _Parts, own: str) -> _Parts:
    """The parts, with each pattern ("%b") replaced by the files that exist for it."""
    plain: _Parts = {}
    for (name, path), needed in parts.items():
        if "%b" not in name + path:
            plain[name.replace("%%", "%"), path.replace("%%", "%")] = needed
            continue
        for number in count():
            one = name.replace("%b", str(number)), path.replace("%b", str(number))
            if number and ("%b" not in name or not os.path.exists(beside(own, one[0]))):
                break
            plain[one] = []
    return plain
