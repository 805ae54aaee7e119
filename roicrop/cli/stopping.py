"""How a run that is told to stop ends; it imports nothing that takes time."""

from __future__ import annotations

import sys
from contextlib import suppress

CTRL_C = "Ctrl-C"


def stopped(by: str, signal_number: int) -> int:
    """Say what stopped the program; return the exit status that shells give it."""
    with suppress(OSError, AttributeError):  # a standard error that is closed, or gone
        sys.stderr.write(f"roicrop: stopped by {by}\n")
    return 128 + signal_number
