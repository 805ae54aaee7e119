"""One box on the part of the map around it, under one plan or two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Kind
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
from roicrop.sampling import AxisPlan, SeparablePlan

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
        return MapBlock(
            scene.view,
            scene.cells,
            scene.scale,
            self._mark,
            self.art.spans(plan.y, k),
            self.art.spans(plan.x, k),
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
        scene = self.scene
        every = np.concatenate([scene.cells.values.ravel(), self.values.ravel()])
        common = legend_common.entries([self.plan], scene.k, scene.view, every)
        return [*self.art.legend(self), *common]

    def table(self) -> list[Block]:
        """How RoIPool's rounding moved the edges; nothing for the others."""
        return self.art.table(self)

    @property
    def art(self) -> Art:
        """How its kind is drawn."""
        return _ART[self.plan.kind]

    def drawn(self) -> sample_marks.Drawn:
        """Its samples."""
        return sample_marks.drawn_samples(self.scene.view, self.plan, self.scene.k)

    def _mark(self, brush: Brush) -> None:
        art, plan, k, view = self.art, self.plan, self.scene.k, self.scene.view
        art.under(brush, view, plan, k)
        marks.true_box(brush, view, *true_axes(self.scene.subject, plan, k))
        art.grid(brush, view, plan, k)
        art.over(brush, view, plan, k)
        if art.look is not None:
            sample_marks.samples(brush, view, self.drawn(), art.look)


def _nothing(brush: Brush, view: View, plan: SeparablePlan, k: int) -> None:
    """Draw nothing."""


def _legend_of_samples(part: Part) -> list[Entry]:
    scene = part.scene
    numbered = part.frame().numbered
    return legend_align.entries(
        part.plan, scene.k, scene.subject, scene.view, part.drawn(), numbered
    )


def _legend_of_cells(part: Part) -> list[Entry]:
    scene, frame = part.scene, part.frame()
    return legend_pool.entries(
        part.plan,
        scene.k,
        scene.subject,
        scene.view,
        bracketed=frame.bracketed,
        numbered=frame.numbered,
    )


def _table_of_edges(part: Part) -> list[Block]:
    lines = legend_pool.rounding(part.plan, part.scene.k, part.scene.subject)
    return [Table(("edge", "in cells", "moved by rounding"), lines)]


_Draw = Callable[[Brush, View, SeparablePlan, int], None]


@dataclass(frozen=True, kw_only=True)
class Art:
    """How a kind of plan is drawn.

    spans: what of the map each bin takes, along an axis.
    grid: the bins, in a colour of their own if one is given. under, over: what is drawn before and
        after the box and these.
    look: of the samples, if it has any.
    legend, table: what is said about it.
    """

    spans: Callable[[AxisPlan, int], list[Span | None]] = marks.extent_of_bins
    grid: Callable[..., None] = marks.bins
    under: _Draw = _nothing
    over: _Draw = _nothing
    look: sample_marks.Look | None = sample_marks.PLAIN
    legend: Callable[[Part], list[Entry]] = _legend_of_samples
    table: Callable[[Part], list[Block]] = lambda _: []


_ART: Final[dict[Kind, Art]] = {
    "sample": Art(),
    "point": Art(),
    "piece": Art(over=sample_marks.pieces, look=sample_marks.INTEGRAL),
    "cell": Art(
        spans=pool_marks.cells_of_bins,
        grid=pool_marks.rounded_box,
        under=pool_marks.shared_cells,
        look=None,
        legend=_legend_of_cells,
        table=_table_of_edges,
    ),
}


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
        [*true.index, *(float(v) for axis in axes for v in axis.lines(k)[[0, -1]])]
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
