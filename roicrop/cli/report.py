"""The summary of a run: `as_record` for `--json`, and `lines` for people."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from roicrop import __version__
from roicrop.cli.terminal import say, warn
from roicrop.conventions import Convention, in_words, overrides
from roicrop.text import headed, json_line, many, one_line

if TYPE_CHECKING:
    from roicrop.explorer import Page
    from roicrop.features import Scale
    from roicrop.job import Caution, Cropped, Fit, Job

Record = dict[str, Any]
Line = tuple[str, str]

_LONG_RUN: Final = 5.0  # seconds after which a slow core matters


@dataclass(slots=True)
class RunSummary:
    """What ran, on what, and with which result; made when the run ends, before its job is closed.

    start: when the run began, by `time.perf_counter`; seconds: how long it took.
    pictures: the files of pictures and of their points. page: what was written, and its path.
    beside: a second convention that was drawn. fit: how boxes lie. cautions: the warnings.
    """

    command: str
    job: Job
    start: float
    cropped: Cropped | None = None
    pictures: Sequence[str] = ()
    page: tuple[Page, str] | None = None
    beside: Convention | None = None
    seconds: float = field(init=False)
    fit: Fit = field(init=False)
    cautions: Sequence[Caution] = field(init=False)

    def __post_init__(self) -> None:
        from roicrop.job import cautions

        self.seconds = time.perf_counter() - self.start
        self.fit = self.job.fit()
        self.cautions = self.cropped.cautions if self.cropped else cautions(self.job, self.fit)


def as_record(summary: RunSummary) -> Record:
    """The summary in plain values, for JSON."""
    from roicrop.job import parameters

    row, beside, cropped = summary.job.convention, summary.beside, summary.cropped
    record = {
        **run_record(summary),
        "convention": {**convention_record(row), "beside": beside.name if beside else None},
        **input_record(summary, parameters(summary.job)),
        "pictures": _pictures(summary),
        "points": [path for path in summary.pictures if path.endswith(".csv")],
    }
    if summary.page is not None:
        page, path = summary.page
        counts = {"boxes": page.boxes, "images": page.images, "channels": page.channels}
        left_out = dataclasses.asdict(page.left_out)
        record["page"] = {"path": path, "bytes": page.size, **counts, "left_out": left_out}
    if cropped is not None:
        record["output"] = {
            "path": cropped.path,
            "shape": cropped.shape,
            "dtype": str(cropped.dtype),
            "non_finite": cropped.non_finite,
        }
    return record


def lines(summary: RunSummary) -> Iterator[Line]:
    """The summary in lines, with a heading and a text each."""
    from roicrop.job import overriding_options

    row = summary.job.convention
    options = [f"{o} {_value(both)}".strip() for o, both in overriding_options(row).items()]
    changed = f", but {', '.join(options)}" if options else ""
    beside = f"; {summary.beside.name} beside it" if summary.beside else ""
    yield summary.command, f"{in_words.named(row)}{changed}{beside}"
    yield from input_lines(summary)
    if summary.cropped is not None:
        yield "output", _output(summary.cropped, summary.seconds)
    if summary.page is not None:
        yield "page", _page(*summary.page)
    if pictures := _pictures(summary):
        more = f" … {pictures[-1]} ({len(pictures)} files)"
        yield "pictures", " and ".join(pictures) if len(pictures) < 3 else pictures[0] + more


def run_record(summary: RunSummary) -> Record:
    """What ran and for how long."""
    from roicrop import kernels

    return {
        "command": summary.command,
        "version": __version__,
        "core": kernels.NAME,
        "seconds": round(summary.seconds, 3),
    }


def convention_record(row: Convention) -> Record:
    """The convention, and the options and fields that override its rules."""
    from roicrop.job import overriding_options

    return {
        "name": row.name,
        "program": row.program,
        "options": {option: _value(both) for option, both in overriding_options(row).items()},
        "overrides": {
            field: {"convention": own, "used": used}
            for field, (own, used) in overrides(row).items()
        },
    }


def input_record(summary: RunSummary, parameters: Mapping[str, object]) -> Record:
    """What was read and with which parameters, and the warnings."""
    job, fit = summary.job, summary.fit
    source, table = job.source, job.table
    return {
        "parameters": parameters,
        "features": {
            "path": source.path,
            "dataset": source.dataset,
            "kind": source.kind,
            "images": source.images,
            "images_read": job.images_read,
            "channels": source.channels,
            "map_sizes": job.map_sizes,
            "stored_dtype": str(source.stored_dtype),
            "dtype": str(source.dtype),
        },
        **({"levels": _levels_record(job)} if source.level_names else {}),
        "scale": [
            {"spatial_scale": scale.value, "stride": 1.0 / scale.value, "origin": scale.origin}
            for scale in job.scales
        ],
        "boxes": {
            "path": table.source.path,
            "format": table.format,
            "box_format": table.box_format,
            "box_format_origin": job.box_format_origin,
            "matched": job.matched,
            "notes": table.notes,
            "in_file": job.boxes_in_file,
            "count": len(job),
            "bad": job.bad,
            "reversed": job.reversed,
            "degenerate": fit.degenerate,
            "partly_outside": fit.partly - fit.wholly,
            "wholly_outside": fit.wholly,
        },
        "warnings": [caution.text for caution in summary.cautions],
        "loud": [caution.text for caution in summary.cautions if caution.loud],
    }


def input_lines(summary: RunSummary) -> Iterator[Line]:
    """What was read: features, boxes, and how boxes lie on the maps."""
    job = summary.job
    source, table, request = job.source, job.table, job.request
    if request.model:
        height, width = request.output_size
        yield "model", f"{request.model}; {height}×{width} bins"
    images, channels = many(source.images, "image"), many(source.channels, "channel")
    sizes = ", ".join(_some([f"{height}×{width}" for height, width in job.map_sizes]))
    dtype = str(source.dtype)
    if source.stored_dtype != source.dtype:
        dtype = f"{source.stored_dtype} read as {dtype}"
    yield (
        "features",
        f"{source.path}::{source.dataset}: {images} of {channels}"
        + (f", {sizes} cells" if sizes else "")
        + f", {dtype} {source.layout}",
    )

    count = many(len(job), "box", "boxes")
    if len(job) != job.boxes_in_file:
        count = f"{len(job)} of {many(job.boxes_in_file, 'box', 'boxes')}"
    order = f"{table.box_format} ({job.box_format_origin})"
    path = "standard input" if table.source.path == "-" else table.source.path
    yield "boxes", f"{path}: {count}, {table.format}, {order}; {job.matched}"
    for note in table.notes:
        yield "", note
    if request.normalized or job.convention.normalized:
        yield "coordinates", _fractions(job)

    if job.scales:
        yield "scale", "; ".join(_some([_scale(scale) for scale in job.scales]))
    if source.level_names:
        yield "levels", _levels(job)
    if len(job.input_scales) == 1 and job.input_scales != [(1.0, 1.0)]:
        ((y, x),) = job.input_scales
        yield "input scale", f"{x:g} along x, {y:g} along y"
    if counted := _counted(summary):
        yield "of these", counted


def _levels_record(job: Job) -> Record:
    rule = job.level_rule
    facts = ("program", "canonical_size", "canonical_level")
    return {
        "rule": rule and rule.name,
        **{name: rule and getattr(rule, name) for name in facts},
        "boxes": job.on_levels,
        "on_none": job.on_no_level,
    }


def _levels(job: Job) -> str:
    """How many boxes are on each level, and by which rule."""
    counts = [f"{name} {count:,}" for name, count in job.on_levels.items()]
    if job.on_no_level:
        counts.append(f"none {job.on_no_level:,} (zeros)")
    if rule := job.level_rule:
        size, level = rule.canonical_size, rule.canonical_level
        how = f"by {rule.name} ({size:g} pixels on level {level:g})"
    else:
        how = f"by the column {job.request.level_column}"
    return f"{how}: {', '.join(counts)}"


def show(summary: RunSummary, *, quiet: bool, as_json: bool) -> None:
    """Print warnings and the summary to standard error, JSON to standard output."""
    show_warnings(summary)
    if not quiet:
        show_lines(lines(summary))
    if as_json:
        click.echo(json_line(as_record(summary)))


def show_warnings(summary: RunSummary) -> None:
    """Print a summary's warnings."""
    show_cautions(summary.cautions)
    warn_of_slow_core(summary.seconds)


