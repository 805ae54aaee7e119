"""The sample data: the files hold what their README says, and boxes and maps fit together."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

SAMPLE_DATA = Path(__file__).parents[1] / "sample_data"
FILES = {
    "README.md",
    "badge.png",
    "boxes.csv",
    "boxes.json",
    "features.h5",
    "head.onnx",
    "make.py",
    "page.png",
    "pyramid.h5",
    "requirements.txt",
    "two_images.csv",
    "two_images.h5",
    "two_images.json",
}
# Dataset, picture, shape, layout and stride.
MAPS = [
    ("features.h5", "features", "badge", (1, 96, 60, 60), "NCHW", 8),
    ("pyramid.h5", "stride16", "badge", (1, 96, 30, 30), "NCHW", 16),
    ("pyramid.h5", "stride32", "badge", (1, 96, 15, 15), "NCHW", 32),
    ("two_images.h5", "badge", "badge", (96, 30, 30), "CHW", 16),
    ("two_images.h5", "page", "page", (96, 24, 48), "CHW", 8),
]
every_map = pytest.mark.parametrize(
    ("file", "dataset", "picture", "shape", "layout", "stride"),
    MAPS,
    ids=[f"{file}-{dataset}" for file, dataset, *_ in MAPS],
)

Row = tuple[str, float, float, float, float, float, str]  # image, x1, y1, x2, y2, score, label


def test_the_files_are_there_and_together_smaller_than_one_and_a_half_megabytes() -> None:
    sizes = {path.name: path.stat().st_size for path in SAMPLE_DATA.iterdir() if path.is_file()}
    assert sizes.keys() >= FILES
    assert sum(sizes.values()) < 1_500_000


@pytest.mark.parametrize(
    ("stem", "count", "names"),
    [("boxes", 5, {"badge": "0"}), ("two_images", 12, {"badge": "badge", "page": "page"})],
)
def test_json_and_csv_hold_the_same_boxes_in_the_same_order(
    stem: str, count: int, names: dict[str, str]
) -> None:
    from_json = coco_rows(f"{stem}.json")
    assert len(from_json) == count
    assert [(names[image], *rest) for image, *rest in from_json] == csv_rows(f"{stem}.csv")


def test_the_badge_has_the_same_boxes_in_both_files() -> None:
    both = coco_rows("two_images.json")
    assert [row for row in both if row[0] == "badge"] == coco_rows("boxes.json")


def test_boxes_lie_within_their_picture_and_none_is_empty() -> None:
    for image, x1, y1, x2, y2, *_ in coco_rows("two_images.json"):
        width, height = picture_size(image)
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height


def test_the_coco_file_knows_the_size_of_the_pictures() -> None:
    for image in json.loads((SAMPLE_DATA / "two_images.json").read_text("utf-8"))["images"]:
        assert picture_size(Path(image["file_name"]).stem) == (image["width"], image["height"])


@every_map
def test_a_map_says_its_layout_and_stride_and_covers_its_picture(
    file: str, dataset: str, picture: str, shape: tuple[int, ...], layout: str, stride: int
) -> None:
    with h5py.File(SAMPLE_DATA / file) as opened:
        stored = opened[dataset]
        assert (stored.shape, stored.dtype) == (shape, np.float16)
        assert (stored.attrs["layout"], stored.attrs["stride"]) == (layout, stride)
    width, height = picture_size(picture)
    assert shape[-2:] == (height // stride, width // stride)
    assert height % stride == width % stride == 0


@every_map
def test_a_map_is_finite_and_stronger_inside_the_boxes_than_at_half_or_twice_their_place(
    file: str, dataset: str, picture: str, shape: tuple[int, ...], layout: str, stride: int
) -> None:
    with h5py.File(SAMPLE_DATA / file) as opened:
        features = opened[dataset][...].astype(np.float32).reshape(shape[-3:])
    assert np.isfinite(features).all()

    strength = np.sqrt(np.mean((features - np.median(features, (1, 2), keepdims=True)) ** 2, 0))
    boxes = np.array([row[1:5] for row in coco_rows("two_images.json") if row[0] == picture])

    def inside_to_outside(scale: float) -> float:
        inside = cells_inside(boxes * scale / stride, strength.shape)
        return float(strength[inside].mean() / strength[~inside].mean())

    assert inside_to_outside(1.0) > 1.3
    assert inside_to_outside(1.0) > max(inside_to_outside(0.5), inside_to_outside(2.0))


def cells_inside(boxes: NDArray[np.float64], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which cells have their centre in one of the boxes (K, 4), xyxy in feature coordinates."""
    y, x = (np.indices(size) + 0.5)[:, np.newaxis]
    x1, y1, x2, y2 = boxes.T[:, :, np.newaxis, np.newaxis]
    inside: NDArray[np.bool_] = ((x1 <= x) & (x < x2) & (y1 <= y) & (y < y2)).any(axis=0)
    return inside


def coco_rows(name: str) -> list[Row]:
    coco = json.loads((SAMPLE_DATA / name).read_text("utf-8"))
    images = {image["id"]: Path(image["file_name"]).stem for image in coco["images"]}
    categories = {category["id"]: category["name"] for category in coco["categories"]}
    return [
        (images[box["image_id"]], x, y, x + w, y + h, box["score"], categories[box["category_id"]])
        for box in coco["annotations"]
        for x, y, w, h in [box["bbox"]]
    ]


def csv_rows(name: str) -> list[Row]:
    with (SAMPLE_DATA / name).open(encoding="utf-8", newline="") as file:
        return [
            (
                row["image"],
                float(row["x1"]),
                float(row["y1"]),
                float(row["x2"]),
                float(row["y2"]),
                float(row["score"]),
                row["label"],
            )
            for row in csv.DictReader(file)
        ]


def picture_size(name: str) -> tuple[int, int]:
    """Width and height."""
    with Image.open(SAMPLE_DATA / f"{name}.png") as picture:
        return picture.size
