"""A page on which to explore where pooled values come from: a single file that needs no other.

    content   the parts of a job on the page: boxes, maps, photographs, conventions
    fitting   how much of the content fits within a size
    page      the modules, the style and the content as one HTML document

The page makes its own plans, so that boxes can be moved on it: `planner.js` reads the fields of a
convention as `roicrop.sampling` does, and agrees to the last bit, which a browser test checks.
"""

from __future__ import annotations

from roicrop.explorer.content import Options
from roicrop.explorer.fitting import MAX_SIZE, LeftOut
from roicrop.explorer.page import Page, explore, is_own

__all__ = ["MAX_SIZE", "LeftOut", "Options", "Page", "explore", "is_own"]
