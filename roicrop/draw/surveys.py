"""Figures of all boxes of an image: where they lie, what they give, and which cells they read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from roicrop.conventions import in_words
from roicrop.draw import lettering
from roicrop.draw.canvas import Brush
from roicrop.draw.colour import INK, MUTED, Colour, Scale, scale_of
from roicrop.draw.grid import Grid
from roicrop.draw.kinds import Crop, sides, true_box
from roicrop.draw.map import GUTTER, Box, Label, MapBlock, PhotoBlock, Shown, heat_map, meets
from roicrop.draw.photo import Photo
from roicrop.draw.sheet import (
    INNER,
    Block,
    ColourBar,
    Column,
    Entry,
    Legend,
    Paragraph,
    Row,
    Sheet,
    sheet_of,
    side_by_side,
)
from roicrop.draw.view import Span, View, fit, in_sight, span_of
from roicrop.job import Subject
from roicrop.text import many, tidy

SurveyName = Literal["overview", "sheet", "coverage"]

_GAP: Final = 28
_MOST_TILES: Final = 60
_LEVELS: Final[tuple[Colour, ...]] = (
    (255, 255, 255), (255, 150, 60), (104, 205, 255), (255, 120, 200), (190, 235, 90),
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """A box of a survey: its row in the job, what it is called, and what it gives.

    score, level: where it has one.
    amount: (H, W) how much each cell contributes to it, for coverage.
    """

    row: int
    subject: Subject
    crop: Crop
    score: float | None
    level: str | None
    amount: NDArray[np.float64] | None

    @property
    def label(self) -> str:
        """Its number, and its score."""
        number = self.subject.box.split(" ")[0]
        return number if self.score is None else f"{number}: {tidy(self.score)}"


@dataclass(frozen=True)
class Survey:
    """All that a figure of many boxes takes.

    shown: the map, the finest of several. cells_per_pixel: its own, along y and along x.
    """

    name: SurveyName
    shown: Shown
    items: Sequence[Item]
    cells_per_pixel: tuple[float, float]
    photo: Photo | None
    file: Path
    overwrite: bool

    def draw(self) -> list[Path]:
        """Write the figure; the file, if it was not there before."""
        from roicrop import draw

        new = not self.file.exists()
        draw.save(self.image(), self.file, overwrite=self.overwrite)
        return [self.file] if new else []

    def image(self) -> Image:
        """The figure."""
        return self.compose().finish()

    def compose(self) -> Sheet:
        """The figure, laid out and not yet drawn."""
        return _COMPOSE[self.name](self)

    def spans(self, item: Item) -> tuple[Span, Span]:
        """A box in index coordinates of the map that is shown."""
        x1, y1, x2, y2 = item.subject.corners or (0.0, 0.0, 0.0, 0.0)
        per_y, per_x = self.cells_per_pixel
        return (
            span_of((y1 * per_y - 0.5, y2 * per_y - 0.5)),
            span_of((x1 * per_x - 0.5, x2 * per_x - 0.5)),
        )

    @property
    def whole(self) -> tuple[Span, Span]:
        """The whole map."""
        height, width = self.shown.map_size
        return Span(-0.5, height - 0.5), Span(-0.5, width - 0.5)

    @property
    def levels(self) -> list[str]:
        """The levels that boxes are on, the finest first."""
        names = {item.crop.plan.spatial_scale: item.level for item in self.items if item.level}
        return [str(names[scale]) for scale in sorted(names, reverse=True)]

    def colour(self, item: Item) -> Colour:
        """By its level."""
        return _LEVELS[self.levels.index(item.level) % len(_LEVELS)] if item.level else _LEVELS[0]

    def page(self, title: str, blocks: Sequence[Block]) -> Sheet:
        """The title above, and below what it is of."""
        subject = self.items[0].subject
        said = f"{subject.file} · image {subject.image} · {self.shown.words} · "
        said += f"convention {self.items[0].crop.plan.convention.name}"
        foot = Paragraph(said, INNER, lettering.SMALL, MUTED)
        return sheet_of([Paragraph(title, INNER, lettering.TITLE), *blocks, foot])


def _head(text: str, more: str, width: int) -> Block:
    return Column(
        [
            Paragraph(text, width, lettering.HEADING),
            Paragraph(more, width, lettering.SMALL, MUTED),
        ],
        2,
    )


def _overview(survey: Survey) -> Sheet:
    rows, columns = survey.whole
    half = (INNER - _GAP) // 2 if survey.photo else 900
    view = fit(rows, columns, survey.shown.map_size, half - GUTTER, (120, 800))
    scale = survey.shown.scale(view)
    boxes = [survey.spans(item) for item in survey.items]

    def marks(on: View, brush: Brush) -> None:
        order = np.argsort([-y.size * x.size for y, x in boxes], kind="stable")
        for n in order:  # the small ones last
            y, x = boxes[n]
            if y.meets(on.rows) and x.meets(on.columns):
                frame = on.x(x.low), on.y(y.low), on.x(x.high), on.y(y.high)
                brush.frame(*frame, 3.6, (*INK, 170))
                brush.frame(*frame, 2.2, survey.colour(survey.items[n]))

    labels = _labels(survey, view, boxes)
    map_ = MapBlock(
        survey.shown, view, scale, lambda b: marks(view, b), labels=labels, numbered=False
    )
    height, width = survey.shown.map_size
    steps: list[tuple[Block, Block]] = [
        (_head("On the map", f"{height}×{width} cells", map_.width), map_)
    ]
    if survey.photo:
        on_photo = _photo(survey, view, lambda b: marks(view, b), labels)
        size = survey.photo.image.size
        head = _head("On the image", f"{size[0]}×{size[1]} pixels", on_photo.width)
        steps.insert(0, (head, on_photo))
    entries = [
        Entry(_box_example(survey.colour(item)), _level_words(survey, item))
        for item in {item.level: item for item in survey.items}.values()
    ]
    bar = ColourBar(scale, f"Colors: {survey.shown.words}", 440)
    blocks: list[Block] = [side_by_side(steps, _GAP), Row([bar, Legend(entries, 700)], _GAP)]
    subject = survey.items[0].subject
    return survey.page(
        f"{many(len(survey.items), 'box', 'boxes')} of image {subject.image}", blocks
    )


def _level_words(survey: Survey, item: Item) -> str:
    score = ", with number and score" if item.score is not None else ", with its number"
    if item.level is None:
        return f"a box{score}"
    count = sum(other.level == item.level for other in survey.items)
    return f"{many(count, 'box', 'boxes')} on level {item.level}"


def _box_example(colour: Colour) -> Any:
    def draw(brush: Brush) -> None:
        brush.frame(7, 6, brush.width - 7, brush.height - 6, 2.4, colour)

    return draw


def _labels(survey: Survey, view: View, boxes: Sequence[tuple[Span, Span]]) -> list[Label]:
    """A label in or beside each box, as far as there is room for it; the best scores first."""
    found: list[Label] = []
    taken: list[Box] = []
    scores = [-1.0 if item.score is None else item.score for item in survey.items]
    for n in np.argsort(np.negative(scores), kind="stable")[:400]:
        y, x = boxes[n]
        text = survey.items[n].label
        x0, y0, x1, y1 = Label(text, 0.0, 0.0).box
        wide, high = x1 - x0, y1 - y0
        left, right, top, bottom = view.x(x.low), view.x(x.high), view.y(y.low), view.y(y.high)
        for at_x, at_y in (
            (left + wide / 2, top - high / 2 - 2),
            (left + wide / 2, top + high / 2 + 2),
            (left + wide / 2, bottom + high / 2 + 2),
            (right + wide / 2 + 2, (top + bottom) / 2),
            (left - wide / 2 - 2, (top + bottom) / 2),
        ):
            label = Label(text, at_x, at_y)
            box = label.box
            on = box[0] >= 0 and box[1] >= 0 and box[2] <= view.width and box[3] <= view.height
            if on and not meets(box, np.array(taken).reshape(-1, 4)):
                found.append(label)
                taken.append(box)
                break
    return found


def _photo(
    survey: Survey, view: View, marks: Callable[[Brush], None], labels: Sequence[Label] = ()
) -> PhotoBlock:
    assert survey.photo is not None
    per_y, per_x = survey.cells_per_pixel
    per_cell = 1 / per_y, 1 / per_x
    return PhotoBlock(survey.photo.image, view, survey.shown.map_size, per_cell, marks, labels)


_TILES: Final = 4  # in a row
_TILE_GAP: Final = 24


def _sheet(survey: Survey) -> Sheet:
    items = survey.items[:_MOST_TILES]
    width = (INNER - (_TILES - 1) * _TILE_GAP) // _TILES
    side = (width - 8) // 2
    values = [item.crop.values[~item.crop.void] for item in items]
    every = [np.ravel(v)[np.isfinite(v).ravel()] for v in values]
    scale = scale_of([*every], (-np.inf, np.inf))
    tiles = [_tile(survey, item, scale, side) for item in items]
    lines: list[Block] = [
        Row(list(tiles[n : n + _TILES]), _TILE_GAP) for n in range(0, len(tiles), _TILES)
    ]
    left = "the image" if survey.photo else "the map"
    bins = "×".join(map(str, items[0].crop.plan.output_size))
    said = f"Left {left} around each box, right its {bins} pooled values."
    if len(survey.items) > len(items):
        said += f" These are the first {len(items)} of {len(survey.items):,}."
    bar = ColourBar(scale, f"Colors of pooled values: {survey.shown.words}", 440)
    name = in_words.operator_name(items[0].crop.plan.convention)
    subject = survey.items[0].subject
    title = f"{name} of {many(len(items), 'box', 'boxes')} of image {subject.image}"
    return survey.page(title, [Paragraph(said, INNER), Column(lines, 16), bar])


def _tile(survey: Survey, item: Item, scale: Scale, side: int) -> Block:
    y, x = survey.spans(item)
    size = survey.shown.map_size
    rows, columns = in_sight(y, size[0]), in_sight(x, size[1])
    view = fit(rows, columns, size, side, (side, side))

    def marks(brush: Brush) -> None:
        true_box(brush, view, y, x, survey.colour(item))

    picture: Block
    if survey.photo:
        picture = _photo(survey, view, marks)
    else:
        picture = Raster(view, lambda: _on_map(survey, view, marks))
    grid = Grid(item.crop.values, item.crop.void, scale, side, side, None, (), bare=True)
    level = f" · {item.level}" if item.level else ""
    caption = lettering.shorten(f"{item.label}{level}", lettering.SMALL, 2 * side)
    return Column([Paragraph(caption, 2 * side + 8, lettering.SMALL), Row([picture, grid], 8)], 2)


@dataclass(frozen=True)
class Raster:
    """A view, drawn."""

    view: View
    draw: Callable[[], Image]

    @property
    def width(self) -> int:
        """The view's."""
        return self.view.width

    @property
    def height(self) -> int:
        """The view's."""
        return self.view.height

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """The one raster."""
        sheet.raster(x, y, self.width, self.height, self.draw)


