"""How a tensor that no hypothesis fits differs from the nearest one.

Each test looks for one cause on the probe, and is confirmed on every box and channel before it is
reported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from roicrop.identification.hypotheses import Hypothesis, moved
from roicrop.identification.pooled import HALF, RELATIVE, Pooled, apart, in_tolerances
from roicrop.identification.probe import Probe
from roicrop.identification.search import search
from roicrop.identification.transformed import find_order, find_shift, order_in_words
from roicrop.identification.trials import Adjust, Trial, confirm, trials_of
from roicrop.job import Job, distinct_images
from roicrop.text import minus, printable

Array = NDArray[Any]
Pattern = Literal[
    "some boxes", "rounding", "factor", "rows", "channels", "shift", "noise", "unlike"
]


@dataclass(frozen=True, slots=True)
class Residual:
    """The difference between a tensor and the nearest trial.

    text: the difference in words. details: in numbers.
    agreeing: how many boxes the trial reproduces once the difference is allowed for; None if it
        explains nothing.
    """

    kind: Pattern
    text: str
    details: Mapping[str, object] = field(default_factory=dict)
    agreeing: int | None = None


def find_residual(pooled: Pooled, probe: Probe, nearest: Trial) -> tuple[Trial, Residual]:
    """The residual and its trial: `nearest`, or another that explains more.

    nearest: a trial that has been confirmed and does not fit.
    """
    if 2 * nearest.agreeing < nearest.compared:
        rounding = _rounding(pooled, probe, nearest)
        if rounding is not None:
            return nearest, rounding
        for kind, test in _TESTS.items():
            for trial, text, details in test(pooled, probe, nearest):
                if 2 * trial.agreeing > trial.compared:
                    return trial, Residual(kind, text, details, trial.agreeing)
    if nearest.agreeing:
        text, details = boxes_apart(nearest)
        return nearest, Residual("some boxes", text, details, nearest.agreeing)
    return nearest, _noise(pooled, probe, nearest)


def _rounding(pooled: Pooled, probe: Probe, nearest: Trial) -> Residual | None:
    """The tensor or the features were rounded to a lower precision."""
    worst = float(np.nanmax(nearest.worst))
    for name, (unit, rounded) in _FORMATS.items():
        if worst > unit / RELATIVE:
            continue
        if np.array_equal(probe.stored, rounded(probe.stored), equal_nan=True):
            text = f"rounding: the tensor holds only {name} numbers"
            return Residual("rounding", text, {"format": name, "rounded": "tensor"})
        if _agrees(pooled, probe.with_maps(rounded), nearest.hypothesis):
            text = f"rounding: the features were rounded to {name} first"
            return Residual("rounding", text, {"format": name, "rounded": "features"})
    if worst <= HALF / RELATIVE:
        text = "rounding: differences no larger than those of float16 arithmetic"
        return Residual("rounding", text, {"format": "float16", "rounded": "arithmetic"})
    return None


def _float16(values: Array) -> Array:
    return values.astype(np.float16).astype(values.dtype)


def _bfloat16(values: Array) -> Array:
    """Round to the nearest bfloat16, ties to even, as the frameworks do."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32).astype(values.dtype)


_FORMATS: Final[dict[str, tuple[float, Callable[[Array], Array]]]] = {
    "float16": (HALF, _float16),
    "bfloat16": (2.0**-7, _bfloat16),
}
"""Name → a unit in the last place, relative to a value, and a function that rounds."""


def _agrees(pooled: Pooled, probe: Probe, hypothesis: Hypothesis) -> bool:
    values, expected = _both(pooled, probe, hypothesis)
    difference = apart(values, expected)
    return bool(in_tolerances(difference, expected, probe.allowed, values.dtype).max() <= 1.0)


_Explained = Iterator[tuple[Trial, str, Mapping[str, object]]]  # a trial, and text and details


