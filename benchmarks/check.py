"""Whether contenders compute the same thing: checked before anything is timed."""

from __future__ import annotations

import numpy as np

from benchmarks.peers import Contender, crop
from benchmarks.workloads import Array, Workload


def disagreement(contender: Contender, workload: Workload) -> str | None:
    """How its result differs from roicrop's under its own convention; None if it does not.

    RoIPool only chooses among the map's numbers, so every bit counts.
    """
    if contender.result is None:
        return None
    contender.run()
    result = contender.result()
    features = _as_read(workload.features, result.dtype)
    expected = crop(workload, features, contender.convention)
    largest = max(1.0, float(np.abs(features).max()))
    allowed = 0.0 if workload.operator == "pool" else contender.tolerance * largest
    error = float(np.abs(result - expected).max())
    if error <= allowed:
        return None
    return f"{contender.name} differs by {error:.3g} (allowed {allowed:.3g}) and is not timed"


def _as_read(features: Array, dtype: np.dtype) -> Array:
    """The map rounded to a dtype, as float32 or wider."""
    return features.astype(dtype).astype(np.promote_types(dtype, np.float32), copy=False)
