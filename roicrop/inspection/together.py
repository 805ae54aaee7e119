"""Whether boxes and feature maps fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roicrop.boxes import BoxTable, find_bad
from roicrop.errors import BoxError, FeatureError
from roicrop.features import FeatureSource
from roicrop.inspection.reports import Together
from roicrop.job import ImageAssignment, Job, assign_images, names_levels, placing_cautions

if TYPE_CHECKING:
    from roicrop.job import Request


def hold_together(spec: str, table: BoxTable, how: Request) -> Together:
    """Put boxes on the maps of `file.h5` or `file.h5::/path`, and see how they lie.

    `how` is what the command line says of files; which ones it names does not matter.
    """
    try:
        with how.open_features(spec) as source:
            if how.levels or not names_levels(table, source):
                return _look(spec, source, table, how)
        with how.open_features(spec, pyramids=False) as source:
            return _look(spec, source, table, how)
    except (FeatureError, BoxError) as error:
        return Together(spec, table.source.path, fits=False, problem=str(error))


def _look(spec: str, source: FeatureSource, table: BoxTable, how: Request) -> Together:
    assignment = assign_images(
        table, source, on_image=how.on_image, ids_are_indices=how.ids_are_indices
    )
    table = table.warned(assignment.warnings)
    job = _job(source, table, assignment, how)
    fit = job.fit()
    warned = placing_cautions(job, fit)
    placed = (assignment.index >= 0) & ~find_bad(job.corners).not_finite
    return Together(
        features=spec,
        boxes=table.source.path,
        fits=not (assignment.missing or any(caution.loud for caution in warned)),
        matched=assignment.how,
        images=source.images,
        images_with_boxes=job.images_read,
        missing=assignment.missing,
        on_no_image=int((assignment.index < 0).sum()),
        scales=tuple(
            {"stride": 1 / scale.value, "spatial_scale": scale.value, "origin": scale.origin}
            for scale in job.scales
        ),
        count=len(job),
        on_map=int(placed.sum()) - fit.partly,
        outside_partly=fit.partly - fit.wholly,
        outside_wholly=fit.wholly,
        beyond=fit.beyond,
        stride_that_fits=job.stride_that_fits(),
        warnings=tuple(caution.text for caution in warned),
    )


def _job(source: FeatureSource, table: BoxTable, assignment: ImageAssignment, how: Request) -> Job:
    return Job(
        how,
        source,
        table,
        assignment.index,
        is_pooled=assignment.index >= 0,
        matched=assignment.how,
        boxes_in_file=len(table),
        bad=int((assignment.index < 0).sum()),
    )
