"""Make the models that the tests read, and the values that their own runtimes give for them.

    python tests/models/make.py

Takes onnx, onnxruntime, openvino, torch, torchvision and onnxscript.

Inputs are those of `inputs()`; `values.npz` holds what ONNX Runtime gives for each .onnx file and
OpenVINO for each .xml file, by the file's name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
SCALE = 0.125
CHANNELS, HEIGHT, WIDTH = 18, 10, 12
BOXES = 12


def inputs() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(2, 18, 10, 12) features, and (K, 5) boxes in pixels of an 80×96 image."""
    rng = np.random.default_rng(21)
    features = rng.standard_normal((2, CHANNELS, HEIGHT, WIDTH)).astype(np.float32)
    start = rng.uniform(0, 40, (BOXES, 2))
    size = rng.uniform(3, 50, (BOXES, 2))
    boxes = np.column_stack([rng.integers(0, 2, BOXES), start, start + size])
    return features, boxes.astype(np.float32)


def main() -> None:
    for old in (*HERE.glob("*.onnx"), *HERE.glob("*.xml"), *HERE.glob("*.bin")):
        old.unlink()
    by_onnx_helper()
    by_torch()
    by_openvino()
    run = {".onnx": by_onnxruntime, ".xml": by_openvino_runtime}
    models = sorted(path for path in HERE.iterdir() if path.suffix in run)
    given = {path.name: run[path.suffix](path) for path in models}
    values = {name: value for name, value in given.items() if value is not None}
    np.savez_compressed(HERE / "values.npz", **values)  # type: ignore[arg-type]
    print("\n".join(f"{name}: {value.shape}" for name, value in values.items()))


def by_onnx_helper() -> None:
    size = {"output_height": 3, "output_width": 5, "spatial_scale": SCALE}
    half, legacy = (
        {"coordinate_transformation_mode": mode} for mode in ("half_pixel", "output_half_pixel")
    )
    save_onnx("opset10", 10, "RoiAlign", {**size, "sampling_ratio": 2})
    save_onnx("opset10-max", 10, "RoiAlign", {**size, "sampling_ratio": 2, "mode": "max"})
    save_onnx("opset16", 16, "RoiAlign", {**size, "sampling_ratio": 0})
    save_onnx("opset16-omitted", 16, "RoiAlign", size)
    save_onnx("opset16-legacy", 16, "RoiAlign", {**size, **legacy, "sampling_ratio": 3})
    save_onnx("opset16-max", 16, "RoiAlign", {**size, **half, "sampling_ratio": 2, "mode": "max"})
    save_onnx("opset22-max", 22, "RoiAlign", {**size, **half, "sampling_ratio": 2, "mode": "max"})
    save_onnx("max-roi-pool", 16, "MaxRoiPool", {"pooled_shape": [3, 5], "spatial_scale": SCALE})
    mmcv = {**size, "sampling_ratio": 0, "aligned": 0, "mode": "max"}
    save_onnx("mmdeploy", 16, "MMCVRoiAlign", mmcv, domain="mmdeploy")
    turned = {**size, "sampling_ratio": 2, "aligned": 1, "clockwise": 1}
    save_onnx("mmcv-rotated", 16, "MMCVRoIAlignRotated", turned, domain="mmcv")
    save_onnx("custom", 16, "MMCVDeformRoIPool", {"output_height": 3, "gamma": 0.1}, domain="mmcv")
    save_onnx("two", 16, "RoiAlign", size, twice=True)


def save_onnx(
    name: str,
    opset: int,
    operator: str,
    attributes: dict[str, Any],
    *,
    domain: str = "",
    twice: bool = False,
) -> None:
    """One operator, or the same inside a branch too."""
    import onnx
    from onnx import TensorProto, helper

    pooling = operator == "MaxRoiPool" or bool(domain)
    names = ["X", "rois"] if pooling else ["X", "rois", "batch_indices"]
    shapes: list[list[int | None]] = [[None, CHANNELS, HEIGHT, WIDTH], [None, 5 if pooling else 4]]
    types = [TensorProto.FLOAT, TensorProto.FLOAT]
    if not pooling:
        shapes.append([None])
        types.append(TensorProto.INT64)
    given = [
        helper.make_tensor_value_info(name, kind, shape)
        for name, kind, shape in zip(names, types, shapes, strict=True)
    ]
    output = helper.make_tensor_value_info("pooled", TensorProto.FLOAT, None)
    node = helper.make_node(
        operator, names, ["pooled"], name=f"/head/{operator}", domain=domain, **attributes
    )
    nodes = [node]
    if twice:
        given.append(helper.make_tensor_value_info("which", TensorProto.BOOL, []))
        branches = {}
        for branch, ratio in (("then", 1), ("else", 2)):
            inner = helper.make_node(
                operator, names, [branch], name=f"/{branch}", sampling_ratio=ratio, **attributes
            )
            out = helper.make_tensor_value_info(branch, TensorProto.FLOAT, None)
            branches[f"{branch}_branch"] = helper.make_graph([inner], branch, [], [out])
        nodes = [helper.make_node("If", ["which"], ["pooled"], name="/if", **branches)]
    graph = helper.make_graph(nodes, "head", given, [output])
    opsets = [helper.make_opsetid("", opset)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), HERE / f"{name}.onnx")


