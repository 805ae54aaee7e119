"""Making the plan for boxes: the kind that their convention needs."""

from __future__ import annotations

import numpy as np

from roicrop.conventions import Convention
from roicrop.sampling.arrays import Float
from roicrop.sampling.axes import axes_of
from roicrop.sampling.plan import Plan
from roicrop.sampling.separable import separable_plan
from roicrop.sampling.turned import turned_plan


def plan(
    boxes: Float,
    map_size: tuple[int, int],
    output_size: tuple[int, int],
    *,
    convention: Convention,
    spatial_scale: float = 1.0,
    dtype: type[np.float32] | type[np.float64] = np.float32,
) -> Plan:
    """The plan for K boxes on a map of (H, W) cells.

    boxes: finite; (K, 4) xyxy, in image coordinates (fractions of size − 1 if the convention is
        normalized); or (K, 5) centre x, centre y, width, height and angle, if it is for boxes with
        an angle.
    output_size: (PH, PW).
    dtype: the precision of the coordinates; the frameworks use the map's.

    Raises BoxError, naming the box, if the convention refuses one.
    """
    numbers: Float = np.reshape(boxes, (-1, convention.box_numbers)).astype(dtype, copy=False)
    kind = turned_plan if convention.turned else separable_plan
    # Samples far enough away have infinite positions, and so are out of range.
    with np.errstate(under="ignore", over="ignore"):
        return kind(numbers, map_size, output_size, convention, spatial_scale)


def check_reversed(
    boxes: Float, output_size: tuple[int, int], *, convention: Convention, spatial_scale: float
) -> None:
    """Raise BoxError, naming the box, if the convention refuses one. Arguments as in `plan`."""
    if convention.turned:
        turned_plan(boxes, (1, 1), output_size, convention, spatial_scale)
    elif (boxes[:, 2:] < boxes[:, :2]).any():
        axes_of(boxes, (1, 1), output_size, convention, spatial_scale)
