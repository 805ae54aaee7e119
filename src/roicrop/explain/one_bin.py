"""One bin in full: where its samples are, what each reads, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from roicrop.conventions import LOWEST_FLOAT32
from roicrop.explain.account import TOLERANCE, Bin, Explanation, Term
from roicrop.explain.numerals import brief, exact, in_column, under_one_another
from roicrop.explain.preamble import operand
from roicrop.explain.steps import bin_steps
from roicrop.explain.tables import table
from roicrop.sampling import AxisPlan, Samples


def one_bin(explanation: Explanation, only: tuple[int, int], most: int) -> Iterator[str]:
    """Lines of text, with at most so many samples, pieces or cells."""
    ((bin_, terms),) = explanation.listing(only, most)
    listed = list(terms)
    where, what = _KINDS[explanation.kind]
    yield f"Bin {bin_.row},{bin_.column}"
    yield from where(explanation, bin_, most)
    if listed:
        yield ""
        yield from what(bin_, listed)
    left_out = bin_.terms - len(listed)
    if left_out:
        more = len(bin_.y) * len(bin_.x)
        option = f" (--limit {more} lists more)" if more > len(listed) else ""
        yield f"  … {left_out:,} more {explanation.kind}s are not listed, but counted{option}"
    yield ""
    yield from _result(explanation, bin_)


def tolerance(explanation: Explanation, bin_: Bin) -> str:
    """By how much the operator's value may differ, and why."""
    text = f"{exact(TOLERANCE)} × {brief(explanation.largest)} = {brief(bin_.tolerance)}"
    if explanation.pooled.dtype == np.float16:
        return f"{brief(bin_.tolerance)}, for float16 is rounded at the end"
    return text


_INDENT: Final = "  "


def _sampled(explanation: Explanation, bin_: Bin, most: int) -> Iterator[str]:
    plan = explanation.plan
    for name, index, axis, p, samples, cells in (
        ("y", "i", plan.y, bin_.row, bin_.y, "rows"),
        ("x", "j", plan.x, bin_.column, bin_.x, "columns"),
    ):
        if not len(samples):
            continue
        yield f"  {name} = {_position(axis, explanation.k, p, index, name)}"
        yield from table(
            [
                [index, name, "", cells, "weights"],
                *zip(
                    map(str, samples.index[:most]),
                    under_one_another([exact(v) for v in samples.position[:most]]),
                    [_moved(samples, s) for s in range(len(samples))[:most]],
                    *_neighbours(samples, most),
                    strict=True,
                ),
            ],
            "rrlll",
            _INDENT * 2,
        )


def _position(axis: AxisPlan, k: int, p: int, index: str, name: str) -> str:
    """The convention's formula for a sample's place, with the box's numbers put in."""
    begin, step, count = exact(axis.begin[k]), operand(axis.bin_size[k]), axis.count[k]
    match axis.convention.positions:
        case "scaled-step":
            return f"{begin} + {p} × {step} + ({index} + ½) × {step} / {count}"
        case "step-scaled":
            return f"{begin} + {p} × {step} + ({step} / {count}) × ({index} + ½)"
        case "fraction":
            return f"{begin} + {step} × ({p} + ({index} + ½) / {count})"
        case "corners" if axis.bins == 1:
            return f"½ × ({name}1 + {name}2) × ({axis.size} − 1)"
        case "corners":
            return f"{begin} + {p} × {step}"


def _cut(explanation: Explanation, bin_: Bin, most: int) -> Iterator[str]:
    plan, k = explanation.plan, explanation.k
    for name, index, axis, p, pieces, cells in (
        ("y", "i", plan.y, bin_.row, bin_.y, "rows"),
        ("x", "j", plan.x, bin_.column, bin_.x, "columns"),
    ):
        low, high = axis.edges(k)[p : p + 2]
        yield f"  {name} from {brief(low)} to {brief(high)}, cut at the cells' centres"
        if not len(pieces):
            continue
        yield from table(
            [
                [index, "middle", "length", cells, "weights"],
                *zip(
                    map(str, pieces.index[:most]),
                    in_column(pieces.position[:most].tolist()),
                    in_column(pieces.share[:most].tolist()),
                    *_neighbours(pieces, most),
                    strict=True,
                ),
            ],
            "rrrll",
            _INDENT * 2,
        )


def _moved(samples: Samples, s: int) -> str:
    if not samples.inside[s]:
        return "out of range"
    if samples.clamped[s]:
        return f"→ {exact(samples.read_at[s])} clamped"
    if samples.weight_low[s] + samples.weight_high[s] != 1:
        return "fading"
    return ""


def _neighbours(samples: Samples, most: int) -> tuple[list[str], list[str]]:
    """The cells that count anything, and what they count."""
    cells, weights = [], []
    for s in range(len(samples))[:most]:
        read = [
            (str(cell), exact(weight))
            for cell, weight in (
                (samples.low[s], samples.weight_low[s]),
                (samples.high[s], samples.weight_high[s]),
            )
            if weight
        ]
        cells.append(", ".join(cell for cell, _ in read))
        weights.append(", ".join(weight for _, weight in read))
    return cells, weights


def _covered(explanation: Explanation, bin_: Bin, _: int) -> Iterator[str]:
    plan, k = explanation.plan, explanation.k
    y, x = _edges(plan.y, k, bin_.row), _edges(plan.x, k, bin_.column)
    names = ("first cell", "cell after", "on the map")
    yield from table([["", "y", "x"], *map(list, zip(names, y, x, strict=True))], "lll", _INDENT)


