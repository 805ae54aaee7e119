"""Running roicrop as a user does, and the files to run it on."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from roicrop.cli.main import main

MAPS = np.random.default_rng(3).standard_normal((2, 4, 10, 12), dtype=np.float32)
STRIDE = 8
# Image, then corners in pixels of a 96×80 image.
BOXES = [(1, 8, 8, 40, 40), (0, 0, 0, 96, 80), (1, 20, 3, 30, 70)]


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The JSON on standard output, which is all there is on it."""
        value = json.loads(self.out, parse_constant=_no_constant)
        assert isinstance(value, dict)
        return value

    @property
    def error(self) -> str:
        """The one line on standard error that says what is wrong."""
        assert self.status != 0
        assert self.out == ""
        assert self.err.startswith("roicrop: error: ")
        assert self.err.count("\n") == 1
        return self.err.removeprefix("roicrop: error: ").strip()


def _no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def run(*arguments: object) -> Result:
    """The command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return Result(status, out.getvalue(), err.getvalue())


def start(
    *arguments: object, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """The command line in a process of its own, with pipes for its three streams."""
    pipes = {
        "encoding": "utf-8",
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "roicrop", *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        **{**pipes, **options},
    )


def run_process(*arguments: object, input: str | None = None, **options: Any) -> Result:
    """The command line in a process of its own, to its end."""
    if input is not None:
        options["stdin"] = subprocess.PIPE
    with start(*arguments, **options) as process:
        out, err = process.communicate(input, timeout=60)
    return Result(process.returncode, out or "", err or "")


def write_maps(path: str | Path = "maps.h5", maps: np.ndarray = MAPS, **attributes: Any) -> None:
    with h5py.File(path, "w") as file:
        file["features"] = maps
        file["features"].attrs.update(attributes or {"stride": STRIDE})


def write_boxes(
    path: str | Path = "boxes.csv", boxes: Sequence[Sequence[object]] = BOXES, more: str = ""
) -> None:
    lines = [f"image_index,x1,y1,x2,y2{more}", *(",".join(map(str, box)) for box in boxes)]
    Path(path).write_text("\n".join(lines) + "\n")


def pooled(path: str | Path) -> np.ndarray:
    with h5py.File(path) as file:
        return np.asarray(file["pooled"])
