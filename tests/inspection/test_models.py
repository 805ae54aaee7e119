from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command_line import run
from tests.models.make import CHANNELS, inputs

MODELS = Path(__file__).parents[1] / "models"


def node(name: str) -> dict[str, Any]:
    (file,) = run("inspect", MODELS / name, "--json").json["files"]
    (found,) = file["nodes"]
    assert isinstance(found, dict)
    return found


def test_a_model_lists_each_roi_operator_with_what_computes_the_same() -> None:
    text = run("inspect", MODELS / "opset16-omitted.onnx").out
    for part in (
        "ONNX model, 240 bytes, 1 RoI operator",
        "RoiAlign, opset 16",
        "sampling_ratio = 0 (default)",
        "8 pixels per cell",
        "convention onnx",
        "OpenVINO 1",
    ):
        assert part in text


@pytest.mark.parametrize(
    "name", ["opset10-max.onnx", "opset16-legacy.onnx", "max-roi-pool.onnx", "opset3-max.xml"]
)
def test_the_command_that_is_given_crops_as_the_models_runtime_does(
    name: str, tmp_path: Path
) -> None:
    import h5py

    features, boxes = inputs()
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["features"] = features
    rows = [["image_index", "x1", "y1", "x2", "y2"], *boxes.tolist()]
    (tmp_path / "boxes.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))
    words = shlex.split(node(name)["command"])[1:]
    places = {
        "FEATURES": tmp_path / "maps.h5",
        "BOXES": tmp_path / "boxes.csv",
        "OUT.h5": tmp_path / "out.npy",
    }
    assert run(*(places.get(word, word) for word in words)).status == 0
    with np.load(MODELS / "values.npz") as values:
        expected = values[name]
    pooled = np.load(tmp_path / "out.npy")
    assert pooled.shape[1] == CHANNELS
    np.testing.assert_allclose(pooled, expected, rtol=0, atol=1e-5 * np.abs(features).max())


def test_a_node_that_no_convention_computes_says_so_and_names_the_nearest() -> None:
    bilinear = node("bilinear.xml")
    assert bilinear["command"] == ""
    assert bilinear["convention"] == "tensorflow"
    assert "outside the map gives 0" in bilinear["differs"]
    assert "nearest     detectron2, but the rules of" in run("inspect", MODELS / "custom.onnx").out


def test_a_damaged_model_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.xml").write_text("<net><layers>")
    result = run("inspect", tmp_path / "model.xml")
    assert result.status == 1
    assert "is not XML" in result.err
    assert result.err.count("\n") == 1
