"""`roicrop inspect` on files, and files to look at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.command_line import Result, run

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"
RANDOM = np.random.default_rng(8)


def inspect(*arguments: object) -> Result:
    result = run("inspect", *arguments)
    assert result.status in (0, 3), result.err
    return result


def found(*arguments: object) -> dict[str, Any]:
    """The report on the only file, as JSON."""
    (file,) = inspect(*arguments, "--json").json["files"]
    assert isinstance(file, dict)
    return file


def together(*arguments: object) -> dict[str, Any]:
    """The report on the only features and boxes that belong together, as JSON."""
    (pair,) = inspect(*arguments, "--json").json["together"]
    assert isinstance(pair, dict)
    return pair


def store(data: np.ndarray, /, *, chunks: Any = None, compression: Any = None, **said: Any) -> None:
    """maps.h5 with a dataset /m, which has a stride unless that is None."""
    with h5py.File("maps.h5", "w") as file:
        file.create_dataset("m", data=data, chunks=chunks, compression=compression)
        file["m"].attrs.update({k: v for k, v in {"stride": 8, **said}.items() if v is not None})


def noise(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape, dtype=np.float32)


def coco(*boxes: tuple[float, ...], image: int = 1, category: int = 1) -> None:
    """boxes.json for an image of 96×80 pixels."""
    annotations = [
        {"id": n, "image_id": image, "category_id": category, "bbox": box}
        for n, box in enumerate(boxes)
    ]
    images = [{"id": 1, "file_name": "a.png", "width": 96, "height": 80}]
    categories = [{"id": 1, "name": "cat"}]
    Path("boxes.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
