"""What is compared: conventions, each with settings of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roicrop.conventions import CONVENTIONS, SETTINGS, Convention, resolve
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


def read_variants(texts: Sequence[str | Convention], shared: Settings) -> list[Variant]:
    """What to compare, from "NAME" or "NAME:SETTING=VALUE,…" each, or a row of one's own.

    shared: settings, as `conventions.resolve` takes them, for every text that does not set them
        itself.

    Raises ArgumentError, which quotes the text, and where there are not two of them.
    """
    variants = [_variant(each, shared) for each in texts]
    for name, times in Counter(variant.name for variant in variants).items():
        if times > 1:
            raise ArgumentError(f"{name} is compared with itself: name each only once")
    if len(variants) < 2:
        raise ArgumentError("there is nothing to compare: name at least two conventions")
    return variants


def reading_convention(variants: Sequence[Variant]) -> Convention:
    """The variant whose order of coordinates a file has that names none: pixels, where any has."""
    rows = [variant.convention for variant in variants]
    return next((row for row in rows if row.order == "xyxy"), rows[0])


def split_variant(text: str) -> tuple[str, str]:
    """The convention or model of "NAME[:SETTING=VALUE,…]", and the settings.

    A model may name its node: "model.onnx::NODE".
    """
    name, *settings = re.split("(?<!:):(?!:)", text, maxsplit=1)
    return name.strip(), "".join(settings)


def _variant(given: str | Convention, shared: Settings) -> Variant:
    if isinstance(given, Convention):
        return Variant(given.name, _with(given.name, given, {}, shared))
    return Variant(given.strip(), _convention(given.strip(), shared))


def _convention(text: str, shared: Settings) -> Convention:
    name, settings = split_variant(text)
    row = find_node(name).computed().convention if is_model(name) else CONVENTIONS.get(name)
    if row is None:
        raise ArgumentError(f"{text!r}: no convention {name!r}: {choice(name, CONVENTIONS)}")
    own = dict(_setting(text, part) for part in settings.split(",") if part)
    return _with(text, row, own, shared)


def _with(text: str, row: Convention, own: dict[str, Any], shared: Settings) -> Convention:
    """The row with its own settings, and the shared ones that it does not set itself."""
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
