"""What the commands share: boxes put on their maps, and pooled image by image.

    Request ──open_job──▶ Job ──by_map──▶ OnMap ──pool──▶ pooled rows

A job knows which boxes there are and where each lies. A map without boxes is never read.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from roicrop import __version__
from roicrop.boxes import BoxTable
from roicrop.conventions import overrides
from roicrop.errors import ArgumentError, BoxError, OutputError
from roicrop.features import FeatureSource
from roicrop.files import Unchanged, split_spec
from roicrop.files.columns import values_of
from roicrop.job.assign import ImageAssignment, assign_images
from roicrop.job.cautions import Caution, cautions
from roicrop.job.job import Job
from roicrop.job.levels import levels_given
from roicrop.job.parameters import parameters, varying_scales
from roicrop.job.pooling import pool_all
from roicrop.job.request import Request
from roicrop.job.writing import Reduce
from roicrop.outputs import Column, OutputSpec, open_output
from roicrop.text import printable


def open_job(request: Request) -> Job:
    """Open the features, read the boxes, choose among them and find each one's map.

    Raises FeatureError, BoxError (which names bad boxes, unless the request says what to do with
    them) and ArgumentError.
    """
    with ExitStack() as undo:
        source = undo.enter_context(request.open_features(request.features))
        inputs = [split_spec(request.boxes)[0], *filter(None, [request.images])]
        if request.given is not None:
            inputs = inputs[1:]
        before = Unchanged(inputs)
        everything = _read_boxes(request, source.images)
        before.check()
        request = request.of_boxes(everything)
        if not request.levels and names_levels(everything, source):
            source.close()
            source = undo.enter_context(request.open_features(request.features, pyramids=False))
        source.watched.add([*inputs, *everything.source.files])
        if source.level_names is None or request.level_column is not None:
            _refuse_level_options(request, is_pyramid=source.level_names is not None)
        table = everything.select(
            min_score=request.min_score, labels=request.labels or None, top_k=request.top_k
        )
        assignment = assign_images(
            table, source, on_image=request.on_image, ids_are_indices=request.ids_are_indices
        )
        table = table.warned(assignment.warnings)
        bad = _find_bad(request, table, assignment)
        image_index = assignment.index
        pooled = ~bad
        if request.on_bad_box == "drop":
            table, image_index, pooled = table.take(pooled), image_index[pooled], pooled[pooled]
        job = Job(
            request=request,
            source=source,
            table=table,
            image_index=image_index,
            is_pooled=pooled,
            matched=assignment.how,
            boxes_in_file=len(everything),
            bad=int(bad.sum()),
            given_level=levels_given(table, source.level_names) if source.level_names else None,
        )
        undo.pop_all()
        return job


def names_levels(table: BoxTable, source: FeatureSource) -> bool:
    """Whether boxes name, as their images, the datasets that looked like levels."""
    names = set(source.level_names or ())
    images = values_of(table.image) if names and table.image is not None else ()
    return any(str(image) in names for image in images)


def _refuse_level_options(request: Request, *, is_pyramid: bool) -> None:
    """ArgumentError for a level option if there are no levels, or boxes name their own."""
    why = f"is for a pyramid, and {request.features} is not one"
    remedy = "leave it out, or name its levels with --levels"
    if is_pyramid:
        why, remedy = "says how to choose what --level-column gives", "leave one out"
    given = {
        "--level-rule": "level_rule" in overrides(request.convention),
        "--canonical-size": request.canonical_size is not None,
        "--canonical-level": request.canonical_level is not None,
        "--level-column": request.level_column is not None and not is_pyramid,
    }
    for name in (name for name, is_given in given.items() if is_given):
        raise ArgumentError(f"{name} {why}: {remedy}")


@dataclass(frozen=True, slots=True)
class Cropped:
    """What `crop` wrote.

    shape: (K, C, PH, PW), or (K, PH, PW, C) for channels last; (K, C) if reduced.
    non_finite: the number of values that are NaN or infinite.
    cautions: the warnings.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    non_finite: int
    cautions: Sequence[Caution]


