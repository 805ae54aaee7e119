"""The frameworks' results, as stored in the files beside this one."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention, resolve

Array = NDArray[Any]
Record = dict[str, Any]

PEERS = ("torchvision", "onnxruntime", "openvino", "paddle", "tensorflow")


@functools.cache
def golden(peer: str) -> tuple[Record, dict[str, Array]]:
    """What the file says of itself, and its arrays."""
    with np.load(Path(__file__).with_name(f"{peer}.npz")) as file:
        return json.loads(str(file["about"])), {name: file[name] for name in file.files}


def arrays(peer: str, case: Record) -> tuple[Array, Array, Array]:
    """Features (C, H, W), boxes (K, 4) as the framework took them, and what it gave."""
    named = golden(peer)[1]
    pooled = named[case["pooled"]] if "pooled" in case else np.empty(0)
    return named[case["features"]], named[case["boxes"]], pooled


def convention(case: Record) -> Convention:
    """The case's row, with what the framework was told besides."""
    overrides = dict(case["overrides"])
    options = {
        name: overrides.pop(name)
        for name in ("sampling_ratio", "aligned", "mode")
        if name in overrides
    }
    row = resolve(case["convention"], case["operator"], **options)
    return dataclasses.replace(row, **overrides)
