"""RoI operators as exported models write them, and the convention that computes the same.

An operator is a row of `NODE_TYPES`: its attributes with their defaults, where the output size and
the scale stand, and which convention each value of one attribute chooses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from roicrop.conventions import COMMANDS, Convention, Operator, lookup, resolve
from roicrop.errors import ArgumentError, ModelError
from roicrop.text import printable

Value = int | float | str | bool | tuple[int, ...] | tuple[float, ...]
REQUIRED: Final = None
_MAX_BINS: Final = 10_000  # along an axis: more is a damaged file


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a node. given: whether the file states it, rather than the format."""

    value: Value
    given: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """What one kind of node computes.

    convention, operator: those that compute the same or, if `differs` is not empty, the nearest.
    differs: how the node differs from the convention; "" if it computes the same.
    """

    convention: str
    operator: Operator = "align"
    differs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeType:
    """One operator of one format, from one opset on.

    program, operator, since: its name, and the first opset with these attributes.
    domains: the ONNX domains that it is exported under.
    defaults: attribute → what it is where the file omits it; REQUIRED where it may not.
    size: the attributes with the pooled height and width, or one that holds both (or one number).
    chosen_by: the attribute whose value chooses among `choices`; "" if there is only one choice.
    settings: attribute → the setting of `conventions.resolve` that takes its value.
    omitted: attribute → what surprises where the file omits it.
    """

    program: str
    operator: str
    since: int
    defaults: Mapping[str, Value | None]
    size: tuple[str, ...]
    choices: Mapping[Value, Choice]
    chosen_by: str = ""
    domains: tuple[str, ...] = ("", "ai.onnx")
    settings: Mapping[str, str] = field(default_factory=dict)
    omitted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Meaning:
    """A node in roicrop's terms.

    convention: the row, with the node's own ratio and mode in it.
    output_size: (PH, PW) bins; None if no known attribute says so.
    spatial_scale: cells per pixel; None if the node has a scale for each level.
    strides: pixels per cell of each level, finest first, for a node that takes a pyramid.
    differs: "" if it computes the same, else how the node differs from that convention.
    """

    convention: Convention
    output_size: tuple[int, int] | None
    spatial_scale: float | None
    strides: tuple[float, ...]
    differs: str


