"""From a convention's name and the settings that override it to the row to use."""

from __future__ import annotations

import dataclasses
import math
from typing import Final, Literal

from roicrop.conventions import levels
from roicrop.conventions.levels import kind_of, real
from roicrop.conventions.table import (
    ALIGNED_OFFSET,
    CONVENTIONS,
    DEFAULT,
    FUNCTIONS,
    Angle,
    Convention,
    Interpolation,
    Mode,
    Operator,
    SamplingRatio,
)
from roicrop.errors import ArgumentError
from roicrop.text import choice, quoted


def lookup(name: str, operator: Operator) -> Convention:
    """The row with this name and operator; ArgumentError lists the names if there is none."""
    if operator == "pool" and name in _POOL_IS_FAST_RCNN:
        name = DEFAULT["pool"]
    row = CONVENTIONS.get((operator, name))
    if row is None:
        known = [each.name for each in CONVENTIONS.values() if each.operator == operator]
        what = f"no convention {quoted(name)} for {FUNCTIONS[operator]}"
        others = [f"`{each.operator}`" for each in CONVENTIONS.values() if each.name == name]
        if others:
            raise ArgumentError(
                f"the convention {name} is for {' and '.join(others)}, not `{operator}`: "
                f"choose from {', '.join(sorted(known))}"
            )
        raise ArgumentError(f"{what}: {choice(name, known)}")
    return row


def pool_beside(align: Convention) -> Convention:
    """The RoIPool of the same framework, or the default one if it has none."""
    try:
        return lookup(align.name, "pool")
    except ArgumentError:
        return lookup(DEFAULT["pool"], "pool")


# Frameworks whose RoIPool is Caffe's; `pool` takes their names for it.
_POOL_IS_FAST_RCNN: Final = frozenset({"mask-rcnn", "torchvision", "detectron2", "onnx", "paddle"})


def resolve(
    convention: str | Convention,
    operator: Operator = "align",
    *,
    sampling_ratio: SamplingRatio | None = None,
    aligned: bool | None = None,
    min_size: float | Literal["none"] | None = None,
    mode: Mode | None = None,
    interpolation: Interpolation | None = None,
    extrapolation_value: float | None = None,
    level_rule: str | None = None,
    angle: Angle | None = None,
    clockwise: bool | None = None,
) -> Convention:
    """The row with its values overridden by settings.

    None keeps the row's value. `sampling_ratio` ≤ 0 means "adaptive", as in torchvision.
    `aligned=True` means an offset of half a cell and the row's `aligned_min_size`, `aligned=False`
    no offset and a minimum of one cell. `min_size` is in cells; "none" does not enlarge RoIs.
    `interpolation` and `extrapolation_value` are for crop-and-resize only. `level_rule` is a name
    from `LEVEL_RULES`. `angle` ("degrees" or "radians") and `clockwise` are for rotated boxes.
    """
    if not isinstance(convention, (str, Convention)):
        raise ArgumentError(f"convention is {kind_of(convention)}: give a name or a Convention")
    row = lookup(convention, operator) if isinstance(convention, str) else convention
    if row.operator != operator:
        raise ArgumentError(
            f"convention {row.name} is not one of {FUNCTIONS[operator]}'s: name another"
        )
    if sampling_ratio is not None:
        row = dataclasses.replace(row, sampling_ratio=_checked_ratio(sampling_ratio, row))
    if aligned is not None:
        _check_flag("aligned", aligned, row)
        row = dataclasses.replace(
            row,
            offset_after=ALIGNED_OFFSET if aligned else 0.0,
            min_size=row.aligned_min_size if aligned else 1.0,
        )
    if min_size is not None:
        _check_applies("min_size", row)
        if min_size != "none" and not 0 <= float(min_size) < math.inf:
            raise ArgumentError(f"min_size is {min_size}: give cells, or none")
        row = dataclasses.replace(row, min_size=None if min_size == "none" else float(min_size))
    if mode is not None:
        if str(mode) not in ("avg", "max"):
            raise ArgumentError(f"mode {quoted(mode)} is not known: choose avg or max")
        if mode != row.mode:
            _check_applies("mode", row)
        row = dataclasses.replace(row, mode=mode)
    if angle is not None:
        _check_applies("angle", row)
        if str(angle) not in ("degrees", "radians"):
            raise ArgumentError(f"angle {quoted(angle)} is not known: choose degrees or radians")
        row = dataclasses.replace(row, angle=angle)
    if clockwise is not None:
        _check_flag("clockwise", clockwise, row)
        row = dataclasses.replace(row, clockwise=bool(clockwise))
    for name, value in (
        ("interpolation", interpolation),
        ("extrapolation_value", extrapolation_value),
    ):
        if value is not None and row.border != "extrapolate":
            raise ArgumentError(f"{name} does not apply to the convention {row.name}: leave it out")
    if interpolation is not None:
        if interpolation not in ("bilinear", "nearest"):
            raise ArgumentError(
                f"interpolation {interpolation!r} is not known: choose bilinear or nearest"
            )
        row = dataclasses.replace(row, interpolation=interpolation)
    if extrapolation_value is not None:
        row = dataclasses.replace(row, void=extrapolation_value, void_max=extrapolation_value)
    if level_rule is not None:
        row = dataclasses.replace(row, level_rule=levels.level_rule(level_rule).name)
    if isinstance(row.sampling_ratio, int) and row.sampling_ratio > MOST_SAMPLES:
        raise ArgumentError(
            f"sampling_ratio is {row.sampling_ratio:,}: give at most {MOST_SAMPLES}, or exact, "
            "the integral: an average of more samples would not differ from it"
        )
    if row.turned and row.sampling_ratio == "exact":
        raise ArgumentError("boxes with an angle have no exact integral: give a sampling ratio")
    if row.mode == "max" and row.sampling_ratio == "exact":
        raise ArgumentError("an exact integral has no maximum: use mode avg or a sampling ratio")
    return row


