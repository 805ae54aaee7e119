"""How commands are declared: options under headings, their types, and shell completion."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from roicrop.conventions import CONVENTIONS, SETTINGS, Operator

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_Function = TypeVar("_Function", bound=Callable[..., Any])
Decorator = Callable[[_Function], _Function]
_Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]

HEADINGS: Final = ("Output", "Rules", "Where boxes lie", "Which boxes", "Pictures", "Running")
"""The headings of a command's help, in order."""


class Option(click.Option):
    """An option listed under one of HEADINGS; help shows its default, if it has one."""

    def __init__(self, *args: Any, heading: str, **kwargs: Any) -> None:
        super().__init__(*args, **{"show_default": kwargs.get("default") is not None, **kwargs})
        self.heading = heading


class Command(click.Command):
    """A command whose help lists its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each heading; options without one, such as --help, go last."""
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
    """Combine options into one decorator, in the order in which help lists them."""

    def decorate(function: _Function) -> _Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def command(example: str) -> Callable[[_Function], click.Command]:
    """A command, and what follows `roicrop` in the example at the end of its help."""
    return click.command(cls=Command, epilog=f"\b\nExample: roicrop {example}")


FLAG: Final = None
"""The type of an option without a value."""


def _option(heading: str, names: str, type: Any, help: str, **more: Any) -> Decorator[Any]:
    """An option under a heading; names: as in "-o --output place", the last for its parameter."""
    more |= {"is_flag": True} if type is FLAG else {"type": type}
    return click.option(*names.split(), cls=Option, heading=heading, help=help, **more)


output_option, rule_option, lie_option, which_option, picture_option, running_option = (
    partial(_option, heading) for heading in HEADINGS
)


def complete_files(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete file names."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def place_option(metavar: str, help: str, name: str = "output", **more: Any) -> Decorator[Any]:
    """-o, the file or folder to write; name: of the command's parameter."""
    more = {"required": "default" not in more, "shell_complete": complete_files, **more}
    return output_option(f"-o --output {name}", str, help, metavar=metavar, **more)


def json_option(help: str) -> Decorator[Any]:
    """--json, the parameter `as_json`."""
    return running_option("--json as_json", FLAG, help)


def complete_conventions(*operators: Operator) -> _Complete:
    """Complete the conventions of these operators, or else files, which may be models."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names: dict[str, CompletionItem] = {}  # the first row of each name is the best known
        for row in CONVENTIONS.values():
            if row.operator in operators and row.name.startswith(incomplete):
                names.setdefault(row.name, CompletionItem(row.name, help=row.program))
        return [*names.values()] or complete_files(ctx, param, incomplete)

    return complete


class _Text(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.3 on
    """A type whose values a function parses from text, raising ValueError if it cannot."""

    def __init__(
        self, metavar: str, expected: str, read: Callable[[str], Any], *, names: bool = False
    ) -> None:
        self.name = metavar
        self._expected = expected
        self._read = read
        self._names = names

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The placeholder that help shows."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse a value; a usage error says what was expected."""
        if not isinstance(value, str):
            return value
        try:
            if "_" in value and not self._names:  # Python would read 1_0
                raise ValueError
            return self._read(value)
        except ValueError:
            self.fail(f"{value!r} is not {self._expected}.", param, ctx)


def _number(kind: Callable[[str], Any], is_fit: Callable[[Any], bool]) -> Callable[[str], Any]:
    """A reader of numbers that raises ValueError for others."""

    def read(text: str) -> Any:
        number = kind(text)
        if not is_fit(number):
            raise ValueError
        return number

    return read


_read_channel = _number(int, lambda number: 0 <= number < 2**31)
_read_count = _number(int, lambda number: 1 <= number < 2**31)
_read_positive = _number(float, lambda number: 0 < number < math.inf)
_read_number = _number(float, lambda number: not math.isnan(number))
_read_tolerance = _number(float, lambda number: 0 <= number < math.inf)


def _read_size(text: str) -> tuple[int, int]:
    height, width = map(_read_count, text.lower().split("x"))
    return height, width


def _read_output_size(text: str) -> tuple[int, int]:
    return _read_size(text if "x" in text.lower() else f"{text}x{text}")


def _read_input_scale(text: str) -> tuple[float, float]:
    """Parse S or SX,SY into (sy, sx)."""
    x, y = map(_read_positive, text.split(",") if "," in text else (text, text))
    return y, x


def _read_strides(text: str) -> tuple[float, ...]:
    return tuple(map(_read_positive, text.split(",")))


def _read_rows(text: str) -> tuple[range, ...]:
    """Parse numbers and ranges that include both ends."""
    ranges = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ranges.append(range(int(first), int(last if dash else first) + 1))
        if ranges[-1].start < 0 or not ranges[-1]:
            raise ValueError
    return tuple(ranges)


def _read_memory(text: str) -> int:
    """Parse sizes such as 300MB, 1.5GiB or 2G into bytes."""
    found = re.fullmatch(r"([\d.]+) ?([kmgt]?)(i?)b?", text.lower())
    if not found:
        raise ValueError
    number, prefix, binary = found.groups()
    count = int(float(number) * (1024 if binary else 1000) ** ["", *"kmgt"].index(prefix))
    if not 0 < count < 2**63:
        raise ValueError
    return count


def _read_shard(text: str) -> tuple[int, int]:
    first, _, count = text.partition("/")
    shard = _read_count(first), _read_count(count)
    if shard[0] > shard[1]:
        raise ValueError
    return shard


def _read_bin(text: str) -> tuple[int, int]:
    row, column = map(int, text.split(","))
    return row, column


def _read_columns(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise ValueError
    return names


COUNT: Final = _Text("N", "a whole number above 0", _read_count)
SHARD: Final = _Text("I/N", "a part and the number of parts, as in 3/16", _read_shard)
MEMORY_SIZE: Final = _Text("SIZE", "a size such as 300MB or 2GiB", _read_memory)
NUMBER: Final = _Text("NUMBER", "a number", _read_number)
POSITIVE: Final = _Text("NUMBER", "a number above 0", _read_positive)
TOLERANCE: Final = _Text("NUMBER", "a number, 0 or above", _read_tolerance)
IMAGE_SIZE: Final = _Text("HxW", "a height and a width in pixels, as in 600x800", _read_size)
OUTPUT_SIZE: Final = _Text("N|HxW", "a number of bins, as in 7 or 7x7", _read_output_size)
INPUT_SCALE: Final = _Text(
    "S|SX,SY", "one scale or two, above 0, as in 0.5 or 0.5,0.25", _read_input_scale
)
RATIO: Final = _Text(
    "N|adaptive|exact", SETTINGS["sampling_ratio"].expected, SETTINGS["sampling_ratio"].parse
)
MIN_SIZE: Final = _Text("N|none", SETTINGS["min_size"].expected, SETTINGS["min_size"].parse)
ROWS: Final = _Text("LIST", "a list of box numbers, as in 0,5,7-9", _read_rows)
BIN: Final = _Text("ROW,COLUMN", "a row and a column, as in 0,2", _read_bin)
STRIDES: Final = _Text("N,N,…", "a stride for each level, as in 4,8,16,32", _read_strides)
NAME: Final = _Text("NAME", "a name", str, names=True)
COLUMNS: Final = _Text("A,B,…", "names separated by commas", _read_columns, names=True)
CHANNEL: Final = _Text("N", "a channel number, counted from 0", _read_channel)
