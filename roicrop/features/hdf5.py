"""How to talk to h5py: open, find, walk, read attributes and filters, and say errors in one line.

Nothing here knows what a feature map is. `where` is `file.h5::/path`, as the user would type it.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import h5py
import numpy as np

from roicrop.errors import FeatureError

# How locking fails where another program holds the lock. Otherwise the file system cannot lock.
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

_H5PY_ERRORS: Final = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError)


def open_file(path: str) -> h5py.File:
    """The file, open for reading; FeatureError says why not.

    Where the file system cannot lock (some network mounts), nobody can, and the file is read
    without a lock. A lock that another program holds is respected: what it is writing may be half
    there.
    """
    try:
        return _open_file(path)
    except _H5PY_ERRORS as error:
        raise FeatureError(_why_not_opened(path, error)) from error


def _open_file(path: str) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if not _failed_to_lock(error) or error.errno in _HELD:
            raise
    return h5py.File(path, "r", locking=False)


def find(file: h5py.File, path: str) -> h5py.Dataset | h5py.Group | None:
    """The dataset or group at a path, or None if there is nothing by that name."""
    try:
        found = file[path]
    except (KeyError, OSError):
        if _link_target(file, path) is None:
            return None
        raise FeatureError(broken_link(file, path)) from None
    return found if isinstance(found, (h5py.Dataset, h5py.Group)) else None


def walk(group: h5py.Group, path: str) -> Iterator[tuple[str, h5py.Dataset | None]]:
    """Every dataset below a group, with its path; None for a link that leads nowhere.

    path: the group's own. Links are followed, after what is stored in place, and each group is
    entered once.
    """
    return _walk(group, path.rstrip("/"), set())


def _walk(
    group: h5py.Group, prefix: str, entered: set[tuple[int, int]]
) -> Iterator[tuple[str, h5py.Dataset | None]]:
    if identity(group) in entered:
        return
    entered.add(identity(group))
    links = {name: group.get(name, getclass=True, getlink=True) for name in group}
    for name in sorted(links, key=lambda name: links[name] is not h5py.HardLink):
        path = f"{prefix}/{name}"
        try:
            child = group[name]
        except (KeyError, OSError):
            yield path, None
            continue
        if isinstance(child, h5py.Group):
            yield from _walk(child, path, entered)
        elif isinstance(child, h5py.Dataset):
            yield path, child


def identity(thing: h5py.Dataset | h5py.Group) -> tuple[int, int]:
    """What two paths to the same object have in common."""
    info = h5py.h5o.get_info(thing.id)
    return info.fileno, info.addr


def broken_link(file: h5py.File, path: str) -> str:
    """One line for a link that leads nowhere, or to an object that is damaged."""
    target = _link_target(file, path)
    if target is None:
        return f"{file.filename}::{path} cannot be opened: the file is damaged"
    return f"{file.filename}::{path} is a link to {target}, which is not there: mend or remove it"


def _link_target(file: h5py.File, path: str) -> str | None:
    link = file.get(path, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        return f"{link.filename}::{link.path}"
    if isinstance(link, h5py.SoftLink):
        return str(link.path)
    return None


def dtype_of(dataset: h5py.Dataset) -> np.dtype[Any] | None:
    """The stored type, or None for one that NumPy lacks."""
    try:
        dtype: np.dtype[Any] = dataset.dtype
    except TypeError:
        return None
    return dtype


def text_attribute(thing: h5py.Dataset | h5py.Group, name: str) -> str | None:
    """An attribute as text, whether it was written as str, bytes or an array of one of them."""
    values = _attribute(thing, name)
    if values is None:
        return None
    parts = (v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values)
    return "".join(parts).strip("\0 ")


def number_attribute(
    thing: h5py.Dataset | h5py.Group, name: str, where: str
) -> tuple[float, ...] | None:
    """An attribute as finite positive numbers; FeatureError if it is anything else."""
    values = _attribute(thing, name)
    if values is None:
        return None
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or not all(0 < number < np.inf for number in numbers):
        shown = values.tolist() if values.size != 1 else values.tolist()[0]
        raise FeatureError(f"{where}: attribute {name} is {shown!r}, not a positive number")
    return numbers


def _attribute(thing: h5py.Dataset | h5py.Group, name: str) -> np.ndarray[Any, Any] | None:
    value = thing.attrs.get(name)
    if value is None or isinstance(value, h5py.Empty):
        return None
    return np.ravel(value)


def compression_of(dataset: h5py.Dataset) -> str:
    """The filters, in the order in which they were applied: "none", "gzip:4", "shuffle + lzf"."""
    names = [
        f"{name}:{values[0]}" if name == "gzip" and values else name
        for _, name, values in _filters(dataset)
    ]
    return " + ".join(names) or "none"


def filter_name(code: int) -> str:
    """What to call a filter."""
    return _FILTER_NAMES.get(code, f"filter {code}")


def missing(dataset: h5py.Dataset) -> str | None:
    """What keeps a dataset from being read, and the remedy; None if nothing does."""
    return _missing_filter(dataset) or _missing_source(dataset)


def _missing_filter(dataset: h5py.Dataset) -> str | None:
    """What a dataset needs that HDF5 lacks here, and the remedy; None if it can be read.

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


