"""What one bin reads: a line for each cell of each of its samples, pieces or cells."""

from __future__ import annotations

from collections.abc import Iterator

from roicrop.explanation.terms import Bin, Reading
from roicrop.text import INDENT, brief, exact, in_column, table, under_one_another


def samples_read(bin_: Bin, readings: list[Reading]) -> Iterator[str]:
    """Samples: the cells of each, and its value."""
    yield from _read(bin_, readings, [])


def pieces_read(bin_: Bin, readings: list[Reading]) -> Iterator[str]:
    """Pieces of an integral: the cells of each, its value in the middle, and its area."""
    areas = in_column([reading.term.share for reading in readings])
    contributions = in_column([reading.value * reading.term.share for reading in readings])
    yield from _read(bin_, readings, [("area", areas), ("value × area", contributions)])


def cells_read(bin_: Bin, readings: list[Reading]) -> Iterator[str]:
    """RoIPool's cells."""
    features = in_column([reading.value for reading in readings])
    yield from table(
        [
            ["[row, column]", "feature", ""],
            *(
                [f"[{each.term.row}, {each.term.column}]", feature, _is_largest(bin_, each)]
                for each, feature in zip(readings, features, strict=True)
            ),
        ],
        "lrl",
        INDENT,
    )


def _read(bin_: Bin, readings: list[Reading], more: list[tuple[str, list[str]]]) -> Iterator[str]:
    """A line for each cell of each term; what the term comes to is on its last."""
    terms = [reading.term for reading in readings]
    taps = [tap for reading in readings for tap in reading.taps]
    reads = zip(
        [f"[{tap.row}, {tap.column}]" for tap, _ in taps],
        under_one_another([brief(tap.weight) for tap, _ in taps]),
        in_column([feature for _, feature in taps]),
        in_column([tap.weight * feature for tap, feature in taps]),
        strict=True,
    )
    places = zip(
        [f"{term.row},{term.column}" for term in terms],
        under_one_another([exact(term.y) for term in terms]),
        under_one_another([exact(term.x) for term in terms]),
        strict=True,
    )
    totals = zip(
        in_column([reading.value for reading in readings]),
        *(column for _, column in more),
        strict=True,
    )
    names = ["i,j", "y", "x", "[row, column]", "weight", "feature", "product", "value"]
    rows = [[*names, *(name for name, _ in more), ""]]
    for reading, place, total in zip(readings, places, totals, strict=True):
        total = (*total, _is_largest(bin_, reading))
        lines = [next(reads) for _ in reading.features] or [("out of range", "", "", "")]
        for n, read in enumerate(lines):
            before = place if n == 0 else [""] * len(place)
            after = total if n == len(lines) - 1 else [""] * len(total)
            rows.append([*before, *read, *after])
    yield f"{INDENT}weight = the row's × the column's, product = weight × feature"
    yield from table(rows, "lrrlrrrr" + "r" * len(more) + "l", INDENT)


def _is_largest(bin_: Bin, reading: Reading) -> str:
    """A mark at what a maximum is."""
    largest = bin_.sum is None and not bin_.void and reading.value == bin_.value
    return "← the largest" if largest else ""
