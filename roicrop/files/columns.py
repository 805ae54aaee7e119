"""Columns of millions of rows in little memory: texts, and arrays that grow and shrink in place."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

_AT_ONCE: Final = 1 << 16
_MOST_KNOWN: Final = 1 << 15  # texts
_CELL: Final = 8  # bytes, of which widths are multiples
_NARROW: Final = 48  # bytes: as an object, a text takes more
_UNEVEN: Final = 3  # times the bytes of all texts


class Texts:
    """(n,) texts in little memory: none holds a NUL, and all can be written as UTF-8.

    cells: (n,) their bytes, all in cells of one width; or objects if few are far longer than most.
    """

    def __init__(self, cells: NDArray[Any], size: int = 0) -> None:
        self.cells, self._size = cells, size
        self._known: dict[str, str] = {}

    @classmethod
    def of(cls, texts: Sequence[str]) -> Texts:
        """From texts that are few enough to be held as objects."""
        encoded = [text.encode() for text in texts]
        size = sum(map(len, encoded))
        kind = _kind_of(max(map(len, encoded), default=0), len(texts), size)
        return cls(np.array(encoded if kind.kind == "S" else texts, kind), size)

    def __len__(self) -> int:
        return len(self.cells)

    @overload
    def __getitem__(self, rows: int) -> str: ...
    @overload
    def __getitem__(self, rows: slice | NDArray[Any]) -> Texts: ...
    def __getitem__(self, rows: Any) -> Any:
        its = self.cells[rows]
        return Texts(its) if isinstance(its, np.ndarray) else _decoded(its)

    def __iter__(self) -> Iterator[str]:
        return map(_decoded, values_of(self.cells))

    def tolist(self) -> list[str]:
        """All of them."""
        return [*self]

    def empty(self) -> NDArray[np.intp]:
        """The rows without text."""
        return np.flatnonzero(self.cells == ("" if self.cells.dtype == object else b""))

    def extend(self, more: Texts) -> Texts:
        """Append others."""
        self._size += more._size
        kinds, kind = (self.cells.dtype, more.cells.dtype), np.dtype(object)
        if kind not in kinds:
            widest = max(each.itemsize for each in kinds)
            kind = _kind_of(widest, len(self) + len(more), self._size)
        whole, part = (_as(kind, each, self._known) for each in (self.cells, more.cells))
        self.cells = grown(whole, part)
        return self


def _as_texts(column: Any) -> Texts | None:
    """A column of texts or integers; None for others."""
    if isinstance(column, Texts) or column.dtype != np.int64:
        return column if isinstance(column, Texts) else None
    texts = Texts.of([])
    for some in in_blocks(len(column)):
        texts = grown(texts, Texts.of([*map(str, column[some].tolist())]))
    return texts


def _kind_of(longest: int, count: int, size: int) -> np.dtype[Any]:
    """The type of cells for texts of so many bytes."""
    width = max(-(-longest // _CELL), 1) * _CELL
    is_even = width <= _NARROW or width * count <= _UNEVEN * size
    return np.dtype(f"S{width}" if is_even else object)


def _as(kind: np.dtype[Any], cells: NDArray[Any], known: dict[str, str]) -> NDArray[Any]:
    """Cells of that type; equal texts that are objects are held in memory once, if `known`."""
    if kind.kind == "S":
        return cells if cells.dtype == kind else cells.astype(kind)
    texts = cells if cells.dtype == kind else np.empty(len(cells), kind)
    for some in in_blocks(len(cells)):
        texts[some] = [known.setdefault(text, text) for text in map(_decoded, cells[some].tolist())]
        if len(known) > _MOST_KNOWN:
            known.clear()
    return texts


def _decoded(text: Any) -> str:
    return text if isinstance(text, str) else str(text.decode())


def in_blocks(count: int) -> Iterator[slice]:
    """`count` rows, some at a time: results for all of them could take more memory than they do."""
    return (slice(n, min(n + _AT_ONCE, count)) for n in range(0, count, _AT_ONCE))


def values_of(column: NDArray[Any] | Texts) -> Iterator[Any]:
    """The values of a column as Python objects."""
    if isinstance(column, Texts):
        return iter(column)
    return chain.from_iterable(column[some].tolist() for some in in_blocks(len(column)))


def throughout(number: int, count: int) -> NDArray[np.int64]:
    """(count,) one number repeated, held in memory once."""
    return np.broadcast_to(np.int64(number), count)


def grown(whole: Any, part: Any) -> Any:
    """The values of both; arrays grow in place, because memory may be short.

    Integers and texts become texts.
    """
    if part is None or not len(part):
        return whole
    if not len(whole):
        return part
    if Texts in (type(whole), type(part)):
        texts, more = _as_texts(whole), _as_texts(part)
        if texts is not None and more is not None:
            return texts.extend(more)
        whole, part = (np.fromiter(values_of(each), object, len(each)) for each in (whole, part))
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


def taken(array: Any, rows: NDArray[np.intp]) -> Any:
    """Some rows, in ascending order, moved to the front of their own array."""
    if isinstance(array, Texts):
        return Texts(taken(array.cells, rows))
    for some in in_blocks(len(rows)):
        array[some] = array[rows[some]]
    array.resize((len(rows), *array.shape[1:]), refcheck=False)
    return array


def whole_numbers(texts: Iterable[str], count: int) -> NDArray[np.int64] | None:
    """(count,) the integers, if each text is one in plain decimal digits; else None."""
    numbers, its = np.empty(count, np.int64), iter(texts)
    for rows in in_blocks(count):
        some = [*islice(its, rows.stop - rows.start)]
        try:
            numbers[rows] = np.fromiter(map(int, some), np.int64, len(some))
        except (ValueError, OverflowError):
            return None
        if not all(map(operator.eq, map(str, numbers[rows].tolist()), some)):
            return None
    return numbers


def are_writable(texts: Any) -> bool:
    """Whether texts can be encoded (half a surrogate pair cannot be) and hold no NUL."""
    try:
        parts = range(0, len(texts), _AT_ONCE)
        return all(b"\0" not in "".join(texts[n : n + _AT_ONCE]).encode() for n in parts)
    except UnicodeEncodeError:
        return False
