"""How much memory may be used, and who uses it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import Condition
from typing import Final

import numpy as np
from numpy.typing import NDArray

from roicrop.errors import ArgumentError


@cache
def default_memory() -> int:
    """A quarter of the machine's memory, or of what the control group allows, and 2 GB at most."""
    return min([_of_machine() // 4, *(limit // 4 for limit in _of_group()), _MOST])


def shares(memory: int, threads: int, row: int) -> tuple[int, int]:
    """How memory is divided: bytes for windows, and how many pooled rows a buffer holds.

    There are two such buffers, and threads take some memory for themselves, at most a quarter.
    row: bytes of one pooled box. ArgumentError if two of them are too much.
    """
    rows = max(1, min(_ROWS_BYTES // row, memory // 8 // row, _MOST_ROWS))
    core = min(_CORE_BYTES * threads, memory // 4)
    windows = memory - 2 * rows * row - core
    if windows < memory // 4:
        raise ArgumentError(
            f"one pooled box takes {row:,} bytes, and two are too much for {memory:,} bytes: "
            f"give --memory {4 * row} or more"
        )
    return windows, rows


_ROWS_BYTES: Final = 8 << 20  # of a buffer of rows; more would leave the processor's cache
_MOST_ROWS: Final = 1 << 16  # of a buffer: the rows' indices take memory too
_CORE_BYTES: Final = 32 << 20  # for the core's scratch and plans, and what the allocator keeps


class Memory:
    """Buffers that threads share: `take` waits until there is memory for one."""

    def __init__(self, limit: int, most: int) -> None:
        """limit: bytes in all. most: unused buffers to keep."""
        self._limit, self._most = limit, most
        self._taken = 0
        self._free: list[NDArray[np.uint8]] = []
        self._given = Condition()

    def take(self, count: int, beside: int) -> NDArray[np.uint8]:
        """A buffer of `count` bytes or a few more, with permission to use `beside` bytes more."""
        rounded = -(-count >> max(count.bit_length() - 4, 0)) << max(count.bit_length() - 4, 0)
        if rounded + beside <= self._limit:  # rounded sizes are reused more often
            count = rounded
        with self._given:
            self._given.wait_for(lambda: self._taken + count + beside <= self._limit)
            # A buffer that was used before is mapped already, and perhaps still in the cache.
            for i, buffer in enumerate(self._free):
                larger = self._taken + buffer.nbytes + beside
                if count <= buffer.nbytes <= 2 * count and larger <= self._limit:
                    self._taken = larger
                    return self._free.pop(i)
            self._taken += count + beside
            while (
                self._free and self._taken + sum(each.nbytes for each in self._free) > self._limit
            ):
                self._free.pop()
        return np.empty(count, np.uint8)

    def threads(self, count: int, beside: int, most: int) -> int:
        """How many threads, at least one, may each take `beside` bytes next to such a buffer."""
        return max(1, min(most, (self._limit - count) // max(beside, 1)))

    def give(self, buffer: NDArray[np.uint8]) -> None:
        """Give a buffer back."""
        with self._given:
            self._free = [buffer, *self._free[: self._most - 1]]
        self.give_leave(buffer.nbytes)

    def give_leave(self, beside: int) -> None:
        """Return the bytes that were taken beside a buffer."""
        with self._given:
            self._taken -= beside
            self._given.notify_all()

    def lift(self) -> None:
        """Remove the limit, so that no thread waits any longer."""
        with self._given:
            self._limit = sys.maxsize
            self._given.notify_all()


_MOST: Final = 2 * 10**9
_UNKNOWN: Final = 8 * 10**9  # for a machine that does not say
_GROUPS: Final = "/proc/self/cgroup"
_MOUNT: Final = "/sys/fs/cgroup"


def _of_machine() -> int:
    if sys.platform == "win32":
        import ctypes  # slow to load

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
        # In a container the path is often the one outside it, and the limit is at the root.
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            for name in ("memory.max", "memory.limit_in_bytes"):
                try:
                    yield int((folder / name).read_text())
                except (OSError, ValueError):  # "max" is no limit
                    continue
            if folder == root:
                break
