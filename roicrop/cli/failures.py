"""What goes wrong for a reason that the user can fix, as one line and an exit status."""

from __future__ import annotations

import os
from typing import Final

import click

from roicrop.errors import RoicropError

FAILURES: Final = (click.ClickException, RoicropError, OSError, MemoryError)


def in_one_line(error: BaseException) -> tuple[str, int]:
    """The line and the status of one of FAILURES."""
    if isinstance(error, click.ClickException):
        text, status = error.format_message(), error.exit_code
        if isinstance(error, click.UsageError) and error.ctx is not None:
            text += f" See {error.ctx.command_path} --help."
    elif isinstance(error, RoicropError):
        text, status = str(error), error.exit_status
    elif isinstance(error, OSError):
        # What has no name here is no file: those are named where they are opened.
        place = "standard output" if error.filename is None else os.fsdecode(error.filename)
        text, status = f"{place}: {error.strerror or error}", RoicropError.exit_status
    else:
        text = ": ".join(filter(None, ["there is not enough memory", str(error)]))
        status = RoicropError.exit_status
    return text.replace("\n", " "), status


def tell(error: BaseException, where: str = "") -> int:
    """Print the line to standard error; return the status."""
    text, status = in_one_line(error)
    click.echo(f"roicrop: error: {where}{text}", err=True)
    return status
