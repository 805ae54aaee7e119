"""The plan: which cells of the map make each bin, and with which weights.

An axis-aligned RoI operator is two small sparse matrices per box, one for each axis:

    pooled[c] = R_y · F[c] · R_xᵀ            (R: rows × cells of the feature map)

A *row* is what the kernels reduce before they reduce over rows:

    average, exact integral, corner maximum, RoIPool     one row per bin
    maximum over samples                                 one row per sample

`plan` computes both matrices for many boxes at once, in the convention's precision and order of
operations. The kernels apply their rows. Everything else asks the plan itself, a `Plan`: for its
kind, the steps from a box to its bins, and the outline, terms and cells of each bin. No other part
of the program knows where an operator samples.

    Axis            one axis of the boxes in numbers: corners, sizes, counts, roundings
    AxisPlan        the same with its samples and its rows, from `samples` and `rows`
    SeparablePlan   two AxisPlans: the kind of plan for boxes along the axes
    TurnedPlan      for boxes with an angle, whose matrix is not a product

The exact integral needs no rule of its own. On the unit interval between two cell centres the
interpolated map is linear, so its integral over a piece of that interval is the piece's length
times the value at the piece's middle: one weighted sample for each cell that a bin crosses.
"""

from __future__ import annotations

from roicrop.sampling.arrays import Bool, Float, Int
from roicrop.sampling.axis import Axis, Number, Step
from roicrop.sampling.cells import Cells
from roicrop.sampling.levels import Levels, assign
from roicrop.sampling.plan import Corners, Plan, Turn
from roicrop.sampling.planning import check_reversed, plan
from roicrop.sampling.rows import Rows
from roicrop.sampling.samples import Samples
from roicrop.sampling.separable import AxisPlan, SeparablePlan
from roicrop.sampling.terms import CORNERS, GridTerms, State, Tap, Term, Terms
from roicrop.sampling.turned import TurnedPlan

__all__ = [
    "CORNERS",
    "Axis",
    "AxisPlan",
    "Bool",
    "Cells",
    "Corners",
    "Float",
    "GridTerms",
    "Int",
    "Levels",
    "Number",
    "Plan",
    "Rows",
    "Samples",
    "SeparablePlan",
    "State",
    "Step",
    "Tap",
    "Term",
    "Terms",
    "Turn",
    "TurnedPlan",
    "assign",
    "check_reversed",
    "plan",
]
