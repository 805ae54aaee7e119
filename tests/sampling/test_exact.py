"""The exact integral: `sampling_ratio="exact"`, and the convention prroi."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import roicrop
from roicrop.conventions import PLAIN

pytestmark = pytest.mark.core

Array = NDArray[Any]

HEIGHT, WIDTH = 9, 11
MAP = np.random.default_rng(5).uniform(-1, 1, (HEIGHT, WIDTH))
NAMES = ("prroi", "detectron2", "mask-rcnn")
AVERAGES = [name for name, row in PLAIN.items() if "sampling_ratio" in row.options]


def exact(
    box: Any, output_size: Any = 1, *, features: Array = MAP, name: str = "prroi", **options: Any
) -> Array:
    """(PH, PW) of one box."""
    options = {"sampling_ratio": "exact", **options}
    pooled = roicrop.roi_align(
        features[None], [[0, *box]], output_size, convention=name, layout="CHW", **options
    )
    bins: Array = pooled[0, 0]
    return bins


def surface(y: Array, x: Array, *, fades: bool) -> Array:
    """The bilinear surface at every y and x, in index coordinates, by its definition."""
    if not fades:
        inside = ((y >= -1) & (y <= HEIGHT))[:, None] & ((x >= -1) & (x <= WIDTH))
        clamped = surface(y.clip(0, HEIGHT - 1), x.clip(0, WIDTH - 1), fades=True)
        kept: Array = np.where(inside, clamped, 0)
        return kept
    hats_y = np.maximum(0, 1 - np.abs(y[:, None] - np.arange(HEIGHT)))
    hats_x = np.maximum(0, 1 - np.abs(x[:, None] - np.arange(WIDTH)))
    faded: Array = hats_y @ MAP @ hats_x.T
    return faded


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "box",
    [
        (2.3, 1.1, 8.9, 6.7),
        (3.25, 4.5, 3.75, 4.6),
        (-2.5, -3.0, 4.0, 2.0),
        (6.0, 5.5, 14.0, 12.5),
        (-9.0, -5.0, 30.0, 20.0),
        (8.5, 6.5, 2.5, 1.5),
        (2.0, 3.0, 6.0, 5.0),
    ],
)
def test_exact_pooling_is_the_integral_of_the_surface(
    name: str, box: tuple[float, float, float, float]
) -> None:
    fine = 2000
    row = PLAIN[name]
    x1, y1, x2, y2 = np.array(box) + row.offset_after
    if row.min_size is not None:
        x2, y2 = max(x2, x1 + row.min_size), max(y2, y1 + row.min_size)
    y = y1 + (np.arange(fine) + 0.5) / fine * (y2 - y1)
    x = x1 + (np.arange(fine) + 0.5) / fine * (x2 - x1)
    values = surface(y, x, fades=row.border == "zero")
    means = values.reshape(2, fine // 2, 4, fine // 4).mean(axis=(1, 3))
    if x1 == x2 or y1 == y2:
        means[...] = 0
    np.testing.assert_allclose(exact(box, (2, 4), name=name), means, atol=2e-3)


@pytest.mark.parametrize("name", AVERAGES)
def test_exact_pooling_is_the_limit_of_ever_more_samples(name: str) -> None:
    box = (1.7, 0.9, 9.1, 10.4)
    limit = exact(box, (2, 3), name=name)
    errors = [
        np.abs(exact(box, (2, 3), name=name, sampling_ratio=ratio) - limit).max()
        for ratio in (1, 4, 16, 64, 256)
    ]
    assert errors[-1] < 5e-3
    assert all(b < a for a, b in itertools.pairwise(errors))


corner = st.floats(-2.0, 10.0, width=32)
size = st.floats(0.25, 12.0, width=32)


@given(x=corner, y=corner, width=size, height=size, corner=st.integers(0, 3))
def test_exact_pooling_is_continuous_in_the_boxs_corners(
    x: float, y: float, width: float, height: float, corner: int
) -> None:
    box = np.array([x, y, x + width, y + height])
    for step in (1e-3, 1e-6):
        moved = box.copy()
        moved[corner] += step
        for name in ("prroi", "detectron2"):
            change = np.abs(exact(moved, 3, name=name) - exact(box, 3, name=name)).max()
            assert change <= 40 * step


@given(x=corner, y=corner, width=size, height=size)
def test_the_mean_of_the_bins_is_the_box_as_one_bin(
    x: float, y: float, width: float, height: float
) -> None:
    box = (x, y, x + width, y + height)
    for name in NAMES:
        np.testing.assert_allclose(
            exact(box, (3, 5), name=name).mean(), exact(box, name=name)[0, 0], atol=1e-12
        )


def test_a_plane_pooled_exactly_is_its_value_at_the_middle_of_each_bin() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    pooled = exact((0.5, 1.25, 8.5, 6.25), (2, 4), features=3 * y - 2 * x + 1)
    middles_y, middles_x = np.array([2.5, 5.0]), np.array([1.5, 3.5, 5.5, 7.5])
    np.testing.assert_allclose(pooled, 3 * middles_y[:, None] - 2 * middles_x + 1, atol=1e-12)


def test_prroi_fades_to_0_over_the_cell_beyond_the_map() -> None:
    ones = np.ones_like(MAP)
    across = [exact((x - 0.5, 3, x + 0.5, 4), features=ones)[0, 0] for x in (9.5, 10.5, 11.5, 12.5)]
    np.testing.assert_allclose(across, [1, 0.5, 0, 0])
    clamped = exact((10.0, 3.0, 11.0, 4.0), features=ones, name="torchvision")
    assert clamped == 1


def test_prroi_takes_a_reversed_box_for_one_of_no_size_which_gives_0() -> None:
    for box in ((4.0, 4.0, 2.0, 6.0), (4.0, 4.0, 6.0, 4.0), (3.0, 3.0, 3.0, 3.0)):
        assert (exact(box, 2) == 0).all()


def test_a_reversed_box_is_the_mirrored_crop() -> None:
    forward = exact((1.3, 0.8, 5.9, 4.1), (3, 4), name="detectron2")
    backward = exact((5.9, 4.1, 1.3, 0.8), (3, 4), name="detectron2")
    np.testing.assert_allclose(backward, forward[::-1, ::-1], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_bins_that_end_on_a_cells_centre_read_nothing_beyond_it(dtype: Any) -> None:
    features = np.zeros((1, 8), dtype)
    features[0, 7] = np.inf
    pooled = exact((-1.0, 0.0, 6.0, 1.0), (1, 3), features=features, name="torchvision")
    assert (pooled == 0).all()


def test_a_box_a_million_times_the_map_is_integrated_like_any_other() -> None:
    far = exact((-1e6, -1e6, 1e6, 1e6))[0, 0]
    np.testing.assert_allclose(far, MAP.sum() / 4e12, rtol=1e-9)
