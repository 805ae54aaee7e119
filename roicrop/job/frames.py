"""The images that boxes lie in: the sizes and scales that take a box to its map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.features import FeatureSource, Scale

Float = NDArray[np.float64]


class Frames:
    """What belongs to the images that boxes are on, M of them, and a last row of NaN for no image.

    of_box: (K,) the row here of each box.
    map_size: (M + 1, 2) cells (H, W). scale: (M + 1, 1). input_scale: (M + 1, 2), y first.
    pixels: (M + 1, 2) height and width of the original image. scales: the distinct ones.
    """

    def __init__(
        self,
        source: FeatureSource,
        image_index: NDArray[np.int64],
        scale: Callable[[int], Scale],
        image_size: tuple[int, int] | None,
    ) -> None:
        self._used = used = distinct_images(image_index)
        self.of_box = np.where(image_index < 0, len(used), np.searchsorted(used, image_index))
        asked = used if source.kind == "group" else used[:1]  # the images of a batch are alike
        times = 1 if source.kind == "group" else len(used)
        self.scales = list(dict.fromkeys(map(scale, asked.tolist())))
        self.map_size = _with_nowhere([source.map_size(i) for i in asked.tolist()] * times, 2)
        self.input_scale = _with_nowhere([source.input_scale(i) for i in asked.tolist()] * times, 2)
        self.scale = _with_nowhere([scale(i).value for i in asked.tolist()] * times, 1)
        self.pixels = self.map_size / (self.scale * self.input_scale)
        if image_size is not None:
            self.pixels[:-1] = image_size

    def __len__(self) -> int:
        return len(self._used)

    def number(self, i: int) -> int:
        """The row here of image i."""
        return int(np.searchsorted(self._used, i))

    def cells_per_pixel(self, convention: Convention) -> Float:
        """(M + 1, 2) from pixels of the original images to cells, y first, as a convention goes."""
        if convention.normalized:
            return self.map_size / self.pixels
        return self.input_scale * self.scale


def _with_nowhere(values: Sequence[Any], width: int) -> Float:
    """(M, width) values and a last row of NaN."""
    rows = np.asarray(values, dtype=np.float64).reshape(-1, width)
    return np.concatenate([rows, np.full((1, width), np.nan)])


def distinct_images(image_index: NDArray[np.int64]) -> NDArray[np.intp]:
    """The images among these, ascending, without −1; np.unique would import numpy.ma."""
    return np.flatnonzero(np.bincount(image_index[image_index >= 0]))
