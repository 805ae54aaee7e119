"""What the numbers of a box mean, and which boxes are taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import roicrop
from roicrop.conventions import resolve
from roicrop.errors import ArgumentError
from roicrop.job import open_job
from tests.job.jobs import (
    BATCH,
    BOXES,
    ask,
    crop_to,
    expected,
    write_boxes,
    write_json,
    write_scored,
)


def test_every_format_of_the_same_boxes_gives_identical_rows(work: Path) -> None:
    index = [row[0] for row in BOXES]
    xyxy = [row[1:] for row in BOXES]
    xywh = [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in xyxy]
    centred = [(x + w / 2, y + h / 2, w, h) for x, y, w, h in xywh]
    write_json("plain.json", {"boxes": xyxy, "image_index": index})
    write_json(
        "yxyx.json",
        {
            "boxes": [(y1, x1, y2, x2) for x1, y1, x2, y2 in xyxy],
            "image_index": index,
            "box_format": "yxyx",
        },
    )
    objects = [{"image_id": i, "box": box} for i, box in zip(index, xyxy, strict=True)]
    write_json("objects.json", objects)
    results = [
        {"image_id": i, "category_id": 1, "bbox": box, "score": 0.5}
        for i, box in zip(index, xywh, strict=True)
    ]
    write_json("results.json", results)
    Path("lines.jsonl").write_text("\n".join(map(json.dumps, results)))
    write_json(
        "instances.json",
        {
            "images": [{"id": i, "file_name": f"{i}.png"} for i in range(3)],
            "annotations": [
                {"id": n, **{k: v for k, v in each.items() if k != "score"}}
                for n, each in enumerate(results)
            ],
            "categories": [{"id": 1, "name": "thing"}],
        },
    )
    lines = ["image_index\tcx\tcy\tw\th"]
    lines += ["\t".join(map(str, (i, *box))) for i, box in zip(index, centred, strict=True)]
    Path("centred.tsv").write_text("\n".join(lines))

    for name in (
        "plain.json", "yxyx.json", "objects.json", "results.json", "lines.jsonl",
        "instances.json", "centred.tsv",
    ):  # fmt: skip
        pooled = crop_to("out.h5", ask(boxes=name), overwrite=True)
        np.testing.assert_array_equal(pooled, expected(), err_msg=name)


def test_fractions_are_of_the_image_that_the_map_covers(work: Path) -> None:
    fractions = [(i, x1 / 64, y1 / 48, x2 / 64, y2 / 48) for i, x1, y1, x2, y2 in BOXES]
    write_boxes("boxes.csv", fractions)
    pooled = crop_to("out.h5", ask(normalized=True))
    np.testing.assert_allclose(pooled, expected(), rtol=1e-5, atol=1e-5)
    with h5py.File("out.h5") as file:
        np.testing.assert_allclose(file["boxes"], [row[1:] for row in BOXES])


def test_fractions_may_be_of_an_image_of_another_size(work: Path) -> None:
    fractions = [(i, x1 / 80, y1 / 60, x2 / 80, y2 / 60) for i, x1, y1, x2, y2 in BOXES]
    write_boxes("boxes.csv", fractions)
    pooled = crop_to("out.h5", ask(normalized=True, image_size=(60, 80)))
    np.testing.assert_allclose(pooled, expected(), rtol=1e-5, atol=1e-5)


def test_boxes_of_the_original_image_follow_its_resizing(work: Path) -> None:
    original = [(i, x1 * 2, y1 * 4, x2 * 2, y2 * 4) for i, x1, y1, x2, y2 in BOXES]
    write_boxes("boxes.csv", original)
    np.testing.assert_array_equal(crop_to("out.h5", ask(input_scale=(0.25, 0.5))), expected())
    with h5py.File("out.h5") as file:
        assert file["boxes"][0].tolist() == [6.0, 16.0, 41.0, 120.0]
        assert file.attrs["input_scale"].tolist() == [0.5, 0.25]


def test_an_inclusive_end_corner_is_a_pixel_of_the_box(work: Path) -> None:
    last = [(i, x1, y1, x2 - 1, y2 - 1) for i, x1, y1, x2, y2 in BOXES]
    write_boxes("boxes.csv", last)
    np.testing.assert_array_equal(crop_to("out.h5", ask(inclusive=True)), expected())


def test_inclusive_fractions_make_no_sense() -> None:
    with pytest.raises(ArgumentError, match="--inclusive"):
        ask(inclusive=True, normalized=True)


def test_a_normalised_convention_takes_pixels_or_its_own_fractions(work: Path) -> None:
    tensorflow = resolve("tensorflow")
    fractions = [(i, y1 / 48, x1 / 64, y2 / 48, x2 / 64) for i, x1, y1, x2, y2 in BOXES]
    truth = roicrop.roi_align(BATCH, np.array(fractions), (2, 3), convention="tensorflow")

    from_pixels = crop_to("pixels.h5", ask(convention=tensorflow))
    np.testing.assert_allclose(from_pixels, truth, rtol=1e-4, atol=1e-5)

    # A plain list names no order, so it is the convention's: y before x.
    write_json("own.json", {"boxes": [f[1:] for f in fractions], "image_index": [2, 0, 2, 0, 2]})
    own = ask(boxes="own.json", convention=tensorflow, normalized=True)
    np.testing.assert_array_equal(crop_to("own.h5", own), truth)
    with open_job(own) as job:
        assert (job.table.box_format, job.box_format_origin) == ("yxyx", "default of tensorflow")


def test_a_convention_beside_the_jobs_own_pools_the_same_boxes(work: Path) -> None:
    with open_job(ask()) as job:
        for on_map in job.by_map():
            np.testing.assert_array_equal(
                on_map.pool(resolve("detectron2")),
                expected(convention="detectron2")[on_map.rows],
                err_msg=f"image {on_map.image}",
            )
            assert len(on_map.plan(resolve("detectron2"))) == len(on_map.rows)


# Choosing boxes


@pytest.mark.parametrize(
    ("choice", "rows"),
    [
        ({"min_score": 0.2}, [2, 3, 4]),
        ({"labels": ["cat"]}, [1, 3]),
        ({"top_k": 1}, [3, 4]),
        ({"min_score": 0.2, "labels": ["dog"], "top_k": 1}, [4]),
    ],
)
def test_a_choice_of_boxes_keeps_their_numbers(
    work: Path, choice: dict[str, Any], rows: list[int]
) -> None:
    write_scored("boxes.csv")
    np.testing.assert_array_equal(crop_to("out.h5", ask(**choice)), expected()[rows])
    with h5py.File("out.h5") as file:
        assert file["source_index"][:].tolist() == rows
        assert file["score"][:].tolist() == [k / 10 for k in rows]
        assert file["label"].asstr()[:].tolist() == ["cat" if k % 2 else "dog" for k in rows]


def test_all_boxes_need_no_numbers(work: Path) -> None:
    crop_to("out.h5")
    with h5py.File("out.h5") as file:
        assert "source_index" not in file
