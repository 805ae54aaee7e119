"""The page's planner is `roicrop.sampling`, in a real browser: to the bit, for every convention."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from roicrop import job as jobs
from roicrop.conventions import PLAIN, Convention, resolve
from roicrop.errors import BoxError
from roicrop.explanation import Explanation, Source
from roicrop.explorer import explore
from roicrop.job import Job, Request
from roicrop.sampling import AxisPlan, SeparablePlan
from tests.explorer.using import page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BOXES = 200
BINS = (2, 3)
HEIGHT, WIDTH, STRIDE = 11, 14, 8

# What the page makes of every box under a convention, as JSON has it.
ASK = """([key, asked, boxes]) => JSON.stringify(boxes.map((k) => {
  const pooling = roicrop.pool(k, key, {ratio: null, aligned: null, mode: null, ...asked});
  if (pooling.plan.refused) return null;
  const side = (axis, sides) => ({
    count: axis.count,
    samples: sides.flatMap(({ samples }) => samples.map((s) => [
      s.index, s.position, s.readAt, s.low, s.high, s.weightLow, s.weightHigh, s.share,
      Number(s.inside),
    ])),
  });
  const { plan } = pooling;
  return { y: side(plan.y, pooling.y), x: side(plan.x, pooling.x), values: pooling.values() };
}), (_, v) => typeof v === "number" && !Number.isFinite(v) ? `${v}` : v)"""


def boxes() -> np.ndarray:
    """Everywhere around a map: whole, tiny, of no size, reversed, on halves of cells, and huge."""
    random = np.random.default_rng(18)
    corners = random.uniform(-40, 150, (BOXES, 4))
    corners[:60, 2:] = corners[:60, :2] + random.uniform(0, 60, (60, 2))
    corners[60:90, 2:] = corners[60:90, :2] + random.uniform(0, 5, (30, 2))
    corners[90:120] = np.round(corners[90:120] / 4) * 4
    corners[120:150] = np.sort(corners[120:150].reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    corners[150:155, 2:] = corners[150:155, :2]
    corners[155:160] *= 1000
    return corners


def write(path: Path, dtype: str, corners: np.ndarray) -> Request:
    random = np.random.default_rng(19)
    maps = random.standard_normal((1, 1, HEIGHT, WIDTH)).astype(dtype) * 50
    with h5py.File(path / "maps.h5", "w") as file:
        file["features"] = maps
        file["features"].attrs["stride"] = STRIDE
    lines = ["x1,y1,x2,y2", *(",".join(map(repr, row)) for row in corners.tolist())]
    (path / "boxes.csv").write_text("\n".join(lines) + "\n")
    return Request(
        features=str(path / "maps.h5"),
        boxes=str(path / "boxes.csv"),
        convention=PLAIN["mask-rcnn"],
        output_size=BINS,
        on_bad_box="keep",
        image_size=(HEIGHT * STRIDE, WIDTH * STRIDE),
    )


@pytest.fixture(scope="module", params=["float32", "float64"])
def opened(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Job, Page]]:
    folder = tmp_path_factory.mktemp(request.param)
    asked = write(folder, request.param, boxes())
    with jobs.open_job(asked) as job:
        explore(job).save(folder / "page.html")
        page = browser.new_page()
        page.goto((folder / "page.html").as_uri())
        page.wait_for_function("globalThis.roicrop")
        yield job, page
        page.close()


def number(value: float | str) -> float:
    return float(value.replace("Infinity", "inf")) if isinstance(value, str) else value


def found(page: Page, key: str, rows: range, asked: Mapping[str, Any]) -> list[Any]:
    result = json.loads(page.evaluate(ASK, [key, asked, list(rows)]))
    assert isinstance(result, list)
    return result


def hold(job: Job, page: Page, convention: Convention, rows: range, **asked: Any) -> None:
    """The page and Python agree on boxes under a convention."""
    answers = found(page, convention.name, rows, asked)
    (on_map,) = job.by_map()
    features = on_map.features[0].copy()
    most = max(1.0, float(np.abs(features).max()))
    for k in (k for k, answer in zip(rows, answers, strict=True) if answer is None):
        with pytest.raises(BoxError):
            on_map.take(np.array([k])).plan(convention)
    accepted = [k for k, answer in zip(rows, answers, strict=True) if answer is not None]
    plan = on_map.take(np.array(accepted)).plan(convention)
    assert isinstance(plan, SeparablePlan)
    for k, answer in enumerate(filter(None, answers)):
        for axis, its in ((plan.y, answer["y"]), (plan.x, answer["x"])):
            compare_samples(axis, k, its, f"box {accepted[k]}")
        values = np.array([number(v) for line in answer["values"] for v in line])
        np.testing.assert_allclose(values, explained(plan, k, features), rtol=0, atol=1e-6 * most)


def compare_samples(axis: AxisPlan, k: int, its: Any, box: str) -> None:
    if axis.convention.kind in ("sample", "point"):
        assert its["count"] == axis.count[k], box
    s = axis.samples(k)
    expected = [
        getattr(s, name).astype(np.float64)
        for name in (
            *("index", "position", "read_at", "low", "high"),
            *("weight_low", "weight_high", "share", "inside"),
        )
    ]
    listed = np.array([[number(v) for v in line] for line in its["samples"]]).reshape(-1, 9)
    if len(listed) < len(s):  # of very many, the page lists those in range
        expected = [column[s.inside] for column in expected]
        listed = listed[listed[:, 8] == 1]
    # Of what is out of range, only where it lies and that it counts nothing is said.
    inside = expected[8] == 1
    for n, column in enumerate(expected):
        of = slice(None) if n in (0, 1, 5, 6, 8) else inside
        np.testing.assert_array_equal(listed[of, n], column[of], err_msg=box)


def explained(plan: SeparablePlan, k: int, features: np.ndarray) -> np.ndarray:
    nothing = np.zeros(plan.output_size, features.dtype)
    account = Explanation(Source("", "", 0), plan, k, 0, features, nothing)
    return np.array([bin_.value for bin_ in account.bins()])


def test_every_convention_is_offered(opened: tuple[Job, Page]) -> None:
    _, page = opened
    assert set(page.evaluate("roicrop.conventions")) == set(PLAIN)


@pytest.mark.parametrize("convention", PLAIN.values(), ids=lambda row: row.name)
def test_the_page_samples_to_the_bit_and_sums_as_explain_does(
    opened: tuple[Job, Page], convention: Convention
) -> None:
    """200 boxes in float32, and some in float64."""
    job, page = opened
    hold(job, page, convention, range(0, BOXES, 1 if job.source.dtype == np.float32 else 8))


@pytest.mark.parametrize(
    ("name", "asked", "options"),
    [
        ("detectron2", {"ratio": 3, "aligned": False}, {"sampling_ratio": 3, "aligned": False}),
        ("torchvision", {"ratio": "exact"}, {"sampling_ratio": "exact"}),
        ("openvino", {"aligned": True, "mode": "max"}, {"aligned": True, "mode": "max"}),
        ("onnx", {"mode": "max", "ratio": 1}, {"mode": "max", "sampling_ratio": 1}),
        ("openvino-extractor", {"aligned": True}, {"aligned": True}),
        ("mmcv", {"mode": "max"}, {"mode": "max"}),
        ("fast-rcnn", {"mode": "avg"}, {"mode": "avg"}),
        ("tensorflow", {"mode": "max"}, {"mode": "max"}),
    ],
)
def test_what_is_asked_of_a_convention_is_as_the_options_have_it(
    opened: tuple[Job, Page], name: str, asked: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    job, page = opened
    row = resolve(name, PLAIN[name].operator, **options)
    hold(job, page, row, range(0, BOXES, 4), **asked)


def test_half_precision_is_read_as_it_is(browser: Browser, tmp_path: Path) -> None:
    request = write(tmp_path, "float16", boxes()[:5])
    with h5py.File(tmp_path / "maps.h5", "r+") as file:
        stored = np.array([0, -0.0, 6e-8, -6e-5, 1, 65504, np.inf, np.nan], np.float16)
        file["features"][0, 0, 0, :8] = stored
    page_of(request).save(tmp_path / "page.html")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    read = page.evaluate("[...roicrop.pool(0, 'mask-rcnn').features.values].slice(0, 8)")
    np.testing.assert_array_equal(read, stored.astype(np.float64))
    page.close()


def test_a_convention_with_what_the_planner_lacks_is_not_offered(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is a value or a whole field."""
    request = write(tmp_path, "float32", boxes()[:5])
    html = page_of(request).html
    assert '"border":"zero"' in html
    html = html.replace('"border":"zero"', '"border":"wrap"')
    html = html.replace('"fields":{"min_size":1.0', '"fields":{"twist":0.5,"min_size":1.0')
    (tmp_path / "page.html").write_text(html, "utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    offered = set(page.evaluate("roicrop.conventions"))
    assert "prroi" not in offered
    assert "mask-rcnn" not in offered
    assert "detectron2" in offered
    said = page.inner_text("#not-offered")
    assert 'prroi: the page does not support border = "wrap"' in said
    assert "mask-rcnn: the page does not support twist = 0.5" in said
    page.close()