@dataclass(frozen=True, slots=True)
class RoiNode:
    """An RoI operator in a model.

    file, name: where it is; the name of its first output where it has none of its own.
    program, operator, opset: "ONNX" or "OpenVINO", the operator's name, and the opset that the
        model imports (ONNX) or that the node names (OpenVINO).
    attributes: every attribute, defaults spelled out.
    type: what is known of the operator; for one that is not known, its nearest convention.
    """

    file: str
    name: str
    program: str
    operator: str
    opset: int
    attributes: Mapping[str, Attribute]
    type: NodeType

    @property
    def where(self) -> str:
        """`model.onnx::name`, as a user would type it."""
        return f"{self.file}::{self.name}"

    def meaning(self) -> Meaning:
        """The convention that computes the same, or the nearest.

        Raises ModelError for an attribute whose value the operator does not have.
        """
        key = self._value(self.type.chosen_by) if self.type.chosen_by else ""
        choice = self.type.choices.get(key)
        if choice is None:
            known = ", ".join(map(str, self.type.choices))
            raise ModelError(
                f"{self.where}: {self.type.chosen_by}={key!r} is not a value of "
                f"{self.operator} (one of {known}): export the model again"
            )
        return Meaning(
            convention=self._convention(choice),
            output_size=self._output_size(),
            spatial_scale=self._scale(),
            strides=self._strides(),
            differs=choice.differs,
        )

    def computed(self) -> Meaning:
        """The convention that computes the same; ModelError where none does."""
        meaning = self.meaning()
        if meaning.differs:
            raise ModelError(
                f"{self.where}: no convention computes this {self.operator}: the nearest is "
                f"{meaning.convention.name}, but {meaning.differs}"
            )
        return meaning

    def computed_as(self, operator: Operator) -> Convention:
        """That convention; ArgumentError if it is another operator's."""
        row = self.computed().convention
        command, flag = COMMANDS[row.operator]
        if row.operator != operator and command != COMMANDS[operator][0]:
            raise ArgumentError(
                f"{self.where} is a {self.operator}: use `roicrop {command}{flag and ' '}{flag}`"
            )
        return row

    def surprises(self) -> list[str]:
        """Sentences on common pitfalls of this node."""
        return [self.meaning().convention.surprise] + [
            text for name, text in self.type.omitted.items() if not self.attributes[name].given
        ]

    def _value(self, name: str) -> Any:
        return self.attributes[name].value

    def _convention(self, choice: Choice) -> Convention:
        row = lookup(choice.convention, choice.operator)
        if choice.differs:
            return row
        settings = {setting: self._setting(name) for name, setting in self.type.settings.items()}
        return resolve(row, choice.operator, **settings)

    def _setting(self, name: str) -> Any:
        value = self._value(name)
        if self.type.settings[name] in ("aligned", "clockwise"):
            return bool(value)
        if name == "mode" and value not in ("avg", "max"):
            raise ModelError(
                f"{self.where}: mode={value!r} is neither avg nor max: export the model again"
            )
        return self._whole(name) if name == "sampling_ratio" else value

    def _output_size(self) -> tuple[int, int] | None:
        if not self.type.size:
            return None
        values: list[Any] = []
        for name in self.type.size:
            value = self._value(name)
            values.extend(value if isinstance(value, tuple) else [value])
        fine = [isinstance(side, int) and 1 <= side <= _MAX_BINS for side in values]
        if len(values) not in (1, 2) or not all(fine):
            raise ModelError(
                f"{self.where}: an output of {'×'.join(map(printable, values))} bins is not 1 to "
                f"{_MAX_BINS:,} along each axis: the file may be damaged"
            )
        height, width = values if len(values) == 2 else values * 2
        return height, width

    def _scale(self) -> float | None:
        if "spatial_scale" not in self.attributes:
            return None
        scale = self._value("spatial_scale")
        if not isinstance(scale, (int, float)) or not 0 < scale < float("inf"):
            raise ModelError(
                f"{self.where}: spatial_scale={scale} is not a positive number: "
                "the file may be damaged"
            )
        return float(scale)

    def _strides(self) -> tuple[float, ...]:
        if "pyramid_scales" not in self.attributes:
            return ()
        value = self._value("pyramid_scales")
        try:
            return tuple(map(float, value if isinstance(value, tuple) else (value,)))
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"{self.where}: pyramid_scales={printable(value)} are not numbers: "
                "the file may be damaged"
            ) from error

    def _whole(self, name: str) -> int:
        value = self._value(name)
        if not isinstance(value, int) or abs(value) > _MAX_BINS:
            raise ModelError(
                f"{self.where}: {name}={value!r} is not a whole number up to {_MAX_BINS:,}: "
                "the file may be damaged"
            )
        return value


_ONNX_ROI_ALIGN: Final[Mapping[str, Value | None]] = {
    "mode": "avg",
    "output_height": 1,
    "output_width": 1,
    "sampling_ratio": 0,
    "spatial_scale": 1.0,
}
_SAMPLING: Final = {"sampling_ratio": "sampling_ratio", "mode": "mode"}
_ONNX_OMITTED: Final = {
    "sampling_ratio": "sampling_ratio is omitted: ONNX Runtime takes 0 (adaptive), OpenVINO 1."
}
_MMCV_DOMAINS: Final = ("mmdeploy", "mmcv", "")
_MMCV_SIZES: Final[Mapping[str, Value | None]] = {
    "output_height": REQUIRED,
    "output_width": REQUIRED,
    "spatial_scale": REQUIRED,
    "sampling_ratio": REQUIRED,
    "aligned": REQUIRED,
}
_OPENVINO_SIZES: Final[Mapping[str, Value | None]] = {
    "pooled_h": REQUIRED,
    "pooled_w": REQUIRED,
    "spatial_scale": REQUIRED,
}
_OPENVINO_ROI_ALIGN: Final[Mapping[str, Value | None]] = {
    **_OPENVINO_SIZES,
    "sampling_ratio": REQUIRED,
    "mode": REQUIRED,
}

