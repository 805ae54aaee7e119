"""`inspect` says what is in files, what is odd about it, and whether they fit together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.inspection.sample import sample
from roicrop.inspection.values import summarise
from roicrop.job import covers, stride_that_covers
from tests.command_line import MAPS, Result, run, run_process, write_boxes, write_maps

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"
RANDOM = np.random.default_rng(8)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inspect(*arguments: object) -> Result:
    result = run("inspect", *arguments)
    assert result.status == 0, result.err
    return result


def found(*arguments: object) -> dict[str, Any]:
    """What JSON says of the only file."""
    (file,) = inspect(*arguments, "--json").json["files"]
    assert isinstance(file, dict)
    return file


def together(*arguments: object) -> dict[str, Any]:
    """What JSON says of the only features and boxes that go together."""
    (pair,) = inspect(*arguments, "--json").json["together"]
    assert isinstance(pair, dict)
    return pair


def store(data: np.ndarray, /, *, chunks: Any = None, compression: Any = None, **said: Any) -> None:
    """maps.h5 with a dataset /m, of a stride unless that is None."""
    with h5py.File("maps.h5", "w") as file:
        file.create_dataset("m", data=data, chunks=chunks, compression=compression)
        file["m"].attrs.update({k: v for k, v in {"stride": 8, **said}.items() if v is not None})


def noise(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape, dtype=np.float32)


# Feature maps


def test_a_dataset_is_described_whole() -> None:
    path = SAMPLE_DATA / "features.h5"
    file = found(path)
    (dataset,) = file["datasets"]
    with h5py.File(path) as stored:
        values = stored["features"][()].astype(np.float64)
    assert dataset.pop("values") == {
        "looked_at": values.size,
        "of": values.size,
        "minimum": values.min(),
        "mean": pytest.approx(values.mean()),
        "maximum": values.max(),
        "nan": 0,
        "infinite": 0,
    }
    assert dataset == {
        "path": "/features",
        "shape": [1, 96, 60, 60],
        "dtype": "float16",
        "layout": "NCHW",
        "layout_origin": "attribute layout",
        "images": 1,
        "channels": 96,
        "map_size": [60, 60],
        "stride": 8.0,
        "stride_origin": "attribute stride",
        "input_scale": None,
        "chunks": [1, 96, 60, 60],
        "compression": "shuffle + gzip:9",
        "unreadable": None,
        "odd": [],
    }
    assert file["taken_as"] == "/features, a batch of 1 image of 96 channels"


def test_words_say_what_json_says() -> None:
    lines = inspect(SAMPLE_DATA / "features.h5").out.splitlines()
    assert [line.strip() for line in lines] == [
        f"{SAMPLE_DATA / 'features.h5'}: HDF5, 591,667 bytes",
        "taken as    /features, a batch of 1 image of 96 channels",
        "/features",
        "shape       (1, 96, 60, 60) float16",
        "layout      NCHW (attribute layout): 1 image of 96 channels, 60×60 cells",
        "stride      8 (attribute stride): 480×480 pixels",
        "stored      chunks of 1×96×60×60, shuffle + gzip:9",
        "values      -104.188 to 98.625, mean -0.219347 (all 345,600)",
        "",
    ]


def test_options_go_before_attributes() -> None:
    store(noise(6, 7, 8), layout="CHW", stride=4)
    options = ["--stride", "16", "--layout", "HWC", "--input-scale", "0.5,0.25"]
    (dataset,) = found("maps.h5", *options)["datasets"]
    assert (dataset["stride"], dataset["stride_origin"]) == (16, "--stride")
    assert (dataset["layout"], dataset["layout_origin"]) == ("HWC", "--layout")
    assert (dataset["channels"], dataset["map_size"]) == (8, [6, 7])
    assert dataset["input_scale"] == [0.25, 0.5]


def test_a_group_of_images_says_stride_and_layout_for_those_in_it() -> None:
    with h5py.File("maps.h5", "w") as file:
        for name in "ab":
            file[f"val/{name}"] = noise(5, 6, 8)
        file["val"].attrs.update(stride=16, layout="HWC")
    report = found("maps.h5")
    assert report["sources"] == ["maps.h5::/val"]
    for dataset in report["datasets"]:
        assert (dataset["stride"], dataset["channels"]) == (16, 8)
        assert dataset["stride_origin"] == "attribute stride of /val"
        assert dataset["layout_origin"] == "attribute layout of /val"
        assert not dataset["odd"]


def test_a_path_in_the_file_leaves_out_the_rest() -> None:
    file = found(f"{SAMPLE_DATA / 'pyramid.h5'}::/stride32")
    assert [dataset["path"] for dataset in file["datasets"]] == ["/stride32"]
    assert file["taken_as"]


def test_a_file_that_must_be_chosen_from_says_what_can_be_chosen() -> None:
    path = SAMPLE_DATA / "pyramid.h5"
    file = found(path)
    assert file["taken_as"] is None
    assert file["sources"] == [f"{path}::/stride16", f"{path}::/stride32"]
    assert f"nothing by itself: choose {path}::/stride16 or" in inspect(path).out


def test_of_many_datasets_the_first_are_shown_at_length_and_the_others_in_a_line() -> None:
    with h5py.File("maps.h5", "w") as file:
        for n in range(30):
            file[f"image{n:02}"] = noise(2, 3, 3)
            file[f"image{n:02}"].attrs["stride"] = 4
        file["image20"][0, 0, 0] = np.nan
    text = inspect("maps.h5").out
    assert text.count("  shape ") == 5
    assert "  /image05  (2, 3, 3) float32 CHW, stride 4, contiguous, " in text
    assert "  /image29  (2, 3, 3) float32 CHW, stride 4, contiguous, " in text
    assert "odd         /image20: 1 of 18 values is NaN" in text
    assert len(found("maps.h5")["datasets"]) == 30


def nan(maps: np.ndarray) -> np.ndarray:
    maps[0, 0, 0], maps[1, 1, :2] = np.nan, np.inf
    return maps


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda: store(noise(8, 9, 9), stride=None), "nothing says its stride"),
        (lambda: store(noise(8, 9, 9), stride="x"), "stride is 'x', not a positive number"),
        (lambda: store(noise(8, 9, 9), spatial_scale=0.5), "stride is 8, but spatial_scale is 0.5"),
        (lambda: store(noise(8, 9, 9), stride=0.125), "are stride and spatial_scale mixed up?"),
        (lambda: store(noise(8, 9, 9), layout="WHC"), "layout is 'WHC', not NCHW"),
        (lambda: store(noise(8, 9, 9), layout="NCHW"), "of 4 axes, but the dataset has 3"),
        (lambda: store(noise(38, 50, 256)), "looks like HWC, 256 channels of 38×50 cells, but not"),
        (lambda: store(noise(1, 7, 7, 64), layout="NCHW"), "attribute layout says NCHW: --layout"),
        (lambda: store(noise(8, 9, 9), layout="HWC"), "looks like CHW, 8 channels of 9×9 cells"),
        (lambda: store(nan(noise(8, 9, 9))), "1 of 648 values is NaN"),
        (lambda: store(nan(noise(8, 9, 9))), "2 of 648 values are infinite"),
        (lambda: store(np.zeros((8, 9, 9))), "every finite value is 0"),
        (lambda: store(np.ones((3, 50, 50), np.uint8)), "a picture, most often"),
        (lambda: store(noise(4, 8, 9, 9), chunks=(2, 8, 9, 9), compression="lzf"),
         "a chunk holds 2 images"),
    ],
)  # fmt: skip
def test_what_is_odd_about_a_dataset_is_told(write: Callable[[], None], words: str) -> None:
    write()
    (dataset,) = found("maps.h5")["datasets"]
    assert any(words in text for text in dataset["odd"]), dataset["odd"]
    assert words in inspect("maps.h5").out


@pytest.mark.parametrize(
    "shape", [(8, 9, 9), (256, 38, 50), (64, 32, 128), (96, 24, 48), (1, 40, 60), (2, 64, 64, 48)]
)
def test_usual_maps_are_not_odd(shape: tuple[int, ...]) -> None:
    store(noise(*shape))
    (dataset,) = found("maps.h5")["datasets"]
    assert dataset["odd"] == []


def test_what_was_never_written_is_told() -> None:
    with h5py.File("maps.h5", "w") as file:
        file.create_dataset("none", (2, 8, 9, 9), "f4")
        file.create_dataset("some", (4, 8, 9, 9), "f4", chunks=(1, 8, 9, 9))
        file["some"][1] = noise(8, 9, 9)
    none, some = found("maps.h5")["datasets"]
    assert "was never written: it reads as its fill value" in none["odd"]
    assert "1 of 4 chunks were written: the others read as the fill value" in some["odd"]


def test_a_stride_where_nobody_looks_for_it_is_told() -> None:
    store(noise(8, 9, 9), stride=None)
    with h5py.File("maps.h5", "a") as file:
        file.attrs["stride"] = 16
    (dataset,) = found("maps.h5")["datasets"]
    assert "attribute stride of / says nothing of this dataset" in dataset["odd"][0]


def test_what_cannot_be_a_map_is_told() -> None:
    store(noise(8, 9, 9))
    with h5py.File("maps.h5", "a") as file:
        file["complex"] = np.zeros((2, 2, 2), complex)
        file["names"] = ["a", "b"]
        file["gone"] = h5py.SoftLink("/nowhere")
    complex_, gone = found("maps.h5")["odd"]
    assert complex_.startswith("/complex holds complex128")
    assert gone == "/gone is a broken link"


def test_images_with_an_axis_too_many_are_no_group() -> None:
    with h5py.File("maps.h5", "w") as file:
        for name in "abc":
            file[name] = noise(1, 8, 9, 9)
    (odd,) = found("maps.h5")["odd"]
    assert odd.startswith("/ holds 3 datasets of one image each")


# Samples


def test_of_a_large_dataset_a_sample_is_looked_at_and_called_one() -> None:
    maps = noise(8, 20, 100, 100)
    store(maps, chunks=(1, 20, 50, 50), compression="lzf")
    (dataset,) = found("maps.h5")["datasets"]
    values = dataset["values"]
    assert values["of"] == maps.size
    assert 1 << 19 < values["looked_at"] <= 1 << 20
    assert maps.min() <= values["minimum"] < -3 < 3 < values["maximum"] <= maps.max()
    text = f"(a sample, {values['looked_at']:,} of 1,600,000)"
    assert text in inspect("maps.h5").out


@given(
    st.lists(st.integers(1, 9), min_size=3, max_size=4).map(tuple),
    st.integers(1, 500),
    st.sampled_from([None, "lzf", "none"]),
    st.data(),
)
def test_a_sample_is_bounded_and_all_over_the_dataset(
    shape: tuple[int, ...], most: int, storage: str | None, data: st.DataObject
) -> None:
    chunks = None
    if storage is not None:
        chunks = tuple(data.draw(st.integers(1, length)) for length in shape)
    numbers = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    with h5py.File("memory.h5", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset(
            "m", data=numbers, chunks=chunks, compression="lzf" if storage == "lzf" else None
        )
        values = sample(dataset, "m", most)
    chunk = numbers.size if chunks is None else int(np.prod(chunks))
    assert 0 < values.looked_at <= (numbers.size if numbers.size <= most else max(most, chunk))
    if numbers.size <= most:
        assert values == summarise([numbers], of=numbers.size)
    else:
        assert values.minimum == 0
    assert values.of == numbers.size


def test_a_sample_does_not_unpack_a_huge_chunk() -> None:
    with h5py.File("maps.h5", "w") as file:
        file.create_dataset(
            "m", (1, 300, 500, 500), "f4", chunks=(1, 300, 500, 500), compression="gzip"
        )
    (dataset,) = found("maps.h5")["datasets"]
    assert dataset["values"] is None
    assert any("286 MiB are unpacked for any one value" in text for text in dataset["odd"])


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
    assert "degenerate  1 of no size, 1 reversed, 1 not finite" in text
    for line in (2, 3, 4):
        assert f"first boxes.csv line {line}" in text


@pytest.mark.parametrize(
    ("csv", "words"),
    [
        ("x1,y1,x2,y2\n", "holds no boxes"),
        ("x1,y1,x2,y2\n.1,.1,.9,1\n", "if they are fractions of the image, give --normalized"),
        ("x1,y1,x2,y2\n1,2,3,4\n2,2,3,4\n1,2,3,4\n",
         "1 box repeats an earlier one (image, coordinates and label): b.csv line 4 is b.csv line"),
        ("x1,y1,x2,y2,id\n1,2,3,4,7\n2,2,3,4,7\n", "an id should be one box's: 7 is that of 2"),
        ("x1,y1,x2,y2,score\n1,2,3,4,nan\n", "the score of 1 box is not a number, first b.csv lin"),
        ("x1,y1,x2,y2,score\n1,2,3,4,87\n", "the score of 1 box is not in 0 to 1"),
        ("x1,y1,x2,y2\n100,50,30,40\n200,60,20,20\n", "--box-format xywh"),
    ],
)  # fmt: skip
def test_what_is_odd_about_boxes_is_told(csv: str, words: str) -> None:
    Path("b.csv").write_text(csv)
    assert any(words in text for text in found("b.csv")["odd"])
    assert words in inspect("b.csv").out


def test_the_same_box_on_another_image_or_of_another_label_is_no_repetition() -> None:
    Path("b.csv").write_text("image,label,x1,y1,x2,y2\na,1,1,2,3,4\nb,1,1,2,3,4\na,2,1,2,3,4\n")
    assert found("b.csv")["repeated"] == 0


def coco(*boxes: tuple[float, ...], image: int = 1, category: int = 1) -> None:
    """boxes.json for an image of 96×80 pixels."""
    annotations = [
        {"id": n, "image_id": image, "category_id": category, "bbox": box}
        for n, box in enumerate(boxes)
    ]
    images = [{"id": 1, "file_name": "a.png", "width": 96, "height": 80}]
    categories = [{"id": 1, "name": "cat"}]
    Path("boxes.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )


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


def test_ids_that_coco_does_not_list_are_told() -> None:
    coco((0, 0, 5, 5), image=3, category=4)
    images, categories = found("boxes.json")["odd"]
    assert images == "images of boxes.json list no id of 1 box, first boxes.json box 0: 3"
    assert categories == "categories of boxes.json list no id of 1 box, first boxes.json box 0: 4"


def test_corners_that_are_called_sizes_are_told_by_the_image_they_leave() -> None:
    coco((60, 50, 90, 70), (50, 40, 70, 80), (70, 30, 96, 60))
    assert any("none would be as xyxy: --box-format xyxy" in t for t in found("boxes.json")["odd"])
    assert found("boxes.json", "--box-format", "xyxy")["odd"] == []


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
    assert "RoIAlign as detectron2 has it, but sampling_ratio 3 (its own: adaptive)" in text
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
        "does not say how it was made, as .h5 and .npz do",
        "96 of 96 values are NaN",
    ]


def test_rules_of_another_version_are_told() -> None:
    write_maps()
    write_boxes()
    run("align", "maps.h5", "boxes.csv", "-o", "out.h5")
    with h5py.File("out.h5", "a") as file:
        file.attrs["rules"] = '{"phase": 1}'
    assert found("out.h5")["odd"] == ["made by rules that this version does not know"]
    with h5py.File("out.h5", "a") as file:
        file.attrs["convention"] = "caffe3"
    assert "convention caffe3, which this version does not know" in found("out.h5")["odd"][0]


# Together


@pytest.mark.parametrize(
    "files",
    [
        ("features.h5", "boxes.csv"),
        ("features.h5", "boxes.json"),
        ("two_images.h5", "two_images.csv"),
        ("two_images.h5", "two_images.json"),
    ],
)
def test_the_sample_data_fit(files: tuple[str, str]) -> None:
    features, boxes = (SAMPLE_DATA / name for name in files)
    pair = together(features, boxes)
    assert pair["fits"]
    assert pair["on_map"] == pair["count"]
    assert pair["images_with_boxes"] == pair["images"]
    assert f"{features} with {boxes}: they fit" in inspect(features, boxes).out


def test_the_stride_that_fits_is_named_as_the_other_commands_name_it() -> None:
    write_maps(stride=1)
    write_boxes()
    pair = together("maps.h5", "boxes.csv")
    assert not pair["fits"]
    assert pair["stride_that_fits"] == 8
    assert (pair["on_map"], pair["outside_partly"], pair["outside_wholly"]) == (0, 2, 1)
    (warning,) = pair["warnings"]
    assert warning in run("align", "maps.h5", "boxes.csv", "-o", "out.h5").err
    assert together("maps.h5", "boxes.csv", "--stride", "8")["fits"]


def test_one_box_outside_is_enough_to_name_a_stride() -> None:
    write_maps(stride=4)
    write_boxes(boxes=[(0, 0, 0, 40, 40), (0, 0, 0, 48, 40), (0, 50, 40, 90, 79)])
    text = inspect("maps.h5", "boxes.csv").out
    assert "2 of 3 boxes, 1 wholly outside; 1 by more than a cell: --stride 8 would" in text


def test_a_stride_by_which_all_boxes_crowd_in_a_corner_is_odd() -> None:
    write_maps(stride=64)
    write_boxes(boxes=[(0, x, y, x + 8, y + 8) for x in (0, 88) for y in (0, 72)])
    (odd,) = together("maps.h5", "boxes.csv")["odd"]
    assert odd.startswith("every box lies in the first 12 % of its map")
    assert "--stride 8" in odd


def test_a_stride_that_the_size_of_the_image_contradicts_is_odd() -> None:
    write_maps(maps=MAPS[:1], stride=16)
    coco((0, 0, 96, 80))
    pair = together("maps.h5", "boxes.json")
    assert pair["odd"] == [
        "boxes.json says that image 1 has 80×96 pixels on a map of 10×12 cells, which is stride 8, "
        "but 16 is taken (attribute stride)"
    ]
    assert not pair["fits"]
    assert together("maps.h5", "boxes.json", "--stride", "8")["fits"]


def test_images_that_do_not_exist_are_named() -> None:
    features = SAMPLE_DATA / "two_images.h5"
    Path("boxes.csv").write_text("image,x1,y1,x2,y2\nbadge,1,2,3,4\nnobody.png,1,2,3,4\n")
    pair = together(features, "boxes.csv")
    assert pair["missing"] == {"nobody.png": f"{features} has no dataset named 'nobody.png'"}
    assert (pair["on_no_image"], pair["fits"]) == (1, False)
    assert "1 box on no image: 'nobody.png'" in inspect(features, "boxes.csv").out


def test_boxes_that_cannot_find_their_image_are_a_problem_and_no_failure() -> None:
    write_maps()
    Path("boxes.csv").write_text("x1,y1,x2,y2\n1,2,3,4\n")
    assert "names no images" in together("maps.h5", "boxes.csv")["problem"]


def test_a_box_format_by_which_boxes_would_lie_on_the_map_is_named() -> None:
    write_maps()
    Path("boxes.csv").write_text(
        "image_index,x,y,w,h\n0,60,50,90,70\n0,50,40,70,79\n1,70,30,95,60\n"
    )
    assert "--box-format xyxy" in together("maps.h5", "boxes.csv")["odd"][0]
    assert together("maps.h5", "boxes.csv", "--box-format", "xyxy")["fits"]


def test_boxes_are_held_against_their_namesake_or_against_all() -> None:
    for name in ("a.h5", "b.h5"):
        write_maps(name)
    for name in ("a.csv", "c.csv"):
        write_boxes(name)
    pairs = inspect("a.h5", "b.h5", "a.csv", "c.csv", "--json").json["together"]
    assert [(pair["features"], pair["boxes"]) for pair in pairs] == [
        ("a.h5", "a.csv"),
        ("a.h5", "c.csv"),
        ("b.h5", "c.csv"),
    ]


def test_boxes_are_held_against_every_dataset_of_a_file() -> None:
    files = SAMPLE_DATA / "pyramid.h5", SAMPLE_DATA / "boxes.csv"
    pairs = inspect(*files, "--json").json["together"]
    assert [pair["features"].rpartition("/")[2] for pair in pairs] == ["stride16", "stride32"]
    assert all(pair["fits"] for pair in pairs)


@given(st.integers(0, 7), st.tuples(st.integers(20, 2000), st.integers(20, 2000)), st.booleans())
def test_the_stride_that_covers_is_one_by_which_the_map_was_made(
    power: int, pixels: tuple[int, int], up: bool
) -> None:
    height, width = (n / 2**power for n in pixels)
    cells = int(np.ceil(height) if up else height), int(np.ceil(width) if up else width)
    assert covers(2**power, pixels, cells)
    found = stride_that_covers(pixels, cells)
    assert found is not None
    assert found == 2**power or min(cells) < 4


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


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((2, 3, 4, 4), int), np.array(["a"])])
def test_numpy_files_of_something_else_are_not_taken_for_pooled(array: np.ndarray) -> None:
    np.save("a.npy", array)
    np.savez("a.npz", array)
    for name in ("a.npy", "a.npz"):
        assert "feature maps are read from HDF5" in run("inspect", name).error


def test_the_other_files_are_shown_when_one_cannot_be_read() -> None:
    write_boxes()
    Path("a.h5").write_bytes(b"hello")
    result = run("inspect", "a.h5", "boxes.csv", "--json")
    assert result.status == 1
    bad, good = result.json["files"]
    assert bad == {"path": "a.h5", "error": "a.h5 is not an HDF5 file"}
    assert good["count"] == 3
    assert result.err == "roicrop: error: a.h5 is not an HDF5 file\n"


def test_a_damaged_dataset_is_told_and_the_rest_is_shown() -> None:
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
