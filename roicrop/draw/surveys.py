"""Figures of all boxes of an image: where they lie, what they pool, and which cells they read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import in_words
from roicrop.draw import sheet
from roicrop.draw.canvas import SMALL, Brush, Corners, shorten
from roicrop.draw.colour import BOX, INK, Colour, Scale, scale_of
from roicrop.draw.drawing import Crop, Outline, draw_box
from roicrop.draw.map import Label, Marks, grid, heat_map, map_block, marked, meet, photograph
from roicrop.draw.view import GUTTER, Shown, Span, View, fit, in_sight, spans_of
from roicrop.job import Photo, Subject
from roicrop.text import brief, many, tidy

SurveyName = Literal["overview", "sheet", "coverage"]

_MOST_NAMED: Final = 40  # boxes of an overview that have a number; if there are more, …
_NAMED_OF_MANY: Final = 20  # … only this many do, and the others are faint
_THIN: Final = 0.75
_MOST_TILES: Final = 48
_TILES: Final = 4  # in a row
_BAR: Final = 440
_LEVELS: Final[tuple[Colour, ...]] = (
    BOX, (255, 150, 60), (104, 205, 255), (255, 120, 200), (190, 235, 90),
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """A box of a survey: its name, and its pooled values.

    row: in the job. score, level: None if it has none.
    """

    row: int
    subject: Subject
    crop: Crop
    score: float | None
    level: str | None

    @property
    def label(self) -> str:
        """Its number, and its score."""
        number = self.subject.box.split(" ")[0]
        return number if self.score is None else f"{number}: {tidy(self.score)}"


@dataclass(frozen=True)
class Survey:
    """All that a figure of many boxes needs.

    shown: the map, the finest of several. cells_per_pixel: its own, along y and along x.
    items: filled map by map, and drawn in the order of their rows.
    amount: (H, W) how much each cell contributes to all, for coverage.
    """

    name: SurveyName
    shown: Shown
    items: list[Item]
    amount: NDArray[np.float64]
    cells_per_pixel: tuple[float, float]
    photo: Photo | None

    def compose(self) -> sheet.Sheet:
        """The figure, laid out but not yet drawn."""
        self.items.sort(key=lambda item: item.row)
        title, blocks = _COMPOSE[self.name](self)
        subject, convention = self.items[0].subject, self.items[0].crop.plan.convention
        said = [subject.file, f"image {subject.image}", self.shown.words]
        return sheet.page(title, blocks, [" · ".join([*said, f"convention {convention.name}"])])

    def outline(self, item: Item) -> Outline:
        """A box in index coordinates of the map that is shown."""
        subject = replace(item.subject, cells_per_pixel=self.cells_per_pixel)
        return subject.true_box(item.crop.plan, item.crop.k).outline

    def view(self, spans: tuple[Span, Span] | None = None) -> View:
        """Part of the map, or all of it, as large as fits beside a photograph."""
        height, width = self.shown.map_size
        spans = spans or (Span(-0.5, height - 0.5), Span(-0.5, width - 0.5))
        room = (sheet.INNER - sheet.GAP) // 2 if self.photo else 900
        return fit(*spans, self.shown.map_size, room - GUTTER, (120, 800))

    def picture(self, view: View, marks: Marks, labels: Sequence[Label] = ()) -> sheet.Block:
        """A view with marks, on the photograph, or on the map if there is no photograph."""
        ground = partial(heat_map, self.shown, view, self.shown.scale(view))
        if self.photo:
            size, per_pixel = self.shown.map_size, self.cells_per_pixel
            ground = partial(photograph, self.photo.image, view, size, per_pixel)
        return marked(view, ground, marks, labels)

    def colour(self, item: Item) -> Colour:
        """The colour of a box's level, finest first."""
        return _LEVELS[self._scales.index(item.crop.plan.spatial_scale) % len(_LEVELS)]

    @cached_property
    def _scales(self) -> list[float]:
        return sorted({item.crop.plan.spatial_scale for item in self.items}, reverse=True)


