"""The figures of one box: under one plan, under two side by side, and under two on one map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from PIL.Image import Image

from roicrop.conventions import LOWEST_FLOAT32, in_words
from roicrop.draw import kinds, lettering
from roicrop.draw.canvas import Brush
from roicrop.draw.colour import (
    BEYOND,
    FIRST,
    INFINITE,
    MINUS_INFINITE,
    MUTED,
    NOT_A_NUMBER,
    SECOND,
    Colour,
    Scale,
    scale_of_difference,
)
from roicrop.draw.grid import Grid
from roicrop.draw.kinds import Crop, Drawing
from roicrop.draw.map import BRACKETS, GUTTER, MapBlock, PhotoBlock, Shown
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
    Sized,
    sheet_of,
    side_by_side,
)
from roicrop.draw.view import Span, View, fit, in_sight, span_of, true_axes
from roicrop.job import Subject
from roicrop.sampling import Plan
from roicrop.text import brief, tidy

_WIDE: Final = 2.4  # a box this much wider than high has its map below its photograph
_GAP: Final = 28
_GRID: Final = 300
_MOST_GRID: Final = 16  # bins in a row, beyond which they need more room
_DOWN: Final = Sized(Column([], 0), 1, 62)  # as far as a step's head
_LOOKS: Final = ((FIRST, False), (SECOND, True))


def panel(shown: Shown, crop: Crop, *, subject: Subject, photo: Photo | None = None) -> Image:
    """One box under one plan in three steps: on the photograph, on the map, pooled.

    photo: of the image; without it there are two steps.

    Returns an RGB image at most 1320 pixels wide.
    """
    return compose_panel(shown, crop, subject=subject, photo=photo).finish()


def both(
    shown: Shown, crops: tuple[Crop, Crop], *, subject: Subject, photo: Photo | None = None
) -> Image:
    """Two operators on one box, side by side; the rest is as in `panel`."""
    return compose_both(shown, crops, subject=subject, photo=photo).finish()


def overlay(
    shown: Shown, crops: tuple[Crop, Crop], *, names: tuple[str, str], subject: Subject
) -> Image:
    """Two conventions' bins and samples over one another, and where their results differ.

    names: what to call the two, for example "torchvision" and "onnx:sampling_ratio=2".
    crops: for one map and one output size. The bin in which they differ most is brought out,
        whichever theirs is.
    """
    return compose_overlay(shown, crops, names=names, subject=subject).finish()


def compose_panel(shown: Shown, crop: Crop, *, subject: Subject, photo: Photo | None) -> Sheet:
    """`panel`, laid out and not yet drawn."""
    rows, columns = _region([crop], subject)
    wide = columns.size >= _WIDE * rows.size
    many = crop.plan.output_size[1] > _MOST_GRID
    room = INNER if many else _GRID
    if wide:
        width = INNER - GUTTER - BRACKETS - (0 if many else _GRID + _GAP)
        view = fit(rows, columns, shown.map_size, width, (240, 420))
    else:
        view = fit(rows, columns, shown.map_size, 560 if photo else 700, (300, 640))
    drawing = Drawing(crop, view, subject, shown)
    scale = shown.scale(view, crop.values[~crop.void])
    map_ = _map([drawing], scale, drawing.spans())
    grid = _grid(crop, scale, room)
    bar = ColourBar(scale, f"Colors: {shown.words}", _GRID)
    entries = [kinds.box_entry(drawing), *_bins_entry(drawing), *drawing.art.legend(drawing)]
    entries += _backgrounds([crop], shown, view)
    steps: list[tuple[Block, Block]] = [
        (_head(2 if photo else 1, *_reads(crop, map_), map_.width), map_)
    ]
    last = _head(3 if photo else 2, *_gives(crop, grid), room), Column([grid, bar], 14)
    blocks: list[Block] = []
    if not many:
        steps.append(last)
    if photo:
        left = map_.width if wide else INNER - map_.width - 2 * _GAP - _GRID
        on_photo = _photo(photo, view if wide else view.scaled(left), drawing, subject)
        first = _head(1, *_on_image(drawing), left), on_photo
        legend = Legend(entries, _GRID if wide else left)
        free = on_photo.height if wide else map_.height - on_photo.height
        if legend.height <= free and not (wide and many):
            blocks.append(
                Row([Column(first, 8), Column([_DOWN, legend], 0)], _GAP)
                if wide
                else side_by_side([(first[0], Column([on_photo, legend], 18)), *steps], _GAP)
            )
            entries = []
        else:
            blocks.append(Column(first, 8) if wide else side_by_side([first, *steps], _GAP))
    if wide or not photo:
        blocks.append(side_by_side(steps, _GAP))
    if many:
        blocks.append(Column(last, 8))
    title = f"{in_words.operator_name(crop.plan.convention)} of box {subject.box}"
    notes = [kinds.shift(drawing), _stretch(view)]
    return _page(title, [*blocks, Legend(entries, INNER)], notes, [crop], subject)


def compose_both(
    shown: Shown, crops: tuple[Crop, Crop], *, subject: Subject, photo: Photo | None
) -> Sheet:
    """`both`, laid out and not yet drawn."""
    side = (INNER - _GAP) // 2
    rows, columns = _region(crops, subject)
    view = fit(rows, columns, shown.map_size, side - GUTTER, (200, 560))
    scale = shown.scale(view, *(crop.values[~crop.void] for crop in crops))
    drawings = [Drawing(crop, view, subject, shown) for crop in crops]
    entries = [kinds.box_entry(drawings[0]), *_bins_entry(drawings[0])]
    for drawing in drawings:
        entries += drawing.art.legend(drawing)
    entries = _once([*entries, *_backgrounds(crops, shown, view)])
    maps: list[tuple[Block, Block]] = []
    grids: list[tuple[Block, Block]] = []
    for crop, drawing in zip(crops, drawings, strict=True):
        grid = _grid(crop, scale, side, 270)
        map_ = _map([drawing], scale)
        maps.append((_head(2 if photo else 1, *_reads(crop, map_), side), map_))
        grids.append((_head(3 if photo else 2, *_gives(crop, grid), side), grid))
    bar = ColourBar(scale, f"Colors: {shown.words}", _GRID)
    blocks: list[Block] = [side_by_side(maps, _GAP), side_by_side(grids, _GAP)]
    if photo:
        on_photo = _photo(
            photo, view.scaled(min(side, 260 * view.width // view.height)), drawings[0], subject
        )
        room = INNER - on_photo.width - 2 * _GAP
        words = Column([Legend(entries, room), bar], 16)
        head = _head(1, *_on_image(drawings[0]), on_photo.width)
        blocks.insert(0, Row([Column([head, on_photo], 8), Column([_DOWN, words], 0)], 2 * _GAP))
    else:
        blocks += [bar, Legend(entries, INNER)]
    names = " and ".join(in_words.operator_name(crop.plan.convention) for crop in crops)
    notes = [*map(kinds.shift, drawings), _stretch(view)]
    return _page(f"{names} of box {subject.box}", blocks, notes, crops, subject)


def compose_overlay(
    shown: Shown, crops: tuple[Crop, Crop], *, names: tuple[str, str], subject: Subject
) -> Sheet:
    """`overlay`, laid out and not yet drawn."""
    with np.errstate(invalid="ignore", over="ignore"):
        difference = crops[1].values - crops[0].values
    worst = kinds.default_bin(np.abs(difference))
    crops = tuple(Crop(c.plan, c.k, c.values, worst) for c in crops)  # type: ignore[assignment]
    rows, columns = _region(crops, subject)
    view = fit(rows, columns, shown.map_size, 600, (300, 640))
    scale = shown.scale(view, *(crop.values[~crop.void] for crop in crops))
    drawings = [
        Drawing(crop, view, subject, shown, colour, dashed, colour)
        for crop, (colour, dashed) in zip(crops, _LOOKS, strict=True)
    ]
    block = _map(drawings, scale)
    room = (INNER - block.width - 2 * _GAP) // 2
    signed = scale_of_difference(difference)
    grids = []
    for crop, name, (colour, _) in zip(crops, names, _LOOKS, strict=True):
        grid = Grid(crop.values, crop.void, scale, room, 300, worst, [colour])
        head = Paragraph(_with(name, grid.factor), room, lettering.SMALL)
        grids.append((head, grid))
    void = crops[0].void & crops[1].void
    apart = Grid(difference, void, signed, room, 300, worst, [FIRST, SECOND])
    head = Paragraph(_with("difference: second − first", apart.factor), room, lettering.SMALL)
    words: list[Block] = [
        Paragraph(_apart(crops, names, shown), room, lettering.NORMAL),
        ColourBar(scale, f"Colors: {shown.words}", room),
        ColourBar(signed, "Colors of the difference", room),
    ]
    right = Column(
        [side_by_side(grids, _GAP), Row([Column([head, apart], 8), Column(words, 12)], _GAP)], 18
    )
    heads = (
        _head(
            1,
            "Where each one reads",
            _with(f"framed: bin {worst[0]},{worst[1]}", _numbers(block)),
            block.width,
        ),
        _head(2, "What each one gives", "the same bin framed", right.width),
    )
    entries = [kinds.box_entry(drawings[0])]
    for name, (colour, dashed) in zip(names, _LOOKS, strict=True):
        entries.append(Entry(_look_example(colour, dashed), f"bins and samples of {name}"))
    for drawing in drawings:
        entries += drawing.art.legend(drawing)
    entries = _once([*entries, *_backgrounds(crops, shown, view)])
    left = Column([block, Legend(entries, block.width)], 18)
    blocks = [side_by_side([(heads[0], left), (heads[1], right)], _GAP)]
    notes = [*map(kinds.shift, drawings), _stretch(view)]
    return _page(f"{names[0]} and {names[1]} on box {subject.box}", blocks, notes, crops, subject)


def _with(name: str, factor: str) -> str:
    return f"{name} ({factor})" if factor else name


def _look_example(colour: Colour, dashed: bool) -> Any:
    def draw(brush: Brush) -> None:
        right, bottom = brush.width - 6, brush.height - 5
        brush.polygon(
            [(6, 5), (right, 5), (right, bottom), (6, bottom)], 3.0, colour, dashed=dashed
        )
        kinds.sample_mark(brush, brush.height / 2, brush.width / 2, 3.5, 0, colour)

    return draw


def _apart(crops: Sequence[Crop], names: Sequence[str], shown: Shown) -> str:
    p, q = crops[0].bin
    one, other = (float(crop.values[p, q]) for crop in crops)
    written = [brief(v, 4, powers=True) for v in (other - one, one, other)]
    return (
        f"They differ most in bin {p},{q} of {shown.words}, by {written[0]}: "
        f"{names[0]} gives {written[1]}, {names[1]} {written[2]}."
    )


def _region(crops: Sequence[Crop], subject: Subject) -> tuple[Span, Span]:
    """The rows and columns that have to be seen: the box, the bins, what one reads, and more."""
    first = crops[0]
    found = []
    for n, true in enumerate(true_axes(subject, first.plan, first.k)):
        size = first.plan.map_size[n]
        seen = [*true.index, *(float(v) for crop in crops for v in crop.whole[:, n])]
        for crop in crops:
            if (term := crop.shown_term) is not None:
                cells = [(tap.row, tap.column)[n] for tap in term.taps]
                seen += [min(cells) - 0.3, max(cells) + 0.3]
        found.append(in_sight(span_of(seen), size))
    return found[0], found[1]


def _map(
    drawings: Sequence[Drawing],
    scale: Scale,
    spans: tuple[Sequence[Span | None], Sequence[Span | None]] = ((), ()),
) -> MapBlock:
    first = drawings[0]

    def marks(brush: Brush) -> None:
        first.box(brush)
        for drawing in drawings:
            drawing.marks(brush)

    taken = [box for drawing in drawings for box in drawing.taken()]
    labels = first.labels() if len(drawings) == 1 else []
    return MapBlock(first.shown, first.view, scale, marks, taken, labels, *spans)


def _photo(photo: Photo, view: View, drawing: Drawing, subject: Subject) -> PhotoBlock:
    on_it = Drawing(drawing.crop, view, subject, drawing.shown)
    y, x = true_axes(subject, drawing.crop.plan, drawing.crop.k)
    per_cell = 1 / y.cells_per_pixel, 1 / x.cells_per_pixel
    return PhotoBlock(photo.image, view, drawing.shown.map_size, per_cell, on_it.box)


def _grid(crop: Crop, scale: Scale, room: int, height: int = 420) -> Grid:
    return Grid(crop.values, crop.void, scale, room, height, crop.bin, [FIRST])


def _once(entries: Sequence[Entry]) -> list[Entry]:
    return list({entry.text: entry for entry in entries}.values())


def _head(number: int, text: str, more: str, width: int) -> Block:
    """A step's number and what happens in it, in one line and a smaller one."""
    return Column(
        [
            Paragraph(f"{number}\u00a0\u00a0{text}", width, lettering.HEADING),
            Paragraph(more, width, lettering.SMALL, MUTED),
        ],
        2,
    )


