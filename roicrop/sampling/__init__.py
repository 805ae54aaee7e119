"""The plan: which cells of the map make each bin, and with which weights.

An axis-aligned RoI operator is two small sparse matrices a box, one for each axis:

    pooled[c] = R_y · F[c] · R_xᵀ            (R: rows × cells of the feature map)

A *row* is what the kernels reduce before they reduce over rows:

    average, exact integral, corner maximum, RoIPool     one row a bin
    maximum over samples                                 one row a sample

`plan` builds both matrices for many boxes at once, in the precision and order of operations that
the convention names, and keeps the numbers behind them (corners, sizes, counts), from which
`AxisPlan.samples` gives back every sample. The kernels apply the rows, `explain` prints them, the
pictures draw them; there is no second place that knows where an operator samples.

The exact integral needs no rule of its own. On the unit interval between two cell centres the
interpolated map is linear, so its integral over a piece of that interval is the piece's length
times the value at the piece's middle: one weighted sample for each cell that a bin crosses.
"""

from __future__ import annotations

from roicrop.sampling.arrays import Bool, Float, Int
from roicrop.sampling.levels import Levels, assign
from roicrop.sampling.planning import AxisPlan, Plan, check_reversed, plan
from roicrop.sampling.samples import Samples

__all__ = [
    "AxisPlan",
    "Bool",
    "Float",
    "Int",
    "Levels",
    "Plan",
    "Samples",
    "assign",
    "check_reversed",
    "plan",
]