def crop(
    job: Job,
    path: str,
    *,
    dtype: DTypeLike | None = None,
    compression: str = "none",
    reduce: Reduce | None = None,
    overwrite: bool = False,
    retried: bool = False,
    progress: Callable[[int], object] = lambda boxes: None,
    finish: Callable[[], object] = lambda: None,
) -> Cropped:
    """Pool every box of a job into a file, row k for box k.

    dtype: of the output; None is the maps'. compression, overwrite, retried: as in
        `open_output`.
    reduce: how the bins of each box become a vector of its channels; None keeps the bins.
    progress: called with the number of boxes pooled since the last call.
    finish: called when all are pooled, before the file appears; if it raises, no file appears.

    Raises OutputError, FeatureError, ArgumentError, and BoxError for a box that the convention
    refuses or that takes too much memory.
    """
    shape = job.pooled_shape
    spec = OutputSpec(
        shape=shape if reduce is None else (len(job), shape[3 if job.source.channels_last else 1]),
        dtype=np.dtype(dtype or job.source.dtype),
        channels_last=job.source.channels_last,
        compression=compression,
    )
    _require_room(path, spec)
    with open_output(
        path,
        spec,
        columns=_columns(job),
        attributes={"roicrop_version": __version__, **parameters(job), "reduce": reduce},
        overwrite=overwrite,
        inputs=job.input_files,
        retried=retried,
    ) as output:
        non_finite = pool_all(job, output, spec.dtype, progress, reduce)
        finish()
        warned = cautions(
            job, job.fit()
        )  # a file too damaged for warnings is an error, and leaves no output
        job.source.watched.check()
    return Cropped(path, spec.shape, spec.dtype, non_finite, warned)


def _require_room(path: str, spec: OutputSpec) -> None:
    """OutputError if the tensor, however well compressed, cannot fit on the disk."""
    try:
        free = shutil.disk_usage(Path(path).parent).free
    except OSError:
        return  # `open_output` reports what is wrong with the directory
    size = math.prod(spec.shape) * spec.dtype.itemsize
    least = size if spec.compression == "none" else size // _BEST_COMPRESSION
    if least > free:
        shape = "×".join(map(str, spec.shape))
        raise OutputError(
            f"{path}: {shape} {spec.dtype} takes {size:,} bytes, and {free:,} are free there: "
            "make room, write elsewhere, or choose fewer boxes or bins"
        )


def _columns(job: Job) -> dict[str, Column]:
    """The columns beside the pooled rows: where each came from, and the table's own."""
    table, source, names = job.table, job.source, job.source.names
    columns: dict[str, Column | None] = {
        "boxes": job.corners,
        "image_index": job.image_index,
        "angle": table.angle,
        "level": job.level if source.level_names else None,
        "source_index": table.source_index if job.leaves_out else None,
        "image": table.image,
        "id": table.id,
        "score": table.score,
        "label": table.label,
        "image_names": None if names is None else np.array(names, object),
        **varying_scales(job),
    }
    return {name: column for name, column in columns.items() if column is not None}


def _read_boxes(request: Request, count: int) -> BoxTable:
    """The table; coordinates are in the convention's order unless the file or an option says."""
    table = request.read_boxes(request.boxes, count)
    if table.box_format_origin == "default" and request.convention.order != table.box_format:
        return dataclasses.replace(table, box_format=request.convention.order)
    return table


def _find_bad(request: Request, table: BoxTable, assignment: ImageAssignment) -> NDArray[np.bool_]:
    """Mask (K,) of boxes that cannot be pooled; BoxError names them unless they are allowed."""
    by_corners = table.find_bad(inclusive=request.inclusive)
    nowhere = assignment.index < 0
    bad = nowhere | by_corners.not_finite
    if request.on_bad_box != "keep":
        bad |= by_corners.reversed
    if not bad.any() or request.on_bad_box in ("zero", "drop"):
        return bad
    named = []
    for row in np.flatnonzero(bad)[:_NAMED].tolist():
        reason = by_corners.reason(row)
        if nowhere[row] and table.image is not None and row not in by_corners.faults:
            image = table.image[row]
            reason = f"no image {printable(image)}: {assignment.missing[str(image)]}"
        named.append(f"{table.where(int(table.source_index[row]))}: {reason}")
    more = int(bad.sum()) - len(named)
    if more:
        named.append(f"and {more} more")
    only_reversed = not (nowhere | by_corners.not_finite).any()
    ways = "keep, zero or drop" if only_reversed else "zero or drop"
    raise BoxError(f"{'; '.join(named)}: fix them, or choose --on-bad-box {ways}")


_BEST_COMPRESSION: Final = 1000  # deflate never achieves more
_NAMED: Final = 5  # bad boxes that an error names