def _factor(pooled: Pooled, probe: Probe, nearest: Trial) -> _Explained:
    """The tensor is a multiple, or has a constant added."""
    values, expected = _on_probe(pooled, probe, nearest.hypothesis)
    if not len(values):
        return
    slope, added = _line(expected, values)
    through_zero = float(expected @ values / max(float(expected @ expected), _TINY))
    offset = float((values - expected).mean())
    for factor, constant in ((through_zero, 0.0), (1.0, offset), (slope, added)):
        if abs(factor) >= _TINY:
            times = f"{minus(f'{factor:.6g}')} × " if factor != 1.0 else ""
            plus = minus(f" {constant:+.6g}") if constant else ""
            text = f"the tensor is {times}the command's result{plus}"
            trial = _tried(pooled, probe.job, nearest.hypothesis, _undone(factor, constant))
            yield trial, text, {"factor": factor, "added": constant}


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Slope and intercept of the least-squares line."""
    centred = x - x.mean()
    slope = float(centred @ y / max(float(centred @ centred), _TINY))
    return slope, float(y.mean() - slope * x.mean())


_TINY: Final = 1e-30


def _undone(factor: float, constant: float) -> Adjust:
    def undo(values: Array) -> Array:
        adjusted: Array = (values.astype(np.float64) - constant) / factor
        return adjusted.astype(np.result_type(values, np.float32))

    return undo


def _rows(pooled: Pooled, probe: Probe, nearest: Trial) -> _Explained:
    """The tensor's rows are in another order than the boxes."""
    for hypothesis, order in find_order(pooled, probe):
        trial = _tried(dataclasses.replace(pooled, order=order), probe.job, hypothesis)
        yield trial, order_in_words(order, probe.job), {"row_of_box": order.tolist()}


def _channels(pooled: Pooled, probe: Probe, nearest: Trial) -> _Explained:
    """The tensor's channels are in another order than the map's."""
    count = probe.job.source.channels
    if count == 1:
        return
    backwards = np.arange(count)[::-1]
    for hypothesis in search(dataclasses.replace(probe, reversed=True), pooled).fitting[:1]:
        trial = _tried(pooled, probe.job, hypothesis, _taken(backwards))
        yield trial, "the order of the channels is reversed", {"order": backwards.tolist()}
    for hypothesis in search(probe.averaged(), pooled).fitting[:1]:
        order = _order_of_channels(pooled, probe.with_all_channels(), hypothesis)
        if order is not None:
            trial = _tried(pooled, probe.job, hypothesis, _taken(np.argsort(order)))
            shown = ", ".join(f"{c} holds {order[c]}" for c in range(min(count, _SHOWN)))
            text = f"the channels are in another order: {shown}{', …' if count > _SHOWN else ''}"
            yield trial, text, {"order": order.tolist()}


_SHOWN: Final = 6


def _order_of_channels(
    pooled: Pooled, probe: Probe, hypothesis: Hypothesis
) -> NDArray[np.intp] | None:
    """The map's channel (C,) in each channel of the tensor; None if two hold the same."""
    values, expected = (
        np.nan_to_num(each.swapaxes(0, 1).reshape(each.shape[1], -1), posinf=0.0, neginf=0.0)
        for each in _both(pooled, probe, hypothesis)
    )
    order = np.array([np.abs(expected - one).max(axis=1).argmin() for one in values])
    return order if len(set(order.tolist())) == len(order) else None


def _taken(order: NDArray[np.intp]) -> Adjust:
    return lambda values: values[:, order]


def _shift(pooled: Pooled, probe: Probe, nearest: Trial) -> _Explained:
    """All boxes, or all their corners, are displaced by the same distance."""
    for found in find_shift(pooled, probe, nearest.hypothesis):
        (trial,) = trials_of([found.hypothesis], probe.job)
        trial.job = moved(trial.job, found.by)
        confirm(probe.job, pooled, [trial])
        yield trial, found.text(trial.job), found.details


_TESTS: Final[dict[Pattern, Callable[[Pooled, Probe, Trial], _Explained]]] = {
    "factor": _factor,
    "rows": _rows,
    "channels": _channels,
    "shift": _shift,
}


def _noise(pooled: Pooled, probe: Probe, nearest: Trial) -> Residual:
    values, expected = _on_probe(pooled, probe, nearest.hypothesis)
    if not len(values):
        return Residual("unlike", _UNLIKE)
    slope, added = _line(expected, values)
    difference = values - (slope * expected + added)
    share = float(difference.std()) / max(float(values.std()), _TINY)
    details = {
        "factor": slope,
        "added": added,
        "standard_deviation": float(difference.std()),
        "share_of_spread": share,
    }
    if share > _HARDLY:
        return Residual("unlike", _UNLIKE, details)
    times = (
        "" if abs(slope - 1.0) < _NEARLY_1 else f", from {minus(format(slope, '.3g'))} times that"
    )
    text = (
        f"no pattern: differences of {details['standard_deviation']:.2g} (standard deviation), "
        f"{share:.1%} of the tensor's{times}"
    )
    return Residual("noise", text, details)


