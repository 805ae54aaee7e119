from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.command_line import run
from tests.models.make import inputs

MODELS = Path(__file__).parents[1] / "models"
MODEL = MODELS / "opset10.onnx"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    features, boxes = inputs()
    with h5py.File("maps.h5", "w") as file:
        file["features"] = features
    rows = [["image_index", "x1", "y1", "x2", "y2"], *boxes.tolist()]
    Path("boxes.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))


def align(*arguments: object) -> str:
    result = run("align", "maps.h5", "boxes.csv", "-o", "out.npy", "--overwrite", *arguments)
    assert result.status == 0, result.err
    return result.err


def test_a_model_as_convention_gives_size_scale_ratio_and_mode() -> None:
    for name in ("opset10.onnx", "opset10-max.onnx", "torch-opset16.onnx"):
        said = align("--convention", MODELS / name)
        with np.load(MODELS / "values.npz") as values:
            np.testing.assert_allclose(np.load("out.npy"), values[name], atol=1e-4)
        assert f"{name}::" in said
    assert "scale       0.125, stride 8 (the model)" in said


def test_an_option_overrides_what_the_model_says_and_the_summary_says_so() -> None:
    said = align("--convention", MODEL, "--output-size", 2, "--stride", 4, "--sampling-ratio", 1)
    assert np.load("out.npy").shape[-2:] == (2, 2)
    assert "but --sampling-ratio, --output-size, --stride; 2×2 bins" in said
    plain = np.load("out.npy")
    align(
        "--convention",
        "onnx-legacy",
        *["--output-size", "2", "--stride", "4", "--sampling-ratio", "1"],
    )
    np.testing.assert_array_equal(np.load("out.npy"), plain)


def test_a_node_is_chosen_by_name_and_must_be_if_there_are_several() -> None:
    align("--convention", f"{MODELS / 'two.onnx'}::/then")
    result = run(
        "align", "maps.h5", "boxes.csv", "-o", "x.npy", "--convention", MODELS / "two.onnx"
    )
    assert "choose one with" in result.error


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("max-roi-pool.onnx", "is a MaxRoiPool: use `roicrop pool`"),
        ("custom.onnx", "the rules of MMCVDeformRoIPool are not known"),
        ("bilinear.xml", "no convention computes this ROIPooling: the nearest is tensorflow"),
        ("missing.onnx", "cannot be read"),
    ],
)
def test_a_node_that_align_cannot_compute_is_refused_in_a_line(name: str, problem: str) -> None:
    result = run("align", "maps.h5", "boxes.csv", "-o", "x.npy", "--convention", MODELS / name)
    assert problem in result.error


def test_pool_show_and_explain_take_models_too() -> None:
    pooling = MODELS / "max-roi-pool.onnx"
    assert run("pool", "maps.h5", "boxes.csv", "-o", "p.npy", "--convention", pooling).status == 0
    with np.load(MODELS / "values.npz") as values:
        np.testing.assert_array_equal(np.load("p.npy"), values["max-roi-pool.onnx"])
    shown = run("show", "maps.h5", "boxes.csv", "-o", "p.png", "--box", 0, "--convention", MODEL)
    assert shown.status == 0
    explained = run("explain", "maps.h5", "boxes.csv", "--convention", MODEL)
    assert "3 × 5 bins" in explained.out


def test_compare_takes_a_model() -> None:
    compare = ("compare", "maps.h5", "boxes.csv", "--with", MODELS / "opset16.onnx")
    different = run(*compare, "--with", "onnx-legacy:sampling_ratio=2")
    assert different.status == 3
    assert "offset" in different.out
    assert "3×5 bins" in different.err
    same = run(*compare, "--with", f"{MODELS / 'opset16-omitted.onnx'}::/head/RoiAlign:mode=avg")
    assert same.status == 0


def test_models_of_different_sizes_are_compared_only_when_one_is_chosen() -> None:
    compare = ["compare", "maps.h5", "boxes.csv", "--with", MODELS / "opset16.onnx"]
    compare += ["--with", MODELS / "torch-opset16.onnx"]
    assert "differ in output size: give --output-size" in run(*compare).error
    assert run(*compare, "--output-size", 2).status == 3


def test_a_pyramids_extractor_crops_from_the_levels_of_a_group() -> None:
    with h5py.File("levels.h5", "w") as file:
        for stride in (4, 8):
            shape = (1, 2, 160 // stride, 160 // stride)
            file[f"p{stride}"] = np.random.default_rng(stride).standard_normal(shape, np.float32)
    Path("one.csv").write_text("x1,y1,x2,y2\n10,20,90,100\n0,0,40,30\n")
    given = ["levels.h5", "one.csv", "--levels", "p4,p8", "-o"]
    model = MODELS / "extractor.xml"
    done = run("align", *given, "by_model.npy", "--convention", model)
    assert done.status == 0, done.err
    options = ["--convention", "openvino-extractor", "--sampling-ratio", "2", "--strides", "4,8"]
    assert run("align", *given, "by_name.npy", *options).status == 0
    np.testing.assert_array_equal(np.load("by_model.npy"), np.load("by_name.npy"))
