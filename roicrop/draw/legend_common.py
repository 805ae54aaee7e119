"""What every legend may hold: the box, bins of nothing, the world off the map, odd numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import LOWEST_FLOAT32
from roicrop.draw import marks
from roicrop.draw.brush import Brush
from roicrop.draw.colour import BEYOND, BOX, INFINITE, MINUS_INFINITE, NOT_A_NUMBER
from roicrop.draw.legend import Entry
from roicrop.draw.subject import Subject, TrueAxis, true_axes
from roicrop.draw.view import View
from roicrop.sampling import Plan
from roicrop.text import brief, measure, tidy

_LOWEST: Final = brief(LOWEST_FLOAT32, 5)
SAME: Final = 5e-3  # cells below which nobody sees a shift


def box_entry(plan: Plan, k: int, subject: Subject, view: View) -> Entry:
    """The box itself: its size, and whether all of it is in the picture."""
    y, x = true_axes(subject, plan, k)
    width, height = x.high - x.low, y.high - y.low
    text = (
        f"The box, where it really is: {tidy(width)} × {tidy(height)} pixels, which is "
        f"{tidy(width * x.cells_per_pixel)} × {tidy(height * y.cells_per_pixel)} cells (width × "
        "height)."
    )
    if width < 0 or height < 0:
        text += " A negative size means that its corners are reversed."
    tiny = marks.is_tiny(y.span.size * view.cell, x.span.size * view.cell)
    return Entry(_tiny_example if tiny else _box_example, text + _out_of_sight(y, x, view))


def _out_of_sight(y: TrueAxis, x: TrueAxis, view: View) -> str:
    gone = [
        f"{in_cells(far)} {way}"
        for far, way in (
            (max(view.columns.low - x.span.high, 0.0), "to the left"),
            (max(x.span.low - view.columns.high, 0.0), "to the right"),
            (max(view.rows.low - y.span.high, 0.0), "above"),
            (max(y.span.low - view.rows.high, 0.0), "below"),
        )
        if far > 0
    ]
    if gone:
        return f" It is not in the picture (arrow): it lies {' and '.join(gone)}."
    whole = all(
        seen.holds(v)
        for seen, axis in ((view.rows, y), (view.columns, x))
        for v in (axis.span.low, axis.span.high)
    )
    return "" if whole else " It goes on beyond the picture."


def entries(plans: Sequence[Plan], k: int, view: View, values: NDArray[np.float64]) -> list[Entry]:
    """The other backgrounds that occur: stripes, and numbers that have no place on the scale.

    values: everything that is shown in colour.
    """
    found = []
    height, width = plans[0].map_size
    off = any(
        span.low < -0.5 or span.high > size - 0.5
        for span, size in ((view.rows, height), (view.columns, width))
    )
    if void := [p.convention.void_value for p in plans if p.void(k).any()]:
        given = " or ".join(dict.fromkeys(tidy(v) for v in void))
        gives = f"a bin that has nothing to pool, which gives {given}"
        text = f"Striped: off the map, or {gives}." if off else f"Striped: {gives}."
        found.append(Entry(_nothing, text, None))
    elif off:
        found.append(Entry(_nothing, "Striped: off the map.", None))
    for holds, colour, name in (
        (np.isnan(values), NOT_A_NUMBER, "NaN (not a number)"),
        (values == np.inf, INFINITE, "∞ (infinity)"),
        (values == -np.inf, MINUS_INFINITE, "−∞ (minus infinity)"),
        (
            np.isfinite(values) & (values <= LOWEST_FLOAT32),
            BEYOND,
            f"{_LOWEST}: where a maximum starts, and stays when it meets no number",
        ),
    ):
        if holds.any():
            found.append(Entry(_nothing, name, colour))
    return found


def _nothing(brush: Brush) -> None:
    """The background says it all."""


def _box_example(brush: Brush) -> None:
    marks.outline(brush, 6, 7, brush.height - 6, brush.width - 7, BOX, 4.4)


def _tiny_example(brush: Brush) -> None:
    y, x = brush.height / 2, brush.width / 2
    marks.box(brush, y, x, y, x)


def in_cells(cells: float) -> str:
    """A length in words."""
    said = tidy(cells)
    return "half a cell" if said == "0.5" else measure(said, "cell")


def in_pixels(pixels: float) -> str:
    """The same, in pixels of the image."""
    return measure(tidy(pixels), "pixel")


def sentences(*said: str) -> str:
    """Those that are not empty, with a space between them."""
    return " ".join(s for s in said if s)
