"""The command line: a table of commands, each loaded when it is called, and one way to fail.

Results go to files, messages to standard error, `--json` to standard output. A command returns its
exit status: None or 0 for done, 3 if the answer is no. Errors are one line, with status 1 (the work
failed) or 2 (the command line is wrong); a signal gives 128 plus its number.
"""

from __future__ import annotations

import _thread
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from roicrop.cli import STOPS, stopped
from roicrop.cli.terminal import FAILURES, tell
from roicrop.text import choice

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS: Final[Mapping[str, str]] = {
    "align": "Pool boxes by RoIAlign.",
    "pool": "Pool boxes by RoIPool.",
    "show": "Draw where the values of a box come from.",
    "explain": "List every sample of a box, in words, JSON or CSV.",
    "compare": "Measure how far apart conventions are, and find out why.",
    "inspect": "Report what files hold, and what is wrong with them.",
    "identify": "Find the convention that made a pooled tensor.",
    "batch": "Pool the boxes of many files, skipping what is already done.",
    "index": "Combine the outputs of a batch into one dataset.",
    "conventions": "List how each framework defines the operators.",
}
"""Command → what it does. Each is the function of its name in `roicrop.cli.<module>`."""

_MODULES: Final = {
    "align": "crop",
    "pool": "crop",
    "compare": "conventions",
    "identify": "conventions",
    "index": "batch",
}
"""Command → module, unless it has the command's name."""


class Commands(click.Group):
    """A group whose help is written without loading its commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Load a command."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"roicrop.cli.{_MODULES.get(name, name)}")
        command = getattr(module, name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; a usage error suggests similar names."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"no command {name!r}: {choice(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names and options without loading a command."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=words)
            for name, words in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from roicrop import __version__, kernels

        click.echo(f"roicrop {__version__}, core: {kernels.NAME}")
        ctx.exit()


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command has an example in its own help: roicrop align --help",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print the version and the core in use.",
)
@click.pass_context
def roicrop(ctx: click.Context) -> None:
    """Crop feature maps by boxes exactly as a framework does, and find out why frameworks differ.

    FEATURES is an HDF5 file, file.h5 or file.h5::/path/to/dataset, or a .npy or .npz file. BOXES is
    a .csv, .tsv, .json or .jsonl file, among others, or - for standard input.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit status."""
    _survive_any_stream()
    try:
        with _signals_stop():
            status = roicrop.main(arguments, prog_name="roicrop", standalone_mode=False)
        return status or 0
    except FAILURES as error:
        return tell(error)
    except _Stopped as stop:
        return stopped(stop.number)


class _Stopped(BaseException):
    """Raised by a signal that stops the program; unfinished files are removed on the way up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def _signals_stop() -> Iterator[None]:
    """Make Ctrl-C and other signals raise `_Stopped`, but only once: cleanup is not interrupted.

    It is raised again if Python lost it, as in a destructor.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    arrived: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        for each in STOPS:
            signal.signal(each, signal.SIG_IGN)
        arrived.append(number)
        raise _Stopped(number)

    def again(lost: sys.UnraisableHookArgs) -> None:
        if not isinstance(lost.exc_value, _Stopped):
            hook(lost)
            return
        # Python drops exceptions of finalizers: send the signal again, a bit later.
        number = lost.exc_value.number
        signal.signal(number, stop)
        later = threading.Timer(0.01, _thread.interrupt_main, [number])
        later.daemon = True
        later.start()

    hook, sys.unraisablehook = sys.unraisablehook, again
    # Signals that are ignored (Ctrl-C in the background, SIGHUP under nohup) stay ignored.
    before = {each: signal.getsignal(each) for each in STOPS}
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(each, stop)
    try:
        try:
            yield
        except BaseException:
            if not arrived:
                raise
        if arrived:  # even if a callback made another error of it, or dropped it
            raise _Stopped(arrived[0]) from None
    finally:
        sys.unraisablehook = hook
        for each, handler in before.items():
            signal.signal(each, handler)


def _survive_any_stream() -> None:
    """Escape characters that a terminal cannot print, and replace closed standard streams.

    A replacement takes the stream's file descriptor, so that no output file can get it.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
