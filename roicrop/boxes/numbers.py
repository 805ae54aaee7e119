"""Numbers from lists and text, with what is wrong with which row."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from roicrop.boxes.names import CORNERS
from roicrop.errors import BoxError
from roicrop.files.text import shown
from roicrop.text import quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_AT_ONCE: Final = 1 << 16
_DECIMAL_COMMA: Final = re.compile(r"\s*[-+]?\d+,\d+\s*")


def boxes_of(lists: list[Any], width: int | None = None) -> tuple[Array, dict[int, str]]:
    """(n, width) float64 from lists of that many numbers, and what is wrong with which.

    width: None is 5 where lists have five numbers and none has four, else 4. An empty list, and
    null, are NaN throughout: no box. What was read is taken out of `lists`, to make room.
    """
    widths = {len(box) for box in lists if type(box) is list}
    width = width or (5 if 5 in widths and 4 not in widths else 4)
    boxes, faults = np.empty((len(lists), width)), {}  # its pages are taken as lists are given up
    for start in range(0, len(lists), _AT_ONCE):
        some = lists[start : start + _AT_ONCE]
        end = start + len(some)
        if {*map(type, some)} == {list} and {*map(len, some)} == {width}:
            numbers = _float64(chain.from_iterable, some, len(some) * width)
            if numbers is not None:
                boxes[start:end] = numbers.reshape(-1, width)
                lists[start:end] = [None] * len(some)
                continue
        for row, box in enumerate(some, start):
            fits = isinstance(box, list) and len(box) == width
            numbers = _float64(iter, box, width) if fits else None
            boxes[row] = np.nan if numbers is None else numbers
            if numbers is None and box not in (None, [], {}, ""):
                faults[row] = f"{shown(box)} is not {'five' if width == 5 else 'four'} numbers"
    return boxes, faults


def numbers_of(values: Sequence[Any] | Array) -> tuple[Array, dict[int, str]]:
    """(n,) float64, NaN for null and empty text, and what is no number, by its row."""
    numbers = values if isinstance(values, np.ndarray) else _float64(iter, values, len(values))
    if numbers is not None:
        return numbers, {}
    numbers, faults = np.full(len(values), np.nan), {}
    for row, value in enumerate(values):
        if isinstance(value, str):
            if is_number(value):
                numbers[row] = float(value)
            elif value.strip():
                faults[row] = f"{quoted(value, 60)} is not a number"
                if _DECIMAL_COMMA.fullmatch(value):
                    faults[row] += " (a decimal comma: write a point)"
        elif (number := _float64(iter, [value], 1)) is not None:
            numbers[row] = number[0]
        elif value is not None:
            faults[row] = f"{shown(value)} is not a number"
    return numbers, faults


def is_number(cell: str) -> bool:
    """Whether text is a number, and not what Python alone takes for one: 1_0, other digits."""
    cell = cell.strip()
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell


def five(matrix: Array, images: int | None, where: str, named: bool) -> tuple[str, ...]:
    """What five numbers are (n, 5): image first, or score last.

    Image first, where the first is whole and below `images` and the last above 1 (as torchvision,
    Caffe and ONNX take it); score last, where the last lies in 0 to 1 and the first is no index.
    """
    said = matrix[np.isfinite(matrix).all(axis=1)]
    if not len(said):
        return (*CORNERS, "_")
    first, last = said[:, 0], said[:, 4]
    whole = not named and bool(((first == np.floor(first)) & (first >= 0)).all())
    if whole and first.max() < (images or np.inf) and (last > 1).all():
        return ("image_index", *CORNERS)
    if not (whole and first.max() < (images or 1)) and ((last >= 0) & (last <= 1)).all():
        return (*CORNERS, "score")
    raise BoxError(
        f"{where}: of five numbers, either the first is an image's index or the last a score, and "
        "these do not say which: --columns image_index,x1,y1,x2,y2 or --columns x1,y1,x2,y2,score"
    )


def _float64(
    items: Callable[[Sequence[Any]], Any], values: Sequence[Any], count: int
) -> Array | None:
    """The items of values; None if one is not a number, or an integer beyond float64."""
    if set(map(type, items(values))) <= {int, float}:
        with contextlib.suppress(OverflowError):
            return np.fromiter(items(values), np.float64, count)
    return None
