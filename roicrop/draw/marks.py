"""The box and the bins on a heat map.

What is drawn on maps is drawn from plans. The legend draws its examples with the same functions, so
that a mark and its explanation look alike.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

from roicrop.draw.brush import Brush
from roicrop.draw.colour import BOX, FIRST, INK, Colour
from roicrop.draw.subject import TrueAxis
from roicrop.draw.view import Span, View, span_of
from roicrop.sampling import AxisPlan, SeparablePlan

_SHADOW: Final = (*INK, 140)
LEAST_BIN: Final = 3.0  # pixels a bin below which no lines are drawn between bins
_TINY: Final = 7.0
_ARROW: Final = 18.0  # pixels from the edge


def box(brush: Brush, y0: float, x0: float, y1: float, x1: float) -> None:
    """A box in pixels, however small, the way users' boxes are drawn."""
    if is_tiny(abs(y1 - y0), abs(x1 - x0)):
        y, x = (y0 + y1) / 2, (x0 + x1) / 2
        brush.ring(x, y, 8.0, 4.5, _SHADOW)
        brush.ring(x, y, 8.0, 2.5, BOX)
    outline(brush, y0, x0, y1, x1, BOX, min(max(min(abs(y1 - y0), abs(x1 - x0)) / 12, 2.6), 4.4))


def is_tiny(height: float, width: float) -> bool:
    """Whether a box of so many pixels has a ring around it, to be found by."""
    return max(height, width) < _TINY


def outline(
    brush: Brush, y0: float, x0: float, y1: float, x1: float, colour: Colour, width: float
) -> None:
    """A rectangle's outline in pixels, with a shadow that sets it off from any heat map."""
    left, right = sorted((x0, x1))
    top, bottom = sorted((y0, y1))
    brush.frame(left, top, right, bottom, width + 1.0, _SHADOW)
    brush.frame(left, top, right, bottom, width, colour)


def true_box(brush: Brush, view: View, y: TrueAxis, x: TrueAxis) -> None:
    """The box where it really is, or an arrow to it from the edge of the view."""
    if not (y.span.meets(view.rows) and x.span.meets(view.columns)):
        _arrow_to(brush, view.y(sum(y.index) / 2), view.x(sum(x.index) / 2))
        return
    box(brush, view.y(y.span.low), view.x(x.span.low), view.y(y.span.high), view.x(x.span.high))


def _arrow_to(brush: Brush, y: float, x: float) -> None:
    at_y = min(max(y, _ARROW), brush.height - _ARROW)
    at_x = min(max(x, _ARROW), brush.width - _ARROW)
    far = math.hypot(y - at_y, x - at_x)
    brush.arrow(at_x, at_y, (x - at_x) / far, (y - at_y) / far, BOX)


def bins(brush: Brush, view: View, plan: SeparablePlan, k: int, colour: Colour = FIRST) -> None:
    """The grid of bins, its outline heavier."""
    ys = [view.y(v) for v in plan.y.lines(k)]
    xs = [view.x(v) for v in plan.x.lines(k)]
    grid(brush, ys, xs, colour)


def grid(brush: Brush, ys: list[float], xs: list[float], colour: Colour) -> None:
    """Lines between bins at those pixels, and their outline."""
    (top, bottom), (left, right) = sorted((ys[0], ys[-1])), sorted((xs[0], xs[-1]))
    inner_y = ys[1:-1] if bottom - top >= LEAST_BIN * (len(ys) - 1) else []
    inner_x = xs[1:-1] if right - left >= LEAST_BIN * (len(xs) - 1) else []
    for width, paint in ((2.4, (*INK, 70)), (1.2, colour)):
        for y in inner_y:
            brush.row(y, left, right, width, paint)
        for x in inner_x:
            brush.column(x, top, bottom, width, paint)
    outline(brush, top, left, bottom, right, colour, 1.8)


def extent_of_bins(axis: AxisPlan, k: int) -> list[Span | None]:
    """For each bin the index coordinates from its one edge to the other."""
    return [span_of([float(a), float(b)]) for a, b in pairwise(axis.lines(k))]
