"""`inspect` says what a file of feature maps holds, and what looks wrong with it."""

from __future__ import annotations

from collections.abc import Callable

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.inspection.maps import sample, summarise
from tests.inspection.looking import SAMPLE_DATA, found, inspect, noise, store

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
        "way": "chunk by chunk, unpacked on all processors",
        "files": [],
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
        "read        chunk by chunk, unpacked on all processors",
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
    assert report["sources"] == ["maps.h5"]
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
        (lambda: store(noise(8, 9, 9), stride=None), "no stride is given"),
        (lambda: store(noise(8, 9, 9), stride="x"), "stride is 'x', not a positive number"),
        (lambda: store(noise(8, 9, 9), spatial_scale=0.5), "stride is 8, but spatial_scale is 0.5"),
        (lambda: store(noise(8, 9, 9), stride=0.125), "are stride and spatial_scale swapped?"),
        (lambda: store(noise(8, 9, 9), layout="WVC"), "layout is 'WVC', not NCHW"),
        (lambda: store(noise(8, 9, 9), layout="NCHW"), "of 4 axes, but the dataset has 3"),
        (lambda: store(noise(38, 50, 256)), "looks like HWC, 256 channels of 38×50 cells, but not"),
        (lambda: store(noise(1, 7, 7, 64), layout="NCHW"), "layout says NCHW: give --layout"),
        (lambda: store(noise(8, 9, 9), layout="HWC"), "looks like CHW, 8 channels of 9×9 cells"),
        (lambda: store(nan(noise(8, 9, 9))), "1 of 648 values is NaN"),
        (lambda: store(nan(noise(8, 9, 9))), "2 of 648 values are infinite"),
        (lambda: store(np.zeros((8, 9, 9))), "every finite value is 0"),
        (lambda: store(np.ones((3, 50, 50), np.uint8)), "usually a picture"),
        (lambda: store(noise(4, 8, 9, 9), chunks=(2, 8, 9, 9), compression="lzf"),
         "a chunk holds 2 images"),
    ],
)  # fmt: skip
def test_what_is_odd_about_a_dataset_is_reported(write: Callable[[], None], words: str) -> None:
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


def test_what_was_never_written_is_reported() -> None:
    with h5py.File("maps.h5", "w") as file:
        file.create_dataset("none", (2, 8, 9, 9), "f4")
        file.create_dataset("some", (4, 8, 9, 9), "f4", chunks=(1, 8, 9, 9))
        file["some"][1] = noise(8, 9, 9)
    none, some = found("maps.h5")["datasets"]
    assert "was never written: it reads as its fill value" in none["odd"]
    assert "image 0, 2, 3 was never written: it reads as the fill value" in some["odd"]


def test_a_stride_where_nobody_looks_for_it_is_reported() -> None:
    store(noise(8, 9, 9), stride=None)
    with h5py.File("maps.h5", "a") as file:
        file.attrs["stride"] = 16
    (dataset,) = found("maps.h5")["datasets"]
    assert "attribute stride of its group does not apply to this dataset" in dataset["odd"][1]


def test_what_cannot_be_a_map_is_reported() -> None:
    store(noise(8, 9, 9))
    with h5py.File("maps.h5", "a") as file:
        file["complex"] = np.zeros((2, 2, 2), complex)
        file["names"] = ["a", "b"]
        file["gone"] = h5py.SoftLink("/nowhere")
    complex_, gone = found("maps.h5")["odd"]
    assert complex_.startswith("/complex holds complex128")
    assert gone == "/gone is a link to /nowhere, which is not there: fix or remove it"


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
    assert any("reading any value unpacks 286 MiB" in text for text in dataset["odd"])