def by_torch() -> None:
    """What torch's exporters make of torchvision's roi_align, aligned and not."""
    import torch
    import torchvision

    class Head(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, aligned: bool, ratio: int) -> None:
            super().__init__()
            self.settings = (3, SCALE, ratio, aligned)

        def forward(self, features: Any, boxes: Any) -> Any:
            return torchvision.ops.roi_align(features, boxes, *self.settings)

    example = tuple(map(torch.from_numpy, inputs()))
    for name, aligned, opset in (("torch-opset11", False, 11), ("torch-opset16", True, 16)):
        torch.onnx.export(
            Head(aligned, 2),
            example,
            HERE / f"{name}.onnx",
            opset_version=opset,
            input_names=["X", "boxes"],
            dynamo=False,
        )


def by_openvino() -> None:
    import openvino as ov
    from openvino import opset2, opset3, opset9, opset15

    for source in ("opset10", "opset16", "opset16-omitted", "max-roi-pool"):
        ov.save_model(
            ov.convert_model(HERE / f"{source}.onnx"),
            HERE / f"converted-{source}.xml",
            compress_to_fp16=False,
        )
    made: dict[str, Callable[..., Any]] = {
        "opset3-max": lambda x, r, i: opset3.roi_align(x, r, i, 3, 5, 2, SCALE, "max"),
        **{
            f"opset9-{mode}": lambda x, r, i, m=mode: opset9.roi_align(
                x, r, i, 3, 5, 0, SCALE, "avg", m
            )
            for mode in ("asymmetric", "half_pixel", "half_pixel_for_nn")
        },
        "rotated": lambda x, r, i: opset15.roi_align_rotated(x, r, i, 3, 3, 2, SCALE, True),
        "bilinear": lambda x, r: opset2.roi_pooling(
            x, r, output_size=[3, 3], spatial_scale=SCALE, method="bilinear"
        ),
        "position-sensitive": lambda x, r: opset2.psroi_pooling(x, r, 2, 3, SCALE, 1, 1, "average"),
    }
    for name, make in made.items():
        columns = 5 if make.__code__.co_argcount == 2 or name == "rotated" else 4
        x = opset15.parameter([2, CHANNELS, HEIGHT, WIDTH], np.float32, name="X")
        parameters = [x, opset15.parameter([BOXES, columns], np.float32, name="rois")]
        if make.__code__.co_argcount > 2:
            parameters.append(opset15.parameter([BOXES], np.int32, name="indices"))
        node = make(*parameters)
        ov.save_model(
            ov.Model([node.output(0)], parameters, name),
            HERE / f"{name}.xml",
            compress_to_fp16=False,
        )
    save_extractor()
    for weights in HERE.glob("*.bin"):
        if weights.stat().st_size == 0:
            weights.unlink()


def save_extractor() -> None:
    """The operator that chooses a box's level, which has no function of its own."""
    import openvino as ov
    from openvino import opset15
    from openvino.utils.node_factory import NodeFactory

    maps = [opset15.parameter([1, 4, size, size], np.float32) for size in (16, 8)]
    parameters = [opset15.parameter([5, 4], np.float32), *maps]
    node = NodeFactory("opset6").create(
        "ExperimentalDetectronROIFeatureExtractor",
        parameters,
        {"output_size": 7, "sampling_ratio": 2, "pyramid_scales": [4, 8], "aligned": False},
    )
    model = ov.Model([node.output(0)], parameters, "extractor")
    ov.save_model(model, HERE / "extractor.xml", compress_to_fp16=False)


def by_onnxruntime(path: Path) -> NDArray[np.float32] | None:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path)
    except Exception as error:  # an operator of another library
        print(f"{path.name}: not run ({type(error).__name__})")
        return None
    names = [each.name for each in session.get_inputs()]
    if "which" in names:
        return None
    pooled: NDArray[np.float32] = session.run(None, _arguments(names))[0]
    return pooled


def by_openvino_runtime(path: Path) -> NDArray[np.float32] | None:
    import openvino as ov

    model = ov.Core().read_model(path)
    names = [each.any_name for each in model.inputs]
    if path.stem == "extractor":
        return None
    weights = path.with_suffix(".bin")
    arguments = _arguments(names)
    if path.stem == "rotated":
        arguments[names[1]] = turned(inputs()[1])
    pooled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(arguments)
    weights.unlink(missing_ok=True)
    value: NDArray[np.float32] = np.array(pooled[0])
    return value


def turned(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K, 5) centre, size and an angle in radians, of boxes with the image index first."""
    first, last = boxes[:, 1:3], boxes[:, 3:]
    angle = np.linspace(-2, 3, len(boxes))
    return np.column_stack([(first + last) / 2, last - first, angle]).astype(np.float32)


def _arguments(names: list[str]) -> dict[str, Any]:
    features, boxes = inputs()
    if len(names) == 2:
        return {names[0]: features, names[1]: boxes}
    index = boxes[:, 0]
    integers = np.int32 if names[2] == "indices" else np.int64
    return {
        names[0]: features,
        names[1]: np.ascontiguousarray(boxes[:, 1:]),
        names[2]: index.astype(integers),
    }


if __name__ == "__main__":
    main()
