"""One bin in full: where its samples are, what each reads, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from roicrop.conventions import LOWEST_FLOAT32
from roicrop.explanation import places, readings
from roicrop.explanation.account import TOLERANCE, Explanation
from roicrop.explanation.numerals import brief, exact, under_one_another
from roicrop.explanation.tables import INDENT, table
from roicrop.explanation.terms import Bin, Term


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


_Where = Callable[[Explanation, Bin, int], Iterator[str]]
_What = Callable[[Bin, list[Term]], Iterator[str]]
_KINDS: Final[dict[str, tuple[_Where, _What]]] = {
    "sample": (places.sampled, readings.samples_read),
    "piece": (places.cut, readings.pieces_read),
    "cell": (places.covered, readings.cells_read),
}


def _result(explanation: Explanation, bin_: Bin) -> Iterator[str]:
    """The sum and its division, or the largest, beside what the operator gives."""
    row = explanation.plan.convention
    lines: list[tuple[str, float, str]] = []
    if bin_.void:
        why = "a sample is outside" if bin_.terms else _NOTHING[explanation.kind]
        lines.append(("value", bin_.value, f"{why}: {row.name} gives this then"))
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
        INDENT,
    )


_NOTHING: Final = {"sample": "no samples", "piece": "a bin of no size", "cell": "no cells"}


def _divisor(explanation: Explanation, bin_: Bin) -> str:
    plan, k = explanation.plan, explanation.k
    if explanation.kind == "sample":
        return f"({exact(plan.y.count[k])} × {exact(plan.x.count[k])})"
    if explanation.kind == "cell":
        return f"({bin_.count[0]} × {bin_.count[1]})"
    assert bin_.divisor is not None
    return f"{brief(bin_.divisor)}, the bin's area"


def _also_considered(explanation: Explanation, bin_: Bin) -> str:
    start = explanation.plan.convention.max_start
    notes = []
    if bin_.zero:
        what = "what has no weight or is out of range" if bin_.terms else "there are no samples"
        notes.append(f"0 takes part, for {what}")
    if start > LOWEST_FLOAT32:
        notes.append(f"the maximum starts from {exact(start)}")
    return "; ".join(notes)
