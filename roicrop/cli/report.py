"""What a run says of itself: the facts, for `--json`, and a summary made of them, for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from roicrop import __version__
from roicrop.conventions import Convention, overrides
from roicrop.text import many

if TYPE_CHECKING:
    from roicrop.job import Cropped, Job

Facts = dict[str, Any]
Line = tuple[str, str]

_LONG_RUN: Final = 5.0  # seconds after which it matters which core runs


def facts(
    command: str,
    job: Job,
    seconds: float,
    *,
    cropped: Cropped | None = None,
    pictures: Sequence[str] = (),
    beside: Convention | None = None,
) -> Facts:
    """Everything there is to say about a run, as JSON has it.

    pictures: their files, and those of their points. beside: a second convention that is drawn.
    """
    said = {
        **run_facts(command, seconds),
        "convention": {
            **convention_facts(job.convention),
            "beside": beside.name if beside else None,
        },
        **input_facts(job),
        "pictures": [path for path in pictures if path.endswith(".png")],
        "points": [path for path in pictures if path.endswith(".csv")],
    }
    if cropped is not None:
        said["output"] = {
            "path": cropped.path,
            "shape": cropped.shape,
            "dtype": str(cropped.dtype),
            "non_finite": cropped.non_finite,
        }
    return said


def run_facts(command: str, seconds: float) -> Facts:
    """What ran, and for how long."""
    from roicrop import kernels

    return {
        "command": command,
        "version": __version__,
        "core": kernels.NAME,
        "seconds": round(seconds, 3),
    }


def convention_facts(row: Convention) -> Facts:
    """Whose rules, and what options put in place of them."""
    return {
        "name": row.name,
        "program": row.program,
        "options": overriding_options(row),
        "overrides": {
            field: {"convention": own, "used": used}
            for field, (own, used) in overrides(row).items()
        },
    }


def input_facts(job: Job) -> Facts:
    """What was read, under which parameters, and what a user may not have meant."""
    from roicrop.job import cautions

    source, table = job.source, job.table
    fit = job.fit()
    warned = cautions(job, fit)
    return {
        "parameters": job.parameters(),
        "features": {
            "path": source.path,
            "dataset": source.dataset,
            "kind": source.kind,
            "images": len(source),
            "images_read": job.images_read,
            "channels": source.channels,
            "map_sizes": job.map_sizes,
            "stored_dtype": str(source.stored_dtype),
            "dtype": str(source.dtype),
        },
        "scale": [
            {"spatial_scale": scale.value, "stride": 1.0 / scale.value, "origin": scale.origin}
            for scale in job.scales
        ],
        "boxes": {
            "path": table.path,
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
        "warnings": [caution.text for caution in warned],
        "loud": [caution.text for caution in warned if caution.loud],
    }


def show(said: Facts, *, quiet: bool, as_json: bool) -> None:
    """Warnings and the summary to standard error, JSON to standard output."""
    show_warnings(said)
    if not quiet:
        show_lines(summary_lines(said))
    if as_json:
        click.echo(as_text(said))


def show_warnings(said: Facts) -> None:
    """A line to standard error for each thing that a user may not have meant."""
    for text in said["warnings"]:
        warn(text, loud=text in said["loud"])
    warn_of_slow_core(said["seconds"])


def show_lines(lines: Iterable[Line]) -> None:
    """A summary to standard error: headings, and what there is to say under each."""
    for heading, text in lines:
        click.echo(f"{heading:<11} {text}", err=True)


def show_row(said: Facts, where: str, *, quiet: bool, as_json: bool) -> None:
    """The same for one row of many: a line each."""
    for text in said["warnings"]:
        warn(f"{where}: {text}", loud=text in said["loud"])
    if not quiet:
        click.echo(f"{said['command']:<11} {_output(said['output'], said['seconds'])}", err=True)
    if as_json:
        click.echo(as_text({"row": where, **said}))


def warn(text: str, *, loud: bool = False) -> None:
    """One line on standard error."""
    word = click.style("WARNING", fg="red", bold=True) if loud else "warning"
    click.echo(f"roicrop: {word}: {text}", err=True)


def warn_of_slow_core(seconds: float) -> None:
    """Say that the compiled core would have been faster, after a run of so many seconds."""
    from roicrop import kernels

    if kernels.NAME == "numpy" and seconds > _LONG_RUN:
        warn(
            "this was the NumPy core; the compiled one is many times faster: "
            "install roicrop where there is a C++ compiler"
        )


def as_text(value: object) -> str:
    """JSON of a result, in one line; numbers that JSON lacks are text ("nan", "-inf")."""
    return json.dumps(_plain(value), ensure_ascii=False)


def overriding_options(row: Convention) -> dict[str, str]:
    """The options whose values are not those of the convention: option → value and the own one."""
    changed = overrides(row)
    options = {
        f"--{_OPTIONS[field]}": f"{used} (its own: {own})"
        for field, (own, used) in changed.items()
        if field in _OPTIONS
    }
    if not changed.keys().isdisjoint({"offset_after", "min_size"}):
        options["--aligned" if row.aligned else "--no-aligned"] = ""
    return options


_OPTIONS: Final = {
    "sampling_ratio": "sampling-ratio",
    "mode": "mode",
    "interpolation": "interpolation",
    "void": "extrapolation-value",
}


@contextmanager
def progress(boxes: int, *, quiet: bool) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal for what takes over a second; call it with how many more are done."""
    if quiet or not sys.stderr.isatty():
        yield lambda done: None
        return
    from tqdm import tqdm

    with tqdm(total=boxes, unit=" boxes", unit_scale=True, delay=1, leave=False) as bar:
        yield bar.update


