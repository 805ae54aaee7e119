"""What each framework means by RoIAlign, RoIPool and crop-and-resize.

`table` holds a row for each framework, `resolving` finds a row and applies settings to it,
`relevance` says which of its fields matter, and `in_words` describes it.
"""

from __future__ import annotations

from roicrop.conventions import in_words
from roicrop.conventions.levels import LEVEL_RULES, LevelRule, level_rule
from roicrop.conventions.relevance import coarse, effective, idle_in_both, matters
from roicrop.conventions.resolving import (
    checked_bins,
    differing,
    lookup,
    overrides,
    pool_beside,
    resolve,
)
from roicrop.conventions.settings import SETTINGS
from roicrop.conventions.table import (
    ALIGNED_OFFSET,
    COMMANDS,
    CONVENTIONS,
    DEFAULT,
    FUNCTIONS,
    LOWEST_FLOAT32,
    PLAIN,
    Angle,
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
)

__all__ = [
    "ALIGNED_OFFSET",
    "COMMANDS",
    "CONVENTIONS",
    "DEFAULT",
    "FUNCTIONS",
    "LEVEL_RULES",
    "LOWEST_FLOAT32",
    "PLAIN",
    "SETTINGS",
    "Angle",
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
    "checked_bins",
    "coarse",
    "differing",
    "effective",
    "idle_in_both",
    "in_words",
    "level_rule",
    "lookup",
    "matters",
    "overrides",
    "pool_beside",
    "resolve",
]
