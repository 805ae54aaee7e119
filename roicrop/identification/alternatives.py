"""What else fits, in what it differs from the best answer, and why these data do not tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from roicrop.conventions import SamplingRatio, effective
from roicrop.identification.confirm import Trial
from roicrop.text import measure, minus

_ALIKE: Final = (2.0, 0.02)  # mean differences, as a factor and in tolerances, that say nothing


@dataclass(frozen=True, slots=True)
class Alternative:
    """A trial that fits too. differs: what sets it apart from the best → why that does not show."""

    trial: Trial
    differs: dict[str, str]


def ranked(trials: Sequence[Trial], cost: Callable[[Trial], int]) -> list[Trial]:
    """Those that fit: the closest first, and of those that are as close the simplest."""
    fitting = [trial for trial in trials if trial.fits]
    best = min((trial.mean for trial in fitting), default=0.0)
    close = _ALIKE[0] * best + _ALIKE[1]
    return sorted(fitting, key=lambda trial: (trial.mean > close, cost(trial), trial.mean))


def alternatives(best: Trial, others: Sequence[Trial]) -> list[Alternative]:
    """The other trials, without those that differ only in what several of them differ in."""
    each = [Alternative(trial, _differs(best, trial)) for trial in others]
    each = [one for one in each if one.differs]
    kept = []
    for one in each:
        smaller = [set(o.differs) for o in each if set(o.differs) < set(one.differs)]
        if set().union(*smaller) != set(one.differs):
            kept.append(one)
    return kept


def _differs(best: Trial, other: Trial) -> dict[str, str]:
    mine, theirs = best.hypothesis, other.hypothesis
    found = {
        aspect: why(best, other)
        for aspect, (fields, why) in _ASPECTS.items()
        if any(_field(best, name) != _field(other, name) for name in fields)
    }
    if "reduction" in found:
        found.pop("start of the maximum", None)
    if mine.reading != theirs.reading:
        found["box format"] = _by(best.fingerprint.corners == other.fingerprint.corners, _SAME_BOX)
    if mine.scale != theirs.scale:
        found["scale"] = _by(best.fingerprint.corners == other.fingerprint.corners, _SAME_BOX)
    if mine.layout != theirs.layout:
        found["layout"] = "the values are the same in both orders"
    return found


def _field(trial: Trial, name: str) -> str:
    return repr(getattr(effective(trial.row), name))  # NaN is itself, in text


def _by(holds: bool, reason: str) -> str:
    return reason if holds else _FEATURES


_FEATURES: Final = "these features do not tell"
_SAME_BOX: Final = "the boxes come to the same"


def _why_ratio(best: Trial, other: Trial) -> str:
    both: tuple[SamplingRatio, ...] = (best.row.sampling_ratio, other.row.sampling_ratio)
    fewest, most = best.counts
    if best.fingerprint.counts != other.fingerprint.counts or "adaptive" not in both:
        return _by(best.fingerprint.rows == other.fingerprint.rows, "they read the same")
    fixed = next((ratio for ratio in both if ratio != "adaptive"), most)
    if fewest == most:
        samples = measure(str(fixed), "sample")
        return f"the boxes are too small: adaptive takes {samples} a bin on each of them"
    return f"the boxes are too small: adaptive takes {fewest} to {most} samples a bin"


def _why_minimum(best: Trial, other: Trial) -> str:
    same = best.fingerprint.sizes == other.fingerprint.sizes
    return _by(same, "no box is smaller than a cell")


def _why_void(best: Trial, other: Trial) -> str:
    return _by(not (best.fingerprint.voids or other.fingerprint.voids), "no bin is empty")


def _why_border(best: Trial, other: Trial) -> str:
    return _by(best.fingerprint.rows == other.fingerprint.rows, "no sample is off the map")


def _why_start(best: Trial, other: Trial) -> str:
    start = max(effective(best.row).max_start, effective(other.row).max_start)
    return f"no maximum is below {minus(f'{start:g}')}"


def _why_features(best: Trial, other: Trial) -> str:
    return _by(best.fingerprint.rows == other.fingerprint.rows, "they read the same")


_Why = Callable[[Trial, Trial], str]
_ASPECTS: Final[dict[str, tuple[tuple[str, ...], _Why]]] = {
    "operator": (("operator",), _why_features),
    "shift": (("offset_before", "offset_after"), _why_features),
    "smallest box": (("min_size",), _why_minimum),
    "sampling ratio": (("sampling_ratio",), _why_ratio),
    "order of arithmetic": (("positions",), lambda *_: "only last bits differ"),
    "border": (("border",), _why_border),
    "reduction": (("mode", "max_over"), _why_features),
    "start of the maximum": (("max_start",), _why_start),
    "empty bins": (("void", "void_max"), _why_void),
    "interpolation": (("interpolation",), _why_features),
    "coordinates": (("normalized",), _why_features),
}
