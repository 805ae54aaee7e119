"""The legend of RoIAlign and of crop-and-resize: where the bins and their samples lie, and why."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from roicrop.draw import marks, sample_marks
from roicrop.draw.brush import Brush, Specks
from roicrop.draw.colour import FIRST, INK, LOST, MOVED, POINT, Colour
from roicrop.draw.legend import TEAL, Entry
from roicrop.draw.legend_common import SAME, box_entry, in_cells, in_pixels, sentences
from roicrop.draw.sample_marks import Drawn
from roicrop.draw.subject import Subject, true_axes
from roicrop.draw.view import View
from roicrop.sampling import SeparablePlan
from roicrop.text import tidy


def entries(
    plan: SeparablePlan, k: int, subject: Subject, view: View, drawn: Drawn, numbered: bool
) -> list[Entry]:
    """The box, its bins, and each kind of sample that there is.

    numbered: whether brackets beside the map number the bins.
    """
    rows, columns = plan.output_size
    one = rows == columns == 1
    by = ", numbered by the brackets" if numbered else ""
    bins = "The one bin" if one else f"The {rows}×{columns} bins{by}"
    return [
        box_entry(plan, k, subject, view),
        Entry(bins_example, f"{bins}: {where(plan, k, subject)}"),
        *_sample_entries(plan, k, view, drawn),
    ]


def where(plan: SeparablePlan, k: int, subject: Subject) -> str:
    """How large the bins are, and where they lie beside the box."""
    width, height = float(plan.x.bin_size[k]), float(plan.y.bin_size[k])
    if plan.kind == "point":
        said = f"each stands for one sample. {_spread(plan, width, height)}"
    else:
        each = "" if plan.output_size == (1, 1) else "each "
        said = f"{each}{in_cells(width)} wide and {in_cells(height)} high."
    if plan.kind != "piece" and min(plan.count(k)) < 1:
        said += " They have no samples."
    return sentences(said, _shift(plan, k, subject), _widened(plan, k))


def _spread(plan: SeparablePlan, width: float, height: float) -> str:
    """How samples lie that go from corner to corner."""
    ways = (
        (plan.x.bins, width, "across", "column"),
        (plan.y.bins, height, "down", "row"),
    )
    apart = [f"{in_cells(size)} {way}" for bins, size, way, _ in ways if bins > 1]
    return sentences(
        f"From corner to corner, the samples are {' and '.join(apart)} apart." if apart else "",
        *(
            f"The one {line} lies in the middle of the box."
            for bins, _, _, line in ways
            if bins == 1
        ),
    )


def _shift(plan: SeparablePlan, k: int, subject: Subject) -> str:
    """How far from where the box begins the bins do, and why."""
    row = plan.convention
    moves = []
    for axis, true, ways in zip(
        (plan.x, plan.y),
        reversed(true_axes(subject, plan, k)),
        (("left of", "right of"), ("above", "below")),
        strict=True,
    ):
        begin = float(axis.begin[k])
        cells = begin - true.index[0]
        in_the_middle = plan.kind == "point" and axis.bins == 1
        if abs(cells) > max(SAME, 1e-6 * abs(begin)) and not in_the_middle:
            far = f"{in_cells(abs(cells))} ({in_pixels(true.pixels(abs(cells)))})"
            moves.append((far, ways[cells > 0]))
    they, it = ("It lies" if plan.output_size == (1, 1) else "They lie", "the box")
    if plan.kind == "point":
        they, it = ("The first lies", "the box’s corner")
    if not moves:
        return f"{they} on {it}."
    if len(moves) == 2 and moves[0][0] == moves[1][0]:
        said = f"{they} {moves[0][0]} {moves[0][1]} and {moves[1][1]} {it}"
    else:
        said = f"{they} {' and '.join(f'{far} {way}' for far, way in moves)} {it}"
    if row.offset_before == row.offset_after == 0 and not row.normalized:
        said += ", as if a cell’s value lay at its upper left corner and not at its centre"
    return said + "."


def _widened(plan: SeparablePlan, k: int) -> str:
    """Whether the convention made the box larger than it is."""
    width, height = (float(axis.end[k] - axis.begin[k]) for axis in (plan.x, plan.y))
    to_width, to_height = float(plan.x.length[k]), float(plan.y.length[k])
    if (to_width <= width and to_height <= height) or plan.convention.min_size is None:
        return ""
    to = f"{tidy(to_width)} × {tidy(to_height)} cells"
    if width < 0 or height < 0:
        return f"The convention takes a reversed box for one of {to}."
    return f"The convention enlarges the box from {tidy(width)} × {tidy(height)} to {to}."


def _sample_entries(plan: SeparablePlan, k: int, view: View, drawn: Drawn) -> list[Entry]:
    y, x = drawn.y, drawn.x
    total = len(y) * len(x)
    if not total:
        return []
    what = "middles" if drawn.of_pieces else "samples"
    inside = int(y.inside.sum()) * int(x.inside.sum())
    still = int((y.inside & ~y.clamped).sum()) * int((x.inside & ~x.clamped).sum())
    if drawn.of_pieces:
        found = [Entry(_example(drawn, "square", still, inside), _about_pieces(plan, view, drawn))]
    else:
        found = [Entry(_example(drawn, "dot", still, inside), _about_samples(plan, k, drawn))]
    if moved := inside - still:
        text = (
            f"Beyond the outermost cell centres, but by a cell at most: {moved} of {total} {what}. "
            f"{_where_read(drawn)}"
        )
        found.append(Entry(moved_example if drawn.marks else _specks(drawn, MOVED), text, None))
    if lost := total - inside:
        text = _about_lost(plan, lost, total)
        found.append(Entry(lost_example if drawn.marks else _specks(drawn, LOST), text, None))
    return found


def _example(
    drawn: Drawn, shape: sample_marks.Shape, still: int, inside: int
) -> Callable[[Brush], None]:
    """A sample as most look: one that reads the map where it is, if there is one."""
    colour = POINT
    if not inside:
        colour, shape = LOST, "cross"
    elif not still:
        colour, shape = MOVED, "diamond"
    if not drawn.marks:
        return _specks(drawn, colour)

    def draw(brush: Brush) -> None:
        sides = [0]
        if shape == "square":
            sides = [-9, 9]
            brush.dashed_column(brush.width / 2, 2, brush.height - 2, 1.0, sample_marks.PIECE)
        for side in sides:
            x = brush.width / 2 + side
            sample_marks.sample_mark(brush, brush.height / 2, x, drawn.radius, colour, shape)

    return draw


def _where_read(drawn: Drawn) -> str:
    if drawn.specks:
        return "Each is read at the nearest point between outermost centres."
    return "Each is read where its line ends."


def _about_samples(plan: SeparablePlan, k: int, drawn: Drawn) -> str:
    if plan.convention.interpolation == "nearest":
        said = "A sample. It reads the nearest cell."
    else:
        said = "A sample. It reads the map between the centres of the four cells around it."
    return sentences(said, gives(plan, k), crowded(drawn, "samples"))


def gives(plan: SeparablePlan, k: int) -> str:
    """What a bin makes of its samples."""
    count_y, count_x = plan.count(k)
    if plan.kind == "piece":
        return "A bin is the mean over its area."
    if count_y < 1 or count_x < 1 or count_y == count_x == 1:
        return ""
    samples = f"its {count_y}×{count_x} samples{' (rows × columns)' * (count_y != count_x)}"
    if plan.convention.reduction == "corner-max":
        return f"A bin is the largest of cell × weight, over the four cells of each of {samples}."
    return f"A bin is the {'average' if plan.convention.mode == 'avg' else 'largest'} of {samples}."


def _about_pieces(plan: SeparablePlan, view: View, drawn: Drawn) -> str:
    dashed = " (dashed)" if sample_marks.has_pieces(view) else ""
    square = " (square)" if drawn.marks else ""
    return sentences(
        f"Each bin is integrated exactly. Lines through the cells’ centres{dashed} cut it into "
        f"pieces. A piece’s mean is the map at its middle{square}, and counts by its area.",
        _about_border(plan, drawn),
        crowded(drawn, "middles"),
    )


def _about_border(plan: SeparablePlan, drawn: Drawn) -> str:
    """What an integral finds beyond the outermost centres, if it goes there."""
    axes = zip((drawn.y, drawn.x), plan.map_size, strict=True)
    if not any(bool(((axis.position < 0) | (axis.position > n - 1)).any()) for axis, n in axes):
        return ""
    if plan.convention.border == "zero":
        return "Beyond the outermost centres the map fades to 0 within a cell."
    return "More than a cell beyond the outermost centres the map counts as 0."


def crowded(drawn: Drawn, what: str) -> str:
    """What becomes of marks for which there is no room, and of those out of sight."""
    small = ""
    if drawn.veil:
        small = f"The {what} are too close together to tell apart: a pale veil covers them all."
    elif drawn.specks and drawn.marks:
        small = f"Where there is no room for marks, {what} are specks."
    elif drawn.specks:
        small = f"There is no room for marks: each of the {what} is a speck."
    return sentences(
        small,
        f"Where {what} coincide, one stands for them." if drawn.coincide and not drawn.veil else "",
        f"{drawn.hidden:,} of them lie outside the picture." if drawn.hidden else "",
    )


def _about_lost(plan: SeparablePlan, lost: int, total: int) -> str:
    row = plan.convention
    if row.border == "extrapolate":
        reach, so = "Beyond", f"A bin with such a sample gives {tidy(row.void_value)}."
    elif row.mode == "avg":
        reach, so = "More than a cell beyond", "They count as 0 in the average."
    else:
        reach, so = "More than a cell beyond", "They count as 0."
    return f"{reach} the outermost cell centres: {lost} of {total} samples. {so}"


def bins_example(brush: Brush, colour: Colour = FIRST) -> None:
    """Two by three bins."""
    height, width = brush.height, brush.width
    marks.grid(brush, [5, height / 2, height - 5], [5, width / 3, 2 * width / 3, width - 5], colour)


def _specks(drawn: Drawn, colour: Colour) -> Callable[[Brush], None]:
    """Samples too close together for marks."""
    every, size, strength = (1.0, 1.0, sample_marks.SHARE) if drawn.veil else (4.0, 1.5, 1.0)

    def draw(brush: Brush) -> None:
        down, across = (
            Specks(at, np.full_like(at, size), np.full_like(at, strength))
            for at in (
                np.arange(4.0, length - 3.0, every) for length in (brush.height, brush.width)
            )
        )
        brush.specks([(colour, down, across)])

    return draw


def moved_example(brush: Brush, look: sample_marks.Look = sample_marks.PLAIN) -> None:
    """A sample beyond the edge of a map."""
    y, x = brush.height / 2, brush.width / 2
    brush.fill(x + 1, 0, brush.width, brush.height, TEAL)
    brush.column(x + 1, 0, brush.height, 1.25, INK)
    sample_marks.tie(brush, y, x - 8, y, x + 10, 4.0)
    sample_marks.sample_mark(brush, y, x - 8, 4.0, look.moved, look.moved_shape)


def lost_example(brush: Brush, colour: Colour = LOST) -> None:
    """A sample that reads nothing."""
    sample_marks.sample_mark(brush, brush.height / 2, brush.width / 2, 4.5, colour, "cross")
