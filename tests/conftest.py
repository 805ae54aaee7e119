"""The setting of every test: the intended roicrop, and Hypothesis without deadlines."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

import roicrop
from roicrop import kernels
from tests import command_line

PLACE_VARIABLE = "ROICROP_TEST_FROM"

# Few, for a suite that is run often; `make fuzz` tries as many as there is time for.
hypothesis.settings.register_profile("here", deadline=None, max_examples=40)
hypothesis.settings.register_profile(
    "ci", deadline=None, max_examples=40, derandomize=True, print_blob=True
)
hypothesis.settings.register_profile("few", deadline=None, max_examples=12)
hypothesis.settings.load_profile("ci" if "CI" in os.environ else "here")


def pytest_configure() -> None:
    """Refuse to test another copy of the package than is meant; and let SIGINT be heard.

    Python that is started in the checkout finds ./roicrop before an installed wheel, and a checkout
    finds its compiled core only by an editable install. So the Makefile names the folder that
    roicrop must come from in this variable, and the core in ROICROP_KERNEL.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background, and children
        signal.signal(signal.SIGINT, signal.default_int_handler)  # inherit it
    meant = os.environ.get(PLACE_VARIABLE)
    if meant is not None and not _package_folder().is_relative_to(Path(meant).resolve()):
        raise pytest.UsageError(f"roicrop is imported from {_package_folder()}, not from {meant}")


def pytest_report_header() -> str:
    """Which roicrop is tested."""
    return f"roicrop {roicrop.__version__}, {kernels.NAME} core, from {_package_folder()}"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to be in, with the maps.h5 and boxes.csv of `tests.command_line`."""
    monkeypatch.chdir(tmp_path)
    command_line.write_maps()
    command_line.write_boxes()
    return tmp_path


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, object], Path]:
    """Writes text, bytes or a JSON value to a file of that name."""

    def write_file(name: str, content: object) -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_bytes(text.encode())
        return path

    return write_file


def _package_folder() -> Path:
    return Path(roicrop.__file__).resolve().parent
