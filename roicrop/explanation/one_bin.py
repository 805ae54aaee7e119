"""One bin in full: where its samples, pieces or cells lie, what each reads, and the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np

from roicrop.conventions import LOWEST_FLOAT32, Kind
from roicrop.explanation.account import TOLERANCE, Bin, Explanation, Reading
from roicrop.sampling import Axis, Samples, Turn
from roicrop.text import INDENT, brief, exact, in_column, table, under_one_another


def one_bin(explanation: Explanation, only: tuple[int, int], most: int) -> Iterator[str]:
    """Describe a bin in lines of text, with at most `most` samples, pieces or cells."""
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
        yield f"  … {left_out:,} more {explanation.terms} are counted but not listed{option}"
    yield ""
    yield from _result(explanation, bin_)


def tolerance(explanation: Explanation, bin_: Bin) -> str:
    """How far the operator's value may be off, and why."""
    text = f"{exact(TOLERANCE)} × {brief(explanation.largest)} = {brief(bin_.tolerance)}"
    if explanation.pooled.dtype == np.float16:
        return f"{brief(bin_.tolerance)}, because the result is rounded to float16"
    return text


def _result(explanation: Explanation, bin_: Bin) -> Iterator[str]:
    """The sum and its division, or the maximum, beside the operator's value."""
    row = explanation.plan.convention
    lines: list[tuple[str, float, str]] = []
    if bin_.void:
        why = "a sample is outside" if bin_.terms.total else _KINDS[explanation.plan.kind][2]
        lines.append(("value", bin_.value, f"{why}; {row.name} then gives this value"))
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
    if not bin_.terms.total:  # a reversed box has counts, which divide an empty sum
        counts = explanation.plan.count(explanation.k)
    return f"({exact(counts[0])} × {exact(counts[1])})"


def _also_considered(explanation: Explanation, bin_: Bin) -> str:
    start = explanation.plan.convention.max_start
    notes = []
    if bin_.zero:
        some = bin_.terms.total > 0
        what = "a corner has no weight or is out of range" if some else "there are no samples"
        notes.append(f"0 is considered too, because {what}")
    if start > LOWEST_FLOAT32:
        notes.append(f"the maximum starts from {exact(start)}")
    return "; ".join(notes)


def _sampled(explanation: Explanation, bin_: Bin, most: int) -> Iterator[str]:
    """For each axis, the formula for a sample's position, and at most `most` samples."""
    if turn := explanation.plan.turn(explanation.k):
        yield from _turned(explanation, bin_, turn)
        return
    for name, index, axis, p, samples, cells in _sides(explanation, bin_):
        if not len(samples):
            continue
        yield f"{INDENT}{name} = {_position(axis, explanation.k, p, index, name)}"
        places = under_one_another([exact(v) for v in samples.position[:most]])
        moved = [_moved(axis, samples, s) for s in range(len(samples))[:most]]
        columns = {name: places, "": moved}
        yield from _along(index, columns, samples, cells, most, "rrlll")


def _turned(explanation: Explanation, bin_: Bin, turn: Turn) -> Iterator[str]:
    """The formulas for a sample's offset from the box's centre (v down, u across), then y and x."""
    axes = zip("vu", "ij", explanation.plan.axes, (bin_.row, bin_.column), strict=True)
    for name, index, axis, p in axes:
        yield f"{INDENT}{name} = {_position(axis, explanation.k, p, index, name)}"
    cos, sin = operand(turn.cos), operand(turn.sin)
    yield f"{INDENT}y = v × {cos} − u × {sin} + {operand(turn.y)}"
    yield f"{INDENT}x = v × {sin} + u × {cos} + {operand(turn.x)}"


def _cut(explanation: Explanation, bin_: Bin, most: int) -> Iterator[str]:
    """For each axis, the bin's edges, and at most `most` of the pieces between them."""
    for name, index, axis, p, pieces, cells in _sides(explanation, bin_):
        low, high = axis.edges(explanation.k)[p : p + 2]
        yield f"{INDENT}{name} from {brief(low)} to {brief(high)}, cut at cell centres"
        if not len(pieces):
            continue
        middles, lengths = (v[:most].tolist() for v in (pieces.position, pieces.share))
        columns = {"middle": in_column(middles), "length": in_column(lengths)}
        yield from _along(index, columns, pieces, cells, most, "rrrll")


def _along(
    index: str, columns: dict[str, list[str]], samples: Samples, cells: str, most: int, align: str
) -> Iterator[str]:
    """A table of samples along one axis: these columns, and the cells that each reads."""
    numbers = map(str, samples.index[:most])
    rows = zip(numbers, *columns.values(), *_neighbours(samples, most), strict=True)
    yield from table([[index, *columns, cells, "weights"], *rows], align, INDENT * 2)


def _covered(explanation: Explanation, bin_: Bin, _: int) -> Iterator[str]:
    """For a bin of RoIPool, how its edges are rounded, and which cells lie between them."""
    plan, k = explanation.plan, explanation.k
    of_y, of_x = plan.axes
    y, x = _edges(of_y, k, bin_.row), _edges(of_x, k, bin_.column)
    names = ("first cell", "end cell (exclusive)", "on the map")
    yield from table([["", "y", "x"], *map(list, zip(names, y, x, strict=True))], "lll", INDENT)


