"""What every test runs under: the core that is meant, and Hypothesis without a stopwatch."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import hypothesis
import pytest

import roicrop
from roicrop import kernels
from tests import command_line

CORE_VARIABLE = "ROICROP_TEST_CORE"

hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=3000)
hypothesis.settings.load_profile("ci" if "CI" in os.environ else "here")


def pytest_configure() -> None:
    """Refuse to test another core, or another copy of the package, than `make test` installed.

    Without the variable that `make test` sets, whatever roicrop is on the path is tested.
    """
    meant = os.environ.get(CORE_VARIABLE)
    if meant is None:
        return
    loaded = kernels.NAME.split()[0]
    if loaded != meant:
        raise pytest.UsageError(f"the {loaded} core is loaded, and {CORE_VARIABLE}={meant}")
    place, installed = _package_folder(), Path(sysconfig.get_path("platlib")).resolve()
    if not place.is_relative_to(installed):
        raise pytest.UsageError(f"roicrop is imported from {place}, not from {installed}")


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


def _package_folder() -> Path:
    return Path(roicrop.__file__).resolve().parent
