"""Which core runs, and with which instructions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from roicrop import kernels, roi_align
from roicrop.errors import KernelError
from tests.kernels import levels
from tests.kernels.processes import only_compiled, run

Array = NDArray[Any]

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


def name_of_core(wanted: str, before: str = "", **variables: str) -> str:
    """The core that a new process loads, or the last line of what it says instead."""
    done = run("-c", LOAD.format(before=before), wanted, **variables)
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


# Which vector instructions.

LEVELS = ("baseline", "avx2", "avx512")


@only_compiled
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_of_instructions_gives_the_same_within_the_tolerance(
    level: str, tmp_path: Path
) -> None:
    best = name_of_core("compiled", ROICROP_SIMD="").removeprefix("compiled (").rstrip(")")
    if LEVELS.index(level) > LEVELS.index(best):
        assert name_of_core("compiled", ROICROP_SIMD=level) == (
            f"{KernelError.__module__}.KernelError: ROICROP_SIMD={level} is not to be had: "
            f"this processor's best is {best}"
        )
        return
    assert name_of_core("compiled", ROICROP_SIMD=level) == f"compiled ({level})"
    saved = tmp_path / "level.npz"
    done = run(levels.__file__, str(saved), ROICROP_KERNEL="compiled", ROICROP_SIMD=level)
    assert done.returncode == 0, done.stderr
    with np.load(saved) as pooled:
        for name, expected in levels.results().items():
            rounding = 2.0**-10 if expected.dtype == np.float16 else 0.0
            np.testing.assert_allclose(
                pooled[name].astype(np.float64),
                expected.astype(np.float64),
                rtol=rounding,
                atol=1e-12 if expected.dtype == np.float64 else 1e-5,
                err_msg=name,
            )


@only_compiled
def test_a_level_of_instructions_that_is_none_is_an_error() -> None:
    complaint = name_of_core("compiled", ROICROP_SIMD="mmx")
    assert complaint.startswith("roicrop.errors.KernelError: ROICROP_SIMD=mmx is not to be had")


@pytest.mark.core
def test_every_float16_comes_out_as_it_went_in() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    np.testing.assert_array_equal(levels.every_half().ravel(), halves)
