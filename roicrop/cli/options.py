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
    FLAG,
    IMAGE_SIZE,
    INPUT_SCALE,
    MEMORY_SIZE,
    MIN_SIZE,
    NAME,
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
    lie_option("--stride", POSITIVE, "Image pixels per cell of the map."),
    lie_option(
        "--spatial-scale", POSITIVE, "Cells per image pixel (1 / stride); use instead of --stride."
    ),
    lie_option(
        "--levels",
        COLUMNS,
        "Datasets in the group FEATURES that are the levels of a pyramid, finest first.",
    ),
    lie_option("--strides", STRIDES, "Image pixels per cell, for each level."),
    lie_option(
        "--input-scale",
        INPUT_SCALE,
        "How much the image was resized before the network saw it; boxes are in the original's "
        "pixels.",
    ),
    lie_option(
        "--layout",
        click.Choice(["NCHW", "NHWC", "CHW", "HWC", "NCWH", "NWHC", "CWH", "WHC"]),
        "Order of the dataset's axes.  [default: its attribute `layout`, else NCHW]",
    ),
    lie_option(
        "--box-format",
        click.Choice(["xyxy", "xywh", "cxcywh", "yxyx", "cxcywha"]),
        "Meaning of a box's four numbers; overrides the file.",
    ),
    lie_option(
        "--boxes-format",
        click.Choice(["csv", "tsv", "json", "jsonl"]),
        "Format of BOXES; overrides its extension, and is required for standard input.",
    ),
    lie_option(
        "--images",
        click.Path(exists=True, dir_okay=False),
        "COCO instances file that explains the image ids in BOXES.",
    ),
    lie_option(
        "--columns",
        COLUMNS,
        "Names of all columns of BOXES, in order, for a file without a header; _ skips one.",
    ),
    lie_option("--image-column", NAME, "Column or key that names the image."),
    lie_option("--score-column", NAME, "Column or key that holds the score."),
    lie_option("--label-column", NAME, "Column or key that holds the label."),
    lie_option(
        "--level-column",
        NAME,
        "Column or key that holds the level: its name, the number in the name, or its index.",
    ),
    lie_option(
        "--on-image", str, "Put every box on this image; overrides BOXES.", metavar="NAME|N"
    ),
    lie_option("--ids-are-indices", FLAG, "Read image ids in BOXES as indices, counted from 0."),
    lie_option("--normalized", FLAG, "Read box coordinates as fractions of the image."),
    lie_option(
        "--image-size", IMAGE_SIZE, "Image size for --normalized.  [default: map size / scale]"
    ),
    lie_option("--inclusive", FLAG, "Read end corners as the last pixel of a box: add 1 to them."),
    running_option(
        "--allow-external",
        FLAG,
        "Follow links to files outside the folder of an HDF5 input, and read raw storage.",
    ),
)
READING: Final = together(
    PLACING,
    rule_option(
        "--level-rule",
        click.Choice(SETTINGS["level_rule"].choices),
        "Choose a box's pyramid level by this rule.  [default: the convention's]",
    ),
    rule_option(
        "--canonical-size",
        POSITIVE,
        "Side in pixels of a square box on the canonical level.  [default: the rule's]",
    ),
    rule_option(
        "--canonical-level",
        NUMBER,
        "Level of a box with the canonical size.  [default: the rule's]",
    ),
    which_option("--min-score", NUMBER, "Use only boxes with at least this score."),
    which_option(
        "--label labels", str, "Use only boxes with this label; repeatable.", multiple=True
    ),
    which_option("--top-k", COUNT, "Use only the N highest-scoring boxes of each image."),
    which_option(
        "--on-bad-box",
        click.Choice(["error", "keep", "zero", "drop"]),
        "What to do with boxes that are not finite, reversed, or on no image: fail and name them "
        "(error); let the convention handle reversed ones (keep); write zeros (zero); or leave "
        "out their rows (drop).",
        default="error",
    ),
)
_OUTPUT_SIZE = output_option(
    "--output-size", OUTPUT_SIZE, "Bins of each box: height × width.  [default: 7]"
)
_MODE = rule_option(
    "--mode", click.Choice(SETTINGS["mode"].choices), "Take the average or the maximum of a bin."
)


