"""A bounded look at the values of a dataset that may be far larger than memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from roicrop.features import stored
from roicrop.files import hdf5
from roicrop.inspection.values import MOST_VALUES, Values, summarise

_MOST_BLOCKS: Final = 256
_PART: Final = 1 << 16  # values read at once of what need not be read whole
_GOLDEN: Final = (5**0.5 - 1) / 2


def sample(dataset: Any, where: str, most: int = MOST_VALUES) -> Values:
    """Look at all values of a dataset if there are at most so many, else at blocks all over it.

    A block is a chunk, where HDF5 has to unpack those whole, and 64 Ki values of it at most where
    it has not. One is read even if it alone has more than `most` values.

    Raises FeatureError if the values cannot be read.
    """
    with hdf5.named_errors(where):
        if dataset.size <= most:
            return summarise([stored.numbers_at(dataset, ())], of=dataset.size)
        block = _block(dataset)
        count = max(1, min(_MOST_BLOCKS, most // math.prod(block)))
        places = _spread(dataset.shape, block, count)
        return summarise((stored.numbers_at(dataset, place) for place in places), of=dataset.size)


def unpacked_at_once(dataset: Any) -> int:
    """How many bytes are unpacked for any one value; 0 where it can be read by itself."""
    if dataset.chunks is None or hdf5.compression_of(dataset) == "none":
        return 0
    unpacked: int = math.prod(dataset.chunks) * dataset.dtype.itemsize
    return unpacked


def _block(dataset: Any) -> tuple[int, ...]:
    """The shape of what is read at once: a chunk, or a part of one whose parts can be read."""
    block = tuple(map(min, dataset.chunks or dataset.shape, dataset.shape))
    if unpacked_at_once(dataset):
        return block
    room = _PART
    part: tuple[int, ...] = ()
    for length in reversed(block):
        part = (max(1, min(length, room)), *part)
        room //= part[0]
    return part


def _spread(
    shape: tuple[int, ...], block: tuple[int, ...], count: int
) -> Iterator[tuple[slice, ...]]:
    """So many blocks all over an array, the first among them, in the order of the file.

    Steps of the golden ratio do not fall on the same channel of every image, as even ones do.
    """
    grid = [-(-length // size) for length, size in zip(shape, block, strict=True)]
    numbers = {int(i * _GOLDEN % 1 * math.prod(grid)) for i in range(count)}
    for number in sorted(numbers):
        index = map(int, np.unravel_index(number, grid))
        yield tuple(
            slice(i * size, min((i + 1) * size, length))
            for i, size, length in zip(index, block, shape, strict=True)
        )
