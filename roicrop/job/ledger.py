"""What a batch has done, so that the same command again does only the rest.

`batch.jsonl` has one line of JSON for each finished row; an output's last line counts. Each shard
has a file of its own, `batch.3-of-16.jsonl`, and all of them are read. The outputs in progress are
in `.batch.started` (`.batch.3-of-16.started`) during a run: if it is killed, that file tells the
outputs it had begun from those that were there before.
"""

from __future__ import annotations

import errno
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from roicrop import __version__
from roicrop.errors import OutputError
from roicrop.files import split_spec
from roicrop.outputs import lock, remove_leftovers, written


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished row, or one still to be done as it would be when finished.

    output: its file, relative to the directory. bytes: the file's size, None before it exists.
    inputs: what it reads: option → file (relative to the directory), path inside the file, size
        in bytes and time of the last change in nanoseconds.
    parameters: all else that the output depends on: option → value.
    finished: seconds since 1970.
    """

    output: str
    inputs: Mapping[str, Mapping[str, Any]]
    parameters: Mapping[str, str]
    version: str = __version__
    bytes: int | None = None
    finished: float = field(default=0.0, compare=False)


class Ledger:
    """The ledger of a directory, open for writing; a context manager.

    entries: output → the last finished row that made it. unfinished: outputs begun by a run that
    was killed.
    """

    def __init__(self, directory: Path, shard: str = "") -> None:
        """shard: the part of the ledger that this run writes, for example "3-of-16".

        Raises OutputError if another run is writing it, or it is not a ledger.
        """
        self._directory = directory
        stem = ".".join(filter(None, ["batch", shard]))
        self.path = directory / f"{stem}.jsonl"
        self._started = directory / f".{stem}.started"
        with written(self.path):
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        if not lock(self._file):
            os.close(self._file)
            raise OutputError(
                f"{self.path}: another batch is writing it: wait for that, or divide the rows with "
                "--shard"
            )
        self._drop_torn_line()
        self.entries = finished(directory)
        self._begun: set[str] = set()
        self.unfinished = set(self._take_over())
        self._begun |= self.unfinished
        self._clean()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._clean()
        if kind is None:
            self._started.unlink(missing_ok=True)
        os.close(self._file)

    def start(self, output: str) -> None:
        """Note that an output is in progress: whatever appears there is this run's own."""
        self._begun.add(output)
        with written(self._started):
            file = os.open(self._started, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                _append(file, {"output": output})
            finally:
                os.close(file)

    def finish(self, entry: Entry) -> None:
        """Add a finished row."""
        line = {each.name: getattr(entry, each.name) for each in fields(entry)}
        line["bytes"] = (self._directory / entry.output).stat().st_size
        line["finished"] = round(time.time(), 3)
        with written(self.path):
            _append(self._file, line)

    def why_not(self, wanted: Entry, *, overwrite: bool) -> tuple[Entry | None, bool]:
        """The entry of a row that is done already, or None and whether to replace what is there.

        OutputError if what is there is something else.
        """
        path = self._directory / wanted.output
        if overwrite or wanted.output in self.unfinished:
            return None, True
        if not path.exists():  # a finished row may still have pictures
            return None, wanted.output in self.entries
        entry = self.entries.get(wanted.output)
        remedy = "choose another name, or do it again with --overwrite"
        if entry is None:
            raise OutputError(f"{path} exists, and is not in {self.path.name}: {remedy}")
        if entry.bytes != path.stat().st_size:
            raise OutputError(f"{path} has been changed since it was finished: {remedy}")
        if differences := list(_differences(entry, wanted)):
            raise OutputError(f"{path} was made with {'; '.join(differences)}: {remedy}")
        changed = any(entry.inputs[name] != wanted.inputs[name] for name in wanted.inputs)
        return (None, True) if changed else (entry, False)

    def _take_over(self) -> Iterator[str]:
        """The outputs that killed runs had begun; they are noted as this run's."""
        for path in self._directory.glob(".batch*.started"):
            its = self._directory / f"{path.name[1:].removesuffix('.started')}.jsonl"
            if path != self._started and not _is_free(its):
                continue
            with written(path):
                *lines, _ = path.read_bytes().split(b"\n")
            for line in lines:
                try:
                    output = json.loads(line)["output"]
                except (ValueError, TypeError, KeyError, RecursionError):
                    continue  # only what is noted counts as unfinished
                if isinstance(output, str) and not _leaves(output):
                    yield output
                    if path != self._started:
                        self.start(output)
            if path != self._started:
                path.unlink(missing_ok=True)

    def _drop_torn_line(self) -> None:
        """Remove the incomplete last line of a run that was killed."""
        with written(self.path):
            content = self.path.read_bytes()
            os.ftruncate(self._file, content.rfind(b"\n") + 1)

    def _clean(self) -> None:
        """Remove the temporary files of processes that were killed."""
        remove_leftovers(self._directory / output for output in self._begun)


def finished(directory: Path) -> dict[str, Entry]:
    """Output → the last finished row that made it; OutputError if a file is not a ledger."""
    return {each.output: each for each in sorted(_read(directory), key=lambda each: each.finished)}


def _read(directory: Path) -> Iterator[Entry]:
    for path in sorted(directory.glob("batch*.jsonl")):
        with written(path):
            *lines, _ = path.read_bytes().split(b"\n")  # the last may still be written
        for number, line in enumerate(lines, 1):
            try:
                yield _entry(json.loads(line))
            except _NOT_AN_ENTRY as error:
                raise OutputError(
                    f"{path} line {number} is not what a batch writes: remove the line"
                ) from error


def inputs_of(specs: Mapping[str, str], directory: Path) -> dict[str, dict[str, Any]]:
    """`Entry.inputs` for the files that options name, each FILE or FILE::PATH."""
    base = os.path.realpath(directory)
    return {name: _input(spec, base) for name, spec in specs.items()}


def _input(spec: str, base: str) -> dict[str, Any]:
    file, inside = split_spec(spec)
    real = os.path.realpath(file)
    try:
        named = os.path.relpath(real, base)
    except ValueError:  # on another drive
        named = real
    try:
        status = os.stat(file)
    except OSError:  # reported when the file is read
        return {"file": named, "path": inside, "bytes": None, "modified": None}
    return {
        "file": named,
        "path": inside,
        "bytes": status.st_size,
        "modified": status.st_mtime_ns,
    }


def _differences(entry: Entry, wanted: Entry) -> Iterator[str]:
    """What an output was made with, where it differs from what is wanted now."""
    for name in sorted(entry.inputs.keys() | wanted.inputs.keys()):
        was, asked = entry.inputs.get(name), wanted.inputs.get(name)
        if was is None or asked is None:
            yield f"no {name}" if was is None else f"{name} {_spec(was)}, and now none"
        elif _spec(was) != _spec(asked):
            yield f"{name} {_spec(was)}, and now {_spec(asked)}"
    names = entry.parameters.keys() | wanted.parameters.keys()
    if entry.version != wanted.version:  # the other version may have other options
        names = entry.parameters.keys() & wanted.parameters.keys()
    for name in sorted(names):
        before, now = entry.parameters.get(name), wanted.parameters.get(name)
        if before != now:
            had, has = (f"no {name}" if v is None else f"{name} {v}".strip() for v in (before, now))
            yield f"{had}, and now {has}"


def _spec(given: Mapping[str, Any]) -> str:
    return "::".join(filter(None, [given["file"], given["path"]]))


def _entry(given: Any) -> Entry:
    """The entry on a line; raises one of _NOT_AN_ENTRY if it is not one."""
    entry = Entry(**given)
    texts = [given["output"], given["version"], *given["parameters"].values()]
    texts += [each[name] for each in given["inputs"].values() for name in ("file", "path")]
    if not all(isinstance(text, str) for text in texts) or not math.isfinite(entry.finished):
        raise TypeError
    return entry


_NOT_AN_ENTRY: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def _leaves(output: str) -> bool:
    return os.path.isabs(output) or ".." in Path(output).parts or "\0" in output


def _is_free(path: Path) -> bool:
    """True if no run is writing that part of the ledger."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        return lock(file)
    finally:
        os.close(file)


def _append(file: int, value: object) -> None:
    """Append a whole line, or nothing."""
    line = (json.dumps(value) + "\n").encode()
    end = os.fstat(file).st_size
    try:
        if os.write(file, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except BaseException:
        os.ftruncate(file, end)
        raise
