"""What the RoI operators of an exported model compute, and the command that computes the same."""

from __future__ import annotations

import os
import shlex

from roicrop.conventions import COMMANDS
from roicrop.inspection.reports import ModelFile, ModelNode
from roicrop.job import convention_options
from roicrop.models import Meaning, RoiNode, program_of, read_nodes


def look_at_model(path: str) -> ModelFile:
    """Every RoI operator of the model; ModelError for a file that cannot be read."""
    nodes = tuple(_node(node) for node in read_nodes(path))
    return ModelFile(path, os.path.getsize(path), program_of(path), nodes)


def _node(node: RoiNode) -> ModelNode:
    meaning = node.meaning()
    return ModelNode(
        name=node.name,
        operator=node.operator,
        opset=node.opset,
        attributes={name: each.value for name, each in node.attributes.items()},
        defaulted=tuple(name for name, each in node.attributes.items() if not each.given),
        convention=meaning.convention.name,
        differs=meaning.differs,
        command="" if meaning.differs else shlex.join(_command(meaning)),
        stride=_strides(meaning),
        surprises=tuple(node.surprises()),
    )


def _command(meaning: Meaning) -> list[str]:
    row = meaning.convention
    command, flag = COMMANDS[row.operator]
    words = ["roicrop", command, "FEATURES", "BOXES", "-o", "OUT.h5", *([flag] if flag else [])]
    words += ["--convention", row.name]
    for name, value in convention_options(row).items():
        words += [name, value] if value else [name]
    if meaning.output_size:
        words += ["--output-size", "{}x{}".format(*meaning.output_size)]
    if meaning.strides:
        return [*words, "--strides", ",".join(f"{stride:g}" for stride in meaning.strides)]
    return [*words, "--spatial-scale", repr(meaning.spatial_scale)]


def _strides(meaning: Meaning) -> tuple[float, ...]:
    if meaning.strides:
        return meaning.strides
    return () if meaning.spatial_scale is None else (1 / meaning.spatial_scale,)
