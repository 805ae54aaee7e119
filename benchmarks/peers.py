"""Who is timed: roicrop and the frameworks, each behind the same small interface.

Each is measured as its users run it at its best: everything that can be prepared is, the result
goes to a buffer that is already in memory where the framework lets one give it, and nothing that a
framework leaves running between calls may take time from the next.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike

import roicrop as ours
from benchmarks import onnx_model
from benchmarks.workloads import Array, Workload, zeros
from roicrop.precision import pooled_dtype

OWN: Final = "roicrop"
TOLERANCE: Final = 1e-5


@dataclass(frozen=True)
class Contender:
    """A program that is ready to run one workload.

    run: one call of the operator.
    result: the last call's result, (K, C, PH, PW); None if there is nothing to compare.
    convention: roicrop's name for what the program means by the operator.
    tolerance: how far from roicrop's own result, in units of the largest |feature|.
    """

    name: str
    threads: int
    run: Callable[[], object]
    result: Callable[[], Array] | None = None
    convention: str = "detectron2"
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Peer:
    """A framework: its package's name, and how it is made ready."""

    name: str
    prepare: Callable[[Workload, int], Contender]

    @property
    def version(self) -> str:
        return importlib.metadata.version(self.name)

    def why_missing(self) -> str | None:
        try:
            importlib.import_module(self.name)
        except (ImportError, OSError) as error:  # OSError: from a library that it depends on
            return str(error)
        return None


def roicrop(
    workload: Workload,
    threads: int,
    *,
    name: str = OWN,
    dtype: DTypeLike = np.float32,
    layout: str = "NCHW",
) -> Contender:
    """roicrop, on the map in another dtype or layout if one is given."""
    features, shape = workload.features, workload.pooled_shape
    if layout == "NHWC":
        features = features.transpose(0, 2, 3, 1)
        shape = (shape[0], shape[2], shape[3], shape[1])
    if features.dtype != dtype or layout == "NHWC":
        own = zeros(features.shape, dtype)
        own[...] = features
        features = own
    out = zeros(shape, pooled_dtype(dtype))

    def run() -> None:
        crop(workload, features, "detectron2", layout=layout, threads=threads, out=out)

    def result() -> Array:
        return out.transpose(0, 3, 1, 2) if layout == "NHWC" else out

    if np.dtype(dtype) == np.float16:
        tolerance = TOLERANCE + 2.0**-11  # rounded once
    else:
        tolerance = TOLERANCE if layout == "NHWC" else 0.0  # threads change nothing
    return Contender(name, threads, run, result, tolerance=tolerance)


IN_NEW_MEMORY: Final = " in new memory"


def in_new_memory(workload: Workload, threads: int) -> Iterator[Contender]:
    """The work of roicrop and ONNX Runtime as users call them: each call allocates its result."""
    latest: dict[str, Any] = {}

    def contender(name: str, call: Callable[[], Array], convention: str) -> Contender:
        def run() -> None:
            latest[name] = None  # if kept, it would occupy the next one's memory
            latest[name] = call()

        return Contender(name + IN_NEW_MEMORY, threads, run, lambda: latest[name], convention)

    def own() -> Array:
        return crop(workload, workload.features, "detectron2", threads=threads)

    yield contender(OWN, own, "detectron2")
    if any(peer.name == "onnxruntime" and not peer.why_missing() for peer in PEERS):
        feeds = _onnx_feeds(workload)
        session = _onnx_session(workload, feeds, threads)
        yield contender("onnxruntime", lambda: session.run(None, feeds)[0], "onnx")


def crop(workload: Workload, features: Array, convention: str, **options: Any) -> Array:
    """The workload by roicrop's array API, on that map and under that convention."""
    if workload.operator == "pool":  # all compute the same
        return ours.roi_pool(features, workload.boxes, workload.output_size, **options)
    return ours.roi_align(
        features,
        workload.boxes,
        workload.output_size,
        sampling_ratio=workload.sampling_ratio,
        mode=workload.mode,
        convention=convention,
        **options,
    )


def memory_floor(workload: Workload, threads: int) -> Contender:
    """Reading the map once and writing the result once: copies to and from a cached buffer."""
    map_shares = np.array_split(workload.features.reshape(-1), threads)
    out_shares = np.array_split(zeros(workload.pooled_shape, np.float32).reshape(-1), threads)
    pool = ThreadPoolExecutor(threads)

    def copy(share: int) -> None:
        near = np.zeros(_BLOCK, np.float32)
        for block in _blocks(map_shares[share]):
            np.copyto(near[: len(block)], block)
        for block in _blocks(out_shares[share]):
            np.copyto(block, near[: len(block)])

    return Contender("memory floor", threads, lambda: list(pool.map(copy, range(threads))))


_BLOCK: Final = 2**16  # float32 numbers: a quarter of a second-level cache


