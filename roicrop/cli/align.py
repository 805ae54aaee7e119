"""`roicrop align`."""

from __future__ import annotations

from typing import Any

from roicrop.cli import cropping, declaring, options


@declaring.command(
    epilog="\b\nExample: roicrop align maps.h5 boxes.csv -o crops.h5 --stride 16 --sampling-ratio 2"
)
@options.FILES
@options.OUTPUT
@options.ALIGN
@options.READING
@options.TENSOR
@options.VIZ
@options.MEMORY
@options.RUNNING
def command(**params: Any) -> None:
    """Pool every box to a fixed grid by RoIAlign.

    Bilinear samples of the feature map are averaged, or their maximum taken, in each bin. Row k of
    the output is box k of BOXES. What an option leaves open comes from the attributes of the
    dataset (stride or spatial_scale, layout, input_scale), then from the convention.
    """
    cropping.run(params, "align")