def _convention(default: str, *operators: Operator) -> Decorator[Any]:
    return rule_option(
        "--convention",
        str,
        "Use the rules of this framework; `roicrop conventions` lists them. An exported model "
        f"(.onnx, .xml) also gives the output size and the scale.  [default: {default}]",
        metavar="NAME|MODEL[::NODE]",
        shell_complete=complete_conventions(*operators),
    )


_POSITION_SENSITIVE = rule_option(
    "--position-sensitive", FLAG, "Pool each bin from its own channels (R-FCN)."
)
_SAMPLING: Final = together(
    _POSITION_SENSITIVE,
    rule_option(
        "--sampling-ratio", RATIO, "Samples per bin along each axis; exact integrates over the bin."
    ),
    _MODE,
    rule_option(
        "--aligned/--no-aligned",
        FLAG,
        "Shift samples by half a cell, to cell centres, and do not enlarge small boxes; "
        "--no-aligned does the opposite.",
        default=None,
    ),
    rule_option("--min-size", MIN_SIZE, "Enlarge boxes to at least this many cells."),
    rule_option(
        "--interpolation",
        click.Choice(SETTINGS["interpolation"].choices),
        "How a sample reads the map; for crop-and-resize.",
    ),
    rule_option(
        "--extrapolation-value",
        float,
        "Value of a bin whose sample lies outside the map; for crop-and-resize.",
        metavar="V",
    ),
    rule_option(
        "--angle",
        click.Choice(SETTINGS["angle"].choices),
        "Unit of boxes' angles.  [default: the convention's]",
    ),
    rule_option(
        "--clockwise/--no-clockwise",
        FLAG,
        "Turn boxes with a positive angle clockwise.  [default: the convention's way]",
        default=None,
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
        "--op operator",
        click.Choice(["align", "pool"]),
        "Pool by RoIAlign or by RoIPool.",
        default="align",
    ),
    _OUTPUT_SIZE,
    _convention(f"{DEFAULT['align']}, for pool {DEFAULT['pool']}", *_ALIGNS, *_POOLS),
    _SAMPLING,
)

OUTPUT: Final = place_option("OUT", "File to write, ending in .h5, .npz or .npy.")
OVERWRITE: Final = output_option("--overwrite", FLAG, "Replace files that already exist.")
TENSOR: Final = together(
    output_option(
        "--dtype",
        click.Choice(["float16", "float32", "float64"]),
        "Data type of the output.  [default: the features', float32 for integers]",
    ),
    output_option(
        "--compression",
        str,
        "Compression of an HDF5 output.",
        metavar="none|lzf|gzip[:LEVEL]",
        default="none",
    ),
    output_option(
        "--reduce",
        click.Choice(["mean", "max"]),
        "Write one vector per box: the mean or maximum over its bins.",
    ),
    OVERWRITE,
)

DRAWING: Final = together(
    picture_option(
        "--photo",
        click.Path(dir_okay=False),
        "Image that the boxes are on.  [default: the one named in FEATURES or BOXES]",
        metavar="FILE",
    ),
    picture_option("--bin", BIN, "Bin to highlight.  [default: the one with the largest value]"),
    picture_option(
        "--channel",
        CHANNEL,
        "Channel to draw.  [default: the mean of all; for a maximum, the channel with the largest "
        "value]",
    ),
    picture_option("--points", FLAG, "Write the sampling points as CSV beside each picture."),
)
VIZ: Final = together(
    picture_option(
        "--viz",
        click.Path(file_okay=False),
        "Draw a picture of each chosen box in this folder.",
        metavar="DIR",
    ),
    picture_option(
        "--viz-boxes", ROWS, "Indices of the boxes to draw, as in 0,5,7-9.  [default: the first 8]"
    ),
    DRAWING,
)

REPORT: Final = together(
    running_option("--quiet -q", FLAG, "Print no summary and no progress, only warnings."),
    json_option("Print a machine-readable summary to standard output."),
)
RUNNING: Final = together(
    running_option(
        "--threads",
        COUNT,
        "Number of threads; never changes the result.  [default: all processors]",
    ),
    REPORT,
)
MEMORY: Final = running_option(
    "--memory",
    MEMORY_SIZE,
    "Memory for maps, chunks and pooled rows together, as in 300MB; never changes the result.  "
    "[default: a quarter of the machine's, at most 2GB]",
)
CROPPING: Final = together(READING, TENSOR, VIZ, MEMORY, RUNNING)


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
