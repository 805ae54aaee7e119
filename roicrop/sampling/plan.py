"""The interface of all plans."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention, Kind
from roicrop.sampling.arrays import Bool, Float, Int
from roicrop.sampling.axis import Axis, Number, Step
from roicrop.sampling.rows import Rows
from roicrop.sampling.samples import Samples
from roicrop.sampling.terms import Terms


@dataclass(frozen=True, slots=True)
class Corners:
    """A box's x1, y1, x2, y2 on the way to cells, (4,) each.

    image: pixels of the original image. network: pixels of the image that the network saw.
    fractions: of (map size − 1), if the convention takes fractions; in that case there are
        neither network pixels nor feature coordinates.
    """

    image: NDArray[Any] | None
    network: NDArray[Any] | None
    fractions: NDArray[Any] | None
    feature: NDArray[Any] | None
    index: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """The rotation of a box about its centre.

    angle: as given, in the convention's unit. cos, sin: of the angle that turns the box
        counter-clockwise. y, x: the centre, in index coordinates.
    """

    angle: Number
    cos: Number
    sin: Number
    y: Number
    x: Number

    def of(self, own: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        """(n, 2) y and x of places (v, u) on the box axes, down and across from the centre."""
        v, u = np.asarray(own, dtype=np.float64).T
        cos, sin = float(self.cos), float(self.sin)
        return np.stack([v * cos - u * sin + float(self.y), v * sin + u * cos + float(self.x)], 1)


@dataclass(frozen=True, eq=False)
class Plan(ABC):
    """Where K boxes sample a map of (H, W) cells, for (PH, PW) bins.

    This is all that readers of plans may use (except kernels, which apply one kind each); another
    kind of plan is another subclass. Bins are counted from p = 0 down and q = 0 across, boxes from
    k = 0.

    boxes: (K, 4) as given to `plan`, in the coordinates' dtype, xyxy.
    y, x: the numbers of the two axes: sizes, bins, counts and values before rounding. Tables that
        have a column for each axis read them as `axes`.
    """

    convention: Convention
    spatial_scale: float
    boxes: Float
    y: Axis
    x: Axis

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def kind(self) -> Kind:
        """The terms of a bin: samples, one sample point, pieces of an integral, or cells."""
        return self.convention.kind

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The axes y and x."""
        return self.y, self.x

    @property
    def map_size(self) -> tuple[int, int]:
        """(H, W), in cells."""
        return self.y.size, self.x.size

    @property
    def output_size(self) -> tuple[int, int]:
        """(PH, PW), in bins."""
        return self.y.bins, self.x.bins

    @property
    def corner_names(self) -> tuple[str, str, str, str]:
        """The names of the four numbers of `corners`."""
        return "x1", "y1", "x2", "y2"

    def turn(self, k: int) -> Turn | None:
        """The rotation of box k; None if boxes lie along the axes."""
        return None

    def count(self, k: int) -> tuple[int, int]:
        """Samples per bin along y and x; both below 0 if a reversed box has none."""
        return int(self.y.count[k]), int(self.x.count[k])

    def steps(self, k: int) -> tuple[list[Step], list[Step]]:
        """The numbers rounded or bounded once for box k, along y and x."""
        return list(self.y.steps(k)), list(self.x.steps(k))

    @abstractmethod
    def corners(self, k: int, image: tuple[float, float, float, float] | None = None) -> Corners:
        """The corners of box k; image: the box in the original image, if known."""

    @abstractmethod
    def begin(self, k: int) -> tuple[float, float]:
        """Y and x of the corner of box k at which its first bin begins, in index coordinates."""

    @abstractmethod
    def outline(self, k: int, p: int, q: int) -> NDArray[np.float64]:
        """(4, 2) the corners of a bin of box k, y and x each, in order around it.

        Index coordinates: cell i goes from i − ½ to i + ½. For RoIPool it is the bin before its
        edges are moved to cells; for crop-and-resize its edges are halfway to the next points.
        """

    @abstractmethod
    def samples(self, k: int) -> tuple[Samples, Samples]:
        """Every sample of box k, along y and along x; the box reads all pairs of them.

        For a box with an angle, y and x of each sample, with p · PW + q as the number of its bin.
        Samples out of range are included, unless the box has over a million along an axis.
        """

    @abstractmethod
    def terms(self, k: int, p: int, q: int) -> Terms:
        """The terms of a bin of box k."""

    def cells(self, k: int, p: int, q: int) -> tuple[range, range]:
        """The rows and columns of the map in a bin of whole cells."""
        raise TypeError(f"a bin of this plan is not made of cells, but of {self.kind}s")

    def bins_of_cells(self, k: int) -> Int:
        """The number of bins of box k, all of whole cells, that contain each cell (H, W)."""
        raise TypeError(f"a bin of this plan is not made of cells, but of {self.kind}s")

    @abstractmethod
    def weights(self, k: int) -> NDArray[np.float64]:
        """The total weight of each cell (H, W) over all bins of box k, for an average."""

    @property
    @abstractmethod
    def matrices(self) -> tuple[Rows, ...]:
        """The matrices of the plan, which determine every result."""

    @abstractmethod
    def void(self, k: int) -> Bool:
        """Mask (PH, PW) of the bins of box k without samples or cells, which get the void value."""

    @abstractmethod
    def zero_candidate(self, k: int) -> Bool:
        """Mask (PH, PW) of the bins of box k whose maximum also considers 0."""

    @abstractmethod
    def extent(self) -> Int:
        """(K, 4) the part of the map that each box reads: first row, end row, first and end column.

        Ends are exclusive. It holds every cell with a weight, and nothing beyond the outermost of
        them; all zeros for a box that reads nothing.
        """

    def bounds(self) -> Int:
        """(K, 4) bounds around `extent`, a few cells wider, found without looking at samples.

        Never empty: a box that reads nothing gets some cells too.
        """
        return np.stack([*self.y.bounds(), *self.x.bounds()], 1)

    def has_void(self) -> Bool:
        """Mask (K,) of the boxes that have a void bin."""
        has = np.zeros(len(self), dtype=bool)
        for rows in self.matrices:
            has |= rows.void.reshape(len(self), -1).any(axis=1)
        return has

    def lines(self) -> tuple[Int, Int]:
        """The rows and columns of the map that hold every cell that some box reads, ascending.

        All within `bounds`, unless the plan knows of fewer; never empty.
        """
        top, end, left, right = self.bounds().T
        return np.arange(top.min(), end.max()), np.arange(left.min(), right.max())

    @abstractmethod
    def tiles(self, size: tuple[int, int]) -> Bool:
        """(rows, columns) which tiles of this size, cut from the map, hold a cell that is read."""