NODE_TYPES: Final = (
    NodeType(
        program="ONNX",
        operator="RoiAlign",
        since=10,
        defaults=_ONNX_ROI_ALIGN,
        size=("output_height", "output_width"),
        choices={"": Choice("onnx-legacy")},
        settings=_SAMPLING,
        omitted=_ONNX_OMITTED,
    ),
    NodeType(
        program="ONNX",
        operator="RoiAlign",
        since=16,
        defaults={**_ONNX_ROI_ALIGN, "coordinate_transformation_mode": "half_pixel"},
        size=("output_height", "output_width"),
        chosen_by="coordinate_transformation_mode",
        choices={"half_pixel": Choice("onnx"), "output_half_pixel": Choice("onnx-legacy")},
        settings=_SAMPLING,
        omitted=_ONNX_OMITTED,
    ),
    NodeType(
        program="ONNX",
        operator="MaxRoiPool",
        since=1,
        defaults={"pooled_shape": REQUIRED, "spatial_scale": 1.0},
        size=("pooled_shape",),
        choices={"": Choice("fast-rcnn", "pool")},
    ),
    NodeType(
        program="ONNX",
        operator="MMCVRoiAlign",
        domains=_MMCV_DOMAINS,
        since=1,
        defaults={**_MMCV_SIZES, "mode": REQUIRED},
        size=("output_height", "output_width"),
        choices={"": Choice("mmcv")},
        settings={**_SAMPLING, "aligned": "aligned"},
    ),
    NodeType(
        program="ONNX",
        operator="MMCVRoIAlignRotated",
        domains=_MMCV_DOMAINS,
        since=1,
        defaults={**_MMCV_SIZES, "clockwise": REQUIRED},
        size=("output_height", "output_width"),
        choices={"": Choice("mmcv", "align-rotated")},
        settings={
            "sampling_ratio": "sampling_ratio",
            "aligned": "aligned",
            "clockwise": "clockwise",
        },
    ),
    NodeType(
        program="OpenVINO",
        operator="ROIAlign",
        since=3,
        defaults=_OPENVINO_ROI_ALIGN,
        size=("pooled_h", "pooled_w"),
        choices={"": Choice("openvino")},
        settings=_SAMPLING,
    ),
    NodeType(
        program="OpenVINO",
        operator="ROIAlign",
        since=9,
        defaults={**_OPENVINO_ROI_ALIGN, "aligned_mode": "asymmetric"},
        size=("pooled_h", "pooled_w"),
        chosen_by="aligned_mode",
        choices={
            "asymmetric": Choice("openvino"),
            "half_pixel": Choice("openvino-half-pixel"),
            "half_pixel_for_nn": Choice("openvino-half-pixel-for-nn"),
        },
        settings=_SAMPLING,
    ),
    NodeType(
        program="OpenVINO",
        operator="ROIPooling",
        since=1,
        defaults={**_OPENVINO_SIZES, "method": "max"},
        size=("pooled_h", "pooled_w"),
        chosen_by="method",
        choices={
            "max": Choice("fast-rcnn", "pool"),
            "bilinear": Choice(
                "tensorflow",
                differs="boxes are x1, y1, x2, y2, the last sample lies exactly on the end of the "
                "box, and a sample outside the map gives 0",
            ),
        },
    ),
    NodeType(
        program="OpenVINO",
        operator="ExperimentalDetectronROIFeatureExtractor",
        since=6,
        defaults={
            "output_size": REQUIRED,
            "sampling_ratio": REQUIRED,
            "pyramid_scales": REQUIRED,
            "aligned": False,
        },
        size=("output_size",),
        chosen_by="aligned",
        choices={
            False: Choice("openvino-extractor"),
            True: Choice("openvino-extractor-aligned"),
        },
        settings={"sampling_ratio": "sampling_ratio"},
    ),
    NodeType(
        program="OpenVINO",
        operator="ROIAlignRotated",
        since=15,
        defaults={**_OPENVINO_SIZES, "sampling_ratio": REQUIRED, "clockwise_mode": REQUIRED},
        size=("pooled_h", "pooled_w"),
        choices={"": Choice("openvino", "align-rotated")},
        settings={"sampling_ratio": "sampling_ratio", "clockwise_mode": "clockwise"},
    ),
    NodeType(
        program="OpenVINO",
        operator="PSROIPooling",
        since=1,
        defaults={
            "output_dim": REQUIRED,
            "group_size": REQUIRED,
            "spatial_scale": REQUIRED,
            "mode": "average",
            "spatial_bins_x": 1,
            "spatial_bins_y": 1,
        },
        size=("group_size",),
        chosen_by="mode",
        choices={
            "average": Choice("openvino", "ps-pool"),
            "bilinear": Choice(
                "openvino",
                "ps-pool",
                differs="bins are cut into spatial_bins_y × spatial_bins_x blocks, each sampled by "
                "crop-and-resize from channels of its own",
            ),
        },
    ),
    NodeType(
        program="OpenVINO",
        operator="DeformablePSROIPooling",
        since=1,
        defaults={
            "output_dim": REQUIRED,
            "spatial_scale": REQUIRED,
            "group_size": 1,
            "mode": "bilinear_deformable",
            "spatial_bins_x": 1,
            "spatial_bins_y": 1,
            "trans_std": 1.0,
            "part_size": 1,
        },
        size=("group_size",),
        choices={
            "": Choice(
                "openvino",
                "ps-pool",
                differs="the model moves each bin by offsets that it computes, and averages "
                "spatial_bins_y × spatial_bins_x samples in it",
            )
        },
    ),
)
"""Newest last among the rows of one operator."""

