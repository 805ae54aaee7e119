"""The three pictures: one operator, two operators side by side, two conventions in one map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from roicrop.draw import font, marks, words
from roicrop.draw.brush import Brush
from roicrop.draw.colour import Scale, scale_of
from roicrop.draw.heat import Cells, cells_in_sight, over_channels
from roicrop.draw.legend import ColourBar, Entry, Legend
from roicrop.draw.map_block import BRACKETS, GUTTER, MapBlock
from roicrop.draw.result_block import ResultBlock
from roicrop.draw.sheet import Block, Column, Paragraph, Row, Sheet
from roicrop.draw.subject import Subject, true_axes
from roicrop.draw.table import Table
from roicrop.draw.title import operator_name, settings, title
from roicrop.draw.view import Span, View, fit, in_sight, span_of
from roicrop.sampling import AxisPlan, Plan

Array = NDArray[Any]

MARGIN: Final = 26
_GAP: Final = 26
_WIDE: Final = 2.0  # a box this much wider than high has its map above its result
_MAP_BESIDE: Final = 680, 460, 760  # width, least and most height
_MAP_ABOVE: Final = 1180, 260, 520
_MAP_OF_TWO: Final = 640, 260, 640
_RESULT: Final = 440, 420  # width, height


def panel(
    features: Array,
    plan: Plan,
    k: int,
    pooled: Array,
    *,
    subject: Subject,
    channel: int | None = None,
) -> Image:
    """One box under one plan, RoIAlign or RoIPool, as the plan's convention says.

    features: (C, H, W), the map that the plan was made for, any real dtype, any strides.
    k: the box's number in the plan.
    pooled: (C, PH, PW), what the operator gave for that box.
    channel: the channel that is shown; None shows the mean over all of them.
    """
    return compose_panel(features, plan, k, pooled, subject=subject, channel=channel).finish(MARGIN)


def both(
    features: Array,
    plans: tuple[Plan, Plan],
    k: int,
    pooled: tuple[Array, Array],
    *,
    subject: Subject,
    channel: int | None = None,
) -> Image:
    """Two operators on one box, side by side: RoIAlign's plan and pooled values, then RoIPool's."""
    return compose_both(features, plans, k, pooled, subject=subject, channel=channel).finish(MARGIN)


def compose_panel(
    features: Array, plan: Plan, k: int, pooled: Array, *, subject: Subject, channel: int | None
) -> Sheet:
    """`panel`, laid out and not yet drawn."""
    rows, columns = _region([plan], k, subject)
    wide = columns.size >= _WIDE * rows.size
    view = _view(rows, columns, plan, _MAP_ABOVE if wide else _MAP_BESIDE)
    cells = cells_in_sight(features, view, channel)
    values = over_channels(pooled, channel)
    scale = scale_of(cells.values, [values[~plan.void(k)]])
    part = _Part(plan, k, subject, view, cells, values, scale, _of(features, channel))
    if wide:
        left = Column([part.result(), part.bar(_RESULT[0])], 16)
        side = Legend(part.entries(), part.map().width - left.width - _GAP)
        body: Block = Column([part.map(), Row([left, Column([side, *part.table()], 18)], _GAP)], 18)
    else:
        legend = Legend(part.entries(), _RESULT[0])
        side_column = Column([part.result(), part.bar(_RESULT[0]), legend, *part.table()], 18)
        body = Row([part.map(), side_column], _GAP)
    heading = f"{operator_name(plan.convention)} of box {subject.box}"
    head = title(heading, plan, k, subject, [settings(plan, k)], body.width)
    return _sheet([head, body])


def compose_both(
    features: Array,
    plans: tuple[Plan, Plan],
    k: int,
    pooled: tuple[Array, Array],
    *,
    subject: Subject,
    channel: int | None,
) -> Sheet:
    """`both`, laid out and not yet drawn."""
    rows, columns = _region(list(plans), k, subject)
    view = _view(rows, columns, plans[0], _MAP_OF_TWO)
    cells = cells_in_sight(features, view, channel)
    values = [over_channels(p, channel) for p in pooled]
    scale = scale_of(cells.values, [v[~p.void(k)] for v, p in zip(values, plans, strict=True)])
    side = GUTTER + view.width + BRACKETS
    parts = [
        _Part(p, k, subject, view, cells, v, scale, _of(features, channel))
        for p, v in zip(plans, values, strict=True)
    ]
    halves = [
        Column(
            [
                Paragraph(operator_name(part.plan.convention), side, 17),
                Paragraph(settings(part.plan, k), side, font.SMALL),
                part.map(),
                part.result(),
                Legend(part.entries(), side - 20),
                *part.table(),
            ],
            14,
        )
        for part in parts
    ]
    width = 2 * side + _GAP
    names = " and ".join(operator_name(p.convention) for p in plans)
    head = title(f"{names} of box {subject.box}", plans[0], k, subject, [], width)
    return _sheet([head, Row([_Fixed(half, side) for half in halves], _GAP), parts[0].bar(_RESULT[0])])


@dataclass(frozen=True, slots=True)
class _Fixed:
    """A block that takes a given width whatever its own."""

    block: Block
    width: int

    @property
    def height(self) -> int:
        return self.block.height

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        self.block.place(sheet, x, y)


@dataclass(frozen=True)
class _Part:
    """One plan in one view, and the blocks that show it."""

    plan: Plan
    k: int
    subject: Subject
    view: View
    cells: Cells
    values: NDArray[np.float64]
    scale: Scale
    of_what: str

    def map(self) -> MapBlock:
        """Heat map and marks."""
        plan, k = self.plan, self.k
        spans = marks.cells_of_bins if plan.convention.operator == "pool" else marks.extent_of_bins
        return MapBlock(
            self.view, self.cells, self.scale, self._mark, spans(plan.y, k), spans(plan.x, k)
        )

    def result(self) -> ResultBlock:
        """The pooled values."""
        bins_y, bins_x = self.plan.output_size
        heading = f"Pooled: {bins_y}×{bins_x} bins, {self.of_what}"
        return ResultBlock(self.values, self.plan.void(self.k), self.scale, *_RESULT, heading)

    def bar(self, width: int) -> ColourBar:
        """The colours, for cells and pooled values alike."""
        return ColourBar(self.scale, f"Value of a cell or bin, {self.of_what}", width)

    def entries(self) -> list[Entry]:
        """The legend's."""
        plan, k = self.plan, self.k
        if plan.convention.operator == "pool":
            own = words.pool_entries(plan, k, self.subject, self.view)
        else:
            own = words.align_entries(plan, k, self.subject, self.view, self._drawn())
        every = np.concatenate([self.cells.values.ravel(), self.values.ravel()])
        void, gives = plan.void(k), plan.convention.void_value
        return [*own, *words.common_entries(self.view, plan, void, gives, every)]

    def table(self) -> list[Block]:
        """How RoIPool's rounding moved the edges; nothing for the others."""
        if self.plan.convention.operator != "pool":
            return []
        lines = words.rounding(self.plan, self.k, self.subject)
        return [Table(("edge", "in cells", "moved"), lines)]

    def _drawn(self) -> marks.Drawn:
        return marks.drawn_samples(self.view, self.plan, self.k)

    def _mark(self, brush: Brush) -> None:
        plan, k, view = self.plan, self.k, self.view
        if plan.convention.operator == "pool":
            marks.shared_cells(brush, view, plan, k)
            marks.true_box(brush, view, *true_axes(self.subject, plan, k))
            marks.rounded_box(brush, view, plan, k)
            return
        marks.true_box(brush, view, *true_axes(self.subject, plan, k))
        marks.bins(brush, view, plan, k)
        exact = plan.convention.sampling_ratio == "exact"
        if exact:
            marks.pieces(brush, view, plan, k)
        marks.samples(brush, view, self._drawn(), shape="square" if exact else "dot")


