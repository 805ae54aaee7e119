"""Shared by the tests of figures: boxes on a map, and figures of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from roicrop import operators
from roicrop.conventions import PLAIN, Operator, SamplingRatio
from roicrop.draw import Crop, Shown, Subject, default_bin, panel
from roicrop.draw.sheet import Sheet
from roicrop.draw.view import Span, View, fit, over_channels
from roicrop.job import Photo

Array = NDArray[Any]
Box = tuple[float, float, float, float]

WIDEST = 1320
STRIDE = 8.0
FEATURES = np.random.default_rng(7).normal(size=(3, 24, 30)).astype(np.float32)
SUBJECT = Subject("page.h5::/stride8", "page", "3")


class InMemory(Photo):
    """A photograph that no file holds."""

    @property
    def image(self) -> Image.Image:
        ramp = np.arange(192 * 240 * 3).reshape(192, 240, 3) % 251
        return Image.fromarray(ramp.astype(np.uint8))


PHOTO = InMemory(Path("in memory"))


def crop(
    box: Box,
    bins: tuple[int, int] | int = 7,
    *,
    convention: str = "mask-rcnn",
    ratio: SamplingRatio | None = None,
    features: Array = FEATURES,
    scale: float = 1 / STRIDE,
    channel: int | None = None,
    chosen: tuple[int, int] | None = None,
) -> Crop:
    """The plan of one box, and what it pools."""
    boxes = np.array([box], dtype=np.float64)
    operator: Operator = PLAIN[convention].operator
    plan = operators.plan(
        boxes,
        features.shape[1:],
        bins,
        scale,
        ratio,
        convention=convention,
        operator=operator,
        dtype=features.dtype,
    )
    rows = np.concatenate([np.zeros((1, 1)), boxes], axis=1)
    batch = features[np.newaxis]
    with np.errstate(invalid="ignore", over="ignore"):
        if operator == "pool":
            pooled = operators.roi_pool(batch, rows, bins, scale, convention=convention)
        else:
            pooled = operators.roi_align(batch, rows, bins, scale, ratio, convention=convention)
    values = over_channels(pooled[0], channel)
    return Crop(plan, 0, values, chosen or default_bin(values))


def panel_of(
    box: Box,
    bins: tuple[int, int] | int = 7,
    *,
    subject: Subject = SUBJECT,
    channel: int | None = None,
    features: Array = FEATURES,
    photo: Photo | None = None,
    **options: Any,
) -> Sheet:
    found = crop(box, bins, features=features, channel=channel, **options)
    return panel(Shown.of(features, channel), found, subject=subject, photo=photo)


def text_of(sheet: Sheet) -> str:
    return " ".join(p.text for p in sheet.placed if p.text).replace("\u00a0", " ")


def assert_legible(sheet: Sheet) -> None:
    """Nothing lies on anything else, but for texts within a raster, and all is on the paper."""
    texts = [p for p in sheet.placed if p.text]
    rasters = [p for p in sheet.placed if not p.text]
    edges = np.array([(p.left, p.top, p.right, p.bottom) for p in [*texts, *rasters]])
    assert edges[:, :2].min() >= 0
    assert edges[:, 2].max() <= WIDEST
    # The letters of a line take less than its height.
    edges[: len(texts), 1] += 2
    edges[: len(texts), 3] -= 3
    common = np.minimum(edges[:, None, 2:], edges[None, :, 2:]) - np.maximum(
        edges[:, None, :2], edges[None, :, :2]
    )
    meet = np.argwhere(np.triu((common > 0.5).all(axis=-1), 1))
    for i, j in meet:
        one, other = (([*texts, *rasters])[n] for n in (i, j))
        assert one.text, "two rasters overlap"
        assert not other.text, (one, other)
        assert one.left >= other.left - 1, (one, other)
        assert one.right <= other.right + 1, (one, other)
        assert one.top >= other.top - 2, (one, other)
        assert one.bottom <= other.bottom + 2, (one, other)


_CORNER = st.floats(-400, 700, width=32)
BOXES = st.tuples(_CORNER, _CORNER, _CORNER, _CORNER) | st.tuples(
    st.floats(0, 200), st.floats(0, 150), st.floats(0, 6), st.floats(0, 6)
).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
BINS = st.tuples(st.integers(1, 14), st.integers(1, 14))


def view_of(rows: Span, columns: Span, height: int = 300, width: int = 400) -> View:
    return fit(rows, columns, (24, 30), width, (height, height))
