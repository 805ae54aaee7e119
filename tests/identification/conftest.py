"""The working directory of the tests of identification."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.identification.tensors import write


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with maps.h5 and boxes.csv."""
    write(tmp_path)
    return tmp_path