def _region(plans: list[Plan], k: int, subject: Subject) -> tuple[Span, Span]:
    """What has to be seen: the box, the bins, and some of the map."""
    spans = []
    height, width = plans[0].map_size
    for n, size in ((0, height), (1, width)):
        found = [v for p in plans for v in _extent((p.y, p.x)[n], k)]
        true = true_axes(subject, plans[0], k)[n]
        spans.append(in_sight(span_of([*found, *true.index]), size))
    return spans[0], spans[1]


def _extent(axis: AxisPlan, k: int) -> list[float]:
    exact = marks.edges(axis, k)
    return [float(exact[0]), float(exact[-1])]


def _view(rows: Span, columns: Span, plan: Plan, frame: tuple[int, int, int]) -> View:
    width, least, most = frame
    height = min(max(round(width * rows.size / columns.size), least), most)
    return fit(rows, columns, plan.map_size, height, width)


def _of(features: Array, channel: int | None) -> str:
    if channel is not None:
        return f"channel {channel}"
    return f"mean over {len(features)} channels" if len(features) > 1 else "the one channel"


def _sheet(blocks: list[Block]) -> Sheet:
    sheet = Sheet()
    Column(blocks, 18).place(sheet, MARGIN, MARGIN - 6)
    return sheet


def overlay(
    features: Array,
    plans: tuple[Plan, Plan],
    k: int,
    pooled: tuple[Array, Array],
    *,
    names: tuple[str, str],
    subject: Subject,
    channel: int | None = None,
) -> Image:
    """Two conventions' bins and samples over one another, and where their results differ.

    names: what to call the two, for example "torchvision" and "onnx:sampling_ratio=2".
    """
    raise NotImplementedError
