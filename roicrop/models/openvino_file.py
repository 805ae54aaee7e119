"""RoI operators of OpenVINO's model.xml, which is plain XML. The weights beside it are not read."""

from __future__ import annotations

import os
import re
from typing import Final
from xml.etree import ElementTree
from xml.parsers import expat

from roicrop.errors import ModelError
from roicrop.models.node import RoiNode, Value, spelled_out, type_of

_MAX_BYTES: Final = 256 << 20


def read(path: str) -> list[RoiNode]:
    """Every RoI operator of the model, those in the bodies of loops too."""
    nodes = []
    for layer in _layers(path):
        operator = layer.get("type", "")
        opset = int(re.sub(r"\D", "", layer.get("version", "")) or 1)
        known = type_of("OpenVINO", operator, opset)
        if known is None:
            continue
        name = layer.get("name", "")
        data = layer.find("data")
        given = {} if data is None else {key: _value(text) for key, text in data.items()}
        nodes.append(
            RoiNode(
                file=path,
                name=name,
                program="OpenVINO",
                operator=operator,
                opset=opset,
                attributes=spelled_out(f"{path}::{name}", known, given),
                type=known,
            )
        )
    return nodes


def _layers(path: str) -> list[ElementTree.Element]:
    """The layers at every depth. XML that declares entities is refused: models have none."""
    try:
        if os.path.getsize(path) > _MAX_BYTES:
            raise ModelError(f"{path} is larger than 256 MiB, too large for a model.xml")
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise ModelError(f"{path} declares a document type, which no model.xml does")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, expat.ExpatError, ValueError) as error:
        raise ModelError(f"{path} is not XML ({error}): name OpenVINO's model.xml") from error
    if root.tag != "net":
        raise ModelError(f"{path} is not an OpenVINO model: its root is <{root.tag}>, not <net>")
    return list(root.iter("layer"))


def _value(text: str) -> Value:
    """An attribute's text as the number, numbers, boolean or word that it represents."""
    if text in ("true", "false"):
        return text == "true"
    numbers = [_number(part) for part in text.split(",")]
    if any(number is None for number in numbers):
        return text
    return numbers[0] if len(numbers) == 1 else tuple(numbers)  # type: ignore[return-value]


def _number(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None
