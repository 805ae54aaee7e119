"""`roicrop inspect`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from roicrop import __version__
from roicrop.cli import declaring, options
from roicrop.cli.terminal import FAILURES, answer, in_one_line, tell
from roicrop.conventions import DEFAULT, PLAIN
from roicrop.errors import ArgumentError, FeatureError
from roicrop.text import json_line, one_line

if TYPE_CHECKING:
    from roicrop.inspection import BoxFile, FeatureFile, Looked, ModelFile, PooledFile, Together


@declaring.command("inspect maps.h5 boxes.json --stride 16")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    shell_complete=declaring.complete_files,
)
@options.PLACING
@declaring.running_option(
    "--safe",
    declaring.FLAG,
    "Read each file in a separate process, so that one that crashes HDF5 is only an error.",
)
@declaring.json_option("Print the full report as one JSON object.")
def inspect(files: tuple[str, ...], as_json: bool, safe: bool, **params: Any) -> int:
    """Report what files hold, what looks wrong, and whether they fit together.

    A FILE holds feature maps (HDF5 or NumPy; file.h5::/path reports only that part), boxes, pooled
    boxes, or an exported model (ONNX, OpenVINO), whose RoI operators are listed. Of large maps,
    only a sample of the values is read. Boxes are checked against the maps in the file of the same
    name or, if there is none, in every file. The options mean the same as in the other commands.

    The exit status is 3 if boxes and maps do not fit, and 1 if something could not be read;
    everything else is still reported. A damaged file can crash HDF5 or keep it busy forever: --safe
    protects against both and allows a minute per file.
    """
    from roicrop import inspection
    from roicrop import job as jobs

    any_convention = PLAIN[DEFAULT["align"]], *PLAIN.values()
    how = jobs.request_of({**params, "features": "", "boxes": ""}, *any_convention)
    looked: list[Looked] = []
    records: list[dict[str, Any]] = []
    failed = False
    for path in files:
        try:
            file = inspection.look_at(path, how, safe=safe)
        except ArgumentError:
            raise
        except FAILURES as error:
            failed = True
            tell(error)
            records.append({"path": path, "error": in_one_line(error)[0]})
            continue
        looked.append(file)
        if as_json:
            records.append({"kind": file.report.kind, **dataclasses.asdict(file.report)})
        for unreadable in file.unreadable:
            failed = True
            tell(FeatureError(unreadable))
        if not as_json:
            _print(file.report)
    together = []
    for pair in inspection.look_together(looked, how, safe=safe):
        together.append(dataclasses.asdict(pair))
        if not as_json:
            _print(pair)
    if as_json:
        click.echo(json_line({"version": __version__, "files": records, "together": together}))
    fit = all(pair["fits"] for pair in together)
    return 1 if failed else 0 if fit else 3


def _print(found: FeatureFile | PooledFile | BoxFile | ModelFile | Together) -> None:
    """Print a report and an empty line."""
    from roicrop.inspection import in_words

    answer([*(one_line(line) for line in in_words(found)), ""])
