"""Maps, boxes, tensors pooled from them, and verdicts on these."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import roicrop
from roicrop.conventions import Convention, effective, lookup
from roicrop.identification import Verdict, facts, identify, in_words, open_pooled
from roicrop.job import Request, pipeline

Array = np.ndarray

RANDOM = np.random.default_rng(15)
STRIDE = 8
MAPS = RANDOM.standard_normal((2, 5, 20, 26)).astype(np.float32)


def some_boxes(count: int = 24) -> Array:
    """Corners in pixels, most of them on the map, of all sizes."""
    corner = RANDOM.uniform(-10, (170, 130), (count, 2))
    size = np.exp(RANDOM.uniform(np.log(4), np.log(120), (count, 2)))
    return np.concatenate([corner, corner + size], axis=1)


BOXES = some_boxes()
IMAGES = np.arange(len(BOXES)) % 2
BASE = lookup("mask-rcnn", "align")


def write(place: Path, maps: Array = MAPS, boxes: Array = BOXES, **attributes: Any) -> None:
    with h5py.File(place / "maps.h5", "w") as file:
        file["features"] = maps
        file["features"].attrs.update(attributes or {"stride": STRIDE})
    with (place / "boxes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image_index", "x1", "y1", "x2", "y2"])
        images = IMAGES % len(maps)
        rows.writerows([i, *box] for i, box in zip(images.tolist(), boxes.tolist(), strict=False))


def crop(
    row: Convention,
    boxes: Array = BOXES,
    *,
    maps: Array = MAPS,
    size: Any = 3,
    stride: int = STRIDE,
) -> Array:
    """Boxes, xyxy in pixels, as roicrop's own operator pools them."""
    function = roicrop.roi_align if row.operator == "align" else roicrop.roi_pool
    table = np.concatenate([IMAGES[: len(boxes), None], boxes], axis=1)
    return function(maps, table, size, 1 / stride, convention=row)


def identified(place: Path, pooled: Array | None = None, **request: Any) -> Verdict:
    """The verdict on a tensor; without one, on pooled.npy as it is."""
    if pooled is not None:
        np.save(place / "pooled.npy", pooled)
    usual = Request(
        features=str(place / "maps.h5"),
        boxes=str(place / "boxes.csv"),
        convention=BASE,
        on_bad_box="keep",
    )
    asked = dataclasses.replace(usual, **request)
    with (
        pipeline.open_job(asked) as job,
        open_pooled(str(place / "pooled.npy"), job) as opened,
    ):
        verdict = identify(job, opened)
        json.dumps(facts(verdict, job))
        assert all(list(in_words(verdict, job)))
        return verdict


def same(one: Convention, other: Convention) -> bool:
    return repr(effective(one)) == repr(effective(other))
