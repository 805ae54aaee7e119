"""The figures of one box: under one plan, under two side by side, and under two on one map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from roicrop.conventions import LOWEST_FLOAT32, in_words
from roicrop.draw import colour, sheet
from roicrop.draw.canvas import SMALL, Brush, clean, shorten
from roicrop.draw.drawing import Crop, Drawing, box_entry, default_bin, side_lengths
from roicrop.draw.kinds import ART, reads, sample_mark
from roicrop.draw.map import BRACKET, BRACKETS, brackets_of, grid, map_block, marked, photograph
from roicrop.draw.view import GUTTER, Shown, Span, fit, in_sight, spans_of
from roicrop.explanation import settings_of
from roicrop.job import Photo, Subject
from roicrop.text import brief, tidy

_WIDE: Final = 2.4  # times as wide as high: such a box has its map below its photograph
_GRID: Final = 300
_MOST_BESIDE: Final = 16  # bins in a row; more need more room
_LEAST_SEEN: Final = 12.0  # pixels of a bin or cell; smaller ones are enlarged in an inset
_ENLARGED: Final = 1.6, 6.0  # the least and the most cells that an inset shows
_NONE: Final = sheet.NOTHING, sheet.NOTHING
Two = tuple[sheet.Block, sheet.Block]  # a head and a body, or brackets beside and above a map


def panel(shown: Shown, crop: Crop, *, subject: Subject, photo: Photo | None = None) -> sheet.Sheet:
    """One box under one plan in three steps: on the photograph, on the map, and pooled.

    photo: the image's; without it there are two steps.
    """
    rows, columns = _region([crop], subject)
    below = crop.plan.output_size[1] > _MOST_BESIDE
    wide = below or columns.size >= _WIDE * rows.size
    if wide:
        width = sheet.INNER - GUTTER - BRACKETS - (0 if below else _GRID + sheet.GAP)
        view = fit(rows, columns, shown.map_size, width, (240, 420))
    else:
        view = fit(rows, columns, shown.map_size, 560 if photo else 700, (300, 640))
    drawing, art = Drawing(crop, view, subject, shown), ART[crop.plan.kind]
    scale, first = shown.scale(view, crop.values[~crop.void]), 2 if photo else 1
    sides = brackets_of(art.spans(drawing), view)
    on_map = _on_map(first, drawing, scale, sides)
    inset = _inset([drawing], scale, 720 if wide else _GRID)
    said, values = _result(first + 1, crop, scale, sheet.INNER if below else _GRID, 420)
    last = said, sheet.column(values, _bar(scale, shown), sheet.NOTHING if wide else inset, gap=14)
    entries, beside = _entries([drawing], shown), False
    entries += [BRACKET] if any(side.height for side in sides) else []
    lines = [[on_map, last]]
    if wide:
        on_map = on_map[0], sheet.column(on_map[1], inset, gap=14)
        lines = [[on_map], [last]] if below else [[on_map, last]]
    if photo:
        left = view.width if wide else sheet.INNER - on_map[1].width - 2 * sheet.GAP - _GRID
        picture = _on_photo(photo, drawing, left, on_map[1].height)
        words = sheet.legend(entries, _GRID if wide else left)
        free = picture.height if wide else on_map[1].height - picture.height - sheet.GAP
        beside = words.height <= free and not below
        if wide:
            lines.insert(0, [_photo_step(drawing, picture, left)])
            lines[0] += [(sheet.NOTHING, words)] if beside else []
        else:
            body = sheet.column(picture, words if beside else sheet.NOTHING, gap=sheet.GAP)
            lines[0].insert(0, _photo_step(drawing, body, left))
    blocks = [sheet.side_by_side(*line) for line in lines]
    title = f"{in_words.operator_name(crop.plan.convention)} of box {subject.box}"
    return _page(title, [*blocks, sheet.legend([] if beside else entries, sheet.INNER)], [drawing])


def both(
    shown: Shown, crops: tuple[Crop, Crop], *, subject: Subject, photo: Photo | None = None
) -> sheet.Sheet:
    """Two operators on one box, side by side; the rest is as in `panel`."""
    side = (sheet.INNER - sheet.GAP) // 2
    room = side - GUTTER
    for _ in range(2):  # beside brackets, if there are some, the map is smaller
        view = fit(*_region(crops, subject), shown.map_size, room, (200, 560))
        drawings = [Drawing(crop, view, subject, shown) for crop in crops]
        sides = [brackets_of(ART[d.crop.plan.kind].spans(d), view) for d in drawings]
        room -= max(beside.width for beside, _ in sides)
    scale = shown.scale(view, *(crop.values[~crop.void] for crop in crops))
    above = max(each.height for _, each in sides)
    sides = [(beside, replace(each, height=above)) for beside, each in sides]
    entries, first = _entries(drawings, shown), 2 if photo else 1
    entries += [BRACKET] if any(each.height for pair in sides for each in pair) else []
    maps = [_on_map(first, *each) for each in zip(drawings, [scale] * 2, sides, strict=True)]
    maps = [(top, sheet.Block(side, body.height, body.place)) for top, body in maps]
    insets = [_inset([drawing], scale, side) for drawing in drawings]
    grids = [_result(first + 1, crop, scale, side, 270) for crop in crops]
    below = sheet.row(*(sheet.Block(side, each.height, each.place) for each in insets))
    blocks = [sheet.side_by_side(*maps), below, sheet.side_by_side(*grids)]
    if photo:
        on_photo = _photo_step(drawings[0], _on_photo(photo, drawings[0], side, 260), _GRID)
        room = sheet.INNER - on_photo[1].width - 2 * sheet.GAP
        words = sheet.column(sheet.legend(entries, room), _bar(scale, shown), gap=16)
        blocks.insert(0, sheet.side_by_side(on_photo, (sheet.NOTHING, words)))
    else:
        blocks += [_bar(scale, shown), sheet.legend(entries, sheet.INNER)]
    names = " and ".join(in_words.operator_name(crop.plan.convention) for crop in crops)
    return _page(f"{names} of box {subject.box}", blocks, drawings)


def overlay(
    shown: Shown,
    crops: tuple[Crop, Crop],
    *,
    names: tuple[str, str],
    subject: Subject,
    photo: Photo | None = None,
) -> sheet.Sheet:
    """Two conventions' bins and samples over one another, and where their results differ.

    names: what to call the two, for example "torchvision" and "onnx:sampling_ratio=2".
    crops: for one map and one output size. The bin in which they differ most is highlighted,
        whatever their own `bin` is.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        difference = crops[1].values - crops[0].values
    p, q = worst = default_bin(np.abs(difference))
    pair = [replace(crop, bin=worst) for crop in crops]
    view = fit(*_region(pair, subject), shown.map_size, 600, (300, 640))
    scale = shown.scale(view, *(crop.values[~crop.void] for crop in pair))
    signed = colour.scale_of_difference(difference)
    drawings = [
        Drawing(pair[0], view, subject, shown, colour.FIRST, ink=colour.FIRST),
        Drawing(pair[1], view, subject, shown, colour.SECOND, dashed=True, ink=colour.SECOND),
    ]
    map_, factor = map_block(shown, view, scale, _marks(drawings))
    room = (sheet.INNER - map_.width - 2 * sheet.GAP) // 2
    results: list[Two] = []
    for values, void, name, colours, its in (
        (pair[0].values, pair[0].void, names[0], [colour.FIRST], scale),
        (pair[1].values, pair[1].void, names[1], [colour.SECOND], scale),
        (difference, pair[0].void & pair[1].void, "difference: second − first",
         [colour.FIRST, colour.SECOND], signed),
    ):  # fmt: skip
        block, power = grid(values, void, its, room, 300, worst, colours)
        results.append((sheet.paragraph(_with(name, power), room, SMALL), block))
    one, other = (float(crop.values[p, q]) for crop in pair)
    said = [brief(v, 4, powers=True) for v in (other - one, one, other)]
    text = f"They differ most in bin {p},{q} of {shown.words}, by {said[0]}: "
    text += f"{names[0]} gives {said[1]}, {names[1]} {said[2]}."
    bars = [_bar(scale, shown, room), sheet.colour_bar(signed, "Colours of the difference", room)]
    words = sheet.column(sheet.paragraph(text, room), *bars, gap=12)
    right = sheet.column(
        sheet.side_by_side(*results[:2]), sheet.row(sheet.column(*results[2], gap=8), words), gap=18
    )
    entries = [*map(_look, drawings, names), *_entries(drawings, shown)]
    inset, below = _inset(drawings, scale, map_.width), sheet.legend(entries, map_.width)
    if photo:
        picture = _on_photo(photo, drawings[0], 240, 240)
        below = sheet.row(picture, sheet.legend(entries, map_.width - picture.width - sheet.GAP))
    left = sheet.column(map_, inset, below, gap=18)
    seen = _with(f"framed: bin {p},{q}", factor)
    notes = " ".join(filter(None, dict.fromkeys(map(_note, drawings))))
    first = _step(1, "Where each one reads", seen, left, notes)
    steps = sheet.side_by_side(first, _step(2, "What each one gives", "the same bin framed", right))
    return _page(f"{names[0]} and {names[1]} on box {subject.box}", [steps], drawings)


