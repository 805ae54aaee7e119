"""Where one bin is read: its samples, its pieces, or its cells, along y and along x."""

from __future__ import annotations

from collections.abc import Iterator

from roicrop.explanation.account import Explanation
from roicrop.explanation.preamble import operand
from roicrop.explanation.terms import Bin
from roicrop.sampling import Axis, Samples, Turn
from roicrop.text import INDENT, brief, exact, in_column, table, under_one_another


def sampled(explanation: Explanation, bin_: Bin, most: int) -> Iterator[str]:
    """Along each axis: the formula for a sample's place, and at most so many samples."""
    if turn := explanation.plan.turn(explanation.k):
        yield from _turned(explanation, bin_, turn)
        return
    for name, index, axis, p, samples, cells in _sides(explanation, bin_):
        if not len(samples):
            continue
        yield f"{INDENT}{name} = {_position(axis, explanation.k, p, index, name)}"
        yield from table(
            [
                [index, name, "", cells, "weights"],
                *zip(
                    map(str, samples.index[:most]),
                    under_one_another([exact(v) for v in samples.position[:most]]),
                    [_moved(axis, samples, s) for s in range(len(samples))[:most]],
                    *_neighbours(samples, most),
                    strict=True,
                ),
            ],
            "rrlll",
            INDENT * 2,
        )


def _turned(explanation: Explanation, bin_: Bin, turn: Turn) -> Iterator[str]:
    """The formulas for a sample's place in the box, down and across from its centre, and in all."""
    axes = zip("vu", "ij", explanation.plan.axes, (bin_.row, bin_.column), strict=True)
    for name, index, axis, p in axes:
        yield f"{INDENT}{name} = {_position(axis, explanation.k, p, index, name)}"
    cos, sin = operand(turn.cos), operand(turn.sin)
    yield f"{INDENT}y = v × {cos} − u × {sin} + {operand(turn.y)}"
    yield f"{INDENT}x = v × {sin} + u × {cos} + {operand(turn.x)}"


def cut(explanation: Explanation, bin_: Bin, most: int) -> Iterator[str]:
    """Along each axis: the bin's edges, and at most so many of the pieces between them."""
    for name, index, axis, p, pieces, cells in _sides(explanation, bin_):
        low, high = axis.edges(explanation.k)[p : p + 2]
        yield f"{INDENT}{name} from {brief(low)} to {brief(high)}, cut at the cells' centres"
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
            INDENT * 2,
        )


def covered(explanation: Explanation, bin_: Bin, _: int) -> Iterator[str]:
    """RoIPool's bin: how its edges are rounded, and which cells they leave."""
    plan, k = explanation.plan, explanation.k
    of_y, of_x = plan.axes
    y, x = _edges(of_y, k, bin_.row), _edges(of_x, k, bin_.column)
    names = ("first cell", "cell after", "on the map")
    yield from table([["", "y", "x"], *map(list, zip(names, y, x, strict=True))], "lll", INDENT)


_Side = tuple[str, str, Axis, int, Samples, str]


def _sides(explanation: Explanation, bin_: Bin) -> tuple[_Side, _Side]:
    """Of y and x: names for it, for its samples' number and for cells, and the bin along it."""
    plan = explanation.plan
    (of_y, of_x), (y, x) = plan.axes, plan.samples(explanation.k)
    return (
        ("y", "i", of_y, bin_.row, y.of_bin(bin_.row), "rows"),
        ("x", "j", of_x, bin_.column, x.of_bin(bin_.column), "columns"),
    )


def _position(axis: Axis, k: int, p: int, index: str, name: str) -> str:
    """The convention's formula for a sample's place, with the box's numbers put in."""
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
