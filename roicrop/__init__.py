"""Crop features by boxes, exactly as a named framework does, and see why.

The functions here are loaded when they are first used, so that `import roicrop` stays cheap.
"""

from __future__ import annotations

import os

__all__ = [
    "__version__",
    "assign_levels",
    "compare",
    "explain",
    "explore",
    "identify",
    "multiscale_roi_align",
    "plan",
    "ps_roi_align",
    "ps_roi_pool",
    "roi_align",
    "roi_align_rotated",
    "roi_pool",
    "show",
]

with open(os.path.join(os.path.dirname(__file__), "VERSION"), encoding="ascii") as file:
    __version__ = file.read().strip()
del file

TYPE_CHECKING = False  # as typing has it, which takes longer to load than all else here
if TYPE_CHECKING:
    from roicrop.operators import (
        assign_levels,
        multiscale_roi_align,
        plan,
        ps_roi_align,
        ps_roi_pool,
        roi_align,
        roi_align_rotated,
        roi_pool,
    )
    from roicrop.questions import compare, explain, explore, identify, show
else:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in ("compare", "explain", "explore", "identify", "show"):
            from roicrop import questions

            return getattr(questions, name)
        from roicrop import operators

        return getattr(operators, name)


def __dir__() -> list[str]:
    return __all__