def _on_map(survey: Survey, view: View, marks: Callable[[Brush], None]) -> Image:
    brush = heat_map(survey.shown, view, survey.shown.scale(view))
    marks(brush)
    return brush.finish()


def coverage(crop: Crop, features: NDArray[Any]) -> NDArray[np.float64]:
    """(H, W) how much each cell counts in all bins of a box: the operator's adjoint, of ones.

    For an average that is the sum of its weights. For a maximum it is that of the one term which a
    bin has its value from, as the mean over channels; features: (C, H, W).
    """
    plan, k = crop.plan, crop.k
    if plan.convention.mode == "avg":
        along = []
        for axis in (plan.y, plan.x):
            rows = range(axis.bin_rows(k, 0).start, axis.bin_rows(k, axis.bins - 1).stop)
            first, last = (int(axis.rows.row_ptr[row]) for row in (rows.start, rows.stop))
            weights = axis.rows.weights[first:last].astype(np.float64)
            along.append(np.bincount(axis.rows.cells[first:last], weights, axis.size))
        return np.multiply.outer(*along)
    amount = np.zeros(plan.map_size)
    channels = np.arange(len(features))
    for p, q in np.ndindex(plan.output_size):
        taps = [term.taps for term in plan.terms(k, p, q) if term.taps]
        if not taps:
            continue
        with np.errstate(invalid="ignore"):
            values = [
                sum(features[:, t.row, t.column].astype(np.float64) * t.weight for t in term)
                for term in taps
            ]
        best = np.argmax(np.nan_to_num(np.array(values), nan=-np.inf), axis=0)
        for n in np.unique(best):
            share = float((best[channels] == n).mean())
            for tap in taps[n]:
                amount[tap.row, tap.column] += share * tap.weight
    return amount


