"""Boxes of any kind on maps of any kind come out in order, pooled as the operators pool them."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import roicrop
from roicrop import features
from roicrop.conventions import resolve
from roicrop.errors import ArgumentError, BoxError, OutputError
from roicrop.job import Request, crop, fit, open_job, pipeline, stride_that_fits

RANDOM = np.random.default_rng(20)
BATCH = RANDOM.standard_normal((3, 5, 12, 16), dtype=np.float32)
# Image by image interleaved; on a map of 12×16 cells at stride 4, 48×64 pixels.
BOXES = [
    (2, 3.0, 4.0, 20.5, 30.0),
    (0, 0.0, 0.0, 64.0, 48.0),
    (2, 40.0, 2.0, 63.0, 9.0),
    (0, 11.0, 12.0, 13.0, 13.5),
    (2, 5.0, 5.0, 45.0, 44.0),
]
MASK_RCNN = resolve("mask-rcnn")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to be in, with BATCH in maps.h5 and BOXES in boxes.csv."""
    monkeypatch.chdir(tmp_path)
    write_maps("maps.h5", {"features": BATCH}, stride=4.0)
    write_boxes("boxes.csv", BOXES)
    return tmp_path


def write_maps(path: str, maps: dict[str, np.ndarray], **attributes: Any) -> None:
    with h5py.File(path, "w") as file:
        for name, values in maps.items():
            file[name] = values
            file[name].attrs.update(attributes)


def write_boxes(path: str, rows: Sequence[Sequence[object]], image: str = "image_index") -> None:
    lines = [f"{image},x1,y1,x2,y2", *(",".join(map(str, row)) for row in rows)]
    Path(path).write_text("\n".join(lines) + "\n")


def ask(**changes: Any) -> Request:
    request = Request(
        features="maps.h5", boxes="boxes.csv", convention=MASK_RCNN, output_size=(2, 3)
    )
    return dataclasses.replace(request, **changes)


def crop_to(path: str, request: Request | None = None, **options: Any) -> np.ndarray:
    with open_job(request or ask()) as job:
        crop(job, path, **options)
    with h5py.File(path) as file:
        return np.asarray(file["pooled"])


def expected(boxes: Sequence[Sequence[float]] = BOXES, **options: Any) -> np.ndarray:
    return roicrop.roi_align(BATCH, np.array(boxes), (2, 3), 1 / 4, **options)


def refusal(request: Request) -> str:
    """The one line that refuses the request's boxes."""
    with pytest.raises(BoxError) as caught:
        crop_to("refused.h5", request)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The rows


@pytest.mark.core
def test_row_k_is_box_k_whatever_image_it_is_on(work: Path) -> None:
    np.testing.assert_array_equal(crop_to("out.h5"), expected())


@pytest.mark.core
def test_channels_last_maps_give_channels_last_rows(work: Path) -> None:
    write_maps("maps.h5", {"features": BATCH.transpose(0, 2, 3, 1)}, stride=4.0, layout="NHWC")
    np.testing.assert_allclose(
        crop_to("out.h5"), expected().transpose(0, 2, 3, 1), rtol=1e-5, atol=1e-5
    )


@pytest.mark.core
def test_maps_of_a_group_keep_their_own_sizes_and_strides(work: Path) -> None:
    small = RANDOM.standard_normal((5, 6, 7), dtype=np.float32)
    write_maps("maps.h5", {"a": BATCH[0], "b": small}, stride=4.0)
    with h5py.File("maps.h5", "a") as file:
        file["b"].attrs["stride"] = 8.0
    rows = [("b", 1.0, 2.0, 50.0, 40.0), ("a", 3.0, 1.0, 60.0, 9.0), ("b", 0.0, 0.0, 9.0, 9.0)]
    write_boxes("boxes.csv", rows, "image")
    boxes = np.array([row[1:] for row in rows], dtype=np.float64)

    pooled = crop_to("out.h5")
    np.testing.assert_array_equal(
        pooled[[0, 2]], roicrop.roi_align(small[None], [boxes[[0, 2]]], (2, 3), 1 / 8)
    )
    np.testing.assert_array_equal(
        pooled[1:2], roicrop.roi_align(BATCH[:1], [boxes[1:2]], (2, 3), 1 / 4)
    )
    with h5py.File("out.h5") as file:
        assert file["spatial_scale"][:].tolist() == [1 / 8, 1 / 4, 1 / 8]
        assert file["image_names"].asstr()[:].tolist() == ["a", "b"]
        assert file["image_index"][:].tolist() == [1, 0, 1]


