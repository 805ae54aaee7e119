"""What each framework means by RoIAlign, RoIPool and crop-and-resize."""

from __future__ import annotations

from roicrop.conventions.levels import LEVEL_RULES, LevelRule, level_rule
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
    "LEVEL_RULES",
    "LOWEST_FLOAT32",
    "Border",
    "Convention",
    "CoordinateOrder",
    "Interpolation",
    "Kind",
    "LevelRule",
    "Mode",
    "Operator",
    "Positions",
    "Reduction",
    "Reversed",
    "SamplingRatio",
    "differing",
    "level_rule",
    "lookup",
    "overrides",
    "resolve",
]
