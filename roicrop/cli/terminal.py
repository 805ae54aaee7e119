"""Printing: errors, warnings and progress to standard error, answers to standard output."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, Final

import click

from roicrop.errors import RoicropError
from roicrop.text import one_line, printable

FAILURES: Final = (click.ClickException, RoicropError, OSError, MemoryError)


def in_one_line(error: BaseException) -> tuple[str, int]:
    """The message, on one line, and the exit status for one of FAILURES."""
    if isinstance(error, click.ClickException):
        text, status = error.format_message(), error.exit_code
        if isinstance(error, click.UsageError) and error.ctx is not None:
            stop = "" if text.endswith((".", "?")) else "."
            text += f"{stop} See {error.ctx.command_path} --help."
    elif isinstance(error, RoicropError):
        text, status = str(error), error.exit_status
    elif isinstance(error, OSError):
        # An error about a file names the file, so one without a name is about a stream.
        place = "standard output" if error.filename is None else os.fsdecode(error.filename)
        text, status = f"{place}: {error.strerror or error}", RoicropError.exit_status
    else:
        text = ": ".join(filter(None, ["there is not enough memory", str(error)]))
        status = RoicropError.exit_status
    return one_line(" ".join(text.split("\n"))), status


def tell(error: BaseException, where: str = "") -> int:
    """Print an error to standard error; return its exit status."""
    text, status = in_one_line(error)
    say(f"roicrop: error: {one_line(where)}{text}")
    return status


def warn(text: str, *, loud: bool = False) -> None:
    """Print a warning on one line; loud: in red."""
    word = click.style("WARNING", fg="red", bold=True) if loud else "warning"
    say(f"roicrop: {word}: {one_line(text)}")


def say(line: str) -> None:
    """Print a line to standard error, ignoring a closed stream."""
    with suppress(OSError):
        click.echo(line, err=True)


def answer(lines: Iterable[str]) -> None:
    """Print an answer to standard output, with unprintable characters escaped."""
    sys.stdout.writelines(f"{printable(line, len(line))}\n" for line in lines)
    sys.stdout.flush()  # a closed pipe must be noticed here, where click ignores it


class Bar:
    """A progress bar; call it with the number newly done. Without a terminal it shows nothing."""

    def __init__(self, bar: Any = None) -> None:
        self._bar = bar

    def __call__(self, done: int, note: str = "") -> None:
        """Advance; note: a text to show behind the bar."""
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done)

    def aside(self) -> AbstractContextManager[Any]:
        """Hide the bar while other lines are printed."""
        if self._bar is None:
            return nullcontext()
        return self._bar.external_write_mode(file=sys.stderr)  # type: ignore[no-any-return]


@contextmanager
def progress(total: int | None, unit: str = "boxes", *, quiet: bool) -> Iterator[Bar]:
    """Show a progress bar on a terminal after a second; total: None if unknown."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield Bar()
        return
    from tqdm import tqdm

    # tqdm shows nothing on a terminal of unknown size, for which this gives 80×24.
    columns, lines = shutil.get_terminal_size()
    look = {"unit": f" {unit}", "unit_scale": unit == "boxes", "ncols": columns, "nrows": lines}
    with tqdm(total=total, delay=1, leave=False, **look) as bar:
        yield Bar(bar)