_NEARLY_1: Final = 0.01
_HARDLY: Final = 0.85  # of the tensor's spread: if this much remains, hardly anything is explained
_UNLIKE: Final = (
    "nothing tried on these boxes resembles it. It may come from other features, other boxes, or a "
    "scale that was not tried: give --stride"
)


def _tried(pooled: Pooled, job: Job, hypothesis: Hypothesis, adjust: Adjust | None = None) -> Trial:
    """The hypothesis, compared on everything with the adjusted tensor."""
    (trial,) = trials_of([hypothesis], job)
    trial.adjust = adjust
    confirm(job, pooled, [trial])
    return trial


def _on_probe(pooled: Pooled, probe: Probe, hypothesis: Hypothesis) -> tuple[Array, Array]:
    """The probe's values and the hypothesis's, (m,) float64 each, where both are finite."""
    values, expected = _both(pooled, probe, hypothesis)
    there = np.isfinite(values) & np.isfinite(expected)
    return values[there].astype(np.float64), expected[there].astype(np.float64)


def _both(pooled: Pooled, probe: Probe, hypothesis: Hypothesis) -> tuple[Array, Array]:
    """The probe's values and the hypothesis's, (n, c, PH, PW) each."""
    job = probe.reread(hypothesis.reading, hypothesis.scale)
    size = pooled.output_size(hypothesis.layout)
    return probe.pooled(hypothesis.layout), probe.crop(job, hypothesis.rules.convention, size)


Mask = NDArray[np.bool_]

_NAMED: Final = 5
_NEARLY: Final = 1e-6  # cells
_LISTED: Final = 1000


def boxes_apart(trial: Trial) -> tuple[str, dict[str, object]]:
    """A sentence and details about the boxes that do not agree with a trial."""
    job = trial.job
    compared = ~np.isnan(trial.worst)
    bad = compared & ~(trial.worst <= 1.0)
    rows = np.flatnonzero(bad)
    named = [job.where(row) for row in rows[:_NAMED].tolist()]
    if len(rows) > _NAMED:
        named.append(f"and {len(rows) - _NAMED:,} more")
    do = "does" if len(rows) == 1 else "do"
    count = f"{len(rows):,} of {trial.compared:,} {do} not agree"
    text = f"some boxes only: {count} ({', '.join(named)})"
    common = _in_common(trial, bad, compared & ~bad)
    numbers: list[Any] = job.table.source_index[rows[:_LISTED]].tolist()
    details = {"count": len(rows), "boxes": numbers, "in_common": common}
    return text + "".join(f"; {words}" for words in common), details


def _in_common(trial: Trial, bad: Mask, good: Mask) -> list[str]:
    """The traits of all boxes that do not agree, but of few that do."""
    found = []
    for words, trait in _traits(trial):
        others = int((trait & good).sum())
        if trait[bad].all() and 4 * others <= int(good.sum()):
            found.append(f"all of them {words}, and {others or 'none'} of the others")
    return found


def _traits(trial: Trial) -> list[tuple[str, Mask]]:
    job, cells, sizes = trial.job, trial.job.cells, trial.job.box_map_size[:, ::-1]
    sides = cells[:, 2:] - cells[:, :2]
    outside = (cells.min(axis=1) < 0) | (cells[:, 2:] > sizes).any(axis=1)
    traits = [
        ("are reversed", (sides < 0).any(axis=1)),
        ("have zero size", (sides == 0).any(axis=1)),
        ("are smaller than a cell", (sides < 1).any(axis=1)),
        ("extend outside their map", outside),
    ]
    if trial.row.kind == "cell":
        halves = (np.abs(cells - np.floor(cells) - 0.5) < _NEARLY).any(axis=1)
        traits.append(
            ("have a corner halfway between cells, which may be rounded up or down", halves)
        )
    images = distinct_images(job.image_index)
    if len(images) > 1:
        traits += [
            (f"are on image {printable(job.image_name(i))}", job.image_index == i)
            for i in images.tolist()
        ]
    return traits
