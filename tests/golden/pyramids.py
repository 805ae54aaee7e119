"""Pyramids: each program's cases, calls and results. `make.py` calls `make`.

Two kinds of case: the level of many boxes, and crops from a small pyramid. Programs that cannot be
run by themselves are run by their formula on the framework that they use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Settings = dict[str, Any]

IMAGE = 1024, 1280  # height and width, of the level cases
STRIDES = 4, 8, 16, 32
SMALL_IMAGE, SMALL_STRIDES = (608, 800), (8, 16, 32, 64)  # of the crops


@dataclass(frozen=True)
class LevelCase:
    """Levels of a set of boxes. `alone`: each box in a call of its own."""

    name: str
    rule: str
    boxes: str
    strides: tuple[int, ...] = STRIDES
    canonical_size: float | None = None
    canonical_level: float | None = None
    alone: bool = False


@dataclass(frozen=True)
class CropCase:
    """A call of a program that chooses levels and pools. `options`: what roicrop is told."""

    name: str
    output_size: int
    options: Settings
    settings: Settings = field(default_factory=dict)


def level_cases(rule: str, *, canonical: bool = True) -> Iterator[LevelCase]:
    for boxes in ("log-uniform", "boundaries", "one by one"):
        yield LevelCase(f"{rule} {boxes}", rule, boxes, alone=boxes == "one by one")
    yield LevelCase(f"{rule} coarser maps", rule, "log-uniform", strides=(8, 16, 32, 64, 128))
    yield LevelCase(f"{rule} two maps", rule, "log-uniform", strides=(16, 32))
    if canonical:
        yield LevelCase(
            f"{rule} canonical", rule, "log-uniform", canonical_size=100.0, canonical_level=3
        )


# Boxes.


def _log_uniform(rng: np.random.Generator, count: int, low: float, high: float) -> Array:
    sides = np.exp(rng.uniform(np.log(low), np.log(high), (count, 2)))
    return _placed(rng, sides, IMAGE)


def _boundaries(rng: np.random.Generator, count: int) -> Array:
    """Boxes whose root is within a few roundings of a canonical size times a power of two."""
    root = 224 * 2.0 ** rng.integers(-2, 2, count)
    root *= 1 + rng.choice([0, 1e-7, 5e-7, 1e-6, 5e-6], count) * rng.choice([-1, 1], count)
    aspect = 2.0 ** rng.uniform(-0.8, 0.8, count)
    return _placed(rng, np.stack([root * aspect, root / aspect], 1), (0, 0))


def _placed(rng: np.random.Generator, sides: Array, image: tuple[int, int]) -> Array:
    room = np.maximum([image[1], image[0]] - sides, 0)
    corner = rng.uniform(0, 1, sides.shape) * room
    return np.concatenate([corner, corner + sides], 1).astype(np.float32)


_ONE_BY_ONE = (
    (0, 0, 224, 224),
    (0, 0, 448, 112),
    (0, 0, 112, 112),
    (0, 0, 448, 448),
    (0, 0, 223.99998, 224),
    (0, 0, 223, 223),
    (0, 0, 111, 111),
    (0, 0, 158.4, 158.4),
    (0, 0, 317, 316.5),
    (100, 100, 260, 240),
    (10, 10, 10.5, 10.5),
    (0, 0, 1280, 1024),
    (5, 5, 5, 9),
    (5, 5, 5, 5),
    (5, 5, 3, 9),
    (250, 250, 10, 10),
)


def boxes_named(name: str) -> Array:
    rng = np.random.default_rng(20170409)
    if name == "log-uniform":
        return _log_uniform(rng, 500, 16, 900)
    if name == "boundaries":
        return _boundaries(rng, 500)
    return np.array(_ONE_BY_ONE, np.float32)


def pyramid() -> tuple[list[Array], Array]:
    """Maps (C, H, W), the finest first, and (K, 4) boxes on and beside them."""
    rng = np.random.default_rng(20161209)
    height, width = SMALL_IMAGE
    maps = [
        rng.standard_normal((2, -(-height // s), -(-width // s)), np.float32) for s in SMALL_STRIDES
    ]
    sides = np.exp(rng.uniform(np.log(8), np.log(700), (36, 2)))
    corner = rng.uniform(-0.2, 1, sides.shape) * np.maximum([width, height] - sides, 0)
    awkward = [(0, 0, 224, 224), (5, 5, 5, 90), (90, 5, 60, 200), (300, 200, 100, 50)]
    boxes = np.concatenate([np.concatenate([corner, corner + sides], 1), awkward])
    return maps, boxes.astype(np.float32)


# Peers: levels of some boxes, and crops.


def torchvision_level(case: LevelCase, boxes: Array) -> Array:
    import torch
    from torchvision.ops.poolers import LevelMapper

    lo, n = int(np.log2(case.strides[0])), len(case.strides)
    some = torch.from_numpy(boxes)
    area = (some[:, 2] - some[:, 0]) * (some[:, 3] - some[:, 1])
    size, level = case.canonical_size or 224, case.canonical_level or 4
    if case.rule == "torchvision":
        return np.asarray(LevelMapper(lo, lo + n - 1, size, level)([some]))
    if case.rule == "detectron2":
        found = torch.floor(level + torch.log2(torch.sqrt(area) / size + 1e-8))
        return np.asarray(torch.clamp(found, min=lo, max=lo + n - 1).to(torch.int64) - lo)
    size = case.canonical_size or 56  # mmdet's finest_scale
    found = torch.floor(torch.log2(torch.sqrt(area) / size + 1e-6))
    return np.asarray(found.clamp(min=0, max=n - 1).long())


def torchvision_crop(case: CropCase, maps: list[Array], boxes: Array) -> Array:
    import torch
    from torchvision.ops import MultiScaleRoIAlign

    names = [str(i) for i in range(len(maps))]
    pooler = MultiScaleRoIAlign(names, case.output_size, **case.settings)
    tensors = {n: torch.from_numpy(m[None]) for n, m in zip(names, maps, strict=True)}
    return np.asarray(pooler(tensors, [torch.from_numpy(boxes)], [SMALL_IMAGE]))


def openvino_level(case: LevelCase, boxes: Array) -> Array:
    """Read off maps that are nothing but the number of their level, from 1."""
    height, width = IMAGE
    maps = [
        np.full((1, height // s, width // s), i + 1, np.float32) for i, s in enumerate(case.strides)
    ]
    pooled = _extract(maps, boxes, 1, {"sampling_ratio": 1, "aligned": False}, case.strides)
    return np.rint(pooled[:, 0, 0, 0]).astype(np.int64) - 1


def openvino_crop(case: CropCase, maps: list[Array], boxes: Array) -> Array:
    return _extract(maps, boxes, case.output_size, case.settings, SMALL_STRIDES)


def _extract(
    maps: list[Array], boxes: Array, size: int, settings: Settings, strides: tuple[int, ...]
) -> Array:
    import openvino as ov

    inputs = [boxes, *(each[None] for each in maps)]
    data = {
        "output_size": size,
        "pyramid_scales": ",".join(map(str, strides)),
        **{name: str(value).lower() for name, value in settings.items()},
    }
    core = ov.Core()
    model = core.read_model(_extractor([each.shape for each in inputs], size, data).encode())
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    return np.array(core.compile_model(model, "CPU", exact)(inputs)[0])


def _extractor(inputs: list[tuple[int, ...]], size: int, data: dict[str, Any]) -> str:
    """A model of that operation, which OpenVINO's Python API has no function for."""
    layers, edges, last = [], [], len(inputs)

    def port(number: int, shape: tuple[int, ...]) -> str:
        dims = "".join(f"<dim>{n}</dim>" for n in shape)
        return f'<port id="{number}" precision="FP32">{dims}</port>'

    for i, shape in enumerate(inputs):
        dims = ",".join(map(str, shape))
        layers.append(
            f'<layer id="{i}" name="in{i}" type="Parameter" version="opset1">'
            f'<data shape="{dims}" element_type="f32"/><output>{port(0, shape)}</output></layer>'
        )
        edges.append(f'<edge from-layer="{i}" from-port="0" to-layer="{last}" to-port="{i}"/>')
    count, channels = inputs[0][0], inputs[1][1]
    said = " ".join(f'{name}="{value}"' for name, value in data.items())
    given = "".join(port(i, shape) for i, shape in enumerate(inputs))
    gives = port(last, (count, channels, size, size)), port(last + 1, (count, 4))
    layers.append(
        f'<layer id="{last}" name="roi" type="ExperimentalDetectronROIFeatureExtractor" '
        f'version="opset6"><data {said}/><input>{given}</input>'
        f"<output>{''.join(gives)}</output></layer>"
    )
    for i, gift in enumerate(gives):
        end = last + 1 + i
        layers.append(
            f'<layer id="{end}" name="out{i}" type="Result" version="opset1">'
            f"<input>{gift}</input></layer>"
        )
        edges.append(
            f'<edge from-layer="{last}" from-port="{last + i}" '
            f'to-layer="{end}" to-port="{last + i}"/>'
        )
    return (
        f'<?xml version="1.0"?><net name="golden" version="11"><layers>{"".join(layers)}</layers>'
        f"<edges>{''.join(edges)}</edges></net>"
    )