def _look(drawing: Drawing, name: str) -> sheet.Entry:
    def draw(brush: Brush) -> None:
        sheet.framed(3.0, drawing.colour, dashed=drawing.dashed)(brush)
        sample_mark(brush, brush.width / 2, brush.height / 2, 3.5, 0, drawing.ink)

    return sheet.Entry(draw, f"bins and samples of {name}")


def _region(crops: Sequence[Crop], subject: Subject) -> tuple[Span, Span]:
    """The rows and columns to show: the box, the bins, the cells that one reads, and a margin."""
    first = crops[0].plan
    box = subject.true_box(first, crops[0].k).outline
    seen = np.concatenate([box, *(part for crop in crops for part in (crop.whole, crop.read))])
    rows, columns = (in_sight(*each) for each in zip(spans_of(seen), first.map_size, strict=True))
    return rows, columns


def _inset(drawings: Sequence[Drawing], scale: colour.Scale, room: int) -> sheet.Block:
    """An inset of what one bin reads, or part of it, if too small on the map; else empty."""
    view, shown, crops = drawings[0].view, drawings[0].shown, [each.crop for each in drawings]
    sides = np.ptp([view.corners(crop.framed) for crop in crops], axis=1)
    nothing = all(crop.void[crop.bin] for crop in crops)
    if nothing or min(sides.min(), view.cell) >= _LEAST_SEEN:
        return sheet.NOTHING
    # Few enough cells to make the bin large, but at least the four that are read.
    least, most = _ENLARGED
    thin = min(min(side_lengths(crop.framed)) for crop in crops)
    cells = min(max(thin * room / _LEAST_SEEN, least), most)
    spans = []
    for n, span in enumerate(spans_of(np.concatenate([crop.read for crop in crops]))):
        middle = float(np.mean([crop.focus(shown)[n] for crop in crops]))
        low = max(span.low, min(middle - cells / 2, span.high - cells))
        spans.append(Span(low - 0.2, min(span.high, low + cells) + 0.2))
    larger = fit(spans[0], spans[1], shown.map_size, room - GUTTER, (200, 260))
    if larger.cell_y * larger.cell_x < 2 * view.cell_y * view.cell_x:
        return sheet.NOTHING
    on_it = [replace(each, view=larger) for each in drawings]
    labels = ART[crops[0].plan.kind].labels(on_it[0]) if len(on_it) == 1 else []
    block, factor = map_block(shown, larger, scale, _marks(on_it), labels)
    ys, xs = spans_of(np.concatenate([crop.framed for crop in crops]))
    part = "" if larger.rows.covers(ys) and larger.columns.covers(xs) else "part of "
    named = _with(f"enlarged: {part}{drawings[0].bin_name}", factor)
    caption = sheet.paragraph(named, room, SMALL)
    return sheet.column(caption, block, gap=6)


