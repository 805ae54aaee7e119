"""From options by name, given on the command line or in Python, to a request for the pipeline.

`Parameters` map an option's name (`sampling_ratio`, `min_score`) to its value; None means that the
option was not given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from roicrop.conventions import (
    COMMANDS,
    CONVENTIONS,
    DEFAULT,
    FUNCTIONS,
    SETTINGS,
    Convention,
    Operator,
    resolve,
)
from roicrop.errors import ArgumentError
from roicrop.job.command_line import OPTIONS
from roicrop.job.request import Request
from roicrop.models import find_node, is_model

if TYPE_CHECKING:
    from roicrop.models import RoiNode

Parameters = Mapping[str, Any]
_T = TypeVar("_T")


def with_model(params: Parameters, *names: str) -> dict[str, Any]:
    """The parameters, completed from exported models where options are not given.

    names: conventions, or models that stand for one; by default --convention.
    """
    models = [name for name in names or [params.get("convention") or ""] if is_model(name)]
    if not models:
        return dict(params)
    nodes = [find_node(model) for model in models]
    meanings = [node.computed() for node in nodes]
    filled = dict(params)
    given = [name for name in ("sampling_ratio", "mode") if params.get(name) is not None]
    if params.get("output_size") is not None:
        given.append("output_size")
    else:
        filled["output_size"] = _one("output size", nodes, [each.output_size for each in meanings])
    scales = [
        name for name in ("stride", "spatial_scale", "strides") if params.get(name) is not None
    ]
    if not scales and meanings[0].strides:
        filled["strides"] = _one("strides", nodes, [each.strides for each in meanings])
    elif not scales:
        scale = _one("spatial scale", nodes, [each.spatial_scale for each in meanings])
        filled |= {"spatial_scale": scale, "scale_origin": "the model"}
    but = ", ".join(f"--{name.replace('_', '-')}" for name in given + scales)
    model = " and ".join(node.where for node in nodes)
    return {**filled, "model": f"{model}, but {but}" if but else model}


def _one(what: str, nodes: Sequence[RoiNode], values: Sequence[_T]) -> _T:
    if any(value != values[0] for value in values):
        places = " and ".join(node.where for node in nodes)
        raise ArgumentError(f"{places} differ in {what}: give --{what.replace(' ', '-')}")
    return values[0]


def convention_of(params: Parameters, operator: Operator) -> Convention:
    """The row that the options of `align` or `pool` name, with their overrides.

    It is for boxes without an angle unless options say otherwise; `request_of` adds the other row.
    """
    (operator,) = operators_of(params, operator)
    name: str | Convention = params.get("convention") or DEFAULT[operator]
    if is_model(str(name)):
        name = find_node(str(name)).computed_as(operator)
        operator = name.operator
    elif operator == "align" and (operator, name) not in CONVENTIONS:
        operator = "align-rotated" if ("align-rotated", name) in CONVENTIONS else operator
    return resolve(name, operator, **settings_of(params, operator))


def operators_of(params: Parameters, *commands: Operator) -> tuple[Operator, ...]:
    """The operators that these commands (`align`, `pool`) run with these options."""
    if params.get("position_sensitive"):
        return tuple(op for op, (of, flag) in COMMANDS.items() if of in commands and flag)
    said = [params.get(name) is not None for name in _OF_ANGLES]
    if "align" in commands and (any(said) or params.get("box_format") == "cxcywha"):
        return ("align-rotated",)
    return commands


_OF_ANGLES: Final = ("angle", "clockwise")


def settings_of(params: Parameters, operator: Operator) -> dict[str, Any]:
    """The options that override an operator's rules, as `resolve` takes them."""
    known = [name for name in SETTINGS if operator == "align-rotated" or name not in _OF_ANGLES]
    return {name: params.get(name) for name in known}


def _turned(params: Parameters, row: Convention) -> Convention | ArgumentError:
    """The row for boxes with an angle, or why there is none."""
    if row.turned:
        return row
    if row.position_sensitive or row.kind == "cell":
        name = FUNCTIONS[row.operator]
        return ArgumentError(f"{name} takes boxes along the axes: use `roicrop align`")
    name = params.get("convention") or DEFAULT["align-rotated"]
    try:
        return resolve(name, "align-rotated", **settings_of(params, "align-rotated"))
    except ArgumentError as error:
        return error


def request_of(params: Parameters, row: Convention, *beside: Convention) -> Request:
    """The request of these options under a convention, with defaults for options not given.

    beside: other conventions to pool by.
    """
    stride, scale = params.get("stride"), params.get("spatial_scale")
    if stride is not None and scale is not None:
        raise ArgumentError("--stride and --spatial-scale mean the same thing: give one")
    fractions = params.get("normalized") or any(each.normalized for each in (row, *beside))
    if params.get("image_size") is not None and not fractions:
        raise ArgumentError(
            "--image-size is for boxes given as fractions of an image, and these are in pixels: "
            "give --normalized too, or leave it out"
        )
    origin = params.get("scale_origin", "--spatial-scale")
    if stride is not None:
        scale, origin = 1.0 / stride, "--stride"
    names = ("features", "boxes", "maps", "given", "model", *OPTIONS)
    asked = {name: params[name] for name in names if params.get(name) is not None}
    asked |= {"spatial_scale": scale, "scale_origin": origin}
    said = params.get("angle") is not None
    return Request(**asked, convention=row, turned=_turned(params, row), angle_is_said=said)