def checked_bins(row: Convention, bins: tuple[int, int]) -> tuple[int, int]:
    """The output size, (PH, PW); ArgumentError if every box would take too much."""
    if max(bins) > MOST_BINS:
        raise ArgumentError(
            f"output_size is {bins[0]}×{bins[1]}: give at most {MOST_BINS} bins along an axis, "
            f"which are {MOST_BINS**2:,} values of each channel for every box"
        )
    each = row.sampling_ratio**2 if isinstance(row.sampling_ratio, int) else 1
    if math.prod(bins) * each > MOST_SAMPLES_OF_BOX:
        raise ArgumentError(
            f"{bins[0]}×{bins[1]} bins of {each:,} samples are {math.prod(bins) * each:,} samples "
            f"for every box: give fewer bins or a smaller sampling_ratio, at most "
            f"{MOST_SAMPLES_OF_BOX:,} in all"
        )
    return bins


MOST_BINS: Final = 2048  # along an axis
MOST_SAMPLES: Final = 256  # of a bin, along an axis
MOST_SAMPLES_OF_BOX: Final = 1 << 24


def overrides(row: Convention) -> dict[str, tuple[object, object]]:
    """What `row` changes in the convention that it is named after: field → (its own, in use)."""
    return differing(CONVENTIONS[row.operator, row.name], row)


def differing(first: Convention, second: Convention) -> dict[str, tuple[object, object]]:
    """The fields in which two rows are not the same, and both their values."""
    if first == second:  # quicker to find out at once
        return {}
    values = {
        field.name: (getattr(first, field.name), getattr(second, field.name))
        for field in dataclasses.fields(Convention)
    }
    return {name: both for name, both in values.items() if not _same(*both)}


def _checked_ratio(ratio: SamplingRatio, row: Convention) -> SamplingRatio:
    if isinstance(ratio, str) and ratio == row.sampling_ratio == "exact":
        return ratio
    _check_applies("sampling_ratio", row)
    if isinstance(ratio, str):
        if ratio not in ("adaptive", "exact"):
            raise ArgumentError(
                f"sampling_ratio {quoted(ratio)} is not a whole number, adaptive or exact"
            )
        return ratio
    number = real(ratio, "sampling_ratio")
    if not number.is_integer():
        raise ArgumentError(f"sampling_ratio {ratio} is not a whole number, adaptive or exact")
    return "adaptive" if number <= 0 else int(number)


def _check_applies(name: str, row: Convention) -> None:
    """Raise ArgumentError for an option that the row's operator does not have."""
    if name not in row.options:
        raise ArgumentError(f"{name} does not apply to the convention {row.name}: leave it out")


def _check_flag(name: str, value: object, row: Convention) -> None:
    if type(value).__name__ not in ("bool", "bool_"):  # NumPy's bool is called bool_ before 2.0
        raise ArgumentError(f"{name} is {kind_of(value)}: give True or False")
    _check_applies(name, row)


def _same(a: object, b: object) -> bool:
    return a == b or (a != a and b != b)  # NaN equals NaN here