def paddle_level(case: LevelCase, boxes: Array) -> Array:
    import paddle as pd

    lo = int(np.log2(case.strides[0]))
    each, restore, _ = pd.vision.ops.distribute_fpn_proposals(
        pd.to_tensor(boxes),
        lo,
        lo + len(case.strides) - 1,
        int(case.canonical_level or 4),
        int(case.canonical_size or 224),
        pixel_offset=case.rule.endswith("offset"),
        rois_num=pd.to_tensor(np.array([len(boxes)], np.int32)),
    )
    level = np.repeat(np.arange(len(each)), [len(some) for some in each])
    return np.asarray(level[restore.numpy().ravel()])


def tensorflow_level(case: LevelCase, boxes: Array) -> Array:
    import tensorflow as tf

    lo, n = int(np.log2(case.strides[0])), len(case.strides)
    x1, y1, x2, y2 = (tf.constant(v) for v in boxes.T)
    level = int(case.canonical_level or 4)
    if case.rule == "tf-models":
        root = tf.sqrt((y2 - y1) * (x2 - x1))
        ratio = tf.math.divide_no_nan(root, case.canonical_size or 224.0)
        found = tf.cast(
            tf.math.floordiv(tf.math.log(ratio), tf.math.log(2.0)) + level, dtype=tf.int32
        )
    else:
        height, width = (tf.cast(side, tf.float32) for side in IMAGE)
        x1, x2 = x1 / (width - 1), (x2 - 1) / (width - 1)
        y1, y2 = y1 / (height - 1), (y2 - 1) / (height - 1)
        size = (case.canonical_size or 224.0) / tf.sqrt(height * width)
        log2 = tf.math.log(tf.sqrt((y2 - y1) * (x2 - x1)) / size) / tf.math.log(2.0)
        found = level + tf.cast(tf.round(log2), tf.int32)
    return np.asarray(tf.minimum(lo + n - 1, tf.maximum(lo, found)) - lo)


