"""The same boxes under several conventions: how far apart the results are, where, and why.

`compare` pools every box of a job under each convention and keeps running sums for each pair. It
finds causes by exchanging one rule at a time, and describes them from the boxes' plans: nothing
here knows a convention by name.
"""

from __future__ import annotations

from roicrop.comparison.comparison import (
    TOLERANCE,
    Comparison,
    Gallery,
    Pair,
    Refusals,
    Tolerance,
    WorstBox,
    compare,
)
from roicrop.comparison.contrast import Contrast
from roicrop.comparison.differences import Reason
from roicrop.comparison.report import as_record, in_words
from roicrop.comparison.variants import Chosen, Variant, choose, read_variants, split_variant

__all__ = [
    "TOLERANCE",
    "Chosen",
    "Comparison",
    "Contrast",
    "Gallery",
    "Pair",
    "Reason",
    "Refusals",
    "Tolerance",
    "Variant",
    "WorstBox",
    "as_record",
    "choose",
    "compare",
    "in_words",
    "read_variants",
    "split_variant",
]