def show_cautions(cautions: Iterable[Caution], where: str = "") -> None:
    """Print cautions as warnings; where: a prefix."""
    for caution in cautions:
        warn(where + caution.text, loud=caution.loud)


def show_lines(lines: Iterable[Line]) -> None:
    """Print the lines of a summary to standard error."""
    for heading, text in lines:
        say(one_line(headed(heading, text)))


@dataclass(frozen=True, slots=True)
class RowSummary:
    """The summary of one row of a batch, in a form that processes can exchange."""

    cautions: Sequence[Caution]
    line: Line
    record: Record | None


def row_summary(
    command: str,
    as_json: bool,
    job: Job,
    start: float,
    *,
    cropped: Cropped,
    pictures: Sequence[str],
) -> RowSummary:
    """Summarise a row that ends now, for JSON too if wanted; see `RunSummary`."""
    summary = RunSummary(command, job, start, cropped, pictures)
    line = (command, _output(cropped, summary.seconds))
    return RowSummary(summary.cautions, line, as_record(summary) if as_json else None)


def show_row(summary: RowSummary, where: str, *, quiet: bool) -> None:
    """Print the warnings, the line and the JSON of one row."""
    show_cautions(summary.cautions, f"{where}: ")
    if not quiet:
        show_lines([summary.line])
    if summary.record is not None:
        click.echo(json_line({"row": where, **summary.record}))