_NEAREST: Final[tuple[tuple[str, str, Operator], ...]] = (
    (r"rotated.*align|align.*rotated", "detectron2", "align-rotated"),
    (r"ps_?roi_?align|position_?sensitive_?roi_?align", "torchvision", "ps-align"),
    (r"ps_?roi_?pool|position_?sensitive_?roi_?pool", "r-fcn", "ps-pool"),
    (r"precise_?roi|pr_?roi", "prroi", "align"),
    (r"deform.*roi", "detectron2", "align"),
    (r"roi_?(max_?)?pool", "fast-rcnn", "pool"),
    (r"(?-i:ROI|RoI|Roi|\broi|_roi)(?!s)", "detectron2", "align"),
)
"""A pattern in an unknown operator's name → the convention that is nearest by that name."""


def type_of(program: str, operator: str, opset: int, domain: str = "") -> NodeType | None:
    """The row of that operator as that opset has it.

    For an operator that no row has, one with the nearest convention, by its name; None for an
    operator that does not pool RoIs.
    """
    rows = [
        row
        for row in NODE_TYPES
        if (row.program, row.operator) == (program, operator)
        and row.since <= opset
        and domain in row.domains
    ]
    if rows:
        return max(rows, key=lambda row: row.since)
    for pattern, convention, kind in _NEAREST:
        if re.search(pattern, operator, re.IGNORECASE):
            differs = (
                f"the rules of {operator} are not known: `roicrop identify` finds them from an "
                "output of the model"
            )
            nearest = Choice(convention, kind, differs)
            return NodeType(
                program=program,
                operator=operator,
                since=1,
                defaults={},
                size=(),
                choices={"": nearest},
            )
    return None


def spelled_out(where: str, known: NodeType, given: Mapping[str, Value]) -> dict[str, Attribute]:
    """Every attribute: those that the file states, then the format's defaults.

    Raises ModelError for an attribute that is required and missing.
    """
    attributes = {name: Attribute(value, given=True) for name, value in given.items()}
    for name, default in known.defaults.items():
        if name in attributes:
            continue
        if default is REQUIRED:
            raise ModelError(f"{where}: {name} is missing: the file may be damaged")
        attributes[name] = Attribute(default, given=False)
    return attributes