_Side = tuple[str, str, Axis, int, Samples, str]


def _sides(explanation: Explanation, bin_: Bin) -> tuple[_Side, _Side]:
    """For y and x: the names of coordinate, index and cells, the axis, the bin and its samples."""
    plan = explanation.plan
    (of_y, of_x), (y, x) = plan.axes, plan.samples(explanation.k)
    return (
        ("y", "i", of_y, bin_.row, y.of_bin(bin_.row), "rows"),
        ("x", "j", of_x, bin_.column, x.of_bin(bin_.column), "columns"),
    )


def _position(axis: Axis, k: int, p: int, index: str, name: str) -> str:
    """The convention's formula for a sample's position, with the box's numbers filled in."""
    begin, step, count = exact(axis.begin[k]), operand(axis.bin_size[k]), axis.count[k]
    row, half = axis.convention, f"({index} + ½)" if axis.convention.sample_at else index
    match axis.convention.positions:
        case "scaled-step":
            return f"{begin} + {p} × {step} + {half} × {step} / {count}"
        case "step-scaled":
            return f"{begin} + {p} × {step} + ({step} / {count}) × {half}"
        case "fraction":
            return f"{begin} + {step} × ({p} + {half} / {count})"
        case "corners" if row.kind == "point" and axis.bins == 1:
            scaled = f" × ({axis.size} − 1)" if row.normalized else ""
            return f"½ × ({name}1 + {name}2){scaled}"
        case "corners":
            number = f"({p * row.points_apart} + {index})" if row.kind == "sample" else str(p)
            return f"{begin} + {number} × {operand(axis.bin_size[k] / row.points_apart)}"


def _moved(axis: Axis, samples: Samples, s: int) -> str:
    if not samples.inside[s]:
        return "out of range"
    if axis.convention.interpolation == "nearest":
        return f"→ {exact(samples.low[s])} rounded"
    if samples.clamped[s]:
        return f"→ {exact(samples.read_at[s])} clamped"
    if samples.weight_low[s] + samples.weight_high[s] != 1:
        return "fading"
    if samples.weight_high[s] > 1:
        return "extrapolated"
    return ""


def _neighbours(samples: Samples, most: int) -> tuple[list[str], list[str]]:
    """The cells with a weight, and their weights."""
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


def _edges(axis: Axis, k: int, p: int) -> tuple[str, str, str]:
    first, bin_size = axis.ends(k)[0], exact(axis.bin_size[k])
    down, up, low, high = axis.bin_steps(k, p)
    begin = f"{exact(first)} + ⌊{p} × {bin_size}⌋ = {exact(first)} + ⌊{exact(down.before)}⌋"
    end = f"{exact(first)} + ⌈{p + 1} × {bin_size}⌉ = {exact(first)} + ⌈{exact(up.before)}⌉"
    if axis.convention.rounding == "none":
        start = exact(axis.begin[k])
        begin = f"⌊{start} + {p} × {bin_size}⌋ = ⌊{exact(down.before)}⌋"
        end = f"⌈{start} + {p + 1} × {bin_size}⌉ = ⌈{exact(up.before)}⌉"
    cut = " (cut off)" if (low.before, high.before) != (low.after, high.after) else ""
    return (
        f"{begin} = {exact(low.before)}",
        f"{end} = {exact(high.before)}",
        (f"{low.after} … {high.after - 1}" if low.after < high.after else "none") + cut,
    )


def operand(value: Any) -> str:
    """A number as it is written after a minus or times sign."""
    return exact(value) if value >= 0 else f"({exact(value)})"


def _cells_read(bin_: Bin, readings: list[Reading]) -> Iterator[str]:
    """List RoIPool's cells, with their features."""
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


def _samples_read(bin_: Bin, readings: list[Reading], *, of_pieces: bool = False) -> Iterator[str]:
    """List samples, a line per cell that each reads; the last line also has the sample's value.

    of_pieces: True to add the area of each piece of an integral, which is sampled at its middle.
    """
    more = {}
    if of_pieces:
        more["area"] = in_column([reading.term.share for reading in readings])
        products = [reading.value * reading.term.share for reading in readings]
        more["value × area"] = in_column(products)
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
    totals = zip(in_column([each.value for each in readings]), *more.values(), strict=True)
    names = ["i,j", "y", "x", "[row, column]", "weight", "feature", "product", "value"]
    rows = [[*names, *more, ""]]
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
    """A mark beside the term that a maximum is taken from."""
    largest = bin_.sum is None and not bin_.void and reading.value == bin_.value
    return "← the largest" if largest else ""


_Where = Callable[[Explanation, Bin, int], Iterator[str]]
_What = Callable[[Bin, list[Reading]], Iterator[str]]
_KINDS: Final[dict[Kind, tuple[_Where, _What, str]]] = {
    "sample": (_sampled, _samples_read, "no samples"),
    "point": (_sampled, _samples_read, "no samples"),
    "piece": (_cut, partial(_samples_read, of_pieces=True), "a bin with zero size"),
    "cell": (_covered, _cells_read, "no cells"),
}
"""Kind of plan → functions for where a bin is read and for what is read there, and what is wrong
with an empty bin."""
