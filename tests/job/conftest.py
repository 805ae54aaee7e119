"""The working directory of the tests of jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.job.jobs import BATCH, BOXES, write_boxes, write_maps


@pytest.fixture
def work(work: Path) -> Path:
    """A directory to be in, with BATCH in maps.h5 and BOXES in boxes.csv."""
    write_maps("maps.h5", {"features": BATCH}, stride=4.0)
    write_boxes("boxes.csv", BOXES)
    return work
