"""Two conventions on one map: both their grids, and how far their results are apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from roicrop.draw import legend_align, legend_common, legend_pool, marks, sample_marks
from roicrop.draw.brush import Brush
from roicrop.draw.colour import FIRST, SECOND, Scale, scale_of, scale_of_difference
from roicrop.draw.legend import ColourBar, Entry, Legend
from roicrop.draw.pictures import GAP, MAP_ABOVE, MAP_BESIDE, WIDE
from roicrop.draw.result_block import ResultBlock
from roicrop.draw.scene import Part, parts_of, region, view_of, with_bar
from roicrop.draw.sheet import Block, Column, Inset, Row, Sheet, sheet_of
from roicrop.draw.subject import Subject, true_axes
from roicrop.draw.title import settings, title
from roicrop.sampling import SeparablePlan
from roicrop.text import brief

Array = NDArray[Any]

_LEGEND: Final = 440
_RESULT_HEIGHT: Final = 330
_LOOKS: Final = (
    sample_marks.Look(FIRST, "dot", FIRST, "dot", FIRST),
    # Smaller, so that two at one place are both seen.
    sample_marks.Look(SECOND, "square", SECOND, "square", SECOND, size=0.62),
)


def overlay(
    features: Array,
    plans: tuple[SeparablePlan, SeparablePlan],
    k: int,
    pooled: tuple[Array, Array],
    *,
    names: tuple[str, str],
    subject: Subject,
    channel: int | None = None,
) -> Image:
    """Two conventions' bins and samples over one another, and where their results differ.

    names: what to call the two, for example "torchvision" and "onnx:sampling_ratio=2".

    The box has the number k in both plans, which are for one map and one output size; the rest is
    as in `roicrop.draw.panel`.
    """
    sheet = compose_overlay(
        features, plans, k, pooled, names=names, subject=subject, channel=channel
    )
    return sheet.finish()


def compose_overlay(
    features: Array,
    plans: tuple[SeparablePlan, SeparablePlan],
    k: int,
    pooled: tuple[Array, Array],
    *,
    names: tuple[str, str],
    subject: Subject,
    channel: int | None,
) -> Sheet:
    """`overlay`, laid out and not yet drawn."""
    rows, columns = region(plans, k, subject)
    wide = columns.size >= WIDE * rows.size
    view = view_of(rows, columns, plans[0].map_size, MAP_ABOVE if wide else MAP_BESIDE)
    parts = parts_of(features, plans, k, pooled, view, subject, channel)
    frame = replace(
        parts[0].frame(), marks=lambda b: _mark(b, parts), row_spans=(), column_spans=()
    )
    own = _own_scale(parts)
    of = "cells" if own else "cells and pooled values"
    map_ = with_bar(frame, parts[0].scene.scale, f"Colours of {of}", parts[0].scene)
    legend = Legend(_entries(parts, names, pooled, channel), map_.width if wide else _LEGEND)
    upper: Block = Column([map_, legend], 18) if wide else Row([map_, legend], GAP)
    body = Column([upper, _results(parts, names, own, upper.width)], 22)
    said = [f"{name}: {settings(plan, k)}" for name, plan in zip(names, plans, strict=True)]
    heading = f"{names[0]} and {names[1]} on box {subject.box}"
    return sheet_of([title(heading, plans[0], k, subject, said, body.width), body])


def _mark(brush: Brush, parts: list[Part]) -> None:
    scene = parts[0].scene
    marks.true_box(brush, scene.view, *true_axes(scene.subject, parts[0].plan, scene.k))
    for part, look in zip(parts, _LOOKS, strict=True):
        part.art.grid(brush, scene.view, part.plan, scene.k, look.colour)
    for part, look in zip(parts, _LOOKS, strict=True):
        if part.art.look is not None:
            sample_marks.samples(brush, scene.view, part.drawn(), look)


def _own_scale(parts: list[Part]) -> Scale | None:
    """One scale for both results, where one of them cannot have the map's."""
    if not any(p.own_scale for p in parts):
        return None
    scene = parts[0].scene
    return scale_of([p.values[~p.plan.void(scene.k)] for p in parts], scene.cells.bounds)


def _entries(
    parts: list[Part], names: tuple[str, str], pooled: tuple[Array, Array], channel: int | None
) -> list[Entry]:
    scene = parts[0].scene
    plans = [p.plan for p in parts]
    every = np.concatenate([scene.cells.values.ravel(), *(p.values.ravel() for p in parts)])
    return [
        legend_common.box_entry(plans[0], scene.k, scene.subject, scene.view),
        *(_entry(*args) for args in zip(parts, names, _LOOKS, strict=True)),
        *_together(parts, names),
        *_lost_and_moved(parts),
        *legend_common.entries(plans, scene.k, scene.view, every),
        *_largest_difference(names, pooled, channel),
    ]


