"""Which files are models, and the RoI nodes that they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from roicrop.errors import ModelError
from roicrop.files import split_spec
from roicrop.models import onnx_file, openvino_file
from roicrop.models.node import RoiNode

_READERS: Final[Mapping[str, Callable[[str], list[RoiNode]]]] = {
    ".onnx": onnx_file.read,
    ".xml": openvino_file.read,
}
_LISTED: Final = 5


def is_model(spec: str) -> bool:
    """Whether that names a model, or a node in one: `model.onnx`, `model.xml::NODE`."""
    return Path(split_spec(spec)[0]).suffix.lower() in _READERS


def program_of(path: str) -> str:
    """Whose format it is: "ONNX" or "OpenVINO"."""
    return {".onnx": "ONNX", ".xml": "OpenVINO"}[Path(path).suffix.lower()]


def read_nodes(path: str) -> list[RoiNode]:
    """The RoI operators of a model, in the order of the file; those of its subgraphs too.

    Raises ModelError (one line) for a file that cannot be read, and where reading ONNX takes the
    package onnx, which `roicrop[onnx]` installs.
    """
    return _READERS[Path(path).suffix.lower()](path)


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
