"""Work in a process of its own, for files that HDF5 itself crashes on, or never finishes with."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Final, TypeVar

from roicrop.errors import FeatureError, RoicropError

SECONDS: Final = 60  # that a file may take

_T = TypeVar("_T")


def contained(function: Callable[..., _T], path: str, *more: Any) -> _T:
    """What `function(path, *more)` gives or raises.

    Raises FeatureError where the process dies, or is not done after SECONDS.
    """
    context = multiprocessing.get_context("spawn")  # HDF5 and threads do not survive a fork
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(send, function, path, *more), daemon=True)
    with _without_ctrl_c():
        process.start()
    send.close()
    try:
        if not receive.poll(SECONDS):
            raise FeatureError(
                f"{path} is not read after {SECONDS} s: it is damaged so that HDF5 does not come "
                "to an end, or very large; the other files were looked at"
            )
        done, answer = receive.recv()
    except EOFError:
        process.join()
        raise FeatureError(
            f"{path} is damaged: the process that read it died ({_death(process.exitcode)})"
        ) from None
    finally:
        process.kill()
        process.join()
        receive.close()
    if not done:
        raise answer
    return answer  # type: ignore[no-any-return]


def _answer(send: Connection, function: Callable[..., Any], *args: Any) -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(SECONDS + 10)  # whether or not somebody is left to wait
    try:
        send.send((True, function(*args)))
    except (RoicropError, OSError, MemoryError) as error:
        send.send((False, error))


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """What is started inside never hears of Ctrl-C, which a terminal sends to it too."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _death(status: int | None) -> str:
    try:
        return signal.Signals(-(status or 0)).name
    except ValueError:
        return f"status {status}"
