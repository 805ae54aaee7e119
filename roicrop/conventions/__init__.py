"""What each framework means by RoIAlign, RoIPool and crop-and-resize."""

from __future__ import annotations

from roicrop.conventions.table import (
    ALIGNED_OFFSET,
    CONVENTIONS,
    DEFAULT,
    LOWEST_FLOAT32,
    Border,
    Convention,
    CoordinateOrder,
    Interpolation,
    Kind,
    Mode,
    Operator,
    Positions,
    Reduction,
    Reversed,
    SamplingRatio,
    differing,
    lookup,
    overrides,
    resolve,
)

__all__ = [
    "ALIGNED_OFFSET",
    "CONVENTIONS",
    "DEFAULT",
    "LOWEST_FLOAT32",
    "Border",
    "Convention",
    "CoordinateOrder",
    "Interpolation",
    "Kind",
    "Mode",
    "Operator",
    "Positions",
    "Reduction",
    "Reversed",
    "SamplingRatio",
    "differing",
    "lookup",
    "overrides",
    "resolve",
]
