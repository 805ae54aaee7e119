"""A page on which to explore where pooled values come from: one file, which needs nothing else.

    content   what the page holds of a job: boxes, maps, photographs, conventions
    fitting   how much of it, within a size
    page      the modules, the style and the content as one HTML document

The page plans for itself, so that boxes can be moved on it: `planner.js` reads the fields of a
convention as `roicrop.sampling` does, to the same bit, which a test in a browser holds.
"""

from __future__ import annotations

from roicrop.explorer.content import Options
from roicrop.explorer.fitting import MAX_SIZE, LeftOut
from roicrop.explorer.page import Page, explore, is_own

__all__ = ["MAX_SIZE", "LeftOut", "Options", "Page", "explore", "is_own"]
