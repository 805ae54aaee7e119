"""Columns of millions of rows in little memory: arrays that grow and shrink in place."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_AT_ONCE: Final = 1 << 16
_MOST_KNOWN: Final = 1 << 15  # texts


def in_blocks(count: int) -> Iterator[slice]:
    """`count` rows, some at a time: results for all of them could take more memory than they do."""
    return (slice(n, min(n + _AT_ONCE, count)) for n in range(0, count, _AT_ONCE))


def values_of(column: NDArray[Any]) -> Iterator[Any]:
    """The values of a column as Python objects."""
    return chain.from_iterable(column[some].tolist() for some in in_blocks(len(column)))


def throughout(number: int, count: int) -> NDArray[np.int64]:
    """(count,) one number repeated, held in memory once."""
    return np.broadcast_to(np.int64(number), count)


def grown(whole: Any, part: Any) -> Any:
    """The values of both; arrays grow in place, because memory may be short."""
    if part is None or not len(part):
        return whole
    if not len(whole):
        return part
    if isinstance(whole, range):
        if isinstance(part, range) and part.start == whole.stop:
            return range(whole.start, part.stop)
        whole = np.arange(whole.start, whole.stop, dtype=np.int32)
    kind = whole.dtype
    if isinstance(part, range):
        kind = np.dtype(np.int32 if part.stop <= 2**31 else np.int64)
    elif part.dtype != kind:
        kind = np.dtype(object) if object in (kind, part.dtype) else np.result_type(whole, part)
    if whole.dtype != kind:
        whole = whole.astype(kind)
    whole.resize((len(whole) + len(part), *whole.shape[1:]), refcheck=False)
    whole[-len(part) :] = part
    return whole


def taken(array: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
    """Some rows, in ascending order, moved to the front of their own array."""
    for some in in_blocks(len(rows)):
        array[some] = array[rows[some]]
    array.resize((len(rows), *array.shape[1:]), refcheck=False)
    return array


def shared(values: NDArray[Any], known: dict[str, str]) -> NDArray[Any]:
    """The values, with equal texts held in memory once, as far as `known` has room for them."""
    if values.dtype == object:
        for n, value in enumerate(values):
            if type(value) is str:
                values[n] = known.get(value) or known.setdefault(value, value)
        if len(known) > _MOST_KNOWN:
            known.clear()
    return values


def whole_numbers(texts: Any) -> NDArray[np.int64] | None:
    """The integers, if each text is one in plain decimal digits; else None."""
    try:
        numbers = np.fromiter(map(int, texts), np.int64, len(texts))
    except (ValueError, OverflowError):
        return None
    return numbers if all(map(operator.eq, map(str, numbers.tolist()), texts)) else None


def are_writable(texts: Any) -> bool:
    """Whether texts can be encoded (half a surrogate pair cannot be) and hold no NUL."""
    try:
        parts = range(0, len(texts), _AT_ONCE)
        return all(b"\0" not in "".join(texts[n : n + _AT_ONCE]).encode() for n in parts)
    except UnicodeEncodeError:
        return False