def _entry(part: Part, name: str, look: sample_marks.Look) -> Entry:
    plan, k, subject = part.plan, part.scene.k, part.scene.subject
    if part.art.look is None:
        return Entry(
            lambda b: legend_pool.rounded_example(b, look.colour),
            f"{name}: the box rounded to whole cells, and its equal parts.",
        )
    drawn = part.drawn()
    bins = "one bin" if plan.output_size == (1, 1) else "bins"
    what = "pieces’ middles" if drawn.of_pieces else "samples"
    said = legend_common.sentences(
        f"{name}: {bins}, {legend_align.where(plan, k, subject)}",
        legend_align.gives(plan, k),
        f"The marks are its {what}." if len(drawn.y) * len(drawn.x) else "",
        legend_align.crowded(drawn, what),
    )
    return Entry(lambda b: _grid_example(b, look), said)


def _together(parts: list[Part], names: tuple[str, str]) -> list[Entry]:
    """Whether the bins of the one hide those of the other."""
    one, other = (
        np.concatenate([axis.lines(part.scene.k) for axis in (part.plan.y, part.plan.x)])
        for part in parts
    )
    if float(np.abs(one - other).max()) * parts[0].scene.view.cell > 1.0:
        return []
    text = f"The bins of {names[1]} lie over those of {names[0]}: they are the same."
    return [Entry(lambda b: legend_align.bins_example(b, SECOND), text)]


def _grid_example(brush: Brush, look: sample_marks.Look) -> None:
    legend_align.bins_example(brush, look.colour)
    sample_marks.sample_mark(brush, brush.height / 2, brush.width / 2, 3.5, look.colour, look.shape)


def _lost_and_moved(parts: list[Part]) -> list[Entry]:
    samples = [p.drawn() for p in parts if p.art.look is not None]
    entries = []
    if any(axis.clamped.any() for drawn in samples for axis in (drawn.y, drawn.x)):
        entries.append(
            Entry(
                lambda b: legend_align.moved_example(b, _LOOKS[0]),
                "Beyond the outermost cell centres: read where its line ends.",
                None,
            )
        )
    if any(not axis.inside.all() for drawn in samples for axis in (drawn.y, drawn.x)):
        entries.append(
            Entry(
                lambda b: legend_align.lost_example(b, _LOOKS[0].lost),
                "Too far beyond the outermost cell centres: does not read the map.",
                None,
            )
        )
    return entries


def _largest_difference(
    names: tuple[str, str], pooled: tuple[Array, Array], channel: int | None
) -> list[Entry]:
    first, second = (np.asarray(p, dtype=np.float64) for p in pooled)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(second - first)
    channels = range(len(apart)) if channel is None else [channel]
    if not np.isfinite(apart[channels]).any():
        return []
    apart[~np.isfinite(apart)] = -1.0
    c = max(channels, key=lambda n: float(apart[n].max()))
    p, q = np.unravel_index(int(apart[c].argmax()), apart[c].shape)
    one, other = float(first[c, p, q]), float(second[c, p, q])
    text = (
        f"They differ most in bin ({p}, {q}) of channel {c}, by {_number(other - one)}: "
        f"{names[0]} gives {_number(one)}, {names[1]} {_number(other)}."
    )
    return [Entry(_difference_example, text, (247, 247, 247))]


def _number(value: float) -> str:
    return brief(value, 5, powers=True)


def _difference_example(brush: Brush) -> None:
    brush.fill(0, 0, brush.width / 2, brush.height, (146, 197, 222))
    brush.fill(brush.width / 2, 0, brush.width, brush.height, (244, 165, 130))


def _results(parts: list[Part], names: tuple[str, str], own: Scale | None, width: int) -> Block:
    scene = parts[0].scene
    room = (width - 2 * GAP) // 3
    voids = [p.plan.void(scene.k) for p in parts]
    with np.errstate(invalid="ignore", over="ignore"):
        difference = parts[1].values - parts[0].values
    signed = scale_of_difference(difference)
    blocks: list[Block] = []
    for part, void, name in zip(parts, voids, names, strict=True):
        scale = own or scene.scale
        grid = ResultBlock(part.values, void, scale, room, _RESULT_HEIGHT, f"Pooled by {name}")
        colours = [ColourBar(scale, "Colours of pooled values", room)] if own else []
        blocks.append(Inset(Column([grid, *colours], 14), 0, room))
    grid = ResultBlock(
        difference, voids[0] & voids[1], signed, room, _RESULT_HEIGHT, "Difference: second − first"
    )
    bar = ColourBar(signed, "Colours of the difference", room)
    blocks.append(Inset(Column([grid, bar], 14), 0, room))
    return Row(blocks, GAP)