def _on_image(drawing: Drawing) -> tuple[str, str]:
    y, x = true_axes(drawing.subject, drawing.crop.plan, drawing.crop.k)
    size = f"{tidy(1 / x.cells_per_pixel)}×{tidy(1 / y.cells_per_pixel)}"
    return "The box on the image", f"one square is one cell: {size} pixels"


def _reads(crop: Crop, map_: MapBlock) -> tuple[str, str]:
    plan, (p, q) = crop.plan, crop.bin
    name = in_words.operator_name(plan.convention)
    terms = plan.terms(crop.k, p, q)
    count = "×".join(f"{n:,}" for n in terms.count)
    if plan.kind == "cell":
        what = f"{count} cells" if len(terms) else "no cell"
    elif plan.kind == "piece":
        what = f"{count} pieces"
    else:
        what = (
            "one sample" if terms.total == 1 else f"{count} samples" if terms.total else "no sample"
        )
    return f"{name} {kinds.ART[plan.kind].reads}", _with(
        f"framed: bin {p},{q}, of {what}", _numbers(map_)
    )


def _gives(crop: Crop, grid: Grid) -> tuple[str, str]:
    row, (p, q) = crop.plan.convention, crop.bin
    way = {"avg": "average", "max": "largest", "corner-max": "largest weighted corner"}
    said = kinds.ART[crop.plan.kind].gives.format(way[row.reduction])
    value = brief(float(crop.values[p, q]), 4, powers=True)
    more = f"bin {p},{q} is {value}"
    return said[0].upper() + said[1:], _with(more, _numbers(grid))


