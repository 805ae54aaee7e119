"""`show`, `explore`, `explain`, `compare` and `identify`: what the commands do, in Python.

Features and boxes are files, as on the command line, or arrays, as in `roicrop.roi_align`. Either
way they become a job, and the same functions answer as answer the commands.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final, Literal

from roicrop import job as jobs
from roicrop.arguments import OutputSize, checked_scale, numbers_of, pair
from roicrop.conventions import (
    DEFAULT,
    PLAIN,
    SETTINGS,
    Convention,
    Mode,
    Operator,
    SamplingRatio,
    lookup,
    pool_beside,
)
from roicrop.errors import ArgumentError
from roicrop.files.npy import InMemory
from roicrop.kinds import kinds_checked
from roicrop.text import choice, plain

if TYPE_CHECKING:
    from PIL.Image import Image

    from roicrop.explorer import Page

__all__ = ["Answer", "RoicropWarning", "compare", "explain", "explore", "identify", "show"]

Scale = float | Sequence[float]
Figure = Literal["box", "overview", "sheet", "coverage"]


class RoicropWarning(UserWarning):
    """A result is most likely not what was wanted; the message names the option to change."""


class Answer:
    """The answer to a question: it prints as the command's text.

    ok: whether it is yes: the values add up, the conventions agree, a convention fits.
    record: everything, in dictionaries, lists and numbers, as the command's `--json` has it.
    records: the rows of the answer, a dictionary each: of `explain` a row for each sample or cell,
        of `compare` for each pair of conventions, of `identify` for each convention that fits.
        `pandas.DataFrame(answer.records)` is a table of them.
    """

    def __init__(
        self, lines: Iterable[str], record: Any, records: Iterable[dict[str, Any]], *, ok: bool
    ) -> None:
        self._text = "\n".join(lines).rstrip("\n")
        self.record = plain(record)
        self.records = list(records)
        self.ok = ok

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__


@kinds_checked
def show(
    input: Any,
    boxes: Any,
    k: int = 0,
    output_size: OutputSize | None = None,
    spatial_scale: Scale | None = None,
    sampling_ratio: SamplingRatio | None = None,
    aligned: bool | None = None,
    *,
    mode: Mode | None = None,
    convention: str | Convention | None = None,
    operator: Operator = "align",
    both: bool = False,
    figure: Figure = "box",
    bin: tuple[int, int] | None = None,
    channel: int | None = None,
    photo: str | os.PathLike[str] | None = None,
    layout: str | None = None,
    **options: Any,
) -> Image:
    """Draw where the values of box k come from: the figure that `roicrop show` writes.

    input: a file of feature maps, as on the command line ("maps.h5", "maps.h5::/path", .npy, …), or
        an array as in `roi_align`; a list of arrays is a pyramid, the finest first.
    boxes: a file of boxes, or an array or list in any of the forms of `roi_align`: (K, 5) with the
        image number first, one (L, 4) for each image, or (K, 4) where the input has one image.
    k: the box's number, counted from 0.
    output_size: (PH, PW), or one number for both; None is 7, or what an exported model says.
    spatial_scale: cells per pixel; of a pyramid one number for each level. None is what the file
        says, and 1 for arrays.
    sampling_ratio, aligned, mode, convention: as in `roi_align`; None is the convention's value.
        A convention may also be an exported model (.onnx, .xml).
    operator: "align" or "pool", whose default conventions are "mask-rcnn" and "fast-rcnn".
    both: whether RoIAlign and the same framework's RoIPool are drawn side by side.
    figure: "box" is that one box; "overview", "sheet" and "coverage" are all boxes on its image:
        where they lie, what they give, and which cells they read.
    bin: (row, column) of the bin to highlight; None is the one with the largest value.
    channel: the one to draw; None is the mean of all, or of a maximum the one with the largest.
    photo: the image file that the boxes are on; None is the one that the files name, if any.
    layout: "NCHW", "NHWC", "CHW", "HWC"; None is what the file says, else channels first.
    options: any other option of the command, with underscores: stride=16, levels=["p2", "p3"],
        strides=[4, 8], box_format="xywh", normalized=True, min_score=0.5, on_bad_box="drop", ….

    Returns an RGB `PIL.Image.Image`, which a notebook shows.
    Raises ArgumentError and BoxError, both ValueError, and FeatureError; options in their messages
    are keywords here: --stride is `stride`.
    """
    given = locals()
    from roicrop.draw import Album, Options

    if figure not in ("box", "overview", "sheet", "coverage"):
        raise ArgumentError(f"figure is {figure!r}: choose box, overview, sheet or coverage")
    if figure != "box" and (both or bin is not None):
        raise ArgumentError(f"both and bin are for figures of a box, not for {figure!r}")
    params, rows = _under(given)
    asked = Options(channel=channel, bin=bin, photo=None if photo is None else os.fspath(photo))
    with _opened(jobs.request_of(params, rows[0])) as job:
        rows[0] = job.convention
        drawn: Sequence[range] = [range(k, k + 1)]
        if figure != "box":
            image = job.image_index[job.rows_of([k])[0]]
            its = job.table.source_index[job.is_pooled & (job.image_index == image)]
            drawn = [range(n, n + 1) for n in its.tolist()]
        survey = None if figure == "box" else figure
        return next(Album(job, None, rows, asked, boxes=drawn, survey=survey).images())


@kinds_checked
def explore(
    input: Any,
    boxes: Any,
    output_size: OutputSize | None = None,
    spatial_scale: Scale | None = None,
    sampling_ratio: SamplingRatio | None = None,
    aligned: bool | None = None,
    *,
    mode: Mode | None = None,
    convention: str | Convention | None = None,
    operator: Operator = "align",
    both: bool = False,
    bin: tuple[int, int] | None = None,
    channel: int | None = None,
    photo: str | os.PathLike[str] | None = None,
    max_size: int | None = None,
    layout: str | None = None,
    **options: Any,
) -> Page:
    """Make the page that `roicrop show -o PAGE.html` writes: all boxes, to point, drag and compare.

    max_size: bytes of the page; channels, then photographs, then images are left out. None is
        20,000,000.

    The other arguments, and the errors, are those of `show`: what the page begins with.
    Returns an `explorer.Page`, which a notebook shows, and whose `save("page.html")` writes it.
    """
    given = locals()
    from roicrop import explorer

    params, rows = _under(given)
    image = None if photo is None else os.fspath(photo)
    asked = explorer.Options(channel=channel, bin=bin, photo=image)
    with _opened(jobs.request_of(params, rows[0])) as job:
        return explorer.explore(
            job, rows[1] if both else None, asked, max_size=max_size or explorer.MAX_SIZE
        )


@kinds_checked
def explain(
    input: Any,
    boxes: Any,
    k: int | Sequence[int] = 0,
    output_size: OutputSize | None = None,
    spatial_scale: Scale | None = None,
    sampling_ratio: SamplingRatio | None = None,
    aligned: bool | None = None,
    *,
    bin: tuple[int, int] | None = None,
    channel: int = 0,
    limit: int | None = None,
    mode: Mode | None = None,
    convention: str | Convention | None = None,
    operator: Operator = "align",
    layout: str | None = None,
    **options: Any,
) -> Answer:
    """List where the values of box k come from: every rounding, every sample, every weight.

    k: the box's number, counted from 0, or several.
    bin: (row, column) of the bin to explain with every number behind it; None is all, a line each.
    channel: the one whose values are explained.
    limit: how many samples, or bins, of a box the text lists at most; None is the command's limit.

    The other arguments, and the errors, are those of `show`.
    Returns an `Answer`. Its records are the rows of the command's CSV, one for each sample, or for
    RoIPool each cell; `ok` is whether the sums agree with what the operator gives.
    """
    given = locals()
    from roicrop import explanation

    params, (row,) = _under(given)
    with _opened(jobs.request_of(params, row)) as job:
        found = explanation.explain(job, [int(k)] if not isinstance(k, Iterable) else k, channel)
    texts = ("\n".join(explanation.in_words(each, bin, limit)) for each in found)
    record = [explanation.as_record(each, bin) for each in found]
    return Answer(
        ["\n\n".join(texts)],
        record if isinstance(k, Iterable) else record[0],
        chain.from_iterable(explanation.as_rows(each, bin) for each in found),
        ok=all(each.agrees for each in found),
    )


@kinds_checked
def compare(
    input: Any,
    boxes: Any,
    conventions: Sequence[str | Convention],
    output_size: OutputSize | None = None,
    spatial_scale: Scale | None = None,
    sampling_ratio: SamplingRatio | None = None,
    aligned: bool | None = None,
    *,
    mode: Mode | None = None,
    tolerance: float | None = None,
    worst: int = 3,
    layout: str | None = None,
    **options: Any,
) -> Answer:
    """Pool the same boxes under several conventions, and find out how far apart they are, and why.

    boxes: as in `show`, in pixels unless `normalized=True`, and xyxy unless `box_format` says else.
    conventions: at least two names, exported models or rows; a name may have settings of its own,
        as in "onnx:sampling_ratio=2,mode=max".
    sampling_ratio, aligned, mode: for all of them; None is each convention's own.
    tolerance: the largest difference of values that agree; None is 1e-5 × the largest |feature| of
        the map, at least 1e-5.
    worst: how many of the boxes that differ most are described.

    The other arguments, and the errors, are those of `show`.
    Returns an `Answer`. Its records are the pairs; `ok` is whether all of them agree.
    """
    given = locals()
    from roicrop import comparison

    params = _asked(given)
    chosen = comparison.choose(lambda _: conventions, params)
    names = [comparison.split_variant(each)[0] for each in conventions if isinstance(each, str)]
    params = jobs.with_model(params, *names) if names else params
    with _opened(chosen.request(params)) as job:
        found = comparison.compare(job, chosen.of(job), tolerance=tolerance, listed=worst)
        record = comparison.as_record(found, job)
        return Answer(comparison.in_words(found, job), record, record["pairs"], ok=found.agrees)


@kinds_checked
def identify(
    input: Any,
    boxes: Any,
    pooled: Any,
    spatial_scale: Scale | None = None,
    *,
    layout: str | None = None,
    **options: Any,
) -> Answer:
    """Find the convention and the parameters that made a pooled tensor.

    boxes: as in `show`; they are also tried in other orders and as fractions.
    pooled: the tensor, (K, C, PH, PW) or (K, PH, PW, C), or a file that holds it.

    The other arguments, and the errors, are those of `show`.
    Returns an `Answer`. Its records are the conventions that fit, the best first; `ok` is whether
    there is one.
    """
    given = locals()
    from roicrop import identification

    params = {**_asked(given), "output_size": (1, 1)}
    tensor = os.fspath(pooled) if _is_file(pooled) else numbers_of(pooled, "pooled")
    any_convention = lookup(DEFAULT["align"], "align"), *PLAIN.values()
    request = identification.leniently(jobs.request_of(params, *any_convention))
    with jobs.open_job(request) as job, identification.open_pooled(tensor, job) as opened:
        verdict = identification.identify(job, opened)
        facts = identification.facts(verdict, job)
        return Answer(
            identification.in_words(verdict, job), facts, facts["answers"], ok=bool(verdict.fits)
        )


_ON_BAD_BOX: Final = ("error", "keep", "zero", "drop")


_SHARED: Final = frozenset(
    ("output_size", "spatial_scale", "sampling_ratio", "aligned", "mode", "convention", "layout")
)


def _under(call: Mapping[str, Any]) -> tuple[dict[str, Any], list[Convention]]:
    """What `_asked` says, and the convention that it names, RoIPool's beside it for `both`."""
    params, both = _asked(call), bool(call.get("both"))
    row = jobs.convention_of(params, "align" if both else call["operator"])
    return params, [row, pool_beside(row)] if both else [row]


