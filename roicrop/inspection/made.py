"""Files that record how they crop: roicrop's own outputs, and exported models."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from roicrop.conventions import COMMANDS, CONVENTIONS, overrides
from roicrop.errors import FeatureError
from roicrop.files import numpy_kind
from roicrop.inspection.reports import ModelFile, ModelNode, PooledFile, Values
from roicrop.job import convention_options
from roicrop.models import Meaning, RoiNode, program_of, read_nodes
from roicrop.outputs import POOLED, StoredArray, open_stored

_MARK: Final = "roicrop_version"
_NO_PARAMETERS: Final = frozenset({"convention", "rules"})  # reported separately


def look_at_pooled(path: str, *, allow_external: bool = False) -> PooledFile | None:
    """Report on a file that roicrop wrote, or on an .npy of rank 4, which records nothing.

    Returns None for HDF5 that roicrop did not write. Raises FeatureError for other NumPy files, and
    for a damaged file.
    """
    from roicrop.inspection.maps import sample

    kind = numpy_kind(path)
    with open_stored(path, allow_external=allow_external) as stored:
        pooled: StoredArray | None = None
        if kind == "npy":
            (name,) = stored.arrays()
            pooled = stored.array(name)
            if pooled and (len(pooled.shape) != 4 or pooled.dtype.kind != "f"):
                raise FeatureError(
                    f"{path} holds {pooled.shape} {pooled.dtype}, not pooled boxes: "
                    "feature maps are read from HDF5"
                )
        elif _MARK in stored.attributes:
            name, pooled = POOLED, stored.array(POOLED)
        if pooled is None:
            if kind == "npz":
                raise FeatureError(
                    f"{path} is an .npz that roicrop did not write: feature maps are read from HDF5"
                )
            return None
        return _pooled_file(
            path,
            shape=pooled.shape,
            dtype=pooled.dtype,
            said=stored.attributes,
            columns={
                other.removeprefix("/"): array.shape
                for other, array in stored.arrays().items()
                if other != name
            },
            values=sample(pooled.values, pooled.where),
        )


def _pooled_file(
    path: str,
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    said: Mapping[str, object],
    columns: dict[str, tuple[int, ...]],
    values: Values,
) -> PooledFile:
    convention = said.get("convention")
    changed, strange = _changed(said.get("operator"), convention, said.get("rules"))
    return PooledFile(
        path=path,
        size=Path(path).stat().st_size,
        shape=shape,
        dtype=dtype.name,
        convention=None if convention is None else str(convention),
        changed=changed,
        parameters={name: said[name] for name in said if name not in _NO_PARAMETERS},
        columns=columns,
        values=values,
        odd=(*strange, *_odd(shape, said, columns, values)),
    )


def _changed(
    operator: object, convention: object, rules: object
) -> tuple[dict[str, tuple[object, object]], list[str]]:
    """How the rules differ from the convention's, and a line if this version does not know it."""
    if convention is None:
        return {}, []
    own = CONVENTIONS.get((str(operator), str(convention)))  # type: ignore[call-overload, arg-type, unused-ignore]
    if own is None:
        return {}, [f"made by the convention {convention}, which this version does not know"]
    try:
        return overrides(dataclasses.replace(own, **(rules if isinstance(rules, dict) else {}))), []
    except TypeError:
        return {}, ["made by rules that this version does not know"]


def _odd(
    shape: tuple[int, ...],
    said: Mapping[str, object],
    columns: Mapping[str, tuple[int, ...]],
    values: Values,
) -> Iterator[str]:
    if not said:
        yield "does not record how it was made (.h5 and .npz do)"
    if 0 in shape:
        yield "holds no boxes"
    for name in ("boxes", "image_index", "source_index"):
        if name in columns and columns[name][:1] != shape[:1]:
            yield f"{name} has {columns[name][0]} rows, but there are {shape[0]} pooled boxes"
    yield from values.odd()


def look_at_model(path: str) -> ModelFile:
    """Report on every RoI operator of a model; ModelError if the file cannot be read."""
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
