"""Whatever roicrop makes, it can name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roicrop.boxes import BOX_FORMATS
from roicrop.conventions import PLAIN, Convention, effective, resolve
from roicrop.errors import ArgumentError
from roicrop.identification.hypotheses import RATIOS, all_rules
from roicrop.job import Request, pipeline
from tests.identification.tensors import STRIDE, Array, identified, same, write


@st.composite
def rows(draw: st.DrawFn) -> Convention:
    own = PLAIN[draw(st.sampled_from(sorted(PLAIN)))]
    while True:
        try:
            return resolve(
                own,
                own.operator,
                sampling_ratio=draw(st.sampled_from((None, *RATIOS))),
                aligned=draw(st.sampled_from((None, True, False))),
                mode=draw(st.sampled_from((None, "avg", "max"))),
            )
        except ArgumentError:
            continue


@settings(max_examples=8)
@given(
    row=rows(),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.sampled_from((1, 4, STRIDE)),
    written=st.sampled_from(BOX_FORMATS),
    inclusive=st.booleans(),
    dtype=st.sampled_from((np.float16, np.float32, np.float64)),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_roicrop_makes_it_identifies_or_calls_by_an_equal_name(
    tmp_path_factory: pytest.TempPathFactory,
    row: Convention,
    size: tuple[int, int],
    stride: int,
    written: Any,
    inclusive: bool,
    dtype: Any,
    seed: int,
) -> None:
    place = tmp_path_factory.mktemp("round")
    random = np.random.default_rng(seed)
    maps = random.standard_normal((1, 3, 13, 17)).astype(dtype)
    corner = random.uniform(-2, (15, 11), (20, 2))
    cells = np.concatenate([corner, corner + np.exp(random.uniform(-1, 2.3, (20, 2)))], axis=1)
    write(place, maps, to_format(cells * stride, written))
    asked = Request(
        features=str(place / "maps.h5"),
        boxes=str(place / "boxes.csv"),
        convention=row,
        output_size=size,
        spatial_scale=1 / stride,
        box_format=written,
        inclusive=inclusive,
        on_bad_box="keep",
    )
    with pipeline.open_job(asked) as job:
        pipeline.crop(job, str(place / "pooled.npy"))
    verdict = identified(place)
    assert any(same(trial.row, row) for trial in verdict.fits)
    assert verdict.fits[0].agreeing == verdict.fits[0].compared == 20


def to_format(boxes: Array, box_format: str) -> Array:
    """Corners (K, 4) xyxy as a file of that format has them."""
    first, last = boxes[:, :2], boxes[:, 2:]
    if box_format == "yxyx":
        return boxes[:, [1, 0, 3, 2]]
    if box_format == "xywh":
        return np.concatenate([first, last - first], axis=1)
    if box_format == "cxcywh":
        return np.concatenate([(first + last) / 2, last - first], axis=1)
    return boxes


def test_no_two_rules_are_effectively_the_same() -> None:
    keys = [repr(effective(rules.convention)) for rules in all_rules()]
    assert len(keys) == len(set(keys))
    assert {row.name for rules in all_rules() for row in rules.conventions} == set(PLAIN)
