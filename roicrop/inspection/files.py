"""What kind of file each one is, and which boxes belong to which features."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import h5py

from roicrop.boxes import BOX_SUFFIXES, BoxTable, find_bad
from roicrop.crews import Processes
from roicrop.errors import BoxError, FeatureError
from roicrop.features import FeatureSource, Found, MapFile
from roicrop.files import HDF5_SUFFIXES, numpy_kind, split_spec, what_it_is
from roicrop.inspection.boxes import BoxFile, look_at_boxes
from roicrop.inspection.made import (
    ModelFile,
    PooledFile,
    look_at_model,
    look_at_pooled,
    may_be_pooled,
)
from roicrop.inspection.maps import FeatureFile, look_at_maps
from roicrop.job import Job, assign_images, names_levels, placing_cautions
from roicrop.models import is_model

if TYPE_CHECKING:
    from roicrop.job import Request

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False, slots=True)
class Looked:
    """The report on a file.

    table: its boxes, if it holds boxes. walked: what a `MapFile` found in it, if it holds maps.
    """

    report: FeatureFile | PooledFile | BoxFile | ModelFile
    table: BoxTable | None = None
    walked: dict[str, list[Found]] = field(default_factory=dict)

    @property
    def unreadable(self) -> list[str]:
        """Why parts of the file cannot be read, a line each."""
        return self.report.unreadable if isinstance(self.report, FeatureFile) else []


@dataclass(frozen=True, slots=True)
class Together:
    """Whether K boxes fit feature maps.

    features, boxes: the arguments for a command.
    fits: True if none of the following speaks against it.
    problem: why boxes and maps cannot be matched; everything below is then empty.
    matched: how boxes are matched to images, in words.
    images, images_with_boxes: the number of images, and of those that have boxes.
    missing: images that boxes name but that do not exist: name → why.
    on_no_image: the number of boxes on missing images.
    scales: those used, each {"stride", "spatial_scale", "origin"}.
    count, on_map, outside_partly, outside_wholly: the number of boxes, and where they lie, except
        those that are not finite or on no image. beyond: of those outside, the number that extend
        more than a cell outside, which rounding cannot explain.
    stride_that_fits: the smallest power of two that puts every box on its map, if any.
    warnings: the commands' warnings about positions; for the maps, see `MapDataset.odd`.
    """

    features: str
    boxes: str
    fits: bool
    problem: str | None = None
    matched: str | None = None
    images: int = 0
    images_with_boxes: int = 0
    missing: Mapping[str, str] = field(default_factory=dict)
    on_no_image: int = 0
    scales: tuple[Mapping[str, object], ...] = ()
    count: int = 0
    on_map: int = 0
    outside_partly: int = 0
    outside_wholly: int = 0
    beyond: int = 0
    stride_that_fits: int | None = None
    warnings: tuple[str, ...] = ()


def look_at(path: str, how: Request, *, safe: bool = False) -> Looked:
    """Report on a file of features, pooled boxes or boxes ("-" is standard input), or a model.

    path: may be `file.h5::/path`.
    how: the command line's options for reading files; the files that it names are ignored.
    safe: True to read it in a separate process, which may die.

    Raises FeatureError, BoxError or OSError if it cannot be read, ArgumentError if `how` is wrong.
    """
    return _contained(_look_at, path, how) if safe else _look_at(path, how)


def look_together(
    looked: Sequence[Looked], how: Request, *, safe: bool = False
) -> Iterator[Together]:
    """Check whether boxes fit features; `how` and `safe` as in `look_at`.

    Boxes belong to the features whose file has the same name except for the suffix; if there are
    none, to all features.
    """
    for pair in _pairs(looked):
        yield _contained(_look_together, *pair, how) if safe else _look_together(*pair, how)


SECONDS: Final = 60  # that a file may take


def _contained(function: Callable[..., _T], path: str, *more: Any) -> _T:
    """Call `function(path, *more)` in a separate process; returns or raises what it does.

    Raises FeatureError if the process dies, or is not done after SECONDS.
    """
    crew = Processes(1)
    try:
        with crew.executor(alone=True) as executor:
            answer: _T = executor.submit(function, path, *more).result(SECONDS)
            return answer
    except TimeoutError:
        raise FeatureError(
            f"{path} took more than {SECONDS} s to read: it is damaged in a way that keeps HDF5 "
            "busy, or very large; the other files were read"
        ) from None
    except crew.lost:
        how = crew.how_it_ended()
        raise FeatureError(f"{path} is damaged: the process that read it died{how}") from None


def _look_at(path: str, how: Request) -> Looked:
    if is_model(path):
        return Looked(look_at_model(path))
    kind = _kind(path)
    if kind == "arrays":
        if may_be_pooled(path):
            pooled = look_at_pooled(path, allow_external=how.allow_external)
            if pooled is not None:
                return Looked(pooled)
        with MapFile(split_spec(path)[0], allow_external=how.allow_external) as file:
            if not _is_table(file, split_spec(path)[1]):
                return Looked(look_at_maps(file, path, how), walked=file.walked)
    elif kind is None and how.boxes_format is None:
        neither = "is neither HDF5 nor boxes: if it holds boxes, name their format: --boxes-format"
        raise FeatureError(f"{path} {what_it_is(path) or neither}")
    table = how.read_boxes(path)
    return Looked(dataclasses.replace(look_at_boxes(table, how), path=path), table)


def _kind(path: str) -> Literal["arrays", "boxes"] | None:
    """What a file holds, by its contents or else its name; None if unknown."""
    place = Path(path)
    if path == "-":
        return "boxes"
    if place.is_dir():
        raise FeatureError(f"{path} is a folder: name the files in it")
    if not place.exists():
        if "::" in path:
            return "arrays"
        raise FeatureError(f"{path} does not exist")
    is_hdf5 = place.is_file() and h5py.is_hdf5(path)  # a pipe may never say anything
    if place.suffix.lower() in HDF5_SUFFIXES or numpy_kind(path) or is_hdf5:
        return "arrays"
    inner = place.with_suffix("") if place.suffix.lower() == ".gz" else place
    return "boxes" if inner.suffix.lower() in BOX_SUFFIXES else None


def _is_table(file: MapFile, inner: str) -> bool:
    """True if a path means an array of rank 2; or if `read_boxes` finds one in a file, and no maps.

    In HDF5 it is called `boxes`; in NumPy's formats it may have any name.
    """
    path = f"/{inner.strip('/') or 'boxes'}"
    if inner or file.is_hdf5:
        is_table = file.holds(path) and len(getattr(file.get(path), "shape", ())) == 2
    else:
        shapes = (one.shape for one in file.found)
        is_table = any(len(shape) == 2 and 4 <= shape[1] <= _WIDEST for shape in shapes)
    return is_table and bool(inner or not file.maps_in("/"))


_WIDEST: Final = 6  # columns of boxes: five numbers, and an image index or a score


_Pair = tuple[str, dict[str, list[Found]], str, BoxTable]


def _pairs(looked: Sequence[Looked]) -> Iterator[_Pair]:
    """What a command can read features from, and what is known of that file; likewise boxes."""
    features = [(one.report, one.walked) for one in looked if isinstance(one.report, FeatureFile)]
    for boxes, table in ((one.report.path, one.table) for one in looked if one.table is not None):
        namesakes = [one for one in features if _stem(one[0].path) == _stem(boxes)]
        for file, walked in namesakes or features:
            for source in file.sources:
                yield source, walked, boxes, table


def _stem(path: str) -> str:
    return PurePath(path.partition("::")[0]).stem


def _look_together(
    spec: str, walked: dict[str, list[Found]], boxes: str, table: BoxTable, how: Request
) -> Together:
    """Put boxes on the maps of `file.h5` or `file.h5::/path`, and report how they lie."""
    try:
        with how.open_features(spec, walked=walked) as source:
            if how.levels or not names_levels(table, source):
                return _report(source, spec, boxes, table, how)
        with how.open_features(spec, walked=walked, pyramids=False) as source:
            return _report(source, spec, boxes, table, how)
    except (FeatureError, BoxError) as error:
        return Together(spec, boxes, fits=False, problem=str(error))


def _report(
    source: FeatureSource, spec: str, boxes: str, table: BoxTable, how: Request
) -> Together:
    assignment = assign_images(
        table, source, on_image=how.on_image, ids_are_indices=how.ids_are_indices
    )
    on_image = assignment.index >= 0
    job = Job(
        how,
        source,
        table.warned(assignment.warnings),
        assignment.index,
        is_pooled=on_image,
        matched=assignment.how,
        boxes_in_file=len(table),
        bad=int((~on_image).sum()),
    )
    fit = job.fit()
    warned = placing_cautions(job, fit)
    placed = on_image & ~find_bad(job.corners).not_finite
    return Together(
        features=spec,
        boxes=boxes,
        fits=not (assignment.missing or any(caution.loud for caution in warned)),
        matched=assignment.how,
        images=source.images,
        images_with_boxes=job.images_read,
        missing=assignment.missing,
        on_no_image=job.bad,
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
