"""Make the sample data: feature maps of a text detector, and the boxes that it found.

    python -m venv venv
    venv/bin/pip install -r sample_data/requirements.txt
    venv/bin/python sample_data/make.py [DIRECTORY]

README.md, beside this file, says what the files hold and where pictures and network are from.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import onnxruntime
import rapidocr_onnxruntime
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from rapidocr_onnxruntime.ch_ppocr_det.utils import DBPostProcess

MODEL = "ch_PP-OCRv4_det_infer.onnx"
# By stride: the neck's top-down sums, 96 channels each, before the convolutions that thin them.
NECK = {8: "p2o.Add.251", 16: "p2o.Add.249", 32: "p2o.Add.229"}
CATEGORY = {"id": 1, "name": "text"}


@dataclass(frozen=True)
class Detection:
    """A picture (H, W, 3), what the network found in it, and its feature maps by stride.

    `boxes` is (K, 4): x1, y1, x2, y2 in the picture's pixels, from top to bottom. `maps` holds
    (96, H / stride, W / stride) for each stride.
    """

    name: str
    picture: NDArray[np.uint8]
    boxes: NDArray[np.int64]
    scores: NDArray[np.float64]
    maps: Mapping[int, NDArray[np.float16]]

    @property
    def file_name(self) -> str:
        return f"{self.name}.png"


def main(arguments: Sequence[str]) -> None:
    directory = Path(arguments[0]) if arguments else Path(__file__).parent
    detector = Detector()
    badge = detector.detect("badge", badge_picture())
    page = detector.detect("page", page_picture())
    for detection in (badge, page):
        colours = Image.fromarray(detection.picture)
        grey = colours.convert("L") if detection is page else colours
        grey.save(directory / detection.file_name, optimize=True)

    with new_file(directory / "features.h5") as file:
        write_batch(file, "features", badge, stride=8)
    write_coco(directory / "boxes.json", [badge])
    write_csv(directory / "boxes.csv", [badge], images=[0])

    with new_file(directory / "pyramid.h5") as file:
        write_batch(file, "stride16", badge, stride=16)
        write_batch(file, "stride32", badge, stride=32)

    with new_file(directory / "two_images.h5") as file:
        write_image(file, badge, stride=16)
        write_image(file, page, stride=8)
    write_coco(directory / "two_images.json", [badge, page])
    write_csv(directory / "two_images.csv", [badge, page], images=[badge.name, page.name])
    write_head(directory / "head.onnx")


def badge_picture() -> NDArray[np.uint8]:
    """The mission badge on the astronaut's suit, 96×96 pixels, five times enlarged."""
    astronaut = Image.fromarray(skimage.data.astronaut())
    badge = astronaut.crop((126, 336, 222, 432))
    return np.asarray(badge.resize((480, 480), Image.Resampling.BICUBIC))


def page_picture() -> NDArray[np.uint8]:
    """The page, pixel for pixel, with its last row repeated: the network takes multiples of 32."""
    page = np.pad(skimage.data.page(), ((0, 1), (0, 0)), mode="edge")
    return np.repeat(page[:, :, np.newaxis], 3, axis=2)


class Detector:
    """The text detector that rapidocr_onnxruntime ships, with the maps of its neck as outputs."""

    def __init__(self) -> None:
        model = onnx.load(Path(rapidocr_onnxruntime.__file__).parent / "models" / MODEL)
        for tensor in NECK.values():
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(tensor))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the same sums, in the same order, on every machine
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        # PaddleOCR does not dilate unless told; rapidocr does, which joins neighbouring words.
        self.find_boxes = DBPostProcess(
            thresh=0.3, box_thresh=0.5, unclip_ratio=1.6, score_mode="fast", use_dilation=False
        )

    def detect(self, name: str, picture: NDArray[np.uint8]) -> Detection:
        height, width = picture.shape[:2]
        blue_green_red = picture[:, :, ::-1].astype(np.float32) / 255
        network_input = ((blue_green_red - 0.5) / 0.5).transpose(2, 0, 1)[np.newaxis]
        probability, *maps = self.session.run(None, {"x": network_input})
        corners, scores = self.find_boxes(probability, (height, width))
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.int64)
        downwards = np.argsort(boxes[:, 1], kind="stable")
        return Detection(
            name,
            picture,
            boxes[downwards],
            np.round(np.array(scores)[downwards], 4),
            {
                stride: features[0].astype(np.float16)
                for stride, features in zip(NECK, maps, strict=True)
            },
        )


