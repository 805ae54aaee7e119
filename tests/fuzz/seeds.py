"""Whole files to start from: features, boxes, tensors, manifests and models."""

from __future__ import annotations

import functools
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

import roicrop
from roicrop.cli.main import main as roicrop_main

_RNG = np.random.default_rng(5)
MAPS = _RNG.standard_normal((2, 3, 10, 12)).astype(np.float32)
BOXES = np.array([[0, 8, 8, 40, 40], [1, 0, 0, 95, 79], [1, 20, 3, 30, 70]], np.float64)


def _batch(file: h5py.File) -> None:
    file["features"] = MAPS
    file["features"].attrs.update({"stride": 8, "layout": "NCHW"})


def _gzip(file: h5py.File) -> None:
    file.create_dataset(
        "features", data=MAPS, chunks=(1, 2, 5, 6), compression="gzip", shuffle=True
    )
    file["features"].attrs["stride"] = 8


def _lzf(file: h5py.File) -> None:
    file.create_dataset(
        "features", data=MAPS, chunks=(2, 1, 4, 12), compression="lzf", fletcher32=True
    )


def _half(file: h5py.File) -> None:
    file.create_dataset("maps/features", data=MAPS.astype("f2"), chunks=(1, 3, 10, 5))
    file["maps"].attrs["spatial_scale"] = 0.125


def _group(file: h5py.File) -> None:
    for i, name in enumerate(("a.png", "b.png")):
        file[name] = MAPS[i]
        file[name].attrs["stride"] = 8.0
    file["c.png"] = h5py.SoftLink("/a.png")


def _last(file: h5py.File) -> None:
    file["x"] = np.ascontiguousarray(MAPS.transpose(0, 2, 3, 1)).astype(">i2")
    file["x"].attrs["layout"] = np.bytes_(b"NHWC")
    file["x"].attrs["input_scale"] = [2.0, 2.0]


def _virtual(file: h5py.File) -> None:
    file["source"] = MAPS
    layout = h5py.VirtualLayout(MAPS.shape, MAPS.dtype)
    layout[...] = h5py.VirtualSource(file["source"])
    file.create_virtual_dataset("features", layout)


