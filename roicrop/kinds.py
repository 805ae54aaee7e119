"""The types of the Python API's arguments, checked before anything else."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Sequence
from functools import wraps
from numbers import Integral, Real
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np

from roicrop.conventions import Convention, LevelRule
from roicrop.errors import ArgumentError
from roicrop.text import printable

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Kind = tuple[Callable[[Any], bool], str]


def kinds_checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function raise ArgumentError for an argument of the wrong type, by the table below.

    None where it is the default, and arguments that the table does not name, are left to the
    function.
    """
    signature = inspect.signature(function)
    needed = {name for name, each in signature.parameters.items() if each.default is not None}

    @wraps(function)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        given = signature.bind(*args, **kwargs).arguments
        for name, value in {**given, **given.pop("options", {})}.items():
            own = f"{function.__name__}.{name}"
            is_fit, words = _KINDS.get(own) or _KINDS.get(name, _ANY)
            if (value is not None or name in needed) and not is_fit(value):
                raise ArgumentError(f"{name} is {printable(_shown(value))}: give {words}")
        return function(*args, **kwargs)

    return checked


def _shown(value: Any) -> str:
    """A value as messages show it, or only its type if it may be large."""
    simple = isinstance(value, (str, bytes, int, float, complex, np.generic))
    return repr(value) if simple else f"of type {type(value).__name__}"


def _is_number(value: Any) -> bool:
    if isinstance(value, Integral):
        return _is_whole(value)
    return isinstance(value, Real) and math.isfinite(float(value))


def _is_whole(value: Any) -> bool:
    if not isinstance(value, Integral) or isinstance(value, bool):
        return False
    return abs(int(value)) < 2**63


def _is_no_bad_name(value: Any) -> bool:
    try:
        return not (isinstance(value, (str, os.PathLike)) and b"\0" in os.fsencode(value))
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def _all(is_fit: Callable[[Any], bool], *counts: int) -> Callable[[Any], bool]:
    """A test for sequences of such values, with one of these lengths if any are given."""

    def are_fit(value: Any) -> bool:
        is_list = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))
        if not is_list or (isinstance(value, np.ndarray) and value.ndim != 1):
            return False
        return (len(value) in counts if counts else len(value) < _MOST) and all(map(is_fit, value))

    return are_fit


def _a(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


_MOST: Final = 1 << 20
_ANY: Final[_Kind] = lambda value: True, ""
_TEXT: Final[_Kind] = _a(str), "text"
_PATH: Final[_Kind] = _a(str, os.PathLike), "the name of a file"
_FLAG: Final[_Kind] = _a(bool, np.bool_), "True or False"
_NUMBER: Final[_Kind] = _is_number, "a number"
_WHOLE: Final[_Kind] = _is_whole, "a whole number"
_PAIR: Final[_Kind] = _all(_is_whole, 2), "two whole numbers"
_TEXTS: Final[_Kind] = _all(_a(str)), "a list of strings"
_KINDS: Final[dict[str, _Kind]] = {
    **dict.fromkeys(
        ("layout", "mode", "figure", "box_format", "boxes_format", "image_column",
         "score_column", "label_column", "level_column", "on_bad_box", "angle", "interpolation"),
        _TEXT,
    ),
    **dict.fromkeys(("images", "photo"), _PATH),
    **dict.fromkeys(
        ("both", "normalized", "inclusive", "aligned", "ids_are_indices", "allow_external",
         "clockwise", "position_sensitive"),
        _FLAG,
    ),
    **dict.fromkeys(
        ("tolerance", "min_score", "canonical_size", "canonical_level", "stride", "void"), _NUMBER
    ),
    **dict.fromkeys(
        ("channel", "limit", "worst", "top_k", "threads", "memory", "max_size"), _WHOLE
    ),
    **dict.fromkeys(("bin", "image_size", "map_size"), _PAIR),
    **dict.fromkeys(("columns", "levels"), _TEXTS),
    "operator": (
        lambda name: isinstance(name, str) and name in ("align", "pool"), "align or pool"
    ),
    **dict.fromkeys(("input", "boxes", "pooled"), (_is_no_bad_name, "the name of a file")),
    "spatial_scale": (lambda s: _is_number(s) or _all(_is_number)(s), "a number, or one per level"),
    "strides": (_all(_is_number), "a list of numbers"),
    "show.k": _WHOLE,
    "k": (lambda k: _is_whole(k) or _all(_is_whole)(k), "a whole number, or a list of them"),
    "input_scale": (lambda s: _is_number(s) or _all(_is_number, 2)(s), "a number, or two"),
    "on_image": (lambda n: isinstance(n, str) or _is_whole(n), "a name or an index"),
    "label": (
        lambda n: isinstance(n, str) or _is_whole(n) or _all(_a(str, Integral))(n), "labels"
    ),
    "convention": (_a(str, Convention), "the name of a convention, or a Convention"),
    "conventions": (_all(_a(str, Convention)), "a list of conventions"),
    "level_rule": (_a(str, LevelRule), "the name of a rule, or a LevelRule"),
}  # fmt: skip