def _marks(drawings: Sequence[Drawing]) -> Callable[[Brush], None]:
    """The marks of the box, and those of each kind of plan."""

    def draw(brush: Brush) -> None:
        drawings[0].box(brush)
        for drawing in drawings:
            ART[drawing.crop.plan.kind].marks(drawing, brush)

    return draw


def _with(text: str, factor: str) -> str:
    return f"{text} (numbers {factor})" if factor else text


def _step(number: int, text: str, more: str, block: sheet.Block, note: str = "") -> Two:
    return sheet.head(f"{number}\u00a0\u00a0{text}", more, block.width, note), block


def _on_photo(photo: Photo, drawing: Drawing, width: int, height: int) -> sheet.Block:
    """The photograph in a frame of at most that size."""
    view, true = drawing.view.unstretched(width, height), drawing.true
    size, box = drawing.shown.map_size, replace(drawing, view=view).box
    return marked(view, lambda: photograph(photo.image, view, size, true.per_pixel), box)


def _photo_step(drawing: Drawing, body: sheet.Block, width: int) -> Two:
    y, x = drawing.true.per_pixel
    more = f"one square is one cell: {tidy(1 / x)}×{tidy(1 / y)} pixels"
    wider = sheet.Block(max(body.width, width), body.height, body.place)
    return _step(1, "The box on the image", more, wider)


def _on_map(number: int, drawing: Drawing, scale: colour.Scale, brackets: Two = _NONE) -> Two:
    crop, art = drawing.crop, ART[drawing.crop.plan.kind]
    labels, marks = art.labels(drawing), _marks([drawing])
    block, factor = map_block(drawing.shown, drawing.view, scale, marks, labels, brackets)
    terms = crop.plan.terms(crop.k, *crop.bin)
    unit = {"cell": "cell", "piece": "piece"}.get(crop.plan.kind, "sample")
    count = "×".join(f"{n:,}" for n in terms.count)
    made_of = f"1 {unit}" if terms.total == 1 else f"{count if terms.total else 'no'} {unit}s"
    more = _with(f"framed: {drawing.bin_name} ({made_of})", factor)
    title = f"{in_words.operator_name(crop.plan.convention)} {reads(crop)}"
    return _step(number, title, more, block, _note(drawing))


