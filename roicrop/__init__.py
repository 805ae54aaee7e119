"""Crop features by boxes, exactly as a named framework does, and see why.

What is here is loaded when it is first used: `import roicrop` stays cheap, and nothing happens
before the program can say that it was stopped.
"""

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

    __version__: str
else:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "__version__":
            import os

            with open(os.path.join(os.path.dirname(__file__), "VERSION"), encoding="ascii") as file:
                return file.read().strip()
        if name in ("compare", "explain", "explore", "identify", "show"):
            from roicrop import questions

            return getattr(questions, name)
        from roicrop import operators

        return getattr(operators, name)


def __dir__() -> list[str]:
    return __all__
