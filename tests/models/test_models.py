from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from roicrop import operators
from roicrop.errors import ModelError
from roicrop.models import RoiNode, find_node, is_model, read_nodes
from roicrop.models.node import type_of
from tests.models.make import inputs, turned

HERE = Path(__file__).parent
MODELS = sorted([*HERE.glob("*.onnx"), *HERE.glob("*.xml")], key=lambda path: path.name)


# By a library that runs elsewhere, or an older one; a pyramid; two nodes.
NOT_RUN = {"custom", "mmcv-rotated", "mmdeploy", "extractor", "opset22-max", "two"}


def only(name: str) -> RoiNode:
    (node,) = read_nodes(str(HERE / name))
    return node


def refusal(spec: object) -> str:
    with pytest.raises(ModelError) as caught:
        for node in read_nodes(str(spec)):
            node.meaning()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.name)
def test_the_named_convention_gives_what_the_models_own_runtime_gives(path: Path) -> None:
    with np.load(HERE / "values.npz") as values:
        if path.name not in values:
            assert path.stem in NOT_RUN
            return
        expected = values[path.name]
    meaning = only(path.name).meaning()
    if meaning.differs:
        assert path.stem == "bilinear"
        return
    features, boxes = inputs()
    assert meaning.spatial_scale is not None
    assert meaning.output_size is not None
    if meaning.convention.turned:
        boxes = np.column_stack([boxes[:, 0], turned(boxes)])
    pooled = operators.crop(
        features, boxes, meaning.output_size, meaning.spatial_scale, meaning.convention
    )
    np.testing.assert_allclose(pooled, expected, rtol=0, atol=1e-5 * np.abs(features).max())


def test_every_default_is_spelled_out_and_told_from_what_the_file_states() -> None:
    attributes = only("opset16-omitted.onnx").attributes
    assert {name for name, each in attributes.items() if not each.given} == {
        "coordinate_transformation_mode",
        "mode",
        "sampling_ratio",
    }
    assert attributes["coordinate_transformation_mode"].value == "half_pixel"
    assert attributes["sampling_ratio"].value == 0


def test_an_omitted_ratio_is_warned_of_since_runtimes_disagree() -> None:
    assert "OpenVINO 1" in " ".join(only("opset16-omitted.onnx").surprises())
    assert "OpenVINO 1" not in " ".join(only("opset16.onnx").surprises())


def test_the_opset_decides_what_the_same_operator_means() -> None:
    names = {}
    for name in ("opset10.onnx", "opset16.onnx", "opset16-legacy.onnx", "torch-opset11.onnx"):
        meaning = only(name).meaning()
        names[name] = meaning.convention.name
    assert names == {
        "opset10.onnx": "onnx-legacy",
        "opset16.onnx": "onnx",
        "opset16-legacy.onnx": "onnx-legacy",
        "torch-opset11.onnx": "onnx-legacy",
    }


def test_nodes_in_branches_are_found_and_chosen_by_name() -> None:
    path = HERE / "two.onnx"
    assert {node.name for node in read_nodes(str(path))} == {"/then", "/else"}
    assert find_node(f"{path}::/then").attributes["sampling_ratio"].value == 1
    with pytest.raises(ModelError, match=r"holds 2 RoI operators .*choose one with .*::NAME"):
        find_node(str(path))
    with pytest.raises(ModelError, match=r"no RoI operator called 'x': it has .*/then"):
        find_node(f"{path}::x")


def test_an_unknown_operator_names_the_nearest_convention_and_says_what_is_not_known() -> None:
    node = only("custom.onnx")
    assert node.operator == "mmcv.MMCVDeformRoIPool"
    assert node.attributes["gamma"].value == pytest.approx(0.1)
    assert node.meaning().convention.name == "detectron2"
    assert "rules of MMCVDeformRoIPool are not known" in node.meaning().differs
    with pytest.raises(ModelError, match="the nearest is detectron2, but the rules of"):
        node.computed()


@pytest.mark.parametrize(
    ("operator", "nearest"),
    [
        ("ROIAlign_TRT", ("align", "detectron2")),
        ("RoIAlignRotated", ("align-rotated", "detectron2")),
        ("ps_roi_align", ("ps-align", "torchvision")),
        ("PSRoIPool", ("ps-pool", "r-fcn")),
        ("roi_pool", ("pool", "fast-rcnn")),
        ("PrRoIPooling", ("align", "prroi")),
        ("RoiFeatures", ("align", "detectron2")),
        ("ExperimentalDetectronTopKROIs", None),
        ("AveragePool", None),
        ("ZeroInit", None),
    ],
)
def test_the_name_of_an_unknown_operator_says_which_is_nearest(
    operator: str, nearest: tuple[str, str] | None
) -> None:
    known = type_of("ONNX", operator, 1, "somebodys")
    assert nearest == (known and (known.choices[""].operator, known.choices[""].convention))


