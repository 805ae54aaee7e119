"""`roicrop index`."""

from __future__ import annotations

from pathlib import Path

import click

from roicrop.cli import declaring, options, report
from roicrop.text import json_line, many


@declaring.command(epilog="\b\nExample: roicrop index crops -o crops/index.h5")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False))
@declaring.output_option(
    "-o",
    "--output",
    metavar="INDEX",
    required=True,
    shell_complete=declaring.complete_files,
    help="File to write, ending in .h5 or .hdf5.",
)
@options.OVERWRITE
@options.REPORT
def command(directory: str, output: str, overwrite: bool, quiet: bool, as_json: bool) -> None:
    """Combine the HDF5 outputs of a batch into one virtual dataset.

    Any HDF5 reader sees /pooled of all files as one array, with /boxes and the origin of each row
    beside it; no values are copied. All files must exist and have the same shape and dtype.
    """
    from roicrop.errors import ArgumentError
    from roicrop.job import finished
    from roicrop.outputs import write_index

    if not output.lower().endswith(_SUFFIXES):
        raise ArgumentError(f"{output} has an unknown extension: use .h5 or .hdf5")
    done = finished(Path(directory))
    names = sorted(name for name in done if name.lower().endswith(_SUFFIXES))
    if left_out := len(done) - len(names):
        report.warn(f"{many(left_out, 'output')} are not HDF5 and not in the index")
    shape = write_index(output, [Path(directory, name) for name in names], overwrite=overwrite)
    if not quiet:
        text = f"{output}: {'×'.join(map(str, shape))} of {many(len(names), 'file')}"
        report.show_lines([("index", text)])
    if as_json:
        click.echo(json_line({"output": {"path": output, "shape": shape}, "files": len(names)}))


_SUFFIXES = (".h5", ".hdf5")
