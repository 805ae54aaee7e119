"""Random crops through both cores, against the definitions."""

from __future__ import annotations

from collections.abc import Sequence

import hypothesis

from roicrop import kernels
from roicrop.errors import BoxError
from roicrop.kernels import numpy_core
from tests.crops import Crop, crops

CORES = {kernels.NAME: kernels.crop, numpy_core.NAME: numpy_core.crop}
EXAMPLES = 10
"""Crops of a case."""


def run(arguments: Sequence[str]) -> int:
    """`crops NAME SEED`: crops of that convention; AssertionError where a core differs."""
    _, name, seed = arguments

    @hypothesis.seed(int(seed))
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(crops(name))
    def agree(crop: Crop) -> None:
        channels = sorted({0, crop.features.shape[1] - 1})
        try:
            expected = crop.defined(channels)
        except BoxError:  # that the convention refuses: held in tests/operators
            return
        for core in CORES.values():
            kernels.crop = core  # in a process of its own
            crop.assert_agree(crop.pooled()[:, channels], expected)

    agree()
    return 0
