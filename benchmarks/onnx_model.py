"""ONNX models of one node, written byte by byte: the package `onnx` is not needed to make them.

ONNX files are protocol buffers. A message is a sequence of fields, each a number (the tag) and
either an integer, four bytes of a float, or a length and that many bytes; the tags below come from
onnx.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final

Attribute = int | float | str | Sequence[int]

FLOAT: Final = 1  # TensorProto.DataType
INT64: Final = 7

_IR_VERSION: Final = 8


def one_node(
    operator: str,
    opset: int,
    inputs: Mapping[str, tuple[int, Sequence[int]]],
    output: tuple[str, Sequence[int]],
    attributes: Mapping[str, Attribute],
) -> bytes:
    """A serialised ModelProto of one node.

    inputs: name → (element type, shape), in the operator's order.
    output: name and shape; float32.
    """
    name, shape = output
    node = (
        b"".join(_string(1, each) for each in inputs)
        + _string(2, name)
        + _string(4, operator)
        + b"".join(_message(5, _attribute(key, value)) for key, value in attributes.items())
    )
    graph = (
        _message(1, node)
        + _string(2, operator)
        + b"".join(_message(11, _value(key, *typed)) for key, typed in inputs.items())
        + _message(12, _value(name, FLOAT, shape))
    )
    return _whole(1, _IR_VERSION) + _message(7, graph) + _message(8, _whole(2, opset))


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, str):
        return _string(1, name) + _string(4, value) + _whole(20, 3)
    if isinstance(value, float):
        return _string(1, name) + _float(2, value) + _whole(20, 1)
    if isinstance(value, int):
        return _string(1, name) + _whole(3, value) + _whole(20, 2)
    return _string(1, name) + b"".join(_whole(8, each) for each in value) + _whole(20, 7)


def _value(name: str, element: int, shape: Sequence[int]) -> bytes:
    dimensions = b"".join(_message(1, _whole(1, size)) for size in shape)
    tensor = _whole(1, element) + _message(2, dimensions)
    return _string(1, name) + _message(2, _message(1, tensor))


def _whole(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value)


def _float(tag: int, value: float) -> bytes:
    return _varint(tag << 3 | 5) + struct.pack("<f", value)


def _string(tag: int, text: str) -> bytes:
    return _message(tag, text.encode())


def _message(tag: int, body: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
