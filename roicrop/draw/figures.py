"""The figures of one box: under one plan, under two side by side, and under two on one map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from PIL.Image import Image

from roicrop.conventions import LOWEST_FLOAT32, in_words
from roicrop.draw.canvas import Brush, rectangle
from roicrop.draw.colour import (
    BEYOND,
    FIRST,
    INFINITE,
    MINUS_INFINITE,
    NOT_A_NUMBER,
    SECOND,
    Colour,
    Scale,
    scale_of_difference,
)
from roicrop.draw.drawing import Crop, Drawing, box_entry, default_bin, shift
from roicrop.draw.grid import grid
from roicrop.draw.kinds import ART, sample_mark
from roicrop.draw.lettering import SMALL, clean, shorten
from roicrop.draw.map import BRACKETS, GUTTER, Shown, Spans, map_block, photo_block
from roicrop.draw.photo import Photo
from roicrop.draw.sheet import (
    GAP,
    INNER,
    Block,
    Entry,
    Sheet,
    colour_bar,
    column,
    head,
    legend,
    page,
    paragraph,
    row,
    side_by_side,
)
from roicrop.draw.view import Span, View, fit, in_sight, spans_of, true_box
from roicrop.job import Subject
from roicrop.sampling import Plan
from roicrop.text import brief, tidy

_WIDE: Final = 2.4  # a box this much wider than high has its map below its photograph
_GRID: Final = 300
_MOST_BESIDE: Final = 16  # bins in a row, beyond which they need more room
_NO_SPANS: Final[tuple[Spans, Spans]] = ((), ())
Step = tuple[Block, Block]


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
    below = crop.plan.output_size[1] > _MOST_BESIDE
    room = INNER if below else _GRID
    if wide:
        width = INNER - GUTTER - BRACKETS - (0 if below else _GRID + GAP)
        view = fit(rows, columns, shown.map_size, width, (240, 420))
    else:
        view = fit(rows, columns, shown.map_size, 560 if photo else 700, (300, 640))
    drawing = Drawing(crop, view, subject, shown)
    scale = shown.scale(view, crop.values[~crop.void])
    first = 2 if photo else 1
    on_map = _on_map(first, drawing, scale, ART[drawing.crop.plan.kind].spans(drawing))
    result = _result(first + 1, crop, scale, room, 420)
    last = result[0], column(result[1], _bar(scale, shown), gap=14)
    steps = [on_map] if below else [on_map, last]
    entries = _entries([drawing], shown)
    blocks: list[Block] = []
    if photo:
        left = on_map[1].width if wide else INNER - on_map[1].width - 2 * GAP - _GRID
        on_photo = _on_photo(photo, drawing, view if wide else view.scaled(left))
        words = legend(entries, _GRID if wide else left)
        free = on_photo[1].height if wide else on_map[1].height - on_photo[1].height
        fits = words.height <= free and not (wide and below)
        if wide:
            beside = (Block(words.width, 1, lambda sheet, x, y: None), words)
            blocks.append(side_by_side(on_photo, beside) if fits else column(*on_photo, gap=8))
        else:
            picture = column(on_photo[1], words, gap=18) if fits else on_photo[1]
            steps.insert(0, (on_photo[0], picture))
        entries = [] if fits else entries
    blocks.append(side_by_side(*steps))
    if below:
        blocks.append(column(*last, gap=8))
    title = f"{in_words.operator_name(crop.plan.convention)} of box {subject.box}"
    return _page(title, [*blocks, legend(entries, INNER)], [drawing])


def compose_both(
    shown: Shown, crops: tuple[Crop, Crop], *, subject: Subject, photo: Photo | None
) -> Sheet:
    """`both`, laid out and not yet drawn."""
    side = (INNER - GAP) // 2
    rows, columns = _region(crops, subject)
    view = fit(rows, columns, shown.map_size, side - GUTTER, (200, 560))
    scale = shown.scale(view, *(crop.values[~crop.void] for crop in crops))
    drawings = [Drawing(crop, view, subject, shown) for crop in crops]
    entries, first = _entries(drawings, shown), 2 if photo else 1
    maps = [_on_map(first, drawing, scale) for drawing in drawings]
    grids = [_result(first + 1, crop, scale, side, 270) for crop in crops]
    blocks = [side_by_side(*maps), side_by_side(*grids)]
    if photo:
        width = min(side, 260 * view.width // view.height)
        on_photo = _on_photo(photo, drawings[0], view.scaled(width))
        room = INNER - width - 2 * GAP
        words = column(legend(entries, room), _bar(scale, shown), gap=16)
        beside = (Block(room, 1, lambda sheet, x, y: None), words)
        blocks.insert(0, side_by_side(on_photo, beside))
    else:
        blocks += [_bar(scale, shown), legend(entries, INNER)]
    names = " and ".join(in_words.operator_name(crop.plan.convention) for crop in crops)
    return _page(f"{names} of box {subject.box}", blocks, drawings)


def compose_overlay(
    shown: Shown, crops: tuple[Crop, Crop], *, names: tuple[str, str], subject: Subject
) -> Sheet:
    """`overlay`, laid out and not yet drawn."""
    with np.errstate(invalid="ignore", over="ignore"):
        difference = crops[1].values - crops[0].values
    p, q = worst = default_bin(np.abs(difference))
    pair = [replace(crop, bin=worst) for crop in crops]
    rows, columns = _region(pair, subject)
    view = fit(rows, columns, shown.map_size, 600, (300, 640))
    scale = shown.scale(view, *(crop.values[~crop.void] for crop in pair))
    drawings = [
        Drawing(pair[0], view, subject, shown, FIRST, ink=FIRST),
        Drawing(pair[1], view, subject, shown, SECOND, dashed=True, ink=SECOND),
    ]

    def marks(brush: Brush) -> None:
        drawings[0].box(brush)
        for drawing in drawings:
            ART[drawing.crop.plan.kind].marks(drawing, brush)

    map_, factor = map_block(shown, view, scale, marks)
    room = (INNER - map_.width - 2 * GAP) // 2
    signed = scale_of_difference(difference)
    void = pair[0].void & pair[1].void
    results: list[Step] = []
    for values, none, name, colours, its in (
        (pair[0].values, pair[0].void, names[0], [FIRST], scale),
        (pair[1].values, pair[1].void, names[1], [SECOND], scale),
        (difference, void, "difference: second − first", [FIRST, SECOND], signed),
    ):
        block, power = grid(values, none, its, room, 300, worst, colours)
        results.append((paragraph(_with(name, power), room, SMALL), block))
    one, other = (float(crop.values[p, q]) for crop in pair)
    said = [brief(v, 4, powers=True) for v in (other - one, one, other)]
    text = (
        f"They differ most in bin {p},{q} of {shown.words}, by {said[0]}: "
        f"{names[0]} gives {said[1]}, {names[1]} {said[2]}."
    )
    bars = [_bar(scale, shown, room), colour_bar(signed, "Colors of the difference", room)]
    words = column(paragraph(text, room), *bars, gap=12)
    right = column(side_by_side(*results[:2]), row(column(*results[2], gap=8), words), gap=18)
    looks = [
        Entry(_look(d), f"bins and samples of {name}")
        for d, name in zip(drawings, names, strict=True)
    ]
    left = column(map_, legend([*looks, *_entries(drawings, shown)], map_.width), gap=18)
    heads = (
        head(
            "1\u00a0\u00a0Where each one reads", _with(f"framed: bin {p},{q}", factor), left.width
        ),
        head("2\u00a0\u00a0What each one gives", "the same bin framed", right.width),
    )
    blocks = [side_by_side((heads[0], left), (heads[1], right))]
    return _page(f"{names[0]} and {names[1]} on box {subject.box}", blocks, drawings)


def _look(drawing: Drawing) -> Callable[[Brush], None]:
    def draw(brush: Brush) -> None:
        corners = rectangle(6, 5, brush.width - 6, brush.height - 5)
        brush.outline(corners, 3.0, drawing.colour, dashed=drawing.dashed)
        sample_mark(brush, brush.width / 2, brush.height / 2, 3.5, 0, drawing.ink)

    return draw


def _region(crops: Sequence[Crop], subject: Subject) -> tuple[Span, Span]:
    """The rows and columns that have to be seen: the box, the bins, what one reads, and more."""
    first = crops[0].plan
    box = true_box(subject, first, crops[0].k).outline
    seen = np.concatenate([box, *(part for crop in crops for part in (crop.whole, crop.read))])
    rows, columns = (in_sight(*each) for each in zip(spans_of(seen), first.map_size, strict=True))
    return rows, columns


def _step(number: int, text: str, more: str, width: int) -> Block:
    return head(f"{number}\u00a0\u00a0{text}", more, width)


def _with(text: str, factor: str) -> str:
    return f"{text} (numbers {factor})" if factor else text


def _on_photo(photo: Photo, drawing: Drawing, view: View) -> Step:
    y, x = drawing.true.per_pixel
    box = replace(drawing, view=view).box
    block = photo_block(photo.image, view, drawing.shown.map_size, (y, x), box)
    more = f"one square is one cell: {tidy(1 / x)}×{tidy(1 / y)} pixels"
    return _step(1, "The box on the image", more, view.width), block


def _on_map(
    number: int, drawing: Drawing, scale: Scale, spans: tuple[Spans, Spans] = _NO_SPANS
) -> Step:
    crop, art = drawing.crop, ART[drawing.crop.plan.kind]

    def marks(brush: Brush) -> None:
        drawing.box(brush)
        art.marks(drawing, brush)

    labels = art.labels(drawing)
    block, factor = map_block(drawing.shown, drawing.view, scale, marks, labels, spans)
    terms = crop.plan.terms(crop.k, *crop.bin)
    unit = {"cell": "cell", "piece": "piece"}.get(crop.plan.kind, "sample")
    count = "×".join(f"{n:,}" for n in terms.count)
    made_of = f"{count} {unit}s" if terms.total > 1 else f"{'one' if terms.total else 'no'} {unit}"
    name = in_words.operator_name(crop.plan.convention)
    more = _with(f"framed: {drawing.bin_name}, of {made_of}", factor)
    return _step(number, f"{name} {art.reads}", more, block.width), block


def _result(number: int, crop: Crop, scale: Scale, room: int, height: int) -> Step:
    block, factor = grid(crop.values, crop.void, scale, room, height, crop.bin, [FIRST])
    way = {"avg": "average", "max": "largest", "corner-max": "largest weighted corner"}
    said = ART[crop.plan.kind].gives.format(way[crop.plan.convention.reduction])
    value = brief(float(crop.values[crop.bin]), 4, powers=True)
    more = _with(f"bin {crop.bin[0]},{crop.bin[1]} is {value}", factor)
    return _step(number, said[0].upper() + said[1:], more, room), block


def _bar(scale: Scale, shown: Shown, width: int = _GRID) -> Block:
    return colour_bar(scale, f"Colors: {shown.words}", width)


def _entries(drawings: Sequence[Drawing], shown: Shown) -> list[Entry]:
    """The legend: the box, what each kind has, and what else has a colour."""
    view, crops = drawings[0].view, [drawing.crop for drawing in drawings]
    found = [box_entry(drawings[0])]
    for drawing in drawings:
        found += ART[drawing.crop.plan.kind].legend(drawing)
    whole = (Span(-0.5, size - 0.5) for size in shown.map_size)
    off = any(not w.covers(s) for w, s in zip(whole, (view.rows, view.columns), strict=True))
    striped = ["off the map"] if off else []
    if void := [c.plan.convention.void_value for c in crops if c.void.any()]:
        given = " or ".join(dict.fromkeys(tidy(v) for v in void))
        striped.append(f"a bin with nothing to pool, which gives {given}")
    if striped:
        found.append(_plain(", or ".join(striped), None))
    values = np.concatenate([shown.seen(view)[0].ravel(), *(c.values.ravel() for c in crops)])
    lowest = f"{brief(LOWEST_FLOAT32, 5)}: where a maximum starts, and stays if it meets no number"
    for holds, colour, name in (
        (np.isnan(values), NOT_A_NUMBER, "NaN (not a number)"),
        (values == np.inf, INFINITE, "∞ (infinity)"),
        (values == -np.inf, MINUS_INFINITE, "−∞ (minus infinity)"),
        (np.isfinite(values) & (values <= LOWEST_FLOAT32), BEYOND, lowest),
    ):
        if holds.any():
            found.append(_plain(name, colour))
    return found


def _plain(text: str, background: Colour | None) -> Entry:
    """A background that says it all."""
    return Entry(lambda brush: None, text, background)


def _page(title: str, blocks: Sequence[Block], drawings: Sequence[Drawing]) -> Sheet:
    """The figure with what is odd about it, and below what it is of, with every setting."""
    ratio = drawings[0].view.cell_y / drawings[0].view.cell_x
    notes = [*map(shift, drawings)]
    if ratio > 1.01:
        notes.append(f"Cells are drawn {tidy(ratio, 1)} times as high as wide.")
    elif ratio < 0.99:
        notes.append(f"Cells are drawn {tidy(1 / ratio, 1)} times as wide as high.")
    said = paragraph(" ".join(filter(None, dict.fromkeys(notes))), INNER)
    subject, true = drawings[0].subject, drawings[0].true
    (y0, x0), (y1, x1) = (true.pixel_of(*corner) for corner in true.outline[[0, 2]].tolist())
    corners = f"x {tidy(x0)} to {tidy(x1)}, y {tidy(y0)} to {tidy(y1)} pixels"
    file, image = (
        shorten(clean(text), SMALL, INNER / 3).replace(" ", "\u00a0")
        for text in (subject.file, subject.image)
    )
    small = [f"{file} · image {image} · box {subject.box}: {corners}"]
    small += [subject.level] if subject.level else []
    small += [settings(d.crop.plan, d.crop.k) for d in drawings]
    return page(title, [*blocks, said], small)


def settings(plan: Plan, k: int) -> str:
    """Every parameter in use, whether the convention's own or not."""
    rule = plan.convention
    (bins_y, bins_x), (height, width) = plan.output_size, plan.map_size
    said = [
        f"convention {rule.name}",
        f"{bins_y}×{bins_x} bins",
        in_words.reduction(rule, plan.count(k)),
    ]
    if plan.kind in ("sample", "piece"):
        said.append("aligned" if rule.aligned else "not aligned")
        if rule.offset_before:
            said.append(f"corners moved {tidy(rule.offset_before)} pixels before scaling")
        if rule.min_size:
            said.append(f"boxes at least {tidy(rule.min_size)} cell")
    if plan.kind == "point":
        said.append(f"{rule.interpolation} interpolation")
    said += [f"spatial scale {tidy(plan.spatial_scale, 6)}", f"map of {height}×{width} cells"]
    # A line may end between two settings, but not within one.
    return "\u00a0· ".join(part.replace(" ", "\u00a0") for part in said)
