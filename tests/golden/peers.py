"""How each framework is called. Each is imported only by its own function."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.golden.cases import Case

Array = NDArray[Any]

DISTRIBUTIONS = {
    "torchvision": ("torchvision", "torch"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "openvino": ("openvino",),
    "paddle": ("paddlepaddle",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "mxnet": ("mxnet",),
}


def load(peer: str) -> dict[str, str]:
    """Import a peer, so that the processes forked from this one need not; its versions."""
    found = {}
    for name in DISTRIBUTIONS[peer]:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if not found:
        raise SystemExit(f"{peer} is not installed here: run this in an environment that has it")
    importlib.import_module(peer)
    return found


def torchvision(case: Case, features: Array, boxes: Array) -> Array:
    import torch
    from torchvision import ops

    torch.set_num_threads(1)
    function = ops.roi_align if case.operator == "align" else ops.roi_pool
    pooled = function(
        torch.from_numpy(features[None]),
        torch.from_numpy(_with_index(boxes)),
        case.output_size,
        case.spatial_scale,
        **case.settings,
    )
    return np.asarray(pooled.numpy())


def onnxruntime(case: Case, features: Array, boxes: Array) -> Array:
    import onnxruntime as ort
    from onnx import TensorProto, helper

    settings = dict(case.settings)
    opset = settings.pop("opset", 16)
    real = TensorProto.DOUBLE if case.dtype == "float64" else TensorProto.FLOAT
    height, width = case.output_size
    feeds: dict[str, Array] = {"features": features[None]}
    if case.operator == "align":
        feeds |= {"boxes": boxes, "image": np.zeros(len(boxes), dtype=np.int64)}
        settings |= {"output_height": height, "output_width": width}
        name = "RoiAlign"
    else:
        feeds["boxes"] = _with_index(boxes)
        settings["pooled_shape"] = [height, width]
        name = "MaxRoiPool"
    node = helper.make_node(
        name, list(feeds), ["pooled"], spatial_scale=case.spatial_scale, **settings
    )
    graph = helper.make_graph(
        [node],
        "golden",
        [
            helper.make_tensor_value_info(
                key, TensorProto.INT64 if key == "image" else real, value.shape
            )
            for key, value in feeds.items()
        ],
        [helper.make_tensor_value_info("pooled", real, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, feeds)[0])


def openvino(case: Case, features: Array, boxes: Array) -> Array:
    import openvino as ov
    from openvino import opset9

    parameters = [
        opset9.parameter([1, *features.shape], np.float32),
        opset9.parameter(list(boxes.shape), np.float32),
        opset9.parameter([len(boxes)], np.int32),
    ]
    height, width = case.output_size
    settings = {"mode": "avg"} | case.settings
    node = opset9.roi_align(
        *parameters,
        pooled_h=height,
        pooled_w=width,
        spatial_scale=case.spatial_scale,
        **settings,
    )
    model = ov.Model([node], parameters, "golden")
    # Without this, processors with bfloat16 use it.
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = ov.Core().compile_model(model, "CPU", exact)
    image = np.zeros(len(boxes), dtype=np.int32)
    return np.asarray(compiled([features[None], boxes, image])[0])


def paddle(case: Case, features: Array, boxes: Array) -> Array:
    import paddle as pd

    function = pd.vision.ops.roi_align if case.operator == "align" else pd.vision.ops.roi_pool
    pooled = function(
        pd.to_tensor(features[None]),
        pd.to_tensor(boxes),
        pd.to_tensor(np.array([len(boxes)], dtype=np.int32)),
        case.output_size,
        spatial_scale=case.spatial_scale,
        **case.settings,
    )
    return np.asarray(pooled.numpy())


def tensorflow(case: Case, features: Array, boxes: Array) -> Array:
    import tensorflow as tf

    pooled = tf.image.crop_and_resize(
        features.transpose(1, 2, 0)[None],
        boxes,
        np.zeros(len(boxes), dtype=np.int32),
        case.output_size,
        **case.settings,
    )
    return np.asarray(pooled.numpy()).transpose(0, 3, 1, 2)


PEERS = {
    "torchvision": torchvision,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "paddle": paddle,
    "tensorflow": tensorflow,
}


def _with_index(boxes: Array) -> Array:
    return np.concatenate([np.zeros((len(boxes), 1), boxes.dtype), boxes], axis=1)
