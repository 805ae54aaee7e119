"""The command line: one file for each command, and `main`, which is the program.

Nothing is imported here: a process that is stopped while it starts needs `stopped` before there is
anything else.
"""

from __future__ import annotations

import sys
from contextlib import suppress

__all__ = ["CTRL_C", "main", "stopped"]

CTRL_C = "Ctrl-C"


def stopped(by: str, signal_number: int) -> int:
    """Say what stopped the program; return the exit status that shells give it."""
    with suppress(OSError, AttributeError):  # standard error is closed, or gone
        sys.stderr.write(f"roicrop: stopped by {by}\n")
    return 128 + signal_number
