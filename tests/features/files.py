"""Files of feature maps for tests, and the messages about them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import h5py
import numpy as np
import pytest

from roicrop.errors import FeatureError
from roicrop.features import open_features

MAP = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
BATCH = np.arange(5 * 2 * 3 * 4, dtype=np.float32).reshape(5, 2, 3, 4)


def write(path: str, contents: dict[str, Any], **attributes: Any) -> None:
    """Datasets (or links) by path; the attributes are given to every dataset."""
    with h5py.File(path, "w") as file:
        for name, value in contents.items():
            file[name] = value
            if not isinstance(value, (h5py.SoftLink, h5py.ExternalLink)):
                file[name].attrs.update(attributes)


def message_of(spec: str, **options: Any) -> str:
    """The one line that opening, and then reading everything, ends with."""
    with pytest.raises(FeatureError) as caught:
        read_all(spec, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def read_all(spec: str, **options: Any) -> None:
    with open_features(spec, **options) as source:
        for i in range(len(source)):
            source.scale(i)
            source.read(i)


def run(program: str, *arguments: str, **environment: str) -> str:
    """What a Python program prints, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout
