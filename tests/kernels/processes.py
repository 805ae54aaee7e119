"""New processes, and functions that only the compiled core has."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from numpy.typing import NDArray

from roicrop import kernels

Array = NDArray[Any]

only_compiled = pytest.mark.skipif(
    kernels.NAME == "numpy", reason="the NumPy core has neither levels nor scratch of its own"
)


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A new Python with those arguments and environment variables."""
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )
