"""What samples come to in float64, apart from how the cores add and compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Reduction
from roicrop.explanation.terms import CORNERS
from roicrop.sampling import Samples

Array = NDArray[Any]


def value_of(products: Sequence[float], reduction: Reduction) -> float:
    """What a sample comes to, from weight × feature of the cells that it reads."""
    if reduction != "corner-max":
        return sum(products)
    weightless = [0.0] * (len(products) < CORNERS)
    return _largest([*products, *weightless])


def sum_of(features: Array, y: Samples, x: Samples) -> float:
    """Σ value · share over the samples of a bin, in float64.

    Cell by cell, for there may be more samples than anyone can go through.
    """
    (rows, weights_y), (columns, weights_x) = _per_cell(y), _per_cell(x)
    read = features[np.ix_(rows, columns)].astype(np.float64)
    with np.errstate(all="ignore"):
        return float(weights_y @ read @ weights_x)


def maximum(features: Array, y: Samples, x: Samples, reduction: Reduction, start: float) -> float:
    """The maximum over the samples of a bin, which starts from `start`; NaN never wins."""
    best = start
    step = max(1, _AT_ONCE // max(1, len(x)))
    for first in range(0, len(y), step):
        values = _candidates(features, y, slice(first, first + step), x, reduction)
        best = float(np.fmax(best, np.fmax.reduce(values, axis=None, initial=-math.inf)))
    return best


_AT_ONCE: Final = 1 << 18  # samples whose values are held at a time


def _largest(values: Sequence[float]) -> float:
    """NaN never wins."""
    return max((v for v in values if not math.isnan(v)), default=math.nan)


def _per_cell(samples: Samples) -> tuple[Array, Array]:
    """The cells that samples read, and what each counts in all."""
    cells = np.concatenate([samples.low, samples.high])
    weights = np.concatenate([samples.weight_low, samples.weight_high]).astype(np.float64)
    weights *= np.tile(samples.share, 2)
    read = weights != 0
    counts = np.bincount(cells[read], weights[read])
    found = np.flatnonzero(counts)
    return found, counts[found]


def _candidates(
    features: Array, y: Samples, some: slice, x: Samples, reduction: Reduction
) -> NDArray[np.float64]:
    """(rows, columns) each sample's value; for a corner maximum, its largest weighted corner."""
    combine, nothing = (np.fmax, -math.inf) if reduction == "corner-max" else (np.add, 0.0)
    values = np.full((len(y.low[some]), len(x)), nothing)
    with np.errstate(all="ignore"):
        for rows, weights_y in ((y.low, y.weight_low), (y.high, y.weight_high)):
            for columns, weights_x in ((x.low, x.weight_low), (x.high, x.weight_high)):
                weights = np.multiply.outer(weights_y[some].astype(np.float64), weights_x)
                products = weights * features[np.ix_(rows[some], columns)]
                values = combine(values, np.where(weights != 0, products, nothing))
    return values
