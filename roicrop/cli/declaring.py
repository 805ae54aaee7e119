"""How commands are declared: options under headings, and what the shell completes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from roicrop.conventions import CONVENTIONS, Operator

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_Function = TypeVar("_Function", bound=Callable[..., Any])
Decorator = Callable[[_Function], _Function]
_Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]

HEADINGS: Final = ("Output", "Rules", "Where boxes lie", "Which boxes", "Pictures", "Running")
"""The headings of a command's help, in order."""


class Option(click.Option):
    """An option that help lists under one of HEADINGS."""

    def __init__(self, *args: Any, heading: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


class Command(click.Command):
    """A command whose help lists its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section for each heading; what has none, such as --help, is about running."""
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections[getattr(parameter, "heading", HEADINGS[-1])].append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def together(*options: Decorator[Any]) -> Decorator[Any]:
    """One decorator for several options, in the order in which help lists them."""

    def decorate(function: _Function) -> _Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


command: Final = partial(click.command, cls=Command)
output_option, rule_option, lie_option, which_option, picture_option, running_option = (
    partial(click.option, cls=Option, heading=heading) for heading in HEADINGS
)


def complete_files(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete file names."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def complete_conventions(*operators: Operator) -> _Complete:
    """Complete the names of these operators' conventions, else files: models are given as such."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names: dict[str, CompletionItem] = {}  # of rows of one name the best known
        for row in CONVENTIONS.values():
            if row.operator in operators and row.name.startswith(incomplete):
                names.setdefault(row.name, CompletionItem(row.name, help=row.program))
        return [*names.values()] or complete_files(ctx, param, incomplete)

    return complete
