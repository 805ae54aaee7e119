"""Values of a dataset, of a sample of it where it is large, and what they come to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.features import stored
from roicrop.files import hdf5

MOST_VALUES: Final = 1 << 20  # in a sample
_PIECE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Values:
    """What the values that were looked at are like.

    looked_at: how many, of how many there are.
    minimum, mean, maximum: of the finite ones; None where there is none.
    nan, infinite: how many are not.
    """

    looked_at: int
    of: int
    minimum: float | None
    mean: float | None
    maximum: float | None
    nan: int
    infinite: int

    @property
    def is_sample(self) -> bool:
        """Whether there are values that were not looked at."""
        return self.looked_at < self.of

    def odd(self) -> Iterator[str]:
        """What features seldom are: not finite, or all the same."""
        sampled = " sampled" * self.is_sample
        for count, what in ((self.nan, "NaN"), (self.infinite, "infinite")):
            if count:
                verb = "is" if count == 1 else "are"
                yield f"{count:,} of {self.looked_at:,} values{sampled} {verb} {what}"
        if self.looked_at > 1 and self.minimum is not None and self.minimum == self.maximum:
            yield f"every finite value{sampled} is {self.minimum:g}"


def summarise(blocks: Iterable[NDArray[Any]], *, of: int) -> Values:
    """What the values of these blocks are like; there are `of` in all."""
    looked_at = nan = infinite = finite = 0
    total, low, high = 0.0, math.inf, -math.inf
    for values in _in_pieces(blocks):
        good = values[np.isfinite(values)]
        looked_at += values.size
        finite += good.size
        nan += int(np.isnan(values).sum())
        infinite += int(np.isinf(values).sum())
        with np.errstate(over="ignore"):
            total += float(good.sum())
        low = float(good.min(initial=low))
        high = float(good.max(initial=high))
    if not finite:
        return Values(looked_at, of, None, None, None, nan, infinite)
    return Values(looked_at, of, low, total / finite, high, nan, infinite)


def _in_pieces(blocks: Iterable[NDArray[Any]]) -> Iterator[NDArray[np.float64]]:
    """The values as float64, so few at a time that it matters little how wide that is."""
    for block in blocks:
        flat = block.reshape(-1)
        for start in range(0, flat.size, _PIECE):
            with np.errstate(invalid="ignore"):  # of NaN that signal
                values = flat[start : start + _PIECE].astype(np.float64)
            yield values


_MOST_BLOCKS: Final = 256
_PART: Final = 1 << 16  # values read at once of what need not be read whole
_GOLDEN: Final = (5**0.5 - 1) / 2


def sample(dataset: Any, where: str, most: int = MOST_VALUES) -> Values:
    """Look at all values of a dataset if there are at most so many, else at blocks all over it.

    A block is a chunk, where HDF5 has to unpack those whole, and 64 Ki values of it at most where
    it does not. One is read even if it alone has more than `most` values.

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
