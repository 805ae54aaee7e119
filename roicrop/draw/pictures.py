"""The pictures of one box under its own plan: one operator, or two side by side."""

from __future__ import annotations

from typing import Any, Final

from numpy.typing import NDArray
from PIL.Image import Image

from roicrop.conventions import in_words
from roicrop.draw import font
from roicrop.draw.brackets import MOST_DEPTH
from roicrop.draw.colour import MUTED
from roicrop.draw.legend import Legend
from roicrop.draw.map_block import GUTTER
from roicrop.draw.scene import parts_of, region, view_of
from roicrop.draw.sheet import Block, Column, Inset, Paragraph, Row, Sheet, sheet_of
from roicrop.draw.subject import Subject
from roicrop.draw.title import settings, title
from roicrop.sampling import SeparablePlan

Array = NDArray[Any]

WIDE: Final = 2.0  # a box this much wider than high has its map above its result
MAP_BESIDE: Final = 680, 460, 760  # width, least and most height
MAP_ABOVE: Final = 1180, 260, 520
GAP: Final = 26
_MAP_OF_TWO: Final = 640, 260, 640
_RESULT: Final = 440, 420  # width, height
_RESULT_OF_TWO: Final = 370, 350
_RESULT_OF_MANY: Final = 600, 420
_MANY: Final = 9  # bins in a row, beyond which numbers need more room
_HEADING: Final = 17


def panel(
    features: Array,
    plan: SeparablePlan,
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

    Returns an RGB image at most 1600 pixels wide.
    """
    sheet = compose_panel(features, plan, k, pooled, subject=subject, channel=channel)
    return sheet.finish()


def both(
    features: Array,
    plans: tuple[SeparablePlan, SeparablePlan],
    k: int,
    pooled: tuple[Array, Array],
    *,
    subject: Subject,
    channel: int | None = None,
) -> Image:
    """Two operators on one box, side by side: RoIAlign's plan and pooled values, then RoIPool's.

    The box has the number k in both plans; the rest is as in `panel`.
    """
    sheet = compose_both(features, plans, k, pooled, subject=subject, channel=channel)
    return sheet.finish()


def compose_panel(
    features: Array,
    plan: SeparablePlan,
    k: int,
    pooled: Array,
    *,
    subject: Subject,
    channel: int | None,
) -> Sheet:
    """`panel`, laid out and not yet drawn."""
    rows, columns = region([plan], k, subject)
    wide = columns.size >= WIDE * rows.size
    view = view_of(rows, columns, plan.map_size, MAP_ABOVE if wide else MAP_BESIDE)
    (part,) = parts_of(features, [plan], k, [pooled], view, subject, channel)
    map_, table = part.map(), part.table()
    room = _RESULT_OF_MANY if plan.output_size[1] > _MANY else _RESULT
    if wide:
        legend = Legend(part.entries(), map_.width - room[0] - GAP)
        body: Block = Column(
            [map_, Row([part.result(room), Column([legend, *table], 18)], GAP)], 18
        )
    else:
        legend = Legend(part.entries(), room[0])
        body = Row([map_, Column([part.result(room), legend, *table], 18)], GAP)
    heading = f"{in_words.operator_name(plan.convention)} of box {subject.box}"
    head = title(heading, plan, k, subject, [settings(plan, k)], body.width)
    return sheet_of([head, body])


def compose_both(
    features: Array,
    plans: tuple[SeparablePlan, SeparablePlan],
    k: int,
    pooled: tuple[Array, Array],
    *,
    subject: Subject,
    channel: int | None,
) -> Sheet:
    """`both`, laid out and not yet drawn."""
    view = view_of(*region(plans, k, subject), plans[0].map_size, _MAP_OF_TWO)
    parts = parts_of(features, plans, k, pooled, view, subject, channel)
    side = GUTTER + view.width + MOST_DEPTH
    many = max(p.output_size[1] for p in plans) > _MANY
    room = _RESULT_OF_MANY if many else _RESULT_OF_TWO
    beside = side if many else side - room[0] - GAP
    said = [Paragraph(settings(p, k), side, font.SMALL, MUTED) for p in plans]
    halves = []
    for part, parameters in zip(parts, said, strict=True):
        result, legend, table = part.result(room), Legend(part.entries(), beside), part.table()
        fits = all(block.width <= beside for block in table)
        words = Column([legend, *table], 14) if fits else legend
        blocks: list[Block] = [
            Paragraph(in_words.operator_name(part.plan.convention), side, _HEADING),
            Inset(parameters, 0, side, max(s.height for s in said)),
            part.map(max(p.frame().head for p in parts)),
            Column([result, words], 14) if many else Row([result, words], GAP),
            *([] if fits else table),
        ]
        halves.append(Inset(Column(blocks, 12), 0, side))
    names = " and ".join(in_words.operator_name(p.convention) for p in plans)
    head = title(f"{names} of box {subject.box}", plans[0], k, subject, [], 2 * side + GAP)
    return sheet_of([head, Row(halves, GAP)])
