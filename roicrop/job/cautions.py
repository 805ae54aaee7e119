"""What a user may not have meant, from how boxes lie on their maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from roicrop.job.fitting import Fit
from roicrop.job.frames import distinct_images
from roicrop.job.job import Job


@dataclass(frozen=True, slots=True)
class Caution:
    """A warning; a `loud` one says that the result is most likely not what was wanted."""

    text: str
    loud: bool = False


def cautions(job: Job, fit: Fit) -> list[Caution]:
    """What there is to warn of; `fit` is how the job's boxes lie.

    The checks exclude each other: the first that finds something speaks.
    """
    said = [Caution(text, loud=True) for text in job.table.warnings]
    for check in _CHECKS:
        found = check(job, fit)
        if found is not None:
            return [*said, found]
    return said


def _none_chosen(job: Job, _: Fit) -> Caution | None:
    if job.boxes_in_file and not len(job) and job.request.leaves_out:
        return Caution(f"none of the {job.boxes_in_file:,} boxes was chosen", loud=True)
    return None


def _in_first_pixel(job: Job, _: Fit) -> Caution | None:
    corners = job.corners[job.is_pooled]
    if job.request.normalized or not corners.size or corners.min() < 0 or corners.max() > 1:
        return None
    text = "every box lies in the first pixel of its image"
    return Caution(f"{text}: if these are fractions of it, give --normalized", loud=True)


def _outside_at_any_scale(job: Job, fit: Fit) -> Caution | None:
    if job.scale_matters or not _many(job, fit):
        return None
    given = job.request.normalized and job.request.image_size is not None
    mend = "mend them" if given else "mend them, or --normalized and --image-size"
    return Caution(f"{_where(job, fit)}: {mend}", loud=True)


def _some_without_stride(job: Job, _: Fit) -> Caution | None:
    if not job.scale_matters or not _unsaid(job):
        return None
    if all(scale.origin == "default" for scale in job.scales):
        return None
    images = distinct_images(job.image_index).tolist()
    without = [job.source.dataset_of(i) for i in images if job.scale(i).origin == "default"]
    more = f" and {len(without) - 1:,} more" if len(without) > 1 else ""
    return Caution(
        f"{job.source.path}::{without[0]}{more} {'have' if more else 'has'} no stride, where "
        "others have, and a cell is taken to be a pixel: set the attribute, or give --stride",
        loud=True,
    )


def _outside_at_this_scale(job: Job, fit: Fit) -> Caution | None:
    unsaid = _unsaid(job)
    if not job.scale_matters or not (_many(job, fit) or (fit.beyond and unsaid)):
        return None
    stride = job.stride_that_fits()
    remedy = f"--stride {stride} would fit them" if stride else "no stride would fit them"
    taken = ", ".join(f"{scale.value:g} ({scale.origin})" for scale in job.scales[:3])
    why = "no stride was given and scale 1 was taken" if unsaid else f"at scale {taken}"
    return Caution(f"{why}: {_where(job, fit)}; {remedy}", loud=True)


def _without_stride(job: Job, _: Fit) -> Caution | None:
    if not job.scale_matters or not _unsaid(job):
        return None
    text = "no stride was given and the file has none, so a cell is taken to be a pixel"
    return Caution(f"{text}: --stride 1 says so")


_CHECKS: Final[tuple[Callable[[Job, Fit], Caution | None], ...]] = (
    _none_chosen,
    _in_first_pixel,
    _outside_at_any_scale,
    _some_without_stride,
    _outside_at_this_scale,
    _without_stride,
)


def _where(job: Job, fit: Fit) -> str:
    return f"{fit.beyond} of {len(job)} boxes reach outside their map"


def _many(job: Job, fit: Fit) -> bool:
    return 2 * fit.beyond > len(job)


def _unsaid(job: Job) -> bool:
    """Whether some image has a scale that neither its file nor an option says."""
    return any(scale.origin == "default" for scale in job.scales)
