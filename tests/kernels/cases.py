"""What the tests of the kernels share: workloads, calls, and new processes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import roicrop
from roicrop import kernels
from tests.kernels import levels

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


def workload(name: str) -> tuple[Array, Array, tuple[int, int]]:
    """Features, boxes (K, 5) and the output's size."""
    rng = np.random.default_rng(17)
    shape, count, size = {
        "a crowd of boxes": ((2, 5, 30, 40), 4200, (7, 15)),
        "boxes larger than what is packed": ((1, 3, 400, 1500), 12, (7, 7)),
        "boxes longer than what is planned": ((1, 3, 2, 150_000), 12, (2, 7)),
        "a great many bins": ((1, 18, 60, 70), 5, (70, 65)),
        "many images": ((70, 17, 12, 9), 150, (3, 2)),
        "many channels": ((1, 600, 20, 20), 40, (7, 7)),
    }[name]
    features = rng.standard_normal(shape).astype(np.float32)
    boxes = levels.random_boxes(rng, count, (shape[0], *shape[2:]))
    if name == "boxes larger than what is packed":
        boxes[:4, 1:] = [[0, 0, 1500, 400], [3, -5, 1490, 420], [9, 200, 1400, 201], [7, 3, 9, 380]]
    if name == "boxes longer than what is planned":
        boxes[:3, 1:] = [[0, 0, 150_000, 2], [-90, -1, 150_200, 1], [7, 9, 140_000, 12]]
    return features, boxes, size


WORKLOADS = pytest.mark.parametrize(
    "name",
    [
        "a crowd of boxes",
        "boxes larger than what is packed",
        "boxes longer than what is planned",
        "a great many bins",
        "many images",
        "many channels",
    ],
)
CALLS = pytest.mark.parametrize("call", levels.CALLS, ids=lambda call: "-".join(call.values()))


def pool(features: Any, boxes: Any, size: tuple[int, int], call: Any, **options: Any) -> Array:
    operator = roicrop.roi_pool if call["convention"] == "fast-rcnn" else roicrop.roi_align
    return operator(features, boxes, size, **call, **options)
