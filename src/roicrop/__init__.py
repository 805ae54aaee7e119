"""Crop features by boxes, exactly as a named framework does, and see why.

The functions here are loaded when they are first used, so that `import roicrop` stays cheap.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

__all__ = ["__version__", "plan", "roi_align", "roi_pool"]

__version__ = Path(__file__).with_name("VERSION").read_text("ascii").strip()

if TYPE_CHECKING:
    from roicrop.operators import plan, roi_align, roi_pool
else:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from roicrop import operators

        return getattr(operators, name)


def __dir__() -> list[str]:
    return __all__
