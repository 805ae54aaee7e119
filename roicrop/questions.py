"""`show`, `explore`, `explain`, `compare` and `identify`: the commands as Python functions.

Features and boxes are files, as on the command line, or arrays, as in `roicrop.roi_align`. Either
way they become a job, which the same functions answer as for the commands.
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
from roicrop.arguments import OutputSize, checked_scale, helped_by, numbers_of, pair
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
    """A result is probably not what was meant; the message names the option to change."""


class Answer:
    """The answer of `explain`, `compare` or `identify`; it prints as the command's text.

    ok: True if the sums agree, the conventions agree, or a convention fits.
    record: the whole answer in dictionaries, lists and numbers, as the command's `--json` prints
        it; NaN and infinity are text.
    records: rows, a dictionary each, for `pandas.DataFrame(answer.records)`: a row per sample or
        cell for `explain`, per pair for `compare`, per fitting convention for `identify`.
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
        an array (N, C, H, W) or (C, H, W) of any real dtype; a list of arrays is a pyramid, finest
        first.
    boxes: a file of boxes, or an array or list: (K, 5) with the image index first, one (L, 4) per
        image, or (K, 4) if the input has one image; x1, y1, x2, y2 in image pixels, unless the
        convention or an option says otherwise. box_format="cxcywha" adds an angle to each box.
    k: the index of the box, counted from 0.
    output_size: (PH, PW) bins, or one number for both; None means 7, or an exported model's size.
    spatial_scale: cells per pixel; for a pyramid, one number per level. None means what the file
        says, and 1 for arrays.
    sampling_ratio: samples per bin along each axis; 0 or less, or "adaptive": as many as the bin
        has cells; "exact": the integral. None means the convention's own, as for aligned and mode.
    aligned: True shifts samples by half a cell and does not enlarge small boxes.
    mode: "avg" or "max".
    convention: a name (`roicrop conventions` lists them, with their sources), a `Convention`, or an
        exported model (.onnx, .xml); it defines the operator. None means "mask-rcnn", or
        "fast-rcnn" for "pool".
    operator: "align" or "pool".
    both: True draws RoIAlign and the same framework's RoIPool side by side.
    figure: "box" draws one box; "overview", "sheet" and "coverage" draw all boxes on its image:
        where they lie, their pooled values, and the cells they read.
    bin: (row, column) of the bin to highlight; None means the one with the largest value.
    channel: the channel to draw; None means the mean of all or, for a maximum, the channel with the
        largest value.
    photo: the image file that the boxes are on; None means the one named in the files, if any.
    layout: "NCHW", "NHWC", "CHW" or "HWC"; None means what the file says, else channels first.
    options: any other option of the command, with underscores: stride=16, levels=["p2", "p3"],
        strides=[4, 8], box_format="xywh", normalized=True, min_score=0.5, on_bad_box="drop",
        position_sensitive=True, ….

    Returns an RGB `PIL.Image.Image`, which a notebook displays.
    Raises ArgumentError and BoxError, both ValueError, for wrong arguments and boxes, FeatureError
    for a file that cannot be read, and TypeError for an unknown option. Options named in messages
    are keywords here: --stride is `stride`.
    """
    given = locals()
    from roicrop.draw import Album, Options

    if figure not in ("box", "overview", "sheet", "coverage"):
        raise ArgumentError(f"figure is {figure!r}: choose box, overview, sheet or coverage")
    if figure != "box" and (both or bin is not None):
        raise ArgumentError(f"both and bin are for figures of a box, not for {figure!r}")
    params, rows = _under(given)
    asked = Options(
        channel=channel, bin=_whole(bin), photo=None if photo is None else os.fspath(photo)
    )
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
@helped_by(show)
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
    """Make the interactive page that `roicrop show -o PAGE.html` writes, with all boxes.

    The page opens with the arguments given here, and others can be chosen on it.

    max_size: of the page in bytes; channels, then photographs, then images are left out to fit.
        None means 20,000,000.

    The other arguments and the errors are those of `show`.
    Returns an `explorer.Page`, which a notebook displays, and whose `save("page.html")` writes it.
    """
    given = locals()
    from roicrop import explorer

    params, rows = _under(given)
    image = None if photo is None else os.fspath(photo)
    asked = explorer.Options(channel=channel, bin=_whole(bin), photo=image)
    with _opened(jobs.request_of(params, rows[0])) as job:
        return explorer.explore(
            job, rows[1] if both else None, asked, max_size=max_size or explorer.MAX_SIZE
        )


@kinds_checked
@helped_by(show)
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
    """Explain where the values of box k come from: every rounding, sample and weight.

    k: the index of the box, counted from 0, or several indices.
    bin: (row, column) of a bin to explain in full; None explains all, a line each.
    channel: the channel whose values are explained.
    limit: the largest number of samples (or bins) per box in the text; None means the command's.

    The other arguments and the errors are those of `show`.
    Returns an `Answer`. Its records are the rows of the command's CSV, one per sample or, for
    RoIPool, per cell; `ok` is True if the float64 sums agree with the operator: within 1e-5 × the
    largest |feature|, plus a unit in the last place for float16.
    """
    given = locals()
    from roicrop import explanation

    params, (row,) = _under(given)
    bin = _whole(bin)
    with _opened(jobs.request_of(params, row)) as job:
        boxes = k if isinstance(k, Iterable) else [int(k)]
        found = explanation.explain(job, boxes, channel, bin)
    texts = ("\n".join(explanation.in_words(each, bin, limit)) for each in found)
    record = [explanation.as_record(each, bin) for each in found]
    return Answer(
        ["\n\n".join(texts)],
        record if isinstance(k, Iterable) else record[0],
        chain.from_iterable(explanation.as_rows(each, bin) for each in found),
        ok=all(each.agrees for each in found),
    )


@kinds_checked
@helped_by(show)
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
    """Measure how far apart several conventions are on the same boxes, and find out why.

    Boxes are pixels unless normalized=True, and x1, y1, x2, y2 unless `box_format` says otherwise,
    whatever a convention takes.

    conventions: at least two names, exported models or `Convention`s; a name may have its own
        settings, as in "onnx:sampling_ratio=2,mode=max".
    sampling_ratio, aligned, mode: for all of them; None means each convention's own.
    tolerance: the largest difference of values that agree; None means 1e-5 × the largest |feature|
        of the map, at least 1e-5.
    worst: the number of boxes to describe for each pair, those that differ most.

    The other arguments and the errors are those of `show`.
    Returns an `Answer`. Its records are the pairs; `ok` is True if all of them agree.
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
@helped_by(show)
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

    Other formats of boxes, and fractions, are tried too.

    pooled: the tensor (K, C, PH, PW) or (K, PH, PW, C), float16 to float64, row k for box k; or a
        file that holds it. If its shape does not fit, PooledError is raised.

    The other arguments and the errors are those of `show`.
    Returns an `Answer`. Its records are the conventions that fit, the best first; `ok` is True if
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
    """The parameters of a call, and its conventions: two if it asks for `both`."""
    params, both = _asked(call), bool(call.get("both"))
    row = jobs.convention_of(params, "align" if both else call["operator"])
    return params, [row, pool_beside(row)] if both else [row]


