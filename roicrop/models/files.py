"""Which files are models, and the RoI nodes that they hold."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from roicrop.errors import ModelError
from roicrop.files import split_spec
from roicrop.text import printable

if TYPE_CHECKING:
    from roicrop.models.node import RoiNode

_PROGRAMS: Final = {".onnx": "ONNX", ".xml": "OpenVINO"}
_LISTED: Final = 5


def is_model(spec: str) -> bool:
    """True for the name of a model, or of a node in one: `model.onnx`, `model.xml::NODE`."""
    return Path(split_spec(spec)[0]).suffix.lower() in _PROGRAMS


def program_of(path: str) -> str:
    """The program of a model's format: "ONNX" or "OpenVINO"."""
    return _PROGRAMS[Path(path).suffix.lower()]


def read_nodes(path: str) -> list[RoiNode]:
    """The RoI operators of a model, in the order of the file; those of its subgraphs too.

    Raises ModelError (one line) for a file that cannot be read, and where reading ONNX takes the
    package onnx, which `roicrop[onnx]` installs.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{printable(path)} cannot be read: {reason}") from error
    return list(_read(path, status.st_mtime_ns, status.st_size))


@functools.lru_cache(maxsize=8)  # a command asks for the same node several times
def _read(path: str, _changed: int, _size: int) -> tuple[RoiNode, ...]:
    # Both take long to load, and few runs have a model.
    if program_of(path) == "ONNX":
        from roicrop.models import onnx_file

        return tuple(onnx_file.read(path))
    from roicrop.models import openvino_file

    return tuple(openvino_file.read(path))


def find_node(spec: str) -> RoiNode:
    """The node that `model.onnx::NODE` names, or the only one of `model.onnx`; else ModelError."""
    path, name = split_spec(spec)
    nodes = read_nodes(path)
    found = [node for node in nodes if not name or node.name == name]
    if len(found) == 1:
        return found[0]
    if not nodes:
        raise ModelError(f"{path} holds no RoI operator: name another model, or a convention")
    listed = ", ".join(node.name for node in nodes[:_LISTED])
    if len(nodes) > _LISTED:
        listed += f" and {len(nodes) - _LISTED} more"
    if not name:
        raise ModelError(
            f"{path} holds {len(nodes)} RoI operators ({listed}): choose one with {path}::NAME"
        )
    problem = "no RoI operator" if not found else f"{len(found)} RoI operators"
    raise ModelError(f"{path} holds {problem} called {name!r}: it has {listed}")
