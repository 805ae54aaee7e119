from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import roicrop
from roicrop import operators


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a new process has loaded after a statement."""
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_api_is_that_of_the_operators() -> None:
    assert roicrop.roi_align is operators.roi_align
    assert roicrop.roi_pool is operators.roi_pool
    assert roicrop.plan is operators.plan
    assert {"roi_align", "roi_pool", "plan", "__version__"} <= set(dir(roicrop))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'roicrop' has no attribute 'roi_warp'"):
        roicrop.roi_warp  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"numpy", "h5py", "PIL", "tqdm", "click"}
    assert not heavy & modules_after("import roicrop")
    assert heavy & modules_after("from roicrop import roi_align") == {"numpy"}


def test_an_installed_package_has_the_version_of_its_source() -> None:
    try:
        installed = importlib.metadata.version("roicrop")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("run from the source, which is not installed")
    assert installed == roicrop.__version__
