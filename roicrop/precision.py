"""The dtypes in which maps are pooled and boxes are planned."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike

__all__ = ["coordinate_dtype", "pooled_dtype"]


def pooled_dtype(features: DTypeLike) -> np.dtype[Any]:
    """float16, float32 and float64, in any byte order, are pooled as they are, others as float32.

    float16 is summed in float32 and rounded once.
    """
    native = np.dtype(features).newbyteorder("=")
    return native if native in _AS_THEY_ARE else np.dtype(np.float32)


_AS_THEY_ARE: Final = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.float16))


def coordinate_dtype(features: DTypeLike) -> type[np.float32] | type[np.float64]:
    """The precision in which boxes on a map of that dtype are planned."""
    return np.float64 if pooled_dtype(features) == np.float64 else np.float32
