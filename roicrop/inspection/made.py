"""Files that record how they crop: roicrop's own outputs, and exported models."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from roicrop.conventions import COMMANDS, CONVENTIONS, overrides
from roicrop.files import numpy_kind
from roicrop.files.npy import Archive
from roicrop.inspection.maps import Values, sample
from roicrop.job import convention_options
from roicrop.models import Meaning, RoiNode, program_of, read_nodes
from roicrop.outputs import POOLED, open_stored


@dataclass(frozen=True, slots=True)
class PooledFile:
    """A file of pooled boxes.

    size: in bytes. shape, dtype: of the pooled array.
    convention: the name of the convention that made it; None if the file does not say.
    changed: the rules that were overridden: rule → (the convention's, the one used).
    parameters: everything else the file records about how it was made.
    columns: the arrays beside the pooled rows: name → shape.
    values: a summary of a sample of the pooled values.
    odd: what may be a mistake, a line each.
    """

    kind: ClassVar[str] = "pooled"

    path: str
    size: int
    shape: tuple[int, ...]
    dtype: str
    convention: str | None
    changed: dict[str, tuple[object, object]]
    parameters: dict[str, object]
    columns: dict[str, tuple[int, ...]]
    values: Values
    odd: tuple[str, ...]


_MOST_BINS: Final = 14  # along an axis: maps are rarely this small
_NO_PARAMETERS: Final = frozenset({"convention", "rules"})  # reported separately


def may_be_pooled(path: str) -> bool:
    """True if a file may hold pooled boxes: HDF5, roicrop's own .npz, or a square of few bins.

    Raises FeatureError if it is damaged.
    """
    if not os.path.exists(path):
        return False
    if not (kind := numpy_kind(path)):
        return True
    with Archive(path) as file:
        arrays = {name.strip("/"): array for name, array in file.walk()}
    if kind == "npz":
        return {"pooled", "attributes"} <= {*arrays}
    (array,) = arrays.values()
    sides = ({*array.shape[2:]}, {*array.shape[1:3]})
    square = any(len(side) == 1 and max(side) <= _MOST_BINS for side in sides)
    return array.ndim == 4 and array.dtype.kind == "f" and square


def look_at_pooled(path: str, *, allow_external: bool = False) -> PooledFile | None:
    """Report on a file that roicrop wrote, or on an .npy, which records nothing.

    path: of a file that `may_be_pooled`. Returns None for one that roicrop did not write. Raises
    FeatureError for a damaged file.
    """
    with open_stored(path, allow_external=allow_external) as stored:
        said, is_npy = stored.attributes, numpy_kind(path) == "npy"
        if not (is_npy or "roicrop_version" in said):
            return None
        arrays = stored.arrays()
        name = next(iter(arrays)) if is_npy else POOLED
        pooled = stored.array(name)
        if pooled is None:
            return None
        columns = {
            other.removeprefix("/"): array.shape for other, array in arrays.items() if other != name
        }
        convention = said.get("convention")
        changed, strange = _changed(said)
        values = sample(pooled.values, pooled.where)
        return PooledFile(
            path=path,
            size=os.path.getsize(path),
            shape=pooled.shape,
            dtype=pooled.dtype.name,
            convention=None if convention is None else str(convention),
            changed=changed,
            parameters={name: said[name] for name in said if name not in _NO_PARAMETERS},
            columns=columns,
            values=values,
            odd=(*strange, *_odd(pooled.shape, said, columns), *values.odd()),
        )


def _changed(
    said: Mapping[str, object],
) -> tuple[dict[str, tuple[object, object]], list[str]]:
    """How the rules differ from the convention's, and a line if this version does not know it."""
    operator, convention, rules = map(said.get, ("operator", "convention", "rules"))
    if convention is None:
        return {}, []
    own = CONVENTIONS.get((operator, convention))  # type: ignore[call-overload, arg-type, unused-ignore]
    if own is None:
        return {}, [f"made by the convention {convention}, which this version does not know"]
    try:
        return overrides(dataclasses.replace(own, **(rules if isinstance(rules, dict) else {}))), []
    except TypeError:
        return {}, ["made by rules that this version does not know"]


def _odd(
    shape: tuple[int, ...], said: Mapping[str, object], columns: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    if not said:
        yield "does not record how it was made (.h5 and .npz do)"
    if 0 in shape:
        yield "holds no boxes"
    for name in ("boxes", "image_index", "source_index"):
        if name in columns and columns[name][:1] != shape[:1]:
            yield f"{name} has {columns[name][0]} rows, but there are {shape[0]} pooled boxes"


@dataclass(frozen=True, slots=True)
class ModelNode:
    """An RoI operator in an exported model.

    attributes: all of them, including the format's defaults; defaulted: those the file omits.
    convention: the one that computes the same, or the nearest where `differs` says how it differs.
    command: a command line that crops like the node; "" if no convention computes the same.
    stride: pixels per cell of each level, finest first.
    surprises: common pitfalls, a sentence each.
    """

    name: str
    operator: str
    opset: int
    attributes: Mapping[str, object]
    defaulted: tuple[str, ...]
    convention: str
    differs: str
    command: str
    stride: tuple[float, ...]
    surprises: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """An exported model: ONNX, or OpenVINO's model.xml."""

    kind: ClassVar[str] = "model"

    path: str
    size: int
    program: str
    nodes: tuple[ModelNode, ...]


def look_at_model(path: str) -> ModelFile:
    """Report on every RoI operator of a model; ModelError if the file cannot be read."""
    nodes = tuple(_node(node) for node in read_nodes(path))
    return ModelFile(path, os.path.getsize(path), program_of(path), nodes)


def _node(node: RoiNode) -> ModelNode:
    meaning = node.meaning()
    strides = meaning.strides
    if not strides and meaning.spatial_scale is not None:
        strides = (1 / meaning.spatial_scale,)
    return ModelNode(
        name=node.name,
        operator=node.operator,
        opset=node.opset,
        attributes={name: each.value for name, each in node.attributes.items()},
        defaulted=tuple(name for name, each in node.attributes.items() if not each.given),
        convention=meaning.convention.name,
        differs=meaning.differs,
        command="" if meaning.differs else shlex.join(_command(meaning)),
        stride=strides,
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
