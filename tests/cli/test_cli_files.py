"""Files as people have them, on the command line: the right crops, or a line that says why not."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import roicrop
from tests.command_line import Result, run

STRIDE = 64
NOISE = np.random.default_rng(12).standard_normal((3, 2, 8, 12), dtype=np.float32)  # 512×768 pixels
B, C = [64, 32, 384, 256], [100, 100, 300, 200]
W, X = [64, 32, 320, 224], [100, 100, 200, 100]  # the same as x, y, width, height
F = [x / n for x, n in zip(B, [768, 512, 768, 512], strict=True)]
# File of features → its datasets.
FEATURES: dict[str, dict[str, Any]] = {
    "one": {"features": NOISE[0]},
    "batch": {"features": NOISE},
    "named": {"a": NOISE[0], "b.png": NOISE[1]},
    "padded": {"000000000007": NOISE[0], "000000000008": NOISE[1]},
    "grouped": {"7/features": NOISE[0], "8/features": NOISE[1], "7/boxes": np.zeros((2, 4))},
    "levels": {f"{i}/{level}": NOISE[n] for n, i in enumerate("ab") for level in ("p2", "p3")},
}
CSV = "x1,y1,x2,y2,image\n64,32,384,256,{}\n100,100,300,200,{}\n"
Rows = list[tuple[int, list[int]]]
BOTH: Rows = [(0, B), (1, C)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def crop(features: str, name: str, content: object, options: Sequence[object] = ()) -> Result:
    """Crop boxes in a file of this name and content from the named features."""
    kind, _, inner = features.partition("::")
    with h5py.File("maps.h5", "w") as file:
        for path, values in FEATURES[kind].items():
            file[path] = values
            if values.ndim > 2:
                file[path].attrs["stride"] = STRIDE
    if isinstance(content, bytes):
        Path(name).write_bytes(content)
    else:
        Path(name).write_text(content if isinstance(content, str) else json.dumps(content))
    where = f"maps.h5::{inner}" if inner else "maps.h5"
    return run("align", where, name, "-o", "out.h5", "--output-size", 2, *options)


def assert_cropped(rows: Rows) -> None:
    boxes = np.array([(image, *box) for image, box in rows], np.float32)
    with h5py.File("out.h5") as file:
        pooled = file["pooled"][:]
    expected = roicrop.roi_align(NOISE, boxes, 2, 1 / STRIDE)
    np.testing.assert_allclose(pooled, expected, rtol=1e-4, atol=1e-4)


def coco(**more: Any) -> dict[str, Any]:
    """Two boxes on images 8 and 7, listed in this order."""
    images = [{"id": 8, "file_name": "x/b.png"}, {"id": 7, "file_name": "x/a.png"}]
    boxes = [{"id": 1, "image_id": 8, "bbox": W}, {"id": 2, "image_id": 7, "bbox": X}]
    return {"images": images, "annotations": boxes} | more


# Whose box it is, where it is, and in which form


@pytest.mark.parametrize(
    ("features", "content", "options", "rows"),
    [
        ("named", CSV.format("a.jpg", "b.jpg"), [], BOTH),
        ("named", CSV.format("val/a", "C:\\x\\b.png"), [], BOTH),
        ("named", CSV.format("https://host/a%2Ejpg?size=3", "s3://x/b.jpg"), [], BOTH),
        ("padded", CSV.format("7", "8.0"), [], BOTH),
        ("padded", CSV.format("0007.jpg", "x/008"), [], BOTH),
        ("grouped", CSV.format("7", "8"), [], BOTH),
        ("grouped::/*/features", CSV.format("7.jpg", "8.jpg"), [], BOTH),
        ("levels::/*/p3", CSV.format("a", "b"), [], BOTH),
        ("batch", CSV.format("a", "b"), ["--on-image", 2], [(2, B), (2, C)]),
        ("named", CSV.format("x", "x"), ["--on-image", "b.jpg"], [(1, B), (1, C)]),
        ("batch", CSV.format("1", "2"), ["--ids-are-indices"], [(1, B), (2, C)]),
        ("one", CSV.format("scan-7", "scan-7"), [], [(0, B), (0, C)]),
        (
            "named",
            CSV.replace("image", "shot").format("a", "b"),
            ["--image-column", "shot"],
            BOTH,
        ),
        (
            "named",
            "coco_url,x1,y1,x2,y2\nhttp://host/val/a.jpg,64,32,384,256\n",
            [],
            BOTH[:1],
        ),
    ],
)
def test_each_box_is_cropped_from_the_map_of_its_image(
    features: str, content: str, options: list[object], rows: Rows
) -> None:
    result = crop(features, "b.csv", content, options)
    assert result.status == 0, result.err
    assert "arning" not in result.err.lower()
    assert_cropped(rows)


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("b.txt", "64 32 384 256 x\n", ["--columns", "x1,y1,x2,y2,_"]),
        ("b.csv", "y1;x1;y2;x2\n64;32;384;256\n", ["--columns", "x1,y1,x2,y2"]),
        ("b.txt", f"3 {224 / 768} {144 / 512} {320 / 768} {224 / 512}\n",
         ["--columns", "label,cx,cy,w,h", "--normalized"]),
        ("b.txt", "64\t32\t320\t224\t1\t4\t0\t0\n", ["--columns", "x,y,w,h,score,label,_,_"]),
        ("b.csv.gz", gzip.compress(b"x_min,y_min,x_max,y_max\n64,32,384,256\n", mtime=0), []),
        ("b.csv", "\ufeffX1\tY1\tX2\tY2\r\n64\t32\t384\t256\r\n".encode("utf-16-be"), []),
        ("b.csv", b'\xef\xbb\xbf\n"left","top","right","bottom",\n"64"," 32",384,256,\n\n', []),
        ("b.csv", "image,bbox\na,\"{'x': 64, 'y': 32, 'w': 320, 'h': 224}\"\n", []),
        ("b.json", [{"bbox": B, "bbox_mode": 0}], []),
        ("b.json", {"boxes": [W], "bbox_mode": 1}, []),
        ("b.json", [{"image": "a", "box_format": "xyxy", "annotations": [{"bbox": B}]}], []),
        ("b.json", [{"bbox": [[384, 32], [64, 256]]}], []),
        ("b.json", [{"bbox": [*B, 0.9]}], ["--box-format", "xyxy"]),
        ("b.json", [[0, *B]], []),
        ("b.json", [[*B, 0.9]], []),
        ("b.json", [dict(zip(("xmin", "ymin", "xmax", "ymax"), F, strict=True))], ["--normalized"]),
        ("b.json", [[64, 32, 383, 255]], ["--inclusive"]),
        ("b.json", {"data": [{"image": "a", "box": B}]}, []),
    ],
)  # fmt: skip
def test_the_same_box_in_whatever_form_is_the_same_crop(
    name: str, content: object, options: list[object]
) -> None:
    result = crop("one", name, content, options)
    assert result.status == 0, result.err
    assert "arning" not in result.err.lower()
    assert_cropped([(0, B)])


@pytest.mark.parametrize("features", ["named", "padded", "grouped", "batch"])
def test_coco_finds_maps_by_name_by_id_and_by_position(features: str) -> None:
    result = crop(features, "b.json", coco())
    assert result.status == 0
    assert_cropped(BOTH if features == "batch" else [(1, B), (0, C)])
    assert ("lists 2 images, but maps.h5::/features holds 3" in result.err) == (features == "batch")


def test_the_file_of_instances_says_what_the_ids_of_results_are() -> None:
    Path("instances.json").write_text(json.dumps(coco()))
    results = [{"image_id": 7, "category_id": 1, "bbox": W, "score": None}]
    result = crop("named", "b.json", results, ["--images", "instances.json"])
    assert result.status == 0, result.err
    assert_cropped([(0, B)])


def test_one_file_of_an_image_s_detections_may_be_put_on_any_image() -> None:
    content = {"labels": [3], "scores": [0.5], "bboxes": [B]}
    assert "put all boxes on one with --on-image" in crop("named", "b.json", content).error
    assert crop("named", "b.json", content, ["--on-image", "1"]).status == 0
    assert_cropped([(1, B)])


def test_labels_of_a_mapping_by_name_are_its_own_and_not_the_name() -> None:
    content = {n: {"boxes": [box], "labels": [k]} for n, box, k in (("a", B, 5), ("b", C, 6))}
    assert crop("named", "b.json", content, ["--label", 6]).status == 0
    assert_cropped([(1, C)])


# Rows without a box, and bad ones


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b.csv", "image,x1,y1,x2,y2,score\na,64,32,384,256,\nc,,,,,\nb,100,100,300,200,\n"),
        ("b.csv", "image,x1,y1,x2,y2\na,64,32,384,256\nc,nan,NaN,nan,nan\nb,100,100,300,200\n"),
        ("b.json", [{"image": i, "bbox": b} for i, b in (("a", W), ("c", []), ("b", X))]),
    ],
)
def test_an_image_without_boxes_is_left_out_counted_and_keeps_its_place(
    name: str, content: object
) -> None:
    result = crop("named", name, content)
    assert result.status == 0
    assert "2 boxes of 3" in result.err or "1 row without a box left out" in result.err
    assert_cropped(BOTH)
    with h5py.File("out.h5") as file:
        assert file["source_index"][:].tolist() == [0, 2]
        assert file["image_names"].asstr()[:].tolist() == ["a", "b.png"]
        assert "score" not in file


def test_every_bad_row_is_what_the_option_decides() -> None:
    rows = ["a,64,32,384,256", "a,x,32,384,256", "c,64,32,384,256", "a,384,32,64,256", "a,1,2,3"]
    content = "\n".join(["image,x1,y1,x2,y2", *rows, "b,100,100,300,200"])
    error = crop("named", "b.csv", content).error
    for words in (
        "line 3: column x1: 'x' is not a number",
        "line 4: no image c",
        "line 5: x2 64 is less than x1 384",
        "line 6: 4 fields",
        "--on-bad-box zero or drop",
    ):
        assert words in error
    assert crop("named", "b.csv", content, ["--on-bad-box", "drop"]).status == 0
    assert_cropped(BOTH)
    assert crop("named", "b.csv", content, ["--on-bad-box", "zero", "--overwrite"]).status == 0
    with h5py.File("out.h5") as file:
        assert file["pooled"][:].any(axis=(1, 2, 3)).tolist() == [True, *[False] * 4, True]


# What is refused, with what to do


@pytest.mark.parametrize(
    ("features", "name", "content", "words"),
    [
        ("one", "b.csv", CSV.format("a", "b"), "holds one image, 0, without names: give each box"),
        ("one", "b.json", {"data": [{"image": i, "box": B} for i in "ab"]}, "image is 'a', but"),
        ("batch", "b.csv", CSV.format("1", "2"), "--images FILE .* --ids-are-indices if"),
        ("batch", "b.json", [{"image_id": 3, "category_id": 1, "bbox": W}], "--ids-are-indices"),
        ("batch", "b.csv", "frame,x,y,w,h\n1,64,32,320,224\n2,1,1,9,9\n", "none is 0, which may"),
        ("batch", "b.json", [[1, 64, 32, 384, 0.5]], "--columns image_index,x1,y1,x2,y2 or --col"),
        ("batch", "b.json", [[7, 64, 32, 384, 256]], "--columns image_index,x1,y1,x2,y2 or --col"),
        (
            "named",
            "b.csv",
            "x1,y1,x2,y2,kind\n1,2,3,4,x\n",
            "it has x1, y1, x2, y2, kind; name their column with --image",
        ),
        ("named", "b.json", [{"boxes": [B]}, {"boxes": [C]}], "without the names of their images"),
        ("levels", "b.csv", CSV.format("a", "b"), "several maps per image: p2, p3: .*/\\*/p2"),
        ("one", "b.json", [{"bbox": [*B, 0.9]}], "five numbers: give --box-format"),
        ("one", "b.json", [{"bbox": F, "bbox_mode": 2}], "bbox_mode is 2: .*fractions"),
        ("one", "b.json", [{"image": "a", "bbox_mode": 3, "annotations": [{"bbox": F}]}], "is 3: "),
        ("one", "b.csv", "x1,y1,x2,y2,x3,y3,x4,y4\n1,1,9,1,9,9,1,9\n", "belong to a quadrilateral"),
        ("one", "b.csv", "x1,y1,x2,y2,angle\n1,2,3,4,30\n", "angle is 30, but x1,y1,x2,y2 are not"),
        ("one", "b.txt", "64 32 384 256\n", "there is no header: name the columns, with --columns"),
        ("one", "b.txt", "0 0.5 0.5 0.1 0.2\n", "--columns label,cx,cy,w,h --normalized if YOLO"),
        ("one", "b.csv", "x1;y1;x2;y2\n64,5;32;384;256\n", "a decimal comma: write a point"),
        ("one", "b.csv", "n,x1,y1,x2,y2\nstra\xdfe,1,2,3,4\n".encode("cp1252"), "Windows-1252"),
        ("one", "b.xml", "<annotation/>", "Pascal VOC.*write a CSV"),
        ("one", "b.csv.gz", gzip.compress(b"x1,y1", mtime=0)[:-9], "cannot be read"),
        ("one", "b.csv", "", "is empty: begin it with a header"),
        ("one", "b.csv", "a,b,c\n1,2,3\n", "no four coordinates among a, b, c: name the columns"),
    ],
)
def test_an_ambiguous_input_is_one_line_and_no_output(
    features: str, name: str, content: object, words: str
) -> None:
    error = crop(features, name, content).error
    assert re.search(words, error), error
    assert not Path("out.h5").exists()


# Likely mistakes, which give a warning until an option confirms them

SHOTS = "shot,x1,y1,x2,y2\na,64,32,384,256\nb,100,100,300,200\n"


@pytest.mark.parametrize(
    ("features", "name", "content", "options", "words", "silencer"),
    [
        ("one", "b.csv", SHOTS, [], "shot differs from row to row: it has shot", "--on-image 0"),
        ("batch", "b.csv", CSV.format(0, 1).replace("image", "image_id"), [],
         "image_id was used as the image's index", "--ids-are-indices"),
        ("batch", "b.json", coco(), [], "lists 2 images, but maps.h5::/features holds 3", None),
        ("one", "b.json", [F, F], [], "if these are fractions of it, give --normalized",
         "--normalized"),
        ("one", "b.json", [[*F[:3], 1.04]], [], "give --normalized", "--normalized"),
        ("one", "b.json", [{"box": B, "score": 95}], ["--min-score", 0.5],
         "scores reach 95: if these are in percent, --min-score 50 is meant", "--min-score 50"),
        ("one", "b.csv", "x1,y1,x2,y2,angle\n64,32,384,256,30\n", ["--box-format", "xyxy"],
         "angle is 30, which is ignored", None),
        ("one", "b.csv", "image,width,height,x1,y1,x2,y2\na,1536,1024,64,32,384,256\n", [],
         "--stride 128 would fit, or --input-scale 0.5", "--input-scale 0.5"),
    ],
)  # fmt: skip
def test_a_likely_mistake_is_a_warning_that_inspect_shares(
    features: str,
    name: str,
    content: object,
    options: list[object],
    words: str,
    silencer: str | None,
) -> None:
    result = crop(features, name, content, options)
    assert result.status == 0, result.err
    assert words in result.err
    if "--min-score" not in options:  # which inspect does not take
        inspected = run("inspect", "maps.h5", name, *options)
        assert words in inspected.out
        assert "they do not fit" in inspected.out
        assert inspected.status == 3
    if silencer is not None:
        said = crop(features, name, content, ["--overwrite", *silencer.split()])
        assert (said.status, "WARNING" in said.err) == (0, False), said.err


@pytest.mark.parametrize(
    "command", ["align", "pool", "show", "explain", "compare", "identify", "batch"]
)
def test_every_command_that_crops_gives_the_same_warnings(command: str) -> None:
    assert crop("one", "b.csv", SHOTS).status == 0
    options: dict[str, list[object]] = {
        "align": ["-o", "x.npy"],
        "pool": ["-o", "x.npy"],
        "show": ["-o", "x.png", "--box", 0],
        "explain": ["--box", 0],
        "compare": ["--with", "onnx", "--with", "torchvision"],
        "identify": ["out.h5"],
        "batch": ["-o", "x"],
    }
    Path("rows.csv").write_text("features,boxes\nmaps.h5,b.csv\n")
    files = ["rows.csv"] if command == "batch" else ["maps.h5", "b.csv"]
    assert "shot differs from row to row" in run(command, *files, *options[command]).err


def test_the_summary_says_which_of_two_names_was_used() -> None:
    content = "path,image_id,x1,y1,x2,y2,x,y,w,h\nb.png,0,64,32,384,256,1,2,3,4\n"
    result = crop("batch", "b.csv", content, ["--box-format", "xyxy", "--ids-are-indices"])
    assert "image is image_id, not path: --image-column" in result.err
    assert_cropped([(0, B)])
