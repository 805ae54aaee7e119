"""`roicrop batch`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from roicrop.cli import cropping, options, report
from roicrop.cli.failures import FAILURES, in_one_line, say, tell
from roicrop.errors import ManifestError, OutputError
from roicrop.job import ManifestRow, read_manifest
from roicrop.text import json_line

_OWN_COLUMNS: Final = ("features", "boxes", "output")
_SHARED: Final = ("directory", "manifest", "quiet", "as_json")  # one for all rows
_PATHS: Final = ("features", "boxes", "images")  # relative to the manifest


@click.command(
    epilog="\b\nExample: roicrop batch jobs.csv -o crops --stride 16 --convention detectron2"
)
@click.argument("manifest", type=click.Path(dir_okay=False))
@click.option(
    "-o",
    "--output",
    "directory",
    metavar="DIR",
    required=True,
    help="The directory for all outputs, made if need be.",
)
@options.EITHER
@options.READING
@options.TENSOR
@options.VIZ
@options.MEMORY
@options.RUNNING
@click.pass_context
def command(ctx: click.Context, /, **params: Any) -> int:
    """Pool the boxes of many files.

    MANIFEST is a .csv, .tsv, .json or .jsonl with a row for each output: columns features and boxes
    (files, relative to the manifest's directory), and, where wanted, output (its name in DIR; else
    that of the features) and any option by its name, which goes before the same option here:
    stride, convention, op, label (several with ; between them) and so on.

    A row that fails is reported in one line, and the next is done. With --json, each row is one
    line of JSON.
    """
    columns = _columns(ctx.command)
    rows = read_manifest(params["manifest"], [*_OWN_COLUMNS, *columns])
    outputs = _outputs(rows, Path(params["directory"]))
    _refuse_inputs(rows, outputs, Path(params["manifest"]), params["images"])
    failed, seconds = 0, 0.0
    for row, output in zip(rows, outputs, strict=True):
        try:
            own = _parameters(ctx, columns, row, Path(params["manifest"]).parent)
            each = {**params, **own, "output": str(output)}
            if each["viz"]:
                each["viz"] = str(Path(each["viz"]) / output.stem)
            summary = cropping.crop(each, each["operator"])
        except FAILURES as error:
            failed += 1
            tell(error, f"{row.where}: ")
            if params["as_json"]:
                text, status = in_one_line(error)
                click.echo(json_line({"row": row.where, "error": text, "status": status}))
            continue
        seconds += summary.seconds
        report.show_row(summary, row.where, quiet=params["quiet"], as_json=params["as_json"])
    report.warn_of_slow_core(seconds)
    if not params["quiet"]:
        say(f"batch       {len(rows) - failed} of {len(rows)} rows done")
    return 1 if failed else 0


def _columns(command: click.Command) -> dict[str, click.Parameter]:
    """Column → the option that it sets, which bears its first long name."""
    return {
        parameter.opts[0].removeprefix("--").replace("-", "_"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name not in _SHARED
    }


def _parameters(
    ctx: click.Context, columns: Mapping[str, click.Parameter], row: ManifestRow, base: Path
) -> dict[str, Any]:
    """The row's values as click would have parsed them."""
    values: dict[str, Any] = {}
    for column, value in row.values.items():
        if column == "output":
            continue
        option = columns.get(column)
        if column in _PATHS and value != "-":
            value = str(base / str(value))
        if option is None:
            values[column] = value
            continue
        if option.multiple:
            value = value if isinstance(value, list) else str(value).split(";")
            value = [str(each) for each in value]
        elif not isinstance(value, bool):
            value = str(value)
        assert option.name is not None
        values[option.name] = option.type_cast_value(ctx, value)
    if "stride" in values:
        values.setdefault("spatial_scale", None)
    if "spatial_scale" in values:
        values.setdefault("stride", None)
    return values


def _outputs(rows: list[ManifestRow], directory: Path) -> list[Path]:
    """Each row's output file. ManifestError where two are the same."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{directory} cannot be made: {error.strerror}") from error
    outputs = [directory / str(row.values.get("output") or _name_for(row)) for row in rows]
    times = Counter(outputs)
    for row, output in zip(rows, outputs, strict=True):
        if times[output] > 1:
            raise ManifestError(
                f"{row.where} writes {output}, as another row does: give each an output of its own"
            )
    return outputs


def _refuse_inputs(
    rows: list[ManifestRow], outputs: list[Path], manifest: Path, images: str | None
) -> None:
    """ManifestError where a row would write what it, or another, reads."""
    from roicrop.files import split_spec

    uses = {os.path.realpath(manifest): "is the manifest"}
    if images is not None:
        uses[os.path.realpath(images)] = "is --images"
    for row in rows:
        for column in _PATHS:
            if column in row.values:
                file, _ = split_spec(str(manifest.parent / str(row.values[column])))
                uses.setdefault(os.path.realpath(file), f"{row.where} reads")
    for row, output in zip(rows, outputs, strict=True):
        use = uses.get(os.path.realpath(output))
        if use is not None:
            raise ManifestError(
                f"{row.where} writes {output}, which {use}: choose another name or directory"
            )


def _name_for(row: ManifestRow) -> str:
    """The output's name if the manifest gives none: maps.h5::/stride4/p2 → maps-stride4-p2.h5."""
    file, _, dataset = str(row.values["features"]).partition("::")
    return "-".join([Path(file).stem, *filter(None, dataset.split("/"))]) + ".h5"
