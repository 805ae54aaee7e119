"""Windows of the feature maps of one dataset, whatever the order of its axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.chunks.pieces import Pieces
from roicrop.files import hdf5

_AXES: Final = "NCHW"
Window = NDArray[np.floating[Any]]
Lines = slice | NDArray[np.int64]  # rows or columns of a map: a range or a list


def count_of(lines: Lines) -> int:
    """The number of lines in a slice or array."""
    return int(lines.stop - lines.start) if isinstance(lines, slice) else len(lines)


def _listed(lines: Lines) -> NDArray[np.int64]:
    return np.arange(lines.start, lines.stop) if isinstance(lines, slice) else lines


class Windows:
    """The maps of one dataset, in windows that several threads can read at once.

    shape: how many images, channels, rows and columns there are; piece: how many are read together.
    dtype: of the windows.
    """

    def __init__(self, pieces: Pieces, layout: str, dtype: np.dtype[Any], where: str) -> None:
        """layout: the dataset's axes, such as "NCHW" or "HWC". where: for messages."""
        self._pieces, self._layout, self._where = pieces, layout, where
        self.piece = self._in_order(pieces.piece)
        self.shape = self._in_order(pieces.shape)
        self.dtype = dtype

    @property
    def gathers(self) -> bool:
        """Whether listed rows and columns can be read without those between them."""
        return self._pieces.is_hdf5

    @property
    def in_rows(self) -> bool:
        """Whether whole rows of a map lie side by side in the file, and are short."""
        return not self._pieces.is_chunked and self.piece[3] == self.shape[3]

    @property
    def spare(self) -> int:
        """How many bytes a thread takes besides a window, to read it."""
        return self._pieces.piece_bytes

    def bytes(self, images: int, channels: int, height: int, width: int) -> int:
        """How many bytes a window takes."""
        return images * channels * height * width * int(self.dtype.itemsize)

    def grid(self, height: slice, width: slice) -> tuple[int, int]:
        """How many rows and columns of pieces hold cells of a window."""
        rows, columns = (
            -(-run.stop // p) - run.start // p
            for run, p in zip((height, width), self.piece[2:], strict=True)
        )
        return rows, columns

    def read(
        self,
        images: slice,
        channels: slice,
        height: Lines,
        width: Lines,
        buffer: NDArray[np.uint8],
        wanted: NDArray[np.bool_] | None = None,
        each: Callable[..., Any] = map,
    ) -> Window:
        """(N, C, h, w) some channels of the same window of some images, lying as in the file.

        buffer: at least `bytes`, to put them in. wanted: which pieces to read, as in `grid`, or
        all; other cells hold arbitrary values. each: `map`, or a thread pool's.
        height, width: rows and columns of the maps; if they are lists, the cells where these cross
        are read.

        Raises FeatureError.
        """
        lines: tuple[Lines, ...] = (images, channels, height, width)
        spans = dict(zip(_AXES, map(_listed, lines), strict=True))
        stored = [spans[axis] for axis in self._layout]
        shape = tuple(map(len, stored))
        out: Window = np.ndarray(shape, self.dtype, buffer)
        if not (isinstance(height, slice) and isinstance(width, slice)):
            with hdf5.named_errors(self._where):
                self._pieces.gather(out, stored, each)
            return self._as_maps(out)
        start = tuple(int(run[0]) for run in stored)
        grid = self._pieces.grid(start, shape)
        if wanted is None:
            wanted = np.ones(self.grid(height, width), dtype=bool)
        # Along the grid's other axes, the same pieces are wanted throughout.
        ordered = wanted if self._layout.index("H") < self._layout.index("W") else wanted.T
        lengths = [n if axis in "HW" else 1 for axis, n in zip(self._layout, grid, strict=True)]
        with hdf5.named_errors(self._where):
            self._pieces.read(out, start, np.broadcast_to(ordered.reshape(lengths), grid), each)
        return self._as_maps(out)

    def _as_maps(self, out: Window) -> Window:
        """(N, C, h, w) a view of a window whose axes are in the file's order."""
        whole = out if "N" in self._layout else out[np.newaxis]
        order = self._layout if "N" in self._layout else f"N{self._layout}"
        return whole.transpose([order.index(axis) for axis in _AXES])

    def _in_order(self, each: tuple[int, ...]) -> tuple[int, int, int, int]:
        along = dict(zip(self._layout, each, strict=True))
        return along.get("N", 1), along["C"], along["H"], along["W"]
