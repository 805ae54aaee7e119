"""What the commands share: boxes put on their maps, and pooled image by image.

    Request ──open_job──▶ Job ──by_image──▶ OnMap ──pool──▶ pooled rows

A job knows which boxes there are and where each lies. It reads one map ahead of the one in use, and
never a map that no box is on.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from roicrop import __version__
from roicrop.boxes import BoxTable, ImageAssignment, assign_images
from roicrop.errors import BoxError, OutputError
from roicrop.features import open_features
from roicrop.job.job import Job
from roicrop.job.on_map import Features, Rows
from roicrop.job.parameters import parameters, varying_scales
from roicrop.job.request import Request
from roicrop.outputs import OutputSpec, Writer, open_output
from roicrop.text import printable


def open_job(request: Request) -> Job:
    """Open the features, read the boxes, choose among them and find each one's map.

    Raises FeatureError, BoxError (which names bad boxes, unless the request says what to do with
    them) and ArgumentError.
    """
    with ExitStack() as undo:
        source = undo.enter_context(
            open_features(
                request.features,
                layout=request.layout,
                spatial_scale=request.spatial_scale,
                input_scale=request.input_scale,
                origin=request.scale_origin,
                allow_external=request.allow_external,
            )
        )
        everything = _read_boxes(request, len(source))
        table = everything.select(
            min_score=request.min_score, labels=request.labels or None, top_k=request.top_k
        )
        assignment = assign_images(
            table,
            names=source.names,
            count=len(source),
            kind=source.kind,
            path=source.name,
            on_image=request.on_image,
            ids_are_indices=request.ids_are_indices,
        )
        table = table.warned(assignment.warnings)
        bad = _find_bad(request, table, assignment)
        image_index = assignment.index
        pooled = ~bad
        if request.on_bad_box == "drop":
            table, image_index, pooled = table.take(pooled), image_index[pooled], pooled[pooled]
        job = Job(
            request,
            source,
            table,
            image_index,
            pooled,
            assignment.how,
            len(everything),
            int(bad.sum()),
        )
        undo.pop_all()
        return job


@dataclass(frozen=True, slots=True)
class Cropped:
    """What `crop` wrote.

    shape: (K, C, PH, PW), or (K, PH, PW, C) for channels last.
    non_finite: how many of the values are NaN or infinite.
    """

    path: str
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    non_finite: int


def crop(
    job: Job,
    path: str,
    *,
    dtype: DTypeLike | None = None,
    compression: str = "none",
    overwrite: bool = False,
    progress: Callable[[int], object] = lambda boxes: None,
    finish: Callable[[], object] = lambda: None,
) -> Cropped:
    """Pool every box of a job into a file, row k for box k.

    dtype: of the output; None is that of the maps. compression, overwrite: as in `open_output`.
    progress: called with the number of boxes that have been pooled since it was called last.
    finish: called when all are pooled, before the file appears; if it raises, none does.

    One buffer of rows is written while the next is filled, so two of them are in memory, at most.
    Raises OutputError, and BoxError for a box that the convention refuses.
    """
    spec = OutputSpec(
        shape=job.pooled_shape,
        dtype=np.dtype(dtype or job.source.dtype),
        channels_last=job.source.channels_last,
        compression=compression,
    )
    _require_room(path, spec)
    with (
        open_output(
            path,
            spec,
            columns=_columns(job),
            attributes={"roicrop_version": __version__, **parameters(job)},
            overwrite=overwrite,
            inputs=job.input_files,
        ) as output,
        _Writing(output, spec, job.source.dtype) as writing,
    ):
        for on_map in job.by_image():
            for chunk, room in writing.rooms(on_map.rows):
                on_map.take(chunk).pool(out=room)
                progress(len(chunk))
        finish()
    return Cropped(path, spec.shape, spec.dtype, writing.non_finite)


def _require_room(path: str, spec: OutputSpec) -> None:
    """OutputError if the tensor, however well it is compressed, is more than the disk has left."""
    try:
        free = shutil.disk_usage(Path(path).parent).free
    except OSError:
        return  # what is wrong with the directory is for `open_output` to say
    size = math.prod(spec.shape) * spec.dtype.itemsize
    least = size if spec.compression == "none" else size // _BEST_COMPRESSION
    if least > free:
        shape = "×".join(map(str, spec.shape))
        raise OutputError(
            f"{path}: {shape} {spec.dtype} take {size:,} bytes, and {free:,} are free there: "
            "make room, write elsewhere, or choose fewer boxes or bins"
        )


class _Writing:
    """Writes pooled rows on a thread of its own, from two buffers that take turns.

    non_finite: how many values are NaN or infinite; known when the block ends.
    """

    def __init__(self, output: Writer, spec: OutputSpec, dtype: np.dtype[Any]) -> None:
        row = spec.shape[1:]
        row_bytes = int(np.prod(row)) * dtype.itemsize
        self._most = max(1, min(_BUFFER_BYTES // row_bytes, spec.shape[0]))
        self._output, self._dtype = output, spec.dtype
        self._free = deque(np.empty((self._most, *row), dtype) for _ in range(2))
        self._filled: list[Rows] = []
        self._writes: deque[tuple[Future[int], Features]] = deque()
        self._thread = ThreadPoolExecutor(1, "roicrop-write")
        self.non_finite = 0

    def __enter__(self) -> _Writing:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._write()
        self._thread.shutdown(wait=True, cancel_futures=error is not None)
        while error is None and self._writes:
            self._await_write()

    def rooms(self, rows: Rows) -> Iterator[tuple[Rows, Features]]:
        """Parts of some rows, and where the caller is to put each, until all have had their place.

        Rows of one image stay together, as far as a buffer holds them.
        """
        while len(rows):
            used = sum(map(len, self._filled))
            if used and used + len(rows) > self._most:
                self._write()
                used = 0
            if not self._free:
                self._await_write()
            part, rows = rows[: self._most], rows[self._most :]
            yield part, self._free[0][used : used + len(part)]
            self._filled.append(part)

    def _write(self) -> None:
        """Start to write what the present buffer holds."""
        if self._filled:
            rows, buffer = np.concatenate(self._filled), self._free.popleft()
            self._filled = []
            self._writes.append((self._thread.submit(self._put, rows, buffer), buffer))

    def _put(self, rows: Rows, buffer: Features) -> int:
        with np.errstate(over="ignore"):  # too large for a smaller type is infinity, and counted
            values = buffer[: len(rows)].astype(self._dtype, copy=False)
        falls = (np.flatnonzero(np.diff(rows) < 0) + 1).tolist()
        for start, end in zip([0, *falls], [*falls, len(rows)], strict=True):
            self._output.write(rows[start:end], values[start:end])
        return _non_finite(values)

    def _await_write(self) -> None:
        write, buffer = self._writes.popleft()
        self.non_finite += write.result()
        self._free.append(buffer)


def _non_finite(values: Features) -> int:
    """How many values are NaN or infinite; one pass over them if all are finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = values.sum(dtype=np.result_type(values, np.float32))
    return 0 if np.isfinite(total) else int(values.size - np.isfinite(values).sum())


def _columns(job: Job) -> dict[str, NDArray[Any]]:
    """What stands beside the pooled rows: where each came from, and the table's own columns."""
    table, names = job.table, job.source.names
    columns: dict[str, NDArray[Any] | None] = {
        "boxes": job.corners,
        "image_index": job.image_index,
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
    """The table; where nothing says the order of coordinates, it is the convention's own."""
    table = request.read_boxes(request.boxes, count)
    if table.box_format_origin == "default" and request.convention.order != table.box_format:
        return dataclasses.replace(table, box_format=request.convention.order)
    return table


def _find_bad(request: Request, table: BoxTable, assignment: ImageAssignment) -> NDArray[np.bool_]:
    """(K,) the boxes that cannot be pooled as they are; BoxError names those nobody allowed."""
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
    raise BoxError(f"{'; '.join(named)}: mend them, or choose --on-bad-box {ways}")


_BUFFER_BYTES: Final = 8 << 20  # of pooled rows; more would leave the processor's cache
_BEST_COMPRESSION: Final = 1000  # deflate gives no more
_NAMED: Final = 5  # bad boxes that an error names
