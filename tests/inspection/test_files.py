"""`inspect` says what boxes and outputs hold, and what cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.command_line import run, run_process, write_boxes, write_maps
from tests.inspection.looking import SAMPLE_DATA, coco, found, inspect, noise, store, together

# Boxes


@pytest.mark.parametrize("name", ["boxes.csv", "boxes.json"])
def test_a_file_of_boxes_is_described(name: str) -> None:
    file = found(SAMPLE_DATA / name)
    assert (file["kind"], file["count"]) == ("boxes", 5)
    assert (file["x"], file["y"]) == ([48, 380], [64, 418])
    assert (file["width"], file["height"]) == ([88, 126], [39, 126])
    assert (file["not_finite"], file["reversed"], file["zero_size"]) == (0, 0, 0)
    assert {"score", "label", file["image_key"]} <= {*file["columns"]}
    assert list(file["images"].values()) == [5]
    assert file["odd"] == []


def test_coco_images_and_categories_are_named() -> None:
    text = inspect(SAMPLE_DATA / "two_images.json").out
    assert "coco instances" in text
    assert "2, by image_id: 1 badge.png (5 boxes), 2 page.png (7 boxes)" in text
    assert "1: 1 text (12 boxes)" in text


def test_degenerate_boxes_are_counted_and_the_first_of_each_is_placed() -> None:
    write_boxes(boxes=[(0, 5, 5, 5, 9), (0, 9, 2, 3, 4), ("0", "nan", 1, 2, 3), (0, 1, 1, 2, 2)])
    file = found("boxes.csv")
    assert (file["not_finite"], file["reversed"], file["zero_size"]) == (1, 1, 1)
    text = inspect("boxes.csv").out
    assert "degenerate  1 with zero size, 1 reversed, 1 not finite" in text
    for line in (2, 3, 4):
        assert f"first boxes.csv line {line}" in text


@pytest.mark.parametrize(
    ("csv", "words"),
    [
        ("x1,y1,x2,y2\n", "holds no boxes"),
        ("x1,y1,x2,y2\n.1,.1,.9,1\n", "if they are fractions of the image, give --normalized"),
        ("x1,y1,x2,y2\n1,2,3,4\n2,2,3,4\n1,2,3,4\n",
         "1 box repeats an earlier one (image, coordinates and label), as b.csv line 4 repeats"),
        ("x1,y1,x2,y2,id\n1,2,3,4,7\n2,2,3,4,7\n", "ids should be unique: 2 boxes have the id 7"),
        ("x1,y1,x2,y2,score\n1,2,3,4,nan\n", "the score of 1 box is not a number, first b.csv lin"),
        ("x1,y1,x2,y2,score\n1,2,3,4,87\n", "the score of 1 box is not between 0 and 1"),
        ("x1,y1,x2,y2\n100,50,30,40\n200,60,20,20\n", "--box-format xywh"),
    ],
)  # fmt: skip
def test_what_is_odd_about_boxes_is_reported(csv: str, words: str) -> None:
    Path("b.csv").write_text(csv)
    assert any(words in text for text in found("b.csv")["odd"])
    assert words in inspect("b.csv").out


@pytest.mark.parametrize(
    "csv",
    [
        "image,label,x1,y1,x2,y2\na,1,1,2,3,4\nb,1,1,2,3,4\na,2,1,2,3,4\n",
        "cx,cy,w,h,angle\n9,9,3,4,10\n9,9,3,4,20\n",
    ],
)
def test_boxes_on_other_images_or_with_another_label_or_angle_do_not_repeat(csv: str) -> None:
    Path("b.csv").write_text(csv)
    assert found("b.csv")["repeated"] == 0


def test_of_very_many_images_the_first_are_listed_and_the_others_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("roicrop.inspection.boxes._MOST_NAMED", 6)
    rows = [f"im{n}.jpg,1,2,3,{n}\n" for n in [*range(4, 14), 4, 13, 13]]
    Path("b.csv").write_text("image,x1,y1,x2,y2\n" + "".join(rows))
    file = found("b.csv")
    assert list(file["images"].items()) == [("im4.jpg", 2)] + [
        (f"im{n}.jpg", 1) for n in range(5, 10)
    ]
    assert file["more_images"] == 4
    assert "10, by image: im4.jpg (2 boxes), im5.jpg (1 box)" in inspect("b.csv").out


def test_boxes_outside_the_image_are_counted_by_the_size_that_coco_says() -> None:
    coco((0, 0, 96, 80), (90, 10, 20, 20), (100, 0, 5, 5))
    file = found("boxes.json")
    assert (file["outside_partly"], file["outside_wholly"]) == (1, 1)
    assert file["image_sizes"] == "boxes.json"


def test_boxes_outside_fractions_and_given_sizes_are_counted() -> None:
    write_boxes(boxes=[(0, 0.5, 0.5, 1, 1), (0, 0.5, 0.5, 1.5, 1)])
    assert found("boxes.csv", "--normalized")["outside_partly"] == 1
    write_boxes(boxes=[(0, 0, 0, 50, 100), (0, 0, 0, 100, 50)])
    assert found("boxes.csv", "--image-size", "100x50")["outside_partly"] == 1


def test_ids_that_coco_does_not_list_are_reported() -> None:
    coco((0, 0, 5, 5), image=3, category=4)
    images, categories = found("boxes.json")["odd"]
    assert images == "boxes.json does not list the images of 1 box, first boxes.json box 0: 3"
    assert (
        categories == "boxes.json does not list the categories of 1 box, first boxes.json box 0: 4"
    )


def test_corners_that_are_called_sizes_are_reported_by_the_image_they_leave() -> None:
    coco((60, 50, 90, 70), (50, 40, 70, 80), (70, 30, 96, 60))
    assert any(
        "not if read as xyxy: give --box-format xyxy" in t for t in found("boxes.json")["odd"]
    )
    assert found("boxes.json", "--box-format", "xyxy")["odd"] == []


@pytest.mark.parametrize("spec", ["b.npy", "b.npz", "b.npz::boxes", "b.h5", "maps.h5::/boxes"])
def test_arrays_of_boxes_are_boxes(spec: str) -> None:
    boxes = np.array([[0, 8, 8, 40, 40], [1, 8, 8, 40, 4]])
    np.save("b.npy", boxes)
    np.savez("b.npz", boxes=boxes, other=boxes[0])
    write_maps()
    for name in ("b.h5", "maps.h5"):
        with h5py.File(name, "a") as file:
            file["boxes"] = boxes
    file = found(spec)
    assert (file["kind"], file["path"], file["count"]) == ("boxes", spec, 2)
    assert file["reversed"] == 1
    pair = together("maps.h5", spec)
    assert (pair["features"], pair["boxes"], pair["count"]) == ("maps.h5", spec, 2)


def test_boxes_come_from_standard_input() -> None:
    result = run_process("inspect", "-", "--boxes-format", "csv", input="x1,y1,x2,y2\n1,2,3,4\n")
    assert result.out.startswith("standard input: 1 box, csv\n")
    assert "--boxes-format" in run("inspect", "-").error


# What roicrop wrote


@pytest.mark.parametrize("suffix", ["h5", "npz"])
def test_an_output_says_which_convention_made_it(suffix: str) -> None:
    write_maps()
    write_boxes()
    run("align", "maps.h5", "boxes.csv", "-o", f"out.{suffix}", "--convention", "detectron2",
        "--sampling-ratio", "3", "--output-size", "4x5")  # fmt: skip
    file = found(f"out.{suffix}")
    assert (file["kind"], file["convention"]) == ("pooled", "detectron2")
    assert file["changed"] == {"sampling_ratio": ["adaptive", 3]}
    assert file["shape"] == [3, 4, 4, 5]
    assert file["columns"]["boxes"] == [3, 4]
    assert file["parameters"]["features"] == "maps.h5"
    assert file["values"]["looked_at"] == 3 * 4 * 4 * 5
    assert file["odd"] == []
    text = inspect(f"out.{suffix}").out
    assert (
        "RoIAlign by the convention detectron2, but sampling_ratio 3 (instead of adaptive)" in text
    )
    assert "output size 4×5" in text


def test_an_output_is_no_feature_map_unless_it_is_named() -> None:
    write_maps()
    write_boxes()
    run("pool", "maps.h5", "boxes.csv", "-o", "out.h5")
    assert inspect("out.h5", "boxes.csv", "--json").json["together"] == []
    assert found("out.h5::/pooled")["kind"] == "features"


def test_a_bare_tensor_says_nothing_of_how_it_was_made() -> None:
    np.save("out.npy", np.full((2, 3, 4, 4), np.nan, np.float32))
    file = found("out.npy")
    assert (file["kind"], file["convention"], file["shape"]) == ("pooled", None, [2, 3, 4, 4])
    assert file["odd"] == [
        "does not record how it was made (.h5 and .npz do)",
        "96 of 96 values are NaN",
    ]


def test_rules_of_another_version_are_reported() -> None:
    write_maps()
    write_boxes()
    run("align", "maps.h5", "boxes.csv", "-o", "out.h5")
    with h5py.File("out.h5", "a") as file:
        file.attrs["rules"] = '{"phase": 1}'
    assert found("out.h5")["odd"] == ["made by rules that this version does not know"]
    with h5py.File("out.h5", "a") as file:
        file.attrs["convention"] = "caffe3"
    assert "convention caffe3, which this version does not know" in found("out.h5")["odd"][0]


# What cannot be read


def truncated() -> bytes:
    store(noise(8, 20, 20))
    return Path("maps.h5").read_bytes()[:4000]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.h5", lambda: b""),
        ("a.h5", lambda: b"hello"),
        ("a.h5", truncated),
        ("a.csv", lambda: b""),
        ("a.csv", lambda: b"\xff\xfe"),
        ("a.csv", lambda: b"a,b\n1,2\n"),
        ("a.json", lambda: b"{"),
        ("a.json", lambda: b'{"a": 1}'),
        ("a.json", lambda: b"[" * 100_000),
        ("a.jsonl", lambda: b"1\n"),
        ("a.npz", lambda: b"PK\x03\x04 and so on"),
        ("a.npy", lambda: b"\x93NUMPY\x01\x00"),
        ("a.npy", lambda: b"\x93NUMPY\x09\x00"),
        ("a.png", lambda: b"\x89PNG"),
        ("a", lambda: b"x1,y1,x2,y2\n"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_and_status_1(
    name: str, content: Callable[[], bytes]
) -> None:
    Path(name).write_bytes(content())
    result = run("inspect", name)
    assert result.status == 1
    assert name in result.error


@pytest.mark.parametrize("name", ["nowhere.h5", "nowhere.csv", "nowhere.h5::/a", "."])
def test_what_is_no_file_is_one_line_and_status_1(name: str) -> None:
    result = run("inspect", name)
    assert result.status == 1
    assert result.error


@pytest.mark.parametrize("array", [np.zeros(3), np.array(["a"])])
def test_numpy_files_of_something_else_are_not_taken_for_pooled(array: np.ndarray) -> None:
    np.save("a.npy", array)
    np.savez("a.npz", array)
    for name in ("a.npy", "a.npz"):
        assert "taken as    nothing: " in inspect(name).out


def test_an_npy_of_maps_is_no_tensor_of_pooled_boxes() -> None:
    np.save("pooled.npy", np.ones((2, 3, 7, 7), np.float32))
    np.save("maps.npy", np.ones((2, 3, 30, 40), np.float32))
    assert (found("pooled.npy")["kind"], found("maps.npy")["kind"]) == ("pooled", "features")


def test_the_other_files_are_shown_when_one_cannot_be_read() -> None:
    write_boxes()
    Path("a.h5").write_bytes(b"hello")
    result = run("inspect", "a.h5", "boxes.csv", "--json")
    assert result.status == 1
    bad, good = result.json["files"]
    assert bad == {"path": "a.h5", "error": "a.h5 is not an HDF5 file"}
    assert good["count"] == 3
    assert result.err == "roicrop: error: a.h5 is not an HDF5 file\n"


def test_a_damaged_dataset_is_reported_and_the_rest_is_shown() -> None:
    with h5py.File("maps.h5", "w") as file:
        bad = file.create_dataset(
            "bad", data=noise(8, 9, 9), chunks=(8, 9, 9), compression="gzip", fletcher32=True
        )
        place = bad.id.get_chunk_info(0).byte_offset
        file["good"] = noise(8, 9, 9)
    content = bytearray(Path("maps.h5").read_bytes())
    content[place : place + 100] = bytes(100)
    Path("maps.h5").write_bytes(content)
    result = run("inspect", "maps.h5")
    assert result.status == 1
    assert "maps.h5::/bad cannot be read" in result.err
    assert result.out.count("shape       (8, 9, 9) float32") == 2
    assert "(all 648)" in result.out


def test_hdf5_without_feature_maps_is_no_failure() -> None:
    with h5py.File("maps.h5", "w", userblock_size=1024) as file:
        file["names"] = ["a", "b"]
    assert "holds no dataset that can be a feature map" in inspect("maps.h5").out
