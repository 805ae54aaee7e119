"""The head of every picture: the operator, the file, the image, the box and the parameters."""

from __future__ import annotations

from dataclasses import dataclass

from roicrop.conventions import in_words
from roicrop.draw import font
from roicrop.draw.colour import INK, MUTED
from roicrop.draw.sheet import Column, Paragraph, Sheet
from roicrop.draw.subject import Subject, true_axes
from roicrop.sampling import Plan
from roicrop.text import tidy


@dataclass(frozen=True, slots=True)
class OneLine:
    """A text in one line, shortened to fit."""

    text: str
    width: int
    size: int = font.NORMAL

    @property
    def height(self) -> int:
        """One line."""
        return font.line_height(self.size)

    def place(self, sheet: Sheet, x: int, y: int) -> None:
        """In ink."""
        sheet.text(x, y, font.shorten(self.text, self.size, self.width), self.size, INK)


def title(
    heading: str, plan: Plan, k: int, subject: Subject, settings: list[str], width: int
) -> Column:
    """Three parts below one another: what is done, to what, and with which settings."""
    lines = [OneLine(font.clean(heading), width, font.TITLE), _whereabouts(plan, k, subject, width)]
    if subject.level is not None:
        lines.append(OneLine(font.clean(subject.level), width))
    return Column([*lines, *(Paragraph(s, width, font.SMALL, MUTED) for s in settings)], gap=4)


def _whereabouts(plan: Plan, k: int, subject: Subject, width: int) -> OneLine:
    true_y, true_x = true_axes(subject, plan, k)
    corners = (
        f"x {tidy(true_x.low)} to {tidy(true_x.high)}, y {tidy(true_y.low)} to {tidy(true_y.high)}"
    )
    tail = f"     box {font.clean(subject.box)}: {corners} pixels"
    room = width - font.width(tail, font.NORMAL)
    file, image, between = font.clean(subject.file), font.clean(subject.image), "     image "
    room -= font.width(between, font.NORMAL)
    # The image's name may take a third when both are long.
    image = font.shorten(image, font.NORMAL, max(room / 3, room - font.width(file, font.NORMAL)))
    file = font.shorten(file, font.NORMAL, room - font.width(image, font.NORMAL))
    return OneLine(file + between + image + tail, width)


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
