"""Timing that is fair between contenders on a machine whose speed drifts.

All run in one process, in turns: A B C, A B C, … Whatever slows the machine for a second slows one
round for everyone, so ratios are taken within rounds, and their median is what is reported.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How long to go on: for these seconds, within these bounds on the number of rounds."""

    seconds: float
    least_rounds: int = 5
    most_rounds: int = 60


def interleave(
    runs: Sequence[Callable[[], object]], pace: Pace, *, calls: int = 1
) -> list[list[float]]:
    """The seconds that a call takes, a list for each of `runs` with one number a round.

    calls: how many follow each other in one turn, for those too short for the clock.
    One more round goes before, untimed: it fills caches, and makes buffers and threads.
    """
    return rounds([functools.partial(_seconds, run, calls) for run in runs], pace)


def rounds(measures: Sequence[Callable[[], float]], pace: Pace) -> list[list[float]]:
    """The same for runs that measure themselves: each call returns a number."""
    for measure in measures:
        measure()
    found: list[list[float]] = [[] for _ in measures]
    collecting = gc.isenabled()
    gc.disable()
    try:
        end = time.perf_counter() + pace.seconds
        while len(found[0]) < pace.least_rounds or (
            len(found[0]) < pace.most_rounds and time.perf_counter() < end
        ):
            for measure, values in zip(measures, found, strict=True):
                values.append(measure())
    finally:
        if collecting:
            gc.enable()
    return found


def median_ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """The median over the rounds of value by base."""
    return statistics.median(value / by for value, by in zip(values, base, strict=True))


def keep_freed_memory() -> None:
    """Have the C library keep freed memory, so that results are written to pages already mapped.

    Otherwise a framework that allocates its result in each call pays for every new page, unlike
    frameworks that take a buffer. Only glibc can do this; elsewhere nothing happens. Even glibc
    takes new pages now and then; `interleave` does not report such a call.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def _seconds(run: Callable[[], object], calls: int) -> float:
    """Of a call whose result went to memory that was there already, if one of some does so."""
    for _ in range(_TRIES):
        pages, start = _new_pages(), time.perf_counter()
        for _ in range(calls):
            run()
        seconds = (time.perf_counter() - start) / calls
        if _new_pages() - pages < _FEW_PAGES * calls:
            break
    return seconds


_TRIES = 8
_FEW_PAGES = 256


def _new_pages() -> int:
    """That this process was given so far."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
