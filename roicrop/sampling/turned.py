"""The plan for boxes with an angle: the cells of each bin and their weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.errors import BoxError
from roicrop.sampling.arrays import Bool, Float, Int, pointers
from roicrop.sampling.axes import along, at_least, refuse_reversed
from roicrop.sampling.plan import Corners, Plan, Turn
from roicrop.sampling.rows import Rows
from roicrop.sampling.samples import Samples, positions_of, read_map
from roicrop.sampling.terms import PairedTerms


@dataclass(frozen=True, eq=False)
class TurnedPlan(Plan):
    """A plan that is not a product but one matrix, in which row (k · PH + p) · PW + q is a bin.

    The two axes are the box's own, before it is turned: they begin half its size before its
    centre. boxes: (K, 5) centre x and y, width, height and angle.
    centre: (K, 2) y and x, in index coordinates. cos, sin: (K,) of the angle that turns boxes
        counter-clockwise.
    """

    centre: Float
    cos: Float
    sin: Float

    @property
    def corner_names(self) -> tuple[str, str, str, str]:
        """See `Plan.corner_names`."""
        return "centre x", "centre y", "width", "height"

    def turn(self, k: int) -> Turn:
        """See `Plan.turn`."""
        return Turn(self.boxes[k, 4], self.cos[k], self.sin[k], *self.centre[k])

    def corners(self, k: int, image: tuple[float, float, float, float] | None = None) -> Corners:
        """The box's centre and size; see `Plan.corners`."""
        box, original = self.boxes[k, :4], None
        if image is not None:
            x1, y1, x2, y2 = image
            numbers = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
            original = np.round(numbers, 9)  # removes the corners' own rounding errors
        feature = box * box.dtype.type(self.spatial_scale)
        index = np.concatenate([self.centre[k, ::-1], feature[2:]])
        return Corners(box if original is None else original, box, None, feature, index)

    def begin(self, k: int) -> tuple[float, float]:
        """See `Plan.begin`."""
        y, x = self.outline(k, 0, 0)[0].tolist()
        return y, x

    def outline(self, k: int, p: int, q: int) -> NDArray[np.float64]:
        """See `Plan.outline`."""
        (top, bottom), (left, right) = self.y.lines(k)[p : p + 2], self.x.lines(k)[q : q + 2]
        return self.turn(k).of([(top, left), (top, right), (bottom, right), (bottom, left)])

    def samples(self, k: int) -> tuple[Samples, Samples]:
        """Y and x of every sample; see `Plan.samples`."""
        y, x = self._samples(k)
        if len(y) > _MOST_LISTED:
            return y.where(y.inside), x.where(x.inside)
        return y, x

    def terms(self, k: int, p: int, q: int) -> PairedTerms:
        """See `Plan.terms`."""
        bin_ = p * self.x.bins + q
        y, x = (samples.of_bin(bin_) for samples in self._latest(k))
        count = self.count(k)
        return PairedTerms(y, x, (max(count[0], 0), max(count[1], 0)), float(count[0] * count[1]))

    def weights(self, k: int) -> NDArray[np.float64]:
        """See `Plan.weights`."""
        cells, weights = self._taps(k)
        height, width = self.map_size
        every = np.bincount(cells, weights.astype(np.float64), height * width)
        return every.astype(np.float64).reshape(height, width)

    @property
    def matrices(self) -> tuple[Rows]:
        """See `Plan.matrices`; a cell is its row · W + its column."""
        return (self.rows,)

    @cached_property
    def rows(self) -> Rows:
        """The matrix of all bins, in sparse form."""
        each = [self._rows_of(k) for k in range(len(self))]
        lengths, cells, weights = (
            np.concatenate(parts) if parts else np.empty(0, dtype)
            for parts, dtype in zip(
                zip(*each, strict=True) if each else ((), (), ()),
                (np.int64, np.int32, self.boxes.dtype),
                strict=True,
            )
        )
        void = (self.y.count == 0).repeat(math.prod(self.output_size))
        return Rows(
            np.arange(len(void) + 1), pointers(lengths), cells, weights, void, np.zeros_like(void)
        )

    def in_own_axes(self) -> tuple[Float, Int]:
        """The numbers from which samples are computed: (K, 8) and (K, 2), contiguous.

        Begin and bin size along y and along x, cosine, sine and the centre's y and x; and the
        samples per bin along y and along x.
        """
        y, x = self.y, self.x
        numbers = [y.begin, y.bin_size, x.begin, x.bin_size, self.cos, self.sin, *self.centre.T]
        return np.stack(numbers, axis=1), np.stack([y.count, x.count], axis=1)

    def void(self, k: int) -> Bool:
        """See `Plan.void`."""
        return np.full(self.output_size, self.y.count[k] == 0)

    def zero_candidate(self, k: int) -> Bool:
        """See `Plan.zero_candidate`."""
        return np.zeros(self.output_size, dtype=bool)

    def extent(self) -> Int:
        """See `Plan.extent`."""
        extent = np.zeros((len(self), 4), dtype=np.int64)
        for k in range(len(self)):
            cells = self._taps(k)[0]
            if len(cells):
                y, x = np.divmod(cells, self.x.size)
                extent[k] = y.min(), y.max() + 1, x.min(), x.max() + 1
        return extent

    def bounds(self) -> Int:
        """See `Plan.bounds`."""
        half_y, half_x = np.abs(self.y.length / 2), np.abs(self.x.length / 2)
        cos, sin = np.abs(self.cos), np.abs(self.sin)
        reach = np.stack([half_y * cos + half_x * sin, half_y * sin + half_x * cos], axis=1)
        size = np.array(self.map_size)
        first = np.floor(np.clip(self.centre - reach, 0, size)).astype(np.int64) - 2
        end = np.ceil(np.clip(self.centre + reach, 0, size)).astype(np.int64) + 3
        first, end = np.clip(first, 0, size - 1), np.clip(end, 1, size)
        return np.stack([first[:, 0], end[:, 0], first[:, 1], end[:, 1]], axis=1)

    def tiles(self, size: tuple[int, int]) -> Bool:
        """See `Plan.tiles`."""
        height, width = (-(-n // each) for n, each in zip(self.map_size, size, strict=True))
        tiles = np.zeros((height, width), dtype=bool)
        y, x = np.divmod(self.rows.cells, self.x.size)
        tiles[y // size[0], x // size[1]] = True
        return tiles

    def _taps(self, k: int) -> tuple[NDArray[np.int32], Float]:
        bins = math.prod(self.output_size)
        taps = slice(*self.rows.row_ptr[[k * bins, (k + 1) * bins]].tolist())
        return self.rows.cells[taps], self.rows.weights[taps]

    def _samples(self, k: int) -> tuple[Samples, Samples]:
        """Every sample (i, j) of every bin (p, q), numbered p · PW + q, i and j."""
        of_y, of_x = (positions_of(axis.one(k)).reshape(axis.bins, -1) for axis in (self.y, self.x))
        (bins_y, count_y), (bins_x, count_x) = of_y.shape, of_x.shape
        shape = bins_y, bins_x, count_y, count_x
        v, u = of_y[:, None, :, None], of_x[None, :, None, :]
        cos, sin, (centre_y, centre_x) = self.cos[k], self.sin[k], self.centre[k]
        y, x = v * cos - u * sin + centre_y, v * sin + u * cos + centre_x
        bin_ = np.arange(bins_y * bins_x).reshape(bins_y, bins_x, 1, 1)
        i, j = np.arange(count_y)[:, None], np.arange(count_x)
        reads = [
            read_map(at.ravel(), self.convention, size)
            for at, size in ((y, self.y.size), (x, self.x.size))
        ]
        inside = reads[0][0] & reads[1][0]
        bins, ones = np.broadcast_to(bin_, shape).ravel(), np.ones(inside.size)
        found = []
        for at, index, read in ((y, i, reads[0]), (x, j, reads[1])):
            _, read_at, low, high, weight_low, weight_high = read
            weight_low, weight_high = weight_low * inside, weight_high * inside
            number = np.broadcast_to(index, shape).ravel()
            found.append(
                Samples(
                    bins, number, at.ravel(), inside, read_at, low, high, weight_low, weight_high,
                    ones,
                )
            )  # fmt: skip
        return found[0], found[1]

    def _latest(self, k: int) -> tuple[Samples, Samples]:
        """The samples of the box asked for last: its bins ask for them one after another."""
        if k not in self._kept:
            self._kept.clear()
            self._kept[k] = self.samples(k)
        return self._kept[k]

    @cached_property
    def _kept(self) -> dict[int, tuple[Samples, Samples]]:
        return {}

    def _rows_of(self, k: int) -> tuple[Int, NDArray[np.int32], Float]:
        """How many cells each bin of a box has; the cells of all bins, ascending; their weights.

        The weights of a cell are added in the order of samples, in float64, and then divided by
        their number: the order is fixed so that the compiled core's plan is the same to the last
        bit.
        """
        y, x = self._samples(k)
        bins = math.prod(self.output_size)
        cells, gifts = [], []
        for rows, weight_y in ((y.low, y.weight_low), (y.high, y.weight_high)):
            for columns, weight_x in ((x.low, x.weight_low), (x.high, x.weight_high)):
                cells.append(rows * self.x.size + columns)
                gifts.append(weight_y.astype(np.float64) * weight_x)
        key = (np.stack(cells, 1) + y.bin[:, None] * math.prod(self.map_size)).ravel()
        gift = np.stack(gifts, 1).ravel()
        key, gift = key[gift != 0], gift[gift != 0]
        order = np.argsort(key, kind="stable")
        key, gift = key[order], gift[order]
        first = np.append(True, key[1:] != key[:-1])[: len(key)]
        total = np.bincount(np.cumsum(first) - 1, gift) / max(math.prod(self.count(k)), 1)
        bin_, cell = np.divmod(key[first], math.prod(self.map_size))
        weights = total.astype(self.boxes.dtype)
        keep = weights != 0
        lengths = np.bincount(bin_[keep], minlength=bins)
        return lengths, cell[keep].astype(np.int32), weights[keep]


_MOST_LISTED: Final = 1_000_000
MOST_SAMPLES: Final = 1 << 22  # of a box


def turned_plan(
    boxes: Float,
    map_size: tuple[int, int],
    output_size: tuple[int, int],
    convention: Convention,
    spatial_scale: float,
) -> TurnedPlan:
    """The plan for K boxes with an angle; arguments as in `plan`."""
    real, half = boxes.dtype.type, boxes.dtype.type(convention.offset_after)
    scaled = boxes[:, :4] * real(spatial_scale)
    centre = scaled[:, 1::-1] + half
    axes = []
    for a, size in ((0, scaled[:, 3]), (1, scaled[:, 2])):
        length = at_least(size, convention)
        begin = -length / real(2)
        axes.append(along(begin, begin + size, length, convention, map_size[a], output_size[a]))
    y, x = axes
    refuse_reversed(y, x, convention)
    empty = (y.count <= 0) | (x.count <= 0)
    y.count[empty] = x.count[empty] = 0
    samples = y.count.astype(np.float64) * x.count * math.prod(output_size)
    if (samples > MOST_SAMPLES).any():
        k = int(np.argmax(samples))
        raise BoxError(
            f"has {samples[k]:,.0f} samples, more than {MOST_SAMPLES:,}: "
            "give a sampling ratio, or leave the box out",
            k,
        )
    angle = boxes[:, 4]
    if convention.angle == "degrees":
        angle = (angle.astype(np.float64) * math.pi / 180.0).astype(boxes.dtype)
    if convention.clockwise:
        angle = -angle
    cos, sin = (f(angle.astype(np.float64)).astype(boxes.dtype) for f in (np.cos, np.sin))
    return TurnedPlan(convention, spatial_scale, boxes, y, x, centre, cos, sin)
