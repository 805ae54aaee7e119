"""What fits best, what else does, in what that differs, and why these data do not tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from roicrop.conventions import SamplingRatio, coarse, effective
from roicrop.identification.confirm import Trial
from roicrop.text import measure, minus

_ALIKE: Final = (2.0, 0.02)  # mean differences, as a factor and in tolerances, that say nothing


@dataclass(frozen=True, slots=True)
class Alternative:
    """Trials that fit, and differ from one another in last bits and empty bins at most.

    differs: what sets all of them apart from the best → why that does not show.
    """

    trials: Sequence[Trial]
    differs: dict[str, str]


Cost = Callable[[Trial], tuple[int, int, int]]


def ranked(trials: Sequence[Trial], cost: Cost) -> list[list[Trial]]:
    """Those that fit, each with those that differ from it in last bits and empty bins at most.

    The closest group comes first, and of those that are as close the simplest. In a group, what
    gives the values to the bit comes first, then the simplest, then the best known.
    """
    groups: dict[object, list[Trial]] = {}
    for trial in trials:
        if trial.fits:
            mine = trial.hypothesis
            key = mine.reading, mine.scale, mine.layout, repr(coarse(trial.row))
            groups.setdefault(key, []).append(trial)
    means = {key: min(trial.mean for trial in group) for key, group in groups.items()}
    close = _ALIKE[0] * min(means.values(), default=0.0) + _ALIKE[1]
    order = sorted(groups, key=lambda key: (means[key] > close, min(map(cost, groups[key]))))
    return [sorted(groups[key], key=lambda trial: (not trial.exact, cost(trial))) for key in order]


def alike(group: Sequence[Trial]) -> Alternative:
    """The best of a group; if it does not give the tensor to the bit, all of the group."""
    best = group[0]
    trials = [trial for trial in group if trial.exact == best.exact]
    return Alternative(trials, {k: v for each in trials for k, v in _differs(best, each).items()})


def alternatives(best: Alternative, groups: Sequence[Sequence[Trial]]) -> list[Alternative]:
    """What else fits, without what differs only in what several others differ in.

    groups: all that fit, ranked. A convention that fits as it is always stays. What no framework
    computes does not, unless the best is such too.
    """
    known = {id(trial) for trial in best.trials}
    nobodys = best.trials[0].hypothesis.rules.is_nobodys
    each = []
    for group in groups:
        of_frameworks = (t for t in group if nobodys or not t.hypothesis.rules.is_nobodys)
        trials = [trial for trial in of_frameworks if id(trial) not in known]
        if trials:
            all_differ = [_differs(best.trials[0], trial) for trial in trials]
            common = set(all_differ[0]).intersection(*all_differ)
            shown = {what: why for what, why in all_differ[0].items() if what in common}
            each.append(Alternative(trials, shown))
    each = [one for one in each if one.differs]
    kept = []
    for one in each:
        smaller = [set(o.differs) for o in each if set(o.differs) < set(one.differs)]
        plain = any(trial.hypothesis.rules.is_plain for trial in one.trials)
        as_read = _OF_THE_FILES.isdisjoint(one.differs)
        if (plain and as_read) or set().union(*smaller) != set(one.differs):
            kept.append(one)
    return kept


_OF_THE_FILES: Final = frozenset(("box format", "scale", "layout"))


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


def _why_rounding(best: Trial, other: Trial) -> str:
    both = {best.row.rounding, other.row.rounding}
    same = best.fingerprint.rows == other.fingerprint.rows
    if same and "none" not in both:
        return "no box has a corner half-way between cells whose rounding changes it"
    return _by(same, "they read the same")


def _why_features(best: Trial, other: Trial) -> str:
    return _by(best.fingerprint.rows == other.fingerprint.rows, "they read the same")


_Why = Callable[[Trial, Trial], str]
_ASPECTS: Final[dict[str, tuple[tuple[str, ...], _Why]]] = {
    "operator": (("operator",), _why_features),
    "shift": (("offset_before", "offset_after"), _why_features),
    "end corner": (("added_pixel", "added_cell"), _why_features),
    "clipped boxes": (("clipped",), _why_features),
    "rounding of corners": (("rounding",), _why_rounding),
    "smallest box": (("min_size",), _why_minimum),
    "sampling ratio": (("sampling_ratio",), _why_ratio),
    "samples of small boxes": (("min_samples",), _why_features),
    "place of a sample": (("sample_at", "shared"), _why_features),
    "order of arithmetic": (("positions",), lambda *_: "only last bits differ"),
    "border": (("border",), _why_border),
    "reduction": (("mode", "max_over"), _why_features),
    "start of the maximum": (("max_start",), _why_start),
    "empty bins": (("void", "void_max"), _why_void),
    "interpolation": (("interpolation",), _why_features),
    "coordinates": (("normalized", "inner"), _why_features),
}
