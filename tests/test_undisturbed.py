"""A signal waits for the end of work that it may not interrupt."""

from __future__ import annotations

import signal
import threading

import pytest

from roicrop.undisturbed import undisturbed


def test_a_signal_inside_is_handled_at_the_end() -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), undisturbed():
        signal.raise_signal(signal.SIGINT)
        done = True
    assert done


def test_a_signal_goes_before_the_error_that_it_came_with() -> None:
    with pytest.raises(KeyboardInterrupt), undisturbed():
        signal.raise_signal(signal.SIGINT)
        raise ValueError


def test_handlers_are_as_they_were() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with undisturbed():
        pass
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_threads_that_get_no_signals_may_use_it_too() -> None:
    done: list[bool] = []

    def work() -> None:
        with undisturbed():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