@dataclass(frozen=True)
class Peer:
    rules: tuple[str, ...]
    level: Callable[[LevelCase, Array], Array]
    crop: Callable[[CropCase, list[Array], Array], Array] | None = None
    crops: tuple[CropCase, ...] = ()
    canonical: bool = True


def _torchvision_crops() -> Iterator[CropCase]:
    for ratio in (2, -1):
        settings = {"sampling_ratio": ratio}
        options = {"convention": "torchvision", "sampling_ratio": ratio}
        yield CropCase(f"ratio {ratio}", 3, options, settings)
        yield CropCase(
            f"ratio {ratio} canonical",
            5,
            {**options, "canonical_size": 100, "canonical_level": 5},
            {**settings, "canonical_scale": 100, "canonical_level": 5},
        )


def _openvino_crops() -> Iterator[CropCase]:
    for aligned in (False, True):
        for ratio in (2, 0):
            settings = {"sampling_ratio": ratio, "aligned": aligned}
            name = "openvino-extractor" + "-aligned" * aligned
            options = {"convention": name, "sampling_ratio": ratio}
            yield CropCase(f"{name} ratio {ratio}", 3, options, settings)


PEERS = {
    "torchvision": Peer(
        ("torchvision", "detectron2", "mmdet"),
        torchvision_level,
        torchvision_crop,
        (*_torchvision_crops(),),
    ),
    "openvino": Peer(
        ("openvino",), openvino_level, openvino_crop, (*_openvino_crops(),), canonical=False
    ),
    "paddle": Peer(("paddle", "paddle-pixel-offset"), paddle_level),
    "tensorflow": Peer(("tf-models", "matterport"), tensorflow_level),
}


def file_of(peer: str) -> Path:
    return Path(__file__).with_name(f"{peer}_pyramids.npz")


def make(peer: str, versions: dict[str, str]) -> None:
    """Run every case of a peer that is installed here, and write its file."""
    about = PEERS[peer]
    maps, small_boxes = pyramid()
    arrays: dict[str, Array] = {"boxes/crops": small_boxes}
    arrays |= {f"map/{i}": each for i, each in enumerate(maps)} if about.crop else {}
    levels, crops = [], []
    for rule in about.rules:
        for case in level_cases(rule, canonical=about.canonical and rule != "mmdet"):
            boxes = boxes_named(case.boxes)
            arrays[f"boxes/{case.boxes}"] = boxes
            calls = [row[None] for row in boxes] if case.alone else [boxes]
            found = np.concatenate([about.level(case, some) for some in calls])
            none = (found < 0) | (found >= len(case.strides))
            arrays[f"levels/{case.name}"] = np.where(none, -1, found).astype(np.int8)
            levels.append(asdict(case))
    for crop in about.crops:
        assert about.crop is not None
        arrays[f"pooled/{crop.name}"] = about.crop(crop, maps, small_boxes)
        crops.append(asdict(crop))
    said = json.dumps({"versions": versions, "levels": levels, "crops": crops})
    np.savez_compressed(file_of(peer), about=np.array(said), **arrays)  # type: ignore[arg-type]
    print(f"{file_of(peer).name}: {len(levels)} level cases, {len(crops)} crops")