def test_a_deformable_pooling_says_what_moves_its_bins() -> None:
    known = type_of("OpenVINO", "DeformablePSROIPooling", 1)
    assert known is not None
    assert known.choices[""].convention == "openvino"
    assert "offsets that it computes" in known.choices[""].differs


def test_mmcvs_operators_are_its_conventions_with_their_own_settings() -> None:
    row = only("mmdeploy.onnx").computed().convention
    assert (row.name, row.mode, row.offset_after, row.min_size) == ("mmcv", "max", 0.0, 1.0)
    row = only("mmcv-rotated.onnx").computed().convention
    assert (row.operator, row.name, row.clockwise) == ("align-rotated", "mmcv", True)
    assert (row.sampling_ratio, row.offset_after) == (2, -0.5)


def test_a_bilinear_roi_pooling_names_the_nearest_and_what_differs() -> None:
    meaning = only("bilinear.xml").meaning()
    assert meaning.convention.name == "tensorflow"
    assert "outside the map gives 0" in meaning.differs


def test_a_pyramids_extractor_gives_a_stride_for_each_level() -> None:
    meaning = only("extractor.xml").meaning()
    assert meaning.convention.name == "openvino-extractor"
    assert (meaning.strides, meaning.spatial_scale) == ((4.0, 8.0), None)


def test_what_no_convention_computes_names_the_nearest_and_what_differs() -> None:
    meaning = only("bilinear.xml").meaning()
    assert meaning.differs


def test_rotated_and_position_sensitive_nodes_are_conventions_of_their_own() -> None:
    turned_row = only("rotated.xml").computed().convention
    assert (turned_row.operator, turned_row.name) == ("align-rotated", "openvino")
    assert turned_row.clockwise
    assert turned_row.sampling_ratio == 2
    row = only("position-sensitive.xml").computed().convention
    assert (row.operator, row.name) == ("ps-pool", "openvino")


def test_models_are_told_by_their_suffix() -> None:
    assert is_model("model.onnx")
    assert is_model("head.xml::node")
    assert not is_model("detectron2")


def test_a_file_that_is_no_model_is_refused_in_a_line(tmp_path: Path) -> None:
    files = {
        "a.onnx": b"\xff\xff\xff\xff not a model",
        "page.xml": b"<html><body/></html>",
        "cut.xml": b"<net><layers><layer",
        "doctype.xml": b'<!DOCTYPE x [<!ENTITY a "b">]><net/>',
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert "damaged" in refusal(tmp_path / "a.onnx")
    assert "<html>" in refusal(tmp_path / "page.xml")
    assert "not XML" in refusal(tmp_path / "cut.xml")
    assert "document type" in refusal(tmp_path / "doctype.xml")
    assert "cannot be read" in refusal(tmp_path / "none.onnx")
    assert "cannot be read" in refusal(tmp_path / "none.xml")


@pytest.mark.parametrize(
    ("attribute", "wrong", "problem"),
    [
        ('pooled_h="3"', "", "pooled_h is missing"),
        ('pooled_h="3"', 'pooled_h="2000000000"', "2000000000×5 bins"),
        ('sampling_ratio="0"', 'sampling_ratio="1e9"', "not a whole number"),
        ('spatial_scale="0.125"', 'spatial_scale="nan"', "not a positive number"),
        ('mode="avg"', 'mode="median"', "neither avg nor max"),
        ('aligned_mode="half_pixel"', 'aligned_mode="other"', "not a value of ROIAlign"),
    ],
)
def test_attributes_of_a_damaged_model_are_refused_by_name(
    tmp_path: Path, attribute: str, wrong: str, problem: str
) -> None:
    text = (HERE / "opset9-half_pixel.xml").read_text()
    assert attribute in text
    (tmp_path / "model.xml").write_text(text.replace(attribute, wrong))
    assert problem in refusal(tmp_path / "model.xml")


def test_weights_kept_beside_an_onnx_file_are_never_loaded(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(HERE / "opset16.onnx")
    weights = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=[4])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.append(onnx.StringStringEntryProto(key="location", value="/dev/zero"))
    model.graph.initializer.append(weights)
    model.graph.node.append(helper.make_node("Identity", ["W"], ["w"]))
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    assert len(read_nodes(str(tmp_path / "model.onnx"))) == 1