def _blocks(array: Array) -> Iterator[Array]:
    return (array[start : start + _BLOCK] for start in range(0, len(array), _BLOCK))


def _torchvision(workload: Workload, threads: int) -> Contender:
    import torch
    from torchvision import ops

    # Its operator uses only one thread; torch's others would only spin beside their neighbours.
    torch.set_num_threads(1)
    features, boxes = torch.from_numpy(workload.features), torch.from_numpy(workload.boxes)
    size, ratio = workload.output_size, workload.sampling_ratio
    latest: list[Any] = [None]

    def align() -> None:
        latest[0] = None  # if kept, it would occupy the next one's memory
        latest[0] = ops.roi_align(features, boxes, size, 1.0, ratio, aligned=True)

    def pool() -> None:
        latest[0] = None
        latest[0] = ops.roi_pool(features, boxes, size, 1.0)

    run = pool if workload.operator == "pool" else align
    return Contender("torchvision", 1, run, lambda: latest[0].numpy(), "torchvision-aligned")


def _onnxruntime(workload: Workload, threads: int) -> Contender:
    import onnxruntime

    feeds = _onnx_feeds(workload)
    session = _onnx_session(workload, feeds, threads)
    out = zeros(workload.pooled_shape, np.float32)
    binding = session.io_binding()
    for name, array in feeds.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
    binding.bind_ortvalue_output("pooled", onnxruntime.OrtValue.ortvalue_from_numpy(out))

    def run(kept: object = feeds) -> None:  # the binding borrows the arrays
        session.run_with_iobinding(binding)

    return Contender("onnxruntime", threads, run, lambda: out, "onnx")


def _onnx_session(workload: Workload, feeds: dict[str, Array], threads: int) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # it warns that its maximum is to change
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # It is fastest if its workers spin while they wait, but they must not while others are timed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(
        _onnx_model(workload, feeds), options, providers=["CPUExecutionProvider"]
    )


def _onnx_feeds(workload: Workload) -> dict[str, Array]:
    if workload.operator == "pool":
        return {"features": workload.features, "boxes": workload.boxes}
    return {
        "features": workload.features,
        "boxes": np.ascontiguousarray(workload.boxes[:, 1:]),
        "images": workload.boxes[:, 0].astype(np.int64),
    }


def _onnx_model(workload: Workload, feeds: dict[str, Array]) -> bytes:
    element = {"f": onnx_model.FLOAT, "i": onnx_model.INT64}
    inputs = {name: (element[array.dtype.kind], array.shape) for name, array in feeds.items()}
    output = ("pooled", workload.pooled_shape)
    if workload.operator == "pool":
        attributes: dict[str, onnx_model.Attribute] = {
            "pooled_shape": workload.output_size,
            "spatial_scale": 1.0,
        }
        return onnx_model.one_node("MaxRoiPool", 13, inputs, output, attributes)
    attributes = {
        "mode": workload.mode,
        "output_height": workload.output_size[0],
        "output_width": workload.output_size[1],
        "sampling_ratio": workload.sampling_ratio,
        "spatial_scale": 1.0,
        "coordinate_transformation_mode": "half_pixel",
    }
    return onnx_model.one_node("RoiAlign", 16, inputs, output, attributes)


def _openvino(workload: Workload, threads: int) -> Contender:
    import openvino
    from openvino import opset9

    features, boxes = workload.features, workload.boxes
    arrays: Sequence[Array] = [features, boxes]
    if workload.operator == "align":
        arrays = [features, np.ascontiguousarray(boxes[:, 1:]), boxes[:, 0].astype(np.int32)]
    inputs = [opset9.parameter(list(array.shape), array.dtype.type) for array in arrays]
    height, width = workload.output_size
    if workload.operator == "pool":
        node = opset9.roi_pooling(*inputs, [height, width], 1.0, "max")
    else:
        node = opset9.roi_align(
            *inputs,
            height,
            width,
            workload.sampling_ratio,
            1.0,
            workload.mode,
            "half_pixel_for_nn",
        )
    compiled = openvino.Core().compile_model(
        openvino.Model([node], inputs, workload.operator),
        "CPU",
        {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        },
    )
    request = compiled.create_infer_request()
    for position, array in enumerate(arrays):
        request.set_input_tensor(position, openvino.Tensor(array, shared_memory=True))
    out = zeros(workload.pooled_shape, np.float32)
    request.set_output_tensor(openvino.Tensor(out, shared_memory=True))

    def run(kept: object = arrays) -> None:  # the request borrows the arrays
        request.start_async()  # `infer` would copy the result
        request.wait()

    return Contender("openvino", threads, run, lambda: out, "openvino-half-pixel-for-nn")


PEERS: Final = (
    Peer("torchvision", _torchvision),
    Peer("onnxruntime", _onnxruntime),
    Peer("openvino", _openvino),
)
