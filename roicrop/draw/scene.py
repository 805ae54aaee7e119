"""One box on the part of the map around it, under one plan or two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.draw import legend_align, legend_common, legend_pool, marks, pool_marks, sample_marks
from roicrop.draw.brush import Brush
from roicrop.draw.colour import Scale, scale_of
from roicrop.draw.heat import Cells, cells_in_sight, over_channels
from roicrop.draw.legend import ColourBar, Entry
from roicrop.draw.map_block import GUTTER, MapBlock
from roicrop.draw.result_block import ResultBlock
from roicrop.draw.sheet import Block, Column, Inset
from roicrop.draw.subject import Subject, true_axes
from roicrop.draw.table import Table
from roicrop.draw.view import Span, View, fit, in_sight, span_of
from roicrop.sampling import SeparablePlan

Array = NDArray[Any]

_BAR: Final = 440


@dataclass(frozen=True)
class Scene:
    """What is common to all plans that are shown of one box.

    k: the box's number in each plan.
    view, cells, scale: the part of the map that is shown, and its colours.
    of_what: which channels are shown, in words.
    """

    k: int
    subject: Subject
    view: View
    cells: Cells
    scale: Scale
    of_what: str


@dataclass(frozen=True)
class Part:
    """One plan in a scene, and the blocks that show it.

    values: (PH, PW) the pooled values.
    own_scale: their colours, where the map's do not do.
    """

    scene: Scene
    plan: SeparablePlan
    values: NDArray[np.float64]
    own_scale: Scale | None

    def frame(self, least_head: int = 0) -> MapBlock:
        """The heat map with its marks."""
        scene, plan, k = self.scene, self.plan, self.scene.k
        spans = (
            pool_marks.cells_of_bins if plan.convention.operator == "pool" else marks.extent_of_bins
        )
        return MapBlock(
            scene.view,
            scene.cells,
            scene.scale,
            self._mark,
            spans(plan.y, k),
            spans(plan.x, k),
            least_head,
        )

    def map(self, least_head: int = 0) -> Block:
        """The frame, and its colours below it."""
        of = "cells" if self.own_scale else "cells and pooled values"
        return with_bar(self.frame(least_head), self.scene.scale, f"Colours of {of}", self.scene)

    def result(self, room: tuple[int, int]) -> Block:
        """The pooled values, and their colours where the map has others; as wide as the room."""
        bins_y, bins_x = self.plan.output_size
        heading = f"Pooled: {bins_y}×{bins_x} bins, {self.scene.of_what}"
        scale = self.own_scale or self.scene.scale
        void = self.plan.void(self.scene.k)
        blocks: list[Block] = [ResultBlock(self.values, void, scale, *room, heading)]
        if self.own_scale:
            blocks.append(ColourBar(scale, "Colours: mean of the channels’ maxima", room[0]))
        return Inset(Column(blocks, 14), 0, room[0])

    def entries(self) -> list[Entry]:
        """The legend's."""
        scene, plan, k, frame = self.scene, self.plan, self.scene.k, self.frame()
        if plan.convention.operator == "pool":
            own = legend_pool.entries(
                plan,
                k,
                scene.subject,
                scene.view,
                bracketed=frame.bracketed,
                numbered=frame.numbered,
            )
        else:
            own = legend_align.entries(
                plan, k, scene.subject, scene.view, self.drawn(), frame.numbered
            )
        every = np.concatenate([scene.cells.values.ravel(), self.values.ravel()])
        return [*own, *legend_common.entries([plan], k, scene.view, every)]

    def table(self) -> list[Block]:
        """How RoIPool's rounding moved the edges; nothing for the others."""
        if self.plan.convention.operator != "pool":
            return []
        lines = legend_pool.rounding(self.plan, self.scene.k, self.scene.subject)
        return [Table(("edge", "in cells", "moved by rounding"), lines)]

    def drawn(self) -> sample_marks.Drawn:
        """Its samples."""
        return sample_marks.drawn_samples(self.scene.view, self.plan, self.scene.k)

    def _mark(self, brush: Brush) -> None:
        plan, k, view = self.plan, self.scene.k, self.scene.view
        if plan.convention.operator == "pool":
            pool_marks.shared_cells(brush, view, plan, k)
        marks.true_box(brush, view, *true_axes(self.scene.subject, plan, k))
        if plan.convention.operator == "pool":
            pool_marks.rounded_box(brush, view, plan, k)
            return
        marks.bins(brush, view, plan, k)
        drawn = self.drawn()
        if drawn.of_pieces:
            sample_marks.pieces(brush, view, plan, k)
        look = sample_marks.INTEGRAL if drawn.of_pieces else sample_marks.PLAIN
        sample_marks.samples(brush, view, drawn, look)


def with_bar(block: MapBlock, scale: Scale, title: str, scene: Scene) -> Block:
    """A map with the colour scale below it."""
    bar = ColourBar(scale, f"{title}, {scene.of_what}", _BAR)
    return Column([block, Inset(bar, GUTTER, GUTTER + _BAR)], 10)


def parts_of(
    features: Array,
    plans: Sequence[SeparablePlan],
    k: int,
    pooled: Sequence[Array],
    view: View,
    subject: Subject,
    channel: int | None,
) -> list[Part]:
    """Each plan in one scene; arguments as in `pictures.panel`.

    A mean of pooled values has the colours of the map of means, but for maxima: the mean of maxima
    lies far above the maximum of means.
    """
    cells = cells_in_sight(features, view, channel)
    values = [over_channels(p, channel) for p in pooled]
    held = [v[~p.void(k)] for v, p in zip(values, plans, strict=True)]
    mean = channel is None and len(features) > 1
    own = [mean and p.convention.mode == "max" for p in plans]
    shared = [h for h, o in zip(held, own, strict=True) if not o]
    scale = scale_of([cells.values, *shared], cells.bounds)
    if channel is not None:
        of_what = f"channel {channel}"
    else:
        of_what = f"mean over {len(features)} channels" if mean else "the one channel"
    scene = Scene(k, subject, view, cells, scale, of_what)
    return [
        Part(scene, p, v, scale_of([h], cells.bounds) if o else None)
        for p, v, h, o in zip(plans, values, held, own, strict=True)
    ]


def region(plans: Sequence[SeparablePlan], k: int, subject: Subject) -> tuple[Span, Span]:
    """The rows and columns that have to be seen: the box, the bins, and some of the map."""
    seen_y, seen_x = (
        [*true.index, *(float(v) for axis in axes for v in marks.edges(axis, k)[[0, -1]])]
        for true, axes in zip(
            true_axes(subject, plans[0], k),
            ([p.y for p in plans], [p.x for p in plans]),
            strict=True,
        )
    )
    height, width = plans[0].map_size
    return in_sight(span_of(seen_y), height), in_sight(span_of(seen_x), width)


def view_of(
    rows: Span, columns: Span, map_size: tuple[int, int], frame: tuple[int, int, int]
) -> View:
    """Those rows and columns in a frame of a given width, and of a height between two."""
    width, least, most = frame
    height = min(max(round(width * rows.size / columns.size), least), most)
    return fit(rows, columns, map_size, height, width)
