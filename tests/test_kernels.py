from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from roicrop import kernels, roi_align
from roicrop.errors import KernelError

LOAD = """
import os, sys
{before}
os.environ["ROICROP_KERNEL"] = sys.argv[1]
from roicrop import kernels
print(kernels.NAME)
"""
MISSING = "sys.modules['roicrop.kernels._compiled'] = None"
BROKEN = """
import importlib.abc
class Broken(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "roicrop.kernels._compiled":
            raise ImportError("undefined symbol: passes")
sys.meta_path.insert(0, Broken())
"""


def name_of_core(wanted: str, before: str = "") -> str:
    """The core that a new process loads, or the last line of what it says instead."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(before=before), wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout or done.stderr).splitlines()[-1]


def test_the_core_that_is_asked_for_is_loaded() -> None:
    assert name_of_core("numpy") == "numpy"
    if kernels.NAME != "numpy":
        assert name_of_core("compiled") == kernels.NAME


def test_the_numpy_core_runs_where_no_compiled_one_was_built() -> None:
    assert name_of_core("", MISSING) == "numpy"


@pytest.mark.parametrize(
    ("wanted", "before", "complaint"),
    [
        ("cuda", "", "ROICROP_KERNEL=cuda names no core: choose compiled or numpy"),
        ("compiled", MISSING, "ROICROP_KERNEL=compiled, but this installation has no compiled"),
        ("", BROKEN, "the compiled core does not load (undefined symbol: passes): install"),
        ("compiled", BROKEN, "the compiled core does not load (undefined symbol: passes)"),
    ],
)
def test_a_core_that_cannot_be_had_is_an_error(wanted: str, before: str, complaint: str) -> None:
    assert name_of_core(wanted, before).startswith(
        f"{KernelError.__module__}.KernelError: {complaint}"
    )


@pytest.mark.core
def test_the_core_pools() -> None:
    features = np.arange(16.0).reshape(1, 1, 4, 4)
    pooled = roi_align(features, [[[0.0, 0.0, 2.0, 2.0]]], 1, sampling_ratio=1, aligned=True)
    assert pooled.tolist() == [[[[features[0, 0, :2, :2].mean()]]]]
