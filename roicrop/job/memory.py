"""How much memory may be used, and who uses it."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Condition
from typing import Final


def default_memory() -> int:
    """A quarter of the machine's memory, or of what the control group allows, and 2 GB at most."""
    return min([_of_machine() // 4, *(limit // 4 for limit in _of_group()), _MOST])


class Budget:
    """A number of bytes that threads share: `take` waits until there are as many."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._freed = Condition()

    def take(self, count: int) -> None:
        """Wait until so many bytes, at most `limit`, are free, and take them."""
        with self._freed:
            self._freed.wait_for(lambda: self._used + count <= self.limit)
            self._used += count

    def give(self, count: int) -> None:
        """Give bytes back."""
        with self._freed:
            self._used -= count
            self._freed.notify_all()

    def lift(self) -> None:
        """Let everyone have what they ask for."""
        with self._freed:
            self.limit = sys.maxsize
            self._freed.notify_all()


_MOST: Final = 2 * 10**9
_UNKNOWN: Final = 8 * 10**9  # of a machine that does not say
_GROUPS: Final = "/proc/self/cgroup"
_MOUNT: Final = "/sys/fs/cgroup"


def _of_machine() -> int:
    if sys.platform == "win32":
        status = (ctypes.c_uint64 * 8)()  # MEMORYSTATUSEX, whose second field is all memory
        ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(status)
        if ctypes.windll.kernel32.GlobalMemoryStatusEx(status):
            return int(status[1])
        return _UNKNOWN
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return _UNKNOWN


def _of_group(groups: str = _GROUPS, mount: str = _MOUNT) -> Iterator[int]:
    """The limits of the control group that this process is in, and of those around it."""
    try:
        lines = Path(groups).read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds not in ("", "memory"):
            continue
        root = Path(mount) / kinds
        # In a container the path is often that outside of it, and the limit is the root's.
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            for name in ("memory.max", "memory.limit_in_bytes"):
                try:
                    yield int((folder / name).read_text())
                except (OSError, ValueError):  # "max" is no limit
                    continue
            if folder == root:
                break
