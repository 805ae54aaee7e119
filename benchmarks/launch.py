"""Runs a command; the last line of standard output is its seconds and its peak memory, in JSON.

This process is in between because a process starts with the peak of its parent, which must
therefore be small: only what is needed is imported here.
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