def _whole(bin: Sequence[int] | None) -> tuple[int, int] | None:
    """A bin's row and column, whatever sequence holds them."""
    return None if bin is None else (int(bin[0]), int(bin[1]))


def _asked(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call's arguments, as the command line would have parsed them.

    Boxes in memory are fractions if the convention takes fractions; pixels if there are several.
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
    """Raise TypeError, as Python does, for an unknown keyword."""
    known = {*jobs.OPTIONS, *SETTINGS, "stride", "label", "position_sensitive"} - {
        "labels",
        "spatial_scale",
    }
    for name in options:
        if name not in known:
            raise TypeError(f"unexpected keyword argument {name!r}: {choice(name, known)}")


def _put_scale(params: dict[str, Any], scale: Scale | None, *, is_file: bool) -> None:
    """Set the scale: one number or, for a pyramid, one per level."""
    if isinstance(scale, Iterable):
        params["strides"] = [1 / checked_scale(each) for each in scale]
    elif scale is not None:
        params["spatial_scale"] = checked_scale(scale)
    elif not is_file and not {"stride", "strides"} & {*params}:
        params["spatial_scale"] = 1.0


def _maps(input: Any, params: dict[str, Any]) -> InMemory:
    """An array of maps, or a list of them as a pyramid, whose levels are named by index."""
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
    """Open the job, with a Python warning for each probable mistake."""
    with jobs.open_job(request) as job:
        jobs.require_scale(job)
        for caution in jobs.cautions(job, job.fit()):
            if caution.loud:
                warnings.warn(caution.text, RoicropWarning, stacklevel=5)
        yield job