@pytest.mark.core
def test_many_boxes_of_one_image_are_pooled_in_chunks(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = crop_to("whole.h5")
    monkeypatch.setattr(pipeline, "_BUFFER_BYTES", 2 * whole[0].nbytes)
    np.testing.assert_array_equal(crop_to("chunks.h5"), whole)


@pytest.mark.core
def test_threads_never_change_a_bit(work: Path) -> None:
    one, two = (crop_to(f"{n}.h5", ask(threads=n)) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.core
def test_no_boxes_give_a_tensor_of_no_rows(work: Path) -> None:
    write_boxes("boxes.csv", [])
    assert crop_to("out.h5").shape == (0, 5, 2, 3)


def test_only_maps_with_boxes_are_read(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    read_ahead = features.FeatureSource.read_ahead

    def watched(source: features.FeatureSource, indices: Sequence[int]) -> Any:
        asked.extend(indices)
        return read_ahead(source, indices)

    monkeypatch.setattr(features.FeatureSource, "read_ahead", watched)
    crop_to("out.h5")
    assert asked == [0, 2]


# What boxes mean


def write_json(path: str, value: object) -> None:
    Path(path).write_text(json.dumps(value))


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
        for i, rows, maps in job.by_image():
            beside = job.pool(i, rows, maps, resolve("detectron2"))
            np.testing.assert_array_equal(
                beside, expected(convention="detectron2")[rows], err_msg=f"image {i}"
            )
            assert len(job.plan(i, rows, resolve("detectron2"))) == len(rows)


# Choosing boxes


def write_scored(path: str) -> None:
    lines = ["image_index,x1,y1,x2,y2,score,label"]
    for k, row in enumerate(BOXES):
        lines.append(",".join(map(str, (*row, k / 10, "cat" if k % 2 else "dog"))))
    Path(path).write_text("\n".join(lines))


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


# Bad boxes

REVERSED = (0, 9.0, 1.0, 5.0, 8.0)
NOT_FINITE = (0, "nan", 1.0, 5.0, 8.0)
NOWHERE = (7, 1.0, 1.0, 5.0, 8.0)


def test_bad_boxes_are_named_with_their_lines_and_counted(work: Path) -> None:
    write_boxes("boxes.csv", [BOXES[0], REVERSED, NOT_FINITE, NOWHERE, *[REVERSED] * 4])
    text = refusal(ask())
    assert "boxes.csv line 3: x2 5 is less than x1 9" in text
    assert "boxes.csv line 4: (nan, 1, 5, 8) is not finite" in text
    assert "boxes.csv line 5: no image 7: maps.h5::/features holds images 0 to 2" in text
    assert "boxes.csv line 7" in text
    assert "boxes.csv line 8" not in text
    assert "and 2 more" in text
    assert "--on-bad-box zero or drop" in text
    assert not Path("refused.h5").exists()


def test_bad_boxes_of_json_are_named_by_their_index(work: Path) -> None:
    write_json("boxes.json", [[1, 2, 3, 4], [5, 2, 3, 4]])
    write_maps("maps.h5", {"features": BATCH[0]})
    assert "boxes.json box 1: x2 3 is less than x1 5" in refusal(ask(boxes="boxes.json"))


def test_to_keep_bad_boxes_is_offered_where_all_can_be_kept(work: Path) -> None:
    write_boxes("boxes.csv", [BOXES[1], REVERSED])
    assert "--on-bad-box keep, zero or drop" in refusal(ask())


def test_bad_boxes_are_counted_after_choosing(work: Path) -> None:
    Path("boxes.csv").write_text("x1,y1,x2,y2,image,score\n9,1,5,8,0,0.1\n1,1,5,8,0,0.9\n")
    assert len(crop_to("out.h5", ask(min_score=0.5))) == 1


def test_kept_reversed_boxes_do_what_the_convention_does(work: Path) -> None:
    write_boxes("boxes.csv", [BOXES[1], REVERSED])
    pooled = crop_to("out.h5", ask(on_bad_box="keep"))
    np.testing.assert_array_equal(pooled, expected([BOXES[1], REVERSED]))


@pytest.mark.parametrize("bad", [NOT_FINITE, NOWHERE])
def test_only_reversed_boxes_can_be_kept(work: Path, bad: tuple[object, ...]) -> None:
    write_boxes("boxes.csv", [BOXES[1], REVERSED, bad])
    text = refusal(ask(on_bad_box="keep"))
    assert "line 4" in text
    assert "line 3" not in text
    assert "--on-bad-box zero or drop" in text


@pytest.mark.core
def test_a_kept_box_that_the_convention_refuses_is_named_by_its_line(work: Path) -> None:
    write_boxes("boxes.csv", [BOXES[1], BOXES[0], REVERSED])
    text = refusal(ask(on_bad_box="keep", convention=resolve("mmcv")))
    assert text.startswith("boxes.csv line 4 is reversed, which mmcv refuses")
    assert not list(work.glob("*refused*"))


@pytest.mark.core
def test_a_box_too_large_for_float32_is_named_by_its_line(work: Path) -> None:
    write_boxes("boxes.csv", [BOXES[1], (0, 0.0, 0.0, 1e39, 5.0)])
    assert refusal(ask()).startswith("boxes.csv line 3 has corners 0, 0, 1e+39, 5")


def test_bad_boxes_may_be_zeros(work: Path) -> None:
    write_boxes("boxes.csv", [NOWHERE, BOXES[0], NOT_FINITE, REVERSED])
    pooled = crop_to("out.h5", ask(on_bad_box="zero"))
    np.testing.assert_array_equal(pooled[1:2], expected([BOXES[0]]))
    assert not pooled[[0, 2, 3]].any()
    with h5py.File("out.h5") as file:
        assert file["image_index"][:].tolist() == [-1, 2, 0, 0]


def test_bad_boxes_may_be_left_out(work: Path) -> None:
    write_boxes("boxes.csv", [NOWHERE, BOXES[0], NOT_FINITE, REVERSED, BOXES[1]])
    pooled = crop_to("out.h5", ask(on_bad_box="drop"))
    np.testing.assert_array_equal(pooled, expected([BOXES[0], BOXES[1]]))
    with h5py.File("out.h5") as file:
        assert file["source_index"][:].tolist() == [1, 4]


# The file


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_output_may_have_another_dtype(work: Path, dtype: str) -> None:
    pooled = crop_to("out.h5", dtype=dtype)
    assert pooled.dtype == dtype
    np.testing.assert_array_equal(pooled, expected().astype(dtype))


@pytest.mark.core
def test_values_that_are_not_finite_are_counted(work: Path) -> None:
    maps = BATCH.copy()
    maps[0, 1, 3, 3] = np.nan
    maps[2, 0, 2, 2] = np.inf
    write_maps("maps.h5", {"features": maps}, stride=4.0)
    with open_job(ask()) as job:
        cropped = crop(job, "out.h5")
    with h5py.File("out.h5") as file:
        assert cropped.non_finite == np.count_nonzero(~np.isfinite(file["pooled"][:])) > 0


def test_values_too_large_for_the_output_are_counted(work: Path) -> None:
    write_maps("maps.h5", {"features": np.full((1, 1, 4, 4), 1e30)}, stride=4.0)
    write_boxes("boxes.csv", [(0, 0, 0, 9, 9)])
    with open_job(ask()) as job:
        assert crop(job, "out.h5", dtype="float16").non_finite == 6


def test_large_finite_values_are_not_taken_for_infinite(work: Path) -> None:
    write_maps("maps.h5", {"features": np.full((1, 1, 4, 4), 3e38, np.float32)}, stride=4.0)
    write_boxes("boxes.csv", [(0, 0, 0, 9, 9)])
    with open_job(ask()) as job:
        assert crop(job, "out.h5").non_finite == 0


def test_the_attributes_are_enough_to_run_it_again(work: Path) -> None:
    row = resolve("detectron2", sampling_ratio=3, mode="max", aligned=False)
    write_scored("boxes.csv")
    request = ask(
        convention=row, spatial_scale=0.3, min_score=0.1, top_k=2, input_scale=(0.5, 0.75)
    )
    first = crop_to("first.h5", request)
    with h5py.File("first.h5") as file:
        said = dict(file.attrs)
    assert said["roicrop_version"] == roicrop.__version__
    again = Request(
        features=said["features"],
        boxes=said["boxes"],
        convention=resolve(
            said["convention"],
            said["operator"],
            sampling_ratio=int(said["sampling_ratio"]),
            mode=said["mode"],
            aligned=bool(said["aligned"]),
        ),
        output_size=tuple(said["output_size"].tolist()),
        spatial_scale=float(said["spatial_scale"]),
        input_scale=tuple(said["input_scale"].tolist()[::-1]),
        layout=said["layout"],
        box_format=said["box_format"],
        normalized=bool(said["normalized"]),
        inclusive=bool(said["inclusive"]),
        min_score=float(said["min_score"]),
        top_k=int(said["top_k"]),
        on_bad_box=said["on_bad_box"],
    )
    np.testing.assert_array_equal(crop_to("again.h5", again), first)


def test_a_target_that_is_an_input_is_refused(work: Path) -> None:
    before = Path("maps.h5").read_bytes()
    with open_job(ask()) as job, pytest.raises(OutputError, match="input"):
        crop(job, "maps.h5", overwrite=True)
    assert Path("maps.h5").read_bytes() == before


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_tensor_that_the_disk_cannot_hold_is_refused_before_the_work(
    work: Path, compression: str
) -> None:
    request = ask(output_size=(10**9, 10**9))
    with open_job(request) as job, pytest.raises(OutputError, match=r"bytes, and .* are free"):
        crop(job, "out.h5", compression=compression)
    assert not list(work.glob("*out*"))


def test_progress_counts_every_pooled_box(work: Path) -> None:
    done: list[int] = []
    with open_job(ask()) as job:
        crop(job, "out.h5", progress=done.append)
    assert sum(done) == len(BOXES)


# How boxes lie on maps


def test_boxes_outside_their_map_are_counted_by_how_far() -> None:
    cells = np.array(
        [
            [0, 0, 4, 3],  # on the map
            [0, 0, 4.5, 3],  # half a cell outside
            [-3, 0, 2, 3],  # three
            [4, 0, 9, 3],  # touches the edge from outside
            [1, 1, 1, 2],  # no width
            [2, 2, 1, 1],  # reversed, on the map
            [np.nan, 0, 1, 1],
        ]
    )
    found = fit(cells, np.tile([3.0, 4.0], (7, 1)))
    assert (found.degenerate, found.partly, found.beyond, found.wholly) == (1, 3, 2, 1)


@given(
    st.integers(0, 7),
    st.lists(st.tuples(st.integers(2, 200), st.integers(2, 200)), min_size=1, max_size=5),
)
def test_the_stride_that_fits_is_the_one_that_made_the_map(
    power: int, sizes: list[tuple[int, int]]
) -> None:
    stride = 2**power
    maps = np.array(sizes, dtype=np.float64)
    whole = np.array([[0, 0, w * stride, h * stride] for h, w in sizes], dtype=np.float64)
    found = stride_that_fits(whole, maps)
    assert found is not None
    assert found <= stride
    if maps.max() > 2:
        assert found == stride


def test_no_stride_fits_boxes_left_of_the_image() -> None:
    assert stride_that_fits(np.array([[-1e6, 0, 5, 5]]), np.array([[8.0, 8.0]])) is None


def cautions(**changes: Any) -> list[pipeline.Caution]:
    with open_job(ask(**changes)) as job:
        return job.cautions(job.fit())


def test_a_scale_that_nobody_gave_is_loud_when_boxes_fall_outside(work: Path) -> None:
    write_maps("maps.h5", {"features": BATCH})
    (caution,) = cautions()
    assert caution.loud
    assert "--stride 4 would fit" in caution.text
    assert "5 of 5 boxes" in caution.text


def test_a_scale_that_nobody_gave_is_mentioned_when_boxes_fit(work: Path) -> None:
    write_maps("maps.h5", {"features": BATCH})
    write_boxes("boxes.csv", [(0, 1, 1, 9, 9)])
    (caution,) = cautions()
    assert not caution.loud
    assert "--stride 1" in caution.text
    assert not cautions(spatial_scale=1.0)


def test_a_given_scale_is_doubted_when_most_boxes_fall_outside(work: Path) -> None:
    (caution,) = cautions(spatial_scale=2.0, scale_origin="--spatial-scale")
    assert caution.loud
    assert "--spatial-scale" in caution.text
    assert not cautions()


def test_pixels_called_fractions_are_doubted(work: Path) -> None:
    (caution,) = cautions(normalized=True)
    assert "--normalized" in caution.text


def test_fractions_called_pixels_are_doubted(work: Path) -> None:
    write_boxes("boxes.csv", [(0, 0.1, 0.1, 0.5, 1.0)])
    (caution,) = cautions()
    assert caution.loud
    assert "give --normalized" in caution.text
    assert not cautions(normalized=True)


def test_where_no_scale_plays_a_part_none_is_missed(work: Path) -> None:
    write_maps("maps.h5", {"features": BATCH})
    pairs = itertools.product(["tensorflow", "mask-rcnn"], [True])
    write_boxes("boxes.csv", [(0, 0.1, 0.1, 0.5, 0.5)])
    for name, normalized in pairs:
        assert not cautions(convention=resolve(name), normalized=normalized), name
