"""What kind of file each one is, and which boxes belong to which features."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import h5py

from roicrop.boxes import BOX_SUFFIXES, BoxTable, find_bad
from roicrop.errors import BoxError, FeatureError, RoicropError
from roicrop.features import FeatureSource
from roicrop.files import HDF5_SUFFIXES, numpy_kind, what_it_is
from roicrop.files.npy import Archive
from roicrop.inspection.boxes import look_at_boxes
from roicrop.inspection.made import look_at_pooled
from roicrop.inspection.reports import BoxFile, FeatureFile, ModelFile, PooledFile, Together
from roicrop.job import ImageAssignment, Job, assign_images, names_levels, placing_cautions
from roicrop.models import is_model

if TYPE_CHECKING:
    from roicrop.job import Request


_T = TypeVar("_T")
_MOST_BINS: Final = 14  # along an axis: maps are rarely this small


@dataclass(frozen=True, eq=False, slots=True)
class Looked:
    """The report on a file; table: its boxes, if it holds boxes."""

    report: FeatureFile | PooledFile | BoxFile | ModelFile
    table: BoxTable | None = None

    @property
    def unreadable(self) -> list[str]:
        """Why parts of the file cannot be read, a line each."""
        return self.report.unreadable if isinstance(self.report, FeatureFile) else []


def look_at(path: str, how: Request) -> Looked:
    """Report on a file of features, pooled boxes or boxes ("-" is standard input), or a model.

    path: may be `file.h5::/path`.
    how: the command line's options for reading files; the files that it names are ignored.

    Raises FeatureError, BoxError or OSError if it cannot be read, ArgumentError if `how` is wrong.
    """
    if is_model(path):
        from roicrop.inspection.made import look_at_model

        return Looked(look_at_model(path))
    kind = _kind(path)
    if kind == "arrays":
        from roicrop.inspection.maps import look_at_maps

        may_be_pooled = Path(path).exists() and (not numpy_kind(path) or _is_pooled(path))
        pooled = look_at_pooled(path, allow_external=how.allow_external) if may_be_pooled else None
        return Looked(pooled or look_at_maps(path, how))
    if kind is None and how.boxes_format is None:
        neither = "is neither HDF5 nor boxes: if it holds boxes, name their format: --boxes-format"
        raise FeatureError(f"{path} {what_it_is(path) or neither}")
    table = how.read_boxes(path)
    return Looked(look_at_boxes(table, how), table)


def here(function: Callable[..., _T], *arguments: Any) -> _T:
    """Call the function: as `contained`, but in this process."""
    return function(*arguments)


def look_together(
    looked: Sequence[Looked], how: Request, run: Callable[..., Together] = here
) -> Iterator[Together]:
    """Check whether boxes fit features.

    Boxes belong to the features whose file has the same name except for the suffix; if there are
    none, to all features. run: `here` or `contained`.
    """
    for spec, table in _pairs(looked):
        from roicrop.inspection.files import hold_together  # imports h5py: only for pairs

        yield run(hold_together, spec, table, how)


def _pairs(looked: Sequence[Looked]) -> Iterator[tuple[str, BoxTable]]:
    features = [one.report for one in looked if isinstance(one.report, FeatureFile)]
    for table in (one.table for one in looked if one.table is not None):
        namesakes = [file for file in features if _stem(file.path) == _stem(table.source.path)]
        for file in namesakes or features:
            for source in file.sources:
                yield source, table


def _stem(path: str) -> str:
    return PurePath(path.partition("::")[0]).stem


def _kind(path: str) -> Literal["arrays", "boxes"] | None:
    """What a file holds, by its contents or else its name; None if unknown."""
    place = Path(path)
    if path == "-":
        return "boxes"
    if place.is_dir():
        raise FeatureError(f"{path} is a directory: name the files in it")
    if not place.exists():
        if "::" in path:
            return "arrays"
        raise FeatureError(f"{path} does not exist")
    if place.suffix.lower() in HDF5_SUFFIXES or numpy_kind(path) or h5py.is_hdf5(path):
        return "arrays"
    inner = place.with_suffix("") if place.suffix.lower() == ".gz" else place
    return "boxes" if inner.suffix.lower() in BOX_SUFFIXES else None


def _is_pooled(path: str) -> bool:
    """True if a NumPy file holds pooled boxes: roicrop's own, or a square of few bins.

    Raises FeatureError if it is damaged.
    """
    with Archive(path) as file:
        arrays = {name.strip("/"): array for name, array in file.walk()}
    if numpy_kind(path) == "npz":
        return {"pooled", "attributes"} <= {*arrays}
    (array,) = arrays.values()
    sides = ({*array.shape[2:]}, {*array.shape[1:3]})
    square = any(len(side) == 1 and max(side) <= _MOST_BINS for side in sides)
    return array.ndim == 4 and array.dtype.kind == "f" and square


def hold_together(spec: str, table: BoxTable, how: Request) -> Together:
    """Put boxes on the maps of `file.h5` or `file.h5::/path`, and report how they lie.

    how: the command line's options for reading files; the files that it names are ignored.
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


SECONDS: Final = 60  # that a file may take


def contained(function: Callable[..., _T], path: str, *more: Any) -> _T:
    """Call `function(path, *more)` in a separate process; returns or raises what it does.

    Raises FeatureError if the process dies, or is not done after SECONDS.
    """
    context = multiprocessing.get_context("spawn")  # HDF5 and threads do not survive a fork
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(send, function, path, *more), daemon=True)
    with _without_ctrl_c():
        process.start()
    send.close()
    try:
        if not receive.poll(SECONDS):
            raise FeatureError(
                f"{path} took more than {SECONDS} s to read: it is damaged in a way that keeps "
                "HDF5 busy, or very large; the other files were read"
            )
        done, answer = receive.recv()
    except EOFError:
        process.join()
        raise FeatureError(
            f"{path} is damaged: the process that read it died ({_death(process.exitcode)})"
        ) from None
    finally:
        process.kill()
        process.join()
        receive.close()
    if not done:
        raise answer
    return answer  # type: ignore[no-any-return]


def _answer(send: Connection, function: Callable[..., Any], *args: Any) -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(SECONDS + 10)  # in case the parent is gone
    try:
        send.send((True, function(*args)))
    except (RoicropError, OSError, MemoryError) as error:
        send.send((False, error))


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C in processes started inside, to which a terminal sends it too."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _death(status: int | None) -> str:
    try:
        return signal.Signals(-(status or 0)).name
    except ValueError:
        return f"status {status}"
