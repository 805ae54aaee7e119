"""`roicrop batch`, many files, and `roicrop index`, their outputs as one dataset."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from roicrop import __version__
from roicrop.cli import crop, declaring, options, report, terminal
from roicrop.cli.terminal import FAILURES, in_one_line, tell
from roicrop.crews import Cluster, Crew, Processes, ThisProcess
from roicrop.errors import ArgumentError, ManifestError, OutputError
from roicrop.text import json_line, many

if TYPE_CHECKING:
    from roicrop.job import Destination, Entry, Ledger, ManifestRow, Task

# Options of the whole batch, which a manifest cannot set.
_WHERE: Final = ("directory", "manifest", "features", "boxes")
_SHARED: Final = (*_WHERE, "workers", "shard", "scheduler", "quiet", "as_json")


@declaring.command("batch jobs.csv -o crops --stride 16 --convention detectron2")
@click.argument("manifest", required=False, type=click.Path(dir_okay=False))
@declaring.place_option("DIR", "Folder for all outputs, created if needed.", "directory")
@declaring.which_option(
    "--features",
    str,
    "Instead of MANIFEST: a row for each matching file, as in 'maps/*.h5'. Outputs of "
    "'maps/**/*.h5' keep its folders.",
    metavar="PATTERN",
    shell_complete=declaring.complete_files,
)
@declaring.which_option(
    "--boxes",
    str,
    "Boxes for each such file, as in 'boxes/{stem}.json'; {stem}, {name} and {parent} stand for "
    "parts of its path.",
    metavar="NAME",
    shell_complete=declaring.complete_files,
)
@declaring.running_option(
    "--workers",
    declaring.COUNT,
    "Number of processes that share the rows; if one dies, only its row fails.  [default: this "
    "process]",
)
@declaring.running_option(
    "--shard",
    declaring.SHARD,
    "Do every Nth row, starting with the Ith, as one of N runs that share the rows and DIR.",
)
@declaring.running_option(
    "--scheduler",
    str,
    "Share the rows among the workers of this Dask cluster, as in tcp://host:8786.",
    metavar="ADDRESS",
)
@options.EITHER
@options.CROPPING
@click.pass_context
def batch(ctx: click.Context, /, **params: Any) -> int:
    """Pool the boxes of many files; run it again to do only what is not done yet.

    MANIFEST is a .csv, .tsv, .json or .jsonl file with a row for each output: the columns features
    and boxes (files, relative to the manifest's folder) and, optionally, output (its name in DIR;
    by default that of the features) and any option by name, which overrides the same option here:
    stride, convention, op, label (several separated by ;) and so on.

    DIR/batch.jsonl records what is done. A row is done again if a file that it reads has changed.
    If its options have changed, it fails; --overwrite does all rows again. A row that fails is
    reported in one line, and the batch goes on. With --json, each row is one line of JSON.
    """
    if params["workers"] is not None:  # first, so that they load modules while this process does
        Processes.prepare(["roicrop.job", "h5py"])
    return _Batch(ctx, params).run()


@declaring.command("index crops -o crops/index.h5")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False))
@declaring.place_option("INDEX", "File to write, ending in .h5 or .hdf5.")
@options.OVERWRITE
@options.REPORT
def index(directory: str, output: str, overwrite: bool, quiet: bool, as_json: bool) -> None:
    """Combine the HDF5 outputs of a batch into one virtual dataset.

    Any HDF5 reader sees /pooled of all files as one array, with /boxes and the origin of each row
    beside it; no values are copied. All files must exist and have the same shape and dtype.
    """
    from roicrop.job import finished
    from roicrop.outputs import write_index

    suffixes = (".h5", ".hdf5")
    if not output.lower().endswith(suffixes):
        raise ArgumentError(f"{output} has an unknown extension: use .h5 or .hdf5")
    done = finished(Path(directory))
    names = sorted(name for name in done if name.lower().endswith(suffixes))
    if left_out := len(done) - len(names):
        terminal.warn(f"left out of the index: {many(left_out, 'output')}, not HDF5")
    if not names:
        raise OutputError(f"{directory} has no HDF5 outputs: run `roicrop batch` first")
    shape = write_index(output, [Path(directory, name) for name in names], overwrite=overwrite)
    if not quiet:
        text = f"{output}: {'×'.join(map(str, shape))} of {many(len(names), 'file')}"
        report.show_lines([("index", text)])
    if as_json:
        click.echo(json_line({"output": {"path": output, "shape": shape}, "files": len(names)}))


class _Batch:
    """One run of the command.

    rows: those of this shard, with their destinations. columns: column → the option that it sets.
    """

    def __init__(self, ctx: click.Context, params: Mapping[str, Any]) -> None:
        from roicrop.job import destinations

        self._ctx, self._params = ctx, params
        self._directory = Path(params["directory"])
        self._columns = _columns(ctx.command)
        rows, self._base = _read(params, self._columns)
        places = destinations(
            rows,
            self._directory,
            base=self._base,
            viz=params["viz"],
            others={"the manifest": params["manifest"], "--images": params["images"]},
        )
        first, step = params["shard"] or (1, 1)
        self._rows = list(zip(rows, places, strict=True))[first - 1 :: step]
        self._threads, self._memory = _share(params)
        self._counts: Counter[str] = Counter()
        self._failed: dict[str, str] = {}
        self._versions: set[str] = set()
        self._seconds = 0.0
        self._boxes = 0
        self._start = time.perf_counter()

    def run(self) -> int:
        """Do the rows; return the exit status."""
        from roicrop.job import Done, Ledger, carry_out

        quiet = self._params["quiet"]
        shard = self._params["shard"]
        part = "" if shard is None else f"{shard[0]}-of-{shard[1]}"
        self._given: dict[str, tuple[ManifestRow, Entry]] = {}
        with (
            Ledger(self._directory, part) as ledger,
            terminal.progress(len(self._rows), "rows", quiet=quiet) as self._bar,
        ):
            for outcome in carry_out(self._tasks(ledger), _crew(self._params)):
                row, entry = self._given.pop(outcome.task.output)
                if isinstance(outcome.result, Done):
                    ledger.finish(entry)
                    self._counts["done"] += 1
                    self._seconds += outcome.result.seconds
                    with self._bar.aside():
                        report.show_row(outcome.result.said, row.where, quiet=quiet)
                    self._advance(outcome.result.boxes)
                else:
                    self._fail(row, outcome.result)
        self._conclude()
        return 1 if self._failed else 0

    def _tasks(self, ledger: Ledger) -> Iterator[Task]:
        """The rows to do; those already done or impossible are reported on the way."""
        from roicrop.job import make_room

        for row, place in self._rows:
            try:
                if isinstance(place, ManifestError):
                    raise place
                task, entry = self._task(row, place)
                done, replace = ledger.why_not(entry, overwrite=task.overwrite)
                if done is not None:
                    self._skip(row, task, done)
                    continue
                if task.viz and not replace and any(Path(task.viz).glob("*")):
                    raise OutputError(
                        f"{task.viz} has pictures that this batch did not draw: name another "
                        "folder, or replace them with --overwrite"
                    )
                make_room([self._directory / place.output])
                ledger.start(place.output)
            except FAILURES as error:
                self._fail(row, error)
                continue
            self._given[task.output] = row, entry
            yield dataclasses.replace(task, overwrite=replace, retried=True)

    def _task(self, row: ManifestRow, place: Destination) -> tuple[Task, Entry]:
        from roicrop.job import INPUTS, Entry, inputs_of, result_options

        own = _parameters(self._ctx, self._columns, row, self._base)
        places = {"output": str(self._directory / place.output), "viz": place.pictures}
        shares = {"threads": self._threads, "memory": self._memory}
        params = {**self._params, **shares, **own, **places}
        operator = params["operator"]
        task = crop.task(params, operator, partial(report.row_summary, operator, params["as_json"]))
        recorded = ["dtype", "compression", "reduce"]
        parameters = result_options(task.request)
        if task.viz is not None:
            parameters["--viz"] = os.path.relpath(task.viz, self._directory)
            recorded += ["viz_boxes", "channel", "bin", "points"]
        for name in recorded:
            if (value := str(params[name])) not in ("None", "none", "False"):
                parameters[f"--{name.replace('_', '-')}"] = value
        inputs = {name: params[name] for name in INPUTS if params[name] is not None}
        return task, Entry(
            place.output, inputs_of(inputs, self._directory), parameters, __version__
        )

    def _skip(self, row: ManifestRow, task: Task, entry: Entry) -> None:
        self._counts["skipped"] += 1
        if entry.version != __version__:
            self._versions.add(entry.version)
            self._counts["other version"] += 1
        if self._params["as_json"]:
            record = {"row": row.where, "skipped": True, "version": entry.version}
            click.echo(json_line({**record, "output": {"path": task.output}}))
        self._advance()

    def _fail(self, row: ManifestRow, error: BaseException) -> None:
        text, status = in_one_line(error)
        self._failed[row.where] = text
        with self._bar.aside():
            tell(error, f"{row.where}: ")
            if self._params["as_json"]:
                click.echo(json_line({"row": row.where, "error": text, "status": status}))
        self._advance()

    def _advance(self, boxes: int = 0) -> None:
        """Show that one more row has ended, with so many boxes."""
        self._boxes += boxes
        speed = self._boxes / (time.perf_counter() - self._start)
        self._bar(1, f"{speed:,.0f} boxes/s")

    def _conclude(self) -> None:
        report.warn_of_slow_core(self._seconds)
        if self._versions:
            versions = ", ".join(sorted(self._versions))
            terminal.warn(
                f"{many(self._counts['other version'], 'skipped row')} came from roicrop "
                f"{versions}, and this is {__version__}: --overwrite does these rows again"
            )
        if self._params["quiet"]:
            return
        counts = f"{self._counts['done']} of {len(self._rows)} rows done"
        counts += f", {self._counts['skipped']} skipped, {len(self._failed)} failed"
        lines = [("batch", counts)]
        for row, _ in self._rows:
            if row.where in self._failed:
                word = "failed" if len(lines) == 1 else ""
                lines.append((word, f"{row.where}: {self._failed[row.where]}"))
        report.show_lines(lines)


def _read(
    params: Mapping[str, Any], columns: Mapping[str, click.Option]
) -> tuple[list[ManifestRow], str]:
    """The rows, and the folder that their files are relative to."""
    from roicrop.job import REQUIRED, match_files, read_manifest

    manifest, features, boxes = params["manifest"], params["features"], params["boxes"]
    if (manifest is None) == (features is None) or (features is None) != (boxes is None):
        raise ArgumentError("give MANIFEST, or both --features and --boxes instead")
    if manifest is None:
        return match_files(features, boxes), ""
    rows = read_manifest(manifest, [*REQUIRED, "output", *columns])
    return rows, os.path.dirname(manifest)


def _share(params: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The threads and memory for each row: the total, divided among the workers."""
    from roicrop.arguments import default_threads
    from roicrop.job import default_memory

    threads, memory, workers = params["threads"], params["memory"], params["workers"]
    if params["scheduler"] is not None:
        if workers is not None:
            raise ArgumentError(
                "--workers starts processes here, and --scheduler has its own workers: give one"
            )
        return threads or 1, memory
    if workers is None:
        return threads, memory
    return max(1, (threads or default_threads()) // workers), (
        memory or default_memory()
    ) // workers


