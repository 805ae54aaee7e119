"""Explanations of boxes, for the tests of explanations."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st
from numpy.typing import NDArray

import roicrop
from roicrop.conventions import PLAIN, Convention, resolve
from roicrop.errors import BoxError
from roicrop.explanation import (
    Bin,
    Explanation,
    Source,
    as_csv,
    as_json,
    in_words,
)
from roicrop.sampling import plan

Array = NDArray[Any]
Box = tuple[float, float, float, float]
Case = tuple[Array, Box, Convention, tuple[int, int], float]

LISTING = Path(__file__).parents[1] / "data" / "notebook_listing.txt"
NOTEBOOK_MAP = np.arange(100, dtype=np.float32).reshape(2, 5, 5, 2)[1]  # (H, W, C)
NOTEBOOK_BOX = (1.0, 4.0, 4.0, 4.0)
NOISE = np.random.default_rng(4).standard_normal((20, 30), dtype=np.float32)
RULES = [
    resolve(name, row.operator, mode=mode, sampling_ratio=ratio)
    for name, row in PLAIN.items()
    for mode in ("avg", "max")
    for ratio in (None, 1, 3, "adaptive", "exact")
    if ratio is None or "sampling_ratio" in row.options
    if mode == "avg" or "exact" not in (ratio or row.sampling_ratio,)
] + [resolve("tensorflow", interpolation="nearest", extrapolation_value=-1)]


def explain(
    features: Array,
    box: Box,
    row: Convention | str,
    output_size: tuple[int, int] = (1, 1),
    spatial_scale: float = 1.0,
    **source: Any,
) -> Explanation:
    """The explanation of one xyxy box on an (H, W) map."""
    if isinstance(row, str):
        row = PLAIN[row]
    boxes = np.array([box])
    planned = plan(
        boxes,
        (features.shape[0], features.shape[1]),
        output_size,
        convention=row,
        spatial_scale=spatial_scale,
        dtype=np.float64 if features.dtype == np.float64 else np.float32,
    )
    crop: Any = roicrop.roi_pool if row.operator == "pool" else roicrop.roi_align
    if row.order == "yxyx":
        boxes = boxes[:, [1, 0, 3, 2]]
    pooled = crop(features[None, None], [boxes], output_size, spatial_scale, convention=row)
    about = Source(file="maps.h5::/features", image="0", box=3, **source)
    return Explanation(about, planned, 0, 0, features, pooled[0, 0])


def notebook() -> Explanation:
    return explain(NOTEBOOK_MAP[..., 0], NOTEBOOK_BOX, "mask-rcnn", (4, 4))


def one(explanation: Explanation, only: tuple[int, int] = (0, 0)) -> Bin:
    (bin_,) = explanation.bins(only)
    return bin_


def words(explanation: Explanation, *arguments: Any) -> str:
    return "\n".join(in_words(explanation, *arguments))


def squeezed(text: str) -> str:
    """The text with single spaces."""
    return " ".join(text.split())


def parsed(explanation: Explanation, *arguments: Any) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads("\n".join(as_json([explanation], *arguments)), parse_constant=refuse)


def rows(explanation: Explanation, *arguments: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(as_csv([explanation], *arguments)))


corner = st.floats(-12, 40, width=16) | st.integers(-3, 33).map(float)
sizes = st.integers(1, 3)


@st.composite
def anything(draw: st.DrawFn) -> Case:
    """A map, a box on it, rules, an output size and a scale."""
    row = draw(st.sampled_from(RULES))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    features = np.random.default_rng(draw(st.integers(0, 99))).standard_normal((height, width))
    x1, y1, x2, y2 = draw(st.tuples(corner, corner, corner, corner))
    if draw(st.booleans()):
        x1, x2, y1, y2 = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    box = (x1, y1, x2, y2)
    if row.normalized:
        box = (x1 / 32, y1 / 32, x2 / 32, y2 / 32)
    output_size = draw(sizes), draw(sizes)
    return (
        (features * 3).astype(dtype),
        box,
        row,
        output_size,
        draw(st.sampled_from([1, 0.25, 0.3])),
    )


def explained(case: Case) -> Explanation:
    """Its explanation, unless the convention refuses the box."""
    try:
        return explain(*case)
    except BoxError:
        reject()


def roundings(axis: dict[str, Any]) -> list[tuple[str, float, float]]:
    return [(step["what"], step["before"], step["after"]) for step in axis["roundings"]]