def warn_of_slow_core(seconds: float) -> None:
    """Warn, after a long run, that the compiled core would have been faster."""
    from roicrop import kernels

    if kernels.NAME == "numpy" and seconds > _LONG_RUN:
        warn(
            "this run used the NumPy core, and the compiled core is many times faster: install "
            "roicrop where there is a C++ compiler"
        )


def _value(both: tuple[object, object] | None) -> str:
    return "" if both is None else f"{both[1]} (instead of {both[0]})"


def _pictures(summary: RunSummary) -> list[str]:
    return [path for path in summary.pictures if path.endswith(".png")]


def _scale(scale: Scale) -> str:
    if scale.origin == "default":
        return "1, by default"
    return f"{scale.value:g}, stride {1.0 / scale.value:g} ({scale.origin})"


def _fractions(job: Job) -> str:
    size = job.request.image_size
    of = (
        f"the image, {size[0]}×{size[1]} pixels" if size else "the image, which is map size / scale"
    )
    if job.request.normalized:
        return f"fractions of {of}"
    return f"pixels, converted to fractions of {of}"


def _counted(summary: RunSummary) -> str:
    job, fit = summary.job, summary.fit
    fate = {"zero": "pooled to zeros", "drop": "left out"}.get(job.request.on_bad_box, "kept")
    counts = {
        "partly outside the map": fit.partly - fit.wholly,
        "wholly outside the map": fit.wholly,
        "with zero size": fit.degenerate,
        "reversed": job.reversed,
        f"bad and {fate}": job.bad,
    }
    return ", ".join(f"{count} {text}" for text, count in counts.items() if count)


def _output(cropped: Cropped, seconds: float) -> str:
    odd = f", {many(cropped.non_finite, 'value')} not finite" if cropped.non_finite else ""
    shape = "×".join(map(str, cropped.shape))
    return f"{cropped.path}: {shape} {cropped.dtype}{odd}, in {seconds:.2f} s"


def _page(page: Page, path: str) -> str:
    boxes = many(page.boxes, "box", "boxes")
    images, channels = many(page.images, "image"), many(page.channels, "channel")
    left_out = f"; left out: {page.left_out} (--max-size)" if str(page.left_out) else ""
    return f"{path}: {boxes}, {images}, {channels}, {page.size:,} bytes{left_out}"


def _some(texts: Sequence[str], most: int = 5) -> list[str]:
    return [*texts[:most], *([f"and {len(texts) - most} more"] if texts[most:] else [])]
