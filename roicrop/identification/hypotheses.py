"""Possible origins of a tensor: rules, a reading of the boxes, a scale, and a layout."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

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
    """One computation, with all its names.

    conventions: those that need the fewest options first, then the best known. A mode does not
        count as an option, nor does a sampling ratio if the framework's own is adaptive.
    """

    conventions: tuple[Convention, ...]

    @property
    def convention(self) -> Convention:
        """The convention whose name stands for the rules."""
        return self.conventions[0]

    @property
    def is_plain(self) -> bool:
        """True if the name needs no option."""
        return not convention_options(self.convention)

    @property
    def is_nobodys(self) -> bool:
        """True if the name needs an option that no framework has."""
        own = {"--mode"} if self.convention.kind == "cell" else {"--min-size"}
        return not own.isdisjoint(convention_options(self.convention))

    @property
    def simplicity(self) -> tuple[int, int, int]:
        """Sort key: the simplest first, then the best known.

        An option that no framework has counts three times.
        """
        unusual, fame, options = _simplicity(self.convention)
        return unusual + 2 * self.is_nobodys, fame, options

    @property
    def named(self) -> list[Convention]:
        """The conventions that are as simple as the first, each name once."""
        least = _unusual(self.convention)
        simple = [row for row in self.conventions if _unusual(row) == least]
        return list({row.name: row for row in reversed(simple)}.values())[::-1]

    @property
    def names(self) -> list[str]:
        """The names that need the same options as the first."""
        same = convention_options(self.convention)
        return [row.name for row in self.named if convention_options(row) == same]


@dataclass(frozen=True, slots=True)
class Reading:
    """The meaning of a box's four numbers."""

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
        """The axes of box, channel, y and x."""
        channel, y, x = (3, 1, 2) if self.channels_last else (1, 2, 3)
        return (0, channel, x, y) if self.transposed else (0, channel, y, x)

    def __str__(self) -> str:
        names = [""] * 4
        for name, axis in zip(("K", "C", "PH", "PW"), self.axes, strict=True):
            names[axis] = name
        return f"({', '.join(names)})"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A way to make a tensor; scale: cells per pixel, None to keep the files' or options'."""

    rules: Rules
    reading: Reading
    scale: float | None
    layout: Layout

    def cost(self, given: Reading, channels_last: bool) -> tuple[int, int, int]:
        """Sort key: the distance from files and options as given, and from a plain convention.

        At equal distance, the best known first.
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
    """Every meaning that four numbers can have, starting with the one that was declared."""
    pixels = [Reading(each) for each in BOX_FORMATS]
    fractions = [Reading(each, normalized=True) for each in BOX_FORMATS]
    inclusive = [Reading(each, inclusive=True) for each in BOX_FORMATS if each in _TWO_CORNERS]
    return list(dict.fromkeys([given, *pixels, *fractions, *inclusive]))


_TWO_CORNERS: Final = ("xyxy", "yxyx")  # in other formats the second half is a size


@functools.cache
def all_rules() -> tuple[Rules, ...]:
    """Every convention under every option, merging those that compute the same."""
    same: dict[str, list[Convention]] = {}
    for row in _rows():
        rows = same.setdefault(repr(effective(row)), [])
        if row not in rows:
            rows.append(row)
    return tuple(Rules(tuple(sorted(rows, key=_simplicity))) for rows in same.values())


def _simplicity(row: Convention) -> tuple[int, int, int]:
    return _unusual(row), _FAME[row.name], len(convention_options(row))


def _unusual(row: Convention) -> int:
    """How many options a row's name needs beyond those that people usually set."""
    usual = {"--mode"} if row.kind != "cell" else set()
    if PLAIN[row.name].sampling_ratio == "adaptive" and row.sampling_ratio != "exact":
        usual.add("--sampling-ratio")
    return len(convention_options(row).keys() - usual)


def _rows() -> Iterator[Convention]:
    names = ("sampling_ratio", "mode", "aligned", "min_size")
    values = itertools.product((None, *RATIOS), _MODES, (None, True, False), _LEAST)
    options: list[dict[str, Any]] = [dict(zip(names, each, strict=True)) for each in values]
    for own in PLAIN.values():
        for each in options:
            with suppress(ArgumentError):  # an option does not apply to this convention
                yield resolve(own, own.operator, **each)
        if own.border == "extrapolate":
            yield dataclasses.replace(own, interpolation="nearest")


def leniently(request: Request) -> Request:
    """The request with reversed boxes accepted: they may be in another format than declared."""
    if request.on_bad_box != "error":
        return request
    return dataclasses.replace(request, on_bad_box="keep")


def given_reading(job: Job) -> Reading:
    """The reading of the boxes that files and options declare."""
    return Reading(job.table.box_format, job.request.normalized, job.request.inclusive)


def reread(job: Job, reading: Reading, scale: float | None) -> Job:
    """The job with boxes read in another way; scale: cells per pixel, None to keep it."""
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
    """The job with the corners of all boxes moved; by: (4,) x1, y1, x2, y2 in cells."""
    return job.moved_to(job.corners + by / job.cells_per_pixel[:, [1, 0, 1, 0]])


def stacked(jobs: Sequence[Job]) -> Job:
    """The boxes of several jobs at one scale, joined in order as one job."""
    rows = np.tile(np.arange(len(jobs[0])), len(jobs))
    return jobs[0].take(rows).moved_to(np.concatenate([job.corners for job in jobs]))