def _overview(survey: Survey) -> tuple[str, list[sheet.Block]]:
    view, items = survey.view(), survey.items
    scale = survey.shown.scale(view)
    boxes = [view.corners(survey.outline(item)) for item in items]
    colours = {item.level: survey.colour(item) for item in items}
    area = [np.prod(np.ptp(box, axis=0)) for box in boxes]
    largest = np.argsort(np.negative(area), kind="stable").tolist()
    scored = items[0].score is not None
    first = sorted(largest, key=lambda n: -(items[n].score or 0.0)) if scored else largest
    few = len(items) <= _MOST_NAMED
    labels = _labels(items, view, boxes, first if few else first[:_NAMED_OF_MANY])
    named = set(range(len(items)) if few else labels)

    def marks(brush: Brush) -> None:
        for n in sorted(largest, key=named.__contains__):  # the small ones and the named ones last
            if n in named:
                brush.outline(boxes[n], 3.6, (*INK, 170))
                brush.outline(boxes[n], 2.2, colours[items[n].level])
            else:
                brush.outline(boxes[n], _THIN, _faint(colours[items[n].level], len(items)))

    texts = list(labels.values())
    map_, _ = map_block(survey.shown, view, scale, marks, texts, numbered=False)
    height, width = survey.shown.map_size
    steps = [(sheet.head("On the map", f"{height}×{width} cells", map_.width), map_)]
    if survey.photo:
        size = "{}×{} pixels".format(*survey.photo.image.size)
        picture = survey.picture(view, marks, texts)
        steps.insert(0, (sheet.head("On the image", size, view.width), picture))
    entries = []
    for level, colour in colours.items() if items[0].level else ():
        count = many(sum(item.level == level for item in items), "box", "boxes")
        entries.append(sheet.Entry(sheet.framed(2.2, colour), f"{count} on level {level}"))
    if not few:
        which = "with the highest scores" if scored else "that are largest"
        what = f"{len(named)} of those {which}, numbered"
        entries.append(sheet.Entry(sheet.framed(2.2, BOX), what))
        rest = f"the other {len(items) - len(named):,} boxes"
        entries.append(sheet.Entry(sheet.framed(_THIN, _faint(BOX, len(items))), rest))
    bar = sheet.colour_bar(scale, f"Colours: {survey.shown.words}", _BAR)
    title = f"{many(len(items), 'box', 'boxes')} of image {items[0].subject.image}"
    title += ", each with its number" + " and score" * scored if few else ""
    return title, [sheet.side_by_side(*steps), sheet.row(bar, sheet.legend(entries, 700))]


