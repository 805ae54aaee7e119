"""Line charts with logarithmic axes, side by side, as one PNG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont


@dataclass(frozen=True)
class Panel:
    """One chart: series by name, each with a time in milliseconds for every x."""

    label: str
    x: Sequence[float]
    series: Mapping[str, Sequence[float]]


def draw(panels: Sequence[Panel], path: Path, *, title: str) -> None:
    """Two panels a row, with one scale of time for all; grey lines rise as linear growth does."""
    columns = min(2, len(panels))
    lines = math.ceil(len(panels) / columns)
    image = Image.new("RGB", (columns * _WIDTH, _HEAD + lines * _HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    pen.text((_LEFT, 14), title, fill=_INK, font=_font(18))
    _legend(pen, list(panels[0].series), y=44)
    times = [t for panel in panels for series in panel.series.values() for t in series]
    for number, panel in enumerate(panels):
        corner = (number % columns * _WIDTH, _HEAD + number // columns * _HEIGHT)
        _Chart(pen, corner, _decades(panel.x), _decades(times)).draw(panel)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, optimize=True)


_WIDTH, _HEIGHT, _HEAD = 580, 380, 72
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 44, 10, 62  # margins of a chart
_INK, _GRID, _LINEAR = "#222222", "#e4e4e4", "#b0b0b0"
_COLOURS = ("#0060a8", "#d06000", "#308030", "#903090")


@dataclass(frozen=True)
class _Chart:
    """Where values lie: `x_range` and `y_range` are whole powers of ten."""

    pen: ImageDraw.ImageDraw
    corner: tuple[int, int]
    x_range: tuple[int, int]
    y_range: tuple[int, int]

    def draw(self, panel: Panel) -> None:
        self._axes(panel.label)
        self._linear_growth()
        for colour, times in zip(_COLOURS, panel.series.values(), strict=False):
            pairs = zip(panel.x, times, strict=True)
            points = [self._at(math.log10(x), math.log10(time)) for x, time in pairs]
            self.pen.line(points, fill=colour, width=2)
            for x, y in points:
                self.pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)

    def _axes(self, label: str) -> None:
        (left, right), (low, high) = self.x_range, self.y_range
        for power in range(left, right + 1):
            foot = self._at(power, low)
            self.pen.line([foot, self._at(power, high)], fill=_GRID)
            self.pen.text((foot[0], foot[1] + 6), f"{10**power:,}", _INK, _font(13), anchor="ma")
        for power in range(low, high + 1):
            foot = self._at(left, power)
            self.pen.line([foot, self._at(right, power)], fill=_GRID)
            text = f"{10.0**power:g} ms"
            self.pen.text((foot[0] - 8, foot[1]), text, _INK, _font(13), anchor="rm")
        middle = self._at((left + right) / 2, low)
        self.pen.text((middle[0], middle[1] + 26), label, _INK, _font(15), anchor="ma")
        self.pen.rectangle([self._at(left, high), self._at(right, low)], outline=_INK)

    def _linear_growth(self) -> None:
        (left, right), (low, high) = self.x_range, self.y_range
        for start in range(low - (right - left), high):
            rise = [(left + max(0, low - start)), min(right, left + high - start)]
            if rise[0] < rise[1]:
                ends = [self._at(x, start + x - left) for x in rise]
                self.pen.line(ends, fill=_LINEAR)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a pair of logarithms."""
        (left, right), (low, high) = self.x_range, self.y_range
        across = _WIDTH - _LEFT - _RIGHT
        down = _HEIGHT - _TOP - _BOTTOM
        return (
            self.corner[0] + _LEFT + across * (x - left) / (right - left),
            self.corner[1] + _TOP + down * (high - y) / (high - low),
        )


def _legend(pen: ImageDraw.ImageDraw, names: Sequence[str], y: int) -> None:
    x = float(_LEFT)
    entries = [*zip(_COLOURS, names, strict=False), (_LINEAR, "linear growth")]
    for colour, name in entries:
        pen.line([(x, y + 8), (x + 24, y + 8)], fill=colour, width=3)
        pen.text((x + 32, y), name, _INK, _font(14))
        x += 32 + pen.textlength(name, _font(14)) + 28


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