def summary_lines(said: Facts) -> Iterator[Line]:
    """The summary: a heading and a text for each of its lines."""
    options = [
        f"{option} {value}".strip() for option, value in said["convention"]["options"].items()
    ]
    changed = f", but {', '.join(options)}" if options else ""
    beside = f"; beside it {said['convention']['beside']}" if said["convention"]["beside"] else ""
    yield said["command"], f"{said['convention']['name']}{changed}{beside}"
    yield from input_lines(said)
    if "output" in said:
        yield "output", _output(said["output"], said["seconds"])
    if said["pictures"]:
        yield "pictures", f"{len(said['pictures'])}, the first is {said['pictures'][0]}"


def input_lines(said: Facts) -> Iterator[Line]:
    """What was read: features, boxes, and how they lie on one another."""
    features, boxes = said["features"], said["boxes"]
    images = many(features["images"], "image")
    channels = many(features["channels"], "channel")
    sizes = ", ".join(_some([f"{height}×{width}" for height, width in features["map_sizes"]]))
    dtype = features["dtype"]
    if features["stored_dtype"] != dtype:
        dtype = f"{features['stored_dtype']} read as {dtype}"
    yield (
        "features",
        f"{features['path']}::{features['dataset']}: {images} of {channels}"
        + (f", {sizes} cells" if sizes else "")
        + f", {dtype} {said['parameters']['layout']}",
    )

    count = many(boxes["count"], "box", "boxes")
    if boxes["count"] != boxes["in_file"]:
        count = f"{boxes['count']} of {many(boxes['in_file'], 'box', 'boxes')}"
    order = f"{boxes['box_format']} ({boxes['box_format_origin']})"
    path = "standard input" if boxes["path"] == "-" else boxes["path"]
    yield "boxes", f"{path}: {count}, {boxes['format']}, {order}; {boxes['matched']}"
    for note in boxes["notes"]:
        yield "", note
    if said["parameters"]["normalized"] or said["parameters"]["rules"]["normalized"]:
        yield "coordinates", _fractions(said["parameters"])

    if said["scale"]:
        yield "scale", "; ".join(_some([_scale(scale) for scale in said["scale"]]))
    resized = said["parameters"]["input_scale"]
    if resized not in (None, [1.0, 1.0]):
        yield "input scale", f"{resized[0]:g} along x, {resized[1]:g} along y"
    if counted := _counted(said):
        yield "of these", counted


def _scale(scale: Mapping[str, Any]) -> str:
    if scale["origin"] == "default":
        return "1, because nobody said otherwise"
    return f"{scale['spatial_scale']:g}, stride {scale['stride']:g} ({scale['origin']})"


def _fractions(parameters: Mapping[str, Any]) -> str:
    size = parameters["image_size"]
    of = (
        f"the image, {size[0]}×{size[1]} pixels" if size else "the image, which is map size / scale"
    )
    if parameters["normalized"]:
        return f"fractions of {of}"
    return f"pixels, made fractions of {of}"


def _counted(said: Facts) -> str:
    boxes = said["boxes"]
    fate = {"zero": "pooled to zeros", "drop": "left out"}
    words = {
        "partly_outside": "partly outside the map",
        "wholly_outside": "wholly outside the map",
        "degenerate": "of no size",
        "reversed": "reversed",
        "bad": f"bad and {fate.get(said['parameters']['on_bad_box'], 'kept')}",
    }
    return ", ".join(f"{boxes[key]} {text}" for key, text in words.items() if boxes[key])


def _output(output: Mapping[str, Any], seconds: float) -> str:
    odd = f", {many(output['non_finite'], 'value')} not finite" if output["non_finite"] else ""
    shape = "×".join(map(str, output["shape"]))
    return f"{output['path']}: {shape} {output['dtype']}{odd}, in {seconds:.2f} s"


def _some(texts: Sequence[str], most: int = 3) -> list[str]:
    return [*texts[:most], *([f"and {len(texts) - most} more"] if texts[most:] else [])]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
