"""One bin in full: where its samples are, what each reads, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from roicrop.conventions import LOWEST_FLOAT32, Kind
from roicrop.explanation import places
from roicrop.explanation.account import TOLERANCE, Explanation
from roicrop.explanation.readings import cells_read, pieces_read, samples_read
from roicrop.explanation.terms import Bin, Reading
from roicrop.text import INDENT, brief, exact, table, under_one_another


def one_bin(explanation: Explanation, only: tuple[int, int], most: int) -> Iterator[str]:
    """Lines of text, with at most so many samples, pieces or cells."""
    ((bin_, readings),) = explanation.listing(only, most)
    listed = list(readings)
    where, what, _ = _KINDS[explanation.plan.kind]
    yield f"Bin {bin_.row},{bin_.column}"
    yield from where(explanation, bin_, most)
    if listed:
        yield ""
        yield from what(bin_, listed)
    left_out = bin_.terms.total - len(listed)
    if left_out:
        more = len(bin_.terms)
        option = f" (--limit {more} lists more)" if more > len(listed) else ""
        yield f"  … {left_out:,} more {explanation.terms} are not listed, but counted{option}"
    yield ""
    yield from _result(explanation, bin_)


def tolerance(explanation: Explanation, bin_: Bin) -> str:
    """By how much the operator's value may differ, and why."""
    text = f"{exact(TOLERANCE)} × {brief(explanation.largest)} = {brief(bin_.tolerance)}"
    if explanation.pooled.dtype == np.float16:
        return f"{brief(bin_.tolerance)}, for float16 is rounded at the end"
    return text


_Where = Callable[[Explanation, Bin, int], Iterator[str]]
_What = Callable[[Bin, list[Reading]], Iterator[str]]
_KINDS: Final[dict[Kind, tuple[_Where, _What, str]]] = {
    "sample": (places.sampled, samples_read, "no samples"),
    "point": (places.sampled, samples_read, "no samples"),
    "piece": (places.cut, pieces_read, "a bin of no size"),
    "cell": (places.covered, cells_read, "no cells"),
}
"""Where a bin is read, what is read there, and why there may be nothing."""


def _result(explanation: Explanation, bin_: Bin) -> Iterator[str]:
    """The sum and its division, or the largest, beside what the operator gives."""
    row = explanation.plan.convention
    lines: list[tuple[str, float, str]] = []
    if bin_.void:
        why = "a sample is outside" if bin_.terms.total else _KINDS[explanation.plan.kind][2]
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


def _divisor(explanation: Explanation, bin_: Bin) -> str:
    if explanation.plan.kind == "piece":
        return f"{brief(bin_.terms.divisor)}, the bin's area"
    counts = bin_.terms.count
    if not bin_.terms.total:  # a reversed box has counts, which divide a sum of nothing
        counts = explanation.plan.count(explanation.k)
    return f"({exact(counts[0])} × {exact(counts[1])})"


def _also_considered(explanation: Explanation, bin_: Bin) -> str:
    start = explanation.plan.convention.max_start
    notes = []
    if bin_.zero:
        some = bin_.terms.total > 0
        what = "what has no weight or is out of range" if some else "there are no samples"
        notes.append(f"0 takes part, for {what}")
    if start > LOWEST_FLOAT32:
        notes.append(f"the maximum starts from {exact(start)}")
    return "; ".join(notes)
