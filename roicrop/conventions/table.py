"""What each framework means by RoIAlign, RoIPool and crop-and-resize.

Every framework has operators of these names, and no two agree completely. Their differences are
data: a `Convention` is one row of the table, which the rest of roicrop reads. A new framework is a
new row here, never a branch elsewhere.

Coordinates on the way from a box to a sample, for each axis (y with height, x with width):

    image coordinate ──(v + offset_before) · spatial_scale + offset_after──▶ index coordinate

In index coordinates integer i is the centre of cell i. Sizes, bins and samples are index lengths.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Operator = Literal["align", "pool", "align-rotated", "ps-align", "ps-pool"]
Mode = Literal["avg", "max"]
Reduction = Literal["avg", "max", "corner-max"]
SamplingRatio = int | Literal["adaptive", "exact"]
Positions = Literal["scaled-step", "step-scaled", "fraction", "corners"]
Border = Literal["clamp", "repeat", "inside", "continue", "zero", "extrapolate"]
Rounding = Literal["half-away", "half-even", "none"]
Pixels = Literal["as-given", "rounded", "moved-and-rounded"]
Reversed = Literal["mirror", "raise", "raise-if-adaptive", "nothing"]
Angle = Literal["degrees", "radians"]
CoordinateOrder = Literal["xyxy", "yxyx"]
Interpolation = Literal["bilinear", "nearest"]
Kind = Literal["sample", "point", "piece", "cell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """One framework's rules.

    name: what `--convention` and `convention=` call it.
    program: the operator it reproduces, as its own documentation calls it.
    surprise: one sentence on what catches people out.
    verified: the program and version whose golden values it matches, or what it was derived from.
    operator: "align" samples points; "pool" rounds to cells; "align-rotated" samples boxes that are
        turned about their centre; "ps-align" and "ps-pool" are position-sensitive: bin (p, q) of
        output channel c reads input channel (c · PH + p) · PW + q.
    angle: the unit of a turned box's angle. clockwise: whether a positive one turns it clockwise on
        the screen, where y points down.
    offset_before: added to image coordinates before scaling, in pixels.
    offset_after: added after scaling, in cells; −0.5 is what frameworks call `aligned`.
    added_pixel: also added to x2 and y2, in pixels before scaling.
    added_cell: added to an RoI's size, in cells, before its minimum.
    clipped: corners are sorted and moved onto the map before `offset_after`.
    min_size: smaller RoIs are enlarged to this many cells; None leaves them as they are.
    aligned_min_size: the `min_size` under `aligned`.
    sampling_ratio: samples per bin and axis: a number, "adaptive" (ceil of the bin's size), or
        "exact" (the integral over the bin).
    positions: the order of float arithmetic for sample i of g in bin p, which decides last bits:
        "scaled-step"  start + p·bin + (i + ½)·bin / g
        "step-scaled"  start + p·bin + (bin / g)·(i + ½)
        "fraction"     start + bin·(p + (i + ½) / g)
        "corners"      start + j·(end − start) / (n − 1): the bins share n points, from corner to
                       corner of the box; bin p takes g of them, from j = p·g on, or p·(g − 1)
    min_samples: the smallest number of samples per bin under "adaptive".
    sample_at: where in its g-th part of a bin a sample lies: the ½ in the formulas above.
    shared: a point on the edge between two bins belongs to both; g is at least 2.
    border: "clamp" counts a sample in [−1, size] and moves it to [0, size − 1], others are 0;
        "repeat" moves any sample; "inside" counts a sample in [0, size − 1]; "continue" one in
        [0, size), and extrapolates beyond the last centre from the last two; "zero" lets the map
        fade to 0 over one cell beyond its last; "extrapolate" gives `void` to any bin whose sample
        lies outside [0, size − 1].
    rounding: how RoIPool rounds corners to cells; under "none", only edges of bins are rounded.
    pixels: whether corners are "rounded" to whole pixels, half away from zero, before scaling, and
        whether `added_pixel` is added before that ("moved-and-rounded") or after it.
    end_cell: whether the cell of a rounded end corner belongs to the box.
    unread: cells at the end of each axis of the map that no bin reaches.
    mode: the reduction, unless an option gives another.
    max_over: what a maximum is taken over: "samples" (interpolated values) or "corners" (the four
        weighted neighbours of each sample).
    max_start: the value that a maximum starts from.
    void: the value of a bin that has no sample or no cell, under mode "avg";
        under "max" it is `void_max`.
    reversed_boxes: what a box with x2 < x1 or y2 < y1 gives if sizes may be negative: "mirror" (a
        mirrored crop with a fixed ratio; no samples with an adaptive one, or an error if only one
        axis is reversed), "nothing" (as "mirror", but no samples instead of that error), or an
        error: "raise", or "raise-if-adaptive".
    order: the order of a box's four coordinates in the framework's own argument.
    normalized: boxes are fractions of (map size − 1), so spatial_scale is ignored.
    inner: these fractions are computed from pixels as (x1, y1, x2 − 1, y2 − 1) / (image size − 1),
        not as x / image size.
    interpolation: how a sample reads the map.
    level_rule: which of `LEVEL_RULES` chooses a box's map in a pyramid.
    options: the settings that it accepts without becoming another operator, out of
        "sampling_ratio", "aligned", "min_size", "mode", "angle" and "clockwise".
    """

    name: str
    program: str
    surprise: str
    verified: str
    operator: Operator = "align"
    angle: Angle = "degrees"
    clockwise: bool = False
    offset_before: float = 0.0
    offset_after: float = 0.0
    added_pixel: float = 0.0
    added_cell: float = 0.0
    clipped: bool = False
    min_size: float | None = None
    aligned_min_size: float | None = None
    sampling_ratio: SamplingRatio = "adaptive"
    positions: Positions = "scaled-step"
    min_samples: int = 0
    sample_at: float = 0.5
    shared: bool = False
    border: Border = "clamp"
    rounding: Rounding = "half-away"
    pixels: Pixels = "as-given"
    end_cell: bool = True
    unread: int = 0
    mode: Mode = "avg"
    max_over: Literal["samples", "corners"] = "samples"
    max_start: float = -math.inf
    void: float = 0.0
    void_max: float = 0.0
    reversed_boxes: Reversed = "mirror"
    order: CoordinateOrder = "xyxy"
    normalized: bool = False
    inner: bool = False
    interpolation: Interpolation = "bilinear"
    level_rule: str = "torchvision"
    options: tuple[str, ...] = ("sampling_ratio", "aligned", "min_size", "mode")

    @property
    def aligned(self) -> bool:
        """Whether cell centres, not cell corners, lie at integer + ½ in feature coordinates."""
        return self.offset_after == ALIGNED_OFFSET

    @property
    def reduction(self) -> Reduction:
        """What the kernels do with a bin's samples or cells."""
        return "corner-max" if self.mode == "max" and self.max_over == "corners" else self.mode

    @property
    def kind(self) -> Kind:
        """The items that a bin is made of.

        "sample": samples inside the bin; "point": one sample per bin, spread from corner to corner
        of the box; "piece": pieces of an exact integral; "cell": whole cells.
        """
        if self.operator in ("pool", "ps-pool"):
            return "cell"
        if self.positions == "corners" and self.sampling_ratio == 1:
            return "point"
        return "piece" if self.sampling_ratio == "exact" else "sample"

    @property
    def turned(self) -> bool:
        """Whether boxes have an angle."""
        return self.operator == "align-rotated"

    @property
    def box_numbers(self) -> int:
        """How many numbers a box has: four corners, or centre, size and angle."""
        return 5 if self.turned else 4

    @property
    def position_sensitive(self) -> bool:
        """True if each bin reads its own channels."""
        return self.operator in ("ps-align", "ps-pool")

    def own_channels(self, bins: tuple[int, int]) -> int:
        """The number of map channels per output channel: one, or one for each bin."""
        return math.prod(bins) if self.position_sensitive else 1

    @property
    def points_apart(self) -> int:
        """With the positions "corners": how many points apart the first points of two bins are."""
        return max(int(self.sampling_ratio) - self.shared, 1)

    @property
    def void_value(self) -> float:
        """The value of a bin without samples or cells, in this mode."""
        return self.void if self.mode == "avg" else self.void_max


ALIGNED_OFFSET: Final = -0.5
LOWEST_FLOAT32: Final = -3.4028234663852886e38

_MASK_RCNN = Convention(
    name="mask-rcnn",
    program="RoIAlign of the Mask R-CNN paper, four samples per bin",
    surprise="Cells are sampled at their upper left corner, half a cell off, and a box is never "
    "smaller than one cell.",
    verified="torchvision 0.29.1, roi_align(sampling_ratio=2)",
    min_size=1.0,
    sampling_ratio=2,
)

_DETECTRON2 = Convention(
    name="detectron2",
    program="detectron2 ROIAlign (ROIAlignV2)",
    surprise="A box smaller than a cell is not enlarged, and one with zero size has no samples and "
    "gives 0.",
    verified="torchvision 0.29.1, roi_align(aligned=True), which detectron2 calls",
    offset_after=ALIGNED_OFFSET,
    level_rule="detectron2",
)

_ONNX = dataclasses.replace(
    _DETECTRON2,
    name="onnx",
    program="ONNX RoiAlign, opset 16 and later",
    surprise="max is taken over the four weighted neighbours of each sample, not over interpolated "
    "samples, so a map of nothing but 1 can give ¼.",
    verified="ONNX Runtime 1.32.0",
    max_over="corners",
    level_rule="torchvision",
)

_OPENVINO = Convention(
    name="openvino",
    program="OpenVINO ROIAlign-9, aligned_mode=asymmetric",
    surprise="max starts at 0, so a bin of negative values gives 0.",
    verified="OpenVINO 2026.4.1",
    min_size=1.0,
    positions="step-scaled",
    max_start=0.0,
    void=math.nan,
)

_OPENVINO_EXTRACTOR = Convention(
    name="openvino-extractor",
    program="OpenVINO ExperimentalDetectronROIFeatureExtractor-6",
    surprise="It computes torchvision's RoIAlign, not OpenVINO's own ROIAlign, but a box without "
    "area is on no level of a pyramid and gives zeros.",
    verified="OpenVINO 2026.4.1",
    min_size=1.0,
    aligned_min_size=1.0,
    level_rule="openvino",
)

_TENSORFLOW = Convention(
    name="tensorflow",
    program="tf.image.crop_and_resize",
    surprise="y comes before x, coordinates are fractions of size − 1, the end points are "
    "sampled, and each bin has a single sample.",
    verified="TensorFlow 2.21.0",
    sampling_ratio=1,
    positions="corners",
    border="extrapolate",
    order="yxyx",
    normalized=True,
    options=("mode",),
)

_TF_FASTER_RCNN = Convention(
    name="tf-faster-rcnn",
    program="tf-faster-rcnn: TensorFlow's crop_and_resize to twice the size, then 2×2 maxima",
    surprise="Boxes are fractions of (map size − 1) · stride, so a pixel is at pixel / stride, and "
    "cells are sampled at their upper left corner.",
    verified="derived from the source of tf-faster-rcnn; tf.image.crop_and_resize is TensorFlow "
    "2.21.0's",
    sampling_ratio=2,
    positions="corners",
    border="inside",
    mode="max",
    options=("mode",),
)

_TENSORPACK = dataclasses.replace(
    _DETECTRON2,
    name="tensorpack",
    program="tensorpack roi_align (crop_and_resize of a padded map, then 2×2 averages)",
    surprise="Although built from tf.image.crop_and_resize, it computes detectron2's operator with "
    "four samples per bin.",
    verified="derived from the source of tensorpack",
    sampling_ratio=2,
    options=("mode",),
)

_FIRST_PYTORCH = Convention(
    name="first-pytorch",
    program="RoIAlignAvg and RoIAlignMax of the first PyTorch Faster R-CNN (2017–2018)",
    surprise="A box is one cell larger than given, samples lie on the corners of the bins, which "
    "neighbours share, and the last cell is extrapolated.",
    verified="derived from the CPU source of its roi_align",
    added_cell=1.0,
    min_size=0.0,
    sampling_ratio=2,
    positions="corners",
    shared=True,
    border="continue",
    options=("mode",),
)

_TENSORRT_PYRAMID = Convention(
    name="tensorrt-pyramid",
    program="TensorRT PyramidROIAlign_TRT, roi_coords_transform 2",
    surprise="Boxes are clipped to the image, and a sample beyond the outermost centres reads the "
    "edge, so none counts as 0. Boxes are fractions of the image times the map's size, so the "
    "scale is map size / image size.",
    verified="derived from the source of TensorRT's plugin",
    offset_after=ALIGNED_OFFSET,
    clipped=True,
    min_samples=1,
    border="repeat",
    options=("sampling_ratio", "mode"),
)

_FAST_RCNN = Convention(
    name="fast-rcnn",
    program="RoIPool: Caffe, torchvision and Paddle roi_pool, ONNX MaxRoiPool",
    surprise="Corners are rounded half away from zero and the end cell is included, so every "
    "box becomes up to two cells larger than given.",
    verified="torchvision 0.29.1, ONNX Runtime 1.32.0, Paddle 3.3.1",
    operator="pool",
    mode="max",
    options=("mode",),
    max_start=LOWEST_FLOAT32,
)

_ROTATED = Convention(
    name="detectron2",
    operator="align-rotated",
    program="detectron2 ROIAlignRotated",
    surprise="The angle is in degrees and turns the box counter-clockwise on the screen; bins are "
    "numbered from the box's own upper left corner, wherever the rotation puts it.",
    verified="derived from the CPU source of detectron2; a build of it agreed to 5e-7",
    offset_after=ALIGNED_OFFSET,
    reversed_boxes="raise",
    level_rule="detectron2",
    options=("sampling_ratio", "aligned", "min_size", "angle", "clockwise"),
)

_PS_ALIGN = Convention(
    name="torchvision",
    operator="ps-align",
    program="torchvision.ops.ps_roi_align",
    surprise="Cell centres are sampled, which roi_align does only on request, and with an adaptive "
    "ratio a box with zero size gives NaN.",
    verified="torchvision 0.29.1",
    offset_after=ALIGNED_OFFSET,
    void=math.nan,
    reversed_boxes="nothing",
    options=("sampling_ratio", "aligned", "min_size"),
)

_R_FCN = Convention(
    name="r-fcn",
    operator="ps-pool",
    program="R-FCN PSROIPooling (Caffe), paddle.vision.ops.psroi_pool",
    surprise="Corners are rounded in pixels, not in cells, and the end corner is one pixel further "
    "than given.",
    verified="Paddle 3.3.1",
    added_pixel=1.0,
    min_size=0.1,
    rounding="none",
    pixels="rounded",
    options=(),
)

_ROWS = (
    _MASK_RCNN,
    dataclasses.replace(
        _MASK_RCNN,
        name="torchvision",
        program="torchvision.ops.roi_align with its defaults (aligned=False)",
        surprise="The default has the half-cell shift of the first implementations, and its sample "
        "count grows with the box.",
        verified="torchvision 0.29.1",
        sampling_ratio="adaptive",
    ),
    dataclasses.replace(
        _DETECTRON2,
        name="torchvision-aligned",
        program="torchvision.ops.roi_align(aligned=True)",
        verified="torchvision 0.29.1",
        level_rule="torchvision",
    ),
    _DETECTRON2,
    dataclasses.replace(
        _DETECTRON2,
        name="mmcv",
        program="mmcv.ops.roi_align (aligned=True)",
        surprise="max starts at −10000, which is also what a box with zero size gives, and a "
        "reversed box is refused.",
        verified="derived from the source of mmcv 2.x, which has no installable wheel to run",
        max_start=-10000.0,
        void_max=-10000.0,
        reversed_boxes="raise",
        level_rule="mmdet",
    ),
    _ONNX,
    dataclasses.replace(
        _ONNX,
        name="onnx-legacy",
        program="ONNX RoiAlign, opset 10, or coordinate_transformation_mode=output_half_pixel",
        surprise="The same graph exported with another opset shifts every crop by half a cell.",
        offset_after=0.0,
        min_size=1.0,
        sampling_ratio="adaptive",
    ),
    _OPENVINO,
    dataclasses.replace(
        _OPENVINO,
        name="openvino-half-pixel",
        program="OpenVINO ROIAlign-9, aligned_mode=half_pixel",
        surprise="Corners move half an image pixel before scaling and half a cell after it; no "
        "other framework does both.",
        offset_before=0.5,
        offset_after=ALIGNED_OFFSET,
        min_size=None,
    ),
    dataclasses.replace(
        _OPENVINO,
        name="openvino-half-pixel-for-nn",
        program="OpenVINO ROIAlign-9, aligned_mode=half_pixel_for_nn",
        surprise="This, not half_pixel, is what the other frameworks call aligned.",
        offset_after=ALIGNED_OFFSET,
        min_size=None,
    ),
    _OPENVINO_EXTRACTOR,
    dataclasses.replace(
        _OPENVINO_EXTRACTOR,
        name="openvino-extractor-aligned",
        program="OpenVINO ExperimentalDetectronROIFeatureExtractor-6, aligned=true",
        surprise="Cell centres are sampled, but a box is still never smaller than one cell; no "
        "other framework does both.",
        offset_after=ALIGNED_OFFSET,
    ),
    dataclasses.replace(
        _DETECTRON2,
        name="paddle",
        program="paddle.vision.ops.roi_align (aligned=True)",
        surprise="A box with zero size gives NaN, and with an adaptive ratio a reversed box "
        "crashes the process.",
        verified="Paddle 3.3.1",
        positions="fraction",
        void=math.nan,
        level_rule="paddle",
    ),
    _TENSORFLOW,
    dataclasses.replace(
        _TENSORFLOW,
        name="matterport",
        program="matterport Mask_RCNN PyramidROIAlign: TensorFlow's crop_and_resize",
        surprise="Pixels become fractions as (x1, y1, x2 − 1, y2 − 1) / (image size − 1), which "
        "are taken of map size − 1, so a box has neither the position nor the size that was given.",
        verified="derived from the source of Mask_RCNN; tf.image.crop_and_resize is TensorFlow "
        "2.21.0's",
        inner=True,
        level_rule="matterport",
    ),
    dataclasses.replace(
        _TF_FASTER_RCNN,
        name="tensorflow-stride",
        program="TensorFlow's crop_and_resize of pixel / ((map size − 1) · stride)",
        sampling_ratio=1,
        border="extrapolate",
        mode="avg",
    ),
    _TF_FASTER_RCNN,
    _TENSORPACK,
    dataclasses.replace(
        _TENSORPACK,
        name="tensorpack-unpadded",
        program="RoIAlign built from TensorFlow's crop_and_resize like tensorpack's, unpadded",
        surprise="It computes detectron2's operator with four samples per bin, but a sample beyond "
        "the outermost centres is 0 instead of clamped.",
        border="inside",
    ),
    dataclasses.replace(
        _MASK_RCNN,
        name="mmdet-v1",
        program="mmdetection 1.x RoIAlign",
        surprise="The end corner is one pixel further than given, and a small box is not enlarged "
        "to a cell; a box with zero size gives NaN if the sample count is adaptive.",
        verified="derived from the source of mmdetection 1.x",
        added_pixel=1.0,
        min_size=0.0,
        void=math.nan,
        void_max=math.nan,
        options=("sampling_ratio", "mode"),
        level_rule="mmdet",
    ),
    _FIRST_PYTORCH,
    dataclasses.replace(
        _FIRST_PYTORCH,
        name="first-pytorch-plain",
        program="RoIAlign itself of the first PyTorch Faster R-CNN (2017–2018)",
        surprise="A box is one cell larger than given, each bin has one sample, spread from corner "
        "to corner of the box, and the last cell is extrapolated.",
        sampling_ratio=1,
        shared=False,
    ),
    _TENSORRT_PYRAMID,
    dataclasses.replace(
        _TENSORRT_PYRAMID,
        name="tensorrt-pyramid-1",
        program="TensorRT PyramidROIAlign_TRT, roi_coords_transform 1",
        offset_after=0.0,
    ),
    dataclasses.replace(
        _TENSORRT_PYRAMID,
        name="tensorrt-pyramid-0",
        program="TensorRT PyramidROIAlign_TRT, roi_coords_transform 0",
        surprise="A sample lies at the beginning of its part of a bin, not in the middle.",
        offset_after=0.0,
        sample_at=0.0,
    ),
    Convention(
        name="prroi",
        program="Precise RoI Pooling (PrRoIPool)",
        surprise="There are no samples: the bilinear surface is integrated, and it fades to 0 "
        "outside the map instead of being clamped.",
        verified="numerical integral of the bilinear surface",
        min_size=0.0,
        sampling_ratio="exact",
        border="zero",
        options=("mode",),
    ),
    _FAST_RCNN,
    dataclasses.replace(
        _FAST_RCNN,
        name="fast-rcnn-half-even",
        program="RoIPool reimplemented with torch.round or np.round, which differs from "
        "fast-rcnn only for corners at .5",
        surprise="Corners are rounded half to even: 0.5 and 2.5 cells become 0 and 2.",
        verified="derived from its definition",
        rounding="half-even",
    ),
    dataclasses.replace(
        _FAST_RCNN,
        name="mmcv-pool",
        program="mmcv.ops.roi_pool",
        surprise="Corners are not rounded; edges of bins are, down and up. The end corner is one "
        "pixel further than given.",
        verified="derived from the source of mmcv",
        rounding="none",
        added_pixel=1.0,
    ),
    _ROTATED,
    dataclasses.replace(
        _ROTATED,
        name="mmcv",
        program="mmcv.ops.roi_align_rotated (aligned=True, clockwise=False)",
        surprise="The angle is in radians, and mmrotate's models turn boxes clockwise, which is a "
        "separate argument.",
        verified="derived from the CPU source of mmcv 2.x",
        angle="radians",
        aligned_min_size=None,
        level_rule="mmdet",
    ),
    dataclasses.replace(
        _ROTATED,
        name="openvino",
        program="OpenVINO ROIAlignRotated-15 (clockwise_mode=false)",
        surprise="The angle is in radians; positions are detectron2's except for rounding.",
        verified="OpenVINO 2026.4.1",
        angle="radians",
        positions="step-scaled",
        reversed_boxes="raise-if-adaptive",
        level_rule="openvino",
    ),
    dataclasses.replace(
        _ROTATED,
        name="mxnet",
        program="mxnet.contrib.RROIAlign",
        surprise="Cells are sampled at their upper left corner, half a cell off, and a box is "
        "never smaller than one cell.",
        verified="MXNet 1.9.1",
        offset_after=0.0,
        min_size=1.0,
        level_rule="torchvision",
    ),
    _PS_ALIGN,
    dataclasses.replace(
        _PS_ALIGN,
        name="mxnet",
        program="mxnet.contrib.ROIAlign(position_sensitive=True)",
        surprise="Cells are sampled at their upper left corner, half a cell off, and a box is "
        "never smaller than one cell.",
        verified="MXNet 1.9.1",
        offset_after=0.0,
        min_size=1.0,
        void=0.0,
    ),
    Convention(
        name="torchvision",
        operator="ps-pool",
        program="torchvision.ops.ps_roi_pool",
        surprise="The cell of the rounded end corner is left out, and the last row and column of "
        "the map are never read.",
        verified="torchvision 0.29.1",
        end_cell=False,
        unread=1,
        options=(),
    ),
    _R_FCN,
    dataclasses.replace(
        _R_FCN,
        name="openvino",
        program="OpenVINO PSROIPooling, mode=average",
        surprise="Corners are rounded in pixels, not in cells; a pixel is added to the end corner "
        "before rounding, which differs from R-FCN's rule for corners at −n.5.",
        verified="OpenVINO 2026.4.1",
        pixels="moved-and-rounded",
    ),
)

CONVENTIONS: Final[Mapping[tuple[Operator, str], Convention]] = MappingProxyType(
    {(row.operator, row.name): row for row in _ROWS}
)
"""By operator and name, the best known first: where several compute the same, they are named in
this order."""

PLAIN: Final[Mapping[str, Convention]] = MappingProxyType(
    {row.name: row for row in _ROWS if row.operator in ("align", "pool")}
)
"""The conventions of RoIAlign and RoIPool by name; no two of them share a name."""

FUNCTIONS: Final[Mapping[Operator, str]] = MappingProxyType(
    {
        "align": "roi_align",
        "pool": "roi_pool",
        "align-rotated": "roi_align_rotated",
        "ps-align": "ps_roi_align",
        "ps-pool": "ps_roi_pool",
    }
)
"""The name of each operator's function."""

COMMANDS: Final[Mapping[Operator, tuple[Operator, str]]] = MappingProxyType(
    {
        "align": ("align", ""),
        "pool": ("pool", ""),
        "align-rotated": ("align", ""),
        "ps-align": ("align", "--position-sensitive"),
        "ps-pool": ("pool", "--position-sensitive"),
    }
)
"""The command for each operator, and the option it needs; boxes with an angle need no option."""

DEFAULT: Final[Mapping[Operator, str]] = MappingProxyType(
    {
        "align": "mask-rcnn",
        "pool": "fast-rcnn",
        "align-rotated": "detectron2",
        "ps-align": "torchvision",
        "ps-pool": "torchvision",
    }
)