def _edges(axis: AxisPlan, k: int, p: int) -> tuple[str, str, str]:
    assert axis.rounded is not None
    first, bin_size = axis.rounded[k, 0], exact(axis.bin_size[k])
    down, up, low, high = bin_steps(axis, k, p)
    begin = f"{exact(first)} + ⌊{p} × {bin_size}⌋ = {exact(first)} + ⌊{exact(down.before)}⌋"
    end = f"{exact(first)} + ⌈{p + 1} × {bin_size}⌉ = {exact(first)} + ⌈{exact(up.before)}⌉"
    cut = " (cut off)" if (low.before, high.before) != (low.after, high.after) else ""
    return (
        f"{begin} = {exact(low.before)}",
        f"{end} = {exact(high.before)}",
        (f"{low.after} … {high.after - 1}" if low.after < high.after else "none") + cut,
    )


def _samples_read(bin_: Bin, terms: list[Term]) -> Iterator[str]:
    yield from _read(bin_, terms, [])


def _pieces_read(bin_: Bin, terms: list[Term]) -> Iterator[str]:
    areas = in_column([term.share for term in terms])
    contributions = in_column([term.value * term.share for term in terms])
    yield from _read(bin_, terms, [("area", areas), ("value × area", contributions)])


def _read(bin_: Bin, terms: list[Term], more: list[tuple[str, list[str]]]) -> Iterator[str]:
    """A line for each cell of each term; what the term comes to is on its last."""
    taps = [tap for term in terms for tap in term.taps]
    reads = zip(
        [f"[{tap.row}, {tap.column}]" for tap in taps],
        under_one_another([brief(tap.weight) for tap in taps]),
        in_column([tap.feature for tap in taps]),
        in_column([tap.product for tap in taps]),
        strict=True,
    )
    places = zip(
        [f"{term.row},{term.column}" for term in terms],
        under_one_another([exact(term.y) for term in terms]),
        under_one_another([exact(term.x) for term in terms]),
        strict=True,
    )
    totals = zip(
        in_column([term.value for term in terms]), *(column for _, column in more), strict=True
    )
    names = ["i,j", "y", "x", "[row, column]", "weight", "feature", "product", "value"]
    rows = [[*names, *(name for name, _ in more), ""]]
    for term, place, total in zip(terms, places, totals, strict=True):
        total = (*total, _is_largest(bin_, term))
        lines = [next(reads) for _ in term.taps] or [("none", "", "", "")]
        for n, read in enumerate(lines):
            before = place if n == 0 else [""] * len(place)
            after = total if n == len(lines) - 1 else [""] * len(total)
            rows.append([*before, *read, *after])
    yield f"{_INDENT}weight = the row's × the column's, product = weight × feature"
    yield from table(rows, "lrrlrrrr" + "r" * len(more) + "l", _INDENT)


def _cells_read(bin_: Bin, terms: list[Term]) -> Iterator[str]:
    features = in_column([term.value for term in terms])
    yield from table(
        [
            ["[row, column]", "feature", ""],
            *(
                [f"[{term.row}, {term.column}]", feature, _is_largest(bin_, term)]
                for term, feature in zip(terms, features, strict=True)
            ),
        ],
        "lrl",
        _INDENT,
    )


def _is_largest(bin_: Bin, term: Term) -> str:
    """A mark at what a maximum is."""
    return "← the largest" if bin_.sum is None and term.value == bin_.value else ""


_Where = Callable[[Explanation, Bin, int], Iterator[str]]
_What = Callable[[Bin, list[Term]], Iterator[str]]
_KINDS: Final[dict[str, tuple[_Where, _What]]] = {
    "sample": (_sampled, _samples_read),
    "piece": (_cut, _pieces_read),
    "cell": (_covered, _cells_read),
}


def _result(explanation: Explanation, bin_: Bin) -> Iterator[str]:
    """The sum and its division, or the largest, beside what the operator gives."""
    row = explanation.plan.convention
    lines: list[tuple[str, float, str]] = []
    if bin_.void:
        lines.append(
            ("value", bin_.value, f"{_VOID[explanation.kind]}: {row.name} gives this then")
        )
    elif bin_.sum is not None:
        lines.append(("sum", bin_.sum, ""))
        lines.append((f"sum / {_divisor(explanation, bin_)}", bin_.value, ""))
    else:
        lines.append(("largest", bin_.value, _also_considered(explanation, bin_)))
    agrees = "agrees" if bin_.agrees else "DIFFERS"
    agreement = f"{agrees}: difference {brief(bin_.difference)}, tolerance"
    lines.append(
        (f"{row.operator} gives", bin_.pooled, f"{agreement} {tolerance(explanation, bin_)}")
    )
    values = under_one_another([brief(value) for _, value, _ in lines])
    yield from table(
        [[name, value, note] for (name, _, note), value in zip(lines, values, strict=True)],
        "lrl",
        _INDENT,
    )


_VOID: Final = {
    "sample": "no sample, or one outside",
    "piece": "a bin of no size",
    "cell": "no cell",
}


def _divisor(explanation: Explanation, bin_: Bin) -> str:
    if explanation.kind != "piece":
        return f"({bin_.count[0]} × {bin_.count[1]})"
    assert bin_.divisor is not None
    return f"{brief(bin_.divisor)}, the bin's area"


def _also_considered(explanation: Explanation, bin_: Bin) -> str:
    start = explanation.plan.convention.max_start
    notes = []
    if bin_.zero:
        notes.append("0 takes part, for what has no weight or is out of range")
    if start > LOWEST_FLOAT32:
        notes.append(f"the maximum starts from {exact(start)}")
    return "; ".join(notes)