def _coverage(survey: Survey) -> Sheet:
    amounts = [item.amount for item in survey.items if item.amount is not None]
    total = np.sum(amounts, axis=0)
    shown = Shown(total, "weight of each cell", None)
    boxes = [survey.spans(item) for item in survey.items]
    one = len(boxes) == 1
    spans = survey.whole
    if one:
        spans = tuple(in_sight(s, n) for s, n in zip(boxes[0], shown.map_size, strict=True))  # type: ignore[assignment]
    half = (INNER - _GAP) // 2 if survey.photo else 900
    view = fit(*spans, shown.map_size, half - GUTTER, (120, 800))
    scale = Scale(0.0, float(total.max(initial=0.0)))

    def marks(brush: Brush) -> None:
        for y, x in boxes:
            true_box(brush, view, y, x)

    taken = [
        side
        for y, x in boxes
        for side in sides(view.x(x.low), view.y(y.low), view.x(x.high), view.y(y.high), 3.0)
    ]
    map_ = MapBlock(shown, view, scale, marks, taken)
    p, q = survey.items[0].crop.plan.output_size
    bins = f"{p}×{q} bins"
    what = f"box {survey.items[0].subject.box}" if one else f"{len(boxes):,} boxes"
    of = f"sum of its weights in {'the' if one else 'all'} {bins} of {what}"
    steps: list[tuple[Block, Block]] = [
        (_head("How much each cell contributes", of, map_.width), map_)
    ]
    if survey.photo:
        on_photo = _photo(survey, view, marks)
        head = _head(
            "The boxes on the image" if not one else "The box on the image", "", on_photo.width
        )
        steps.insert(0, (head, on_photo))
    bar = ColourBar(scale, "Colors: weight, 1 is one whole bin", 440)
    read = int((total > 0).sum())
    said = f"{read:,} of {total.size:,} cells are read. " if read else "No cell is read. "
    said += f"All weights sum to {tidy(float(total.sum()))}, of {len(boxes) * p * q:,} bins."
    name = in_words.operator_name(survey.items[0].crop.plan.convention)
    blocks: list[Block] = [side_by_side(steps, _GAP), Row([bar, Paragraph(said, 700)], _GAP)]
    return survey.page(f"{name}: the cells that {what} read{'s' if one else ''}", blocks)


_COMPOSE: Final = {"overview": _overview, "sheet": _sheet, "coverage": _coverage}
