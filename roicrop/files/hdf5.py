"""Talking to h5py: open, find, walk, read attributes and filters, and give errors in one line.

Nothing here knows what a feature map is. `where` is `file.h5::/path`, as the user would type it.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import h5py
import numpy as np

from roicrop.errors import FeatureError, RoicropError
from roicrop.files.foreign import what_it_is
from roicrop.text import printable

# How locking fails if another program holds the lock. With other errors the file system can't lock.
_HELD: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES})

_FILTER_NAMES: Final = {
    1: "gzip",
    2: "shuffle",
    3: "fletcher32",
    4: "szip",
    5: "nbit",
    6: "scaleoffset",
    305: "lzo",
    307: "bzip2",
    32000: "lzf",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32017: "sz",
    32018: "fcidecomp",
    32024: "sz3",
    32026: "blosc2",
    32028: "sperr",
}

CIRCLE: Final = "is a link that leads back to itself"
H5PY_ERRORS: Final = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError)


def open_file(path: str) -> h5py.File:
    """The file, open for reading; FeatureError says why it cannot be opened.

    If the file system cannot lock files (some network mounts), the file is read
    without a lock. A lock that another program holds is respected: that program may be halfway
    through writing. A file that is being written in SWMR mode is read in SWMR mode.
    """
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise FeatureError(f"{printable(path)} is a pipe or a device: HDF5 is read from a file")
    try:
        return open_as_it_is(path)
    except H5PY_ERRORS as error:
        raise FeatureError(_why_not_opened(path, error)) from error


def open_as_it_is(path: str) -> h5py.File:
    """The same, with h5py's own errors."""
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if "SWMR" in str(error) or "already open for write" in str(error):
            with suppress(OSError):  # it is not in SWMR mode
                return h5py.File(path, "r", swmr=True)
        if not _failed_to_lock(error) or error.errno in _HELD:
            raise
    return h5py.File(path, "r", locking=False)


def get(file: h5py.File, path: str) -> h5py.Dataset | h5py.Group:
    """The object at a path, as `walk` and `links` spell it: names need not be UTF-8."""
    return file[_encoded(path)]


def find(file: h5py.File, path: str) -> h5py.Dataset | h5py.Group | None:
    """The dataset or group at a path, or None if there is nothing by that name."""
    try:
        found = get(file, path)
    except H5PY_ERRORS:
        if _link(file, path) is None:
            return None
        raise FeatureError(f"{file.filename}::{printable(path)} {broken(file, path)}") from None
    return found if isinstance(found, (h5py.Dataset, h5py.Group)) else None


def links(group: h5py.Group) -> list[str]:
    """The names in a group: first of the objects stored in it, then of links."""
    return [_decoded(name) for _, name in _links(group)]


def _links(group: h5py.Group) -> list[tuple[bool, bytes]]:
    found: list[tuple[bool, bytes]] = []
    group.id.links.iterate(
        lambda name, info: found.append((info.type != h5py.h5l.TYPE_HARD, name)), info=True
    )
    return sorted(found)


def walk(
    group: h5py.Group, path: str, why_not: Callable[[str, str], str | None]
) -> Iterator[tuple[str, h5py.h5d.DatasetID | str]]:
    """Every dataset below a group, with its path; or why a link is not followed.

    A dataset is given as h5py's id, which knows its shape and dtype: there may be millions.

    path: the group's own. why_not: why another file (as a link in a file names it) is not opened.
    Links are followed after the objects stored in place, and each group is entered once.
    """
    entered: set[tuple[int, int]] = set()
    waiting = [_inside(group, path.rstrip("/"), why_not, entered)]
    while waiting:  # not recursive: a file may nest groups deeper than Python's stack allows
        for inner, child in waiting[-1]:
            if isinstance(child, h5py.h5g.GroupID):
                waiting.append(_inside(h5py.Group(child), inner, why_not, entered))
                break
            if isinstance(child, (h5py.h5d.DatasetID, str)):
                yield inner, child
        else:
            waiting.pop()


def _inside(
    group: h5py.Group,
    prefix: str,
    why_not: Callable[[str, str], str | None],
    entered: set[tuple[int, int]],
) -> Iterator[tuple[str, Any]]:
    """The members of a group not entered before: h5py's ids, or why a link is not followed."""
    if identity(group.id) in entered:
        return
    entered.add(identity(group.id))
    for is_link, name in _links(group):
        path = f"{prefix}/{_decoded(name)}"
        link = _link(group, _decoded(name)) if is_link else None
        refused = why_not(group.file.filename, link[0]) if link is not None and link[0] else None
        if refused is not None and link is not None:
            yield path, f"is a link to {link[0]}::{link[1]}, {refused}"
            continue
        try:
            child = group[name].id if is_link else h5py.h5o.open(group.id, name)
        except H5PY_ERRORS as error:
            is_circle = "too many links" in str(error)
            yield path, CIRCLE if is_circle else broken(group, _decoded(name))
        else:
            yield path, child


def identity(thing: Any) -> tuple[int, int]:
    """A key that is the same for all paths to an object (given as h5py's id)."""
    info = h5py.h5o.get_info(thing)
    return info.fileno, info.addr


def broken(group: h5py.Group, path: str) -> str:
    """What is wrong with a link that leads nowhere or to a damaged object."""
    link = _link(group, path)
    if link is None or link == ("", ""):
        return "cannot be opened: the file is damaged"
    target = "::".join(filter(None, link))
    return f"is a link to {printable(target)}, which is not there: fix or remove it"


