"""The options of the command line by name, and the command line for a request.

The names are here, and not in `cli`, because some answers are themselves commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, Final

from roicrop.conventions import COMMANDS, CONVENTIONS, Convention, overrides, resolve
from roicrop.job.request import Request


def command_line(request: Request, output: str) -> list[str]:
    """The words of a command line for a request; `--stride` becomes `--spatial-scale`."""
    row = request.convention
    command, flag = COMMANDS[row.operator]
    words = ["roicrop", command, request.features, request.boxes, "-o", output]
    words += [flag] if flag else []
    words += ["--convention", row.name]
    for name, text in convention_options(row).items():
        words += [name, text] if text else [name]
    words += option_words(request, OPTIONS)
    return words


def option_words(request: Request, names: Iterable[str]) -> list[str]:
    """The words that set these fields as a request does; every field is in `OPTIONS`.

    The output size is always given, other fields only where they differ from the default.
    """
    usual = {field.name: field.default for field in fields(Request)}
    words: list[str] = []
    for name in names:
        value = getattr(request, name)
        if value != usual[name] or name == "output_size":
            for one in value if name == "labels" else [value]:
                words += [option(name)] if one is True else [option(name), OPTIONS[name](one)]
    return words


def result_options(request: Request) -> dict[str, str]:
    """Everything the result depends on besides files: option → value, "" for flags."""
    row, usual = request.convention, {each.name: each.default for each in fields(Request)}
    command, flag = COMMANDS[row.operator]
    options = {"--op": command, **({flag: ""} if flag else {})}
    options |= {"--convention": row.name, **convention_options(row)}
    for field, write in OPTIONS.items():
        value = getattr(request, field)
        if field not in _NOT_OF_RESULT and (value != usual[field] or field == "output_size"):
            text = ";".join(map(write, value)) if field == "labels" else write(value)
            options[option(field)] = "" if value is True else text
    return options


def convention_options(row: Convention) -> dict[str, str]:
    """What a command line needs besides `--convention` NAME: option → value, "" for a flag.

    It holds the values of `row` that are not the convention's own.
    """
    return {
        name: "" if both is None else _written(both[1])
        for name, both in overriding_options(row).items()
    }


def _or_none(least: float | None) -> float | str:
    return "none" if least is None else least


def _written(value: object) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, float):
        return f"{value:.9g}"
    return str(value)


def overriding_options(row: Convention) -> dict[str, tuple[object, object] | None]:
    """Option → the convention's own value and the one in use; None for an option without value."""
    changed = overrides(row)
    options: dict[str, tuple[object, object] | None] = {
        option(field): changed[field] for field in _OVERRIDING if field in changed
    }
    own = CONVENTIONS[row.operator, row.name]
    if "offset_after" in changed:
        options["--aligned" if row.aligned else "--no-aligned"] = None
        own = resolve(own, own.operator, aligned=row.aligned)
    if "clockwise" in changed:
        options["--clockwise" if row.clockwise else "--no-clockwise"] = None
    if row.min_size != own.min_size:
        options[option("min_size")] = _or_none(own.min_size), _or_none(row.min_size)
    return options


def option(field: str) -> str:
    """The option that sets this field of a request, or of a convention."""
    return _CALLED.get(field) or f"--{field.replace('_', '-')}"


def _pair(by: str) -> Callable[[tuple[float, float]], str]:
    return lambda pair: by.join(map(str, pair))


OPTIONS: Final[dict[str, Callable[[Any], str]]] = {
    "output_size": _pair("x"),
    "box_format": str,
    "normalized": str,
    "inclusive": str,
    "spatial_scale": str,
    "layout": str,
    "allow_external": str,
    "boxes_format": str,
    "images": str,
    "columns": ",".join,
    "image_column": str,
    "score_column": str,
    "label_column": str,
    "level_column": str,
    "on_image": str,
    "ids_are_indices": str,
    "image_size": _pair("x"),
    "input_scale": lambda scale: _pair(",")(scale[::-1]),  # the option is written x first
    "min_score": str,
    "top_k": str,
    "on_bad_box": str,
    "levels": ",".join,
    "strides": lambda strides: ",".join(f"{stride:g}" for stride in strides),
    "canonical_size": str,
    "canonical_level": str,
    "threads": str,
    "memory": str,
    "labels": str,
}
"""Fields of a request that an option sets → how the option's value is written."""

_NOT_OF_RESULT: Final = ("threads", "memory", "images")  # the last is a file
_OVERRIDING: Final = ("sampling_ratio", "mode", "interpolation", "void", "level_rule", "angle")
_CALLED: Final = {"labels": "--label", "void": "--extrapolation-value"}
