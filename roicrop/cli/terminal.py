"""Printing: errors and progress to standard error, answers to standard output."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
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
        # Errors of files name the file, so that one without a name is about a stream.
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


def say(line: str) -> None:
    """Print a line to standard error, ignoring a closed stream."""
    with suppress(OSError):
        click.echo(line, err=True)


def answer(lines: Iterable[str]) -> None:
    """Print an answer to standard output, with unprintable characters escaped."""
    sys.stdout.writelines(f"{printable(line, len(line))}\n" for line in lines)
    sys.stdout.flush()  # a closed pipe must be noticed here, where click ignores it


@contextmanager
def progress(
    total: int | None, unit: str = "boxes", *, quiet: bool
) -> Iterator[Callable[[int], object]]:
    """A progress bar on a terminal after a second; call it with the number newly done.

    total: the number to do, None if unknown.
    """
    with _bar(quiet, total=total, unit=f" {unit}", unit_scale=unit == "boxes") as bar:
        yield (lambda done: None) if bar is None else bar.update


class Rows:
    """A progress bar for the rows of a batch: rows, boxes per second, time left."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._boxes = 0
        self._start = time.perf_counter()

    def __call__(self, boxes: int) -> None:
        """Advance by one row, in which `boxes` were pooled."""
        if self._bar is not None:
            self._boxes += boxes
            speed = self._boxes / (time.perf_counter() - self._start)
            self._bar.set_postfix_str(f"{speed:,.0f} boxes/s", refresh=False)
            self._bar.update()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Hide the bar while other lines are printed."""
        if self._bar is None:
            yield
        else:
            with self._bar.external_write_mode(file=sys.stderr):
                yield


@contextmanager
def rows_progress(rows: int, *, quiet: bool) -> Iterator[Rows]:
    """The bar for a batch; on a terminal only."""
    with _bar(quiet, total=rows, unit=" rows") as bar:
        yield Rows(bar)


@contextmanager
def _bar(quiet: bool, **how: Any) -> Iterator[Any]:
    """A tqdm bar that appears after a second and disappears; None without a terminal."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    # tqdm shows nothing on a terminal of unknown size, for which this gives 80×24.
    columns, lines = shutil.get_terminal_size()
    with tqdm(**how, delay=1, leave=False, ncols=columns, nrows=lines) as bar:
        yield bar
