"""What is compared: conventions, each with settings of its own."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roicrop.conventions import CONVENTIONS, SETTINGS, Convention, Operator, resolve
from roicrop.errors import ArgumentError
from roicrop.job import Job, Parameters, Request, operators_of, request_of, settings_of
from roicrop.models import find_node, is_model
from roicrop.text import choice

Settings = Mapping[str, Any]
"""Values by their names in SETTINGS; None is the convention's."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A convention, under the name that the user gave it: "onnx:sampling_ratio=2,mode=max"."""

    name: str
    convention: Convention


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is compared of boxes along the axes, and of boxes with an angle; or why it cannot be."""

    along: list[Variant] | ArgumentError
    turned: list[Variant] | ArgumentError

    @property
    def usual(self) -> list[Variant]:
        """What can be, boxes along the axes first; ArgumentError where nothing can."""
        if not isinstance(self.along, ArgumentError):
            return self.along
        if isinstance(self.turned, ArgumentError):
            raise self.along
        return self.turned

    def request(self, params: Parameters) -> Request:
        """What the options ask for, with the convention that each kind of boxes is read by."""
        rows = [variant.convention for variant in self.usual]
        reading = next((row for row in rows if row.order == "xyxy"), rows[0])
        request = request_of(params, reading, *rows)
        turned = self.turned
        row = turned if isinstance(turned, ArgumentError) else turned[0].convention
        return dataclasses.replace(request, turned=row)

    def of(self, job: Job) -> list[Variant]:
        """What is compared on a job, which took that request."""
        variants = self.turned if job.convention.turned else self.along
        assert not isinstance(variants, ArgumentError)
        return variants


def choose(texts: Callable[[Operator], Sequence[str | Convention]], params: Parameters) -> Chosen:
    """What is compared under these options; texts: what there is for an operator, as below."""

    def read(*operators: Operator) -> list[Variant] | ArgumentError:
        try:
            shared = settings_of(params, operators[0])
            return read_variants(texts(operators[0]), shared, operators)
        except ArgumentError as error:
            return error

    return Chosen(read(*operators_of(params, "align", "pool")), read("align-rotated"))


def read_variants(
    texts: Sequence[str | Convention],
    shared: Settings,
    operators: Sequence[Operator] = ("align", "pool"),
) -> list[Variant]:
    """What to compare, from "NAME" or "NAME:SETTING=VALUE,…" each, or a row of one's own.

    shared: settings, as `conventions.resolve` takes them, for every text that does not set them
        itself.
    operators: whose conventions are meant, first of all of the one that has most of the names.

    Raises ArgumentError, which quotes the text, and where there are not two of them.
    """
    names = [split_variant(each)[0] for each in texts if isinstance(each, str)]
    having = {op: sum((op, name) in CONVENTIONS for name in names) for op in operators}
    order = sorted(operators, key=lambda op: -having[op])
    variants = [_variant(each, shared, order) for each in texts]
    for name, times in Counter(variant.name for variant in variants).items():
        if times > 1:
            raise ArgumentError(f"{name} is compared with itself: name each only once")
    if len(variants) < 2:
        raise ArgumentError("there is nothing to compare: name at least two conventions")
    return variants


def split_variant(text: str) -> tuple[str, str]:
    """The convention or model of "NAME[:SETTING=VALUE,…]", and the settings.

    A model may name its node: "model.onnx::NODE".
    """
    name, *settings = re.split("(?<!:):(?!:)", text, maxsplit=1)
    return name.strip(), "".join(settings)


def _variant(given: str | Convention, shared: Settings, operators: Sequence[Operator]) -> Variant:
    if isinstance(given, Convention):
        if given.operator not in operators:
            raise ArgumentError(f"the convention {given.name} is for `{given.operator}`")
        return Variant(given.name, _with(given.name, given, {}, shared))
    return Variant(given.strip(), _convention(given.strip(), shared, operators))


def _convention(text: str, shared: Settings, operators: Sequence[Operator]) -> Convention:
    name, settings = split_variant(text)
    rows = [CONVENTIONS[op, name] for op in operators if (op, name) in CONVENTIONS]
    if is_model(name):
        node = find_node(name)
        rows = [node.computed().convention]
        if rows[0].operator not in operators:
            raise ArgumentError(f"{node.where} is a {node.operator}, which the others are not")
    if not rows:
        known = [row.name for row in CONVENTIONS.values() if row.operator in operators]
        raise ArgumentError(f"{text!r}: no convention {name!r}: {choice(name, known)}")
    row = rows[0]
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