def _missing_source(dataset: h5py.Dataset) -> str | None:
    """What a virtual dataset is made of and is not there, and the remedy; None if all of it is.

    HDF5 itself would read the fill value in its place, without a word.
    """
    if not dataset.is_virtual:
        return None
    sources = {(source.file_name, source.dset_name) for source in dataset.virtual_sources()}
    for file, path in sorted(sources):
        if "%" in file + path:  # a pattern for files that may come later
            continue
        if not _has(dataset.file if file == "." else _beside(dataset.file, file), path):
            place = path if file == "." else f"{file}::{path}"
            return f"is virtual, and {place}, which it is made of, is not there: bring it back"
    return None


def _beside(file: h5py.File, name: str) -> str:
    """Where HDF5 finds a file that another names: as it stands, or in the other's directory."""
    directory = os.path.dirname(os.path.realpath(file.filename))
    prefix = os.environ.get("HDF5_VDS_PREFIX", "").replace("${ORIGIN}", directory)
    places = [os.path.join(prefix, name), os.path.join(directory, name), name]
    places.append(os.path.join(directory, os.path.basename(name)))
    return next(filter(os.path.exists, places), name)


def _has(file: h5py.File | str, path: str) -> bool:
    if isinstance(file, h5py.File):
        return path in file
    try:
        with _open_file(file) as opened:
            return path in opened
    except _H5PY_ERRORS:
        return False


def _unavailable(dataset: h5py.Dataset) -> list[str]:
    return [name for code, name, _ in _filters(dataset) if not h5py.h5z.filter_avail(code)]


def _filters(dataset: h5py.Dataset) -> list[tuple[int, str, tuple[int, ...]]]:
    plist = dataset.id.get_create_plist()
    return [
        (code, _FILTER_NAMES.get(code) or name.decode("utf-8", "replace") or f"{code}", values)
        for code, _, values, name in map(plist.get_filter, range(plist.get_nfilters()))
    ]


@contextmanager
def named_errors(where: str) -> Iterator[None]:
    """Whatever h5py raises inside, as a FeatureError of one line that says where."""
    try:
        yield
    except _H5PY_ERRORS as error:
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
        return f"{path} is a directory, not an HDF5 file"
    if "already open for write" in reason:
        return (
            f"{path} is marked as open for writing: close it in the program that writes it, or, if "
            f"that has died, run h5clear -s {path}"
        )
    if "truncated file" in reason:
        return f"{path} is truncated ({reason}): it was not written or copied to its end"
    if "signature not found" in reason:
        return f"{path} is not an HDF5 file"
    if isinstance(error, OSError) and error.errno:
        reason = os.strerror(error.errno)
    return f"{path} cannot be opened: {reason}"


def _failed_to_lock(error: Exception) -> bool:
    return "unable to lock file" in str(error)


def _reason(error: Exception) -> str:
    """HDF5's own words: the cause, which it puts in parentheses, without the time of day."""
    said = error.args[-1] if isinstance(error, (OSError, KeyError)) and error.args else error
    text = " ".join(str(said).split())
    cause = re.fullmatch(r"[^(]*\((.*)\)", text)
    return re.sub(r": time = .*", "", cause[1] if cause else text)
