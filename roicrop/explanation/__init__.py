"""Where a pooled value comes from: in words, as JSON, as CSV, and as a list of samples.

An `Explanation` covers one box and one channel; the functions write it out line by line. It reads
the map sample by sample in float64 and shares no arithmetic with the cores that pool, so the two
check each other.
"""

from __future__ import annotations

from roicrop.explanation.account import (
    TOLERANCE,
    Bin,
    Explanation,
    Reading,
    Source,
    coverage,
    explain,
)
from roicrop.explanation.records import (
    as_csv,
    as_json,
    as_record,
    as_rows,
    as_trace,
    is_points,
    write_points,
)
from roicrop.explanation.words import in_words, settings_of

__all__ = [
    "TOLERANCE",
    "Bin",
    "Explanation",
    "Reading",
    "Source",
    "as_csv",
    "as_json",
    "as_record",
    "as_rows",
    "as_trace",
    "coverage",
    "explain",
    "in_words",
    "is_points",
    "settings_of",
    "write_points",
]
