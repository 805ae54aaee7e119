"""Runs a command; the last line of standard output is its seconds and its peak memory, in JSON.

This stands between because a process starts with the peak of the one that started it, which must
therefore be small: nothing is imported here that is not needed.
"""

from __future__ import annotations

import os
import resource
import sys
import time


def main(command: list[str]) -> int:
    start = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ)
    _, status = os.waitpid(child, 0)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    print(f'{{"seconds": {seconds}, "peak": {peak * unit}}}')
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