def _numbers(block: MapBlock | Grid) -> str:
    return block.factor and f"numbers {block.factor}"


def _bins_entry(drawing: Drawing) -> list[Entry]:
    crop = drawing.crop
    if crop.plan.kind == "cell":
        return []
    rows, columns = crop.plan.output_size
    if (rows, columns) == (1, 1):
        return [Entry(_bins_example, "the one bin")]
    return [Entry(_bins_example, f"its {rows}×{columns} bins, {drawing.bin_name()} framed")]


def _bins_example(brush: Brush) -> None:
    right, bottom, middle = brush.width - 5, brush.height - 4, brush.width / 2
    brush.polygon([(5, 4), (right, 4), (right, bottom), (5, bottom)], 1.5, FIRST)
    brush.row(brush.height / 2, 5, right, 1.0, FIRST)
    brush.column(middle, 4, bottom, 1.0, FIRST)
    brush.frame(5, 4, middle, brush.height / 2, 3.2, FIRST)


def _backgrounds(crops: Sequence[Crop], shown: Shown, view: View) -> list[Entry]:
    """What else has a colour: stripes, and numbers that have no place on the scale."""
    found = []
    off = any(
        span.low < -0.5 or span.high > size - 0.5
        for span, size in zip((view.rows, view.columns), shown.map_size, strict=True)
    )
    if void := [c.plan.convention.void_value for c in crops if c.void.any()]:
        given = " or ".join(dict.fromkeys(tidy(v) for v in void))
        text = f"a bin with nothing to pool, which gives {given}"
        found.append(Entry(_nothing, f"off the map, or {text}" if off else text, None))
    elif off:
        found.append(Entry(_nothing, "off the map", None))
    values = np.concatenate([shown.seen(view)[0].ravel(), *(c.values.ravel() for c in crops)])
    lowest = brief(LOWEST_FLOAT32, 5)
    for holds, colour, name in (
        (np.isnan(values), NOT_A_NUMBER, "NaN (not a number)"),
        (values == np.inf, INFINITE, "∞ (infinity)"),
        (values == -np.inf, MINUS_INFINITE, "−∞ (minus infinity)"),
        (
            np.isfinite(values) & (values <= LOWEST_FLOAT32),
            BEYOND,
            f"{lowest}: where a maximum starts, and stays if it meets no number",
        ),
    ):
        if holds.any():
            found.append(Entry(_nothing, name, colour))
    return found