def _crew(params: Mapping[str, Any]) -> Crew:
    if params["scheduler"] is not None:
        return Cluster(params["scheduler"])
    if params["workers"] is not None:
        return Processes(params["workers"])
    return ThisProcess()


def _columns(command: click.Command) -> dict[str, click.Option]:
    """Column → the option that it sets."""
    return {
        parameter.opts[0].removeprefix("--").replace("-", "_"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name not in _SHARED
    }


def _parameters(
    ctx: click.Context, columns: Mapping[str, click.Option], row: ManifestRow, base: str
) -> dict[str, Any]:
    """A row's values, parsed as click parses options."""
    from roicrop.job import INPUTS

    values: dict[str, Any] = {}
    for column, value in row.values.items():
        option = columns.get(column)
        if column in INPUTS:
            value = os.path.join(base, str(value))
        if option is None:
            values[column] = value
            continue
        if option.multiple:
            value = value if isinstance(value, list) else str(value).split(";")
            value = [str(each) for each in value]
        elif not (option.is_flag and isinstance(value, bool)):
            value = str(value)
        assert option.name is not None
        values[option.name] = option.type_cast_value(ctx, value)
    if "stride" in values:
        values.setdefault("spatial_scale", None)
    if "spatial_scale" in values:
        values.setdefault("stride", None)
    return values