def _faint(colour: Colour, count: int) -> Colour:
    """The colour, made fainter for the thin outlines of `count` boxes."""
    return (*colour[:3], max(90, min(200, 24_000 // count)))


def _labels(
    items: Sequence[Item], view: View, boxes: Sequence[Corners], first: Sequence[int]
) -> dict[int, Label]:
    """A label in or beside each box, as far as there is room; those in `first` come first.

    boxes: their corners in pixels. first: numbers of items.
    """
    found: dict[int, Label] = {}
    for n in first:
        (left, top), (right, bottom) = np.min(boxes[n], axis=0), np.max(boxes[n], axis=0)
        *_, wide, high = Label(items[n].label, 0.0, 0.0).box
        corners = [(left + wide, at) for at in (top - high - 2, top + high + 2, bottom + high + 2)]
        sides = [(at, (top + bottom) / 2) for at in (right + wide + 2, left - wide - 2)]
        others = [other.box for other in found.values()]
        for at_x, at_y in [*corners, *sides]:
            label = Label(items[n].label, float(at_x), float(at_y))
            if label.within(view) == label and not meet(label.box, others):
                found[n] = label
                break
    return found


def _sheet(survey: Survey) -> tuple[str, list[sheet.Block]]:
    items, count = survey.items[:_MOST_TILES], len(survey.items)
    side = ((sheet.INNER - (_TILES - 1) * sheet.GAP) // _TILES - 8) // 2
    values = [item.crop.values[~item.crop.void] for item in items]
    scale = scale_of([v[np.isfinite(v)] for v in values], (-np.inf, np.inf))
    tiles = [_tile(survey, item, scale, side) for item in items]
    lines = [sheet.row(*tiles[n : n + _TILES]) for n in range(0, len(tiles), _TILES)]
    bins = "×".join(map(str, items[0].crop.plan.output_size))
    scored = " and score" * (items[0].score is not None)
    said = f"Each box with its number{scored}, left on the {'image' if survey.photo else 'map'}, "
    said += f"right its {bins} pooled values."
    if count > len(items):
        said += f" These are the first {len(items)} of {count:,}: choose others with --box."
    bar = sheet.colour_bar(scale, f"Colours of pooled values: {survey.shown.words}", _BAR)
    name = in_words.operator_name(items[0].crop.plan.convention)
    title = f"{name} of {many(count, 'box', 'boxes')} of image {items[0].subject.image}"
    return title, [sheet.paragraph(said, sheet.INNER), sheet.column(*lines, gap=16), bar]


def _tile(survey: Survey, item: Item, scale: Scale, side: int) -> sheet.Block:
    outline, size = survey.outline(item), survey.shown.map_size
    rows, columns = (in_sight(*each) for each in zip(spans_of(outline), size, strict=True))
    view = fit(rows, columns, size, side, (side, side))
    marks = partial(draw_box, view=view, outline=outline, colour=survey.colour(item))
    picture = survey.picture(view, marks)
    pooled, _ = grid(item.crop.values, item.crop.void, scale, side, side, bare=True)
    caption = f"{item.label} · {item.level}" if item.level else item.label
    above = sheet.paragraph(shorten(caption, SMALL, 2 * side), 2 * side, SMALL)
    return sheet.column(above, sheet.row(picture, pooled, gap=8), gap=2)


def _coverage(survey: Survey) -> tuple[str, list[sheet.Block]]:
    items, size, total = survey.items, survey.shown.map_size, survey.amount
    outlines, one = [survey.outline(item) for item in items], len(items) == 1
    rows, columns = (in_sight(*each) for each in zip(spans_of(outlines[0]), size, strict=True))
    view = survey.view((rows, columns) if one else None)
    scale = Scale(0.0, float(total.max()), grey_zero=True)
    few, convention = len(items) <= _MOST_NAMED, items[0].crop.plan.convention

    def marks(brush: Brush) -> None:
        for outline in outlines:
            if few:
                draw_box(brush, view, outline)
            else:
                brush.outline(view.corners(outline), _THIN, _faint(BOX, len(items)))

    shown = replace(Shown.of(total[np.newaxis], 0), words="weight of each cell")
    on_map = marks if few else lambda brush: None  # many boxes would hide the map
    map_, _ = map_block(shown, view, scale, on_map, numbered=one)
    bins, what = items[0].crop.plan.output_size, many(len(items), "box", "boxes")
    what = f"box {items[0].subject.box}" if one else what
    of = f"sum of its weights in {'the' if one else 'all'} {bins[0]}×{bins[1]} bins of {what}"
    steps = [(sheet.head("How much each cell contributes", of, map_.width), map_)]
    if survey.photo:
        where = f"The box{'' if one else 'es'} on the image"
        steps.insert(0, (sheet.head(where, "", view.width), survey.picture(view, marks)))
    bar = sheet.colour_bar(scale, "Colours: sum of a cell’s weights", _BAR)
    said = f"{int((total > 0).sum()):,} of {many(total.size, 'cell')} are read; grey ones are not. "
    said += "The weights of one bin sum to 1, or less where it is partly off the map; those of all "
    said += f"{len(items) * bins[0] * bins[1]:,} bins sum to {brief(float(total.sum()), 5)}."
    if not convention.aligned and convention.kind in ("sample", "piece"):
        said += " Cells that are read lie half a cell right of and below the box"
        said += f"{'' if one else 'es'}, as {convention.name} is not aligned."
    title = f"{in_words.operator_name(convention)}: the cells that {what} read{'s' if one else ''}"
    return title, [sheet.side_by_side(*steps), sheet.row(bar, sheet.paragraph(said, 700))]


_COMPOSE: Final = {"overview": _overview, "sheet": _sheet, "coverage": _coverage}
