"""What may have made a tensor: rules, a reading of the boxes, a scale, and an order of axes."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from roicrop.boxes import BOX_FORMATS, BoxFormat
from roicrop.conventions import (
    PLAIN,
    Convention,
    Mode,
    SamplingRatio,
    effective,
    resolve,
)
from roicrop.errors import ArgumentError
from roicrop.job import Job, Request, convention_options

RATIOS: Final[tuple[SamplingRatio, ...]] = ("adaptive", 1, 2, 3, 4, "exact")
SCALES: Final = tuple(2.0**-n for n in range(7))
_MODES: Final[tuple[Mode, ...]] = ("avg", "max")
_LEAST: Final[tuple[float | Literal["none"] | None, ...]] = (None, "none", 1.0)
_FAME: Final = {name: place for place, name in enumerate(PLAIN)}


@dataclass(frozen=True, slots=True)
class Rules:
    """One computation, whatever the boxes and features, under every name that it goes by.

    conventions: the fewest options first, not counting a mode, and a sampling ratio where the
        framework chooses by box; of those the best known first.
    """

    conventions: tuple[Convention, ...]

    @property
    def convention(self) -> Convention:
        """The one to name it by."""
        return self.conventions[0]

    @property
    def is_plain(self) -> bool:
        """Whether its name needs no option."""
        return not convention_options(self.convention)

    @property
    def is_nobodys(self) -> bool:
        """Whether its name needs an option that no framework has."""
        own = {"--mode"} if self.convention.kind == "cell" else {"--min-size"}
        return not own.isdisjoint(convention_options(self.convention))

    @property
    def simplicity(self) -> tuple[int, int, int]:
        """By which the simplest, and of those the best known, comes first.

        An option that no framework has counts thrice.
        """
        unusual, fame, options = _simplicity(self.convention)
        return unusual + 2 * self.is_nobodys, fame, options

    @property
    def named(self) -> list[Convention]:
        """Those that it may be named by: as simple as the first, each name once."""
        least = _unusual(self.convention)
        simple = [row for row in self.conventions if _unusual(row) == least]
        return list({row.name: row for row in reversed(simple)}.values())[::-1]

    @property
    def names(self) -> list[str]:
        """What it may be called with the same options as the first."""
        same = convention_options(self.convention)
        return [row.name for row in self.named if convention_options(row) == same]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the four numbers of a box are."""

    box_format: BoxFormat
    normalized: bool = False
    inclusive: bool = False

    def __str__(self) -> str:
        fractions = " as fractions of the image" if self.normalized else ""
        return f"{self.box_format}{fractions}{', end included' if self.inclusive else ''}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The order of a pooled tensor's axes; the first is always the box."""

    channels_last: bool
    transposed: bool = False

    @property
    def axes(self) -> tuple[int, int, int, int]:
        """Which of its axes are box, channel, y and x."""
        channel, y, x = (3, 1, 2) if self.channels_last else (1, 2, 3)
        return (0, channel, x, y) if self.transposed else (0, channel, y, x)

    def __str__(self) -> str:
        names = [""] * 4
        for name, axis in zip(("K", "C", "PH", "PW"), self.axes, strict=True):
            names[axis] = name
        return f"({', '.join(names)})"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A way to make a tensor. `scale` is cells per pixel; None is what file or options say."""

    rules: Rules
    reading: Reading
    scale: float | None
    layout: Layout

    def cost(self, given: Reading, channels_last: bool) -> tuple[int, int, int]:
        """How far it is from the simplest: files and options taken at their word, no overrides.

        Of those that are as far the best known costs least.
        """
        unexpected = (
            self.reading.box_format != given.box_format,
            self.reading.normalized != given.normalized,
            self.reading.inclusive != given.inclusive,
            self.scale is not None,
            self.layout.channels_last != channels_last,
            self.layout.transposed,
        )
        unusual, fame, options = self.rules.simplicity
        return unusual + 2 * sum(unexpected), fame, options


def readings(given: Reading) -> list[Reading]:
    """Everything that four numbers can mean; what file and options say comes first."""
    pixels = [Reading(each) for each in BOX_FORMATS]
    fractions = [Reading(each, normalized=True) for each in BOX_FORMATS]
    inclusive = [Reading(each, inclusive=True) for each in BOX_FORMATS if each in _TWO_CORNERS]
    return list(dict.fromkeys([given, *pixels, *fractions, *inclusive]))


_TWO_CORNERS: Final = ("xyxy", "yxyx")  # of the others the second half is a size


@functools.cache
def all_rules() -> tuple[Rules, ...]:
    """Every convention under every option; those that compute the same are one."""
    same: dict[str, list[Convention]] = {}
    for row in _rows():
        rows = same.setdefault(repr(effective(row)), [])
        if row not in rows:
            rows.append(row)
    return tuple(Rules(tuple(sorted(rows, key=_simplicity))) for rows in same.values())


def _simplicity(row: Convention) -> tuple[int, int, int]:
    return _unusual(row), _FAME[row.name], len(convention_options(row))


def _unusual(row: Convention) -> int:
    """How many options its name needs beyond those that people give to the framework's own."""
    usual = {"--mode"} if row.kind != "cell" else set()
    if PLAIN[row.name].sampling_ratio == "adaptive" and row.sampling_ratio != "exact":
        usual.add("--sampling-ratio")
    return len(convention_options(row).keys() - usual)


def _rows() -> Iterator[Convention]:
    for own in PLAIN.values():
        for ratio in (None, *RATIOS):
            for mode in _MODES:
                for aligned, least in itertools.product((None, True, False), _LEAST):
                    try:
                        yield resolve(
                            own,
                            own.operator,
                            sampling_ratio=ratio,
                            mode=mode,
                            aligned=aligned,
                            min_size=least,
                        )
                    except ArgumentError:  # the option does not apply to this convention
                        continue
        if own.border == "extrapolate":
            yield dataclasses.replace(own, interpolation="nearest")


def leniently(request: Request) -> Request:
    """The request, with reversed boxes let through: they may be in another format than they say."""
    if request.on_bad_box != "error":
        return request
    return dataclasses.replace(request, on_bad_box="keep")


def given_reading(job: Job) -> Reading:
    """What the files and options say that the boxes' numbers are."""
    return Reading(job.table.box_format, job.request.normalized, job.request.inclusive)


def reread(job: Job, reading: Reading, scale: float | None) -> Job:
    """The boxes read in that way; scale: cells per pixel, None for what file or options say."""
    request = dataclasses.replace(
        job.request,
        box_format=reading.box_format,
        normalized=reading.normalized,
        inclusive=reading.inclusive,
    )
    if scale is not None:
        request = dataclasses.replace(request, spatial_scale=scale, scale_origin="tried")
    return job.reread(request)


def moved(job: Job, by: NDArray[np.float64]) -> Job:
    """The job with the corners x1, y1, x2, y2 of all boxes moved by so many cells, (4,)."""
    return job.moved_to(job.corners + by / job.cells_per_pixel[:, [1, 0, 1, 0]])


def stacked(jobs: Sequence[Job]) -> Job:
    """The boxes of several jobs at one scale as one job, those of the first job first."""
    rows = np.tile(np.arange(len(jobs[0])), len(jobs))
    return jobs[0].take(rows).moved_to(np.concatenate([job.corners for job in jobs]))
