"""What one bin reads: a line for each cell of each of its samples, pieces or cells."""

from __future__ import annotations

from collections.abc import Iterator

from roicrop.explanation.numerals import brief, exact, in_column, under_one_another
from roicrop.explanation.tables import INDENT, table
from roicrop.explanation.terms import Bin, Term


def samples_read(bin_: Bin, terms: list[Term]) -> Iterator[str]:
    """Samples: the cells of each, and its value."""
    yield from _read(bin_, terms, [])


def pieces_read(bin_: Bin, terms: list[Term]) -> Iterator[str]:
    """Pieces of an integral: the cells of each, its value in the middle, and its area."""
    areas = in_column([term.share for term in terms])
    contributions = in_column([term.value * term.share for term in terms])
    yield from _read(bin_, terms, [("area", areas), ("value × area", contributions)])


def cells_read(bin_: Bin, terms: list[Term]) -> Iterator[str]:
    """RoIPool's cells."""
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
        INDENT,
    )


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
        lines = [next(reads) for _ in term.taps] or [("out of range", "", "", "")]
        for n, read in enumerate(lines):
            before = place if n == 0 else [""] * len(place)
            after = total if n == len(lines) - 1 else [""] * len(total)
            rows.append([*before, *read, *after])
    yield f"{INDENT}weight = the row's × the column's, product = weight × feature"
    yield from table(rows, "lrrlrrrr" + "r" * len(more) + "l", INDENT)


def _is_largest(bin_: Bin, term: Term) -> str:
    """A mark at what a maximum is."""
    largest = bin_.sum is None and not bin_.void and term.value == bin_.value
    return "← the largest" if largest else ""