def write_head(path: Path) -> None:
    """A model of one RoiAlign, as an exporter writes it for `features.h5`."""
    types: dict[str, int] = {"features": onnx.TensorProto.FLOAT, "boxes": onnx.TensorProto.FLOAT}
    types["image_index"] = onnx.TensorProto.INT64
    shapes: dict[str, list[int | None]] = {
        "features": [1, 96, 60, 60],
        "boxes": [None, 4],
        "image_index": [None],
    }
    node = onnx.helper.make_node(
        "RoiAlign",
        list(types),
        ["pooled"],
        name="/roi_head/RoiAlign",
        output_height=7,
        output_width=7,
        spatial_scale=0.125,
        sampling_ratio=2,
    )
    inputs = [onnx.helper.make_tensor_value_info(name, types[name], shapes[name]) for name in types]
    output = onnx.helper.make_tensor_value_info("pooled", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph([node], "roi_head", inputs, [output])
    opset = [onnx.helper.make_opsetid("", 16)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def new_file(path: Path) -> h5py.File:
    file = h5py.File(path, "w")
    file.attrs["network"] = f"PP-OCRv4 text detector ({MODEL} of rapidocr_onnxruntime 1.4.4)"
    return file


def write_batch(file: h5py.File, dataset: str, detection: Detection, stride: int) -> None:
    write_map(file, dataset, detection, stride, "NCHW", detection.maps[stride][np.newaxis])


def write_image(file: h5py.File, detection: Detection, stride: int) -> None:
    write_map(file, detection.name, detection, stride, "CHW", detection.maps[stride])


def write_map(
    file: h5py.File,
    dataset: str,
    detection: Detection,
    stride: int,
    layout: str,
    features: NDArray[np.float16],
) -> None:
    stored = file.create_dataset(
        dataset,
        data=features,
        chunks=features.shape,
        compression="gzip",
        compression_opts=9,
        shuffle=True,
    )
    stored.attrs["layout"] = layout
    stored.attrs["stride"] = stride
    stored.attrs["picture"] = detection.file_name
    stored.attrs["tensor"] = NECK[stride]


def write_coco(path: Path, detections: Sequence[Detection]) -> None:
    """COCO instances: `bbox` is x, y, width, height."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for detection in detections:
        height, width = detection.picture.shape[:2]
        image_id = len(images) + 1
        images.append(
            {"id": image_id, "file_name": detection.file_name, "width": width, "height": height}
        )
        for (x1, y1, x2, y2), score in zip(
            detection.boxes.tolist(), detection.scores.tolist(), strict=True
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": CATEGORY["id"],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                    "score": score,
                }
            )
    lists = {"images": images, "annotations": annotations, "categories": [CATEGORY]}
    text = ",\n".join(
        f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, entries)) + "\n ]"
        for name, entries in lists.items()
    )
    path.write_text(f"{{\n{text}\n}}\n", encoding="utf-8")


def write_csv(path: Path, detections: Sequence[Detection], images: Sequence[str | int]) -> None:
    """One box a line; `images` says what to call each detection's image in the last column."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["x1", "y1", "x2", "y2", "score", "label", "image"])
        for detection, image in zip(detections, images, strict=True):
            for box, score in zip(detection.boxes.tolist(), detection.scores.tolist(), strict=True):
                writer.writerow([*box, score, CATEGORY["name"], image])


if __name__ == "__main__":
    main(sys.argv[1:])
