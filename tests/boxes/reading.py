"""Shared by the tests of boxes: faults as a user sees them, and tables made from columns."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roicrop.boxes import BoxTable
from roicrop.boxes.delimited import read_delimited
from roicrop.boxes.json_text import read_json
from roicrop.boxes.names import Reading
from roicrop.boxes.table import Source
from roicrop.errors import BoxError
from roicrop.files.columns import Texts

Write = Callable[[str, object], Path]


def fault_of(read: Callable[[], object]) -> str:
    """The message of the BoxError that a call raises, or the first fault of a row it reads."""
    try:
        read_ = read()
    except BoxError as error:
        message = str(error)
    else:
        if not isinstance(read_, BoxTable) or not read_.faults:
            pytest.fail("nothing is wrong")
        row = min(read_.faults)
        message = f"{read_.where(row)}: {read_.faults[row]}"
        assert read_.find_bad().mask.any()
    assert message.isprintable()
    return message


def same(a: np.ndarray | Texts | None, b: np.ndarray | Texts | None) -> bool:
    kinds = {str(getattr(each, "dtype", "object")) for each in (a, b)}
    return a is not None and b is not None and len(kinds) == 1 and a.tolist() == b.tolist()


def csv_table(text: str, **reading: Any) -> BoxTable:
    """The table of CSV text."""
    stream = io.BytesIO(text.encode())
    return read_delimited(stream, Source("boxes.csv"), Reading(**reading)).build("boxes.csv")


def table_of(**columns: Sequence[object]) -> BoxTable:
    """The table of boxes (k, 0, k + 1, 1), k = 0, 1, …, with these columns."""
    count = len(next(iter(columns.values())))
    boxes = [
        {"box": [k, 0, k + 1, 1], **{key: columns[key][k] for key in columns}} for k in range(count)
    ]
    text = json.dumps(boxes).encode()
    return read_json(io.BytesIO(text), Source("boxes.json"), Reading()).build("boxes.json")


INSTANCES = {
    "images": [
        {"id": 7, "file_name": "seven.jpg", "height": 480, "width": 640},
        {"id": 3, "file_name": "photos/three.png"},
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 100, "image_id": 3, "category_id": 1, "bbox": [10, 20, 30, 40], "iscrowd": 0},
        {"id": 101, "image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4]},
        {"id": 102, "image_id": 3, "category_id": 1, "bbox": [5, 6, 7, 8]},
    ],
}
