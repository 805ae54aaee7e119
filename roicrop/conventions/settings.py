"""The settings that can override a convention's rules, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from roicrop.conventions.levels import LEVEL_RULES


@dataclass(frozen=True, slots=True)
class Setting:
    """An argument of `resolve` as text.

    expected: its possible values, in words. parse: reads it, raising ValueError if it cannot.
    choices: the possible texts, if there are few.
    """

    expected: str
    parse: Callable[[str], Any]
    choices: tuple[str, ...] = ()


def _ratio(text: str) -> int | str:
    if text in ("adaptive", "exact"):
        return text
    if "_" in text:  # Python would read 1_0
        raise ValueError
    number = int(text)
    return number if number > 0 else "adaptive"


def _cells(text: str) -> float | str:
    return text if text == "none" else float(text)


def _one_of(values: Mapping[str, Any]) -> Setting:
    def parse(text: str) -> Any:
        if text not in values:
            raise ValueError
        return values[text]

    return Setting(" or ".join(values), parse, tuple(values))


SETTINGS: Final[Mapping[str, Setting]] = MappingProxyType(
    {
        "sampling_ratio": Setting("a whole number, adaptive or exact", _ratio),
        "mode": _one_of({"avg": "avg", "max": "max"}),
        "min_size": Setting("a number of cells or none", _cells),
        "aligned": _one_of({"true": True, "false": False}),
        "interpolation": _one_of({"bilinear": "bilinear", "nearest": "nearest"}),
        "extrapolation_value": Setting("a number", float),
        "angle": _one_of({"degrees": "degrees", "radians": "radians"}),
        "clockwise": _one_of({"true": True, "false": False}),
        "level_rule": _one_of({name: name for name in LEVEL_RULES}),
    }
)