def _nothing(brush: Brush) -> None:
    """The background says it all."""


def _stretch(view: View) -> str:
    ratio = view.cell_y / view.cell_x
    if abs(ratio - 1) < 0.01:
        return ""
    how = (
        f"{tidy(ratio, 1)} times as high as wide"
        if ratio > 1
        else (f"{tidy(1 / ratio, 1)} times as wide as high")
    )
    return f"Cells are drawn {how}."


def _page(
    title: str,
    blocks: Sequence[Block],
    notes: Sequence[str],
    crops: Sequence[Crop],
    subject: Subject,
) -> Sheet:
    """The title above, and below what it is of, with every setting."""
    said = " ".join(note for note in dict.fromkeys(notes) if note)
    foot: list[Block] = [Paragraph(said, INNER, lettering.NORMAL)] if said else []
    lines = [_whereabouts(crops[0], subject), *((subject.level and [subject.level]) or [])]
    lines += [settings(crop.plan, crop.k) for crop in crops]
    small: list[Block] = [Paragraph(line, INNER, lettering.SMALL, MUTED) for line in lines]
    clean = lettering.shorten(lettering.clean(title), lettering.TITLE, INNER)
    return sheet_of([Paragraph(clean, INNER, lettering.TITLE), *blocks, *foot, Column(small, 3)])