def _levels(file: h5py.File) -> None:
    for level, stride in (("p2", 4), ("p3", 8)):
        file[level] = np.repeat(MAPS, 8 // stride, 2)[:, :, :, : 96 // stride]
        file[level].attrs["stride"] = stride


@functools.cache
def hdf5_seeds() -> tuple[bytes, ...]:
    """Small files of feature maps."""
    makers = (_batch, _gzip, _lzf, _half, _group, _last, _virtual, _levels)
    return tuple(_made(maker, libver) for maker in makers for libver in ("earliest", "latest"))


def _made(maker: Callable[[h5py.File], None], libver: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.h5")
        with h5py.File(path, "w", libver=(libver, "latest")) as file:
            maker(file)
        return path.read_bytes()


def features() -> bytes:
    """A batch that is whole."""
    return hdf5_seeds()[0]


_ROWS = BOXES.tolist()
_RECORDS = [
    {"image_id": int(i), "bbox": [x, y, x2 - x, y2 - y], "score": 0.5, "category_id": 1}
    for i, x, y, x2, y2 in _ROWS
]
TEXTS: dict[str, str] = {
    "b.csv": "image_index,x1,y1,x2,y2,score,label\n"
    + "".join(f"{i:g},{x},{y},{x2},{y2},0.5,cat\n" for i, x, y, x2, y2 in _ROWS),
    "xywh.csv": 'image;x;y;w;h\n0;"8";8;32;32\n1;0;0;95;79\n',
    "plain.csv": "".join(",".join(f"{v:g}" for v in row) + "\n" for row in _ROWS),
    "turned.csv": "image_index,cx,cy,w,h,angle\n"
    + "".join(f"{i:g},{x + 9},{y + 9},{x2},{y2},30\n" for i, x, y, x2, y2 in _ROWS),
    "turned.jsonl": "[0, 24, 24, 16, 9, 30]\n[1, 40, 40, 30, 30, -80]\n",
    "points.json": '{"shapes": [{"points": [[8, 8], [40, 40]], "label": "a", "group_id": null, '
    '"shape_type": "rectangle", "flags": {}}], "imagePath": "a.png", "imageHeight": 80, '
    '"imageWidth": 96, "version": "5"}',
    "createml.json": '[{"image": "a.png", "annotations": [{"label": "x", "coordinates": '
    '{"x": 24, "y": 24, "width": 16, "height": 9}}]}]',
    "named.csv": "image,x1,y1,x2,y2,image_width,image_height,id\n"
    "a.png,8,8,40,40,96,80,7\nb.png,0,0,9,9,96,80,8\n",
    "b.tsv": "x1\ty1\tx2\ty2\timage_index\n8\t8\t40\t40\t0\n",
    "mot.txt": "1,1,8,8,32,32,1,-1,-1,-1\n2,1,0,0,95,79,1,-1,-1,-1\n",
    "yolo.txt": "0 0.25 0.3 0.3 0.4\n1 0.5 0.5 0.9 0.9\n",
    "list.json": json.dumps([row[1:] for row in _ROWS]),
    "rows.json": json.dumps(_ROWS),
    "results.json": json.dumps(_RECORDS),
    "coco.json": json.dumps(
        {
            "images": [{"id": i, "file_name": f"{i}.png"} for i in (0, 1)],
            "annotations": _RECORDS,
            "categories": [{"id": 1, "name": "cat"}],
        }
    ),
    "records.jsonl": "".join(json.dumps(record) + "\n" for record in _RECORDS),
    "by_name.json": json.dumps({"a.png": {"boxes": [_ROWS[0][1:]], "labels": ["x"]}}),
    "via.json": json.dumps(
        {
            "a.png1": {
                "filename": "a.png",
                "size": 1,
                "regions": [
                    {
                        "shape_attributes": {
                            "name": "rect", "x": 8, "y": 8, "width": 32, "height": 32
                        },
                        "region_attributes": {},
                    }
                ],
            }
        }
    ),
}  # fmt: skip

MANIFESTS: dict[str, str] = {
    "m.csv": "features,boxes,output\nmaps.h5,b.csv,one.h5\nmaps.h5,b.csv,two.npy\n",
    "m.json": json.dumps(
        [
            {"features": "maps.h5", "boxes": "b.csv", "output": "one.h5", "output_size": 3},
            {"features": "maps.h5", "boxes": "b.csv", "convention": "detectron2", "label": "cat"},
        ]
    ),
    "m.jsonl": json.dumps({"features": "maps.h5", "boxes": "b.csv", "sampling_ratio": 2}) + "\n",
}


@functools.cache
def tensors() -> dict[str, bytes]:
    """Pooled tensors as files."""
    pooled = roicrop.roi_align(MAPS, BOXES, 3, 0.125, convention="detectron2")
    plain, archive, packed = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(plain, pooled)
    np.savez(archive, pooled=pooled, boxes=BOXES)
    np.savez_compressed(packed, pooled=pooled)
    return {
        "pooled.npy": plain.getvalue(),
        "pooled.npz": archive.getvalue(),
        "packed.npz": packed.getvalue(),
        "pooled.h5": _made(lambda file: file.__setitem__("pooled", pooled), "latest"),
    }


@functools.cache
def batch() -> dict[str, bytes]:
    """What a batch wrote: two outputs, and its record."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "maps.h5").write_bytes(features())
        (folder / "b.csv").write_text(TEXTS["b.csv"])
        (folder / "m.csv").write_text(
            "features,boxes,output\nmaps.h5,b.csv,one.h5\nmaps.h5,b.csv,two.h5\n"
        )
        out = folder / "out"
        assert roicrop_main(["batch", str(folder / "m.csv"), "-o", str(out), "--quiet"]) == 0
        return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


@functools.cache
def hdf5_boxes() -> tuple[bytes, ...]:
    """Boxes as datasets."""

    def made(boxes: np.ndarray) -> bytes:
        return _made(lambda file: file.__setitem__("boxes", boxes), "latest")

    return made(BOXES), made(BOXES[:, 1:]), made(BOXES.astype(">i4"))


@functools.cache
def arrays() -> dict[str, bytes]:
    """Feature maps as NumPy's own files."""
    plain, archive = io.BytesIO(), io.BytesIO()
    np.save(plain, MAPS)
    np.savez(archive, features=MAPS)
    return {"maps.npy": plain.getvalue(), "maps.npz": archive.getvalue()}


@functools.cache
def models() -> dict[str, bytes]:
    """Exported models."""
    folder = Path(__file__).parents[1] / "models"
    return {p.name: p.read_bytes() for p in [*folder.glob("*.onnx"), *folder.glob("*.xml")]}
