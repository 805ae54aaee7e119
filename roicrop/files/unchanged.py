"""Inputs that must not change: data read from a file that changed meanwhile is not trusted."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from roicrop.errors import RoicropError

__all__ = ["Unchanged"]


class Unchanged:
    """Files as they were when they were added: their sizes and times of change.

    HDF5 silently reads zeros beyond the end of a file that shrinks while it is open.
    """

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._before: dict[str, tuple[int, int] | None] = {}
        self.add(paths)

    def add(self, paths: Iterable[str]) -> None:
        """Watch these too, except for those that are not regular files (a pipe, "-")."""
        for path in paths:
            if path not in self._before:
                self._before[path] = _state(path)

    @property
    def paths(self) -> list[str]:
        """The paths of all files."""
        return [*self._before]

    def check(self) -> None:
        """Raise RoicropError if a file has changed."""
        for path, before in self._before.items():
            if before is None or (now := _state(path)) == before:
                continue
            how = "was removed" if now is None else "changed"
            if now is not None and now[0] != before[0]:
                how = f"changed from {before[0]:,} to {now[0]:,} bytes"
            raise RoicropError(
                f"{path} {how} while it was read: run again when no program is writing it"
            )


def _state(path: str) -> tuple[int, int] | None:
    """Size and time of change of a regular file, else None."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