def _whereabouts(crop: Crop, subject: Subject) -> str:
    y, x = true_axes(subject, crop.plan, crop.k)
    corners = f"x {tidy(x.low)} to {tidy(x.high)}, y {tidy(y.low)} to {tidy(y.high)} pixels"
    room = INNER / 3
    file, image = (
        lettering.shorten(lettering.clean(t), lettering.SMALL, room).replace(" ", "\u00a0")
        for t in (subject.file, subject.image)
    )
    return f"{file} · image {image} · box {subject.box}: {corners}"


def settings(plan: Plan, k: int) -> str:
    """Every parameter in use, whether the convention's own or not."""
    row = plan.convention
    (bins_y, bins_x), (height, width) = plan.output_size, plan.map_size
    said = [
        f"convention {row.name}",
        f"{bins_y}×{bins_x} bins",
        in_words.reduction(row, plan.count(k)),
    ]
    if plan.kind in ("sample", "piece"):
        said.append("aligned" if row.aligned else "not aligned")
        if row.offset_before:
            said.append(f"corners moved {tidy(row.offset_before)} pixels before scaling")
        if row.min_size:
            said.append(f"boxes at least {tidy(row.min_size)} cell")
    if plan.kind == "point":
        said.append(f"{row.interpolation} interpolation")
    said.append(f"spatial scale {tidy(plan.spatial_scale, 6)}")
    said.append(f"map of {height}×{width} cells")
    # A line may end between two settings, but not within one.
    return "\u00a0· ".join(part.replace(" ", "\u00a0") for part in said)
