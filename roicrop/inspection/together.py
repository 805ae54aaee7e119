"""Whether boxes and feature maps fit together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from roicrop.boxes import BoxTable, ImageAssignment, assign_images, find_bad
from roicrop.errors import BoxError, FeatureError
from roicrop.features import FeatureSource
from roicrop.inspection.boxes import formats_instead
from roicrop.inspection.maps import opened
from roicrop.inspection.reports import Together
from roicrop.job import Job, cautions, covers, stride_that_covers

if TYPE_CHECKING:
    from roicrop.job import Request

_FEW: Final = 4  # boxes, which may well lie in one corner
_CORNER: Final = 4  # times smaller than the map along both axes


def hold_together(spec: str, table: BoxTable, how: Request) -> Together:
    """Put boxes on the maps of `file.h5` or `file.h5::/path`, and see how they lie.

    `how` is what the command line says of files; which ones it names does not matter.
    """
    try:
        with opened(spec, how) as source:
            return _look(spec, source, table, how)
    except (FeatureError, BoxError) as error:
        return Together(spec, table.path, fits=False, problem=str(error))


def _look(spec: str, source: FeatureSource, table: BoxTable, how: Request) -> Together:
    assignment = assign_images(
        table,
        names=source.names,
        count=len(source),
        kind=source.kind,
        path=source.name,
        on_image=how.on_image,
        ids_are_indices=how.ids_are_indices,
    )
    table = table.warned(assignment.warnings)
    job = _job(source, table, assignment, how)
    fit = job.fit()
    warned = cautions(job, fit)
    placed = (assignment.index >= 0) & ~find_bad(job.corners).not_finite
    odd = (*_odd_formats(job, assignment, how), *_odd_strides(job))
    return Together(
        features=spec,
        boxes=table.path,
        fits=not (assignment.missing or odd or any(caution.loud for caution in warned)),
        matched=assignment.how,
        images=len(source),
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
        odd=odd,
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


def _odd_formats(job: Job, assignment: ImageAssignment, how: Request) -> Iterator[str]:
    """Boxes that would lie on their maps if their numbers meant something else."""

    def count_wrong(table: BoxTable) -> int:
        other = _job(job.source, table, assignment, how)
        return max(other.fit().beyond, int(find_bad(other.corners).reversed.sum()))

    if instead := formats_instead(job.table, count_wrong):
        yield (
            f"at this stride, most boxes are reversed or outside their map, and none would be as "
            f"{' or '.join(instead)}: --box-format {instead[0]}"
        )


def _odd_strides(job: Job) -> Iterator[str]:
    """Strides that put boxes on their maps, and yet are hardly meant."""
    if job.request.normalized:
        return
    if against := list(_against_sizes(job)):
        more = f"; likewise of {len(against) - 1:,} others" if len(against) > 1 else ""
        yield against[0] + more
    fitting = job.stride_that_fits()
    least = min((1 / scale.value for scale in job.scales), default=0.0)
    if fitting is not None and len(job) >= _FEW and least >= _CORNER * fitting and not against:
        yield (
            f"every box lies in the first {100 * fitting / least:.0f} % of its map along both "
            f"axes: --stride {fitting} would fit as well"
        )


def _against_sizes(job: Job) -> Iterator[str]:
    """Images whose size says another stride than the one that is taken."""
    for said, i, size in _image_sizes(job):
        cells, scale = job.source.map_size(i), job.scale(i)
        height, width = (
            n * factor for n, factor in zip(size, job.source.input_scale(i), strict=True)
        )
        meant = stride_that_covers((height, width), cells)
        if meant is not None and not covers(1 / scale.value, (height, width), cells):
            taken = "nothing says a stride"
            if scale.origin != "default":
                taken = f"{1 / scale.value:g} is taken ({scale.origin})"
            yield (
                f"{said} {size[0]}×{size[1]} pixels on a map of {cells[0]}×{cells[1]} cells, "
                f"which is stride {meant}, but {taken}"
            )


def _image_sizes(job: Job) -> Iterator[tuple[str, int, tuple[int, int]]]:
    """Images with boxes whose (H, W) in pixels is known: what says it, their index, and it."""
    if job.request.image_size is not None:
        for i in dict.fromkeys(job.image_index[job.is_pooled].tolist()):
            yield f"--image-size makes image {job.image_name(i)}", i, job.request.image_size
    elif job.table.coco is not None and job.table.image is not None:
        names = map(str, job.table.image.tolist())
        for name, i in dict(zip(names, job.image_index.tolist(), strict=True)).items():
            entry = job.table.coco.images.get(name)
            if i >= 0 and entry is not None and entry.height and entry.width:
                said = f"{job.table.coco.path} says that image {name} has"
                yield said, i, (entry.height, entry.width)