def _link(group: h5py.Group, path: str) -> tuple[str, str] | None:
    """The file ("" for the same) and the path that a link leads to; ("", "") if it is in place."""
    try:
        kind = group.id.links.get_info(_encoded(path)).type
        if kind == h5py.h5l.TYPE_HARD:
            return "", ""
        value = group.id.links.get_val(_encoded(path))
    except H5PY_ERRORS:
        return None
    file, target = value if isinstance(value, tuple) else (b"", value)
    return os.fsdecode(file), _decoded(target)


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _decoded(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def dtype_of(dataset: Any) -> np.dtype[Any] | None:
    """The stored type, or None for a type that NumPy lacks."""
    try:
        dtype: np.dtype[Any] = dataset.dtype
    except TypeError:
        return None
    return dtype


def text_attribute(thing: Any, name: str) -> str | None:
    """An attribute as text, whether it was written as str, bytes or an array of one of them."""
    values = _attribute(thing, name)
    if values is None:
        return None
    parts = (v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values)
    return "".join(parts).strip("\0 ")


def number_attribute(thing: Any, name: str, where: str) -> tuple[float, ...] | None:
    """An attribute as positive numbers; FeatureError if it is not."""
    values = _attribute(thing, name)
    if values is None:
        return None
    try:
        numbers = () if values.dtype.kind == "c" else tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or not all(map(is_scale, numbers)):
        shown = printable(repr(values.tolist() if values.size != 1 else values.tolist()[0]))
        raise FeatureError(f"{where}: attribute {name} is {shown}, not a positive number")
    return numbers


def is_scale(value: float) -> bool:
    """Whether a number can be a scale: positive, and no product or quotient overflows."""
    return 1e-12 <= value <= 1e12


def _attribute(thing: Any, name: str) -> np.ndarray[Any, Any] | None:
    if name not in thing.attrs:  # quicker to ask than h5py's exception
        return None
    value = thing.attrs[name]
    return None if isinstance(value, h5py.Empty) else np.ravel(value)


def compression_of(dataset: h5py.Dataset) -> str:
    """The filters, in the order in which they were applied: "none", "gzip:4", "shuffle + lzf"."""
    names = [
        f"{name}:{values[0]}" if name == "gzip" and values else name
        for _, name, values in _filters(dataset)
    ]
    return " + ".join(names) or "none"


def filter_name(code: int) -> str:
    """The name of a filter, or its number if it is unknown."""
    return _FILTER_NAMES.get(code, f"filter {code}")


def missing_filter(dataset: h5py.Dataset) -> str | None:
    """Which filter a dataset needs that HDF5 lacks here, and the remedy; None if it can be read.

    hdf5plugin is loaded for a dataset that needs it, and for no other.
    """
    if not _unavailable(dataset):
        return None
    try:
        importlib.import_module("hdf5plugin")
        remedy = "hdf5plugin lacks it too: write the file again with another"
    except ImportError:
        remedy = 'pip install "roicrop[plugins]"'
    lacking = _unavailable(dataset)
    return f"needs the HDF5 filter {', '.join(lacking)}: {remedy}" if lacking else None


def _unavailable(dataset: h5py.Dataset) -> list[str]:
    return [name for code, name, _ in _filters(dataset) if not h5py.h5z.filter_avail(code)]


def _filters(dataset: h5py.Dataset) -> list[tuple[int, str, tuple[int, ...]]]:
    if dataset.chunks is None:
        return []
    plist = dataset.id.get_create_plist()
    return [
        (code, _FILTER_NAMES.get(code) or name.decode("utf-8", "replace") or f"{code}", values)
        for code, _, values, name in map(plist.get_filter, range(plist.get_nfilters()))
    ]


@contextmanager
def named_errors(where: str) -> Iterator[None]:
    """Turn whatever h5py raises inside into a FeatureError of one line that says where."""
    try:
        yield
    except RoicropError:
        raise
    except H5PY_ERRORS as error:
        raise FeatureError(f"{where} cannot be read: {_reason(error)}") from error


def _why_not_opened(path: str, error: Exception) -> str:
    reason = _reason(error)
    if _failed_to_lock(error):
        return (
            f"{path} is locked by another program, which has it open for writing: close it there, "
            "or set HDF5_USE_FILE_LOCKING=FALSE to read what is on disk now"
        )
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist"
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder, not an HDF5 file"
    if "already open for write" in reason:
        return (
            f"{path} is marked as open for writing: close it in the program that writes it, or, if "
            f"that has died, run h5clear -s {path}"
        )
    if "truncated file" in reason:
        return f"{path} is truncated ({reason}): it was not written or copied completely"
    if "signature not found" in reason:
        return f"{path} {what_it_is(path) or 'is not an HDF5 file'}"
    if isinstance(error, OSError) and error.errno:
        reason = os.strerror(error.errno)
    return f"{path} cannot be opened: {reason}"


def _failed_to_lock(error: Exception) -> bool:
    return "unable to lock file" in str(error)


def _reason(error: Exception) -> str:
    """HDF5's own message: the cause, which it puts in parentheses, without the time of day."""
    said = error.args[-1] if isinstance(error, (OSError, KeyError)) and error.args else error
    text = " ".join(str(said).split())
    cause = re.fullmatch(r"[^(]*\((.*)\)", text)
    return re.sub(r": time = .*", "", cause[1] if cause else text)