def _note(drawing: Drawing) -> str:
    """What to know in order to understand where bins lie and what they read."""
    own = ART[drawing.crop.plan.kind].note(drawing)
    if drawing.crop.plan.convention.position_sensitive:
        own = f"Each bin reads channels of its own; these are {drawing.bin_name}’s. {own}"
    return own


def _result(number: int, crop: Crop, scale: colour.Scale, room: int, height: int) -> Two:
    block, factor = grid(crop.values, crop.void, scale, room, height, crop.bin, [colour.FIRST])
    way = {"avg": "average", "max": "highest value", "corner-max": "highest weighted corner"}
    said = ART[crop.plan.kind].gives.format(way[crop.plan.convention.reduction])
    value = brief(float(crop.values[crop.bin]), 4, powers=True)
    more = _with(f"bin {crop.bin[0]},{crop.bin[1]} is {value}", factor)
    return _step(number, said[0].upper() + said[1:], more, block)


def _bar(scale: colour.Scale, shown: Shown, width: int = _GRID) -> sheet.Block:
    return sheet.colour_bar(scale, f"Colours: {shown.words}", width)


def _entries(drawings: Sequence[Drawing], shown: Shown) -> list[sheet.Entry]:
    """The legend: the box, the marks of each kind, and special colours."""
    view, crops = drawings[0].view, [drawing.crop for drawing in drawings]
    found = [box_entry(drawings[0])]
    for drawing in drawings:
        found += ART[drawing.crop.plan.kind].legend(drawing)
    whole = (Span(-0.5, size - 0.5) for size in shown.map_size)
    off = any(not w.covers(s) for w, s in zip(whole, (view.rows, view.columns), strict=True))
    striped = ["off the map"] if off else []
    striped += ["not read, being far from the box"] if shown.lacks(view) else []
    if void := [c.plan.convention.void_value for c in crops if c.void.any()]:
        given = " or ".join(dict.fromkeys(tidy(v) for v in void))
        striped.append(f"a bin with nothing to pool, which gives {given}")
    if striped:
        found.append(sheet.Entry(lambda brush: None, ", or ".join(striped), None))
    values = np.concatenate([shown.seen(view)[0].ravel(), *(c.values.ravel() for c in crops)])
    lowest = f"{brief(LOWEST_FLOAT32, 5)}: where a maximum starts, and stays if it meets no number"
    for holds, its, name in (
        (np.isnan(values), colour.NOT_A_NUMBER, "NaN (not a number)"),
        (values == np.inf, colour.INFINITE, "∞ (infinity)"),
        (values == -np.inf, colour.MINUS_INFINITE, "−∞ (minus infinity)"),
        (np.isfinite(values) & (values <= LOWEST_FLOAT32), colour.BEYOND, lowest),
    ):
        if holds.any():
            found.append(sheet.Entry(lambda brush: None, name, its))
    return found


def _page(title: str, blocks: Sequence[sheet.Block], drawings: Sequence[Drawing]) -> sheet.Sheet:
    """The page, with notes, and below the figure its source with every setting."""
    ratio = drawings[0].view.cell_y / drawings[0].view.cell_x
    high, way = max(ratio, 1 / ratio), "high as wide" if ratio > 1 else "wide as high"
    note = f"Cells are drawn {tidy(high, 1)} times as {way}." if high > 1.01 else ""
    said = sheet.paragraph(note, sheet.INNER)
    subject, true = drawings[0].subject, drawings[0].true
    plan, k = drawings[0].crop.plan, drawings[0].crop.k
    (y0, x0), (y1, x1) = (true.pixel_of(*corner) for corner in true.outline[[0, 2]].tolist())
    corners = f"x {tidy(x0)} to {tidy(x1)}, y {tidy(y0)} to {tidy(y1)} pixels"
    if turn := plan.turn(k):
        height, width = (n / each for n, each in zip(true.cells, true.per_pixel, strict=True))
        corners = f"centre {tidy((x0 + x1) / 2)}, {tidy((y0 + y1) / 2)}, {tidy(width)} × "
        corners += f"{tidy(height)} pixels, angle {tidy(float(turn.angle), 4)}"
    names = [shorten(clean(n), SMALL, sheet.INNER / 3) for n in (subject.file, subject.image)]
    file, image = (name.replace(" ", "\u00a0") for name in names)
    small = [f"{file} · image {image} · box {subject.box}: {corners}"]
    small += [subject.level] if subject.level else []
    for each in drawings:  # a line may break between two settings, but not within one
        settings = settings_of(each.crop.plan, each.crop.k)
        small.append("\u00a0· ".join(setting.replace(" ", "\u00a0") for setting in settings))
    return sheet.page(title, [*blocks, said], small)
