"""What goes wrong for a reason that the user can fix, as one line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

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
