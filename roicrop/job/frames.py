"""The maps that boxes are on: sizes, and scales from a box to its map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.features import FeatureSource, Scale
from roicrop.files.columns import in_blocks, throughout

Float = NDArray[np.float64]


class Frames:
    """A row for each of the M maps that boxes are on, and a last row of NaN for no map.

    of_box: (K,) the row of each box. maps: (M,) their numbers in the source.
    map_size: (M + 1, 2) cells (H, W). scale: (M + 1, 1). input_scale: (M + 1, 2), y first.
    pixels: (M + 1, 2) height and width of the original image, from its finest map.
    scales: the distinct scales.
    """

    def __init__(
        self,
        source: FeatureSource,
        map_index: NDArray[np.int64],
        scale: Callable[[int], Scale],
        image_size: tuple[int, int] | None,
    ) -> None:
        self.maps = used = distinct_images(map_index)
        self.of_box = _codes(used, map_index)
        # The images of a batch are alike.
        its_like = used if source.kind == "group" else used % source.levels
        asked = distinct_images(its_like).tolist()
        finest = [i - i % source.levels for i in asked]
        back = np.append(np.searchsorted(asked, its_like), len(asked))
        # Everything about a map at once: there may be too many datasets to keep them open.
        known = [(scale(i), source.map_size(i), source.input_scale(i)) for i in asked]
        scales = [its for its, _, _ in known]
        self.scales = list(dict.fromkeys(scales))
        self.map_size: Float = _with_nowhere([its for _, its, _ in known], 2)[back]
        self.input_scale: Float = _with_nowhere([its for _, _, its in known], 2)[back]
        self.scale: Float = _with_nowhere([one.value for one in scales], 1)[back]
        finest_size = _with_nowhere([source.map_size(i) for i in finest], 2)[back]
        finest_scale = _with_nowhere([scale(i).value for i in finest], 1)[back]
        self.pixels: Float = finest_size / (finest_scale * self.input_scale)
        if image_size is not None:
            self.pixels[:-1] = image_size

    def __len__(self) -> int:
        return len(self.maps)

    def number(self, i: int) -> int:
        """The row of map i."""
        return int(np.searchsorted(self.maps, i))

    def cells_per_pixel(self, convention: Convention) -> Float:
        """Cells per pixel of the original images (M + 1, 2), y first, under a convention."""
        factors: Float = self.input_scale * self.scale
        if convention.normalized:
            factors = self.map_size / self.pixels
        return factors


def _with_nowhere(values: Sequence[Any], width: int) -> Float:
    """The values (M, width) and a last row of NaN."""
    rows = np.asarray(values, dtype=np.float64).reshape(-1, width)
    return np.concatenate([rows, np.full((1, width), np.nan)])


def distinct_images(
    image_index: NDArray[np.int64], chosen: NDArray[np.bool_] | None = None
) -> NDArray[np.intp]:
    """The distinct images, or those of the chosen boxes, in ascending order, without −1."""
    there = np.zeros(int(image_index.max(initial=-1)) + 1, np.bool_)
    for some in in_blocks(len(image_index)):
        images = image_index[some] if chosen is None else image_index[some][chosen[some]]
        there[images[images >= 0]] = True
    return np.flatnonzero(there)


def _codes(used: NDArray[np.intp], map_index: NDArray[np.int64]) -> NDArray[np.integer[Any]]:
    """The index (K,) of each map among those that are used; −1 comes after the last."""
    if len(map_index) and not any(map_index.strides):  # all on one
        return throughout(0, len(map_index))
    if len(used) == int(map_index.max(initial=-1)) + 1 and map_index.min(initial=0) >= 0:
        return map_index
    places = np.full(int(map_index.max(initial=-1)) + 2, len(used), np.int32)
    places[used] = np.arange(len(used))
    return places[map_index]
