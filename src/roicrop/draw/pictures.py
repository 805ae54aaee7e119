"""The three pictures: one operator, two operators side by side, two conventions in one map."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from PIL.Image import Image

from roicrop.draw.subject import Subject
from roicrop.sampling import Plan

Array = NDArray[Any]


def panel(
    features: Array,
    plan: Plan,
    k: int,
    pooled: Array,
    *,
    subject: Subject,
    channel: int | None = None,
) -> Image:
    """One box under one plan, RoIAlign or RoIPool, as the plan's convention says.

    features: (C, H, W), the map that the plan was made for, any real dtype, any strides.
    k: the box's number in the plan.
    pooled: (C, PH, PW), what the operator gave for that box.
    channel: the channel that is shown; None shows the mean over all of them.
    """
    raise NotImplementedError


def both(
    features: Array,
    plans: tuple[Plan, Plan],
    k: int,
    pooled: tuple[Array, Array],
    *,
    subject: Subject,
    channel: int | None = None,
) -> Image:
    """Two operators on one box, side by side: RoIAlign's plan and pooled values, then RoIPool's."""
    raise NotImplementedError


def overlay(
    features: Array,
    plans: tuple[Plan, Plan],
    k: int,
    pooled: tuple[Array, Array],
    *,
    names: tuple[str, str],
    subject: Subject,
    channel: int | None = None,
) -> Image:
    """Two conventions' bins and samples over one another, and where their results differ.

    names: what to call the two, for example "torchvision" and "onnx:sampling_ratio=2".
    """
    raise NotImplementedError
