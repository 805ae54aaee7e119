"""Work that no signal may interrupt halfway."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SIGNALS: Final = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Defer signals that would raise an exception inside until the end.

    For calls into a library that calls back into Python, as HDF5 does to write a file: an exception
    raised there is lost, or leaves the library unable to go on.
    """
    if threading.current_thread() is not threading.main_thread():  # others receive no signals
        yield
        return
    arrived: list[int] = []
    handlers = {n: h for n in _SIGNALS if callable(h := signal.getsignal(n))}
    for number in handlers:
        signal.signal(number, lambda number, _: arrived.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in arrived[:1]:
            signal.raise_signal(number)
