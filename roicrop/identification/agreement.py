"""How far two pooled tensors are apart, and how far they may be."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

RELATIVE: Final = 1e-5
"""Of a channel's largest magnitude: what another order of float32 sums may change."""

COORDINATE: Final = 2.0**-22
"""The same for each cell of the map's longer side: two units in the last place of a coordinate."""

HALF: Final = 2.0**-10
"""Of a value stored as float16: a unit in its last place."""

_LEAST: Final = 1e-30  # for channels of nothing but zeros


def allowance(features: Array) -> Array:
    """(C,) how far pooled values of a map (C, H, W) may be apart, by each channel's magnitude."""
    flat = features.reshape(len(features), -1)
    kind = np.float64 if features.dtype == np.float64 else np.float32
    peaks: Array = np.maximum(flat.max(axis=1), -flat.min(axis=1)).astype(kind)
    for channel in np.flatnonzero(~np.isfinite(peaks)).tolist():
        finite = flat[channel][np.isfinite(flat[channel])]
        peaks[channel] = np.abs(finite).max(initial=0)
    share = RELATIVE + COORDINATE * max(features.shape[1:])
    allowed: Array = np.maximum(peaks * kind(share), kind(_LEAST))
    return allowed


def apart(pooled: Array, expected: Array) -> Array:
    """|pooled − expected| in float32 or float64: 0 where both are NaN or the same infinity.

    It is ∞ where only one of them is finite. What is expected is first rounded to the dtype of what
    there is.
    """
    expected = expected.astype(pooled.dtype, copy=False)
    real = np.float64 if pooled.dtype == np.float64 else np.float32
    difference: Array = np.subtract(pooled, expected, dtype=real)
    np.abs(difference, out=difference)
    odd = ~np.isfinite(difference)
    if odd.any():
        same = (pooled == expected) | (np.isnan(pooled) & np.isnan(expected))
        difference[odd] = np.where(same, 0.0, np.inf)[odd]
    return difference


def in_tolerances(
    difference: Array, expected: Array, allowed: Array, stored: np.dtype[Any]
) -> Array:
    """Differences (…, C, PH, PW) in units of what is allowed: up to 1 is agreement.

    allowed: (C,) or (n, C), from `allowance`. stored: the dtype of the tensor; float16 is allowed a
    unit in its last place besides.
    """
    units = allowed[..., None, None]
    if stored == np.float16:
        half = HALF * np.abs(expected.astype(np.float32))
        units = units + np.where(np.isfinite(half), half, np.float32(0))
    found: Array = difference / units
    return found
