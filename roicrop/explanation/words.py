"""An explanation as a worked example: the box, how it becomes bins, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from roicrop.explanation.account import Explanation
from roicrop.explanation.one_bin import one_bin, tolerance
from roicrop.explanation.preamble import preamble
from roicrop.explanation.terms import Bin
from roicrop.sampling import Axis
from roicrop.text import brief, exact, in_column, table

MOST_TERMS: Final = 64
MOST_BINS: Final = 1024


def in_words(
    explanation: Explanation, only: tuple[int, int] | None = None, most: int | None = None
) -> Iterator[str]:
    """Lines of text.

    only: this bin, with each of its samples. Without it each bin has a line.
    most: at most so many samples, or bins; None is MOST_TERMS, or MOST_BINS.
    """
    yield from preamble(explanation)
    yield ""
    if only is not None:
        yield from one_bin(explanation, only, MOST_TERMS if most is None else most)
    else:
        yield from _all_bins(explanation, MOST_BINS if most is None else most)


def _all_bins(explanation: Explanation, most: int) -> Iterator[str]:
    """A line for each bin."""
    bins = list(explanation.bins())
    shown = bins[:most]
    columns = [
        ("bin", [f"{b.row},{b.column}" for b in shown]),
        *_places(explanation, shown),
        (explanation.terms, [f"{b.terms.count[0]} × {b.terms.count[1]}" for b in shown]),
    ]
    if explanation.plan.kind in ("sample", "point"):
        columns.append(("outside", [str(b.terms.outside) for b in shown]))
        columns.append(("clamped", [str(b.terms.clamped) for b in shown]))
    if any(b.sum is not None for b in shown):
        columns.append(("sum", in_column([b.sum for b in shown])))
    columns.append(("value", in_column([b.value for b in shown])))
    gives = f"{explanation.plan.convention.operator} gives"
    columns.append((gives, in_column([b.pooled for b in shown])))
    rows = zip(*([name, *texts] for name, texts in columns), strict=True)
    yield from table(list(rows), "r" * len(columns))
    if len(shown) < len(bins):
        yield f"… and {len(bins) - len(shown):,} more bins: --limit {len(bins)}"
    yield ""
    yield _agreement(explanation, bins)
    yield "Add --bin ROW,COLUMN for every number behind a bin."


def _places(explanation: Explanation, bins: Sequence[Bin]) -> list[tuple[str, list[str]]]:
    """Where bins lie along y and along x: their edges, their only sample, or their cells."""
    plan, k = explanation.plan, explanation.k
    if plan.kind == "cell":
        cells = [plan.cells(k, b.row, b.column) for b in bins]
        return [
            ("rows", [_cells(rows) for rows, _ in cells]),
            ("columns", [_cells(columns) for _, columns in cells]),
        ]
    if plan.kind == "point":
        points = [next(iter(b.terms)) for b in bins]
        return [("y", [exact(point.y) for point in points]), ("x", [exact(p.x) for p in points])]
    of_rows, of_columns = (_spans(axis, k) for axis in plan.axes)
    names = ("down the box", "across it") if plan.turn(k) else ("y", "x")
    spans = [of_rows[b.row] for b in bins], [of_columns[b.column] for b in bins]
    return list(zip(names, spans, strict=True))


def _spans(axis: Axis, k: int) -> list[str]:
    """For each bin of box k its edges."""
    edges = [brief(edge) for edge in axis.edges(k).tolist()]
    return [f"{low} … {high}" for low, high in pairwise(edges)]


def _cells(cells: range) -> str:
    if not cells:
        return "none"
    return f"{cells[0]}" if len(cells) == 1 else f"{cells[0]} … {cells[-1]}"


def _agreement(explanation: Explanation, bins: Sequence[Bin]) -> str:
    operator = explanation.plan.convention.operator
    differ = [bin_ for bin_ in bins if not bin_.agrees]
    if differ:
        first = differ[0]
        return (
            f"{len(differ)} of {len(bins)} values DIFFER from what {operator} gives; the first is "
            f"that of bin {first.row},{first.column}: by {brief(first.difference)}, and the "
            f"tolerance is {tolerance(explanation, first)}"
        )
    worst = max(bins, key=lambda bin_: bin_.difference)
    return (
        f"All {len(bins)} values agree with what {operator} gives: the largest difference is "
        f"{brief(worst.difference)}, the tolerance {tolerance(explanation, worst)}"
    )
