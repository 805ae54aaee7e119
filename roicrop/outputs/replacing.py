"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from roicrop.errors import OutputError

_REMEDIES: Final = {
    errno.ENOSPC: "make room, or write elsewhere",
    errno.EDQUOT: "make room, or write elsewhere",
    errno.EFBIG: "raise the limit (ulimit -f), or write elsewhere",
    errno.EROFS: "write elsewhere",
    errno.EACCES: "write elsewhere, or ask for leave to write there",
    errno.EPERM: "write elsewhere, or ask for leave to write there",
    errno.ENAMETOOLONG: "choose a shorter one",
}


@contextmanager
def replacing(
    path: str | os.PathLike[str], *, overwrite: bool = False, inputs: Sequence[str] = ()
) -> Iterator[Path]:
    """An empty temporary file that takes the place of `path` when the block ends well.

    It lies beside the target, so that the change is one step. When the block fails or is
    interrupted, nothing is left and the target is as it was. A process that is killed outright
    leaves its temporary file; the next one to write the same target removes it.

    inputs: files that the target must not be; those that do not exist ("-") are passed over.

    Raises OutputError when the target exists and `overwrite` is false, is a directory or an input,
    or when its directory is missing or cannot be written.
    """
    refuse_unfit(path, overwrite=overwrite, inputs=inputs)
    target = Path(os.path.realpath(path))  # a link stays a link
    temporary = target.with_name(f"{_prefix(target)}{os.getpid()}{_SUFFIX}")
    with written(path):
        _remove_orphans(target)
    try:
        with written(path):
            temporary.touch(exist_ok=False)
        yield temporary
        with written(path):
            _move(temporary, target, path, overwrite=overwrite)
    finally:
        with suppress(OSError):  # a file system that refuses this has refused more, and been told
            temporary.unlink(missing_ok=True)


def refuse_unfit(
    path: str | os.PathLike[str], *, overwrite: bool = False, inputs: Sequence[str] = ()
) -> None:
    """OutputError for a target that `replacing` would refuse, before there is work to lose."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise OutputError(f"{path} cannot be written: there is no directory {target.parent}")
    if not target.exists():
        return
    if target.is_dir():
        raise OutputError(f"{path} is a directory: give the name of a file")
    for source in inputs:
        if os.path.exists(source) and target.samefile(source):
            raise OutputError(f"{path} is an input of this run: choose another name")
    if not overwrite:
        raise _exists(path)


def _exists(path: str | os.PathLike[str]) -> OutputError:
    return OutputError(f"{path} exists: choose another name, or replace it with --overwrite")


def _move(temporary: Path, target: Path, path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Give the file its name in one step; OutputError where another run was quicker."""
    if not overwrite:
        try:
            os.link(temporary, target)  # which, unlike a rename, replaces nothing
        except FileExistsError:
            raise _exists(path) from None
        except OSError:  # a file system without hard links
            if target.exists():
                raise _exists(path) from None
        else:
            return
    temporary.replace(target)


@contextmanager
def written(path: str | os.PathLike[str]) -> Iterator[None]:
    """Whatever the system refuses inside, as an OutputError of one line that names `path`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = _REMEDIES.get(error.errno or 0)
        raise OutputError(
            f"{path} cannot be written: {reason}" + (f"; {remedy}" if remedy else "")
        ) from error


_SUFFIX: Final = ".tmp"


_MOST_OF_NAME: Final = 48  # characters, so that the temporary name is not too long where its is not


def _prefix(target: Path) -> str:
    return f".{target.name[:_MOST_OF_NAME]}.roicrop-"


def _remove_orphans(target: Path) -> None:
    prefix = _prefix(target)
    for temporary in target.parent.glob(f"{glob.escape(prefix)}*{_SUFFIX}"):
        owner = temporary.name.removeprefix(prefix).removesuffix(_SUFFIX)
        if owner.isdecimal() and not _another_runs(int(owner)):
            temporary.unlink(missing_ok=True)


def _another_runs(process: int) -> bool:
    """Whether a process other than this one has that number.

    This one's number on a file that it has not made yet is that of a predecessor: in containers
    every run may have the same.
    """
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return not _has_ended(process)


def _has_ended(process: int) -> bool:
    """Whether it has, and its parent has not yet asked how; where Linux says so."""
    try:
        state = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(") ")[2][:1]
    except (OSError, UnicodeDecodeError):
        return False
    return state in ("Z", "X")
