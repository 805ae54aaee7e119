"""How much each cell of a map contributes to what a box pools."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roicrop.sampling import Plan


def coverage(plan: Plan, k: int, features: NDArray[Any]) -> NDArray[np.float64]:
    """(H, W) how much each cell counts in all bins of box k: the operator's adjoint, of ones.

    For an average that is the sum of its weights. For a maximum it is that of the one term which a
    bin has its value from, as the mean over channels; features: (C, H, W).
    """
    if plan.convention.mode == "avg":
        return plan.weights(k)
    amount = np.zeros(plan.map_size)
    for p, q in np.ndindex(plan.output_size):
        terms = [term.taps for term in plan.terms(k, p, q) if term.taps]
        if not terms:
            continue
        values = np.zeros((len(terms), len(features)))
        with np.errstate(invalid="ignore"):
            for n, taps in enumerate(terms):
                for tap in taps:
                    values[n] += features[:, tap.row, tap.column].astype(np.float64) * tap.weight
        best = np.nan_to_num(values, nan=-np.inf).argmax(axis=0)
        for n, times in zip(*np.unique(best, return_counts=True), strict=True):
            for tap in terms[n]:
                amount[tap.row, tap.column] += times / len(features) * tap.weight
    return amount
