"""What is compared: conventions, each with its own settings."""

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
"""Name in SETTINGS → value; None means the convention's value."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A convention and the user's name for it, such as "onnx:sampling_ratio=2,mode=max"."""

    name: str
    convention: Convention


@dataclass(frozen=True, slots=True)
class Chosen:
    """The variants for boxes along the axes and for boxes with an angle, or why there are none."""

    along: list[Variant] | ArgumentError
    turned: list[Variant] | ArgumentError

    @property
    def usual(self) -> list[Variant]:
        """The variants for boxes along the axes, else for angles; ArgumentError if neither."""
        if not isinstance(self.along, ArgumentError):
            return self.along
        if isinstance(self.turned, ArgumentError):
            raise self.along
        return self.turned

    def request(self, params: Parameters) -> Request:
        """The options' request, with the convention under which each kind of box is read."""
        rows = [variant.convention for variant in self.usual]
        reading = next((row for row in rows if row.order == "xyxy"), rows[0])
        request = request_of(params, reading, *rows)
        turned = self.turned
        row = turned if isinstance(turned, ArgumentError) else turned[0].convention
        return dataclasses.replace(request, turned=row)

    def of(self, job: Job) -> list[Variant]:
        """The variants to compare on the job of that request."""
        variants = self.turned if job.convention.turned else self.along
        assert not isinstance(variants, ArgumentError)
        return variants


def choose(texts: Callable[[Operator], Sequence[str | Convention]], params: Parameters) -> Chosen:
    """Choose the variants to compare; texts: operator → names, as `read_variants` takes them."""

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
    """Read what to compare: "NAME" or "NAME:SETTING=VALUE,…" each, or a `Convention`; each once.

    shared: settings, as `conventions.resolve` takes them, for all that do not set them themselves.
    operators: the operators to look names up in, starting with the one that knows most of them.

    Raises ArgumentError that quotes the text, also if there are fewer than two.
    """
    names = [split_variant(each)[0] for each in texts if isinstance(each, str)]
    having = {op: sum((op, name) in CONVENTIONS for name in names) for op in operators}
    order = sorted(operators, key=lambda op: -having[op])
    variants = list(dict.fromkeys(_variant(each, shared, order) for each in texts))
    for name, times in Counter(variant.name for variant in variants).items():
        if times > 1:
            raise ArgumentError(f"{times} conventions are called {name}: give each its own name")
    if len(variants) < 2 <= len(texts):
        raise ArgumentError(f"{variants[0].name} is compared with itself: name another convention")
    if len(variants) < 2:
        raise ArgumentError("nothing to compare: name at least two conventions")
    return variants


def split_variant(text: str) -> tuple[str, str]:
    """Split "NAME[:SETTING=VALUE,…]" into name and settings.

    The name may be a model's node: "model.onnx::NODE".
    """
    name, *settings = re.split("(?<!:):(?!:)", text, maxsplit=1)
    return name.strip(), "".join(settings)


def _variant(given: str | Convention, shared: Settings, operators: Sequence[Operator]) -> Variant:
    if isinstance(given, Convention):
        if given.operator not in operators:
            raise ArgumentError(
                f"the convention {given.name} is for {given.operator}, not {operators[0]}"
            )
        return Variant(given.name, _with(given.name, given, {}, shared))
    return Variant(given.strip(), _convention(given.strip(), shared, operators))


def _convention(text: str, shared: Settings, operators: Sequence[Operator]) -> Convention:
    name, settings = split_variant(text)
    rows = [CONVENTIONS[op, name] for op in operators if (op, name) in CONVENTIONS]
    if is_model(name):
        node = find_node(name)
        rows = [node.computed().convention]
        if rows[0].operator not in operators:
            raise ArgumentError(
                f"{node.where} is a {node.operator}, which cannot be compared with the others"
            )
    if not rows:
        known = [row.name for row in CONVENTIONS.values() if row.operator in operators]
        prefix = f"{text!r}: " if settings else ""
        raise ArgumentError(f"{prefix}no convention {name!r}: {choice(name, known)}")
    row = rows[0]
    own = dict(_setting(text, part) for part in settings.split(",") if part)
    return _with(text, row, own, shared)


def _with(text: str, row: Convention, own: dict[str, Any], shared: Settings) -> Convention:
    """The row with its own settings, and the shared ones for the rest."""
    _resolved(text, row, own)
    for key, value in shared.items():
        if value is not None and key not in own:
            own[key] = value
            try:
                _resolved(text, row, own)
            except ArgumentError as error:
                raise ArgumentError(
                    f"{error} (--{key.replace('_', '-')} applies to every convention: "
                    f"write NAME:{key}={str(value).lower()} for some of them)"
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
