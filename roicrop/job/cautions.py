"""Warnings about probable mistakes, from how boxes lie on their maps, and from the maps."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from roicrop.boxes import BOX_FORMATS, BoxFormat, BoxTable
from roicrop.errors import FeatureError
from roicrop.files.columns import in_blocks
from roicrop.job.fitting import Fit
from roicrop.job.frames import distinct_images
from roicrop.job.image_sizes import against_sizes
from roicrop.job.job import Job
from roicrop.text import many

_FEW: Final = 4  # boxes: so few may well lie in one corner
_TURN: Final = 2 * math.pi + 1e-3  # radians
_FRACTION: Final = 1.0  # from the middle: predicted boxes may end a little outside their image
_CORNER: Final = 4  # times smaller than the map along both axes


@dataclass(frozen=True, slots=True)
class Caution:
    """A warning; loud: the result is probably not what was wanted."""

    text: str
    loud: bool = False


def cautions(job: Job, fit: Fit) -> list[Caution]:
    """All warnings about a job; fit: how its boxes lie."""
    return [*placing_cautions(job, fit), *_odd_maps(job)]


def reading_cautions(job: Job) -> list[Caution]:
    """The warnings that do not depend on where boxes lie."""
    return [*_read_boxes(job), *_odd_maps(job)]


def _read_boxes(job: Job) -> Iterator[Caution]:
    return (Caution(text, loud=True) for text in job.table.warnings)


def _odd_maps(job: Job) -> Iterator[Caution]:
    return map(Caution, job.source.odd(distinct_images(job.map_index, job.is_pooled).tolist()))


def placing_cautions(job: Job, fit: Fit) -> list[Caution]:
    """The warnings about how boxes lie on their maps.

    The checks exclude each other: the first that finds something is reported. Sizes of images are
    stronger evidence than the positions of boxes.
    """
    said = [*_read_boxes(job)]
    said += filter(None, (_in_another_unit(job), _in_percent(job)))
    if sizes := against_sizes(job):
        said.append(Caution(sizes, loud=True))
    for check in _CHECKS[:-2] if sizes else _CHECKS:
        found = check(job, fit)
        if found is not None:
            return [*said, found]
    return said


def require_scale(job: Job) -> None:
    """Raise FeatureError if no scale is given and boxes then lie off their maps."""
    fit = job.fit()
    if not job.scale_matters or not _unsaid(job) or not (fit.wholly or _many(job, fit)):
        return
    lie = "lies" if fit.wholly == 1 else "lie"
    where = f"{fit.wholly} of {many(len(job), 'box', 'boxes')} {lie} wholly outside their map"
    stride = job.stride_that_fits()
    remedy = f"--stride {stride} would fit them; " if stride else ""
    raise FeatureError(
        f"{job.source.name} has no stride and none was given; if a cell is a pixel, "
        f"{where if fit.wholly else _where(job, fit)}: {remedy}give --stride 1 if it is meant"
    )


def _none_chosen(job: Job, _: Fit) -> Caution | None:
    if job.boxes_in_file and not len(job) and job.request.leaves_out:
        return Caution(f"none of the {job.boxes_in_file:,} boxes was chosen", loud=True)
    return None


def _in_first_pixel(job: Job, _: Fit) -> Caution | None:
    if job.request.normalized or not job.is_pooled.any():
        return None
    for some in in_blocks(len(job)):
        corners = job.hulls_of(some)[job.is_pooled[some]]
        if np.abs(corners - 0.5).max(initial=0) > _FRACTION:
            return None
    text = "every box lies in or about the first pixel of its image"
    return Caution(f"{text}: if these are fractions of it, give --normalized", loud=True)


def _outside_at_any_scale(job: Job, fit: Fit) -> Caution | None:
    if job.scale_matters or not _many(job, fit):
        return None
    given = job.request.normalized and job.request.image_size is not None
    remedy = "fix them" if given else "fix them, or --normalized and --image-size"
    return Caution(f"{_where(job, fit)}: {remedy}", loud=True)


def _some_without_stride(job: Job, _: Fit) -> Caution | None:
    if not job.scale_matters or not _unsaid(job):
        return None
    if all(scale.origin == "default" for scale in job.scales):
        return None
    images = distinct_images(job.map_index).tolist()
    without = [job.source.dataset_of(i) for i in images if job.scale(i).origin == "default"]
    more = f" and {len(without) - 1:,} more" if len(without) > 1 else ""
    return Caution(
        f"{job.source.path}::{without[0]}{more} {'have' if more else 'has'} no stride, unlike "
        "others, so a cell is taken to be a pixel: set the attribute, or give --stride",
        loud=True,
    )


def _outside_at_this_scale(job: Job, fit: Fit) -> Caution | None:
    unsaid = _unsaid(job)
    if not job.scale_matters or not (_many(job, fit) or (fit.beyond and unsaid)):
        return None
    stride = job.stride_that_fits()
    remedy = f"--stride {stride} would fit them" if stride else "no stride would fit them"
    taken = ", ".join(f"{scale.value:g} ({scale.origin})" for scale in job.scales[:3])
    why = "no stride was given and scale 1 was used" if unsaid else f"at scale {taken}"
    return Caution(f"{why}: {_where(job, fit)}; {remedy}", loud=True)


def _in_another_order(job: Job, _: Fit) -> Caution | None:
    """Boxes that would lie on their maps if their numbers were in another order."""

    def count_wrong(box_format: BoxFormat) -> int:
        other = job
        if box_format != job.table.box_format:
            other = job.reread(dataclasses.replace(job.request, box_format=box_format))
        return max(other.fit().beyond, other.count_reversed())

    if 2 * count_wrong(job.table.box_format) <= len(job):
        return None
    instead = [order for order in other_orders(job.table) if not count_wrong(order)]
    if not instead:
        return None
    return Caution(
        f"at this stride, most boxes are reversed or outside their map, but not if read as "
        f"{' or '.join(instead)}: give --box-format {instead[0]}",
        loud=True,
    )


def other_orders(table: BoxTable) -> list[BoxFormat]:
    """Other possible formats of a table; a header with x1, y1, x2, y2 rules out y before x."""
    if table.angle is not None:
        return []
    orders = BOX_FORMATS[:3] if table.box_format_origin == "header" else BOX_FORMATS
    return [order for order in orders if order != table.box_format]


def _in_another_unit(job: Job) -> Caution | None:
    """Angles whose range fits the other unit."""
    angle = job.table.angle
    if angle is None or job.request.angle_is_said or not np.any(known := angle[np.isfinite(angle)]):
        return None
    most, unit = float(np.abs(known).max()), job.convention.angle
    if (most <= _TURN) == (unit == "radians"):
        return None
    other = "radians" if unit == "degrees" else "degrees"
    return Caution(
        f"angles are between {known.min():.4g} and {known.max():.4g}, and {job.convention.name} "
        f"takes {unit}: if these are {other}, give --angle {other}; if not, --angle {unit} "
        "silences this",
        loud=True,
    )


def _in_percent(job: Job) -> Caution | None:
    """Scores that cannot be probabilities, with a threshold that looks like one."""
    least, scores = job.request.min_score, job.table.score
    if least is None or scores is None or not 0 < least < 1 or not np.any(scores > 1):
        return None
    text = f"scores reach {np.nanmax(scores):g}: if these are in percent"
    return Caution(f"{text}, --min-score {100 * least:g} is meant, not {least:g}", loud=True)


def _in_a_corner(job: Job, _: Fit) -> Caution | None:
    fitting = job.stride_that_fits()
    least = min((1 / scale.value for scale in job.scales), default=0.0)
    if job.request.normalized or fitting is None or len(job) < _FEW or least < _CORNER * fitting:
        return None
    return Caution(
        f"every box lies in the first {100 * fitting / least:.0f} % of its map along both "
        f"axes: --stride {fitting} would fit as well",
        loud=True,
    )


def _without_stride(job: Job, _: Fit) -> Caution | None:
    if not job.scale_matters or not _unsaid(job):
        return None
    text = "no stride was given and the file has none, so a cell is taken to be a pixel"
    return Caution(f"{text}: give --stride 1 if it is")


_CHECKS: Final[tuple[Callable[[Job, Fit], Caution | None], ...]] = (
    _none_chosen,
    _in_first_pixel,
    _outside_at_any_scale,
    _some_without_stride,
    _in_another_order,
    _outside_at_this_scale,
    _in_a_corner,
    _without_stride,
)


def _where(job: Job, fit: Fit) -> str:
    extend = "extends" if fit.beyond == 1 else "extend"
    return f"{fit.beyond} of {many(len(job), 'box', 'boxes')} {extend} outside their map"


def _many(job: Job, fit: Fit) -> bool:
    return 2 * fit.beyond > len(job)


def _unsaid(job: Job) -> bool:
    """True if neither the file nor an option gives some image's scale."""
    return any(scale.origin == "default" for scale in job.scales)
