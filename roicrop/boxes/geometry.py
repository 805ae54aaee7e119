"""What the four numbers of a box mean, and which boxes are bad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BoxFormat = Literal["xyxy", "xywh", "cxcywh", "yxyx", "cxcywha"]
ROTATED: Final = "cxcywha"
BOX_FORMATS: Final[tuple[BoxFormat, ...]] = tuple(x for x in get_args(BoxFormat) if x != ROTATED)


def to_xyxy(
    coords: NDArray[np.float64], box_format: BoxFormat, *, inclusive: bool = False
) -> NDArray[np.float64]:
    """Corners (K, 4) float64 as x1, y1, x2, y2, from coordinates (K, 4) in `box_format`.

    `inclusive` says that an end corner is the last pixel of its box, so that 1 is added to it. A
    size counts pixels already, so `inclusive` leaves xywh and cxcywh as they are. Of rotated boxes
    these are the corners before they are turned about their centre.
    """
    first, last = coords[:, :2], coords[:, 2:]
    with np.errstate(over="ignore", invalid="ignore"):
        if box_format == "xywh":
            return np.concatenate([first, first + last], axis=1)
        if box_format in ("cxcywh", ROTATED):
            half = last / 2
            return np.concatenate([first - half, first + half], axis=1)
        if box_format == "yxyx":
            first, last = first[:, ::-1], last[:, ::-1]
        return np.concatenate([first, last + 1 if inclusive else last], axis=1)


@dataclass(frozen=True, eq=False, slots=True)
class BadBoxes:
    """Which of K boxes are bad by themselves: masks (K,), never both true.

    angle: (K,) of rotated boxes, else None.
    faults: box → why its row could not be read; its coordinates are NaN.
    """

    xyxy: NDArray[np.float64]
    not_finite: NDArray[np.bool_]
    reversed: NDArray[np.bool_]
    angle: NDArray[np.float64] | None = None
    faults: Mapping[int, str] = field(default_factory=dict)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The boxes that are bad for either reason."""
        return self.not_finite | self.reversed

    def reason(self, k: int) -> str:
        """What is wrong with box k, to follow "boxes.csv line 12: "."""
        if k in self.faults:
            return self.faults[k]
        if self.angle is not None:
            size = self.xyxy[k, 2:] - self.xyxy[k, :2]
            numbers = f"width {size[0]:.10g}, height {size[1]:.10g}, angle {self.angle[k]:.10g}"
            return f"{numbers}: {'not finite' if self.not_finite[k] else 'a size below 0'}"
        x1, y1, x2, y2 = (f"{v:.10g}" for v in self.xyxy[k].tolist())
        if self.not_finite[k]:
            return f"({x1}, {y1}, {x2}, {y2}) is not finite"
        if self.xyxy[k, 2] < self.xyxy[k, 0]:
            return f"x2 {x2} is less than x1 {x1}"
        return f"y2 {y2} is less than y1 {y1}"


def find_bad(xyxy: NDArray[np.float64], angle: NDArray[np.float64] | None = None) -> BadBoxes:
    """The boxes (K, 4), xyxy, that are not finite, and those with x2 < x1 or y2 < y1.

    angle: (K,) of rotated boxes, which is to be finite too.

    Boxes of no size, and boxes outside every image, are good: a convention says what they give.
    """
    not_finite: NDArray[np.bool_] = np.any(~np.isfinite(xyxy), axis=1)
    if angle is not None:
        not_finite |= ~np.isfinite(angle)
    reversed_: NDArray[np.bool_] = np.any(xyxy[:, 2:] < xyxy[:, :2], axis=1)
    return BadBoxes(xyxy, not_finite, reversed_ & ~not_finite, angle)
