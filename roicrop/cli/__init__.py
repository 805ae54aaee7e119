"""The command line: files of commands, and `main`, which is the program.

This file imports nothing else from roicrop, because a process may have to stop while it starts.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Final

__all__ = ["STOPS", "main", "stop_at_once", "stopped"]

STOPS: Final = {
    getattr(signal, name): words
    for name, words in {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "SIGHUP"}.items()
    if hasattr(signal, name)  # Windows has no SIGHUP
}
"""Signals that ask the program to end, and what to call them."""


def stopped(number: int) -> int:
    """Say what stopped the program; return the exit status that shells give it."""
    with suppress(Exception):  # standard error is closed, or gone, or was being written to
        sys.stderr.write(f"roicrop: stopped by {STOPS[signal.Signals(number)]}\n")
    return 128 + number


def stop_at_once() -> None:
    """Let signals end the program at once, as long as there is nothing to clean up."""

    def ignore() -> None:
        for each in STOPS:
            signal.signal(each, signal.SIG_IGN)

    def stop(number: int, _: FrameType | None) -> None:
        ignore()
        os._exit(stopped(number))

    for each in STOPS:
        # Background jobs of a shell ignore Ctrl-C, and nohup ignores SIGHUP: keep it so.
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, stop)
    atexit.register(ignore)  # Python drops its handlers soon after
