"""What a result depends on, as its file and summary record it: enough to run the job again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.job.job import Job

_T = TypeVar("_T")


def parameters(job: Job) -> dict[str, object]:
    """Everything that the result depends on, by option name.

    `rules` are the convention's, all of them. None means not given. A scale that is not the
    same for every image is in `varying_scales` instead.
    """
    row = job.convention
    return {
        **input_parameters(job),
        "operator": row.operator,
        "convention": row.name,
        "sampling_ratio": row.sampling_ratio,
        "mode": row.mode,
        "aligned": row.aligned,
        "rules": rules(row),
        **_of_levels(job),
    }


def _of_levels(job: Job) -> dict[str, object]:
    """The parameters that chose the levels of a pyramid."""
    rule = job.level_rule
    if job.source.level_names is None:
        return {}
    levels: dict[str, object] = {
        "level_names": job.source.level_names,
        "strides": [1 / job.scale(i).value for i in range(job.source.levels)],
    }
    if rule is None:
        return levels
    return {
        **levels,
        "level_rule": rule.name,
        "canonical_size": rule.canonical_size,
        "canonical_level": rule.canonical_level,
    }


def input_parameters(job: Job) -> dict[str, object]:
    """The parameters that do not depend on the convention."""
    request = job.request
    resized = _only(job.input_scales)
    return {
        "features": request.features,
        "dataset": job.source.dataset,
        "layout": job.source.layout,
        "allow_external": request.allow_external,
        "boxes": request.boxes,
        "images": request.images,
        "columns": None if request.columns is None else list(request.columns),
        "image_column": request.image_column,
        "score_column": request.score_column,
        "level_column": request.level_column,
        "label_column": request.label_column,
        "on_image": request.on_image,
        "ids_are_indices": request.ids_are_indices or None,
        "box_format": job.table.box_format,
        "normalized": request.normalized,
        "image_size": request.image_size,
        "inclusive": request.inclusive,
        "min_score": request.min_score,
        "label": list(request.labels) or None,
        "top_k": request.top_k,
        "on_bad_box": request.on_bad_box,
        "model": request.model,
        "output_size": request.output_size,
        "spatial_scale": _only([scale.value for scale in job.scales]),
        "input_scale": None if resized is None else [resized[1], resized[0]],
    }


def varying_scales(job: Job) -> dict[str, NDArray[np.float64]]:
    """The kinds of scale that are not the same for every image, for each box.

    `spatial_scale` is (K,) and `input_scale` (K, 2), x first.
    """
    frames, given = job.frames, input_parameters(job)
    each = {"spatial_scale": frames.scale[:, 0], "input_scale": frames.input_scale[:, ::-1]}
    return {
        name: values[frames.of_box]
        for name, values in each.items()
        if len(frames) and given[name] is None
    }


def rules(row: Convention) -> dict[str, object]:
    """Every rule of a convention, without the words that describe it."""
    names = [field.name for field in dataclasses.fields(row) if field.name not in _WORDS]
    return {name: getattr(row, name) for name in names}


_WORDS: Final = ("name", "program", "surprise", "verified", "options")


def _only(values: Sequence[_T]) -> _T | None:
    """The common value, if all are equal."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None
