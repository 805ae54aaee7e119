"""`inspect --safe` survives files that crash or block the process that reads them."""

from __future__ import annotations

import os
import signal
import time

import pytest

from roicrop.errors import FeatureError
from roicrop.inspection import files
from tests.command_line import run, write_boxes, write_maps
from tests.inspection.looking import together


def killed(path: str, number: int) -> None:
    os.kill(os.getpid(), number)


def refused(path: str) -> None:
    raise FeatureError(f"{path} is empty: write it again")


def endless(path: str) -> None:
    time.sleep(60)


def test_a_process_that_dies_is_an_error_that_names_the_file_and_the_signal() -> None:
    with pytest.raises(FeatureError, match=r"^maps.h5 is damaged: .* died \(SIGSEGV\)$"):
        files._contained(killed, "maps.h5", signal.SIGSEGV)


def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SECONDS", 0.1)
    with pytest.raises(FeatureError, match=r"^maps.h5 took more than 0.1 s to read: "):
        files._contained(endless, "maps.h5")


def test_an_error_in_the_process_is_the_error_here() -> None:
    with pytest.raises(FeatureError, match=r"^maps.h5 is empty: write it again$"):
        files._contained(refused, "maps.h5")


def test_reports_are_the_same_in_a_separate_process() -> None:
    write_maps()
    write_boxes()
    plain, safe = (run("inspect", "maps.h5", "boxes.csv", *option) for option in ([], ["--safe"]))
    assert safe.out == plain.out
    assert together("maps.h5", "boxes.csv", "--safe")["fits"]
