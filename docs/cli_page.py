"""`docs/cli.md`, from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import click

from docs.tables import table
from roicrop.cli.main import COMMANDS
from roicrop.cli.main import roicrop as program

_Options = dict[str, list[click.Option]]


def cli_page() -> str:
    """A section for each command, and a table of the options that several share."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    commands = {name: _command(name) for name in COMMANDS}
    options = {name: _options(command) for name, command in commands.items()}
    yield from ("# Command line", "", "Generated from the commands by `make docs`.", "")
    yield from _paragraphs(program)
    yield from table(
        ["command", "what it does"],
        [[f"[`{name}`](#roicrop-{name})", words] for name, words in COMMANDS.items()],
    )
    yield ""
    for name, command in commands.items():
        yield from _section(name, command, options)
    yield from ("## Shared options", "", "They mean the same in every command that has them.", "")
    yield from table(["option", "meaning", "in"], _shared_rows(options))
    yield from ("", "## Exit status", "", *table(["status", "meaning"], _STATUSES))


_STATUSES = (
    ("0", "done"),
    ("1", "the work failed; one line on standard error says why"),
    ("2", "the command line is wrong"),
    ("3", "`compare`, `identify`, `inspect`: the answer is no"),
    ("128 + N", "stopped by signal N: 130 is Ctrl-C"),
)


def _command(name: str) -> click.Command:
    command = program.get_command(click.Context(program), name)
    assert command is not None
    return command


def _options(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option)]


def _section(name: str, command: click.Command, options: _Options) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(click.Context(command)))
    yield from (f"## roicrop {name}", "", f"`roicrop {name} {usage}`", "")
    yield from _paragraphs(command)
    example = re.sub(r"\s+", " ", command.epilog or "").removeprefix("\b").strip()
    yield from (f"Example: `{example.removeprefix('Example: ')}`", "")
    own = [each for each in options[name] if _commands_with(each, options) == [name]]
    shared = [each for each in options[name] if each not in own]
    if own:
        yield from table(["option", "meaning"], [[_names(each), _meaning(each)] for each in own])
        yield ""
    if shared:
        names = ", ".join(f"`{_long(each)}`" for each in shared)
        yield from (f"{'And the' if own else 'The'} [shared](#shared-options) {names}.", "")


def _paragraphs(command: click.Command) -> Iterator[str]:
    for paragraph in (command.help or "").split("\n\n"):
        yield from (" ".join(paragraph.split()), "")


def _shared_rows(options: _Options) -> Iterator[Sequence[str]]:
    shared: dict[tuple[str, str], list[str]] = {}
    for each in (each for its in options.values() for each in its):
        commands = _commands_with(each, options)
        if len(commands) > 1:
            shared[_names(each), _meaning(each)] = commands
    for (names, meaning), commands in shared.items():
        yield names, meaning, ", ".join(commands)


def _commands_with(option: click.Option, options: _Options) -> list[str]:
    """The commands that have exactly this option."""
    said = _names(option), _meaning(option)
    return [
        name for name, its in options.items() if said in [(_names(o), _meaning(o)) for o in its]
    ]


def _names(option: click.Option) -> str:
    value = "" if option.is_flag else f" {_value(option)}"
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    return names[:-1] + value + "`"


def _long(option: click.Option) -> str:
    return max(option.opts, key=len)


def _value(option: click.Option) -> str:
    kind = option.type
    if option.metavar is not None:
        return option.metavar
    if isinstance(kind, click.Choice):
        return "|".join(map(str, kind.choices))
    return kind.name.upper() if kind.name.islower() else kind.name


def _meaning(option: click.Option) -> str:
    words = re.sub(r"\s+\[default: (.*)\]$", r" Default: \1.", option.help or "")
    if option.show_default:
        words += f" Default: {option.default}."
    if option.required:
        words += " Required."
    return words
