"""What is compared: conventions, each with settings of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roicrop.conventions import CONVENTIONS, SETTINGS, Convention, Operator, resolve
from roicrop.errors import ArgumentError
from roicrop.models import find_node, is_model
from roicrop.text import choice

Settings = Mapping[str, Any]
"""Values by their names in SETTINGS; None is the convention's."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A convention, under the name that the user gave it: "onnx:sampling_ratio=2,mode=max"."""

    name: str
    convention: Convention


def read_variants(
    texts: Sequence[str], shared: Settings, operators: Sequence[Operator] = ("align", "pool")
) -> list[Variant]:
    """What to compare, from "NAME" or "NAME:SETTING=VALUE,…" each.

    shared: settings, as `conventions.resolve` takes them, for every text that does not set them
        itself.
    operators: whose conventions are meant; those that have all names first.

    Raises ArgumentError, which quotes the text, and where there are not two of them.
    """
    names, times = [text.strip() for text in texts], Counter(map(str.strip, texts))
    for name in names:
        if times[name] > 1:
            raise ArgumentError(f"{name} is compared with itself: name each only once")
    if len(names) < 2:
        raise ArgumentError("there is nothing to compare: name at least two conventions")
    plain = [split_variant(name)[0] for name in names]
    missing = {op: sum((op, name) not in CONVENTIONS for name in plain) for op in operators}
    order = sorted(operators, key=missing.__getitem__)
    return [Variant(name, _convention(name, shared, order)) for name in names]


def split_variant(text: str) -> tuple[str, str]:
    """The convention or model of "NAME[:SETTING=VALUE,…]", and the settings.

    A model may name its node: "model.onnx::NODE".
    """
    name, *settings = re.split("(?<!:):(?!:)", text, maxsplit=1)
    return name.strip(), "".join(settings)


def _convention(text: str, shared: Settings, operators: Sequence[Operator]) -> Convention:
    name, settings = split_variant(text)
    rows = [CONVENTIONS[op, name] for op in operators if (op, name) in CONVENTIONS]
    if is_model(name):
        rows = [find_node(name).computed().convention]
    if not rows or rows[0].operator not in operators:
        known = [row.name for row in CONVENTIONS.values() if row.operator in operators]
        raise ArgumentError(f"{text!r}: no convention {name!r}: {choice(name, known)}")
    row = rows[0]
    own = dict(_setting(text, part) for part in settings.split(",") if part)
    _resolved(text, row, own)
    for key, value in shared.items():
        if value is not None and key not in own:
            own[key] = value
            try:
                _resolved(text, row, own)
            except ArgumentError as error:
                raise ArgumentError(
                    f"{error} (--{key.replace('_', '-')} is for everything that is compared: "
                    f"write NAME:{key}={str(value).lower()} for some of it)"
                ) from None
    return _resolved(text, row, own)


def _resolved(text: str, row: Convention, settings: Settings) -> Convention:
    try:
        return resolve(row, row.operator, **settings)
    except ArgumentError as error:
        raise ArgumentError(f"{text!r}: {error}") from None


def _setting(text: str, part: str) -> tuple[str, Any]:
    key, equals, value = (piece.strip() for piece in part.partition("="))
    key = key.replace("-", "_")
    if key not in SETTINGS or not equals:
        known = ", ".join(f"{name}=…" for name in SETTINGS)
        raise ArgumentError(f"{text!r}: {part!r} is not a setting: choose from {known}")
    try:
        return key, SETTINGS[key].parse(value)
    except ValueError:
        expected = SETTINGS[key].expected
        raise ArgumentError(f"{text!r}: {key} cannot be {value!r}: give {expected}") from None
