"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import filecmp
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from roicrop.errors import OutputError
from roicrop.undisturbed import undisturbed

try:
    import fcntl
except ImportError:  # Windows, where the leftovers of a killed run stay
    fcntl = None  # type: ignore[assignment]

_REMEDIES: Final = {
    errno.ENOSPC: "make room, or write elsewhere",
    errno.EDQUOT: "make room, or write elsewhere",
    errno.EFBIG: "raise the limit (ulimit -f), or write elsewhere",
    errno.EROFS: "write elsewhere",
    errno.EACCES: "write elsewhere, or get permission to write there",
    errno.EPERM: "write elsewhere, or get permission to write there",
    errno.ENAMETOOLONG: "choose a shorter one",
}


@contextmanager
def replacing(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    inputs: Sequence[str] = (),
    retried: bool = False,
) -> Iterator[Path]:
    """An empty temporary file that takes the place of `path` if the block succeeds.

    It is next to the target, so that the change is one step. If the block fails or is
    interrupted, nothing is left and the target is unchanged. A process that is killed outright
    leaves its temporary file; the next one to write the same target removes it, unless it is
    `retried`, in which case the caller removes those of all targets. A lock on the file tells
    whether its run is alive, wherever that run is: process numbers mean nothing in another
    container or on another host.

    inputs: files that the target must not be; those that do not exist ("-") are ignored.
    retried: whether a target with the same bytes, from an earlier attempt, is accepted.

    Raises OutputError if the target exists and `overwrite` is false, if it is an input or not a
    regular file, or if its directory is missing or cannot be written.
    """
    refuse_unfit(path, overwrite=overwrite or retried, inputs=inputs)
    target = Path(os.path.realpath(path))  # a link stays a link
    temporary = held = None
    try:
        with written(path), undisturbed():
            if not retried:
                remove_leftovers([target])
            temporary, held = _create(target)
        yield temporary
        with written(path), undisturbed():  # an interruption could leave both names, or neither
            _move(temporary, target, path, overwrite=overwrite, retried=retried)
            temporary.unlink(missing_ok=True)
    finally:
        with suppress(OSError):  # a more important error is on its way already
            if temporary is not None:
                temporary.unlink(missing_ok=True)
        if held is not None:
            os.close(held)


def refuse_unfit(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    is_own: Callable[[Path], bool] | None = None,
    inputs: Sequence[str] = (),
) -> None:
    """Raise OutputError for a target that `replacing` would refuse, before any work is done.

    is_own: tells whether an existing regular file may be replaced without `overwrite`.
    """
    with written(path):
        _refuse_unfit(path, overwrite, inputs, is_own)


def _refuse_unfit(
    path: str | os.PathLike[str],
    overwrite: bool,
    inputs: Sequence[str],
    is_own: Callable[[Path], bool] | None = None,
) -> None:
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {target.parent}")
    if target.is_symlink():
        raise OutputError(f"{path} is a link that leads back to itself: give another name")
    if not target.exists():
        return
    if target.is_dir():
        raise OutputError(f"{path} is a folder: give the name of a file")
    if not target.is_file():
        raise OutputError(f"{path} is not a regular file: give another name")
    for source in inputs:
        if os.path.exists(source) and target.samefile(source):
            raise OutputError(f"{path} is an input of this run: choose another name")
    if not (overwrite or (is_own is not None and is_own(target))):
        raise _exists(path)


def _exists(path: str | os.PathLike[str]) -> OutputError:
    return OutputError(f"{path} exists: choose another name, or replace it with --overwrite")


def _move(
    temporary: Path,
    target: Path,
    path: str | os.PathLike[str],
    *,
    overwrite: bool,
    retried: bool,
) -> None:
    """Give the file its name in one step; OutputError if another run was faster."""
    if overwrite:
        temporary.replace(target)
        return
    try:
        os.link(temporary, target)  # unlike a rename, a link replaces nothing
    except OSError as error:
        if not target.exists():
            if isinstance(error, FileExistsError):
                raise
            temporary.replace(target)  # on a file system without hard links
        elif not (retried and filecmp.cmp(temporary, target, shallow=False)):
            raise _exists(path) from None


@contextmanager
def written(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the system's errors inside into an OutputError of one line that names `path`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = _REMEDIES.get(error.errno or 0)
        raise OutputError(
            f"{path} cannot be written: {reason}" + (f"; {remedy}" if remedy else "")
        ) from error


def remove_leftovers(targets: Iterable[Path]) -> None:
    """Remove the temporary files of these targets whose runs were killed."""
    prefixes: dict[Path, set[str]] = {}
    for target in targets:
        prefixes.setdefault(target.parent, set()).add(_prefix(target))
    for directory, its in prefixes.items():
        for temporary in (*directory.glob(f".*{_SUFFIX}"),):
            if temporary.name[: -_RANDOM - len(_SUFFIX)] in its:
                _remove_if_free(temporary)


def _remove_if_free(temporary: Path) -> None:
    with suppress(OSError):  # it is gone, or belongs to another user
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            if _locked(descriptor, alone=True):
                temporary.unlink()
        finally:
            os.close(descriptor)


_SUFFIX: Final = ".tmp"
_RANDOM: Final = 16  # characters
_MOST_OF_NAME: Final = 48  # characters of the target's name in a temporary one, to keep it short


def _prefix(target: Path) -> str:
    return f".{target.name[:_MOST_OF_NAME]}.roicrop-"


def _create(target: Path) -> tuple[Path, int | None]:
    """A new file with a random name, and the descriptor that holds its lock until it is closed."""
    while True:
        temporary = target.with_name(f"{_prefix(target)}{os.urandom(_RANDOM // 2).hex()}{_SUFFIX}")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if fcntl is None:  # Windows, where an open file cannot be renamed
            os.close(descriptor)
            return temporary, None
        _locked(descriptor, alone=False)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # another run mistook it for a leftover before it was locked


def lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; False if another run holds it.

    Also True where files cannot be locked.
    """
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _locked(descriptor: int, *, alone: bool) -> bool:
    """Lock an open file; False if another run holds it, or if files cannot be locked here.

    A run shares the lock of its own file, so that readers of the finished one are not shut out.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX | fcntl.LOCK_NB) if alone else fcntl.LOCK_SH)
    except OSError:
        return False
    return True