def _asked(call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call, by name, as the command line would have parsed them.

    Boxes in memory are read as its `operator` reads them; where there is none, as pixels.
    """
    input, boxes, options = call["input"], call["boxes"], call["options"]
    _check_names(options)
    settings = {**options, **{name: call.get(name) for name in _SHARED}}
    scale = settings.pop("spatial_scale")
    params = {name: value for name, value in settings.items() if value is not None}
    if "output_size" in params:
        params["output_size"] = pair(params["output_size"])
    if "label" in params:
        label = params.pop("label")
        params["labels"] = [label] if isinstance(label, (str, Integral)) else list(label)
    if "input_scale" in params:
        scales = params["input_scale"]
        x, y = scales if isinstance(scales, Iterable) else (scales, scales)
        params["input_scale"] = (y, x)
    if "on_image" in params:
        params["on_image"] = str(params["on_image"])
    if params.get("on_bad_box", "error") not in _ON_BAD_BOX:
        raise ArgumentError(f"on_bad_box: {choice(str(params['on_bad_box']), _ON_BAD_BOX)}")
    if "stride" in params and not params["stride"] > 0:
        raise ArgumentError(f"stride is {params['stride']}: give pixels per cell, above 0")
    _put_scale(params, scale, is_file=_is_file(input))
    if _is_file(input):
        params["features"] = os.fspath(input)
    else:
        params |= {"features": "input", "maps": _maps(input, params)}
    if _is_file(boxes):
        params["boxes"] = os.fspath(boxes)
    else:
        params |= {"boxes": "boxes", "given": boxes}
        if "operator" in call and jobs.convention_of(params, call["operator"]).normalized:
            params.setdefault("normalized", True)
    return jobs.with_model(params)


def _check_names(options: Mapping[str, Any]) -> None:
    """TypeError, as Python's own, for a keyword that is no option."""
    known = {*jobs.OPTIONS, *SETTINGS, "stride", "label", "position_sensitive"} - {
        "labels",
        "spatial_scale",
    }
    for name in options:
        if name not in known:
            raise TypeError(f"unexpected keyword argument {name!r}: {choice(name, known)}")


def _put_scale(params: dict[str, Any], scale: Scale | None, *, is_file: bool) -> None:
    """Set the scale: one number, or for a pyramid one of each level."""
    if isinstance(scale, Iterable):
        params["strides"] = [1 / checked_scale(each) for each in scale]
    elif scale is not None:
        params["spatial_scale"] = checked_scale(scale)
    elif not is_file and not {"stride", "strides"} & {*params}:
        params["spatial_scale"] = 1.0


def _maps(input: Any, params: dict[str, Any]) -> InMemory:
    """An array of maps, or those of a pyramid, whose levels are then named by number."""
    if not isinstance(input, Sequence):
        return InMemory("input", {"features": numbers_of(input, "input")})
    arrays = {str(n): numbers_of(each, f"input[{n}]") for n, each in enumerate(input)}
    params["levels"] = list(arrays)
    if params.get("spatial_scale") == 1.0:
        raise ArgumentError("input is a pyramid: give spatial_scale or strides, one for each map")
    return InMemory("input", arrays)


def _is_file(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


@contextmanager
def _opened(request: jobs.Request) -> Iterator[jobs.Job]:
    """The job that is asked for, with a Python warning for what is most likely not meant."""
    with jobs.open_job(request) as job:
        jobs.require_scale(job)
        for caution in jobs.cautions(job, job.fit()):
            if caution.loud:
                warnings.warn(caution.text, RoicropWarning, stacklevel=5)
        yield job
