"""RoI operators of an ONNX file. The package onnx parses it; weights kept beside it stay there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from roicrop.errors import ModelError
from roicrop.models.node import RoiNode, Value, spelled_out, type_of

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_MAX_BYTES: Final = 2 << 30  # protobuf's own limit
_MAX_DEPTH: Final = 20  # of graphs in graphs


def read(path: str) -> list[RoiNode]:
    """Every RoI operator of the model and its subgraphs and functions."""
    model = _load(path)
    opsets = {each.domain: each.version for each in model.opset_import}
    nodes = [*_walk(model.graph), *(node for function in model.functions for node in function.node)]
    if not all(isinstance(name, str) for node in nodes for name in _names(node)):
        raise ModelError(f"{path} is damaged: a name in it is not UTF-8: export it again")
    found = (_roi_node(path, node, opsets.get(node.domain, 1)) for node in nodes)
    return [node for node in found if node is not None]


def _load(path: str) -> ModelProto:
    try:
        import onnx
    except ImportError:
        raise ModelError(
            f"{path}: reading ONNX needs the package onnx: pip install 'roicrop[onnx]'"
        ) from None
    from google.protobuf.message import DecodeError

    try:
        if os.path.getsize(path) >= _MAX_BYTES:
            raise ModelError(f"{path} is larger than 2 GiB, which no ONNX file can be")
        return onnx.load(path, load_external_data=False)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    except (DecodeError, ValueError) as error:
        raise ModelError(f"{path} is not an ONNX model, or is damaged: export it again") from error


def _walk(graph: GraphProto, depth: int = 0) -> Iterator[NodeProto]:
    if depth > _MAX_DEPTH:
        return
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _walk(inner, depth + 1)


def _names(node: NodeProto) -> Iterator[object]:
    """Its texts, which protobuf gives as bytes where they are not UTF-8."""
    yield from (node.op_type, node.name, node.domain, *node.output)
    yield from (attribute.name for attribute in node.attribute)


def _roi_node(path: str, node: NodeProto, opset: int) -> RoiNode | None:
    known = type_of("ONNX", node.op_type, opset, node.domain)
    if known is None:
        return None
    name = node.name or next(iter(node.output), "")
    standard = node.domain in ("", "ai.onnx")
    operator = node.op_type if standard else f"{node.domain}.{node.op_type}"
    given = {each.name: _value(each) for each in node.attribute}
    return RoiNode(
        file=path,
        name=name,
        program="ONNX",
        operator=operator,
        opset=opset,
        attributes=spelled_out(f"{path}::{name}", known, given),
        type=known,
    )


def _value(attribute: Any) -> Value:
    import onnx

    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(each, (int, float)) for each in value):
        return tuple(value)
    return type(value).__name__
