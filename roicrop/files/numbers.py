"""Numbers from lists and text, and what is wrong in which row."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.files.text import shown
from roicrop.text import quoted

Array = NDArray[np.float64]

_AT_ONCE: Final = 1 << 16
_DECIMAL_COMMA: Final = re.compile(r"\s*[-+]?\d+,\d+\s*")


def boxes_of(lists: list[Any], width: int | None = None) -> tuple[Array, dict[int, str]]:
    """(n, width) float64 from lists of that many numbers, and row → what is wrong with it.

    width: None means 5 if some lists have five numbers and none has four, else 4. An empty list
    or null becomes NaN throughout: no box. Items are removed from `lists` as they are read, to
    save memory.
    """
    widths = {len(box) for box in lists if type(box) is list}
    width = width or (5 if 5 in widths and 4 not in widths else 4)
    boxes, faults = np.empty((len(lists), width)), {}  # pages are allocated as lists are freed
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
    """(n,) float64, NaN for null and empty text, and row → why its value is not a number."""
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


def opened(values: Any) -> list[Any]:
    """The content of cells of JSON, of numbers between commas or spaces, or of lists of points."""
    return [*map(_open, values)] if str in set(map(type, values)) or are_nested(values) else values


def are_nested(values: Any) -> bool:
    """Whether values are lists of lists, such as pairs of points."""
    first = next(filter(None, values), None)
    return isinstance(first, list) and isinstance(first[0], list)


def is_number(cell: str) -> bool:
    """Whether text is a number, excluding what only Python accepts (1_0, non-ASCII digits)."""
    cell = cell.strip()
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell


def _float64(
    items: Callable[[Sequence[Any]], Any], values: Sequence[Any], count: int
) -> Array | None:
    """The items of values; None if one is not a number, or an integer beyond float64."""
    if set(map(type, items(values))) <= {int, float}:
        with contextlib.suppress(OverflowError):
            return np.fromiter(items(values), np.float64, count)
    return None


def _open(value: Any) -> Any:
    if isinstance(value, list) and set(map(type, value)) == {list}:
        return [*chain(*value)]
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        for text in (value, value.replace("'", '"')):  # the latter is how Python writes it
            with contextlib.suppress(ValueError, RecursionError):
                return json.loads(text)
    numbers = value.strip(" \t\r\n[]()").replace(",", " ").split()
    return [*map(float, numbers)] if all(map(is_number, numbers)) else value


def depth_of(value: list[Any]) -> int:
    """How deeply lists are nested, down to the first number."""
    depth = 1
    while inner := next((each for each in value if isinstance(each, list) and each), None):
        value, depth = inner, depth + 1
    return depth
