"""What a command prints while it runs: errors and progress to standard error, answers to stdout."""

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
    """The line and the status of one of FAILURES."""
    if isinstance(error, click.ClickException):
        text, status = error.format_message(), error.exit_code
        if isinstance(error, click.UsageError) and error.ctx is not None:
            stop = "" if text.endswith((".", "?")) else "."
            text += f"{stop} See {error.ctx.command_path} --help."
    elif isinstance(error, RoicropError):
        text, status = str(error), error.exit_status
    elif isinstance(error, OSError):
        # What has no name here is no file: those are named where they are opened.
        place = "standard output" if error.filename is None else os.fsdecode(error.filename)
        text, status = f"{place}: {error.strerror or error}", RoicropError.exit_status
    else:
        text = ": ".join(filter(None, ["there is not enough memory", str(error)]))
        status = RoicropError.exit_status
    return one_line(" ".join(text.split("\n"))), status


def tell(error: BaseException, where: str = "") -> int:
    """Print the line to standard error; return the status."""
    text, status = in_one_line(error)
    say(f"roicrop: error: {one_line(where)}{text}")
    return status


def say(line: str) -> None:
    """Print a line to standard error; a stream that is closed is no reason to fail."""
    with suppress(OSError):
        click.echo(line, err=True)


def answer(lines: Iterable[str]) -> None:
    """Print the lines of an answer to standard output, whatever names are in them."""
    sys.stdout.writelines(f"{printable(line, len(line))}\n" for line in lines)
    sys.stdout.flush()  # click takes a closed pipe quietly, but only from here


@contextmanager
def progress(
    total: int | None, *, quiet: bool, unit: str = "boxes"
) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal for what takes over a second; call it with how many more are done.

    total: how many there are to do, None where nobody knows.
    """
    with _bar(quiet, total=total, unit=f" {unit}", unit_scale=True) as bar:
        yield (lambda done: None) if bar is None else bar.update


class Rows:
    """A bar on a terminal for the rows of a batch: rows, boxes a second, time left."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._boxes = 0
        self._start = time.perf_counter()

    def __call__(self, boxes: int) -> None:
        """Say that one more row is settled, with so many boxes pooled."""
        if self._bar is not None:
            self._boxes += boxes
            speed = self._boxes / (time.perf_counter() - self._start)
            self._bar.set_postfix_str(f"{speed:,.0f} boxes/s", refresh=False)
            self._bar.update()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Inside, other lines may be printed."""
        if self._bar is None:
            yield
        else:
            with self._bar.external_write_mode(file=sys.stderr):
                yield


@contextmanager
def rows_progress(rows: int, *, quiet: bool) -> Iterator[Rows]:
    """The bar, where there is a terminal."""
    with _bar(quiet, total=rows, unit=" rows") as bar:
        yield Rows(bar)


@contextmanager
def _bar(quiet: bool, **how: Any) -> Iterator[Any]:
    """A tqdm that shows after a second and leaves nothing; None without a terminal."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    # tqdm shows nothing on a terminal that does not know its size; this takes 80×24 then.
    columns, lines = shutil.get_terminal_size()
    with tqdm(**how, delay=1, leave=False, ncols=columns, nrows=lines) as bar:
        yield bar
