"""Boxes on a map, and the pictures of them: what the tests of pictures share."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from roicrop import operators
from roicrop.conventions import CONVENTIONS, Operator, SamplingRatio
from roicrop.draw import (
    Subject,
)
from roicrop.draw.pictures import compose_panel
from roicrop.draw.sheet import Sheet
from roicrop.draw.view import Span, View, fit
from roicrop.sampling import SeparablePlan

Array = NDArray[Any]
Box = tuple[float, float, float, float]

WIDEST = 1600
STRIDE = 8.0
FEATURES = np.random.default_rng(7).normal(size=(3, 24, 30)).astype(np.float32)
SUBJECT = Subject("page.h5::/stride8", "page", "3")


def crop(
    box: Box,
    bins: tuple[int, int] | int = 7,
    *,
    convention: str = "mask-rcnn",
    ratio: SamplingRatio | None = None,
    features: Array = FEATURES,
    scale: float = 1 / STRIDE,
) -> tuple[SeparablePlan, Array]:
    """The plan of one box, and what it pools."""
    boxes = np.array([box], dtype=np.float64)
    operator: Operator = CONVENTIONS[convention].operator
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
            return plan, operators.roi_pool(batch, rows, bins, scale, convention=convention)[0]
        pooled = operators.roi_align(batch, rows, bins, scale, ratio, convention=convention)
    return plan, pooled[0]


def panel_of(
    box: Box,
    bins: tuple[int, int] | int = 7,
    *,
    subject: Subject = SUBJECT,
    channel: int | None = None,
    features: Array = FEATURES,
    **options: Any,
) -> Sheet:
    plan, pooled = crop(box, bins, features=features, **options)
    return compose_panel(features, plan, 0, pooled, subject=subject, channel=channel)


def text_of(sheet: Sheet) -> str:
    return " ".join(p.text for p in sheet.placed if p.text)


def assert_legible(sheet: Sheet) -> None:
    """Nothing lies on anything else, but for numbers within a raster, and all is on the paper."""
    texts = [p for p in sheet.placed if p.text]
    rasters = [p for p in sheet.placed if not p.text]
    edges = np.array([(p.left, p.top, p.right, p.bottom) for p in [*texts, *rasters]])
    assert edges[:, :2].min() >= 0
    assert edges[:, 2].max() <= WIDEST
    common = np.minimum(edges[:, None, 2:], edges[None, :, 2:]) - np.maximum(
        edges[:, None, :2], edges[None, :, :2]
    )
    meet = np.argwhere(np.triu((common > 0.5).all(axis=-1), 1))
    for i, j in meet:
        one, other = (([*texts, *rasters])[n] for n in (i, j))
        assert one.text, "two rasters overlap"
        assert not other.text, (one, other)
        assert set(one.text) <= set("0123456789−–.e∞NaN"), (one, other)
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
    return fit(rows, columns, (24, 30), height, width)
