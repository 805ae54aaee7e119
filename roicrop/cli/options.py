"""Options that commands share, so that each means the same everywhere.

Groups of options (`READING`, `ALIGN`, …) are decorators for commands. A command takes all its
options as one mapping, so that `batch` can set any of them for each row of its manifest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from roicrop.cli.declaring import (
    BIN,
    CHANNEL,
    COLUMNS,
    COUNT,
    IMAGE_SIZE,
    INPUT_SCALE,
    MEMORY_SIZE,
    MIN_SIZE,
    NUMBER,
    OUTPUT_SIZE,
    POSITIVE,
    RATIO,
    ROWS,
    STRIDES,
    Decorator,
    complete_conventions,
    complete_files,
    json_option,
    lie_option,
    output_option,
    picture_option,
    place_option,
    rule_option,
    running_option,
    together,
    which_option,
)
from roicrop.conventions import DEFAULT, SETTINGS, Convention, Operator

if TYPE_CHECKING:
    from roicrop.draw import Album, SurveyName
    from roicrop.job import Job

Parameters = Mapping[str, Any]


FILES: Final = together(
    click.argument("features", shell_complete=complete_files),
    click.argument("boxes", shell_complete=complete_files),
)
PLACING: Final = together(
    lie_option("--stride", type=POSITIVE, help="Image pixels per cell of the map."),
    lie_option(
        "--spatial-scale",
        type=POSITIVE,
        help="Cells per image pixel (1 / stride); use instead of --stride.",
    ),
    lie_option(
        "--levels",
        type=COLUMNS,
        help="Datasets in the group FEATURES that are the levels of a pyramid, finest first.",
    ),
    lie_option("--strides", type=STRIDES, help="Image pixels per cell, for each level."),
    lie_option(
        "--input-scale",
        type=INPUT_SCALE,
        help="How much the image was resized before the network saw it; boxes are in the "
        "original's pixels.",
    ),
    lie_option(
        "--layout",
        type=click.Choice(["NCHW", "NHWC", "CHW", "HWC", "NCWH", "NWHC", "CWH", "WHC"]),
        help="Order of the dataset's axes.  [default: its attribute `layout`, else NCHW]",
    ),
    lie_option(
        "--box-format",
        type=click.Choice(["xyxy", "xywh", "cxcywh", "yxyx", "cxcywha"]),
        help="Meaning of a box's four numbers; overrides the file.",
    ),
    lie_option(
        "--boxes-format",
        type=click.Choice(["csv", "tsv", "json", "jsonl"]),
        help="Format of BOXES; overrides its extension, and is required for standard input.",
    ),
    lie_option(
        "--images",
        type=click.Path(exists=True, dir_okay=False),
        help="COCO instances file that lists the images of the image ids.",
    ),
    lie_option(
        "--columns",
        type=COLUMNS,
        help="Names of all columns of BOXES, in order, for a file without a header; _ skips one.",
    ),
    lie_option("--image-column", metavar="NAME", help="Column or key that names the image."),
    lie_option("--score-column", metavar="NAME", help="Column or key that holds the score."),
    lie_option("--label-column", metavar="NAME", help="Column or key that holds the label."),
    lie_option(
        "--level-column",
        metavar="NAME",
        help="Column or key that holds the level: its name, the number in the name, or its index.",
    ),
    lie_option(
        "--on-image", metavar="NAME|N", help="Put every box on this image; overrides BOXES."
    ),
    lie_option(
        "--ids-are-indices",
        is_flag=True,
        help="Read image ids in BOXES as indices, counted from 0.",
    ),
    lie_option("--normalized", is_flag=True, help="Box coordinates are fractions of the image."),
    lie_option(
        "--image-size",
        type=IMAGE_SIZE,
        help="Image size for --normalized.  [default: map size / scale]",
    ),
    lie_option(
        "--inclusive", is_flag=True, help="End corners are the last pixel of a box: add 1 to them."
    ),
    running_option(
        "--allow-external",
        is_flag=True,
        help="Follow links to files outside the folder of an HDF5 input, and read raw storage.",
    ),
)
READING: Final = together(
    PLACING,
    rule_option(
        "--level-rule",
        type=click.Choice(SETTINGS["level_rule"].choices),
        help="How to choose a box's pyramid level.  [default: the convention's]",
    ),
    rule_option(
        "--canonical-size",
        type=POSITIVE,
        help="Side in pixels of a square box on the canonical level.  [default: the rule's]",
    ),
    rule_option(
        "--canonical-level", type=NUMBER, help="The canonical level.  [default: the rule's]"
    ),
    which_option("--min-score", type=NUMBER, help="Use only boxes with at least this score."),
    which_option(
        "--label", "labels", multiple=True, help="Use only boxes with this label; repeatable."
    ),
    which_option("--top-k", type=COUNT, help="Use only the N highest-scoring boxes of each image."),
    which_option(
        "--on-bad-box",
        type=click.Choice(["error", "keep", "zero", "drop"]),
        default="error",
        help="What to do with boxes that are not finite, reversed, or on no image: fail and name "
        "them (error); let the convention handle reversed ones (keep); write zeros (zero); or "
        "leave out their rows (drop).",
    ),
)
_OUTPUT_SIZE = output_option(
    "--output-size", type=OUTPUT_SIZE, help="Bins of each box: height × width.  [default: 7]"
)
_MODE = rule_option(
    "--mode",
    type=click.Choice(SETTINGS["mode"].choices),
    help="Take the average or the maximum of a bin.",
)


def _convention(default: str, *operators: Operator) -> Decorator[Any]:
    return rule_option(
        "--convention",
        metavar="NAME|MODEL[::NODE]",
        shell_complete=complete_conventions(*operators),
        help="Whose rules to use; `roicrop conventions` lists them. An exported model (.onnx, "
        f".xml) also gives the output size and the scale.  [default: {default}]",
    )


_POSITION_SENSITIVE = rule_option(
    "--position-sensitive", is_flag=True, help="Pool each bin from its own channels (R-FCN)."
)
_SAMPLING: Final = together(
    _POSITION_SENSITIVE,
    rule_option(
        "--sampling-ratio",
        type=RATIO,
        help="Samples per bin along each axis; exact integrates over the bin.",
    ),
    _MODE,
    rule_option(
        "--aligned/--no-aligned",
        default=None,
        help="Shift samples by half a cell, to cell centres, and do not enlarge small boxes; "
        "--no-aligned does the opposite.",
    ),
    rule_option("--min-size", type=MIN_SIZE, help="Enlarge boxes to at least this many cells."),
    rule_option(
        "--interpolation",
        type=click.Choice(SETTINGS["interpolation"].choices),
        help="How a sample reads the map; for crop-and-resize.",
    ),
    rule_option(
        "--extrapolation-value",
        type=float,
        metavar="V",
        help="Value of a bin whose sample lies outside the map; for crop-and-resize.",
    ),
    rule_option(
        "--angle",
        type=click.Choice(SETTINGS["angle"].choices),
        help="Unit of boxes' angles.  [default: the convention's]",
    ),
    rule_option(
        "--clockwise/--no-clockwise",
        default=None,
        help="Turn boxes with a positive angle clockwise.  [default: the convention's way]",
    ),
)
_ALIGNS: Final[tuple[Operator, ...]] = "align", "align-rotated", "ps-align"
_POOLS: Final[tuple[Operator, ...]] = "pool", "ps-pool"
ALIGN: Final = together(_OUTPUT_SIZE, _convention(DEFAULT["align"], *_ALIGNS), _SAMPLING)
POOL: Final = together(
    _OUTPUT_SIZE, _convention(DEFAULT["pool"], *_POOLS), _POSITION_SENSITIVE, _MODE
)
EITHER: Final = together(
    rule_option(
        "--op",
        "operator",
        type=click.Choice(["align", "pool"]),
        default="align",
        help="RoIAlign or RoIPool.",
    ),
    _OUTPUT_SIZE,
    _convention(f"{DEFAULT['align']}, for pool {DEFAULT['pool']}", *_ALIGNS, *_POOLS),
    _SAMPLING,
)

OUTPUT: Final = place_option("OUT", "File to write, ending in .h5, .npz or .npy.")
OVERWRITE: Final = output_option(
    "--overwrite", is_flag=True, help="Replace files that already exist."
)
TENSOR: Final = together(
    output_option(
        "--dtype",
        type=click.Choice(["float16", "float32", "float64"]),
        help="Data type of the output.  [default: the features', float32 for integers]",
    ),
    output_option(
        "--compression",
        metavar="none|lzf|gzip[:LEVEL]",
        default="none",
        help="Compression of an HDF5 output.",
    ),
    output_option(
        "--reduce",
        type=click.Choice(["mean", "max"]),
        help="Write one vector per box: the mean or maximum over its bins.",
    ),
    OVERWRITE,
)

DRAWING: Final = together(
    picture_option(
        "--photo",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Image that the boxes are on.  [default: the one named in FEATURES or BOXES]",
    ),
    picture_option(
        "--bin",
        type=BIN,
        help="Bin to highlight.  [default: the one with the largest value]",
    ),
    picture_option(
        "--channel",
        type=CHANNEL,
        help="Channel to draw.  [default: the mean of all; for a maximum, the channel with the "
        "largest value]",
    ),
    picture_option(
        "--points", is_flag=True, help="Write the sampling points as CSV beside each picture."
    ),
)
VIZ: Final = together(
    picture_option(
        "--viz",
        type=click.Path(file_okay=False),
        metavar="DIR",
        help="Draw a picture of each chosen box in this folder.",
    ),
    picture_option(
        "--viz-boxes",
        type=ROWS,
        help="Indices of the boxes to draw, as in 0,5,7-9.  [default: the first 8]",
    ),
    DRAWING,
)

REPORT: Final = together(
    running_option(
        "--quiet", "-q", is_flag=True, help="Print no summary and no progress, only warnings."
    ),
    json_option("Print a machine-readable summary to standard output."),
)
RUNNING: Final = together(
    running_option(
        "--threads",
        type=COUNT,
        help="Number of threads; never changes the result.  [default: all processors]",
    ),
    REPORT,
)
MEMORY: Final = running_option(
    "--memory",
    type=MEMORY_SIZE,
    help="Memory for maps, chunks and pooled rows together, as in 300MB; never changes the "
    "result.  [default: a quarter of the machine's, at most 2GB]",
)


def album(
    params: Parameters,
    job: Job,
    place: str,
    conventions: Sequence[Convention],
    *,
    boxes: Sequence[range] | None,
    survey: SurveyName | None = None,
    overwrite: bool,
    replace_own: bool = False,
) -> Album:
    """The album of pictures for DRAWING."""
    from roicrop.draw import Album, Options

    asked = Options(
        channel=params["channel"],
        bin=params["bin"],
        photo=params["photo"],
        points=params["points"],
        overwrite=overwrite,
        replace_own=replace_own,
    )
    return Album(job, place, conventions, asked, boxes=boxes, survey=survey)
